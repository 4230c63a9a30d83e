//! Writing segments. Everything here blocks; one thread owns it.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rfid_core::UtcTime;

use crate::files::{AppendFile, Files};
use crate::gap::Gap;
use crate::record::{ContentId, HEADER_LEN, Header, Kind, LARGEST_CONTENT, NO_ID, Record};
use crate::recovery::{self, Known, Written};
use crate::reserve::Reserve;
use crate::segments::{self, Segment};

/// Contents whose repeats are recognised. A repeat comes from the moment of a crash, so it is
/// among the latest.
const REMEMBERED: usize = 10_000;

/// How long after a failure the reserve is tried to be taken again.
const RESERVE_AGAIN: Duration = Duration::from_secs(60);

/// How segments are written and how long they are kept.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) segment_bytes: u64,
    /// A segment that is older is ended, however short it is.
    pub(crate) segment_for: Option<Duration>,
    pub(crate) reserve_bytes: u64,
    /// Segments whose last record is older are removed.
    pub(crate) keep_for: Option<Duration>,
    /// Beyond so many bytes the oldest segments are removed.
    pub(crate) keep_bytes: Option<u64>,
    /// Identity of a ledger that is begun.
    pub(crate) new_id: [u8; 16],
}

/// Something to append.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: ContentId,
    pub(crate) content: Vec<u8>,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) number: u64,
    /// Whether it was there already.
    pub(crate) is_repeat: bool,
}

/// Writes the segments of a folder.
#[derive(Debug)]
pub(crate) struct Writer {
    files: Box<dyn Files>,
    folder: PathBuf,
    plan: Plan,
    ledger: [u8; 16],
    last: u64,
    current: Option<Current>,
    segments: VecDeque<Known>,
    owed: Vec<Gap>,
    /// What an earlier run wrote last, and perhaps did not live to sync.
    unsynced: Option<PathBuf>,
    /// What an earlier run left instead of a segment: not to be written over.
    unreadable: Option<PathBuf>,
    recent: Recent,
    reserve: Reserve,
    reserve_again: Option<UtcTime>,
    pub(crate) syncs: u64,
    /// Keeps other processes out for as long as it is open.
    _lock: Option<File>,
}

/// The segment that is written to. Gone after a failure: what is in it then is not known.
#[derive(Debug)]
struct Current {
    file: Box<dyn AppendFile>,
    written: Written,
}

impl Writer {
    /// Opens the ledger of a folder, or begins one. With a folder that is there, nothing needs to
    /// be written, so a full disk is no obstacle.
    pub(crate) fn open(
        files: Box<dyn Files>,
        folder: &Path,
        plan: Plan,
        lock: Option<File>,
    ) -> io::Result<Self> {
        let found = recovery::look(&*files, folder, REMEMBERED)?;
        if found.torn > 0 {
            let bytes = found.torn;
            tracing::warn!(folder = %folder.display(), bytes, "the end of the last segment is no record: a write that was interrupted");
        }
        let mut writer = Self {
            ledger: found.ledger.unwrap_or(plan.new_id),
            last: found.last,
            current: None,
            segments: found.segments,
            owed: found.gaps,
            unsynced: found.unsynced,
            unreadable: found.unreadable,
            recent: Recent::of(found.recent),
            reserve: Reserve::of(folder.to_owned(), plan.reserve_bytes, &*files),
            reserve_again: None,
            syncs: 0,
            folder: folder.to_owned(),
            files,
            plan,
            _lock: lock,
        };
        if let (Some(written), Some(known)) = (found.go_on, writer.segments.back()) {
            // A disk that refuses this refuses the next segment, too, and then it is said.
            let file = writer.files.append(&known.segment.path).ok();
            writer.current = file.map(|file| Current { file, written });
        }
        Ok(writer)
    }

    /// Identity of the ledger.
    pub(crate) fn ledger(&self) -> [u8; 16] {
        self.ledger
    }

    /// The highest number that is durable.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Number of the first record that is kept.
    pub(crate) fn first(&self) -> u64 {
        self.segments.front().map_or(self.last + 1, |known| known.segment.first)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|known| known.bytes).sum()
    }

    pub(crate) fn segment_count(&self) -> u64 {
        self.segments.len() as u64
    }

    /// Bytes that are kept free for the day on which the disk is full.
    pub(crate) fn reserve(&self) -> u64 {
        if self.reserve.is_there() { self.plan.reserve_bytes } else { 0 }
    }

    /// Appends what is not there yet, all of it or nothing. Durable on return.
    pub(crate) fn append(&mut self, entries: &[Entry], now: UtcTime) -> io::Result<Vec<Placed>> {
        if entries.iter().any(|entry| entry.content.len() > LARGEST_CONTENT) {
            let limit = format!("a record has at most {LARGEST_CONTENT} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, limit));
        }
        self.settle(now)?;
        let mut placed = Vec::with_capacity(entries.len());
        let mut fresh = Vec::new();
        let mut in_this_call = HashMap::new();
        let mut next = self.last + 1;
        for entry in entries {
            let known = self.recent.number(entry.id).or_else(|| in_this_call.get(&entry.id).copied());
            if let Some(number) = known.filter(|_| entry.id != NO_ID) {
                placed.push(Placed { number, is_repeat: true });
                continue;
            }
            let Entry { id, content } = entry;
            fresh.push(Record { number: next, time: now, id: *id, kind: Kind::Content, content });
            in_this_call.insert(*id, next);
            placed.push(Placed { number: next, is_repeat: false });
            next += 1;
        }
        self.write(&fresh, now)?;
        for record in &fresh {
            self.recent.insert(record.id, record.number);
        }
        Ok(placed)
    }

    /// Says that so many things will never be appended. They get numbers, and those a gap.
    pub(crate) fn lose(
        &mut self,
        count: u64,
        reason: &str,
        (from, to): (UtcTime, UtcTime),
        now: UtcTime,
    ) -> io::Result<Gap> {
        self.settle(now)?;
        let (first, last) = (self.last + 1, self.last + count.max(1));
        let gap = Gap { first, last, reason: reason.to_owned(), from, to };
        self.write_gap(&gap, last, now)?;
        Ok(gap)
    }

    /// Makes durable what an earlier run wrote, and writes what recovery found to be missing,
    /// before anything else. What lies behind a gap has its numbers already, so the word of it
    /// gets one of its own.
    fn settle(&mut self, now: UtcTime) -> io::Result<()> {
        if let Some(path) = &self.unsynced {
            self.files.append(path)?.sync()?;
            self.unsynced = None;
        }
        while let Some(gap) = self.owed.first().cloned() {
            self.write_gap(&gap, self.last + 1, now)?;
            self.owed.remove(0);
        }
        Ok(())
    }

    fn write_gap(&mut self, gap: &Gap, number: u64, now: UtcTime) -> io::Result<()> {
        let content = serde_json::to_vec(gap)?;
        self.write(&[Record { number, time: now, id: NO_ID, kind: Kind::Gap, content: &content }], now)
    }

    fn write(&mut self, records: &[Record<'_>], now: UtcTime) -> io::Result<()> {
        let Some(last) = records.last() else { return Ok(()) };
        let mut bytes =
            Vec::with_capacity(records.iter().map(|record| Record::written_len(record.content.len())).sum());
        for record in records {
            record.write(&mut bytes);
        }
        let written = match self.write_bytes(&bytes, records.len() as u64, now) {
            Err(error) if is_full(&error) && self.reserve.give_up(&*self.files) => {
                tracing::error!(folder = %self.folder.display(), "the disk is full; the reserve is given up");
                self.write_bytes(&bytes, records.len() as u64, now)
            }
            written => written,
        };
        written?;
        self.last = last.number;
        Ok(())
    }

    fn write_bytes(&mut self, bytes: &[u8], records: u64, now: UtcTime) -> io::Result<()> {
        let begun = self.segments.back().map(|known| known.begun);
        let is_old = begun.zip(self.plan.segment_for).is_some_and(|(begun, most)| now.since(begun) >= most);
        let is_full = |current: &Current| {
            current.written.records > 0
                && (is_old || current.written.bytes + bytes.len() as u64 > self.plan.segment_bytes)
        };
        if self.current.as_ref().is_some_and(is_full) {
            self.seal(now);
        }
        let mut current = match self.current.take() {
            Some(current) => current,
            None => self.begin_segment(now)?,
        };
        // A segment of which a write or a sync failed is not trusted again: it stays dropped.
        current.write(bytes, records)?;
        self.syncs += 1;
        if let Some(known) = self.segments.back_mut() {
            known.bytes = current.written.bytes;
        }
        self.current = Some(current);
        Ok(())
    }

    fn begin_segment(&mut self, now: UtcTime) -> io::Result<Current> {
        self.files.make_folder(&self.folder)?;
        let first = self.last + 1;
        let path = segments::path(&self.folder, first);
        if self.segments.back().is_some_and(|known| known.segment.first == first) {
            self.segments.pop_back();
        }
        if self.unreadable.as_ref() == Some(&path) {
            self.files.rename(&path, &path.with_extension("unreadable"))?;
            self.unreadable = None;
        }
        match self.files.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = self.files.create(&path)?;
        let mut header = Vec::with_capacity(HEADER_LEN);
        Header { ledger: self.ledger, first, begun: now }.write(&mut header);
        file.write_all(&header)?;
        file.sync()?;
        self.files.sync_folder(&self.folder)?;
        self.segments.push_back(Known {
            segment: Segment { first, path },
            bytes: header.len() as u64,
            begun: now,
        });
        Ok(Current { file, written: Written::of(&header, 0) })
    }

    /// Ends the current segment. One whose seal cannot be written is ended all the same.
    fn seal(&mut self, now: UtcTime) {
        let Some(mut current) = self.current.take() else { return };
        let mut content = Vec::with_capacity(20);
        content.extend_from_slice(&current.written.records.to_le_bytes());
        content.extend_from_slice(&current.written.bytes.to_le_bytes());
        content.extend_from_slice(&current.written.checksum.clone().finalize().to_le_bytes());
        let seal = Record { number: self.last, time: now, id: NO_ID, kind: Kind::Seal, content: &content };
        let mut bytes = Vec::new();
        seal.write(&mut bytes);
        if let Err(error) = current.write(&bytes, 0) {
            tracing::warn!(folder = %self.folder.display(), %error, "a segment stays without its seal");
        }
        if let Some(known) = self.segments.back_mut() {
            known.bytes = current.written.bytes;
        }
        self.remove_one_old(now);
    }

    /// Removes the oldest segment if it is over time or over the limit. One at most for each that
    /// is begun or for each hour, so that a clock that is years ahead cannot empty the ledger.
    pub(crate) fn remove_one_old(&mut self, now: UtcTime) {
        let (Some(oldest), Some(next)) = (self.segments.front(), self.segments.get(1)) else { return };
        // Everything in a segment is older than the beginning of the next one.
        let is_old = self.plan.keep_for.is_some_and(|keep| now.since(next.begun) > keep);
        let is_much = self.plan.keep_bytes.is_some_and(|most| self.bytes() > most);
        if !is_old && !is_much {
            return;
        }
        match self.files.remove(&oldest.segment.path) {
            Ok(()) => {
                tracing::info!(path = %oldest.segment.path.display(), "a segment that was kept long enough is removed");
                self.segments.pop_front();
            }
            Err(error) => {
                tracing::warn!(path = %oldest.segment.path.display(), %error, "an old segment stays")
            }
        }
    }

    /// Whether the oldest segment holds nothing behind this number, and another follows.
    pub(crate) fn can_remove_through(&self, number: u64) -> bool {
        self.segments.get(1).is_some_and(|next| next.segment.first <= number + 1)
    }

    /// Removes the segments that hold nothing behind this number. Where it is the highest, the
    /// current one goes too, once it is large: numbers go on in a new one.
    pub(crate) fn remove_through(&mut self, number: u64, now: UtcTime) -> io::Result<()> {
        while self.can_remove_through(number) {
            self.remove_oldest()?;
        }
        if number < self.last || self.bytes() < self.plan.segment_bytes / 2 {
            return Ok(());
        }
        // The next segment first: its name is what remembers the numbers.
        self.current = Some(self.begin_segment(now)?);
        self.remove_oldest()
    }

    /// Removes the segments that hold nothing behind this number, and never the last one. Returns the number
    /// of the first record that is kept.
    pub(crate) fn remove_segments_through(&mut self, number: u64) -> io::Result<u64> {
        while self.can_remove_through(number) {
            self.remove_oldest()?;
        }
        self.files.sync_folder(&self.folder)?;
        Ok(self.first())
    }

    fn remove_oldest(&mut self) -> io::Result<()> {
        let Some(oldest) = self.segments.front() else { return Ok(()) };
        self.files.remove(&oldest.segment.path)?;
        self.segments.pop_front();
        Ok(())
    }

    /// Gives up the room that is kept; whether there was any.
    pub(crate) fn give_up_reserve(&mut self) -> bool {
        self.reserve.give_up(&*self.files)
    }

    /// Takes the reserve when it is not there, now and again.
    pub(crate) fn take_reserve(&mut self, now: UtcTime) {
        if self.reserve.is_there() || self.reserve_again.is_some_and(|again| now < again) {
            return;
        }
        self.reserve_again = Some(now.plus(RESERVE_AGAIN));
        if self.reserve.take(&*self.files).is_ok() {
            tracing::info!(folder = %self.folder.display(), "room is kept for the day on which the disk is full");
        }
    }
}

impl Current {
    fn write(&mut self, bytes: &[u8], records: u64) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.file.sync()?;
        self.written.checksum.update(bytes);
        self.written.bytes += bytes.len() as u64;
        self.written.records += records;
        Ok(())
    }
}

/// Whether the disk has no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Identities of the latest contents, the oldest forgotten first.
#[derive(Debug, Default)]
struct Recent {
    order: VecDeque<ContentId>,
    numbers: HashMap<ContentId, u64>,
}

impl Recent {
    fn of(found: VecDeque<(ContentId, u64)>) -> Self {
        let mut recent = Self::default();
        for (id, number) in found {
            recent.insert(id, number);
        }
        recent
    }

    fn number(&self, id: ContentId) -> Option<u64> {
        self.numbers.get(&id).copied()
    }

    fn insert(&mut self, id: ContentId, number: u64) {
        if id == NO_ID || self.numbers.insert(id, number).is_some() {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.numbers.remove(&oldest);
        }
    }
}
