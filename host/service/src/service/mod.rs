//! What people and other systems do: open customers, bind cards, greet and serve.
//!
//! [`Service`] is the one way to write: it validates, commits with the version that the caller saw,
//! and says in words what is wrong. Every call takes the [`Actor`] on whose behalf it is made and
//! where from; it stands in the record's history.

mod branches;
pub(crate) mod cards;
pub(crate) mod customers;
mod fault;
mod following;
mod grant;
mod photos;
mod staff;
pub mod view;
mod visits;

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use rfid_core::{Clock, Result, UtcTime};

use crate::photo::Darkroom;
use crate::randomness::{self, Randomness};
use crate::recognition::{Notice, Recognition, RecognitionSettings};
use crate::record::{Key, Record, Visit};
use crate::search::{CardIndex, SearchIndex};
use crate::store::{Actor, Change, Commit, Origin, Store, Stored};

pub use branches::BranchDraft;
pub use cards::CardDraft;
pub use customers::{ConsentDraft, CustomerDraft};
pub use fault::{Fault, FieldFault};
pub use grant::{Grant, Scope};
pub use staff::StaffDraft;
pub use visits::VisitFilter;

/// On whose behalf something is done, and from where.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub actor: Actor,
    /// An address, or `console`.
    pub from: String,
    /// What the caller may do.
    pub grant: Grant,
}

impl Caller {
    /// Somebody at the command line of the host, who may do everything.
    pub fn console() -> Self {
        Self { actor: Actor::Console, from: "console".to_owned(), grant: Grant::everything() }
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
        }
    }

    /// What the lookup sink asks.
    pub fn recognition(&self) -> &Arc<Recognition> {
        &self.recognition
    }

    /// Where everything is kept.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Now.
    pub fn now(&self) -> UtcTime {
        self.clock.now().utc
    }

    async fn get<T: TryFrom<Record>>(&self, key: Key, what: &'static str) -> Result<Stored<T>, Fault> {
        let found = self.store.get(&[key]).await?.pop().flatten();
        found.and_then(Stored::typed).ok_or(Fault::NotFound(what))
    }

    /// Writes one record in place of the version that the caller saw, and returns the new one.
    async fn put<T: Clone + Into<Record>>(
        &self,
        caller: &Caller,
        record: T,
        expected: u32,
    ) -> Result<Stored<T>, Fault> {
        self.put_with(caller, record, expected, Vec::<Stored<Visit>>::new()).await
    }

    /// The same, together with others in place of the versions that they have.
    async fn put_with<T: Clone + Into<Record>>(
        &self,
        caller: &Caller,
        record: T,
        expected: u32,
        others: Vec<Stored<impl Into<Record>>>,
    ) -> Result<Stored<T>, Fault> {
        let mut changes = vec![Change::Put { record: Box::new(record.clone().into()), expected }];
        changes.extend(others.into_iter().map(|Stored { version, record }| Change::Put {
            record: Box::new(record.into()),
            expected: version,
        }));
        let origin = Origin { by: caller.actor.clone(), at: self.now(), from: caller.from.clone() };
        match self.store.commit(Commit { origin, changes }).await {
            Ok(versions) => {
                self.note_written(&record.clone().into());
                Ok(Stored { version: versions.first().copied().unwrap_or(0), record })
            }
            Err(fault) => Err(self.explain(fault).await),
        }
    }

    /// What is searched in memory follows what is written.
    fn note_written(&self, record: &Record) {
        match record {
            Record::Customer(customer) => {
                self.search.write().unwrap_or_else(PoisonError::into_inner).put(customer);
            }
            Record::Card(card) => self.cards.write().unwrap_or_else(PoisonError::into_inner).put(card),
            _ => {}
        }
    }

    /// Says who was faster.
    async fn explain(&self, fault: crate::store::CommitFault) -> Fault {
        let crate::store::CommitFault::Conflict { key, found } = fault else { return fault.into() };
        let latest = self.store.history(&key, None, 1).await.ok().and_then(|mut past| past.pop());
        Fault::Conflict { found, by: latest.map(|past| past.origin) }
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

#[cfg(test)]
mod tests;
