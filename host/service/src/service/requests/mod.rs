//! Requests: somebody asks, somebody else approves, and only then it happens.
//!
//! * `accounts.rs`: those for accounts, with the people they are about.
//! * `asking.rs`: what is asked for, from what somebody wrote.
//! * `file.rs`: the file of a person who asks for it.
//! * `deciding.rs`: approving, refusing, giving up; who may, and what comes of it.
//! * `issuing.rs`: an approved card onto plastic.
//! * `desk.rs`: what the service asks of a desk, and what a desk tells.
//! * `workshop.rs`: cards that are encoded while nobody waits for the answer.
//! * `looking.rs`: a request with all that somebody needs who goes on with it.
//! * `editing.rs`: customers of a request as somebody writes them who does not see all of them, and their photos.

mod accounts;
mod asking;
mod deciding;
mod desk;
mod editing;
mod file;
mod issuing;
mod looking;
mod workshop;

use std::collections::BTreeSet;
use std::time::Duration;

use rfid_core::Name;
use zeroize::Zeroizing;

use super::fault::{Fault, FieldFault, check_text};
use super::grant::{Grant, Mode};
use super::rule::Rule;
use super::{Caller, Service};
use crate::record::{
    Card, CardState, Hand, Key, Kind, Personal, Proposal, Record, Request, RequestId, RequestState, Signature,
};
use crate::rights::Action;
use crate::store::{Among, Listing, Place, Stored};

pub use accounts::{AccountRequest, Somebody};
pub use asking::Asked;
pub use deciding::Decided;
pub use desk::{CardDesk, Desk, DeskFault, DeskStep, DeskTrouble, EncodePlan, OnDesk, Steps};
pub use editing::CustomerPatch;
pub use looking::{Case, CaseActs, ChangedField, Decision, PastStep, PhotoOf};
pub use workshop::{AtDesk, Bench, DeskWork, Ended};

pub(in crate::service) use workshop::Workshop;

/// What it takes to have to do with requests: one of these, in whatever way.
pub const OF_REQUESTS: [Action; 11] = [
    Action::ChangeCustomers,
    Action::TakePhotos,
    Action::RequestCards,
    Action::EncodeCards,
    Action::ReenableCards,
    Action::RequestAccounts,
    Action::ResetAccounts,
    Action::MakeFiles,
    Action::RequestExports,
    Action::ErasePersons,
    Action::RequestBreakGlass,
];
/// Longest note of a decision, in characters.
const LONGEST_NOTE: usize = 500;

/// How cards are issued. Each figure is a setting.
#[derive(Clone, Debug)]
pub struct IssuingSettings {
    /// An approved card that is not encoded lapses after so long.
    pub approved_lapses: Duration,
    /// An encoded card that is not read at a desk lapses after so long.
    pub encoded_lapses: Duration,
    /// Who changed a customer so long ago does not approve the customer's card.
    pub hands_off_for: Duration,
    /// Active cards of one customer.
    pub cards_each: usize,
    /// Branches where asking and approving may come from one address.
    pub one_desk: BTreeSet<Name>,
    /// The bank's GS1 company prefix, 6 to 12 digits, from which EPCs are made.
    pub company_prefix: String,
    /// Name of the bank, as it stands on a receipt; empty if it is left out.
    pub bank_name: String,
}

impl Default for IssuingSettings {
    fn default() -> Self {
        let hour = 3600;
        Self {
            approved_lapses: Duration::from_secs(72 * hour),
            encoded_lapses: Duration::from_secs(14 * 24 * hour),
            hands_off_for: Duration::from_secs(24 * hour),
            cards_each: 1,
            one_desk: BTreeSet::new(),
            // Of GS1's own for examples: a bank has one of its own.
            company_prefix: "9521141".to_owned(),
            bank_name: String::new(),
        }
    }
}

/// Which requests are asked for, the latest first.
#[derive(Clone, Debug, Default)]
pub struct RequestFilter {
    /// In a branch; in all if absent.
    pub branch: Option<Name>,
    /// Only those that are not over.
    pub open: bool,
}

impl Service {
    /// The same with other figures for issuing.
    #[must_use]
    pub fn with_issuing(self, settings: IssuingSettings) -> Self {
        Self { issuing: settings, ..self }
    }

    /// Begins a request.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`, `NotAllowed`, `Taken`, `Store`.
    pub async fn draft_request(&self, caller: &Caller, asked: Asked) -> Result<Stored<Request>, Fault> {
        let (proposal, branch) = self.proposal_of(caller, asked, None).await?;
        self.begin_request(caller, proposal, branch).await
    }

    /// A draft that says this.
    pub(super) async fn begin_request(
        &self,
        caller: &Caller,
        proposal: Proposal,
        branch: Name,
    ) -> Result<Stored<Request>, Fault> {
        let request = Request {
            id: RequestId::from_bytes(self.new_id()?),
            branch,
            state: RequestState::Draft,
            proposal,
            drafted_at: self.now(),
            hands: BTreeSet::from([Hand::of(&caller.actor)]),
            submitted: None,
            decided: None,
            note: None,
            stood_in: false,
            code_half: None,
        };
        self.put(caller, "request.draft", request, 0).await
    }

    /// Writes a request anew, which is a draft again by that, whatever it was before.
    ///
    /// # Errors
    /// `NotFound`; `Rule` where it is decided; `Invalid`, `Conflict`, `Store`.
    pub async fn edit_request(
        &self,
        caller: &Caller,
        id: RequestId,
        expected: u32,
        asked: Asked,
    ) -> Result<Stored<Request>, Fault> {
        let before = self.reach_request(caller, id, Mode::Propose).await?;
        if asked.kind() != before.record.proposal.kind() {
            let what = format!("this request is of the kind {}", before.record.proposal.kind().name());
            return Err(Fault::Invalid(vec![FieldFault::new("kind", what)]));
        }
        self.may_become(&before, RequestState::Draft)?;
        let (proposal, branch) = self.proposal_of(caller, asked, Some(&before.record.proposal)).await?;
        let mut hands = before.record.hands.clone();
        hands.insert(Hand::of(&caller.actor));
        let edited =
            Request { branch, state: RequestState::Draft, proposal, hands, submitted: None, ..before.record };
        self.put(caller, "request.edit", edited, expected).await
    }

    /// Submits a draft: from now on it waits for somebody else.
    ///
    /// # Errors
    /// `NotFound`, `Rule`, `Conflict`, `Taken` where a card bears a number that another bears, `Store`.
    pub async fn submit_request(
        &self,
        caller: &Caller,
        id: RequestId,
        expected: u32,
    ) -> Result<Stored<Request>, Fault> {
        let before = self.reach_request(caller, id, Mode::Propose).await?;
        self.may_become(&before, RequestState::Submitted)?;
        let mut hands = before.record.hands.clone();
        hands.insert(Hand::of(&caller.actor));
        let others = self.submitted_with(&before.record).await?;
        let submitted = Request {
            state: RequestState::Submitted,
            hands,
            submitted: Some(self.signature(caller)),
            ..before.record
        };
        self.put_with(caller, "request.submit", submitted, expected, others).await
    }

    /// The request of this id.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn request(&self, caller: &Caller, id: RequestId) -> Result<Stored<Request>, Fault> {
        let request = self.seen_request(caller, id).await?;
        let branch = request.record.branch.clone();
        self.saw(caller, "request.see", Some(&Key::Request(id)), Some(&branch), 1).await?;
        Ok(request)
    }

    /// Requests that the caller may ask for, approve or carry out, the latest first, behind `after`; at most
    /// `limit` of them, and where the list goes on.
    ///
    /// # Errors
    /// `Store`.
    pub async fn requests(
        &self,
        caller: &Caller,
        filter: &RequestFilter,
        after: Option<Place>,
        limit: usize,
    ) -> Result<(Vec<Stored<Request>>, Option<Place>), Fault> {
        self.may_know_requests(caller).await?;
        let among = match (&filter.branch, filter.open) {
            (Some(branch), true) => Among::OpenIn(branch.clone()),
            (Some(branch), false) => Among::Branch(branch.clone()),
            (None, true) => Among::Open,
            (None, false) => Among::All,
        };
        let listing = Listing::ever(Kind::Request, among);
        let (mut found, mut place) = (Vec::new(), after);
        loop {
            let page = self.store.list(&listing, place.clone(), limit.max(1)).await?;
            let is_last = page.len() < limit.max(1);
            for stored in page {
                let Some(request) = stored.typed::<Request>() else { continue };
                place = Some(Place { at: request.record.drafted_at, key: Key::Request(request.record.id) });
                if self.sees(caller, &request.record) {
                    found.push(request);
                }
                if found.len() >= limit {
                    self.saw(caller, "request.list", None, filter.branch.as_deref(), found.len()).await?;
                    return Ok((found, place));
                }
            }
            if is_last {
                self.saw(caller, "request.list", None, filter.branch.as_deref(), found.len()).await?;
                return Ok((found, None));
            }
        }
    }

    /// Whoever neither asks nor approves nor carries out has nothing to do with requests.
    pub(super) async fn may_know_requests(&self, caller: &Caller) -> Result<(), Fault> {
        match OF_REQUESTS.into_iter().find(|action| caller.grant.knows(*action)) {
            Some(_) => Ok(()),
            None => self.may(caller, Action::RequestCards).await.map(drop),
        }
    }

    /// All requests that go on.
    pub(super) async fn open_requests(&self) -> Result<Vec<Stored<Request>>, Fault> {
        self.all_of(&Listing::ever(Kind::Request, Among::Open)).await
    }

    /// Whether a request is any business of the caller's.
    fn sees(&self, caller: &Caller, request: &Request) -> bool {
        let had_a_hand = request.hands.contains(&Hand::of(&caller.actor));
        let within = |action: Action, mode: Mode| {
            // A reason is for looking at people; what is asked for is work.
            let may = caller.grant.may(action, mode, true);
            may.is_ok_and(|may| may.in_branch(&request.branch).is_some())
        };
        let action = request.proposal.kind().action();
        had_a_hand
            || within(action, Mode::Propose)
            || within(action, Mode::Approve)
            || action == Action::RequestCards && within(Action::EncodeCards, Mode::Do)
    }

    /// A request that is any business of the caller's.
    async fn seen_request(&self, caller: &Caller, id: RequestId) -> Result<Stored<Request>, Fault> {
        self.may_know_requests(caller).await?;
        let found: Option<Stored<Request>> = self.find(Key::Request(id)).await?;
        match found.filter(|request| self.sees(caller, &request.record)) {
            Some(request) => Ok(request),
            None => Err(self.nothing(caller, Action::RequestCards, "request").await),
        }
    }

    /// A request that the caller may do something with in this way.
    pub(super) async fn reach_request(
        &self,
        caller: &Caller,
        id: RequestId,
        mode: Mode,
    ) -> Result<Stored<Request>, Fault> {
        let request = self.seen_request(caller, id).await?;
        let action = request.record.proposal.kind().action();
        let may = self.may_as(caller, action, mode).await?;
        let is_own = request.record.hands.contains(&Hand::of(&caller.actor));
        if may.in_branch(&request.record.branch).is_none() && !(mode == Mode::Propose && is_own) {
            return Err(self.nothing(caller, action, "request").await);
        }
        Ok(request)
    }

    pub(super) fn may_become(&self, request: &Stored<Request>, next: RequestState) -> Result<(), Fault> {
        let state = request.record.state;
        if state.may_become(next) {
            return Ok(());
        }
        Err(Rule::RequestIs(state, next).into())
    }

    /// Who does something now, and from where.
    pub(in crate::service) fn signature(&self, caller: &Caller) -> Signature {
        Signature {
            by: Hand::of(&caller.actor),
            at: self.now(),
            from: caller.from.clone(),
            session: caller.session.as_ref().map(|session| session.alias.clone()),
        }
    }

    /// What is written together with a request that is submitted: the card that it asks for.
    async fn submitted_with(&self, request: &Request) -> Result<Vec<Stored<Record>>, Fault> {
        let Proposal::IssueCard { customer, card, draft, .. } = &request.proposal else {
            return Ok(Vec::new());
        };
        let before: Option<Stored<Card>> = self.find(Key::Card(*card)).await?;
        let mut faults = Vec::new();
        let made = self.card_of(draft, *card, *customer, CardState::Requested, &mut faults).await?;
        match made.filter(|_| faults.is_empty()) {
            Some(card) => {
                let version = before.map_or(0, |before| before.version);
                Ok(vec![Stored { version, record: card.into() }])
            }
            None => Err(Fault::Invalid(faults)),
        }
    }

    /// The half of the code of an invitation that is kept for the caller, once.
    ///
    /// # Errors
    /// `NotFound` where there is none, it was fetched already, or is kept for somebody else.
    pub async fn fetch_code(&self, caller: &Caller, id: RequestId) -> Result<Zeroizing<String>, Fault> {
        if !caller.grant.knows(Action::ResetAccounts) {
            self.may_as(caller, Action::RequestAccounts, Mode::Propose).await?;
        }
        let found: Option<Stored<Request>> = self.find(Key::Request(id)).await?;
        let Some(request) = found.filter(|request| is_kept_for(caller, &request.record)) else {
            return Err(self.nothing(caller, Action::RequestAccounts, "request").await);
        };
        let Some(half) = request.record.code_half.clone() else { return Err(Fault::NotFound("code")) };
        let fetched = Request { code_half: None, ..request.record };
        self.put(caller, "request.code", fetched, request.version).await?;
        Ok(Zeroizing::new(half.reveal().clone()))
    }
}

/// Whether the half of a code that a request keeps is for this caller: for who asked; or, of what somebody did
/// alone, for whoever else looks after the account, and is not whose it is.
fn is_kept_for(caller: &Caller, request: &Request) -> bool {
    let me = Hand::of(&caller.actor);
    match &request.submitted {
        Some(submitted) => submitted.by == me,
        None => {
            let is_own = caller.grant.who().map(Key::Staff) == Some(request.proposal.subject());
            request.decided.is_some()
                && !is_own
                && !request.hands.contains(&me)
                && looks_after(&caller.grant, &request.branch)
        }
    }
}

/// Whether somebody has to do with letting people of a branch set a new password.
fn looks_after(grant: &Grant, branch: &str) -> bool {
    [Mode::Do, Mode::Propose, Mode::Approve].into_iter().any(|mode| {
        let may = grant.may(Action::ResetAccounts, mode, true);
        may.is_ok_and(|may| may.in_branch(branch).is_some())
    })
}

/// Checks a note that goes with a decision.
fn check_note(note: &Personal<String>) -> Result<(), Fault> {
    let mut faults = Vec::new();
    check_text("note", note.reveal(), LONGEST_NOTE, &mut faults);
    if faults.is_empty() { Ok(()) } else { Err(Fault::Invalid(faults)) }
}

#[cfg(test)]
mod tests;
