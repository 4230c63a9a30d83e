//! A store that stops answering, for tests of what is done then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use rfid_core::{Error, ErrorKind, Result, TagId, UtcTime};
use tokio::sync::mpsc;

use super::{
    Commit, CommitFault, Erasure, Happened, Holder, Listing, Origin, Past, Photo, PhotoSize, Place, Store,
    StoreHealth, Stored, Supply, Tally, TallyAsk, TallyKey,
};
use crate::account::failures::{Failures, LockRule, Tried};
use crate::audit::CentralTrail;
use crate::record::{Customer, CustomerId, IdNumber, Key, Kind, Month, PhotoId, Unique};

/// So many answers are as good as all.
const ALL: u32 = u32::MAX;

/// A store that can be told to fail.
pub struct BreakingStore {
    inner: Arc<dyn Store>,
    /// Answers that it still gives.
    answers: AtomicU32,
}

impl BreakingStore {
    /// This store, which answers until it is told not to.
    pub fn over(inner: Arc<dyn Store>) -> Self {
        Self { inner, answers: AtomicU32::new(ALL) }
    }

    /// Lets it give so many answers more, and then none.
    pub fn break_after(&self, answers: u32) {
        self.answers.store(answers, Ordering::SeqCst);
    }

    /// Lets it answer again.
    pub fn mend(&self) {
        self.break_after(ALL);
    }

    fn well(&self) -> Result<&Arc<dyn Store>> {
        let fewer = |left: u32| if left == ALL { Some(left) } else { left.checked_sub(1) };
        match self.answers.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer) {
            Ok(_) => Ok(&self.inner),
            Err(_) => Err(Error::new(ErrorKind::Connect, "store").with_detail("the store is broken")),
        }
    }
}

#[async_trait]
impl Store for BreakingStore {
    async fn commit(&self, commit: Commit) -> Result<Vec<u32>, CommitFault> {
        self.well()?.commit(commit).await
    }

    async fn load(&self, origin: Origin, supply: &mut dyn Supply) -> Result<u64, CommitFault> {
        self.well()?.load(origin, supply).await
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>> {
        self.well()?.get(keys).await
    }

    async fn find(&self, unique: &Unique) -> Result<Option<Stored>> {
        self.well()?.find(unique).await
    }

    async fn holders(&self, tags: &[TagId]) -> Result<Vec<Option<Holder>>> {
        self.well()?.holders(tags).await
    }

    async fn customers_with_id_number(&self, number: &IdNumber) -> Result<Vec<Stored<Customer>>> {
        self.well()?.customers_with_id_number(number).await
    }

    async fn cards_of(&self, customer: CustomerId) -> Result<Vec<Stored<crate::record::Card>>> {
        self.well()?.cards_of(customer).await
    }

    async fn visits_of(&self, customers: &[CustomerId]) -> Result<Vec<Arc<[Stored<crate::record::Visit>]>>> {
        self.well()?.visits_of(customers).await
    }

    async fn list(&self, listing: &Listing, after: Option<Place>, limit: usize) -> Result<Vec<Stored>> {
        self.well()?.list(listing, after, limit).await
    }

    async fn scan(&self, kind: Kind, after: Option<&Key>, limit: usize) -> Result<Vec<Stored>> {
        self.well()?.scan(kind, after, limit).await
    }

    async fn tally(&self, ask: &TallyAsk) -> Result<Vec<(TallyKey, Tally)>> {
        self.well()?.tally(ask).await
    }

    async fn count(&self, kind: Kind) -> Result<u64> {
        self.well()?.count(kind).await
    }

    async fn history(&self, key: &Key, before: Option<u32>, limit: usize) -> Result<Vec<Past>> {
        self.well()?.history(key, before, limit).await
    }

    async fn journal(&self) -> Result<mpsc::Receiver<Result<Happened>>> {
        self.well()?.journal().await
    }

    async fn put_photo(&self, id: PhotoId, of: CustomerId, photo: Photo) -> Result<()> {
        self.well()?.put_photo(id, of, photo).await
    }

    async fn photo(&self, id: PhotoId, size: PhotoSize) -> Result<Option<Vec<u8>>> {
        self.well()?.photo(id, size).await
    }

    async fn photos(&self, after: Option<PhotoId>, limit: usize) -> Result<Vec<PhotoId>> {
        self.well()?.photos(after, limit).await
    }

    async fn remove_photo(&self, id: PhotoId) -> Result<()> {
        self.well()?.remove_photo(id).await
    }

    async fn shut(&self, person: CustomerId) -> Result<()> {
        self.well()?.shut(person).await
    }

    async fn destroy_key(&self, person: CustomerId) -> Result<()> {
        self.well()?.destroy_key(person).await
    }

    async fn destroy_links(&self, month: Month) -> Result<()> {
        self.well()?.destroy_links(month).await
    }

    async fn erasures(&self) -> Result<Vec<Erasure>> {
        self.well()?.erasures().await
    }

    async fn failures(&self, who: Tried) -> Result<Option<Failures>> {
        self.well()?.failures(who).await
    }

    async fn note_failure(&self, who: Tried, now: UtcTime, rule: LockRule) -> Result<Failures> {
        self.well()?.note_failure(who, now, rule).await
    }

    async fn forget_failures(&self, who: Tried) -> Result<u32> {
        self.well()?.forget_failures(who).await
    }

    fn central_trail(&self) -> Option<Arc<dyn CentralTrail>> {
        self.inner.central_trail()
    }

    fn health(&self) -> StoreHealth {
        StoreHealth::Well
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
