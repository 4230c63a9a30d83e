//! Customers: opened, changed, found.

use std::sync::{Arc, PoisonError};

use super::fault::{Fault, FieldFault, check_name, check_text};
use super::grant::{May, Mode};
use super::{Caller, Service, Sight};
use crate::recognition::Notice;
use crate::record::{
    Consent, ConsentDraft, Customer, CustomerDraft, CustomerId, IdNumber, IdNumberFault, Key, Kind, Number,
    Outcome, Record, StaffId, Unique, Visit,
};
use crate::rights::{Action, Cell};
use crate::search::{Position, SearchFilter};
use crate::store::{Commit, Stored};
use rfid_core::Name;

/// Customers that are read at once to fill the index.
const SCANNED: usize = 256;
/// Customers that are looked through for one page: of those that are not one's own there may be many.
const LOOKED_AT_FOR_A_PAGE: usize = 2_000;

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
        let may = self.may(caller, Action::ChangeCustomers).await?;
        let id = CustomerId::from_bytes(self.new_id()?);
        let customer = self.customer_of(&may, draft, id, None).await?;
        self.put(caller, "customer.open", customer, 0).await
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
        let may = self.may(caller, Action::ChangeCustomers).await?;
        let (before, _) = self.reach_customer(caller, &may, Action::ChangeCustomers, id).await?;
        if before.version != expected {
            let found = before.version;
            return Err(self
                .explain(crate::store::CommitFault::Conflict { key: Key::Customer(id), found })
                .await);
        }
        let customer = self.customer_of(&may, draft, id, Some(&before.record)).await?;
        self.write_customer(caller, "customer.change", &before, customer).await
    }

    /// Writes a customer anew; where nobody may recognise it any more, its visits end.
    pub(super) async fn write_customer(
        &self,
        caller: &Caller,
        action: &str,
        before: &Stored<Customer>,
        customer: Customer,
    ) -> Result<Stored<Customer>, Fault> {
        let takes_back = before.record.may_be_recognised() && !customer.may_be_recognised();
        let visits = if takes_back { self.open_visits_of(customer.id).await? } else { Vec::new() };
        let customer = self.put_with(caller, action, customer, before.version, visits.clone()).await?;
        for visit in visits {
            self.tell(Notice::Visit(Arc::new(Stored { version: visit.version + 1, record: visit.record })));
        }
        Ok(customer)
    }

    /// Notes what a customer says about being recognised; whoever takes the consent back is on no screen
    /// any more.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Store`.
    pub async fn note_consent(
        &self,
        caller: &Caller,
        number: &str,
        consent: ConsentDraft,
    ) -> Result<Sight<Customer>, Fault> {
        let may = self.may(caller, Action::NoteConsent).await?;
        let (before, cell) = self.reach_number(caller, &may, Action::NoteConsent, number).await?;
        let consent = consent.at(Some(before.record.consent), self.now());
        let customer = Customer { consent, ..before.record.clone() };
        let stored = self.write_customer(caller, "customer.consent", &before, customer).await?;
        let sees = caller.grant.may(Action::SeeCustomers, Mode::Do, caller.reason.is_some()).ok();
        let seen = sees.and_then(|sees| sees.of_customer(&stored.record)).unwrap_or(cell);
        Ok(Sight { stored, is_masked: seen.masked })
    }

    async fn latest_visits_of(&self, id: CustomerId) -> Result<Arc<[Stored<Visit>]>, Fault> {
        Ok(self.store.visits_of(&[id]).await?.pop().unwrap_or_default())
    }

    /// Visits of a customer that go on, as they are when they end now: whoever takes the consent back is
    /// on no screen any more.
    async fn open_visits_of(&self, id: CustomerId) -> Result<Vec<Stored<Visit>>, Fault> {
        let now = self.now();
        let latest = self.latest_visits_of(id).await?;
        let open = latest.iter().filter(|stored| stored.record.departed_at.is_none());
        let over = open.map(|Stored { version, record }| {
            let record = Visit { departed_at: Some(now), present: Vec::new(), ..record.clone() };
            Stored { version: *version, record }
        });
        Ok(over.take(Commit::MOST - 1).collect())
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
        let may = self.may(caller, Action::ChangeCustomers).await?;
        let (before, _) = self.reach_customer(caller, &may, Action::ChangeCustomers, id).await?;
        self.put(caller, "customer.close", Customer { closed: true, ..before.record }, expected).await
    }

    /// The customer of this id.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn customer(&self, caller: &Caller, id: CustomerId) -> Result<Sight<Customer>, Fault> {
        let may = self.may(caller, Action::SeeCustomers).await?;
        let (customer, cell) = self.reach_customer(caller, &may, Action::SeeCustomers, id).await?;
        self.shown(caller, customer, cell).await
    }

    /// The customer of this number.
    ///
    /// # Errors
    /// `NotFound`, also where the text is no number; `Store`.
    pub async fn customer_of_number(&self, caller: &Caller, number: &str) -> Result<Sight<Customer>, Fault> {
        let may = self.may(caller, Action::SeeCustomers).await?;
        let (customer, cell) = self.reach_number(caller, &may, Action::SeeCustomers, number).await?;
        self.shown(caller, customer, cell).await
    }

    /// A customer as this caller sees it: shortened where the matrix says so, unless the customer stands
    /// in front of them.
    async fn shown(
        &self,
        caller: &Caller,
        stored: Stored<Customer>,
        cell: Cell,
    ) -> Result<Sight<Customer>, Fault> {
        let customer = &stored.record;
        self.saw(caller, "customer.see", Some(&Key::Customer(customer.id)), Some(&customer.branch), 1)
            .await?;
        let is_masked = cell.masked && !self.is_here(caller, customer.id).await?;
        Ok(Sight { stored, is_masked })
    }

    /// Whether the customer is in a branch whose arrivals this caller sees.
    async fn is_here(&self, caller: &Caller, id: CustomerId) -> Result<bool, Fault> {
        let Ok(may) = caller.grant.may(Action::SeeArrivals, Mode::Do, caller.reason.is_some()) else {
            return Ok(false);
        };
        let latest = self.latest_visits_of(id).await?;
        Ok(latest.iter().any(|Stored { record: visit, .. }| {
            visit.departed_at.is_none()
                && visit.outcome == Outcome::Recognised
                && may.of_visit(visit).is_some()
        }))
    }

    /// The ID number of a customer in full.
    ///
    /// # Errors
    /// `NotFound`, `ReasonNeeded`, `ProofNeeded`, `Store`.
    pub async fn unmasked_id_number(&self, caller: &Caller, number: &str) -> Result<IdNumber, Fault> {
        let may = self.may(caller, Action::UnmaskCustomers).await?;
        let (customer, cell) = self.reach_number(caller, &may, Action::UnmaskCustomers, number).await?;
        if cell.reason && caller.reason.is_none() {
            return Err(Fault::ReasonNeeded(Action::UnmaskCustomers));
        }
        caller.is_proved()?;
        let id_number = customer.record.id_number.clone().ok_or(Fault::NotFound("ID number"))?;
        let (key, branch) = (Key::Customer(customer.record.id), customer.record.branch.clone());
        self.did(caller, "customer.unmask", |entry| {
            entry.object = Some(key.to_string());
            entry.branch = Some(branch);
        })
        .await?;
        Ok(id_number)
    }

    /// A customer that may be reached by what the caller may do.
    pub(super) async fn reach_customer(
        &self,
        caller: &Caller,
        may: &May<'_>,
        action: Action,
        id: CustomerId,
    ) -> Result<(Stored<Customer>, Cell), Fault> {
        let found = self.store.get(&[Key::Customer(id)]).await?.pop().flatten();
        self.reached(caller, may, action, found).await
    }

    /// The same by its number.
    pub(super) async fn reach_number(
        &self,
        caller: &Caller,
        may: &May<'_>,
        action: Action,
        number: &str,
    ) -> Result<(Stored<Customer>, Cell), Fault> {
        let found = match number.parse::<Number>() {
            Ok(number) => self.store.find(&Unique::CustomerNumber(number)).await?,
            Err(_) => None,
        };
        self.reached(caller, may, action, found).await
    }

    async fn reached(
        &self,
        caller: &Caller,
        may: &May<'_>,
        action: Action,
        found: Option<Stored>,
    ) -> Result<(Stored<Customer>, Cell), Fault> {
        let customer: Option<Stored<Customer>> = found.and_then(Stored::typed);
        let reached = customer.and_then(|customer| {
            let cell = may.of_customer(&customer.record)?;
            Some((customer, cell))
        });
        match reached {
            Some(reached) => Ok(reached),
            None => Err(self.nothing(caller, action, "customer").await),
        }
    }

    /// The id of the customer of this number, whoever asks: for imports.
    pub(crate) async fn known_customer(&self, number: &str) -> Result<CustomerId, Fault> {
        let number: Number = number.parse().map_err(|_| Fault::NotFound("customer"))?;
        let found = self.store.find(&Unique::CustomerNumber(number)).await?;
        let customer: Option<Stored<Customer>> = found.and_then(Stored::typed);
        customer.map(|customer| customer.record.id).ok_or(Fault::NotFound("customer"))
    }

    /// The id of the customer of this number, for whoever may do this with it.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn customer_id_of_number(
        &self,
        caller: &Caller,
        action: Action,
        number: &str,
    ) -> Result<CustomerId, Fault> {
        let may = self.may(caller, action).await?;
        Ok(self.reach_number(caller, &may, action, number).await?.0.record.id)
    }

    /// The customers with this ID number.
    ///
    /// # Errors
    /// `Invalid` where the text is no ID number, `Store`.
    pub async fn customers_of_id_number(
        &self,
        caller: &Caller,
        text: &str,
    ) -> Result<Vec<Sight<Customer>>, Fault> {
        let may = self.may(caller, Action::SearchCustomers).await?;
        let wrong =
            |fault: IdNumberFault| Fault::Invalid(vec![FieldFault::new("id_number", fault.to_string())]);
        let number: IdNumber = text.parse().map_err(wrong)?;
        let found = self.store.customers_with_id_number(&number).await?;
        let found = sights(caller, &may, found);
        self.searched(caller, "customer.search", "id_number", number.reveal(), found.len()).await?;
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
    ) -> Result<(Vec<Sight<Customer>>, Option<Position>), Fault> {
        let may = self.may(caller, Action::SearchCustomers).await?;
        let (mut found, mut place, mut looked_at) = (Vec::new(), after, 0);
        loop {
            let (ids, next) = {
                let search = self.search.read().unwrap_or_else(PoisonError::into_inner);
                let sees = |branch: &Name| may.is_bound_to_own() || may.in_branch(branch).is_some();
                search.find(text, filter, sees, place, limit - found.len())
            };
            looked_at += ids.len();
            let keys: Vec<Key> = ids.into_iter().map(Key::Customer).collect();
            let read = self.store.get(&keys).await?.into_iter().flatten().filter_map(Stored::typed);
            // Somebody may have moved the customer since the index was asked, and it does not know whose
            // customers they are.
            found.extend(sights(caller, &may, read));
            place = next;
            if found.len() >= limit || place.is_none() || looked_at >= LOOKED_AT_FOR_A_PAGE {
                break;
            }
        }
        self.searched(caller, "customer.search", "text", text, found.len()).await?;
        Ok((found, place))
    }

    /// A customer from what somebody wrote.
    pub(super) async fn customer_of(
        &self,
        may: &May<'_>,
        draft: CustomerDraft,
        id: CustomerId,
        before: Option<&Customer>,
    ) -> Result<Customer, Fault> {
        let mut faults = Vec::new();
        let checked = check_customer(&draft, &mut faults);
        if may.in_branch(&draft.branch).is_none() && !(may.is_bound_to_own() && may.is_home(&draft.branch))
            || !self.has_open_branch(&draft.branch).await?
        {
            faults.push(FieldFault::new("branch", "there is no such branch"));
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

/// Customers as the caller sees them; those that may not be known of are left out.
fn sights(
    caller: &Caller,
    may: &May<'_>,
    found: impl IntoIterator<Item = Stored<Customer>>,
) -> Vec<Sight<Customer>> {
    let seen = caller.grant.may(Action::SeeCustomers, Mode::Do, caller.reason.is_some()).ok();
    let sight = |stored: Stored<Customer>| {
        may.of_customer(&stored.record)?;
        // Whoever may find a customer and not look at it sees no more than that.
        let cell = seen.as_ref().and_then(|seen| seen.of_customer(&stored.record));
        Some(Sight { stored, is_masked: cell.is_none_or(|cell| cell.masked) })
    };
    found.into_iter().filter_map(sight).collect()
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
