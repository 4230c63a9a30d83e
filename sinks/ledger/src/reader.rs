//! Reading a ledger, also while it is written.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rfid_core::{Error, ErrorKind, Result, UtcTime};

use crate::files::{Disk, Files};
use crate::gap::Gap;
use crate::record::{ContentId, HEADER_LEN, Header, Kind, LARGEST_CONTENT, Record};
use crate::recovery;
use crate::scan::{Piece, Scan};
use crate::segments::{self, Segment};
use crate::status::LedgerStatus;

/// Bytes that are read at once: enough for a thousand events, so that memory stays small.
const USUAL_AT_ONCE: usize = 512 * 1024;
/// The same where a record does not fit in; more than two of the largest.
const MOST_AT_ONCE: usize = 3 * 1024 * 1024;

/// What a ledger holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Something that was appended.
    Content(Content),
    /// Word of numbers without content. `number` is that of the word itself, which may lie
    /// behind the numbers that it tells of.
    Gap {
        /// Number of the word.
        number: u64,
        /// When it was written.
        time: UtcTime,
        /// What it says.
        gap: Gap,
    },
    /// Bytes of a complete segment that are no record.
    Damage(Damage),
    /// Everything before this number was kept long enough and is gone.
    Gone {
        /// The first number that is kept.
        first: u64,
    },
}

/// Something that was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its number.
    pub number: u64,
    /// When it was written.
    pub time: UtcTime,
    /// Its identity, zero if it has none.
    pub id: ContentId,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Bytes that are no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// First byte.
    pub from: u64,
    /// Behind the last byte.
    pub to: u64,
    /// The last number before it.
    pub behind: u64,
}

/// Goes through a ledger in the order of its numbers. Reading only; blocks.
#[derive(Debug)]
pub struct Reader {
    folder: PathBuf,
    /// The last number that was given or passed.
    after: u64,
    place: Option<Place>,
    ready: VecDeque<Entry>,
    has_said_gone: bool,
    at_once: usize,
    /// Says up to which number there is to read; without it everything that is written.
    durable: Option<Arc<LedgerStatus>>,
}

/// Where a segment is read on.
#[derive(Debug)]
struct Place {
    segment: Segment,
    at: u64,
}

/// The identity of the ledger of a folder, given when it was begun; nothing where there is no ledger, or
/// none of its segments says so any more. Blocks.
///
/// # Errors
/// As [`Reader::next_entry`].
pub fn identity(folder: &Path) -> Result<Option<[u8; 16]>> {
    let failed = |error: io::Error| {
        let kind = match error.kind() {
            io::ErrorKind::Unsupported => ErrorKind::Unsupported,
            _ => ErrorKind::Io,
        };
        Error::new(kind, "identity").with_detail(folder.display().to_string()).with_source(error)
    };
    for segment in segments::list(&Disk, folder).map_err(failed)?.iter().rev() {
        let bytes = Disk.read_part(&segment.path, 0, HEADER_LEN).map_err(failed)?;
        if let Some(header) = Header::read(&bytes) {
            return Ok(Some(header.ledger));
        }
    }
    Ok(None)
}

/// The number of the last content of a ledger that is there now, also while it is written; 0 where there is
/// none. Blocks.
///
/// # Errors
/// As [`Reader::next_entry`].
pub fn last_number(folder: &Path) -> Result<u64> {
    // What is before the last segment has lower numbers.
    let before = segments::segment_heads(folder)?.last().map_or(0, |head| head.first.saturating_sub(1));
    let (mut reader, mut last) = (Reader::new(folder, before), before);
    while let Some(entry) = reader.next_entry()? {
        if let Entry::Content(content) = entry {
            last = content.number;
        }
    }
    Ok(last)
}

impl Reader {
    /// Behind number `after`; 0 for everything that is kept.
    pub fn new(folder: impl Into<PathBuf>, after: u64) -> Self {
        Self {
            folder: folder.into(),
            after,
            place: None,
            ready: VecDeque::new(),
            has_said_gone: false,
            at_once: USUAL_AT_ONCE,
            durable: None,
        }
    }

    /// As [`Reader::new`], and never ahead of what is durable: a number behind that may still go
    /// to other content.
    pub(crate) fn up_to(folder: PathBuf, after: u64, status: Arc<LedgerStatus>) -> Self {
        Self { durable: Some(status), ..Self::new(folder, after) }
    }

    /// The next entry, or `None` if there is none yet: ask again later.
    ///
    /// # Errors
    /// `Io` when a file cannot be read, `Unsupported` for one of a newer version.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Ok(Some(entry));
            }
            let is_behind = self.fill().map_err(|error| failed(&self.folder, error))?;
            if self.ready.is_empty() && !is_behind {
                return Ok(None);
            }
        }
    }

    /// Reads on; whether there may be more.
    fn fill(&mut self) -> io::Result<bool> {
        let segments = segments::list(&Disk, &self.folder)?;
        let Some(place) = self.place(&segments) else { return Ok(false) };
        let (segment, at) = (place.segment.clone(), place.at);
        let next = segments.iter().find(|other| other.first > segment.first);
        let bytes = match Disk.read_part(&segment.path, at, self.at_once) {
            // Removed while it was read: the next one is the first that is kept.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.place = None;
                return Ok(next.is_some());
            }
            bytes => bytes?,
        };
        // Before the next segment is looked at, so that a number cannot come in between.
        let durable = self.durable.as_ref().map(|status| status.last.load(Ordering::Acquire));
        let part = Part { at, bytes: &bytes, is_end: bytes.len() < self.at_once };
        let (done, stopped) = self.take(&segment, &part, next.map(|next| next.first), durable);
        let here = Place { segment, at: at + done };
        if stopped == Stopped::ForMore {
            self.at_once = if done == 0 { MOST_AT_ONCE } else { USUAL_AT_ONCE };
            self.place = Some(here);
            return Ok(true);
        }
        let next = next.filter(|next| durable.is_none_or(|durable| durable + 1 >= next.first));
        match next {
            Some(next) => {
                self.after = self.after.max(next.first - 1);
                self.place = Some(Place { segment: next.clone(), at: 0 });
            }
            None => self.place = Some(here),
        }
        Ok(next.is_some())
    }

    /// The segment to read in, found anew at the beginning.
    fn place(&mut self, segments: &[Segment]) -> Option<&Place> {
        if self.place.is_none() {
            let wanted = self.after + 1;
            let segment = segments.iter().rev().find(|segment| segment.first <= wanted);
            let segment = match segment {
                Some(segment) => segment,
                None => {
                    let first = segments.first()?;
                    if !std::mem::replace(&mut self.has_said_gone, true) {
                        self.ready.push_back(Entry::Gone { first: first.first });
                    }
                    first
                }
            };
            self.place = Some(Place { segment: segment.clone(), at: 0 });
        }
        self.place.as_ref()
    }

    /// Takes the entries out of a part of a segment; returns how many bytes are done with, and why
    /// it ended there.
    fn take(
        &mut self,
        segment: &Segment,
        part: &Part<'_>,
        end: Option<u64>,
        durable: Option<u64>,
    ) -> (u64, Stopped) {
        let Part { at, bytes, is_end } = *part;
        let start = if at == 0 { HEADER_LEN } else { 0 };
        let mut done = start.min(bytes.len());
        let mut scan = Scan::from(bytes, start);
        let mut stopped = if is_end { Stopped::AtTheEnd } else { Stopped::ForMore };
        while let Some(piece) = scan.next() {
            match piece {
                Piece::Record(record)
                    if end.is_some_and(|end| record.number >= end)
                        || durable.is_some_and(|durable| record.number > durable) =>
                {
                    stopped = Stopped::AtTheEnd;
                    break;
                }
                Piece::Record(record) => self.take_record(&record),
                // It may be a record that goes on behind this part.
                Piece::Damage { from, to, .. } if !is_end && to == bytes.len() => {
                    let is_hopeless = from == 0 && bytes.len() >= MOST_AT_ONCE;
                    if is_hopeless {
                        // But none is as long as this.
                        let to = to.saturating_sub(Record::written_len(LARGEST_CONTENT));
                        self.note_damage(segment, at, from, to);
                        done = to;
                    }
                    break;
                }
                // At the end of the last segment it may be a write that is under way.
                Piece::Damage { to, .. } if to == bytes.len() && end.is_none() => break,
                // At the end of an earlier one with nothing missing behind it, a write was given
                // up half-way and made in the next segment.
                Piece::Damage { to, .. } if to == bytes.len() && end == Some(self.after + 1) => break,
                Piece::Damage { from, to, .. } => self.note_damage(segment, at, from, to),
            }
            done = scan.at();
        }
        (done as u64, stopped)
    }

    fn take_record(&mut self, record: &Record<'_>) {
        if record.number <= self.after {
            return;
        }
        let (number, time, id) = (record.number, record.time, record.id);
        match record.kind {
            Kind::Content => {
                let bytes = record.content.to_vec();
                self.ready.push_back(Entry::Content(Content { number, time, id, bytes }));
            }
            Kind::Gap => {
                let gap = recovery::gap(record.content);
                self.ready.extend(gap.map(|gap| Entry::Gap { number, time, gap }));
            }
            Kind::Seal => {}
        }
        self.after = number;
    }

    fn note_damage(&mut self, segment: &Segment, at: u64, from: usize, to: usize) {
        self.ready.push_back(Entry::Damage(Damage {
            path: segment.path.clone(),
            from: at + from as u64,
            to: at + to as u64,
            behind: self.after,
        }));
    }
}

/// A part of a segment.
struct Part<'a> {
    /// Where it begins.
    at: u64,
    bytes: &'a [u8],
    /// Whether nothing lies behind it.
    is_end: bool,
}

/// Why a part is not read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopped {
    /// Nothing that counts lies behind it in this segment.
    AtTheEnd,
    /// The segment goes on.
    ForMore,
}

pub(crate) fn failed(folder: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::Unsupported => ErrorKind::Unsupported,
        _ => ErrorKind::Io,
    };
    Error::new(kind, "read").with_detail(folder.display().to_string()).with_source(error)
}
