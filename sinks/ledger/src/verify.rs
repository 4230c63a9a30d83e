//! Going through a whole ledger to see that nothing is missing.

use std::io;
use std::path::{Path, PathBuf};

use rfid_core::Result;

use crate::files::{Disk, Files};
use crate::reader::failed;
use crate::record::{HEADER_LEN, Header, Kind, Record};
use crate::recovery;
use crate::scan::{Piece, Scan};
use crate::segments::{self, Segment};

/// What is in a ledger, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Segment files.
    pub segments: u64,
    /// Segments that are complete and have a seal.
    pub sealed: u64,
    /// Bytes of all segments.
    pub bytes: u64,
    /// The first number that is kept; 0 when the ledger is empty.
    pub first: u64,
    /// The highest number.
    pub last: u64,
    /// Things that were appended.
    pub contents: u64,
    /// Words of numbers without content.
    pub gaps: u64,
    /// Numbers that these words account for, each of them something that is known to be lost.
    pub lost: u64,
    /// Writes that an interruption left half done. They were never acknowledged.
    pub interrupted: u64,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// Something wrong in a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub path: PathBuf,
    /// What is wrong, in words.
    pub what: String,
}

/// Goes through the ledger of a folder, also while it is written. Blocks.
///
/// # Errors
/// `Io` when a file cannot be read, `Unsupported` for one of a newer version.
pub fn verify(folder: &Path) -> Result<Report> {
    look(folder).map_err(|error| failed(folder, error))
}

fn look(folder: &Path) -> io::Result<Report> {
    let segments = segments::list(&Disk, folder)?;
    let mut audit = Audit::default();
    for (n, segment) in segments.iter().enumerate() {
        let bytes = match Disk.read(&segment.path) {
            // Kept long enough, and removed just now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            bytes => bytes?,
        };
        audit.segment(segment, &bytes, segments.get(n + 1).map(|next| next.first));
    }
    Ok(audit.end())
}

#[derive(Default)]
struct Audit {
    report: Report,
    ledger: Option<[u8; 16]>,
    expected: Option<u64>,
    /// Numbers of which no word has been found yet, and where they should be.
    missing: Vec<(u64, u64, PathBuf)>,
}

impl Audit {
    fn segment(&mut self, segment: &Segment, bytes: &[u8], end: Option<u64>) {
        self.report.segments += 1;
        self.report.bytes += bytes.len() as u64;
        self.header(segment, bytes);
        if self.expected.is_none() {
            self.report.first = segment.first;
        }
        let mut expected = self.expected.unwrap_or(segment.first);
        let mut scan = Scan::new(bytes);
        let mut at = scan.at();
        let mut records = 0;
        while let Some(piece) = scan.next() {
            match piece {
                // Written, never acknowledged, and written again in the next segment.
                Piece::Record(record) if end.is_some_and(|end| record.number >= end) => {
                    self.report.interrupted += 1;
                    break;
                }
                Piece::Record(record) if record.kind == Kind::Seal => {
                    self.seal(segment, bytes.get(..at).unwrap_or_default(), records, &record)
                }
                Piece::Record(record) => {
                    records += 1;
                    self.record(segment, &record, &mut expected);
                }
                Piece::Damage { to, number, .. } if to == bytes.len() && number.is_none() => {
                    self.report.interrupted += 1;
                }
                Piece::Damage { from, to, .. } => {
                    self.fault(segment, format!("bytes {from} to {to} are no record"));
                }
            }
            at = scan.at();
        }
        if let Some(end) = end {
            self.miss(segment, expected, end);
            expected = expected.max(end);
        }
        self.expected = Some(expected);
        self.report.last = expected.saturating_sub(1);
    }

    fn header(&mut self, segment: &Segment, bytes: &[u8]) {
        match Header::read(bytes) {
            None => self.fault(segment, format!("the first {HEADER_LEN} bytes are no header")),
            Some(header) => {
                if header.first != segment.first {
                    let what = format!("begins with {}; its name says {}", header.first, segment.first);
                    self.fault(segment, what);
                }
                if *self.ledger.get_or_insert(header.ledger) != header.ledger {
                    self.fault(segment, "is of another ledger".to_owned());
                }
            }
        }
    }

    fn record(&mut self, segment: &Segment, record: &Record<'_>, expected: &mut u64) {
        match (record.kind, recovery::gap(record.content)) {
            (Kind::Gap, Some(gap)) => {
                self.report.gaps += 1;
                self.report.lost += gap.count();
                self.miss(segment, *expected, gap.first.min(record.number));
                self.account(gap.first, gap.last);
            }
            (Kind::Gap, None) => {
                self.fault(segment, format!("the gap with number {} says nothing", record.number));
            }
            _ => {
                self.report.contents += 1;
                self.miss(segment, *expected, record.number);
            }
        }
        *expected = record.number + 1;
    }

    fn seal(&mut self, segment: &Segment, before: &[u8], records: u64, seal: &Record<'_>) {
        self.report.sealed += 1;
        let mut expected = records.to_le_bytes().to_vec();
        expected.extend_from_slice(&(before.len() as u64).to_le_bytes());
        expected.extend_from_slice(&crc32fast::hash(before).to_le_bytes());
        if seal.content != expected {
            self.fault(segment, "is not what it was when it was sealed".to_owned());
        }
    }

    /// Numbers from `expected` to before `number` are not where they should be.
    fn miss(&mut self, segment: &Segment, expected: u64, number: u64) {
        if expected < number {
            self.missing.push((expected, number - 1, segment.path.clone()));
        }
    }

    /// There is word of these numbers.
    fn account(&mut self, first: u64, last: u64) {
        let mut left = Vec::new();
        for (from, to, path) in self.missing.drain(..) {
            if from < first {
                left.push((from, to.min(first - 1), path.clone()));
            }
            if to > last {
                left.push((from.max(last + 1), to, path));
            }
        }
        self.missing = left;
    }

    fn fault(&mut self, segment: &Segment, what: String) {
        self.report.faults.push(Fault { path: segment.path.clone(), what });
    }

    fn end(mut self) -> Report {
        for (from, to, path) in self.missing {
            let what = match from == to {
                true => format!("number {from} is not accounted for"),
                false => format!("numbers {from} to {to} are not accounted for"),
            };
            self.report.faults.push(Fault { path, what });
        }
        self.report
    }
}
