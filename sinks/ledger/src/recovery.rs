//! What an earlier run left: where to go on, and what it did not bring to an end.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use rfid_core::UtcTime;

use crate::files::Files;
use crate::gap::Gap;
use crate::record::{ContentId, HEADER_LEN, Header, Kind, NO_ID};
use crate::scan::{Piece, Scan};
use crate::segments::{self, Segment};

/// Reason of a gap whose records are there and cannot be read.
const UNREADABLE: &str = "unreadable";

/// A segment of which the length and the beginning are known.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) segment: Segment,
    pub(crate) bytes: u64,
    pub(crate) begun: UtcTime,
}

/// What stands in a segment that is not sealed.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) bytes: u64,
    pub(crate) records: u64,
    /// Of all its bytes so far.
    pub(crate) checksum: crc32fast::Hasher,
}

impl Written {
    pub(crate) fn of(bytes: &[u8], records: u64) -> Self {
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(bytes);
        Self { bytes: bytes.len() as u64, records, checksum }
    }
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) ledger: Option<[u8; 16]>,
    pub(crate) segments: VecDeque<Known>,
    /// The highest number that is taken.
    pub(crate) last: u64,
    /// What is in the last segment, if it can be gone on with.
    pub(crate) go_on: Option<Written>,
    /// Numbers in the last segment that nobody can read.
    pub(crate) gaps: Vec<Gap>,
    /// The segment that was written last: it may not have been synced.
    pub(crate) unsynced: Option<PathBuf>,
    /// The last segment, if there is something in it and none of it is a record.
    pub(crate) unreadable: Option<PathBuf>,
    /// Identities of the latest contents, oldest first, with their numbers.
    pub(crate) recent: VecDeque<(ContentId, u64)>,
    /// Bytes at the end that are no record: a write that a crash interrupted.
    pub(crate) torn: usize,
}

/// Looks at the segments of a folder. Nothing is written.
pub(crate) fn look(files: &dyn Files, folder: &Path, remember: usize) -> io::Result<Found> {
    let mut found = Found::default();
    let listed = segments::list(files, folder)?;
    let mut is_last = true;
    // A later segment takes over from its first number on, whatever an earlier one holds.
    let mut end = u64::MAX;
    for segment in listed.iter().rev() {
        let is_looked_at = is_last || found.recent.len() < remember;
        if !is_looked_at {
            found.segments.push_front(glance(files, segment)?);
            continue;
        }
        let bytes = files.read(&segment.path)?;
        let seen = Seen::of(segment, &bytes, end);
        let header = Header::read(&bytes);
        found.ledger = header.map(|header| header.ledger).or(found.ledger);
        if is_last {
            if seen.last.is_none() && bytes.len() > HEADER_LEN {
                found.unreadable = Some(segment.path.clone());
            }
            if seen.last.is_none() && seen.unreadable_to == 0 && listed.len() > 1 {
                // A segment that was begun and never written to; its name is used again.
                end = segment.first;
                continue;
            }
            found.last = seen.last.unwrap_or(segment.first.saturating_sub(1)).max(seen.unreadable_to);
            found.torn = seen.torn;
            found.gaps = seen.gaps;
            found.unsynced = Some(segment.path.clone());
            if end != u64::MAX && found.last + 1 < end {
                // A segment is begun behind the last number that was acknowledged.
                let (first, last) = (found.last + 1, end - 1);
                let reason = UNREADABLE.to_owned();
                found.gaps.push(Gap { first, last, reason, from: seen.time, to: seen.time });
                found.last = last;
            }
            let can_go_on = seen.is_clean && header.is_some() && end == u64::MAX;
            found.go_on = can_go_on.then(|| Written::of(&bytes, seen.records));
            is_last = false;
        }
        for recent in seen.ids.into_iter().rev().take(remember - found.recent.len()) {
            found.recent.push_front(recent);
        }
        end = segment.first;
        let begun = header.map(|header| header.begun).unwrap_or_default();
        found.segments.push_front(Known { segment: segment.clone(), bytes: bytes.len() as u64, begun });
    }
    Ok(found)
}

/// Length and beginning of a segment that is not gone through.
fn glance(files: &dyn Files, segment: &Segment) -> io::Result<Known> {
    let bytes = files.len(&segment.path)?;
    let header = Header::read(&files.read_part(&segment.path, 0, HEADER_LEN)?);
    let begun = header.map(|header| header.begun).unwrap_or_default();
    Ok(Known { segment: segment.clone(), bytes, begun })
}

/// What a segment holds.
struct Seen {
    last: Option<u64>,
    is_clean: bool,
    records: u64,
    torn: usize,
    unreadable_to: u64,
    gaps: Vec<Gap>,
    ids: Vec<(ContentId, u64)>,
    /// When the last of it was written.
    time: UtcTime,
}

impl Seen {
    /// Looks at the records before number `end`.
    fn of(segment: &Segment, bytes: &[u8], end: u64) -> Self {
        let mut seen = Self {
            last: None,
            is_clean: true,
            records: 0,
            torn: 0,
            unreadable_to: 0,
            gaps: Vec::new(),
            ids: Vec::new(),
            time: UtcTime::default(),
        };
        let mut expected = segment.first;
        for piece in Scan::new(bytes) {
            match piece {
                Piece::Record(record) if record.number >= end => {
                    seen.is_clean = false;
                    break;
                }
                Piece::Record(record) => {
                    let covered_from = match record.kind {
                        Kind::Seal => {
                            seen.is_clean = false;
                            continue;
                        }
                        Kind::Gap => gap(record.content).map_or(record.number, |gap| gap.first),
                        Kind::Content => record.number,
                    };
                    if covered_from > expected && record.number > expected {
                        let last = covered_from - 1;
                        let reason = UNREADABLE.to_owned();
                        seen.gaps.push(Gap {
                            first: expected,
                            last,
                            reason,
                            from: seen.time,
                            to: record.time,
                        });
                    }
                    if record.id != NO_ID {
                        seen.ids.push((record.id, record.number));
                    }
                    (expected, seen.time, seen.torn) = (record.number + 1, record.time, 0);
                    seen.last = Some(record.number);
                    seen.records += 1;
                }
                Piece::Damage { from, to, number } => {
                    seen.is_clean = false;
                    seen.torn = to - from;
                    // A record of which all bytes are there was written as a whole; that it was
                    // acknowledged cannot be ruled out.
                    if to == bytes.len() && number == Some(expected) {
                        let reason = UNREADABLE.to_owned();
                        seen.gaps.push(Gap {
                            first: expected,
                            last: expected,
                            reason,
                            from: seen.time,
                            to: seen.time,
                        });
                        seen.unreadable_to = expected;
                    }
                }
            }
        }
        seen
    }
}

/// What a gap record says.
pub(crate) fn gap(content: &[u8]) -> Option<Gap> {
    serde_json::from_slice(content).ok()
}
