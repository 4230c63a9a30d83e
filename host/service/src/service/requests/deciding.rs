//! Approving, refusing, giving up: who may, and what comes of it.

use std::collections::BTreeSet;

use rfid_core::{Name, UtcTime};
use zeroize::Zeroizing;

use super::super::fault::Fault;
use super::super::grant::{Grant, Mode};
use super::super::rule::Rule;
use super::super::{Caller, Service};
use super::{check_note, looks_after};
use crate::record::{
    Account, AccountState, Card, CardState, Customer, CustomerId, Duty, Hand, Key, Kind, Lent, Personal,
    Proposal, Record, Request, RequestId, RequestState, Staff, StaffId, StaffRole,
};
use crate::rights::{Action, Cell, Role};
use crate::store::{Actor, Among, Listing, Stored};

/// Changes of a customer that are looked at, to see who had a hand in the record.
const LATEST_CHANGES: usize = 64;
/// People on duty in one branch.
const ON_DUTY: usize = 200;

/// A decision.
pub struct Decided {
    /// The request.
    pub request: Stored<Request>,
    /// The approver's half of the code of an invitation, where one is made.
    pub code_half: Option<Zeroizing<String>>,
}

/// What comes of an approval.
struct Effect {
    /// The state of the request.
    state: RequestState,
    /// What is written with it.
    records: Vec<Stored<Record>>,
    /// The halves of a code: for who asked, and for who approves.
    halves: Option<[Zeroizing<String>; 2]>,
    /// Whose sessions end.
    ends_sessions: Option<StaffId>,
    /// Who gets which right for a while.
    lends: Option<(StaffId, Lent)>,
}

impl Effect {
    fn done(records: Vec<Stored<Record>>) -> Self {
        Self { state: RequestState::Done, records, halves: None, ends_sessions: None, lends: None }
    }
}

impl Service {
    /// Approves a request, whose content has this hash. What it asks for happens together with that, or
    /// nothing does.
    ///
    /// # Errors
    /// `NotFound`; `Rule` where the caller had a hand in it, or it is not submitted; `Conflict` where
    /// it says something else by now, or what it is about has changed; `ProofNeeded`; `Store`.
    pub async fn approve_request(
        &self,
        caller: &Caller,
        id: RequestId,
        hash: &str,
    ) -> Result<Decided, Fault> {
        let before = self.reach_request(caller, id, Mode::Approve).await?;
        if before.record.state != RequestState::Submitted {
            return Err(Rule::NotSubmitted(before.record.state).into());
        }
        if before.record.proposal.hash() != hash {
            return Err(Fault::Conflict { found: before.version, by: None });
        }
        let stood_in = self.may_approve(caller, &before.record).await?;
        caller.is_proved()?;
        let Effect { state, records, halves, ends_sessions, lends } =
            self.effect(caller, &before.record).await?;
        let halves = halves.map(|[asked, approving]| (Personal::new((*asked).clone()), approving));
        let (kept_half, code_half) = halves.unzip();
        let decided = self.signature(caller);
        let at = decided.at;
        let approved =
            Request { state, decided: Some(decided), stood_in, code_half: kept_half, ..before.record };
        let request = self.put_at(at, caller, "request.approve", approved, before.version, records).await?;
        if let Some(staff) = ends_sessions {
            self.end_sessions(staff);
        }
        if let Some((staff, lent)) = lends {
            self.note_lent(staff, lent);
        }
        // What is cut short here is gone on with by `finish_erasures`.
        let request = match request.record.proposal {
            Proposal::ErasePerson { customer } => {
                self.erase(caller, customer).await?;
                self.erasure_done(request).await?
            }
            _ => request,
        };
        Ok(Decided { request, code_half })
    }

    /// Lets somebody set a new password and second factor, at once: whoever may do that alone does. They get one
    /// half of the code; the other is kept for somebody else who looks after the account, so that nobody sees the
    /// whole of it but whose account it is.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden`; `NotAllowed` where it is one's own account, or nobody else looks after it;
    /// `ProofNeeded`; `Conflict`; `Store`.
    pub async fn reset_account(&self, caller: &Caller, staff_number: &str) -> Result<Decided, Fault> {
        let may = self.may_as(caller, Action::ResetAccounts, Mode::Do).await?;
        let found = self.account_to_change(caller, &may, Action::ResetAccounts, staff_number).await?;
        let (Staff { id: staff, branch, .. }, version) = (found.0.record, found.1.version);
        if !self.has_another_keeper(&branch, [caller.grant.who(), Some(staff)]).await? {
            let why = "nobody else looks after this account, who could hold the other half of the code";
            return Err(Fault::NotAllowed(why.to_owned()));
        }
        caller.is_proved()?;
        let decided = self.signature(caller);
        let at = decided.at;
        let request = Request {
            id: RequestId::from_bytes(self.new_id()?),
            branch,
            state: RequestState::Submitted,
            proposal: Proposal::ResetAccount { staff, version },
            drafted_at: at,
            hands: BTreeSet::from([Hand::of(&caller.actor)]),
            submitted: None,
            decided: Some(decided),
            note: None,
            stood_in: false,
            code_half: None,
        };
        let Effect { state, records, halves, .. } = self.effect(caller, &request).await?;
        let halves = halves.map(|[kept, told]| (Personal::new((*kept).clone()), told));
        let (kept_half, code_half) = halves.unzip();
        let reset = Request { state, code_half: kept_half, ..request };
        let request = self.put_at(at, caller, "account.reset", reset, 0, records).await?;
        self.end_sessions(staff);
        Ok(Decided { request, code_half })
    }

    /// Whether somebody who works, besides these, looks after accounts of a branch.
    async fn has_another_keeper(&self, branch: &Name, but: [Option<StaffId>; 2]) -> Result<bool, Fault> {
        for Stored { record: Account { staff, state, roles, .. }, .. } in self.all_accounts().await? {
            if state != AccountState::Active || but.contains(&Some(staff)) {
                continue;
            }
            let Some(keeper) = self.find::<Staff>(Key::Staff(staff)).await? else { continue };
            if looks_after(&Grant::of_roles(roles, keeper.record.branch, staff), branch) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Refuses a request, and says why.
    ///
    /// # Errors
    /// `NotFound`, `Rule`, `Invalid` for the note, `Conflict`, `Store`.
    pub async fn refuse_request(
        &self,
        caller: &Caller,
        id: RequestId,
        hash: &str,
        note: Personal<String>,
    ) -> Result<Stored<Request>, Fault> {
        check_note(&note)?;
        let before = self.reach_request(caller, id, Mode::Approve).await?;
        self.may_become(&before, RequestState::Refused)?;
        if before.record.proposal.hash() != hash {
            return Err(Fault::Conflict { found: before.version, by: None });
        }
        if before.record.hands.contains(&Hand::of(&caller.actor)) {
            return Err(Rule::OwnHand.into());
        }
        self.end_request(caller, "request.refuse", before, RequestState::Refused, note).await
    }

    /// Gives up a request: what one asked for, or an approved card that nobody will encode.
    ///
    /// # Errors
    /// `NotFound`, `Rule`, `Conflict`, `Store`.
    pub async fn cancel_request(
        &self,
        caller: &Caller,
        id: RequestId,
        note: Personal<String>,
    ) -> Result<Stored<Request>, Fault> {
        check_note(&note)?;
        let before = self.reach_request(caller, id, Mode::Propose).await?;
        self.may_become(&before, RequestState::Cancelled)?;
        if is_being_erased(&before.record) {
            return Err(Fault::NotAllowed(
                "what is approved here is under way and cannot be undone".to_owned(),
            ));
        }
        self.end_request(caller, "request.cancel", before, RequestState::Cancelled, note).await
    }

    /// Ends a request without what it asked for: a card of it is never used.
    async fn end_request(
        &self,
        caller: &Caller,
        action: &str,
        before: Stored<Request>,
        state: RequestState,
        note: Personal<String>,
    ) -> Result<Stored<Request>, Fault> {
        let others = self.given_up_card_of(&before.record, caller).await?;
        let note = (!note.is_empty()).then_some(note);
        let decided = Some(self.signature(caller));
        let ended = Request { state, note, decided, ..before.record };
        self.put_with(caller, action, ended, before.version, others).await
    }

    async fn given_up_card_of(
        &self,
        request: &Request,
        caller: &Caller,
    ) -> Result<Vec<Stored<Record>>, Fault> {
        let Proposal::IssueCard { card, .. } = &request.proposal else { return Ok(Vec::new()) };
        let found: Option<Stored<Card>> = self.find(Key::Card(*card)).await?;
        let given_up = |Stored { version, record }: Stored<Card>| {
            let record = record.given_up(self.signature(caller));
            Stored { version, record: Record::from(record) }
        };
        Ok(found
            .filter(|card| card.record.state.may_become(CardState::Revoked))
            .map(given_up)
            .into_iter()
            .collect())
    }

    /// Ends requests with which nobody went on in time. Returns how many.
    ///
    /// # Errors
    /// `Store`.
    pub async fn lapse_requests(&self) -> Result<usize, Fault> {
        let host = Caller::host();
        let mut lapsed = 0;
        for request in self.open_requests().await?.into_iter().filter(|open| self.has_lapsed(&open.record)) {
            match self.end_request(&host, "request.lapse", request, RequestState::Lapsed, "".into()).await {
                Ok(_) => lapsed += 1,
                Err(Fault::Conflict { .. }) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(lapsed)
    }

    pub(super) fn has_lapsed(&self, request: &Request) -> bool {
        if is_being_erased(request) {
            return false;
        }
        let since = request.decided.as_ref().map_or(request.drafted_at, |decided| decided.at);
        let limit = match request.state {
            RequestState::Approved => self.issuing.approved_lapses,
            RequestState::Encoded => self.issuing.encoded_lapses,
            _ => return false,
        };
        self.now().since(since) > limit
    }

    /// Whether this person may approve this request; whether they stand in for somebody by that.
    pub(super) async fn may_approve(&self, caller: &Caller, request: &Request) -> Result<bool, Fault> {
        let refused = |why: &str| Err(Fault::NotAllowed(why.to_owned()));
        let Some(me) = caller.grant.who() else {
            return Err(Rule::NoPerson.into());
        };
        if request.hands.contains(&Hand::Staff(me)) {
            return Err(Rule::OwnHand.into());
        }
        if request.proposal.subject() == Key::Staff(me) {
            return refused("nobody changes an account of their own");
        }
        if let Some(customer) = request.proposal.customer()
            && self.had_a_hand(me, customer).await?
        {
            return Err(Rule::ChangedLately.into());
        }
        if let Some(submitted) = &request.submitted {
            let is_one_session =
                caller.session.as_ref().map(|session| &session.alias) == submitted.session.as_ref();
            if is_one_session && submitted.session.is_some() {
                return Err(Rule::SameSession.into());
            }
            if submitted.from == caller.from && !self.issuing.one_desk.contains(&request.branch) {
                return Err(Rule::SameAddress.into());
            }
        }
        let may = self.may_as(caller, request.proposal.kind().action(), Mode::Approve).await?;
        let cell = may.in_branch(&request.branch);
        self.reaches_the_roles(caller, cell, request)?;
        if !cell.is_some_and(|cell| cell.stands_in) {
            return Ok(false);
        }
        if matches!(request.proposal, Proposal::OpenAccount { .. } | Proposal::ChangeAccount { .. }) {
            if self.has_other_approver(me, request).await? {
                return refused("somebody else of the centre approves accounts");
            }
        } else if self.has_reviewer_on_duty(&request.branch).await? {
            return Err(Rule::ReviewerOnDuty.into());
        }
        Ok(true)
    }

    /// Whoever looks after branches approves roles of branches alone.
    fn reaches_the_roles(&self, caller: &Caller, cell: Option<Cell>, request: &Request) -> Result<(), Fault> {
        let (Proposal::OpenAccount { roles, .. } | Proposal::ChangeAccount { roles, .. }) = &request.proposal
        else {
            return Ok(());
        };
        let is_central = |role: &Role| crate::rights::Matrix::get().is_central(*role);
        let is_security =
            caller.grant.holds(Role::SecurityAdministrator) || cell.is_some_and(|cell| cell.stands_in);
        if cell.is_none() || roles.iter().any(is_central) && !is_security {
            return Err(Fault::NotAllowed(
                "a security administrator approves roles of the centre".to_owned(),
            ));
        }
        Ok(())
    }

    /// Whether somebody changed a customer's record or photo a short while ago, by a request or without
    /// one. Who only approved a change had no hand in what it says.
    async fn had_a_hand(&self, me: StaffId, customer: CustomerId) -> Result<bool, Fault> {
        let now = self.now();
        let is_lately = |at: UtcTime| now.since(at) <= self.issuing.hands_off_for;
        let listing = Listing::ever(Kind::Request, Among::Of(Key::Customer(customer)));
        let requests = self.store.list(&listing, None, LATEST_CHANGES).await?;
        let changes = requests.into_iter().filter_map(Stored::typed::<Request>).filter(|request| {
            matches!(
                request.record.proposal,
                Proposal::OpenCustomer { .. } | Proposal::ChangeCustomer { .. } | Proposal::Photo { .. }
            )
        });
        let mut approvals = Vec::new();
        for Stored { record: Request { hands, decided, .. }, .. } in changes {
            let Some(decided) = decided.filter(|decided| is_lately(decided.at)) else { continue };
            if hands.contains(&Hand::Staff(me)) {
                return Ok(true);
            }
            approvals.push(decided.at);
        }
        let past = self.store.history(&Key::Customer(customer), None, LATEST_CHANGES).await?;
        Ok(past.iter().any(|past| {
            past.origin.by == Actor::Staff(me)
                && is_lately(past.origin.at)
                && !approvals.contains(&past.origin.at)
        }))
    }

    /// Whether somebody besides who asked could approve an account.
    async fn has_other_approver(&self, me: StaffId, request: &Request) -> Result<bool, Fault> {
        Ok(self.all_accounts().await?.into_iter().any(|Stored { record, .. }| {
            record.state == AccountState::Active
                && record.staff != me
                && !request.hands.contains(&Hand::Staff(record.staff))
                && record
                    .roles
                    .iter()
                    .any(|role| matches!(role, Role::CentreSupervisor | Role::SecurityAdministrator))
        }))
    }

    async fn has_reviewer_on_duty(&self, branch: &rfid_core::Name) -> Result<bool, Fault> {
        let listing = Listing::ever(Kind::Duty, Among::OpenIn(branch.clone()));
        let duties = self.store.list(&listing, None, ON_DUTY).await?;
        let keys: Vec<Key> = duties
            .into_iter()
            .filter_map(Stored::typed::<Duty>)
            .map(|duty| Key::Account(duty.record.staff))
            .collect();
        let accounts =
            self.store.get(&keys).await?.into_iter().flatten().filter_map(Stored::typed::<Account>);
        Ok(accounts.into_iter().any(|account| {
            account.record.state == AccountState::Active
                && account.record.roles.contains(&Role::ApprovingReviewer)
        }))
    }

    /// What is written when a request is approved.
    async fn effect(&self, caller: &Caller, request: &Request) -> Result<Effect, Fault> {
        match request.proposal.clone() {
            Proposal::OpenCustomer { customer, draft, photo } => {
                let may = self.may_as(caller, Action::ChangeCustomers, Mode::Approve).await?;
                let opened = self.customer_of(&may, draft, customer, None).await?;
                let opened = Customer { photo, ..opened };
                Ok(Effect::done(vec![Stored { version: 0, record: opened.into() }]))
            }
            Proposal::ChangeCustomer { customer, version, draft, photo } => {
                let may = self.may_as(caller, Action::ChangeCustomers, Mode::Approve).await?;
                let before = self.customer_in(customer, version).await?;
                let changed = self.customer_of(&may, draft, customer, Some(&before.record)).await?;
                let changed = Customer { photo: photo.or(changed.photo), ..changed };
                Ok(Effect::done(vec![Stored { version, record: changed.into() }]))
            }
            Proposal::Photo { customer, version, photo } => {
                let before = self.customer_in(customer, version).await?;
                let changed = Customer { photo: Some(photo), ..before.record };
                Ok(Effect::done(vec![Stored { version, record: changed.into() }]))
            }
            Proposal::IssueCard { customer, card, replaces, .. } => {
                self.card_approved(customer, card, replaces).await
            }
            Proposal::ReenableCard { card, version, .. } => {
                let before: Stored<Card> = self.get(Key::Card(card), "card").await?;
                if !before.record.state.may_become(CardState::Active) {
                    return Err(Fault::Conflict { found: before.version, by: None });
                }
                let active = Card { state: CardState::Active, ..before.record };
                Ok(Effect::done(vec![Stored { version, record: active.into() }]))
            }
            // It happens behind the approval, and is gone on with until it is done.
            Proposal::ErasePerson { customer } => {
                self.get::<Customer>(Key::Customer(customer), "customer").await?;
                Ok(Effect { state: RequestState::Approved, ..Effect::done(Vec::new()) })
            }
            // They are made when who asked for them comes for them.
            Proposal::PersonFile { .. } | Proposal::ExportVisits { .. } => Ok(Effect::done(Vec::new())),
            Proposal::OpenAccount { staff, staff_number, name, roles } => {
                self.account_approved(request, staff, (staff_number, name), roles).await
            }
            Proposal::ChangeAccount { staff, version, roles } => {
                let before: Stored<Account> = self.get(Key::Account(staff), "account").await?;
                self.is_not_the_last(&before.record, &roles).await?;
                let epoch = before.record.epoch.wrapping_add(1);
                let changed = Account { roles, epoch, ..before.record };
                let records = vec![Stored { version, record: changed.into() }];
                Ok(Effect { ends_sessions: Some(staff), ..Effect::done(records) })
            }
            Proposal::ResetAccount { staff, version } => {
                let before: Stored<Account> = self.get(Key::Account(staff), "account").await?;
                let (invitation, halves) = self.invitation()?;
                let epoch = before.record.epoch.wrapping_add(1);
                let reset = Account { epoch, ..self.new_account(staff, before.record.roles, invitation) };
                let records = vec![Stored { version, record: reset.into() }];
                Ok(Effect { halves: Some(halves), ends_sessions: Some(staff), ..Effect::done(records) })
            }
            Proposal::BreakGlass { staff, right, minutes, .. } => {
                let account = self.account_with_right(staff, (right, minutes), request.id).await?;
                let Stored { version, record } = account;
                let lends = record.lent.clone().map(|lent| (staff, lent));
                let records = vec![Stored { version, record: record.into() }];
                Ok(Effect { ends_sessions: Some(staff), lends, ..Effect::done(records) })
            }
        }
    }

    async fn customer_in(&self, id: CustomerId, version: u32) -> Result<Stored<Customer>, Fault> {
        let before: Stored<Customer> = self.get(Key::Customer(id), "customer").await?;
        self.is_current(&before, version).await?;
        Ok(before)
    }

    /// A card that was asked for becomes an approved one; one that a factory encoded is issued by that.
    async fn card_approved(
        &self,
        customer: CustomerId,
        card: crate::record::CardId,
        replaces: Option<crate::record::CardId>,
    ) -> Result<Effect, Fault> {
        let before: Stored<Card> = self.get(Key::Card(card), "card").await?;
        let active = self
            .store
            .cards_of(customer)
            .await?
            .into_iter()
            .filter(|other| other.record.state == CardState::Active && Some(other.record.id) != replaces);
        if active.count() >= self.issuing.cards_each {
            return Err(Rule::HasActiveCard.into());
        }
        let is_encoded = before.record.tags().next().is_some();
        let (state, of_request) = match is_encoded {
            true => (CardState::Issued, RequestState::Encoded),
            false => (CardState::Approved, RequestState::Approved),
        };
        let record = Card { state, ..before.record };
        let records = vec![Stored { version: before.version, record: record.into() }];
        Ok(Effect { state: of_request, ..Effect::done(records) })
    }

    async fn account_approved(
        &self,
        request: &Request,
        staff: StaffId,
        (staff_number, name): (String, Personal<String>),
        roles: BTreeSet<Role>,
    ) -> Result<Effect, Fault> {
        let (invitation, halves) = self.invitation()?;
        let mut records = vec![Stored {
            version: 0,
            record: Record::from(self.new_account(staff, roles.clone(), invitation)),
        }];
        if self.find::<Staff>(Key::Staff(staff)).await?.is_none() {
            let number = staff_number.parse().map_err(|_| Fault::NotFound("member of staff"))?;
            let role = StaffRole::of(&roles);
            let entered =
                Staff { id: staff, number, name, role, branch: request.branch.clone(), left: false };
            records.push(Stored { version: 0, record: entered.into() });
        }
        Ok(Effect { halves: Some(halves), ..Effect::done(records) })
    }
}

/// Whether it was approved to erase somebody, which is not given up any more.
fn is_being_erased(request: &Request) -> bool {
    request.state == RequestState::Approved && matches!(request.proposal, Proposal::ErasePerson { .. })
}
