//! The ledger: everything numbered, nothing lost.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rfid_core::{Clock, Result, UtcTime};
use tokio::sync::oneshot;

use crate::files::Disk;
use crate::gap::Gap;
use crate::owner::{Folder, Owner, Work, lock};
use crate::reader::Reader;
use crate::record::ContentId;
use crate::status::LedgerStatus;
use crate::writer::{self, Plan, Writer};

/// How often old segments are looked for.
const TIDY_EVERY: Duration = Duration::from_secs(3_600);

/// How a ledger is kept.
#[derive(Clone, Debug)]
pub struct LedgerSettings {
    /// Segments are about this long.
    pub segment_bytes: u64,
    /// A segment that was begun so long ago is ended by the next record, however short it is: only whole
    /// segments can be taken out.
    pub segment_for: Option<Duration>,
    /// Segments whose records are all older are removed.
    pub keep_for: Option<Duration>,
    /// Beyond so many bytes the oldest segments are removed, one for each new one.
    pub keep_bytes: Option<u64>,
    /// Bytes that are kept free for the day on which the disk is full; 0 for none.
    pub reserve_bytes: u64,
    /// Identity of a ledger that is begun, random.
    pub new_id: [u8; 16],
}

impl LedgerSettings {
    /// The same with another identity for a ledger that is begun: random, from what the standard
    /// library seeds its maps with.
    #[must_use]
    pub fn with_random_id(mut self) -> Self {
        let half = || u128::from(RandomState::new().hash_one(0u8));
        self.new_id = (half() << 64 | half()).to_le_bytes();
        self
    }
}

impl Default for LedgerSettings {
    /// Segments of 16 MiB, kept for 400 days; 16 MiB in reserve.
    fn default() -> Self {
        Self {
            segment_bytes: 16 * 1024 * 1024,
            segment_for: None,
            keep_for: Some(Duration::from_secs(400 * 24 * 3_600)),
            keep_bytes: None,
            reserve_bytes: 16 * 1024 * 1024,
            new_id: [0; 16],
        }
    }
}

/// Something to append.
#[derive(Clone, Debug)]
pub struct NewRecord {
    /// Its identity: what has been appended lately under the same is not appended again. Zero for
    /// none.
    pub id: ContentId,
    /// Its bytes, at most a MiB.
    pub content: Vec<u8>,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its number.
    pub number: u64,
    /// Whether it was there already.
    pub is_repeat: bool,
}

/// A ledger that is open. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ledger {
    owner: Owner<Request>,
    folder: Folder,
    status: Arc<LedgerStatus>,
}

#[derive(Debug)]
enum Request {
    Append(Vec<writer::Entry>, oneshot::Sender<io::Result<Vec<Appended>>>),
    Lose(u64, String, (UtcTime, UtcTime), oneshot::Sender<io::Result<Gap>>),
    GiveUpReserve(oneshot::Sender<io::Result<bool>>),
    RemoveThrough(u64, oneshot::Sender<io::Result<u64>>),
}

impl Ledger {
    /// Opens the ledger of a folder, or begins one. Needs no room on the disk.
    ///
    /// # Errors
    /// `Busy` when another process has it open, `Unsupported` when a newer version wrote it, `Io`.
    pub async fn open(
        folder: impl Into<PathBuf>,
        settings: LedgerSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let folder: Folder = Arc::new(folder.into());
        let status = Arc::new(LedgerStatus::default());
        let (path, shared) = (Arc::clone(&folder), Arc::clone(&status));
        let open = move || {
            let lock = lock(&path)?;
            let plan = Plan {
                segment_bytes: settings.segment_bytes,
                segment_for: settings.segment_for,
                reserve_bytes: settings.reserve_bytes,
                keep_for: settings.keep_for,
                keep_bytes: settings.keep_bytes,
                new_id: settings.new_id,
            };
            let writer = Writer::open(Box::new(Disk), &path, plan, Some(lock))?;
            shared.note(&writer);
            Ok(LedgerWork { writer, clock, status: shared, tidied: None })
        };
        let owner = Owner::start("ledger", &folder, open).await?;
        Ok(Self { owner, folder, status })
    }

    /// Appends records, all of them or none, in order. They are durable on return; what comes
    /// back says which numbers they have. *Cancel safety*: they are appended in any case.
    ///
    /// # Errors
    /// `Io`: none of them is acknowledged, and the same call again appends them.
    pub async fn append(&self, records: Vec<NewRecord>) -> Result<Vec<Appended>> {
        let entry = |NewRecord { id, content }| writer::Entry { id, content };
        let entries = records.into_iter().map(entry).collect();
        self.owner.ask("append", &self.folder, |answer| Request::Append(entries, answer)).await
    }

    /// Says that `count` things will never be appended, why, and between which times they
    /// happened. They get numbers, and those a gap.
    ///
    /// # Errors
    /// `Io`; the same call again says it.
    pub async fn lose(&self, count: u64, reason: &str, from: UtcTime, to: UtcTime) -> Result<Gap> {
        let reason = reason.to_owned();
        self.owner
            .ask("append", &self.folder, |answer| Request::Lose(count, reason, (from, to), answer))
            .await
    }

    /// Gives up the room that is kept, for somebody else who needs it; whether there was any.
    ///
    /// # Errors
    /// `Io` when the ledger is closed.
    pub async fn give_up_reserve(&self) -> Result<bool> {
        self.owner.ask("give up", &self.folder, Request::GiveUpReserve).await
    }

    /// Removes the segments in which nothing lies behind this number, the oldest first; the last one always
    /// stays. Returns the number of the first record that is kept.
    ///
    /// # Errors
    /// `Io`: some may be gone; the same call again goes on.
    pub async fn remove_through(&self, number: u64) -> Result<u64> {
        self.owner.ask("remove", &self.folder, |answer| Request::RemoveThrough(number, answer)).await
    }

    /// Reads it behind number `after`, up to what is durable.
    pub fn read(&self, after: u64) -> Reader {
        Reader::up_to(self.folder.as_ref().clone(), after, Arc::clone(&self.status))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How the ledger is.
    pub fn status(&self) -> &Arc<LedgerStatus> {
        &self.status
    }

    /// The highest number that is durable.
    pub fn last(&self) -> u64 {
        self.status.last.load(Ordering::Acquire)
    }

    /// Number of the first record that is kept.
    pub fn first(&self) -> u64 {
        self.status.first.load(Ordering::Acquire)
    }

    /// Its identity, given when it was begun.
    pub fn id(&self) -> [u8; 16] {
        self.status.id()
    }

    /// Ends it when everything is written. Other handles are closed with it. Allowed twice.
    pub async fn close(&self) {
        self.owner.close().await;
    }
}

struct LedgerWork {
    writer: Writer,
    clock: Arc<dyn Clock>,
    status: Arc<LedgerStatus>,
    tidied: Option<Duration>,
}

impl Work for LedgerWork {
    type Request = Request;

    fn serve(&mut self, requests: Vec<Request>) {
        let now = self.clock.now().utc;
        let mut waiting: Vec<(usize, oneshot::Sender<io::Result<Vec<Appended>>>)> = Vec::new();
        let mut entries = Vec::new();
        for request in requests {
            match request {
                Request::Append(mut more, answer) => {
                    waiting.push((more.len(), answer));
                    entries.append(&mut more);
                }
                Request::Lose(count, reason, times, answer) => {
                    // What was appended before comes before.
                    self.append(std::mem::take(&mut entries), std::mem::take(&mut waiting), now);
                    let outcome = self.writer.lose(count, &reason, times, now);
                    self.status.note_outcome(&outcome);
                    if let Ok(gap) = &outcome {
                        self.status.gaps.fetch_add(1, Ordering::Relaxed);
                        self.status.lost.fetch_add(gap.count(), Ordering::Relaxed);
                    }
                    // Whoever asked may have gone away.
                    let _ = answer.send(outcome);
                }
                Request::GiveUpReserve(answer) => {
                    let _ = answer.send(Ok(self.writer.give_up_reserve()));
                }
                Request::RemoveThrough(number, answer) => {
                    let removed = self.writer.remove_segments_through(number);
                    self.status.note(&self.writer);
                    let _ = answer.send(removed);
                }
            }
        }
        self.append(entries, waiting, now);
        self.status.note(&self.writer);
    }

    fn idle(&mut self) {
        let now = self.clock.now();
        self.writer.take_reserve(now.utc);
        if self.tidied.is_none_or(|tidied| now.monotonic.saturating_sub(tidied) >= TIDY_EVERY) {
            self.tidied = Some(now.monotonic);
            self.writer.remove_one_old(now.utc);
        }
        self.status.note(&self.writer);
    }
}

impl LedgerWork {
    /// Appends everything with one sync and answers each caller.
    fn append(
        &mut self,
        entries: Vec<writer::Entry>,
        waiting: Vec<(usize, oneshot::Sender<io::Result<Vec<Appended>>>)>,
        now: UtcTime,
    ) {
        if waiting.is_empty() {
            return;
        }
        let outcome = self.writer.append(&entries, now);
        self.status.note_outcome(&outcome);
        // Before anybody is answered, so that whoever was sees it.
        self.status.note(&self.writer);
        let mut placed = outcome.as_deref().unwrap_or_default().iter();
        for (count, answer) in waiting {
            let own = match &outcome {
                Ok(_) => {
                    let appended = |placed: &writer::Placed| Appended {
                        number: placed.number,
                        is_repeat: placed.is_repeat,
                    };
                    Ok(placed.by_ref().take(count).map(appended).collect())
                }
                Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
            };
            let _ = answer.send(own);
        }
    }
}
