//! Where records are kept.
//!
//! [`Store`] is all that the service asks of a database. Stores keep what [`Rows`] gives them and
//! never look into it: text search, rights and rules are above, and the same on each of them.

mod asking;
#[cfg(any(test, feature = "suite"))]
mod breaking;
mod commit;
mod days;
pub mod embedded;
mod erasing;
mod listing;
#[cfg(any(test, feature = "suite"))]
mod memory;
mod plan;
#[cfg(feature = "postgres")]
pub mod postgres;
mod rows;
#[cfg(any(test, feature = "suite"))]
pub mod suite;
mod tally;

use std::sync::Arc;

use async_trait::async_trait;
use rfid_core::{Result, TagId, UtcTime};
use tokio::sync::{broadcast, mpsc};

use crate::account::failures::{Failures, LockRule, Tried};
use crate::audit::CentralTrail;
use crate::record::{
    Bearer, Card, Customer, CustomerId, IdNumber, Key, Kind, Month, PhotoId, Record, Unique, Visit,
};

#[cfg(any(test, feature = "suite"))]
pub use breaking::BreakingStore;
pub use commit::{Actor, Change, Commit, CommitFault, Happened, Origin, Past, Supply, Version};
pub use erasing::Erasure;
pub use listing::{Among, Listing, Place, Timed};
#[cfg(any(test, feature = "suite"))]
pub use memory::MemoryStore;
pub use rows::Rows;
pub use tally::{By, Figures, Tally, TallyAsk, TallyKey};

/// Visits of a customer of which it is asked which goes on: the branches of a day, and more.
pub const LATEST_VISITS: usize = 16;

/// A record as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored<T = Record> {
    /// How often it was written: 1 for a new one. A record that is made again after its removal
    /// goes on counting, so that a version names one content.
    pub version: u32,
    /// The record.
    pub record: T,
}

impl Stored {
    /// The same with its record by its own type, if it is of that.
    pub fn typed<T: TryFrom<Record>>(self) -> Option<Stored<T>> {
        Some(Stored { version: self.version, record: self.record.try_into().ok()? })
    }
}

/// A card and whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Holder {
    /// The card.
    pub card: Stored<Card>,
    /// The customer, in the version of the record.
    pub customer: Stored<Bearer>,
}

/// Which form of a photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PhotoSize {
    /// For a record that is looked at.
    Large,
    /// For a list.
    Small,
}

/// A photo in both forms, as they are kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Photo {
    /// For a record that is looked at.
    pub large: Vec<u8>,
    /// For a list.
    pub small: Vec<u8>,
}

impl std::fmt::Debug for Photo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Something that others have written to a store, beside this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// This customer, card, visit or alarm has another version.
    Changed(Key),
    /// More than is named, or nobody knows what: everything may have.
    Much,
}

/// How a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreHealth {
    /// It takes and gives everything.
    Well,
    /// It does not, and this says why in words for the operator.
    Degraded(String),
}

/// Keeps records.
///
/// *For authors of stores*: everything that is acknowledged is durable: it survives a power cut.
/// The suite `suite` (feature `suite`) holds a store to each sentence here. All calls may come at
/// the same time from many tasks; none blocks the runtime.
///
/// *Cancel safety*: a call that is dropped has happened wholly or not at all.
///
/// *Errors*: `Connect`, `Io`, `Timeout` and `Busy` may pass; `Damaged` names what cannot be read.
#[async_trait]
pub trait Store: Send + Sync {
    /// Carries out all changes of a commit or none, and keeps who made them. What was unique to a
    /// record that the commit changes or removes may be taken by another of the same commit.
    ///
    /// Returns the new versions, in the order of the changes; 0 for a record that was removed (the
    /// removal counts as a version of its history).
    ///
    /// # Errors
    /// [`CommitFault::Conflict`] when a record is not in the version that the change expects,
    /// [`CommitFault::Taken`] when it would share what must be unique.
    async fn commit(&self, commit: Commit) -> Result<Vec<u32>, CommitFault>;

    /// Carries out commits one behind the other, in this order, each as if it were asked for alone.
    async fn commit_all(&self, commits: Vec<Commit>) -> Vec<Result<Vec<u32>, CommitFault>> {
        let mut outcomes = Vec::with_capacity(commits.len());
        for commit in commits {
            outcomes.push(self.commit(commit).await);
        }
        outcomes
    }

    /// Takes in many new records, all of them or none, without holding them all in memory. What is
    /// committed meanwhile may have to wait. Returns how many there were.
    ///
    /// # Errors
    /// As [`Store::commit`], and what `supply` says.
    async fn load(&self, origin: Origin, supply: &mut dyn Supply) -> Result<u64, CommitFault>;

    /// The records of these keys, in their order.
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>>;

    /// The record that has this.
    async fn find(&self, unique: &Unique) -> Result<Option<Stored>>;

    /// The cards that bear these tags, whatever their state, and whose they are, in the order of
    /// the tags.
    ///
    /// *Time*: this is asked while somebody walks through a door.
    async fn holders(&self, tags: &[TagId]) -> Result<Vec<Option<Holder>>>;

    /// The customers with this ID number.
    async fn customers_with_id_number(&self, number: &IdNumber) -> Result<Vec<Stored<Customer>>>;

    /// The cards of a customer, those that became valid last first.
    async fn cards_of(&self, customer: CustomerId) -> Result<Vec<Stored<Card>>>;

    /// The latest visits of each of these customers, the latest first; at most [`LATEST_VISITS`] of each.
    ///
    /// *Time*: this is asked each time somebody who is in a branch is heard.
    async fn visits_of(&self, customers: &[CustomerId]) -> Result<Vec<Arc<[Stored<Visit>]>>> {
        let mut of_each = Vec::with_capacity(customers.len());
        for customer in customers {
            let found = self.list(&Listing::visits_of(*customer), None, LATEST_VISITS).await?;
            of_each.push(found.into_iter().filter_map(Stored::typed).collect());
        }
        Ok(of_each)
    }

    /// Records that have a time, the latest first, behind `after`; at most `limit` of them.
    async fn list(&self, listing: &Listing, after: Option<Place>, limit: usize) -> Result<Vec<Stored>>;

    /// All records of a kind in the order of their keys, behind `after`; at most `limit` of them.
    async fn scan(&self, kind: Kind, after: Option<&Key>, limit: usize) -> Result<Vec<Stored>>;

    /// Visits counted, in the order of what those that are counted together have in common.
    async fn tally(&self, ask: &TallyAsk) -> Result<Vec<(TallyKey, Tally)>>;

    /// How many records of a kind there are.
    async fn count(&self, kind: Kind) -> Result<u64>;

    /// What happened to a record, the latest first, before version `before` if one is given; at
    /// most `limit` of it.
    async fn history(&self, key: &Key, before: Option<u32>, limit: usize) -> Result<Vec<Past>>;

    /// Everything that ever happened, in the order in which it did, up to now. Whoever drops the
    /// receiver has read enough; an error is the last that comes.
    ///
    /// Carried out anew on an empty store, it makes the same store.
    async fn journal(&self) -> Result<mpsc::Receiver<Result<Happened>>>;

    /// Keeps a photo of this customer. Allowed twice.
    async fn put_photo(&self, id: PhotoId, of: CustomerId, photo: Photo) -> Result<()>;

    /// A photo, if it is there.
    async fn photo(&self, id: PhotoId, size: PhotoSize) -> Result<Option<Vec<u8>>>;

    /// Ids of photos in their order, behind `after`; at most `limit` of them.
    async fn photos(&self, after: Option<PhotoId>, limit: usize) -> Result<Vec<PhotoId>>;

    /// Forgets a photo. Allowed twice.
    async fn remove_photo(&self, id: PhotoId) -> Result<()>;

    /// Begins to erase a person: from now on nothing is written of this customer
    /// ([`Record::person`]), which is answered as if there were none ([`CommitFault::Conflict`]). What was
    /// asked for before is written when this returns. What there is can be read and removed, and has to be
    /// before [`Store::destroy_key`]. Allowed twice, and of somebody who is not known.
    async fn shut(&self, person: CustomerId) -> Result<()>;

    /// Destroys what everything of a person is sealed under. When it returns, nothing that was ever
    /// written of this customer under that key can be read again by anybody, with whatever secret; histories
    /// and the journal leave it out. Allowed twice, and of somebody who is not known.
    async fn destroy_key(&self, person: CustomerId) -> Result<()>;

    /// Destroys what says whose the visits of a month were, in every version; those that there are were given
    /// stand-ins before. From then on histories and the journal tell of them as of nobody's. Allowed twice.
    async fn destroy_links(&self, month: Month) -> Result<()>;

    /// Who is erased or being erased, in the order of the ids.
    async fn erasures(&self) -> Result<Vec<Erasure>>;

    /// What others write to it, from now on; `None` where nobody else can. What is told has happened;
    /// of what this value itself has written, some may be told as well.
    fn elsewhere(&self) -> Option<broadcast::Receiver<Elsewhere>> {
        None
    }

    /// Tries to log in that failed for a number, on every host of this store.
    async fn failures(&self, who: Tried) -> Result<Option<Failures>>;

    /// Notes that one more failed, and returns all of that number. At most
    /// [`REMEMBERED`](crate::account::failures::REMEMBERED) numbers are remembered; it is the same work for
    /// each.
    async fn note_failure(&self, who: Tried, now: UtcTime, rule: LockRule) -> Result<Failures>;

    /// Forgets those of a number. Returns how many there were.
    async fn forget_failures(&self, who: Tried) -> Result<u32>;

    /// The table into which the audit trails of all hosts go; `None` where there is none.
    fn central_trail(&self) -> Option<Arc<dyn CentralTrail>> {
        None
    }

    /// Notes that the keys were replaced under which its rows are sealed. What is written from now on is
    /// under the new ones.
    async fn keys_changed(&self) -> Result<()> {
        Ok(())
    }

    /// How the store is, without asking it anything.
    fn health(&self) -> StoreHealth;

    /// Ends it when everything is written. Allowed twice.
    async fn close(&self);
}
