//! The bytes of an archive.
//!
//! ```text
//! "RFIDARC1"
//! length of the head   u32, little-endian
//! head                 JSON: what it holds, in clear
//! once and again:
//!   length of a portion  u32, little-endian
//!   portion              sealed under the master secret (crate::seal), its place being the SHA-256 of the
//!                        head, its count, and whether it is the last
//! ```
//!
//! In a portion, compressed by zlib, are records that follow each other: time in nanoseconds (u64), length
//! (u32), bytes. So none can be left out, moved, or put in from another archive, and none be read without the
//! secret. Version and format are the first eight bytes; others are refused.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use rfid_core::{Error, ErrorKind, Result, UtcTime};
use rfid_ledger::Content;
use sha2::{Digest, Sha256};

use super::{Contents, damaged};
use crate::audit::Hash;
use crate::randomness::Randomness;
use crate::seal::Keys;

const MAGIC: &[u8; 8] = b"RFIDARC1";
/// The same of every version.
const FAMILY: &[u8; 7] = b"RFIDARC";
/// Longest head.
pub(super) const MOST_HEAD: usize = 64 * 1024;
/// A portion is ended when it has so many bytes.
const PORTION: usize = 256 * 1024;
/// Longest record, which is that of a ledger.
const MOST_RECORD: usize = 1024 * 1024;
const RECORD_HEAD: usize = 12;
/// Longest portion, before it is compressed and after.
const MOST_PLAIN: usize = PORTION + MOST_RECORD + RECORD_HEAD;
const MOST_SEALED: usize = MOST_PLAIN + 64 * 1024;

/// A record and when it was written.
pub type Timed = (UtcTime, Vec<u8>);

/// The place of a portion, to which it is sealed.
fn place(head: &[u8; 32], count: u64, is_last: bool) -> Vec<u8> {
    let mut at = b"audit archive ".to_vec();
    at.extend_from_slice(head);
    at.extend_from_slice(&count.to_le_bytes());
    at.push(u8::from(is_last));
    at
}

/// Writes an archive.
pub(super) struct ArchiveWriter<'a, W> {
    out: W,
    keys: &'a Keys,
    randomness: &'a dyn Randomness,
    head: [u8; 32],
    count: u64,
    plain: Vec<u8>,
    written: Sha256,
    bytes: u64,
}

impl<'a, W: Write> ArchiveWriter<'a, W> {
    pub(super) fn new(
        out: W,
        contents: &Contents,
        keys: &'a Keys,
        randomness: &'a dyn Randomness,
    ) -> Result<Self> {
        let head = serde_json::to_vec(contents)
            .map_err(|error| Error::new(ErrorKind::Internal, "archive").with_source(error))?;
        let hashed = Sha256::digest(&head).into();
        let mut writer = Self {
            out,
            keys,
            randomness,
            head: hashed,
            count: 0,
            plain: Vec::new(),
            written: Sha256::new(),
            bytes: 0,
        };
        writer.put(MAGIC)?;
        writer.put_counted(&head)?;
        Ok(writer)
    }

    pub(super) fn add(&mut self, time: UtcTime, record: &[u8]) -> Result<()> {
        let len = u32::try_from(record.len()).ok().filter(|_| record.len() <= MOST_RECORD);
        let len = len.ok_or_else(|| damaged("a record is longer than any can be"))?;
        if self.plain.len() >= PORTION {
            self.portion(false)?;
        }
        self.plain.extend_from_slice(&time.as_nanos().to_le_bytes());
        self.plain.extend_from_slice(&len.to_le_bytes());
        self.plain.extend_from_slice(record);
        Ok(())
    }

    /// Ends it. Returns what it was written to, its length and its SHA-256.
    pub(super) fn end(mut self) -> Result<(W, u64, Hash)> {
        self.portion(true)?;
        self.out.flush().map_err(failed)?;
        Ok((self.out, self.bytes, Hash::from_bytes(self.written.finalize().into())))
    }

    fn portion(&mut self, is_last: bool) -> Result<()> {
        let mut packing = ZlibEncoder::new(Vec::new(), Compression::default());
        let packed = packing.write_all(&self.plain).and_then(|()| packing.finish()).map_err(failed)?;
        self.plain.clear();
        let sealed = self.keys.seal(&place(&self.head, self.count, is_last), &packed, self.randomness)?;
        self.count += 1;
        self.put_counted(&sealed)
    }

    fn put_counted(&mut self, bytes: &[u8]) -> Result<()> {
        let len = u32::try_from(bytes.len()).map_err(|_| damaged("a portion is too long"))?;
        self.put(&len.to_le_bytes())?;
        self.put(bytes)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.written.update(bytes);
        self.bytes += bytes.len() as u64;
        self.out.write_all(bytes).map_err(failed)
    }
}

fn failed(error: io::Error) -> Error {
    Error::new(ErrorKind::Io, "archive").with_source(error)
}

/// Reads an archive, whoever may have written it.
pub struct ArchiveReader<R> {
    input: R,
    contents: Contents,
    head: [u8; 32],
    seen: Sha256,
    bytes: u64,
    /// The portion that comes next: which one is the last is known when nothing comes behind it.
    coming: Option<Vec<u8>>,
    count: u64,
    /// Number of the next record.
    next: u64,
    ready: VecDeque<Timed>,
}

impl<R: Read> ArchiveReader<R> {
    /// Reads what it says of itself. Blocks.
    ///
    /// # Errors
    /// `Damaged` where this is no archive; `Unsupported` for one of another version; `Io`.
    pub fn new(input: R) -> Result<Self> {
        let mut reader = Self {
            input,
            // Until the head is read.
            contents: Contents::nothing(),
            head: [0; 32],
            seen: Sha256::new(),
            bytes: 0,
            coming: None,
            count: 0,
            next: 0,
            ready: VecDeque::new(),
        };
        let mut magic = [0; MAGIC.len()];
        if reader.fill(&mut magic)? < magic.len() || !magic.starts_with(FAMILY) {
            return Err(damaged("this is no archive of an audit trail"));
        }
        if magic != *MAGIC {
            let detail = "this archive is of another version; use the version that made it, or a newer one";
            return Err(Error::new(ErrorKind::Unsupported, "archive").with_detail(detail));
        }
        let head = reader.counted(MOST_HEAD)?.ok_or_else(|| damaged("the archive ends in its head"))?;
        reader.head = Sha256::digest(&head).into();
        reader.contents = serde_json::from_slice(&head)
            .map_err(|_| damaged("what the archive says of itself cannot be read"))?;
        let Contents { first, last, .. } = reader.contents;
        if first == 0 || last < first || last == u64::MAX {
            return Err(damaged("the archive says that it holds nothing"));
        }
        reader.next = first;
        reader.coming = reader.counted(MOST_SEALED)?;
        Ok(reader)
    }

    /// What it says that it holds: sealed together with the records, so true where one of them can be read.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// The next record; nothing behind the last. Blocks.
    ///
    /// # Errors
    /// `Damaged` where it is not what was written; `Denied` where it was sealed under a master secret that is
    /// not at hand; `Io`.
    pub fn next_record(&mut self, keys: &Keys) -> Result<Option<Content>> {
        while self.ready.is_empty() {
            let Some(sealed) = self.coming.take() else {
                if self.next != self.contents.last + 1 {
                    return Err(damaged("the archive ends before its last record"));
                }
                return Ok(None);
            };
            self.coming = self.counted(MOST_SEALED)?;
            let place = place(&self.head, self.count, self.coming.is_none());
            self.count += 1;
            let plain = keys.open(&place, &sealed).map_err(|error| match error.kind() {
                ErrorKind::Damaged => {
                    damaged(format!("portion {} of the archive is not what was written", self.count))
                }
                _ => error,
            })?;
            self.ready = unpack(&plain)?.into();
        }
        let Some((time, bytes)) = self.ready.pop_front() else { return Ok(None) };
        if self.next > self.contents.last {
            return Err(damaged("the archive goes on behind its last record"));
        }
        let number = self.next;
        self.next += 1;
        Ok(Some(Content { number, time, id: [0; 16], bytes }))
    }

    /// Length and SHA-256 of the file, of which what was not read yet is passed over. Blocks.
    ///
    /// # Errors
    /// `Io`.
    pub fn sum(mut self) -> Result<(u64, Hash)> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match self.fill(&mut buffer)? {
                0 => return Ok((self.bytes, Hash::from_bytes(self.seen.finalize().into()))),
                _ => continue,
            }
        }
    }

    /// Bytes with their length before them; nothing at the end of the file.
    fn counted(&mut self, most: usize) -> Result<Option<Vec<u8>>> {
        let mut len = [0; 4];
        match self.fill(&mut len)? {
            0 => return Ok(None),
            4 => {}
            _ => return Err(damaged("the archive ends in the middle")),
        }
        let len = usize::try_from(u32::from_le_bytes(len)).unwrap_or(usize::MAX);
        if len > most {
            return Err(damaged("a portion of the archive is longer than any can be"));
        }
        let mut bytes = vec![0; len];
        if self.fill(&mut bytes)? < len {
            return Err(damaged("the archive ends in the middle"));
        }
        Ok(Some(bytes))
    }

    /// Fills a buffer, less of it at the end alone.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.input.read(rest) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let read = buffer.get(..filled).unwrap_or_default();
        self.seen.update(read);
        self.bytes += read.len() as u64;
        Ok(filled)
    }
}

/// What was put into a portion before it was sealed: records in their order, each with its time. Whoever has
/// the master secret can seal anything, so this, too, may be anything.
///
/// # Errors
/// `Damaged`.
pub fn unpack(packed: &[u8]) -> Result<Vec<Timed>> {
    let mut plain = Vec::new();
    let most = MOST_PLAIN as u64;
    let unpacked = ZlibDecoder::new(packed).take(most + 1).read_to_end(&mut plain);
    if unpacked.is_err() || plain.len() > MOST_PLAIN {
        return Err(damaged("a portion of the archive cannot be unpacked"));
    }
    let mut records = Vec::new();
    let mut rest = plain.as_slice();
    while !rest.is_empty() {
        let (record, behind) =
            record(rest).ok_or_else(|| damaged("a portion of the archive ends in a record"))?;
        records.push(record);
        rest = behind;
    }
    Ok(records)
}

/// The first record of a portion, and what follows.
fn record(bytes: &[u8]) -> Option<(Timed, &[u8])> {
    let (time, rest) = bytes.split_first_chunk::<8>()?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let len = usize::try_from(u32::from_le_bytes(*len)).ok().filter(|len| *len <= MOST_RECORD)?;
    let (record, rest) = rest.split_at_checked(len)?;
    Some(((UtcTime::from_nanos(u64::from_le_bytes(*time)), record.to_vec()), rest))
}

impl Contents {
    fn nothing() -> Self {
        Self {
            trail: String::new(),
            id: String::new(),
            previous: None,
            first: 0,
            last: 0,
            from: UtcTime::default(),
            until: UtcTime::default(),
            before: Hash::NONE,
            hash: Hash::NONE,
            made_at: UtcTime::default(),
        }
    }
}
