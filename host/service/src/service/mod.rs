//! What people and other systems do: open customers, bind cards, greet and serve.
//!
//! [`Service`] is the one way to write: it validates, commits with the version that the caller saw,
//! and says in words what is wrong. Every call takes the [`Actor`] on whose behalf it is made and
//! where from; it stands in the record's history.

mod accounts;
mod audited;
mod backing_up;
mod branches;
mod break_glass;
pub(crate) mod cards;
pub(crate) mod customers;
mod destroying;
mod erasing;
mod exports;
mod fault;
mod following;
mod grant;
mod guests;
mod history;
mod overseeing;
mod photos;
mod requests;
mod retention;
mod rule;
mod staff;
mod standing;
mod trail;
mod verifying;
pub mod view;
mod visits;

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use rfid_core::{Clock, Name, Result, UtcTime};
use tokio::sync::watch;

use self::accounts::Accounts;
use self::verifying::Verifying;
use crate::audit::{self, Trail};
use crate::photo::Darkroom;
use crate::randomness::{self, Randomness};
use crate::recognition::{Notice, Recognition, RecognitionSettings};
pub use crate::record::{CardDraft, ConsentDraft, CustomerDraft};
use crate::record::{Key, Record, Visit};
use crate::search::{CardIndex, SearchIndex};
use crate::store::{Actor, Change, Commit, Listing, Origin, Store, Stored};

pub use accounts::{Identified, Invited, LoggedIn, Reviewed};
pub use backing_up::{BackupAct, BackupMade};
pub use branches::BranchDraft;
pub use break_glass::LentRight;
pub use erasing::ErasedList;
pub use exports::{
    BegunExport, ExportDraft, ExportSettings, ExportView, FOLDER as EXPORTS_FOLDER, FetchedExport,
};
pub use fault::{Fault, FieldFault};
pub use grant::{Grant, Scope};
pub use guests::{Attendant, Extent, Guest};
pub use history::{HistoryFilter, VisitState};
pub use overseeing::{Overseen, Policies, RetentionRun};
pub use requests::{
    AccountRequest, Asked, AtDesk, Bench, CardDesk, Case, CaseActs, ChangedField, CustomerPatch, Decided,
    Decision, Desk, DeskFault, DeskStep, DeskTrouble, DeskWork, EncodePlan, Ended, IssuingSettings,
    OF_REQUESTS, OnDesk, PastStep, PhotoOf, RequestFilter, Somebody, Steps,
};
pub use retention::{Retained, RetentionSettings};
pub use rule::Rule;
pub use staff::StaffDraft;
pub use standing::BranchStanding;
pub use trail::TrailFilter;
pub use verifying::{AnchorFiles, Verification};
pub use visits::VisitFilter;

/// Records of a listing that are read at once.
const LISTED_AT_ONCE: usize = 512;

/// On whose behalf something is done, and from where.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub actor: Actor,
    /// An address, or `console`.
    pub from: String,
    /// What the caller may do.
    pub grant: Grant,
    /// In which session, where it is a person who has logged in.
    pub session: Option<SessionMark>,
    /// Why, where the caller says so. It goes into the audit trail.
    pub reason: Option<String>,
}

/// What is known of the session of a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionMark {
    /// What it is called in the audit trail.
    pub alias: String,
    /// Whether the person has proved a moment ago who it is.
    pub is_proved: bool,
    /// The branch that it looks at instead of its own; the caller's grant reaches no other.
    pub acting: Option<Name>,
}

impl Caller {
    /// Somebody outside any session, who gives no reason.
    pub fn new(actor: Actor, from: impl Into<String>, grant: Grant) -> Self {
        Self { actor, from: from.into(), grant, session: None, reason: None }
    }

    /// Somebody at the command line of the host, who may do everything.
    pub fn console() -> Self {
        Self::new(Actor::Console, "console", Grant::everything())
    }
}

impl Caller {
    /// Whether a person has proved a moment ago who it is; what is no person proves it each time.
    ///
    /// # Errors
    /// `ProofNeeded`.
    pub(crate) fn is_proved(&self) -> Result<(), Fault> {
        match &self.session {
            Some(session) if !session.is_proved => Err(Fault::ProofNeeded),
            _ => Ok(()),
        }
    }
}

/// A record as a caller sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sight<T> {
    /// The record.
    pub stored: Stored<T>,
    /// Whether what tells who somebody is has to be shortened.
    pub is_masked: bool,
}

impl<T> std::ops::Deref for Sight<T> {
    type Target = Stored<T>;

    fn deref(&self) -> &Stored<T> {
        &self.stored
    }
}

/// The customer service.
pub struct Service {
    store: Arc<dyn Store>,
    recognition: Arc<Recognition>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    /// Filled by [`Service::fill_search`].
    search: RwLock<SearchIndex>,
    cards: RwLock<CardIndex>,
    /// Started by the first photo.
    darkroom: OnceLock<Darkroom>,
    accounts: Accounts,
    issuing: IssuingSettings,
    retention: RetentionSettings,
    /// How things stand in all branches, once somebody has asked.
    standing: standing::Standing,
    /// Where cards are encoded, if anywhere.
    desk: Option<Arc<dyn CardDesk>>,
    /// What goes on at desks.
    workshop: requests::Workshop,
    /// Counts what is written of requests, cards and customers.
    written: watch::Sender<u64>,
    /// Absent where there is no folder for them.
    exports: Option<exports::Exports>,
    /// Absent where nobody wants to prove anything: in tests.
    trail: Option<Arc<Trail>>,
    /// Who has a right for a while.
    lent: RwLock<Vec<LentRight>>,
    /// What is watched of the trail.
    watch: Option<Arc<audit::Watch>>,
    /// Where the ends of the trail are kept besides, if anywhere.
    anchors: AnchorFiles,
    verifying: Verifying,
    /// Who was erased, beside the store; absent in tests.
    erased_list: Option<Arc<ErasedList>>,
}

impl Service {
    /// The service over a store.
    pub fn new(
        store: Arc<dyn Store>,
        settings: RecognitionSettings,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
    ) -> Self {
        let recognition = Recognition::new(Arc::clone(&store), settings, Arc::clone(&clock));
        Self {
            store,
            recognition: Arc::new(recognition),
            clock,
            randomness,
            search: RwLock::default(),
            cards: RwLock::default(),
            darkroom: OnceLock::new(),
            accounts: Accounts::default(),
            issuing: IssuingSettings::default(),
            retention: RetentionSettings::default(),
            standing: standing::Standing::default(),
            desk: None,
            workshop: requests::Workshop::default(),
            written: watch::Sender::new(0),
            exports: None,
            trail: None,
            lent: RwLock::default(),
            watch: None,
            anchors: AnchorFiles::default(),
            verifying: Verifying::default(),
            erased_list: None,
        }
    }

    /// The same, and what is done through it goes into this trail; while that cannot be written, nothing
    /// is done that belongs into it.
    #[must_use]
    pub fn with_trail(self, trail: Arc<Trail>) -> Self {
        Self { trail: Some(trail), ..self }
    }

    /// The same, and this is watched of the trail.
    #[must_use]
    pub fn with_watch(self, watch: Arc<audit::Watch>) -> Self {
        Self { watch: Some(watch), ..self }
    }

    /// What is watched of the trail, where something is.
    pub fn watch(&self) -> Option<&Arc<audit::Watch>> {
        self.watch.as_ref()
    }

    /// The same, which holds its trail against these anchors when it is verified.
    #[must_use]
    pub fn with_anchors(self, anchors: AnchorFiles) -> Self {
        Self { anchors, ..self }
    }

    /// The same, with desks where cards are encoded.
    #[must_use]
    pub fn with_desk(self, desk: Arc<dyn CardDesk>) -> Self {
        Self { desk: Some(desk), ..self }
    }

    /// What the lookup sink asks.
    pub fn recognition(&self) -> &Arc<Recognition> {
        &self.recognition
    }

    /// Where everything is kept.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Where the bank's days begin and end.
    pub fn zone(&self) -> jiff::tz::TimeZone {
        self.recognition.settings().zone.clone()
    }

    /// Now.
    pub fn now(&self) -> UtcTime {
        self.clock.now().utc
    }

    /// The record of this key, if there is one.
    async fn find<T: TryFrom<Record>>(&self, key: Key) -> Result<Option<Stored<T>>, Fault> {
        Ok(self.store.get(&[key]).await?.pop().flatten().and_then(Stored::typed))
    }

    async fn get<T: TryFrom<Record>>(&self, key: Key, what: &'static str) -> Result<Stored<T>, Fault> {
        self.find(key).await?.ok_or(Fault::NotFound(what))
    }

    /// All records of a listing, however many there are.
    pub(crate) async fn all_of<T: TryFrom<Record>>(
        &self,
        listing: &Listing,
    ) -> Result<Vec<Stored<T>>, Fault> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = self.store.list(listing, after, LISTED_AT_ONCE).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = last.record.place();
            found.extend(page.into_iter().filter_map(Stored::typed));
        }
    }

    /// Writes one record in place of the version that the caller saw, and returns the new one.
    async fn put<T: Clone + Into<Record>>(
        &self,
        caller: &Caller,
        action: &str,
        record: T,
        expected: u32,
    ) -> Result<Stored<T>, Fault> {
        self.put_with(caller, action, record, expected, Vec::<Stored<Visit>>::new()).await
    }

    /// The same, together with others in place of the versions that they have.
    async fn put_with<T: Clone + Into<Record>>(
        &self,
        caller: &Caller,
        action: &str,
        record: T,
        expected: u32,
        others: Vec<Stored<impl Into<Record>>>,
    ) -> Result<Stored<T>, Fault> {
        self.put_at(self.now(), caller, action, record, expected, others).await
    }

    /// The same at a time that something in the records names, too.
    async fn put_at<T: Clone + Into<Record>>(
        &self,
        at: UtcTime,
        caller: &Caller,
        action: &str,
        record: T,
        expected: u32,
        others: Vec<Stored<impl Into<Record>>>,
    ) -> Result<Stored<T>, Fault> {
        let mut changes = vec![Change::Put { record: Box::new(record.clone().into()), expected }];
        changes.extend(others.into_iter().map(|Stored { version, record }| Change::Put {
            record: Box::new(record.into()),
            expected: version,
        }));
        let origin = Origin { by: caller.actor.clone(), at, from: caller.from.clone() };
        let act = self.begin_act(caller, action, origin.at, &record.clone().into(), expected).await?;
        let written: Vec<Record> = changes
            .iter()
            .filter_map(|change| match change {
                Change::Put { record, .. } => Some((**record).clone()),
                Change::Remove { .. } => None,
            })
            .collect();
        match self.store.commit(Commit { origin, changes }).await {
            Ok(versions) => {
                written.iter().for_each(|record| self.note_written(record));
                Ok(Stored { version: versions.first().copied().unwrap_or(0), record })
            }
            Err(fault) => {
                self.take_back(act, &fault).await;
                Err(self.explain(fault).await)
            }
        }
    }

    /// What is searched in memory follows what is written.
    fn note_written(&self, record: &Record) {
        match record {
            Record::Customer(customer) => {
                self.search.write().unwrap_or_else(PoisonError::into_inner).put(customer);
            }
            Record::Card(card) => self.cards.write().unwrap_or_else(PoisonError::into_inner).put(card),
            Record::Request(_) => {}
            _ => return,
        }
        self.written.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Says who was faster.
    async fn explain(&self, fault: crate::store::CommitFault) -> Fault {
        let crate::store::CommitFault::Conflict { key, found } = fault else { return fault.into() };
        let latest = self.store.history(&key, None, 1).await.ok().and_then(|mut past| past.pop());
        Fault::Conflict { found, by: latest.map(|past| Box::new(past.origin)) }
    }

    /// Counts what is written of requests, cards and customers, whoever writes it: whoever shows them is told
    /// that there is something new, and not what.
    pub fn written(&self) -> watch::Receiver<u64> {
        self.written.subscribe()
    }

    fn tell(&self, notice: Notice) {
        // Nobody may be listening.
        let _ = self.recognition.notices().send(notice);
    }

    /// An id that nobody has: the milliseconds of now, so that records that are made together stand
    /// together in an index, and 80 random bits.
    pub(crate) fn new_id(&self) -> Result<[u8; 16]> {
        let millis = self.now().as_nanos() / 1_000_000;
        let random: [u8; 10] = randomness::bytes(self.randomness.as_ref())?;
        let mut id = [0; 16];
        id[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        id[6..].copy_from_slice(&random);
        Ok(id)
    }
}

#[cfg(any(test, feature = "suite"))]
pub mod bank;
#[cfg(test)]
mod tests;
