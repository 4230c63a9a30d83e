//! Reading a ledger, also while it is written.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rfid_core::{Error, ErrorKind, Result, UtcTime};

use crate::files::{Disk, Files};
use crate::gap::Gap;
use crate::record::{ContentId, HEADER_LEN, Kind};
use crate::recovery;
use crate::scan::{Piece, Scan};
use crate::segments::{self, Segment};
use crate::status::LedgerStatus;

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
    /// Says up to which number there is to read; without it everything that is written.
    durable: Option<Arc<LedgerStatus>>,
}

/// Where a segment is read on.
#[derive(Debug)]
struct Place {
    segment: Segment,
    at: u64,
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

    /// Reads on; whether another segment follows.
    fn fill(&mut self) -> io::Result<bool> {
        let segments = segments::list(&Disk, &self.folder)?;
        let Some(place) = self.place(&segments) else { return Ok(false) };
        let (segment, at) = (place.segment.clone(), place.at);
        let next = segments.iter().find(|other| other.first > segment.first);
        let bytes = match Disk.read(&segment.path, at) {
            // Removed while it was read: the next one is the first that is kept.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.place = None;
                return Ok(next.is_some());
            }
            bytes => bytes?,
        };
        // Before the next segment is looked at, so that a number cannot come in between.
        let durable = self.durable.as_ref().map(|status| status.last.load(Ordering::Acquire));
        let read = self.take(&segment, at, &bytes, next.map(|next| next.first), durable);
        let next = next.filter(|next| durable.is_none_or(|durable| durable + 1 >= next.first));
        match next {
            Some(next) => {
                self.after = self.after.max(next.first - 1);
                self.place = Some(Place { segment: next.clone(), at: 0 });
            }
            None => self.place = Some(Place { segment, at: at + read }),
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

    /// Takes the entries out of bytes of a segment; returns how many bytes are done with.
    fn take(
        &mut self,
        segment: &Segment,
        at: u64,
        bytes: &[u8],
        end: Option<u64>,
        durable: Option<u64>,
    ) -> u64 {
        let start = if at == 0 { HEADER_LEN } else { 0 };
        let mut done = start.min(bytes.len());
        let mut scan = Scan::from(bytes, start);
        while let Some(piece) = scan.next() {
            match piece {
                Piece::Record(record) if end.is_some_and(|end| record.number >= end) => break,
                Piece::Record(record) if durable.is_some_and(|durable| record.number > durable) => break,
                Piece::Record(record) => {
                    if record.number > self.after {
                        let (number, time, id) = (record.number, record.time, record.id);
                        let bytes = record.content;
                        match record.kind {
                            Kind::Content => {
                                let bytes = bytes.to_vec();
                                self.ready.push_back(Entry::Content(Content { number, time, id, bytes }));
                            }
                            Kind::Gap => self.ready.extend(recovery::gap(bytes).map(|gap| Entry::Gap {
                                number,
                                time,
                                gap,
                            })),
                            Kind::Seal => {}
                        }
                        self.after = number;
                    }
                }
                // At the end of the last segment it may be a write that is under way.
                Piece::Damage { to, .. } if to == bytes.len() && end.is_none() => break,
                // At the end of an earlier one with nothing missing behind it, a write was given
                // up half-way and made in the next segment.
                Piece::Damage { to, .. } if to == bytes.len() && end == Some(self.after + 1) => break,
                Piece::Damage { from, to, .. } => self.ready.push_back(Entry::Damage(Damage {
                    path: segment.path.clone(),
                    from: at + from as u64,
                    to: at + to as u64,
                    behind: self.after,
                })),
            }
            done = scan.at();
        }
        done as u64
    }
}

pub(crate) fn failed(folder: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::Unsupported => ErrorKind::Unsupported,
        _ => ErrorKind::Io,
    };
    Error::new(kind, "read").with_detail(folder.display().to_string()).with_source(error)
}
