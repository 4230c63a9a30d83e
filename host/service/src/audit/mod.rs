//! The audit trail: who did what, when and from where, so that it can be proved.
//!
//! A trail is a ledger ([`rfid_ledger`]) whose records are a chain: each bears the SHA-256 of the one
//! before it, so a record that was changed, taken out or put in breaks the chain behind it. Where the
//! chain ends is written to [`anchors`] elsewhere, again and again, so that an end that was cut off is
//! noticed, too.
//!
//! What changes something is in the trail before it happens, durably ([`Trail::act`]); if it does not
//! happen after all, that follows ([`Trail::undone`]). What only looks is there within a second
//! ([`Trail::note`]). While nothing can be written, nothing that must be audited is done.
//!
//! It never holds what tells who a customer is: ids, names of fields, and of their values a keyed
//! hash.
//!
//! * [`archive`]: what was online for long enough, sealed in files elsewhere.
//! * `central.rs`: the table of all hosts' trails.
//! * `entry.rs`: what a record says.
//! * `chain.rs`: the bytes of a record.
//! * `writing.rs`: the one task that writes.
//! * `reading.rs`: going back through a trail.
//! * `signatures.rs`: anchors that somebody else has signed.
//! * `space.rs`: how much room there is.
//! * `watching.rs`: what is watched while a host runs.
//! * `verifying.rs`: whether a trail is what was written.

pub mod anchors;
pub mod archive;
mod central;
mod chain;
mod changes;
mod entry;
mod reading;
pub mod signatures;
pub mod space;
mod verifying;
mod watching;
mod writing;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rfid_core::{Clock, Error, ErrorKind, Result, UtcTime};
use rfid_ledger::{Ledger, LedgerSettings, Reader};
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use self::writing::{Request, Writing};
use crate::off_runtime::off_runtime;
use crate::seal::Keys;

pub use central::{CentralTrail, Compared, Copying, Lag, TrailName, compare};
pub use chain::{Hash, Head};
pub use changes::changed_fields;
pub use entry::{Entry, Outcome};
pub use reading::Recorded;
pub use verifying::{Archived, Faulty, KnownFrom, Verified, verify};
pub use watching::{ArchivingState, SigningState, Watch};

/// The trail's folder in the data folder of a host.
pub const FOLDER: &str = "audit";
/// The same of what is done by commands while the host may run.
pub const CONSOLE_FOLDER: &str = "audit-console";
/// So long it is kept by a host that has no archives: three years.
pub const KEPT_FOR: Duration = Duration::from_secs(3 * 366 * 24 * 3600);
/// Only whole segments are taken out, so none goes on for longer than a month.
const SEGMENT_FOR: Duration = Duration::from_secs(31 * 24 * 3600);
/// Requests that wait for the task that writes.
const WAITING: usize = 1024;
/// Acts that may have been under way when a host ended.
const UNDER_WAY: usize = 64;

/// A trail that is written.
pub struct Trail {
    folder: PathBuf,
    requests: mpsc::Sender<Request>,
    is_failing: Arc<AtomicBool>,
    written: watch::Receiver<u64>,
    ledger: Ledger,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    /// When the first record that is kept was written, in nanoseconds; 0 where that is not known.
    oldest: AtomicU64,
    ended: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Trail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Trail").field(&self.folder).finish()
    }
}

impl Trail {
    /// Opens the trail of a folder, or begins one. Nothing of it goes by itself.
    ///
    /// # Errors
    /// `Busy` when another process writes it; `Damaged` when its last record cannot be read; `Io`.
    pub async fn open(folder: &Path, keys: Arc<Keys>, clock: Arc<dyn Clock>) -> Result<Self> {
        Self::open_kept_for(folder, keys, clock, None).await
    }

    /// The same, of which what is older than `keep_for` goes by itself.
    ///
    /// # Errors
    /// As [`Trail::open`].
    pub async fn open_kept_for(
        folder: &Path,
        keys: Arc<Keys>,
        clock: Arc<dyn Clock>,
        keep_for: Option<Duration>,
    ) -> Result<Self> {
        let settings = LedgerSettings { keep_for, ..Self::ledger_settings() };
        Self::open_with(folder, keys, clock, settings).await
    }

    fn ledger_settings() -> LedgerSettings {
        LedgerSettings { keep_for: None, segment_for: Some(SEGMENT_FOR), ..LedgerSettings::default() }
    }

    async fn open_with(
        folder: &Path,
        keys: Arc<Keys>,
        clock: Arc<dyn Clock>,
        settings: LedgerSettings,
    ) -> Result<Self> {
        let ledger = Ledger::open(folder, settings.with_random_id(), Arc::clone(&clock)).await?;
        let head = reading::head(&ledger).await?;
        let (requests, waiting) = mpsc::channel(WAITING);
        let is_failing = Arc::new(AtomicBool::new(false));
        let (tell, written) = watch::channel(head.number);
        let writing = Writing::new(ledger.clone(), head, Arc::clone(&is_failing), tell);
        let task = tokio::spawn(writing.run(waiting));
        let folder = folder.to_owned();
        let ended = Mutex::new(Some(task));
        let oldest = AtomicU64::new(0);
        let trail = Self { folder, requests, is_failing, written, ledger, keys, clock, oldest, ended };
        trail.look_for_oldest().await?;
        Ok(trail)
    }

    /// Looks when the first record that is kept was written.
    ///
    /// # Errors
    /// `Io`.
    pub async fn look_for_oldest(&self) -> Result<()> {
        let folder = self.folder.clone();
        let heads = off_runtime("audit", move || rfid_ledger::segment_heads(&folder)).await?;
        let begun = heads.first().and_then(|head| head.begun);
        self.oldest.store(begun.map_or(0, UtcTime::as_nanos), Ordering::Release);
        Ok(())
    }

    /// When the first record that is kept was written, as it was last looked for.
    pub fn oldest(&self) -> Option<UtcTime> {
        let oldest = self.oldest.load(Ordering::Acquire);
        (oldest > 0).then_some(UtcTime::from_nanos(oldest))
    }

    /// The keys of the host whose trail it is.
    fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    fn now(&self) -> UtcTime {
        self.clock.now().utc
    }

    /// Removes the segments in which nothing lies behind this number: an archive has them.
    async fn take_out_through(&self, number: u64) -> Result<()> {
        self.ledger.remove_through(number).await?;
        self.look_for_oldest().await
    }

    /// Writes what is about to be done. When this returns, it is on the disk. Returns its number.
    ///
    /// # Errors
    /// `Io` when it cannot be made durable: then it must not be done.
    pub async fn act(&self, entry: Entry) -> Result<u64> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::Act(Box::new(entry), answer)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    /// Writes that something which was about to be done did not happen, and why.
    ///
    /// # Errors
    /// As [`Trail::act`]; then the next start of the host finds it out.
    pub async fn undone(&self, number: u64, entry: Entry, why: &str) -> Result<u64> {
        let entry =
            Entry { outcome: Outcome::NotDone, follows: Some(number), rule: Some(why.to_owned()), ..entry };
        self.act(entry).await
    }

    /// Writes that something was looked at, or refused, within a second.
    ///
    /// # Errors
    /// `Io` while nothing can be written.
    pub async fn note(&self, entry: Entry) -> Result<()> {
        self.is_well()?;
        self.requests.send(Request::Note(Box::new(entry))).await.map_err(|_| closed())
    }

    /// Whether it can be written.
    ///
    /// # Errors
    /// `Io` if not.
    pub fn is_well(&self) -> Result<()> {
        if self.is_failing.load(Ordering::Acquire) {
            let detail = "the audit trail cannot be written, so nothing is done that belongs into it";
            return Err(Error::new(ErrorKind::Io, "audit").with_detail(detail));
        }
        Ok(())
    }

    /// Where the chain ends.
    ///
    /// # Errors
    /// `Io`, `Damaged` when its last record cannot be read.
    pub async fn head(&self) -> Result<Head> {
        // What waits is written first.
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::Head(answer)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())
    }

    /// Records before number `before`, or from the end, the latest first; at most `limit` of them.
    ///
    /// # Errors
    /// `Io`, `Damaged`.
    pub async fn latest(&self, before: Option<u64>, limit: usize) -> Result<Vec<Recorded>> {
        reading::latest(&self.ledger, before, limit).await
    }

    /// Everything that was done to something, the first first: all of the trail is gone through.
    ///
    /// # Errors
    /// `Io`, `Damaged`.
    pub async fn about(&self, object: &str) -> Result<Vec<Recorded>> {
        self.head().await?;
        reading::about(&self.ledger, object).await
    }

    /// The last acts of which the trail does not say that they did not happen, the first first: when a
    /// host begins, those among them may have been cut off.
    ///
    /// # Errors
    /// `Io`, `Damaged`.
    pub async fn unsettled(&self) -> Result<Vec<Recorded>> {
        let latest = self.latest(None, 4 * UNDER_WAY).await?;
        let undone: Vec<u64> = latest.iter().filter_map(|recorded| recorded.entry.follows).collect();
        let mut acts: Vec<Recorded> = latest
            .into_iter()
            .filter(|recorded| recorded.entry.version.is_some() && recorded.entry.follows.is_none())
            .filter(|recorded| !undone.contains(&recorded.number))
            .take(UNDER_WAY)
            .collect();
        acts.reverse();
        Ok(acts)
    }

    /// What stands in a trail for a value: the same for the same value, and nothing can be learnt of it.
    pub(crate) fn mark(&self, bytes: &[u8]) -> String {
        self.keys.audit_mark(bytes)
    }

    /// What it was given when it was begun: one that is begun anew has another.
    pub fn id(&self) -> [u8; 16] {
        self.ledger.id()
    }

    /// Number of the last record that is durable.
    pub fn last(&self) -> u64 {
        self.ledger.last()
    }

    /// Its records behind number `after`, as they lie on the disk. Reading blocks.
    pub(crate) fn read(&self, after: u64) -> Reader {
        self.ledger.read(after)
    }

    /// Tells the last number whenever something was written.
    pub(crate) fn written(&self) -> watch::Receiver<u64> {
        self.written.clone()
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ends it when everything is written. Allowed twice.
    pub async fn close(&self) {
        // The second time nobody listens.
        let _ = self.requests.send(Request::Close).await;
        if let Some(task) = self.ended.lock().await.take() {
            let _ = task.await;
        }
        self.ledger.close().await;
    }
}

/// What a record of a trail says, from its bytes.
///
/// # Errors
/// `Damaged`.
pub fn read_entry(number: u64, bytes: &[u8]) -> Result<Entry> {
    chain::decode(number, bytes)
}

fn closed() -> Error {
    Error::new(ErrorKind::Io, "audit").with_detail("the audit trail is closed")
}

#[cfg(test)]
mod tests;
