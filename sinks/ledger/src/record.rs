//! The bytes of a segment: its header and its records. No I/O.
//!
//! A segment begins with a header of 48 bytes:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `RFIDLDGR` |
//! | 16 | id of the ledger, random |
//! | 8 | number of the first record |
//! | 8 | when it was begun, nanoseconds since 1970 |
//! | 4 | zero |
//! | 4 | CRC-32 of the bytes before |
//!
//! Records follow, each of 52 bytes and its content:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | mark, `F5 72 65 63` |
//! | 4 | length of the content |
//! | 8 | number |
//! | 8 | when it was written, nanoseconds since 1970 |
//! | 16 | identity of the content, zero if it has none |
//! | 1 | kind: 1 content, 2 gap, 3 seal |
//! | 3 | zero |
//! | 4 | CRC-32 of the bytes before |
//! | | content |
//! | 4 | CRC-32 of everything before, the mark included |
//!
//! Numbers are little-endian. The head has a checksum of its own, so that a damaged length is
//! known for one, and the mark lets a reader find the next record behind damage.

use rfid_core::UtcTime;

pub(crate) const HEADER_LEN: usize = 48;
pub(crate) const HEAD_LEN: usize = 48;
const TAIL_LEN: usize = 4;

/// Largest content of a record.
pub(crate) const LARGEST_CONTENT: usize = 1024 * 1024;

const MAGIC: &[u8; 8] = b"RFIDLDGR";
pub(crate) const MARK: &[u8; 4] = b"\xF5rec";

/// Identity of a record's content: the same content has the same, whoever writes it again.
pub type ContentId = [u8; 16];

/// The content has no identity and is never a repeat.
pub(crate) const NO_ID: ContentId = [0; 16];

/// Header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) ledger: [u8; 16],
    pub(crate) first: u64,
    pub(crate) begun: UtcTime,
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Something that was appended.
    Content,
    /// Word of numbers that have no content. Its own number is the last of them.
    Gap,
    /// The end of a segment that is complete. It has the number of the record before.
    Seal,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Content),
            2 => Some(Self::Gap),
            3 => Some(Self::Seal),
            _ => None,
        }
    }

    const fn byte(self) -> u8 {
        match self {
            Self::Content => 1,
            Self::Gap => 2,
            Self::Seal => 3,
        }
    }
}

/// A record, borrowed from the bytes of its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) number: u64,
    pub(crate) time: UtcTime,
    pub(crate) id: ContentId,
    pub(crate) kind: Kind,
    pub(crate) content: &'a [u8],
}

/// The head of a record, before its content is known to be whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) content_len: usize,
    pub(crate) number: u64,
    time: UtcTime,
    id: ContentId,
    kind: Kind,
}

impl Header {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&self.ledger);
        out.extend_from_slice(&self.first.to_le_bytes());
        out.extend_from_slice(&self.begun.as_nanos().to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        push_checksum(out, start);
    }

    /// The header at the beginning of a segment, if it is whole.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let checked = with_checksum(bytes.get(..HEADER_LEN)?)?;
        let mut fields = Fields(checked);
        (fields.take::<8>()? == *MAGIC).then_some(())?;
        Some(Self {
            ledger: fields.take()?,
            first: fields.number()?,
            begun: UtcTime::from_nanos(fields.number()?),
        })
    }
}

impl Record<'_> {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(MARK);
        out.extend_from_slice(&(self.content.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.time.as_nanos().to_le_bytes());
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&[self.kind.byte(), 0, 0, 0]);
        push_checksum(out, start);
        out.extend_from_slice(self.content);
        push_checksum(out, start);
    }

    /// Length of a record with this content.
    pub(crate) const fn written_len(content: usize) -> usize {
        HEAD_LEN + content + TAIL_LEN
    }
}

impl Head {
    /// The head at the beginning of these bytes, if it is whole.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let checked = with_checksum(bytes.get(..HEAD_LEN)?)?;
        let mut fields = Fields(checked);
        (fields.take::<4>()? == *MARK).then_some(())?;
        let content_len = u32::from_le_bytes(fields.take()?) as usize;
        let (number, time) = (fields.number()?, UtcTime::from_nanos(fields.number()?));
        let id = fields.take()?;
        let [kind, zeros @ ..] = fields.take::<4>()?;
        let is_sane = content_len <= LARGEST_CONTENT && zeros == [0; 3];
        let kind = Kind::of(kind).filter(|_| is_sane)?;
        Some(Self { content_len, number, time, id, kind })
    }

    pub(crate) fn record_len(&self) -> usize {
        Record::written_len(self.content_len)
    }

    /// The whole record, if its content is undamaged. `bytes` begin with the head.
    pub(crate) fn record<'a>(&self, bytes: &'a [u8]) -> Option<Record<'a>> {
        let checked = with_checksum(bytes.get(..self.record_len())?)?;
        let Self { number, time, id, kind, .. } = *self;
        Some(Record { number, time, id, kind, content: checked.get(HEAD_LEN..)? })
    }
}

fn push_checksum(out: &mut Vec<u8>, start: usize) {
    let checksum = crc32fast::hash(out.get(start..).unwrap_or_default());
    out.extend_from_slice(&checksum.to_le_bytes());
}

/// The bytes before a checksum at the end, if it is theirs.
fn with_checksum(bytes: &[u8]) -> Option<&[u8]> {
    let (checked, checksum) = bytes.split_last_chunk::<4>()?;
    (crc32fast::hash(checked) == u32::from_le_bytes(*checksum)).then_some(checked)
}

/// Takes fields off the front.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}
