//! Customers: opened, changed, found.

use std::sync::{Arc, PoisonError};

use rfid_core::UtcTime;
use serde::{Deserialize, Serialize};

use super::fault::{Fault, FieldFault, check_name, check_text};
use super::{Caller, Scope, Service};
use crate::recognition::Notice;
use crate::record::{
    Consent, Customer, CustomerId, IdNumber, IdNumberFault, Key, Kind, Number, Personal, Record, StaffId,
    Unique, Visit,
};
use crate::search::{Position, SearchFilter};
use crate::store::{Among, Commit, Listing, Stored};

/// Visits of a customer that may still go on are among so many.
const LATEST_VISITS: usize = 16;
/// Customers that are read at once to fill the index.
const SCANNED: usize = 256;

/// A customer as somebody writes one: in a form, in JSON, in a line of CSV.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CustomerDraft {
    /// The bank's customer number.
    pub customer_number: Personal<String>,
    /// Name.
    pub name: Personal<String>,
    /// ID number; none if left out.
    #[serde(default)]
    pub id_number: Option<Personal<String>>,
    /// Employer.
    #[serde(default)]
    pub employer: Personal<String>,
    /// VIP class.
    pub vip_class: String,
    /// What the customer usually comes for.
    #[serde(default)]
    pub usual_business: Personal<String>,
    /// Code of the branch that the customer belongs to.
    pub branch: String,
    /// Staff number of the account manager.
    #[serde(default)]
    pub account_manager: Option<String>,
    /// Notes.
    #[serde(default)]
    pub notes: Personal<String>,
    /// What the customer says about being recognised.
    #[serde(default)]
    pub consent: ConsentDraft,
}

/// What a customer says about being recognised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ConsentDraft {
    /// Nobody has asked.
    #[default]
    NotAsked,
    /// Agrees.
    Given,
    /// Does not agree.
    OptedOut,
}

impl ConsentDraft {
    fn at(self, before: Option<Consent>, at: UtcTime) -> Consent {
        match (self, before) {
            // The time of a word that stands is the time at which it was said.
            (Self::Given, Some(given @ Consent::Given { .. })) => given,
            (Self::OptedOut, Some(out @ Consent::OptedOut { .. })) => out,
            (Self::NotAsked, _) => Consent::NotAsked,
            (Self::Given, _) => Consent::Given { at },
            (Self::OptedOut, _) => Consent::OptedOut { at },
        }
    }
}

impl Service {
    /// Opens a customer.
    ///
    /// # Errors
    /// `Invalid`, `Taken` for the customer number, `Store`.
    pub async fn open_customer(
        &self,
        caller: &Caller,
        draft: CustomerDraft,
    ) -> Result<Stored<Customer>, Fault> {
        caller.grant.allows(Scope::WriteCustomers)?;
        let id = CustomerId::from_bytes(self.new_id()?);
        let customer = self.customer_of(caller, draft, id, None).await?;
        self.put(caller, customer, 0).await
    }

    /// Changes a customer whom the caller saw in version `expected`.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`, `Conflict`, `Taken`, `Store`.
    pub async fn change_customer(
        &self,
        caller: &Caller,
        id: CustomerId,
        expected: u32,
        draft: CustomerDraft,
    ) -> Result<Stored<Customer>, Fault> {
        caller.grant.allows(Scope::WriteCustomers)?;
        let before = self.any_customer(caller, id).await?;
        if before.version != expected {
            let found = before.version;
            return Err(self
                .explain(crate::store::CommitFault::Conflict { key: Key::Customer(id), found })
                .await);
        }
        let customer = self.customer_of(caller, draft, id, Some(&before.record)).await?;
        let takes_back = before.record.may_be_recognised() && !customer.may_be_recognised();
        let visits = if takes_back { self.open_visits_of(id).await? } else { Vec::new() };
        let customer = self.put_with(caller, customer, expected, visits.clone()).await?;
        for visit in visits {
            self.tell(Notice::Visit(Arc::new(Stored { version: visit.version + 1, record: visit.record })));
        }
        Ok(customer)
    }

    /// Visits of a customer that go on, as they are when they end now: whoever takes the consent back is
    /// on no screen any more.
    async fn open_visits_of(&self, id: CustomerId) -> Result<Vec<Stored<Visit>>, Fault> {
        let listing = Listing {
            kind: Kind::Visit,
            among: Among::Of(Key::Customer(id)),
            from: UtcTime::from_nanos(0),
            until: UtcTime::from_nanos(u64::MAX),
        };
        let now = self.now();
        let found = self.store.list(&listing, None, LATEST_VISITS).await?;
        let over = |stored: Stored| match stored.record {
            Record::Visit(visit) if visit.departed_at.is_none() => {
                let record = Visit { departed_at: Some(now), present: Vec::new(), ..visit };
                Some(Stored { version: stored.version, record })
            }
            _ => None,
        };
        Ok(found.into_iter().filter_map(over).take(Commit::MOST - 1).collect())
    }

    /// Closes a customer, whose cards are refused from then on.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Store`.
    pub async fn close_customer(
        &self,
        caller: &Caller,
        id: CustomerId,
        expected: u32,
    ) -> Result<Stored<Customer>, Fault> {
        caller.grant.allows(Scope::WriteCustomers)?;
        let before = self.any_customer(caller, id).await?;
        self.put(caller, Customer { closed: true, ..before.record }, expected).await
    }

    /// The customer of this id.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn customer(&self, caller: &Caller, id: CustomerId) -> Result<Stored<Customer>, Fault> {
        caller.grant.allows(Scope::ReadCustomers)?;
        self.any_customer(caller, id).await
    }

    /// The same for whoever does something else with it.
    pub(super) async fn any_customer(
        &self,
        caller: &Caller,
        id: CustomerId,
    ) -> Result<Stored<Customer>, Fault> {
        let customer: Stored<Customer> = self.get(Key::Customer(id), "customer").await?;
        caller.grant.seen(&customer.record.branch.clone(), "customer", customer)
    }

    /// The customer of this number.
    ///
    /// # Errors
    /// `NotFound`, also where the text is no number; `Store`.
    pub async fn customer_of_number(&self, caller: &Caller, number: &str) -> Result<Stored<Customer>, Fault> {
        caller.grant.allows(Scope::ReadCustomers)?;
        self.any_customer_of_number(caller, number).await
    }

    /// The id of the customer of this number, for whoever does something with it that needs another
    /// right than seeing customers.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn customer_id_of_number(&self, caller: &Caller, number: &str) -> Result<CustomerId, Fault> {
        Ok(self.any_customer_of_number(caller, number).await?.record.id)
    }

    /// The same for whoever does something else with it.
    pub(super) async fn any_customer_of_number(
        &self,
        caller: &Caller,
        number: &str,
    ) -> Result<Stored<Customer>, Fault> {
        let number: Number = number.parse().map_err(|_| Fault::NotFound("customer"))?;
        let found = self.store.find(&Unique::CustomerNumber(number)).await?;
        let customer: Stored<Customer> = found.and_then(Stored::typed).ok_or(Fault::NotFound("customer"))?;
        caller.grant.seen(&customer.record.branch.clone(), "customer", customer)
    }

    /// The customers with this ID number.
    ///
    /// # Errors
    /// `Invalid` where the text is no ID number, `Store`.
    pub async fn customers_of_id_number(
        &self,
        caller: &Caller,
        text: &str,
    ) -> Result<Vec<Stored<Customer>>, Fault> {
        caller.grant.allows(Scope::ReadCustomers)?;
        let wrong =
            |fault: IdNumberFault| Fault::Invalid(vec![FieldFault::new("id_number", fault.to_string())]);
        let number: IdNumber = text.parse().map_err(wrong)?;
        let mut found = self.store.customers_with_id_number(&number).await?;
        found.retain(|stored| caller.grant.sees(&stored.record.branch));
        Ok(found)
    }

    /// Reads all customers into the index of [`Service::search_customers`], which finds nobody before.
    /// Returns how many there are. What is written meanwhile is in it, too.
    ///
    /// # Errors
    /// `Store`.
    pub async fn fill_search(&self) -> Result<usize, Fault> {
        self.read_into_search(false).await
    }

    /// Reads again what others may have written.
    pub(super) async fn refill_search(&self) -> Result<usize, Fault> {
        self.read_into_search(true).await
    }

    /// Customers and cards into what is searched in memory; those that are there already only `anew`.
    async fn read_into_search(&self, anew: bool) -> Result<usize, Fault> {
        for kind in [Kind::Customer, Kind::Card] {
            let mut after: Option<Key> = None;
            loop {
                let page = self.store.scan(kind, after.as_ref(), SCANNED).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.record.key());
                page.iter().filter(|stored| anew || !self.is_searched(&stored.record)).for_each(|stored| {
                    self.note_written(&stored.record);
                });
            }
        }
        Ok(self.search.read().unwrap_or_else(PoisonError::into_inner).len())
    }

    fn is_searched(&self, record: &Record) -> bool {
        match record {
            Record::Customer(customer) => {
                self.search.read().unwrap_or_else(PoisonError::into_inner).holds(customer.id)
            }
            Record::Card(card) => self.cards.read().unwrap_or_else(PoisonError::into_inner).holds(card.id),
            _ => true,
        }
    }

    /// Customers with this text in their names, ways to type these, or employers, behind `after`; at most
    /// `limit` of them, and where the list goes on. See [`crate::search`].
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn search_customers(
        &self,
        caller: &Caller,
        text: &str,
        filter: &SearchFilter,
        after: Option<Position>,
        limit: usize,
    ) -> Result<(Vec<Stored<Customer>>, Option<Position>), Fault> {
        caller.grant.allows(Scope::ReadCustomers)?;
        let (ids, next) = {
            let search = self.search.read().unwrap_or_else(PoisonError::into_inner);
            search.find(text, filter, |branch| caller.grant.sees(branch), after, limit)
        };
        let keys: Vec<Key> = ids.into_iter().map(Key::Customer).collect();
        let mut found: Vec<Stored<Customer>> =
            self.store.get(&keys).await?.into_iter().flatten().filter_map(Stored::typed).collect();
        // Somebody may have moved the customer since the index was asked.
        found.retain(|stored| caller.grant.sees(&stored.record.branch));
        Ok((found, next))
    }

    /// A customer from what somebody wrote.
    async fn customer_of(
        &self,
        caller: &Caller,
        draft: CustomerDraft,
        id: CustomerId,
        before: Option<&Customer>,
    ) -> Result<Customer, Fault> {
        let mut faults = Vec::new();
        let checked = check_customer(&draft, &mut faults);
        if let Err(fault) = self.branch(caller, &draft.branch).await {
            match fault {
                Fault::NotFound(_) => faults.push(FieldFault::new("branch", "there is no such branch")),
                other => return Err(other),
            }
        }
        let account_manager = match &draft.account_manager {
            None => None,
            Some(number) => match self.any_staff_of_number(number).await {
                Ok(staff) => Some(staff.record.id),
                Err(Fault::NotFound(_)) => {
                    faults.push(FieldFault::new("account_manager", "nobody has this staff number"));
                    None
                }
                Err(other) => return Err(other),
            },
        };
        let Some((number, id_number)) = checked.filter(|_| faults.is_empty()) else {
            return Err(Fault::Invalid(faults));
        };
        let consent = draft.consent.at(before.map(|customer| customer.consent), self.now());
        Ok(finish(draft, id, number, id_number, account_manager, consent, before))
    }
}

/// Everything about a draft that can be said without asking the store; number and ID number if they
/// are in order.
pub(crate) fn check_customer(
    draft: &CustomerDraft,
    faults: &mut Vec<FieldFault>,
) -> Option<(Number, Option<IdNumber>)> {
    let number = draft.customer_number.reveal().parse::<Number>();
    let number =
        number.map_err(|fault| faults.push(FieldFault::new("customer_number", fault.to_string()))).ok();
    let id_number = match draft.id_number.as_ref().filter(|text| !text.is_empty()) {
        None => Some(None),
        Some(text) => match text.reveal().parse::<IdNumber>() {
            Ok(id_number) => Some(Some(id_number)),
            Err(fault) => {
                faults.push(FieldFault::new("id_number", fault.to_string()));
                None
            }
        },
    };
    check_name("name", draft.name.reveal(), Customer::LONGEST_TEXT, faults);
    check_text("employer", draft.employer.reveal(), Customer::LONGEST_TEXT, faults);
    check_text("usual_business", draft.usual_business.reveal(), Customer::LONGEST_TEXT, faults);
    check_text("notes", draft.notes.reveal(), Customer::LONGEST_NOTES, faults);
    check_name("vip_class", &draft.vip_class, 32, faults);
    Some((number?, id_number?))
}

/// The customer of a draft in which everything is in order.
pub(crate) fn finish(
    draft: CustomerDraft,
    id: CustomerId,
    number: Number,
    id_number: Option<IdNumber>,
    account_manager: Option<StaffId>,
    consent: Consent,
    before: Option<&Customer>,
) -> Customer {
    Customer {
        id,
        number,
        name: draft.name,
        id_number,
        employer: draft.employer,
        photo: before.and_then(|customer| customer.photo),
        vip_class: draft.vip_class.as_str().into(),
        usual_business: draft.usual_business,
        branch: draft.branch.as_str().into(),
        account_manager,
        notes: draft.notes,
        consent,
        closed: before.is_some_and(|customer| customer.closed),
    }
}
