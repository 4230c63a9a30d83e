//! A queue on segments: first in, first out, durable.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rfid_core::{Clock, Error, ErrorKind, Result, SystemClock};
use tokio::sync::oneshot;

use crate::files::{Disk, file_of_our_own};
use crate::owner::{Folder, Owner, Work, lock};
use crate::reader::{Content, Entry, Reader};
use crate::record::{LARGEST_CONTENT, NO_ID};
use crate::segments;
use crate::writer::{self, Plan, Writer};

/// Small, so that what is done gives its room back soon.
const SEGMENT_BYTES: u64 = 1024 * 1024;

/// File that says up to which number everything is done.
const MARK: &str = "mark";

/// Records that are done before the mark is written, if nothing is quiet before.
const MARK_EVERY: u64 = 1_000;

/// How a queue is kept.
#[derive(Clone, Debug)]
pub struct QueueSettings {
    /// Bytes beyond which nothing is taken.
    pub most_bytes: u64,
    /// Bytes kept for the day on which the disk is full.
    pub reserve_bytes: u64,
}

impl Default for QueueSettings {
    /// 256 MiB, nothing in reserve.
    fn default() -> Self {
        Self { most_bytes: 256 * 1024 * 1024, reserve_bytes: 0 }
    }
}

/// A durable queue in a folder of its own. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Queue {
    owner: Owner<Request>,
    folder: Folder,
    status: Arc<Status>,
}

#[derive(Debug, Default)]
struct Status {
    len: AtomicU64,
    bytes: AtomicU64,
}

/// A record and its number.
type Numbered = (u64, Vec<u8>);

#[derive(Debug)]
enum Request {
    Push(Vec<writer::Entry>, oneshot::Sender<io::Result<u64>>),
    Peek(Option<u64>, usize, oneshot::Sender<io::Result<Vec<Numbered>>>),
    Done(u64, oneshot::Sender<io::Result<()>>),
}

impl Queue {
    /// Whether there is something in the queue of this folder, without opening or making it.
    pub fn is_there(folder: &Path) -> bool {
        segments::list(&Disk, folder).is_ok_and(|segments| !segments.is_empty())
    }

    /// Opens or makes it. What a crash left half written is not part of it.
    ///
    /// # Errors
    /// `Busy` when another process has it open, `Unsupported` when a newer version wrote it, `Io`.
    pub async fn open(folder: impl Into<PathBuf>, settings: QueueSettings) -> Result<Self> {
        let folder: Folder = Arc::new(folder.into());
        let status = Arc::new(Status::default());
        let (path, shared) = (Arc::clone(&folder), Arc::clone(&status));
        let open = move || QueueWork::open(&path, &settings, shared);
        let owner = Owner::start("queue", &folder, open).await?;
        Ok(Self { owner, folder, status })
    }

    /// Appends, all or nothing, durable on return; returns the number of the last record.
    /// *Cancel safety*: it is appended in any case.
    ///
    /// # Errors
    /// `Busy` when the queue is full, `Io` when the disk refuses; nothing is appended then.
    pub async fn push(&self, records: Vec<Vec<u8>>) -> Result<u64> {
        if let Some(record) = records.iter().find(|record| record.len() > LARGEST_CONTENT) {
            let limit = format!("a record of {} bytes; at most {LARGEST_CONTENT} are taken", record.len());
            return Err(Error::new(ErrorKind::Config, "push").with_detail(limit));
        }
        let entries = records.into_iter().map(|content| writer::Entry { id: NO_ID, content }).collect();
        self.owner.ask("push", &self.folder, |answer| Request::Push(entries, answer)).await
    }

    /// The oldest records that are not done, with their numbers, at most `limit`. They stay.
    ///
    /// # Errors
    /// `Io` when the files cannot be read.
    pub async fn peek(&self, limit: usize) -> Result<Vec<(u64, Vec<u8>)>> {
        self.owner.ask("peek", &self.folder, |answer| Request::Peek(None, limit, answer)).await
    }

    /// The records behind number `after`, at most `limit`. They stay.
    ///
    /// # Errors
    /// As [`Queue::peek`].
    pub async fn peek_after(&self, after: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>> {
        self.owner.ask("peek", &self.folder, |answer| Request::Peek(Some(after), limit, answer)).await
    }

    /// Everything up to and including `number` is done. That is noted soon, not at once: after a
    /// crash the latest records may come again.
    ///
    /// # Errors
    /// `Io`; the records may come again then.
    pub async fn done(&self, number: u64) -> Result<()> {
        self.owner.ask("done", &self.folder, |answer| Request::Done(number, answer)).await
    }

    /// Records that are not done.
    pub fn len(&self) -> u64 {
        self.status.len.load(Ordering::Relaxed)
    }

    /// Whether everything is done.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes on the disk.
    pub fn bytes(&self) -> u64 {
        self.status.bytes.load(Ordering::Relaxed)
    }

    /// Notes what is done and ends. Other handles are closed with it. Allowed twice.
    pub async fn close(&self) {
        self.owner.close().await;
    }
}

struct QueueWork {
    writer: Writer,
    folder: PathBuf,
    most_bytes: u64,
    clock: SystemClock,
    status: Arc<Status>,
    /// Everything up to this number is done.
    mark: u64,
    /// What of it stands in the file.
    noted: u64,
    /// Where reading went on last, and what was read ahead.
    reader: Reader,
    ahead: VecDeque<Content>,
    read_to: u64,
}

impl QueueWork {
    fn open(folder: &Path, settings: &QueueSettings, status: Arc<Status>) -> io::Result<Self> {
        let lock = lock(folder)?;
        let plan = Plan {
            segment_bytes: SEGMENT_BYTES.min(settings.most_bytes),
            segment_for: None,
            reserve_bytes: settings.reserve_bytes,
            keep_for: None,
            keep_bytes: None,
            new_id: [0; 16],
        };
        let writer = Writer::open(Box::new(Disk), folder, plan, Some(lock))?;
        // A mark that cannot be read makes everything that is there come again.
        let mark = read_mark(folder).unwrap_or(0).max(writer.first() - 1).min(writer.last());
        let work = Self {
            folder: folder.to_owned(),
            most_bytes: settings.most_bytes,
            clock: SystemClock::new(),
            status,
            mark,
            noted: mark,
            reader: Reader::new(folder, mark),
            ahead: VecDeque::new(),
            read_to: mark,
            writer,
        };
        work.note();
        Ok(work)
    }

    fn note(&self) {
        let len = self.writer.last().saturating_sub(self.mark);
        self.status.len.store(len, Ordering::Relaxed);
        self.status.bytes.store(self.writer.bytes(), Ordering::Relaxed);
    }

    fn push(&mut self, entries: Vec<writer::Entry>, waiting: Vec<(usize, oneshot::Sender<io::Result<u64>>)>) {
        let mut entries = entries.into_iter();
        let (mut taken, mut told) = (Vec::new(), Vec::new());
        let mut bytes = self.writer.bytes();
        for (count, answer) in waiting {
            let own: Vec<writer::Entry> = entries.by_ref().take(count).collect();
            let more: u64 = own.iter().map(|entry| entry.content.len() as u64).sum();
            if bytes + more > self.most_bytes {
                let full = format!("the queue is full: {bytes} of {} bytes", self.most_bytes);
                // Whoever asked may have gone away.
                let _ = answer.send(Err(io::Error::new(io::ErrorKind::ResourceBusy, full)));
                continue;
            }
            bytes += more;
            taken.extend(own);
            told.push((taken.len(), answer));
        }
        let outcome = self.writer.append(&taken, self.clock.now().utc);
        // Before anybody is answered, so that whoever was sees it.
        self.note();
        for (end, answer) in told {
            let number = |placed: &Vec<writer::Placed>| placed.get(..end)?.last().map(|last| last.number);
            let own = outcome.as_ref().map(|placed| number(placed).unwrap_or(self.writer.last()));
            let _ = answer.send(own.map_err(|error| io::Error::new(error.kind(), error.to_string())));
        }
    }

    fn peek(&mut self, after: u64, limit: usize) -> io::Result<Vec<Numbered>> {
        let after = after.max(self.mark);
        while self.ahead.front().is_some_and(|content| content.number <= after) {
            self.ahead.pop_front();
        }
        let goes_on = match self.ahead.front() {
            Some(content) => content.number == after + 1,
            None => after == self.read_to,
        };
        if !goes_on {
            self.reader = Reader::new(&self.folder, after);
            self.ahead.clear();
            self.read_to = after;
        }
        while self.ahead.len() < limit && self.read_to < self.writer.last() {
            match self.reader.next_entry().map_err(|error| io::Error::other(format!("{error:#}")))? {
                Some(Entry::Content(content)) => {
                    self.read_to = content.number;
                    self.ahead.push_back(content);
                }
                Some(Entry::Gap { number, gap, .. }) => {
                    self.read_to = number;
                    tracing::error!(folder = %self.folder.display(), ?gap, "records of a queue cannot be read");
                }
                Some(Entry::Damage(damage)) => {
                    tracing::error!(folder = %self.folder.display(), ?damage, "a part of a queue cannot be read");
                }
                Some(Entry::Gone { .. }) => {}
                None => {
                    // Nobody else writes here, so what is left at the end is no record.
                    tracing::error!(folder = %self.folder.display(), "the end of a queue cannot be read");
                    self.read_to = self.writer.last();
                }
            }
        }
        if self.ahead.is_empty() && after == self.mark {
            // What cannot be read will never be done by anybody.
            self.mark = self.mark.max(self.read_to);
        }
        Ok(self.ahead.iter().take(limit).map(|content| (content.number, content.bytes.clone())).collect())
    }

    fn done(&mut self, number: u64) -> io::Result<()> {
        self.mark = self.mark.max(number.min(self.writer.last()));
        // As soon as a segment can go, so that room comes back while there is no quiet.
        let is_due = self.mark - self.noted >= MARK_EVERY || self.writer.can_remove_through(self.mark);
        if is_due { self.note_mark() } else { Ok(()) }
    }

    /// Writes the mark and removes what lies before it.
    fn note_mark(&mut self) -> io::Result<()> {
        if self.noted == self.mark {
            return Ok(());
        }
        let noted = write_mark(&self.folder, self.mark);
        if noted.is_ok() {
            self.noted = self.mark;
        }
        // Also without the mark, for which the disk may be too full: this is what gives it room, and
        // the first segment that is left says as well up to where everything is done.
        self.writer.remove_through(self.mark, self.clock.now().utc)?;
        noted
    }
}

impl Work for QueueWork {
    type Request = Request;

    fn serve(&mut self, requests: Vec<Request>) {
        let (mut entries, mut waiting) = (Vec::new(), Vec::new());
        for request in requests {
            match request {
                Request::Push(mut more, answer) => {
                    waiting.push((more.len(), answer));
                    entries.append(&mut more);
                }
                other => {
                    // In the order in which they were asked.
                    self.push(std::mem::take(&mut entries), std::mem::take(&mut waiting));
                    match other {
                        Request::Peek(after, limit, answer) => {
                            let outcome = self.peek(after.unwrap_or(self.mark), limit);
                            self.note();
                            let _ = answer.send(outcome);
                        }
                        Request::Done(number, answer) => {
                            let outcome = self.done(number);
                            self.note();
                            let _ = answer.send(outcome);
                        }
                        Request::Push(..) => {}
                    }
                }
            }
        }
        self.push(entries, waiting);
        self.note();
    }

    fn idle(&mut self) {
        self.writer.take_reserve(self.clock.now().utc);
        if let Err(error) = self.note_mark() {
            tracing::debug!(folder = %self.folder.display(), %error, "the mark of a queue is not written");
        }
        self.note();
    }
}

impl Drop for QueueWork {
    fn drop(&mut self) {
        // Without it the latest records come again, which is allowed.
        let _ = self.note_mark();
    }
}

fn read_mark(folder: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(folder.join(MARK)).ok()?;
    let (number, checksum) = text.trim_end().split_once(' ')?;
    (checksum == checksum_of(number)).then(|| number.parse().ok()).flatten()
}

fn write_mark(folder: &Path, number: u64) -> io::Result<()> {
    use std::io::Write;
    let number = number.to_string();
    let half_made = folder.join("mark.new");
    let mut file = file_of_our_own().write(true).create(true).truncate(true).open(&half_made)?;
    writeln!(file, "{number} {}", checksum_of(&number))?;
    file.sync_data()?;
    std::fs::rename(half_made, folder.join(MARK))
}

fn checksum_of(text: &str) -> String {
    format!("{:08x}", crc32fast::hash(text.as_bytes()))
}
