//! A request with all that somebody needs who goes on with it: whom it is about, what it changes, who did what, and
//! what the one who looks may do.

use std::collections::{BTreeMap, BTreeSet};

use rfid_core::{Name, UtcTime};

use super::super::fault::Fault;
use super::super::grant::{May, Mode};
use super::super::rule::Rule;
use super::super::{Caller, Service, Sight};
use super::workshop::Bench;
use super::{OF_REQUESTS, RequestFilter};
use crate::mask;
use crate::record::{
    Card, CardState, Customer, CustomerDraft, CustomerId, Hand, Key, Personal, Proposal, ProposalKind,
    Record, Request, RequestId, RequestState, Staff, StaffId,
};
use crate::rights::{Action, Cell, Role};
use crate::store::{Actor, Place, Stored};

/// Versions of a request that are looked at.
const PAST: usize = 64;
/// The field of the ID number, as in JSON.
const ID_NUMBER: &str = "id_number";
/// Requests that are read at once.
const READ_AT_ONCE: usize = 100;

/// A request, and what goes with it as its caller sees it.
#[derive(Clone, Debug)]
pub struct Case {
    /// The request.
    pub request: Stored<Request>,
    /// The customer as it is now; nobody where it is not opened yet, or where the caller sees no customers.
    pub customer: Option<Sight<Customer>>,
    /// The card that it is about, if it is about one.
    pub card: Option<Stored<Card>>,
    /// Names of those who had to do with it; of whoever works in another branch there is none.
    pub people: BTreeMap<StaffId, Personal<String>>,
    /// When it lapses, if it does.
    pub lapses_at: Option<UtcTime>,
    /// What the caller may do.
    pub acts: CaseActs,
}

/// What somebody may do with a request, as far as that can be said before it is tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaseActs {
    /// Write it anew.
    pub edit: bool,
    /// Submit it.
    pub submit: bool,
    /// Give it up.
    pub cancel: bool,
    /// Decide about it.
    pub decide: Decision,
    /// Encode its card.
    pub encode: bool,
    /// Read its card and hand it over.
    pub verify: bool,
    /// Give its card up.
    pub spoil: bool,
}

/// Whether somebody decides about a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decision {
    /// It is not theirs to decide about such requests, or it does not wait for that.
    #[default]
    NotTheirs,
    /// They may; whether they stand in for a reviewer by that.
    Open {
        /// No reviewer is on duty.
        stands_in: bool,
    },
    /// Such requests are theirs, and this one is not.
    Barred(Rule),
}

/// A field of a customer that a request changes.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangedField {
    /// The field, as in JSON.
    pub field: &'static str,
    /// What stood there; nothing where the customer is opened.
    pub before: Option<Personal<String>>,
    /// What stands there then.
    pub after: Personal<String>,
}

/// Something that happened to a request.
#[derive(Clone, Debug, PartialEq)]
pub struct PastStep {
    /// When.
    pub at: UtcTime,
    /// Who.
    pub by: Hand,
    /// What came of it.
    pub state: RequestState,
    /// Whether its card was spoilt by that.
    pub spoilt: bool,
}

/// Which photo of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhotoOf {
    /// The one that is asked for.
    Proposed,
    /// The one that the customer has.
    Present,
}

impl ProposalKind {
    /// Whether the issuing desk has to do with it.
    pub const fn is_of_issuing(self) -> bool {
        matches!(
            self,
            Self::OpenCustomer | Self::ChangeCustomer | Self::Photo | Self::IssueCard | Self::ReenableCard
        )
    }
}

impl Service {
    /// Requests of the issuing desk that the caller has to do with, the latest first; at most `limit` of them.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn cases(
        &self,
        caller: &Caller,
        filter: &RequestFilter,
        limit: usize,
    ) -> Result<Vec<Case>, Fault> {
        let (mut found, mut after): (Vec<Stored<Request>>, Option<Place>) = (Vec::new(), None);
        while found.len() < limit {
            let (page, next) = self.requests(caller, filter, after, READ_AT_ONCE.min(limit)).await?;
            found.extend(page.into_iter().filter(|request| request.record.proposal.kind().is_of_issuing()));
            after = next;
            if after.is_none() {
                break;
            }
        }
        found.truncate(limit);
        self.cases_of(caller, found).await
    }

    /// The request of this id with all that goes with it.
    ///
    /// # Errors
    /// `NotFound`, also where the issuing desk has nothing to do with it; `Store`.
    pub async fn case(&self, caller: &Caller, id: RequestId) -> Result<Case, Fault> {
        let request = self.request(caller, id).await?;
        if !request.record.proposal.kind().is_of_issuing() {
            return Err(Fault::NotFound("request"));
        }
        self.cases_of(caller, vec![request]).await?.pop().ok_or(Fault::NotFound("request"))
    }

    /// Open requests about a customer, the latest first, for whoever sees the customer.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn cases_about(&self, caller: &Caller, customer: CustomerId) -> Result<Vec<Case>, Fault> {
        let branch = self.customer(caller, customer).await?.stored.record.branch;
        let filter = RequestFilter { branch: Some(branch), open: true };
        let mut cases = self.cases(caller, &filter, usize::MAX).await?;
        cases.retain(|case| case.request.record.proposal.customer() == Some(customer));
        Ok(cases)
    }

    async fn cases_of(&self, caller: &Caller, requests: Vec<Stored<Request>>) -> Result<Vec<Case>, Fault> {
        let mut keys: BTreeSet<Key> = BTreeSet::new();
        for Stored { record, .. } in &requests {
            keys.extend(record.proposal.customer().map(Key::Customer));
            keys.extend(card_of(&record.proposal).map(Key::Card));
            keys.extend(hands_of(record).filter_map(|hand| match hand {
                Hand::Staff(id) => Some(Key::Staff(*id)),
                _ => None,
            }));
        }
        let keys: Vec<Key> = keys.into_iter().collect();
        let (mut customers, mut cards, mut staff) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for stored in self.store.get(&keys).await?.into_iter().flatten() {
            match stored.record.key() {
                Key::Customer(id) => customers.extend(stored.typed::<Customer>().map(|one| (id, one))),
                Key::Card(id) => cards.extend(stored.typed::<Card>().map(|one| (id, one))),
                Key::Staff(id) => staff.extend(stored.typed::<Staff>().map(|one| (id, one.record))),
                _ => {}
            }
        }
        let sees = caller.grant.may(Action::SeeCustomers, Mode::Do, caller.reason.is_some()).ok();
        let mut cases = Vec::with_capacity(requests.len());
        for request in requests {
            let proposal = &request.record.proposal;
            let customer = proposal.customer().and_then(|id| customers.get(&id)).map(|stored| {
                // Whoever has to do with a request knows whom it is about, and no more than that.
                let cell = sees.as_ref().and_then(|sees| sees.of_customer(&stored.record));
                Sight { stored: stored.clone(), is_masked: cell.is_none_or(|cell| cell.masked) }
            });
            let card = card_of(proposal).and_then(|id| cards.get(&id)).cloned();
            let people = self.names_of(caller, &request.record, &staff);
            let lapses_at = self.lapses_at(&request.record);
            let acts = self.acts_in(caller, &request, card.as_ref()).await?;
            cases.push(Case { request, customer, card, people, lapses_at, acts });
        }
        Ok(cases)
    }

    fn names_of(
        &self,
        caller: &Caller,
        request: &Request,
        staff: &BTreeMap<StaffId, Staff>,
    ) -> BTreeMap<StaffId, Personal<String>> {
        let sees = caller.grant.may(Action::SeeStaff, Mode::Do, caller.reason.is_some()).ok();
        let mut names = BTreeMap::new();
        for hand in hands_of(request) {
            let Hand::Staff(id) = hand else { continue };
            let Some(one) = staff.get(id) else { continue };
            let is_known = one.branch == request.branch
                || sees.as_ref().is_some_and(|sees| sees.of_staff(one).is_some());
            if is_known {
                names.insert(*id, one.name.clone());
            }
        }
        names
    }

    /// When a request lapses, if nobody goes on with it.
    fn lapses_at(&self, request: &Request) -> Option<UtcTime> {
        let since = request.decided.as_ref()?.at;
        match request.state {
            RequestState::Approved => Some(since.plus(self.issuing.approved_lapses)),
            RequestState::Encoded => Some(since.plus(self.issuing.encoded_lapses)),
            _ => None,
        }
    }

    async fn acts_in(
        &self,
        caller: &Caller,
        request: &Stored<Request>,
        card: Option<&Stored<Card>>,
    ) -> Result<CaseActs, Fault> {
        let Request { state, proposal, branch, hands, .. } = &request.record;
        let (action, is_mine) = (proposal.kind().action(), hands.contains(&Hand::of(&caller.actor)));
        let within = |action, mode| {
            let may = caller.grant.may(action, mode, true);
            may.is_ok_and(|may| may.in_branch(branch).is_some())
        };
        let proposes =
            within(action, Mode::Propose) || is_mine && caller.grant.may(action, Mode::Propose, true).is_ok();
        let has_lapsed = self.has_lapsed(&request.record);
        let encodes = within(Action::EncodeCards, Mode::Do)
            && matches!(proposal, Proposal::IssueCard { .. })
            && !has_lapsed;
        let waits = *state == RequestState::Submitted;
        let decide = if waits && within(action, Mode::Approve) {
            match self.may_approve(caller, &request.record).await {
                Ok(stands_in) => Decision::Open { stands_in },
                Err(Fault::Rule(rule)) => Decision::Barred(rule),
                Err(Fault::NotAllowed(_)) => Decision::NotTheirs,
                Err(fault) => return Err(fault),
            }
        } else {
            Decision::NotTheirs
        };
        let lay_on_desk = card.is_some_and(|card| card.record.plastic.is_some());
        Ok(CaseActs {
            edit: proposes && state.may_become(RequestState::Draft),
            submit: proposes && *state == RequestState::Draft,
            cancel: proposes && state.may_become(RequestState::Cancelled),
            decide,
            encode: encodes && *state == RequestState::Approved,
            verify: encodes && *state == RequestState::Encoded,
            spoil: encodes && lay_on_desk && matches!(state, RequestState::Approved | RequestState::Encoded),
        })
    }

    /// How far the work on the card of a case is.
    pub fn bench_of(&self, case: &Case) -> Option<Bench> {
        self.bench(case.request.record.id)
    }

    /// The name of the bank, as it stands on a receipt.
    pub fn bank_name(&self) -> &str {
        &self.issuing.bank_name
    }

    /// What the request of a case changes of its customer, field by field; ID numbers are shortened on both sides.
    ///
    /// # Errors
    /// `Store`.
    pub async fn changes_in(&self, case: &Case) -> Result<Vec<ChangedField>, Fault> {
        let drafts = self.drafts_of(case).await?;
        Ok(drafts.map(|(before, after)| fields(before.as_ref(), after)).unwrap_or_default())
    }

    /// The customer of the request of a case as somebody would write it: before, where there is a before, and after.
    async fn drafts_of<'a>(
        &self,
        case: &'a Case,
    ) -> Result<Option<(Option<CustomerDraft>, &'a CustomerDraft)>, Fault> {
        match &case.request.record.proposal {
            Proposal::OpenCustomer { draft, .. } => Ok(Some((None, draft))),
            Proposal::ChangeCustomer { customer, version, draft, .. } => {
                // The record that the change was made on.
                let before = self.as_of(&Key::Customer(*customer), *version).await?;
                let before = match before.and_then(|record| Customer::try_from(record).ok()) {
                    Some(before) => Some(self.draft_of(&before).await?),
                    None => None,
                };
                Ok(Some((before, draft)))
            }
            _ => Ok(None),
        }
    }

    /// Whether the caller may see in full, with a reason, the ID number that the request of a case changes.
    pub fn may_unmask_in(&self, caller: &Caller, case: &Case) -> bool {
        let may = caller.grant.may(Action::UnmaskCustomers, Mode::Do, true);
        case.request.record.state == RequestState::Submitted
            && may.is_ok_and(|may| of_case(&may, case).is_some())
    }

    /// The ID number that the request of a case changes, in full on both sides: for whoever compares it before
    /// somebody decides, and no longer than that.
    ///
    /// # Errors
    /// `NotFound`, also where the request changes no ID number or waits for no decision; `Forbidden`,
    /// `ReasonNeeded`, `ProofNeeded`, `Store`, `Unaudited`.
    pub async fn unmasked_in(&self, caller: &Caller, case: &Case) -> Result<ChangedField, Fault> {
        let may = self.may(caller, Action::UnmaskCustomers).await?;
        let request = &case.request.record;
        let Some(cell) = of_case(&may, case) else {
            return Err(self.nothing(caller, Action::UnmaskCustomers, "request").await);
        };
        if cell.reason && caller.reason.is_none() {
            return Err(Fault::ReasonNeeded(Action::UnmaskCustomers));
        }
        caller.is_proved()?;
        let in_full = |draft: &CustomerDraft| -> Personal<String> {
            draft.id_number.as_ref().map(|number| number.reveal().clone()).unwrap_or_default().into()
        };
        let drafts = self.drafts_of(case).await?.filter(|_| request.state == RequestState::Submitted);
        let changed = drafts.and_then(|(before, after)| {
            let (before, after) = (before.as_ref().map(in_full), in_full(after));
            let was = before.as_ref().map_or("", |before| before.reveal().as_str());
            (was != after.reveal()).then_some(ChangedField { field: ID_NUMBER, before, after })
        });
        let changed = changed.ok_or(Fault::NotFound("ID number"))?;
        self.did(caller, "customer.unmask", |entry| {
            entry.object = request.proposal.customer().map(|id| Key::Customer(id).to_string());
            entry.branch = Some(request.branch.clone());
        })
        .await?;
        Ok(changed)
    }

    /// A record as it was in a version, where that is still known.
    async fn as_of(&self, key: &Key, version: u32) -> Result<Option<Record>, Fault> {
        let past = self.store.history(key, version.checked_add(1), 1).await?.pop();
        Ok(past.filter(|past| past.version == version).and_then(|past| past.after))
    }

    /// What a request says otherwise than in a version that somebody saw: the fields of its customer, or
    /// nothing where it cannot be told.
    ///
    /// # Errors
    /// `Store`.
    pub async fn changed_since(&self, case: &Case, version: u32) -> Result<Vec<ChangedField>, Fault> {
        let record = &case.request.record;
        let seen = self.as_of(&Key::Request(record.id), version).await?;
        let seen = seen.and_then(|record| Request::try_from(record).ok());
        match (seen.map(|seen| seen.proposal), &record.proposal) {
            (
                Some(
                    Proposal::OpenCustomer { draft: seen, .. } | Proposal::ChangeCustomer { draft: seen, .. },
                ),
                Proposal::OpenCustomer { draft, .. } | Proposal::ChangeCustomer { draft, .. },
            ) => Ok(fields(Some(&seen), draft)),
            _ => Ok(Vec::new()),
        }
    }

    /// What happened to the request of a case, the first first.
    ///
    /// # Errors
    /// `Store`.
    pub async fn past_of(&self, case: &Case) -> Result<Vec<PastStep>, Fault> {
        let key = Key::Request(case.request.record.id);
        let mut past = self.store.history(&key, None, PAST).await?;
        past.reverse();
        let step = |past: crate::store::Past| {
            let after = past.after.and_then(|record| Request::try_from(record).ok())?;
            let before = past.before.and_then(|record| Request::try_from(record).ok());
            let was_approved = before
                .is_some_and(|before| matches!(before.state, RequestState::Approved | RequestState::Encoded));
            let by = match past.origin.by {
                // What the host does by itself nobody did.
                Actor::Host => Hand::Console,
                actor => Hand::of(&actor),
            };
            let spoilt = was_approved && after.state == RequestState::Approved;
            Some(PastStep { at: past.origin.at, by, state: after.state, spoilt })
        };
        Ok(past.into_iter().filter_map(step).collect())
    }

    /// The name of somebody who did something to a request; none of whoever works in another branch.
    ///
    /// # Errors
    /// `Store`.
    pub async fn name_in(
        &self,
        caller: &Caller,
        case: &Case,
        hand: &Hand,
    ) -> Result<Option<Personal<String>>, Fault> {
        let Hand::Staff(id) = hand else { return Ok(None) };
        if let Some(name) = case.people.get(id) {
            return Ok(Some(name.clone()));
        }
        let found: Option<Stored<Staff>> = self.find(Key::Staff(*id)).await?;
        let sees = caller.grant.may(Action::SeeStaff, Mode::Do, caller.reason.is_some()).ok();
        let is_known = |staff: &Staff| {
            staff.branch == case.request.record.branch
                || sees.as_ref().is_some_and(|sees| sees.of_staff(staff).is_some())
        };
        Ok(found.map(|staff| staff.record).filter(is_known).map(|staff| staff.name))
    }

    /// Whether this caller has to do with the issuing desk in any way.
    pub fn issues(caller: &Caller) -> bool {
        let knows = |action: &Action| caller.grant.knows(*action);
        let of_desk =
            [Action::ChangeCustomers, Action::RequestCards, Action::EncodeCards, Action::ReenableCards];
        caller.grant.who().is_some() && of_desk.iter().any(knows) && OF_REQUESTS.iter().any(knows)
    }

    /// The branch whose requests this caller sees by default; none for whoever looks after all of them.
    pub fn branch_of_cases(caller: &Caller, own: &Name) -> Option<Name> {
        let is_central = caller.grant.holds(Role::CentreSupervisor);
        (!is_central).then(|| own.clone())
    }

    /// Cards of the caller's branches that wait to be destroyed, each with whether the caller may confirm it.
    ///
    /// # Errors
    /// `Store`.
    pub async fn spoilt_cards(
        &self,
        caller: &Caller,
        limit: usize,
    ) -> Result<Vec<(Stored<Card>, bool)>, Fault> {
        let Ok(may) = caller.grant.may(Action::DestroyCards, Mode::Do, true) else { return Ok(Vec::new()) };
        let (cards, _) = self.cards_in_state(caller, CardState::Spoilt, None, limit).await?;
        let me = Hand::of(&caller.actor);
        let mut found = Vec::new();
        for card in cards {
            let customer: Option<Stored<Customer>> = self.find(Key::Customer(card.record.customer)).await?;
            let is_theirs = customer.is_some_and(|customer| may.of_customer(&customer.record).is_some());
            let had_it = card.record.plastic.as_ref().is_some_and(|plastic| {
                plastic.handled_by.contains(&me)
                    || plastic.spoilt.as_ref().is_some_and(|spoilt| spoilt.by == me)
            });
            if is_theirs {
                found.push((card, !had_it));
            }
        }
        Ok(found)
    }
}

/// How far a right reaches in a case: that of its customer, or of its branch where the customer is not opened yet.
fn of_case(may: &May<'_>, case: &Case) -> Option<Cell> {
    match &case.customer {
        Some(customer) => may.of_customer(&customer.stored.record),
        None => may.in_branch(&case.request.record.branch),
    }
}

/// The card that a proposal is about.
fn card_of(proposal: &Proposal) -> Option<crate::record::CardId> {
    match proposal {
        Proposal::IssueCard { card, .. } | Proposal::ReenableCard { card, .. } => Some(*card),
        _ => None,
    }
}

/// Those who stand in a request.
fn hands_of(request: &Request) -> impl Iterator<Item = &Hand> {
    let signatures = request.submitted.iter().chain(&request.decided).map(|signature| &signature.by);
    request.hands.iter().chain(signatures)
}

/// The fields of a draft that are others than before; all that say something where there was nothing before.
fn fields(before: Option<&CustomerDraft>, after: &CustomerDraft) -> Vec<ChangedField> {
    type Of = fn(&CustomerDraft) -> String;
    let of_draft: [(&'static str, Of); 10] = [
        ("customer_number", |draft| draft.customer_number.reveal().clone()),
        ("name", |draft| draft.name.reveal().clone()),
        (ID_NUMBER, |draft| draft.id_number.as_ref().map(|text| text.reveal().clone()).unwrap_or_default()),
        ("employer", |draft| draft.employer.reveal().clone()),
        ("vip_class", |draft| draft.vip_class.clone()),
        ("usual_business", |draft| draft.usual_business.reveal().clone()),
        ("branch", |draft| draft.branch.clone()),
        ("account_manager", |draft| draft.account_manager.clone().unwrap_or_default()),
        ("notes", |draft| draft.notes.reveal().clone()),
        ("consent", |draft| draft.consent.name().to_owned()),
    ];
    let mut changed = Vec::new();
    let mut compare = |field: &'static str, was: Option<String>, is: String| {
        let is_changed = was.as_ref().map_or(!is.is_empty(), |was| *was != is);
        let shown = |text: String| -> Personal<String> {
            if field == ID_NUMBER { mask::id_number(&text).into() } else { text.into() }
        };
        if is_changed {
            changed.push(ChangedField { field, before: was.map(shown), after: shown(is) });
        }
    };
    for (field, of) in of_draft {
        compare(field, before.map(of), of(after));
    }
    changed
}
