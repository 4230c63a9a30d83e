//! Customers of requests as somebody writes them who does not see all of the record, and the photos that go with them.

use super::super::fault::Fault;
use super::super::grant::Mode;
use super::super::{Caller, Service};
use super::Asked;
use crate::record::{
    ConsentDraft, Customer, CustomerDraft, CustomerId, Hand, Key, Personal, PhotoId, Proposal, Request,
    RequestId, RequestState, Staff,
};
use crate::rights::Action;
use crate::store::{PhotoSize, Stored};

use super::looking::PhotoOf;

/// What changes of a customer. What is left out stays: somebody who sees a record shortened writes only what they
/// know.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CustomerPatch {
    /// The bank's customer number.
    pub customer_number: Option<Personal<String>>,
    /// Name.
    pub name: Option<Personal<String>>,
    /// ID number; an empty one takes it away.
    pub id_number: Option<Personal<String>>,
    /// Employer.
    pub employer: Option<Personal<String>>,
    /// VIP class.
    pub vip_class: Option<String>,
    /// What the customer usually comes for.
    pub usual_business: Option<Personal<String>>,
    /// Staff number of the account manager; an empty one takes it away.
    pub account_manager: Option<String>,
    /// Notes.
    pub notes: Option<Personal<String>>,
    /// What the customer says about being recognised.
    pub consent: Option<ConsentDraft>,
}

impl CustomerPatch {
    /// What comes of a draft by it.
    #[must_use]
    pub fn of(self, before: CustomerDraft) -> CustomerDraft {
        let id_number = match self.id_number {
            None => before.id_number,
            Some(number) => Some(number).filter(|number| !number.is_empty()),
        };
        let account_manager = match self.account_manager {
            None => before.account_manager,
            Some(number) => Some(number).filter(|number| !number.is_empty()),
        };
        CustomerDraft {
            customer_number: self.customer_number.unwrap_or(before.customer_number),
            name: self.name.unwrap_or(before.name),
            id_number,
            employer: self.employer.unwrap_or(before.employer),
            vip_class: self.vip_class.unwrap_or(before.vip_class),
            usual_business: self.usual_business.unwrap_or(before.usual_business),
            branch: before.branch,
            account_manager,
            notes: self.notes.unwrap_or(before.notes),
            consent: self.consent.unwrap_or(before.consent),
        }
    }
}

impl Service {
    /// Asks for a change of a customer whom the caller saw in version `expected`.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`, `Conflict`, `Store`.
    pub async fn draft_change(
        &self,
        caller: &Caller,
        customer: CustomerId,
        expected: u32,
        patch: CustomerPatch,
    ) -> Result<Stored<Request>, Fault> {
        let may = self.may_as(caller, Action::ChangeCustomers, Mode::Propose).await?;
        let (found, _) = self.reach_customer(caller, &may, Action::ChangeCustomers, customer).await?;
        self.is_current(&found, expected).await?;
        let customer_number = found.record.number.to_string().into();
        let draft = patch.of(self.draft_of(&found.record).await?);
        self.draft_request(caller, Asked::ChangeCustomer { customer_number, version: expected, draft }).await
    }

    /// Writes the customer of a request anew, which is a draft again by that; its photo stays.
    ///
    /// # Errors
    /// As [`Service::edit_request`].
    pub async fn edit_customer_of(
        &self,
        caller: &Caller,
        id: RequestId,
        expected: u32,
        patch: CustomerPatch,
    ) -> Result<Stored<Request>, Fault> {
        let before = self.reach_request(caller, id, Mode::Propose).await?;
        let asked = match before.record.proposal {
            Proposal::OpenCustomer { draft, .. } => Asked::OpenCustomer { draft: patch.of(draft) },
            Proposal::ChangeCustomer { customer, version, draft, .. } => {
                let found: Stored<Customer> = self.get(Key::Customer(customer), "customer").await?;
                let customer_number = found.record.number.to_string().into();
                Asked::ChangeCustomer { customer_number, version, draft: patch.of(draft) }
            }
            _ => return Err(Fault::NotFound("customer")),
        };
        self.edit_request(caller, id, expected, asked).await
    }

    /// Puts a photo into a request that opens or changes a customer, in place of the one that it has; it is a draft
    /// again by that.
    ///
    /// # Errors
    /// `NotFound`; `Rule` where it is decided; `Invalid` where it is no picture that is taken; `Conflict`; `Store`,
    /// also where too many wait already.
    pub async fn attach_photo(
        &self,
        caller: &Caller,
        id: RequestId,
        expected: u32,
        picture: Vec<u8>,
    ) -> Result<Stored<Request>, Fault> {
        let (before, customer) = self.request_for_photo(caller, id, expected).await?;
        let (photo, made) = self.developed(customer, picture).await?;
        // First the photo, then what names it.
        self.store.put_photo(photo, customer, made).await?;
        self.with_photo_of(caller, before, Some(photo)).await
    }

    /// Takes the photo of a request away again.
    ///
    /// # Errors
    /// As [`Service::attach_photo`].
    pub async fn detach_photo(
        &self,
        caller: &Caller,
        id: RequestId,
        expected: u32,
    ) -> Result<Stored<Request>, Fault> {
        let (before, _) = self.request_for_photo(caller, id, expected).await?;
        self.with_photo_of(caller, before, None).await
    }

    async fn request_for_photo(
        &self,
        caller: &Caller,
        id: RequestId,
        expected: u32,
    ) -> Result<(Stored<Request>, CustomerId), Fault> {
        self.may_as(caller, Action::TakePhotos, Mode::Propose).await?;
        let before = self.reach_request(caller, id, Mode::Propose).await?;
        self.may_become(&before, RequestState::Draft)?;
        if before.version != expected {
            let (key, found) = (Key::Request(id), before.version);
            return Err(self.explain(crate::store::CommitFault::Conflict { key, found }).await);
        }
        match before.record.proposal {
            Proposal::OpenCustomer { customer, .. } | Proposal::ChangeCustomer { customer, .. } => {
                Ok((before, customer))
            }
            _ => Err(Fault::NotFound("customer")),
        }
    }

    async fn with_photo_of(
        &self,
        caller: &Caller,
        before: Stored<Request>,
        photo: Option<PhotoId>,
    ) -> Result<Stored<Request>, Fault> {
        let Stored { version, record } = before;
        let proposal = match record.proposal {
            Proposal::OpenCustomer { customer, draft, .. } => {
                Proposal::OpenCustomer { customer, draft, photo }
            }
            Proposal::ChangeCustomer { customer, version, draft, .. } => {
                Proposal::ChangeCustomer { customer, version, draft, photo }
            }
            other => other,
        };
        let mut hands = record.hands;
        hands.insert(Hand::of(&caller.actor));
        let edited = Request { state: RequestState::Draft, proposal, hands, submitted: None, ..record };
        self.put(caller, "request.edit", edited, version).await
    }

    /// A photo of a request: the one that is asked for, or the one that the customer has; for whoever has to do with
    /// the request.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn request_photo(
        &self,
        caller: &Caller,
        id: RequestId,
        which: PhotoOf,
        size: PhotoSize,
    ) -> Result<(PhotoId, Vec<u8>), Fault> {
        let request = self.request(caller, id).await?.record;
        let photo = match which {
            PhotoOf::Proposed => request.proposal.photo(),
            // Whoever judges another one sees this one beside it; for anything else the record is looked at.
            PhotoOf::Present if request.proposal.photo().is_some() => match request.proposal.customer() {
                Some(customer) => {
                    let found: Option<Stored<Customer>> = self.find(Key::Customer(customer)).await?;
                    found.and_then(|customer| customer.record.photo)
                }
                None => None,
            },
            PhotoOf::Present => None,
        };
        let photo_id = photo.ok_or(Fault::NotFound("photo"))?;
        let photo = self.store.photo(photo_id, size).await?.ok_or(Fault::NotFound("photo"))?;
        Ok((photo_id, photo))
    }

    /// A record as somebody would write it.
    pub(super) async fn draft_of(&self, customer: &Customer) -> Result<CustomerDraft, Fault> {
        let account_manager = match customer.account_manager {
            Some(id) => {
                self.find::<Staff>(Key::Staff(id)).await?.map(|staff| staff.record.number.to_string())
            }
            None => None,
        };
        Ok(CustomerDraft {
            customer_number: customer.number.to_string().into(),
            name: customer.name.clone(),
            id_number: customer.id_number.as_ref().map(|number| number.reveal().into()),
            employer: customer.employer.clone(),
            vip_class: customer.vip_class.to_string(),
            usual_business: customer.usual_business.clone(),
            branch: customer.branch.to_string(),
            account_manager,
            notes: customer.notes.clone(),
            consent: ConsentDraft::of(&customer.consent),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_of_a_patch_stays_and_what_is_empty_goes() {
        let before = CustomerDraft {
            customer_number: "6001".into(),
            name: "张小明".into(),
            id_number: Some("11010519491231002X".into()),
            employer: "西州电力".into(),
            vip_class: "gold".to_owned(),
            usual_business: "理财".into(),
            branch: "a".to_owned(),
            account_manager: Some("AM1".to_owned()),
            notes: "x".into(),
            consent: ConsentDraft::Given,
        };
        assert_eq!(CustomerPatch::default().of(before.clone()), before);
        let patch = CustomerPatch {
            name: Some("张晓明".into()),
            id_number: Some("".into()),
            account_manager: Some(String::new()),
            notes: Some("".into()),
            consent: Some(ConsentDraft::OptedOut),
            ..CustomerPatch::default()
        };
        let after = CustomerDraft {
            name: "张晓明".into(),
            id_number: None,
            account_manager: None,
            notes: "".into(),
            consent: ConsentDraft::OptedOut,
            ..before.clone()
        };
        assert_eq!(patch.of(before), after);
    }
}
