//! Photos of customers.

use std::collections::HashSet;

use super::fault::{Fault, FieldFault};
use super::grant::Mode;
use super::{Caller, Service};
use crate::photo::{self, Darkroom, PhotoFault};
use crate::record::{Customer, CustomerId, Kind, PhotoId, Proposal, Record, Request};
use crate::rights::Action;
use crate::store::{Photo, PhotoSize, Stored};

/// Customers and photos that are read at once.
const PAGE: usize = 256;

impl Service {
    /// Takes a photo of the customer of this number, whom the caller saw in version `expected`, in place
    /// of the one that there is.
    ///
    /// *Cancel safety*: it happens wholly, or the customer has the photo of before.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` where it is no picture that is taken; `Conflict`; `Store`, also where too
    /// many wait already.
    pub async fn take_photo(
        &self,
        caller: &Caller,
        number: &str,
        expected: u32,
        picture: Vec<u8>,
    ) -> Result<Stored<Customer>, Fault> {
        let before = self.seen_in(caller, number, expected, Mode::Do).await?;
        let (id, photo) = self.developed(before.record.id, picture).await?;
        if before.record.photo == Some(id) {
            return Ok(before);
        }
        // First the photo, then who has it: nobody is ever without the photo that the record names.
        self.store.put_photo(id, before.record.id, photo).await?;
        self.with_photo(caller, before, Some(id)).await
    }

    /// Asks for a photo of the customer of this number, which somebody else approves. What comes is a draft,
    /// like any other request.
    ///
    /// # Errors
    /// As [`Service::take_photo`].
    pub async fn propose_photo(
        &self,
        caller: &Caller,
        number: &str,
        expected: u32,
        picture: Vec<u8>,
    ) -> Result<Stored<Request>, Fault> {
        let before = self.seen_in(caller, number, expected, Mode::Propose).await?;
        let (id, photo) = self.developed(before.record.id, picture).await?;
        self.store.put_photo(id, before.record.id, photo).await?;
        let Customer { id: customer, branch, .. } = before.record;
        let proposal = Proposal::Photo { customer, version: expected, photo: id };
        self.begin_request(caller, proposal, branch).await
    }

    /// A picture as it is kept.
    pub(super) async fn developed(
        &self,
        customer: CustomerId,
        picture: Vec<u8>,
    ) -> Result<(PhotoId, Photo), Fault> {
        let photo = match self.darkroom()?.develop(picture).await {
            Ok(photo) => photo,
            Err(PhotoFault::Picture(what)) => {
                return Err(Fault::Invalid(vec![FieldFault::new("photo", what.to_string())]));
            }
            Err(PhotoFault::Darkroom(error)) => return Err(error.into()),
        };
        Ok((photo::id_of(customer, &photo), photo))
    }

    /// Takes the photo of the customer of this number away.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Store`.
    pub async fn remove_photo(
        &self,
        caller: &Caller,
        number: &str,
        expected: u32,
    ) -> Result<Stored<Customer>, Fault> {
        let before = self.seen_in(caller, number, expected, Mode::Do).await?;
        if before.record.photo.is_none() {
            return Ok(before);
        }
        self.with_photo(caller, before, None).await
    }

    /// The photo of the customer of this number, a JPEG, with its id.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn photo(
        &self,
        caller: &Caller,
        number: &str,
        size: PhotoSize,
    ) -> Result<(PhotoId, Vec<u8>), Fault> {
        let customer = self.customer_of_number(caller, number).await?;
        let id = customer.record.photo.ok_or(Fault::NotFound("photo"))?;
        let photo = self.store.photo(id, size).await?.ok_or(Fault::NotFound("photo"))?;
        Ok((id, photo))
    }

    /// Forgets photos that no customer has: what is left where a host ended, or a store failed, between
    /// a photo and its record. Only those go that were among `suspects`, strays of an earlier call, so
    /// that one which was put in a moment ago is not taken for one. Returns the suspects of now.
    ///
    /// # Errors
    /// `Store`.
    pub async fn forget_stray_photos(&self, suspects: &HashSet<PhotoId>) -> Result<HashSet<PhotoId>, Fault> {
        let mut strays = HashSet::new();
        let mut after = None;
        loop {
            let page = self.store.photos(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(*last);
            strays.extend(page);
        }
        let mut after = None;
        while !strays.is_empty() {
            let page = self.store.scan(Kind::Customer, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.record.key());
            for stored in &page {
                if let Record::Customer(Customer { photo: Some(id), .. }) = &stored.record {
                    strays.remove(id);
                }
            }
        }
        for request in self.open_requests().await? {
            if let Some(photo) = request.record.proposal.photo() {
                strays.remove(&photo);
            }
        }
        let (gone, left): (HashSet<PhotoId>, HashSet<PhotoId>) =
            strays.into_iter().partition(|id| suspects.contains(id));
        for id in gone {
            self.store.remove_photo(id).await?;
        }
        Ok(left)
    }

    /// The customer, if it is still in the version that the caller saw.
    async fn seen_in(
        &self,
        caller: &Caller,
        number: &str,
        expected: u32,
        mode: Mode,
    ) -> Result<Stored<Customer>, Fault> {
        let may = self.may_as(caller, Action::TakePhotos, mode).await?;
        let (customer, _) = self.reach_number(caller, &may, Action::TakePhotos, number).await?;
        if customer.version == expected {
            return Ok(customer);
        }
        let (key, found) = (Record::from(customer.record).key(), customer.version);
        Err(self.explain(crate::store::CommitFault::Conflict { key, found }).await)
    }

    /// Writes the customer with another photo, and forgets the one that is nobody's then.
    async fn with_photo(
        &self,
        caller: &Caller,
        before: Stored<Customer>,
        photo: Option<PhotoId>,
    ) -> Result<Stored<Customer>, Fault> {
        let Stored { version, record } = before;
        let old = record.photo;
        let outcome = self.put(caller, "customer.photo", Customer { photo, ..record }, version).await;
        let nobodys = match &outcome {
            Ok(_) => old,
            // Somebody was faster, and this one was never anybody's.
            Err(Fault::Conflict { .. }) => photo,
            // Whether it happened is not known: strays are looked for later.
            Err(_) => None,
        };
        if let Some(id) = nobodys
            && let Err(error) = self.store.remove_photo(id).await
        {
            tracing::warn!(error = format!("{error:#}"), "a photo that nobody has is forgotten later");
        }
        outcome
    }

    fn darkroom(&self) -> rfid_core::Result<&Darkroom> {
        if let Some(darkroom) = self.darkroom.get() {
            return Ok(darkroom);
        }
        // Of two that begin at once, the thread of one ends again.
        let started = Darkroom::start()?;
        Ok(self.darkroom.get_or_init(|| started))
    }
}
