//! The table of all trails: where hosts share a database, every record of each host's trail goes there,
//! too, behind what the host has on its own disk.
//!
//! Nothing in the table is ever changed ([`CentralTrail`]), so a host whose disk somebody has rewritten is
//! found out by [`compare`]. The host's own disk comes first: the table follows within moments, and catches
//! up after the database was away. Where it ends is asked of the table itself, so that nothing is there
//! twice and nothing is left out, however often host and database end.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rfid_core::{Clock, Error, ErrorKind, Result, Retry};
use rfid_ledger::{Entry as LedgerEntry, Reader};

use super::Trail;
use super::chain::{self, Hash, Head};
use super::verifying::Faulty;
use crate::hex::hex;
use crate::off_runtime::off_runtime;

/// Records that are put into the table at once, and read from it.
const AT_ONCE: usize = 500;
/// Until the database is asked again that did not answer.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// The same where it answers and will not have the record: that passes only if somebody sees to it.
const REFUSED_TRY_AGAIN: Duration = Duration::from_secs(60);

/// Which trail, among those of all hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailName {
    /// What it is called: the host, and which trail of it, as in anchors.
    pub of: String,
    /// What it was given when it was begun: a trail that is begun anew is another one.
    pub id: [u8; 16],
}

impl TrailName {
    /// The id in hexadecimal digits.
    pub fn id_text(&self) -> String {
        hex(&self.id)
    }
}

/// The table of all trails.
///
/// *For authors*: what is there stays as it is. Each call may come from several tasks.
#[async_trait]
pub trait CentralTrail: Send + Sync {
    /// Where what is there of a trail ends.
    ///
    /// # Errors
    /// As those of the store.
    async fn end(&self, name: &TrailName) -> Result<Head>;

    /// Adds records, the first of which has this number, all or none of them, durably.
    ///
    /// # Errors
    /// `Damaged` where they do not go on from what is there; as those of the store.
    async fn append(&self, name: &TrailName, first: u64, records: Vec<Vec<u8>>) -> Result<()>;

    /// Records behind number `after` in their order, at most `limit` of them.
    ///
    /// # Errors
    /// As those of the store.
    async fn read(&self, name: &TrailName, after: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>>;

    /// All trails that are called so, and the last number of each.
    ///
    /// # Errors
    /// As those of the store.
    async fn called(&self, of: &str) -> Result<Vec<(TrailName, u64)>>;

    /// By what this process could change what is there; nothing where it cannot.
    ///
    /// # Errors
    /// As those of the store.
    async fn could_change(&self) -> Result<Vec<&'static str>>;
}

/// How far the table is behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lag {
    /// Records that are on the disk of the host alone.
    pub records: u64,
    /// For how long there have been any.
    pub since: Duration,
    /// Why, where it is known.
    pub error: Option<String>,
}

/// Takes the records of a trail to the table.
pub struct Copying {
    trail: Arc<Trail>,
    central: Arc<dyn CentralTrail>,
    name: TrailName,
    clock: Arc<dyn Clock>,
    /// So long the table may be behind before it is told.
    within: Duration,
    /// The last number that is there.
    copied: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When both were last seen to end at the same record.
    level: Duration,
    error: Option<String>,
}

impl std::fmt::Debug for Copying {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Copying").field(&self.name).finish()
    }
}

impl Copying {
    /// The copying of a trail that is called `of`; what it is behind is complained of after `within`.
    pub fn new(
        trail: Arc<Trail>,
        central: Arc<dyn CentralTrail>,
        of: impl Into<String>,
        within: Duration,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let name = TrailName { of: of.into(), id: trail.id() };
        let state = State { level: clock.now().monotonic, error: None };
        Self { trail, central, name, clock, within, copied: AtomicU64::new(0), state: Mutex::new(state) }
    }

    /// Copies for ever.
    pub async fn run(&self) {
        let mut written = self.trail.written();
        let mut complained = false;
        loop {
            // Seen before it is read, so that nothing that comes meanwhile is missed.
            written.borrow_and_update();
            match self.catch_up().await {
                Ok(()) => {
                    if std::mem::take(&mut complained) {
                        tracing::info!("the central audit trail has everything again");
                    }
                    if written.changed().await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut complained, true) {
                        tracing::error!(
                            error = format!("{error:#}"),
                            "the central audit trail lags behind that of this host"
                        );
                    }
                    let may_pass = error.retry() != Retry::Never;
                    tokio::time::sleep(if may_pass { TRY_AGAIN } else { REFUSED_TRY_AGAIN }).await;
                }
            }
        }
    }

    /// Copies everything that is durable by now.
    ///
    /// # Errors
    /// As those of [`CentralTrail`]; `Damaged` where the table goes on behind the end of the trail, or a
    /// record of the trail cannot be read.
    pub async fn catch_up(&self) -> Result<()> {
        let outcome = self.copy().await;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &outcome {
            Ok(()) => *state = State { level: self.clock.now().monotonic, error: None },
            Err(error) => state.error = Some(format!("{error:#}")),
        }
        outcome
    }

    async fn copy(&self) -> Result<()> {
        // What the last try has done only the table knows.
        let end = self.central.end(&self.name).await?;
        self.copied.store(end.number, Ordering::Release);
        if end.number > self.trail.last() {
            let detail = format!(
                "the central audit trail has record {} of this host, whose own ends with {}: its end was cut off",
                end.number,
                self.trail.last()
            );
            return Err(Error::new(ErrorKind::Damaged, "central audit").with_detail(detail));
        }
        let mut reader = self.trail.read(end.number);
        loop {
            let (back, portion) = off_runtime("audit", move || {
                let portion = portion(&mut reader)?;
                Ok((reader, portion))
            })
            .await?;
            reader = back;
            let Some((first, records)) = portion else { return Ok(()) };
            let last = first + (records.len() as u64).saturating_sub(1);
            self.central.append(&self.name, first, records).await?;
            self.copied.store(last, Ordering::Release);
        }
    }

    /// Number of the last record that is there, as far as it was seen since the start.
    pub fn copied(&self) -> u64 {
        self.copied.load(Ordering::Acquire)
    }

    /// What is wrong: the table is behind for too long, or never gets what it lacks.
    pub fn complaint(&self) -> Option<String> {
        let Lag { records, since, error } = self.lag();
        (records > 0 && since > self.within).then(|| {
            let why = error.map_or_else(String::new, |error| format!(": {error}"));
            format!("the central audit trail lacks {records} records, for {} s already{why}", since.as_secs())
        })
    }

    /// How far the table is behind.
    pub fn lag(&self) -> Lag {
        let records = self.trail.last().saturating_sub(self.copied.load(Ordering::Acquire));
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let since = match records {
            0 => Duration::ZERO,
            _ => self.clock.now().monotonic.saturating_sub(state.level),
        };
        Lag { records, since, error: state.error.clone() }
    }
}

/// The next records of a trail, which follow each other, and the number of the first.
fn portion(reader: &mut Reader) -> Result<Option<(u64, Vec<Vec<u8>>)>> {
    let (mut first, mut records) = (0, Vec::new());
    while records.len() < AT_ONCE {
        match reader.next_entry()? {
            None => break,
            Some(LedgerEntry::Content(content)) => {
                if records.is_empty() {
                    first = content.number;
                }
                records.push(content.bytes);
            }
            Some(LedgerEntry::Gone { .. }) => {}
            Some(LedgerEntry::Gap { .. } | LedgerEntry::Damage(_)) if records.is_empty() => {
                let detail =
                    "a record of the audit trail cannot be read; `rfid-host audit verify` says which";
                return Err(Error::new(ErrorKind::Damaged, "central audit").with_detail(detail));
            }
            // What comes before is taken; that what follows does not go on from it the table says.
            Some(LedgerEntry::Gap { .. } | LedgerEntry::Damage(_)) => break,
        }
    }
    Ok((!records.is_empty()).then_some((first, records)))
}

/// What came of comparing a trail with the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Records that are the same in both.
    pub agreeing: u64,
    /// Where the table ends.
    pub last: u64,
    /// Other trails that are called so, by id, and the last number of each: they were on this host before
    /// its trail was begun anew.
    pub others: Vec<(String, u64)>,
    /// The first difference, if there is one.
    pub fault: Option<Faulty>,
}

/// Compares the trail of a folder with the table, also while both are written. Ends at the first
/// difference. What the table does not have yet is none.
///
/// # Errors
/// `Config` where there is no trail; as those of [`CentralTrail`] and of the disk.
pub async fn compare(folder: &Path, of: &str, central: &dyn CentralTrail) -> Result<Compared> {
    let Some(id) = rfid_ledger::identity(folder)? else {
        let detail = format!("there is no audit trail in {}", folder.display());
        return Err(Error::new(ErrorKind::Config, "verify").with_detail(detail));
    };
    let name = TrailName { of: of.to_owned(), id };
    let mut others = central.called(of).await?;
    others.retain(|(other, _)| other.id != id);
    let others = others.into_iter().map(|(other, last)| (other.id_text(), last)).collect();
    // The host writes to its disk first: what the table has by now is on the disk already.
    let end = central.end(&name).await?.number;
    let mut comparing = Comparing::new(folder);
    while comparing.before.number < end {
        let page = central.read(&name, comparing.before.number, AT_ONCE).await?;
        if page.is_empty() {
            break;
        }
        comparing = off_runtime("audit", move || comparing.take(page)).await?;
        if comparing.fault.is_some() {
            break;
        }
    }
    let Comparing { agreeing, fault, .. } = comparing;
    Ok(Compared { agreeing, last: end, others, fault })
}

struct Comparing {
    reader: Reader,
    /// The next record of the trail.
    own: Option<(u64, Vec<u8>)>,
    /// The first number that the trail keeps.
    kept_from: u64,
    /// Where what was seen of the table ends.
    before: Head,
    agreeing: u64,
    fault: Option<Faulty>,
}

impl Comparing {
    fn new(folder: &Path) -> Self {
        Self {
            reader: Reader::new(folder, 0),
            own: None,
            kept_from: 1,
            before: Head::EMPTY,
            agreeing: 0,
            fault: None,
        }
    }

    fn take(mut self, page: Vec<(u64, Vec<u8>)>) -> Result<Self> {
        for (number, record) in page {
            if let Some(fault) = self.difference(number, &record)? {
                self.fault = Some(fault);
                return Ok(self);
            }
            self.before = Head { number, hash: Hash::of(&record) };
        }
        Ok(self)
    }

    fn difference(&mut self, number: u64, record: &[u8]) -> Result<Option<Faulty>> {
        let faulty = |number: u64, what: &str| Ok(Some(Faulty { number, what: what.to_owned() }));
        let Some((before, _)) = chain::split(record) else {
            return faulty(number, "of the central table is no record of an audit trail");
        };
        let is_first = self.before == Head::EMPTY;
        if !is_first && number != self.before.number + 1 {
            return faulty(self.before.number + 1, "is not in the central table, and others behind it are");
        }
        if (!is_first || number == 1) && before != self.before.hash {
            return faulty(number, "of the central table does not bear the hash of the one before it");
        }
        loop {
            match &self.own {
                Some((own, _)) if *own >= number => break,
                // What the trail has before the table begins.
                Some((own, _)) if is_first => {
                    return faulty(*own, "is in the trail, and the central table begins behind it");
                }
                _ => {}
            }
            match self.reader.next_entry()? {
                Some(LedgerEntry::Content(content)) => self.own = Some((content.number, content.bytes)),
                Some(LedgerEntry::Gone { first }) => self.kept_from = first,
                // A hole of the trail is found where a record of it should be.
                Some(_) => {}
                None => return faulty(number, "is in the central table, and the trail ends before it"),
            }
        }
        match &self.own {
            Some((own, bytes)) if *own == number => {
                if bytes != record {
                    return faulty(number, "is another in the central table than in the trail");
                }
                self.agreeing += 1;
                Ok(None)
            }
            // It was kept here long enough.
            _ if number < self.kept_from => Ok(None),
            _ => faulty(number, "is in the central table and not in the trail"),
        }
    }
}

#[cfg(feature = "postgres")]
#[cfg(test)]
mod tests;
