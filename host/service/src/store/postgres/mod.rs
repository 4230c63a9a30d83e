//! The store in PostgreSQL, 15 or newer.
//!
//! Bodies of records are what [`Rows`] makes of them, sealed where they tell who somebody is; beside
//! them stand only keyed hashes, ids, branches and times. Everything that is committed is also kept in
//! `past`, from which the history and the journal are read. Several hosts may write to one database.
//!
//! * `migrations/`: the tables, in steps that are only ever added to.
//! * `schema.rs`: carries those steps out.
//! * `connecting.rs`: connections, and what their errors mean.
//! * `central.rs`: the audit trails of all hosts.
//! * `changing.rs`: one transaction of a group of commits; `columns.rs`: what it writes.
//! * `days.rs`: sums of days; `tallying.rs`: visits counted by them.
//! * `failures.rs`: tries to log in that failed.
//! * `listening.rs`: what other hosts write.
//! * `loading.rs`: one of many new records.
//! * `months.rs`: partitions of visits.
//! * `persons.rs`: the keys of persons, which can be destroyed.
//! * `writer.rs`: the one task that commits.
//! * `reading.rs`: everything that is asked.

mod central;
mod changing;
#[cfg(any(test, feature = "suite"))]
pub mod cluster;
mod columns;
mod connecting;
mod days;
mod failures;
mod listening;
mod loading;
mod months;
mod persons;
mod reading;
mod schema;
mod tallying;
mod writer;

use std::sync::Arc;

use async_trait::async_trait;
use rfid_core::{Clock, Result, TagId, UtcTime};
use sqlx::postgres::{PgConnectOptions, PgPool};
use tokio::sync::{broadcast, mpsc};

use self::connecting::{Condition, failed};
use self::listening::{Listening, OwnWriter};
use self::loading::Loading;
use self::months::Months;
use self::reading::Reading;
use self::writer::{Request, Writer};
use super::asking::Writing;
use super::erasing::{KeyChange, erasures};
use super::{
    Commit, CommitFault, Elsewhere, Erasure, Happened, Holder, Listing, Origin, Past, Photo, PhotoSize,
    Place, Rows, Store, StoreHealth, Stored, Supply, Tally, TallyAsk, TallyKey,
};
use crate::account::failures::{Failures, LockRule, Tried};
use crate::audit::CentralTrail;
use crate::record::{Card, Customer, CustomerId, IdNumber, Key, Kind, Month, PhotoId, Unique, Visit};

pub use central::central_trail;
pub use connecting::is_address;
pub use schema::{Step, migrate, pending};

/// The store.
pub struct PostgresStore {
    reading: Reading,
    options: PgConnectOptions,
    months: Months,
    condition: Condition,
    listening: Listening,
    clock: Arc<dyn Clock>,
    writer: Writing<Request>,
}

impl PostgresStore {
    /// Connects to the database at `url` (`postgres://user:password@host:port/database`), and brings
    /// its tables to what this version wants.
    ///
    /// A server that is not on this machine must prove its name by TLS, unless `sslmode` in the URL
    /// says otherwise.
    ///
    /// # Errors
    /// `Config` when the URL is none; `Connect` and `Timeout` when the server does not answer; `Denied`
    /// without the rights, or when the keys are not those that the database was begun with;
    /// `Unsupported` when a newer version made its tables.
    pub async fn open(url: &str, rows: Rows, clock: Arc<dyn Clock>) -> Result<Self> {
        let options = connecting::options(url)?;
        schema::prepare(&options, &rows).await?;
        let pool = connecting::pool(&options);
        let condition = Condition::default();
        let reading = Reading::new(pool, rows.clone(), condition.clone());
        let months = Months::default();
        let own = OwnWriter::default();
        let listening = Listening::start(reading.pool().clone(), own.clone());
        let writer =
            Writer::new(options.clone(), rows, months.clone(), condition.clone(), own, Arc::clone(&clock));
        let writer = Writing::start(|requests| writer.run(requests));
        Ok(Self { reading, options, months, condition, listening, clock, writer })
    }

    fn pool(&self) -> &PgPool {
        self.reading.pool()
    }

    async fn change_keys(&self, change: KeyChange) -> Result<()> {
        let (pool, rows) = (self.pool().clone(), self.reading.rows().clone());
        connecting::to_its_end("erase", async move { persons::change(&pool, &rows, change).await }).await
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn commit(&self, commit: Commit) -> Result<Vec<u32>, CommitFault> {
        self.writer.commit(commit).await
    }

    async fn commit_all(&self, commits: Vec<Commit>) -> Vec<Result<Vec<u32>, CommitFault>> {
        self.writer.commit_all(commits).await
    }

    async fn load(&self, origin: Origin, supply: &mut dyn Supply) -> Result<u64, CommitFault> {
        let mut loading = Loading::begin(&self.options, self.reading.rows(), &self.months).await?;
        // Dropped before its end, the transaction ends with the connection, and nothing is kept.
        while let Some(portion) = supply.next().await? {
            loading.take(&origin, portion).await?;
        }
        Ok(loading.end().await?)
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>> {
        self.reading.get(keys.to_vec()).await
    }

    async fn find(&self, unique: &Unique) -> Result<Option<Stored>> {
        self.reading.find(unique).await
    }

    async fn holders(&self, tags: &[TagId]) -> Result<Vec<Option<Holder>>> {
        self.reading.holders(tags).await
    }

    async fn customers_with_id_number(&self, number: &IdNumber) -> Result<Vec<Stored<Customer>>> {
        self.reading.customers_with_id_number(number).await
    }

    async fn cards_of(&self, customer: CustomerId) -> Result<Vec<Stored<Card>>> {
        self.reading.cards_of(customer).await
    }

    async fn visits_of(&self, customers: &[CustomerId]) -> Result<Vec<Arc<[Stored<Visit>]>>> {
        self.reading.visits_of(customers).await
    }

    async fn list(&self, listing: &Listing, after: Option<Place>, limit: usize) -> Result<Vec<Stored>> {
        self.reading.list(listing.clone(), after, limit).await
    }

    async fn scan(&self, kind: Kind, after: Option<&Key>, limit: usize) -> Result<Vec<Stored>> {
        self.reading.scan(kind, after, limit).await
    }

    async fn tally(&self, ask: &TallyAsk) -> Result<Vec<(TallyKey, Tally)>> {
        self.tallied(ask).await
    }

    async fn count(&self, kind: Kind) -> Result<u64> {
        self.reading.count(kind).await
    }

    async fn history(&self, key: &Key, before: Option<u32>, limit: usize) -> Result<Vec<Past>> {
        self.reading.history(key.clone(), before, limit).await
    }

    async fn journal(&self) -> Result<mpsc::Receiver<Result<Happened>>> {
        self.reading.journal().await
    }

    async fn put_photo(&self, id: PhotoId, of: CustomerId, photo: Photo) -> Result<()> {
        let rows = self.reading.rows();
        let large = rows.seal_photo(id, of, PhotoSize::Large, &photo.large)?;
        let small = rows.seal_photo(id, of, PhotoSize::Small, &photo.small)?;
        let pool = self.pool().clone();
        connecting::to_its_end("put photo", async move {
            sqlx::query("insert into photo (id, large, small) values ($1, $2, $3) on conflict do nothing")
                .bind(id.to_bytes().to_vec())
                .bind(large)
                .bind(small)
                .execute(&pool)
                .await
                .map_err(failed("put photo"))
        })
        .await
        .map(drop)
    }

    async fn photo(&self, id: PhotoId, size: PhotoSize) -> Result<Option<Vec<u8>>> {
        self.reading.photo(id, size).await
    }

    async fn photos(&self, after: Option<PhotoId>, limit: usize) -> Result<Vec<PhotoId>> {
        self.reading.photos(after, limit).await
    }

    async fn remove_photo(&self, id: PhotoId) -> Result<()> {
        let pool = self.pool().clone();
        connecting::to_its_end("remove photo", async move {
            sqlx::query("delete from photo where id = $1")
                .bind(id.to_bytes().to_vec())
                .execute(&pool)
                .await
                .map_err(failed("remove photo"))
        })
        .await
        .map(drop)
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
        Ok(erasures(self.reading.rows().persons().as_deref()))
    }

    fn elsewhere(&self) -> Option<broadcast::Receiver<Elsewhere>> {
        Some(self.listening.subscribe())
    }

    async fn failures(&self, who: Tried) -> Result<Option<Failures>> {
        failures::get(self.pool(), who).await
    }

    async fn note_failure(&self, who: Tried, now: UtcTime, rule: LockRule) -> Result<Failures> {
        failures::note(self.pool(), who, now, rule).await
    }

    async fn forget_failures(&self, who: Tried) -> Result<u32> {
        failures::forget(self.pool(), who).await
    }

    fn central_trail(&self) -> Option<Arc<dyn CentralTrail>> {
        Some(Arc::new(central::Table::new(&self.options)))
    }

    fn health(&self) -> StoreHealth {
        match self.condition.trouble() {
            None => StoreHealth::Well,
            Some(why) => StoreHealth::Degraded(format!("the database of customers and visits fails: {why}")),
        }
    }

    async fn keys_changed(&self) -> Result<()> {
        schema::renew_proof(self.pool(), self.reading.rows()).await?;
        self.change_keys(KeyChange::Reseal).await
    }

    async fn close(&self) {
        self.writer.end(Request::Close).await;
        self.listening.stop();
        self.pool().close().await;
    }
}

#[cfg(test)]
mod tests;
