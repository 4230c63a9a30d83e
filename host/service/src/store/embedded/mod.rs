//! The embedded store: a ledger that is the truth, and sled as the index over it.
//!
//! Everything that is committed is appended to a ledger of its own ([`rfid_ledger`]) with one sync
//! for all that waits, and is acknowledged when it is also in the index. The index
//! ([`rfid_durable`]) holds the records as they are now, what they are found by, and the number of
//! the last entry of the ledger that is in it. So a start applies what the index lacks, and an index
//! that was damaged is made anew from nothing; the history of a record is read from the ledger.
//!
//! * `bearers.rs`: who bears which card, in memory.
//! * `days.rs`: sums of days, for reports.
//! * `entry.rs`: the bytes of an entry of the ledger.
//! * `failures.rs`: tries to log in that failed.
//! * `index.rs`: which keys of the index a record has.
//! * `latest.rs`: the latest visits of those who are here, in memory.
//! * `writer.rs`: the one task that writes.
//! * `replay.rs`: the ledger into the index.
//! * `seen.rs`: what a load has brought.
//! * `photos.rs`: photos, as files.
//! * `persons.rs`: the keys of persons, which can be destroyed.

mod bearers;
mod days;
mod entry;
mod failures;
mod generations;
mod index;
mod latest;
mod persons;
mod photos;
mod reading;
mod remembered;
mod replay;
mod seen;
mod writer;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use rfid_core::{Clock, Result, TagId, UtcTime};
use rfid_durable::Health;
use rfid_ledger::{Ledger, LedgerSettings};
use tokio::sync::{mpsc, oneshot};

use self::failures::FailureFile;
use self::persons::PersonFile;
use self::photos::Photos;
use self::reading::Index;
use self::writer::{Request, Writer};
use super::asking::{Writing, closed};
use super::erasing::{KeyChange, erasures};
use super::{
    Commit, CommitFault, Erasure, Happened, Holder, Listing, Origin, Past, Photo, PhotoSize, Place, Rows,
    Store, StoreHealth, Stored, Supply, Tally, TallyAsk, TallyKey,
};
use crate::account::failures::{Failures, LockRule, Tried};
use crate::record::{Card, Customer, CustomerId, IdNumber, Key, Kind, Month, PhotoId, Unique, Visit};

/// The ledger's folder in the data folder.
pub const LEDGER: &str = "service-ledger";
/// The index's folder in the data folder.
pub const INDEX: &str = "service";
/// The file with the keys of persons in the data folder.
pub const PERSONS: &str = "service-persons";
/// The file of tries to log in that failed in the data folder.
pub const FAILURES: &str = "login-failures";
pub(crate) use persons::put_in_place_of_secret;

/// The photos' folder in the data folder.
pub const PHOTOS: &str = "photos";

/// The store.
pub struct EmbeddedStore {
    index: Index,
    ledger: Ledger,
    photos: Photos,
    failures: FailureFile,
    writer: Writing<Request>,
}

impl EmbeddedStore {
    /// Opens the store of a data folder, or begins one. Where the index lacks something it is
    /// applied from the ledger first, which is said in the log as it goes.
    ///
    /// # Errors
    /// `Busy` when another process has it open; `Unsupported` when a newer version wrote it; `Io`;
    /// `Denied` when the keys are not those that it was written under.
    pub async fn open(data_dir: &Path, rows: Rows, clock: Arc<dyn Clock>) -> Result<Self> {
        let settings = LedgerSettings { keep_for: None, ..LedgerSettings::default() }.with_random_id();
        let ledger = Ledger::open(data_dir.join(LEDGER), settings, clock).await?;
        // Only now, when nobody else has the folder.
        let persons = match PersonFile::open(data_dir.join(PERSONS), &rows).await {
            Ok(persons) => persons,
            Err(error) => {
                ledger.close().await;
                return Err(error);
            }
        };
        let sled = rfid_durable::Store::open(data_dir.join(INDEX)).await?;
        let index = Index::new(sled, ledger.clone(), rows.clone());
        let photos = Photos::open(data_dir.join(PHOTOS), rows.clone()).await?;
        let failures = FailureFile::open(data_dir.join(FAILURES), rows).await?;
        replay::catch_up(&index, &ledger).await?;
        let applied = replay::last_applied(&index).await?;
        let writer = Writer::new(index.clone(), ledger.clone(), persons, applied);
        let writer = Writing::start(|requests| writer.run(requests));
        Ok(Self { index, ledger, photos, failures, writer })
    }

    /// By the task that writes: what was asked for before is written before.
    async fn change_keys(&self, change: KeyChange) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        self.writer.ask(Request::Keys { change, answer }).await?;
        answered.await.map_err(|_| closed())?
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn commit(&self, commit: Commit) -> Result<Vec<u32>, CommitFault> {
        self.writer.commit(commit).await
    }

    async fn commit_all(&self, commits: Vec<Commit>) -> Vec<Result<Vec<u32>, CommitFault>> {
        self.writer.commit_all(commits).await
    }

    async fn load(&self, origin: Origin, supply: &mut dyn Supply) -> Result<u64, CommitFault> {
        let (portions, taken) = mpsc::channel(1);
        let (answer, mut answered) = oneshot::channel();
        self.writer.ask(Request::Load { origin, portions: taken, answer }).await?;
        loop {
            // What is wrong with a portion is told by the answer, which comes when nobody takes
            // portions any more.
            let next = tokio::select! {
                outcome = &mut answered => return outcome.map_err(|_| closed())?,
                next = supply.next() => next,
            };
            match next {
                Ok(Some(portion)) => {
                    if portions.send(Some(portion)).await.is_err() {
                        return answered.await.map_err(|_| closed())?;
                    }
                }
                Ok(None) => {
                    // Without this word the load is taken for given up.
                    let _ = portions.send(None).await;
                    return answered.await.map_err(|_| closed())?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>> {
        self.index.get(keys).await
    }

    async fn find(&self, unique: &Unique) -> Result<Option<Stored>> {
        self.index.find(unique).await
    }

    async fn holders(&self, tags: &[TagId]) -> Result<Vec<Option<Holder>>> {
        self.index.holders(tags).await
    }

    async fn customers_with_id_number(&self, number: &IdNumber) -> Result<Vec<Stored<Customer>>> {
        self.index.customers_with_id_number(number).await
    }

    async fn cards_of(&self, customer: CustomerId) -> Result<Vec<Stored<Card>>> {
        self.index.cards_of(customer).await
    }

    async fn visits_of(&self, customers: &[CustomerId]) -> Result<Vec<Arc<[Stored<Visit>]>>> {
        self.index.visits_of(customers).await
    }

    async fn list(&self, listing: &Listing, after: Option<Place>, limit: usize) -> Result<Vec<Stored>> {
        self.index.list(listing, after, limit).await
    }

    async fn scan(&self, kind: Kind, after: Option<&Key>, limit: usize) -> Result<Vec<Stored>> {
        self.index.scan(kind, after, limit).await
    }

    async fn tally(&self, ask: &TallyAsk) -> Result<Vec<(TallyKey, Tally)>> {
        self.index.tally(ask).await
    }

    async fn count(&self, kind: Kind) -> Result<u64> {
        self.index.count(kind).await
    }

    async fn history(&self, key: &Key, before: Option<u32>, limit: usize) -> Result<Vec<Past>> {
        self.index.history(key, before, limit).await
    }

    async fn journal(&self) -> Result<mpsc::Receiver<Result<Happened>>> {
        Ok(self.index.journal())
    }

    async fn put_photo(&self, id: PhotoId, of: CustomerId, photo: Photo) -> Result<()> {
        self.photos.put(id, of, photo).await
    }

    async fn photo(&self, id: PhotoId, size: PhotoSize) -> Result<Option<Vec<u8>>> {
        self.photos.get(id, size).await
    }

    async fn photos(&self, after: Option<PhotoId>, limit: usize) -> Result<Vec<PhotoId>> {
        self.photos.list(after, limit).await
    }

    async fn remove_photo(&self, id: PhotoId) -> Result<()> {
        self.photos.remove(id).await
    }

    async fn shut(&self, person: CustomerId) -> Result<()> {
        self.change_keys(KeyChange::Shut(person)).await
    }

    async fn destroy_key(&self, person: CustomerId) -> Result<()> {
        self.change_keys(KeyChange::Destroy(person)).await
    }

    async fn destroy_links(&self, month: Month) -> Result<()> {
        self.change_keys(KeyChange::DestroyMonth(month)).await
    }

    async fn erasures(&self) -> Result<Vec<Erasure>> {
        Ok(erasures(self.index.rows().persons().as_deref()))
    }

    async fn keys_changed(&self) -> Result<()> {
        self.failures.reseal().await?;
        self.change_keys(KeyChange::Reseal).await
    }

    async fn failures(&self, who: Tried) -> Result<Option<Failures>> {
        self.failures.get(who).await
    }

    async fn note_failure(&self, who: Tried, now: UtcTime, rule: LockRule) -> Result<Failures> {
        self.failures.note(who, now, rule).await
    }

    async fn forget_failures(&self, who: Tried) -> Result<u32> {
        self.failures.forget(who).await
    }

    fn health(&self) -> StoreHealth {
        if let Health::Degraded(why) = self.index.sled().health() {
            return StoreHealth::Degraded(format!("the index of customers and visits fails: {why}"));
        }
        if let Some(why) = self.ledger.status().error() {
            return StoreHealth::Degraded(format!("the ledger of customers and visits fails: {why}"));
        }
        if let Some(what) = self.index.damage() {
            return StoreHealth::Degraded(format!("the ledger of customers and visits is damaged: {what}"));
        }
        match self.index.sled().damaged_values() {
            0 => StoreHealth::Well,
            damaged => StoreHealth::Degraded(format!(
                "{damaged} values of the index are damaged and taken for missing; at the next start the \
                 index is made anew from the ledger, which has everything"
            )),
        }
    }

    async fn close(&self) {
        self.writer.end(Request::Close).await;
        self.index.bearers().stop();
        replay::note_damage(&self.index).await;
        self.index.sled().close().await;
        self.ledger.close().await;
    }
}

#[cfg(test)]
mod tests;
