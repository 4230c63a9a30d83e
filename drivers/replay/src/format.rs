//! The bytes of a recording. No I/O.
//!
//! A recording begins with a header:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `RFIDRCRD` |
//! | 4 | version of the format: 2 where a driver's batches are kept ([`Header::kept`]), else 1 |
//! | 4 | length of the next part |
//! | | [`Header`] as JSON |
//! | 4 | CRC-32 of the bytes before |
//!
//! Moments follow:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | length of the next four parts |
//! | 1 | kind |
//! | 8 | when, on the monotonic clock of the host, nanoseconds |
//! | 8 | when, nanoseconds since 1970 |
//! | | content |
//! | 4 | CRC-32 of the bytes before, from the length on |
//!
//! | kind | what | content |
//! |---|---|---|
//! | 1 | a connection was made | |
//! | 2 | received | the bytes |
//! | 3 | sent | the bytes |
//! | 4 | the driver asked for the time | 8: nanoseconds since the connection was made |
//! | 5 | the inventory runs | 4: reads that fit the buffer |
//! | 6 | a read returned | 4: reads that it had |
//! | 7 | the session is over | 16: since when nobody listened, both clocks |
//! | 8 | the recording was ended | why, as text |
//! | 9 | in place of 6: the driver delivered a batch | see below |
//! | 10 | in place of 5: the inventory runs | what the driver found out about the reader, as JSON |
//!
//! Kinds 9 and 10 are new in version 2. A batch:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | reads known to be lost before it |
//! | 1 | whether it has the next part (1) and the one behind (2) |
//! | 1 | which antennas listen now: 0 none, 1 all, 2 these: 2 bytes how many, 2 each |
//! | 2 | how many inputs there are; 2 each: pin, and 1 where its level is high |
//! | 4 | reads |
//!
//! And each of its reads:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | kind of id, 1 to 5, as on the plugin boundary |
//! | 1 | length of the id, 1 to 62 |
//! | | the id |
//! | 1 | check failed (1), has a PC word (2), proved authentic (4) or not (8), made its id up (16) |
//! | 1 | air protocol, 1 to 6, as on the plugin boundary; 0: unknown |
//! | 2 | antenna port; 0: unknown |
//! | 4 | frequency in kHz; 0: unknown |
//! | 2 | signal strength in hundredths of a dBm; -32768: unknown |
//! | 2 | phase, a turn is 4096; 65535: unknown |
//! | 2 | sightings that it stands for, at least 1 |
//! | 2 | PC word |
//! | 8 | the reader's own time, nanoseconds since 1970; 0: unknown |
//!
//! Numbers are little-endian. A recording may end anywhere: what is no whole moment at its end
//! was being written when the writing stopped.

use std::fmt;
use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use rfid_core::recording::{Happened, Kept, Moment};
use rfid_core::{Stamp, UtcTime};
use serde::{Deserialize, Serialize};

use crate::delivered;

const MAGIC: &[u8; 8] = b"RFIDRCRD";
/// Recordings of bytes are still written as the first version, for those who know no other.
const OF_BYTES: u32 = 1;
const OF_BATCHES: u32 = 2;
/// Magic, version and length.
const PREFIX: usize = 16;
const LARGEST_HEADER: usize = 256 * 1024;
/// Largest content of a moment. No driver receives or sends more at once.
const LARGEST_CONTENT: usize = 1024 * 1024;
/// Kind and both times.
const HEAD: usize = 17;
const CHECKSUM: usize = 4;

/// What a recording says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The driver that spoke with the reader.
    pub driver: String,
    /// Name of the reader.
    pub reader: String,
    /// The driver's options, secrets masked.
    pub options: serde_json::Value,
    /// Antenna ports that the driver was told to listen on; empty for all.
    pub antenna_ports: Vec<u16>,
    /// Version of the host.
    pub host_version: String,
    /// When the host's monotonic clock stood at zero: recordings that agree on it have one clock.
    pub clock_began: UtcTime,
    /// What was kept; bytes where nothing is said.
    #[serde(default)]
    pub kept: Kept,
}

impl Header {
    /// Adds the header's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        // Text and numbers always become JSON.
        let json = serde_json::to_vec(self).unwrap_or_default();
        out.extend_from_slice(MAGIC);
        out.put_u32_le(match self.kept {
            Kept::Bytes => OF_BYTES,
            Kept::Delivered => OF_BATCHES,
        });
        out.put_u32_le(u32::try_from(json.len()).unwrap_or(u32::MAX));
        out.extend_from_slice(&json);
        put_checksum(out, start);
    }
}

/// Adds a moment's bytes.
pub fn encode(moment: &Moment, out: &mut Vec<u8>) {
    let at = moment.at;
    match &moment.what {
        Happened::Connected => put(at, 1, &[], out),
        Happened::Received(bytes) => put_pieces(at, 2, bytes, out),
        Happened::Sent(bytes) => put_pieces(at, 3, bytes, out),
        Happened::Asked(since) => put(at, 4, &nanos(*since).to_le_bytes(), out),
        Happened::Up { capacity } => put(at, 5, &capacity.to_le_bytes(), out),
        Happened::Read { reads } => put(at, 6, &reads.to_le_bytes(), out),
        Happened::Down { since } => {
            let mut content = Vec::new();
            put_stamp(*since, &mut content);
            put(at, 7, &content, out);
        }
        Happened::Ended(why) => {
            put(at, 8, why.as_bytes().get(..LARGEST_CONTENT).unwrap_or(why.as_bytes()), out)
        }
        Happened::Delivered(batch) => {
            let (mut from, mut content) = (0, Vec::new());
            loop {
                content.clear();
                from = delivered::put_batch(batch, from, &mut content);
                put(at, 9, &content, out);
                if from >= batch.len() {
                    break;
                }
            }
        }
        Happened::Reading(info) => {
            let mut content = Vec::new();
            delivered::put_info(info, &mut content);
            put(at, 10, &content, out);
        }
    }
}

/// Bytes in pieces that a moment can hold; none are one piece.
fn put_pieces(at: Stamp, kind: u8, bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.is_empty() {
        put(at, kind, bytes, out);
    }
    bytes.chunks(LARGEST_CONTENT).for_each(|piece| put(at, kind, piece, out));
}

fn put(at: Stamp, kind: u8, content: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.put_u32_le((HEAD + content.len()) as u32);
    out.put_u8(kind);
    put_stamp(at, out);
    out.extend_from_slice(content);
    put_checksum(out, start);
}

fn put_stamp(at: Stamp, out: &mut Vec<u8>) {
    out.put_u64_le(nanos(at.monotonic));
    out.put_u64_le(at.utc.as_nanos());
}

fn put_checksum(out: &mut Vec<u8>, start: usize) {
    let checksum = crc32fast::hash(out.get(start..).unwrap_or_default());
    out.put_u32_le(checksum);
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Why bytes are no recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// They do not begin as one.
    NotARecording,
    /// They are of another version of the format.
    Version(u32),
    /// They are damaged from this byte on.
    Damaged(u64),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotARecording => f.write_str("this is no recording of a reader"),
            Self::Version(version) => {
                write!(
                    f,
                    "this recording has version {version} of the format, and this build reads {OF_BYTES} to {OF_BATCHES}"
                )
            }
            Self::Damaged(at) => write!(f, "the recording is damaged at byte {at}"),
        }
    }
}

impl std::error::Error for Fault {}

/// Takes a recording apart, however its bytes are split.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: BytesMut,
    /// Bytes taken so far.
    taken: u64,
}

impl Decoder {
    /// Adds bytes that come next.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Room to read the next bytes into.
    pub fn space(&mut self, room: usize) -> &mut BytesMut {
        self.bytes.reserve(room);
        &mut self.bytes
    }

    /// Where in the recording the next part begins.
    pub fn position(&self) -> u64 {
        self.taken
    }

    /// Bytes that are there and no whole part yet. At the end of a file: what was being written
    /// when the writing stopped.
    pub fn unfinished(&self) -> usize {
        self.bytes.len()
    }

    /// The header, which comes first; nothing while it is not whole.
    ///
    /// # Errors
    /// When this is no recording that can be read.
    pub fn header(&mut self) -> Result<Option<Header>, Fault> {
        let start = self.bytes.get(..MAGIC.len().min(self.bytes.len())).unwrap_or_default();
        if !MAGIC.starts_with(start) {
            return Err(Fault::NotARecording);
        }
        let Some(mut prefix) = self.bytes.get(MAGIC.len()..PREFIX) else { return Ok(None) };
        let (version, length) = (prefix.get_u32_le(), prefix.get_u32_le() as usize);
        if !(OF_BYTES..=OF_BATCHES).contains(&version) {
            return Err(Fault::Version(version));
        }
        if length > LARGEST_HEADER {
            return Err(Fault::Damaged(self.taken));
        }
        let Some(header) = self.checked(PREFIX + length)? else { return Ok(None) };
        let json = header.get(PREFIX..).unwrap_or_default();
        serde_json::from_slice(json).map(Some).map_err(|_| Fault::Damaged(PREFIX as u64))
    }

    /// The next moment; nothing while it is not whole.
    ///
    /// # Errors
    /// When the recording is damaged here. What comes behind is not looked for.
    pub fn moment(&mut self) -> Result<Option<Moment>, Fault> {
        let Some(mut length) = self.bytes.get(..4) else { return Ok(None) };
        let length = length.get_u32_le() as usize;
        let place = self.taken;
        if !(HEAD..=HEAD + LARGEST_CONTENT).contains(&length) {
            return Err(Fault::Damaged(place));
        }
        let Some(bytes) = self.checked(4 + length)? else { return Ok(None) };
        moment(bytes.get(4..).unwrap_or_default()).map(Some).ok_or(Fault::Damaged(place))
    }

    /// Takes this many bytes and their checksum behind them.
    fn checked(&mut self, length: usize) -> Result<Option<BytesMut>, Fault> {
        let Some(mut checksum) = self.bytes.get(length..length + CHECKSUM) else { return Ok(None) };
        let checksum = checksum.get_u32_le();
        if crc32fast::hash(self.bytes.get(..length).unwrap_or_default()) != checksum {
            return Err(Fault::Damaged(self.taken));
        }
        let bytes = self.bytes.split_to(length);
        self.bytes.advance(CHECKSUM);
        self.taken += (length + CHECKSUM) as u64;
        Ok(Some(bytes))
    }
}

/// A moment out of kind, times and content.
fn moment(mut bytes: &[u8]) -> Option<Moment> {
    let kind = bytes.try_get_u8().ok()?;
    let at = stamp(&mut bytes)?;
    let what = match kind {
        1 => Happened::Connected,
        2 => Happened::Received(std::mem::take(&mut bytes).into()),
        3 => Happened::Sent(std::mem::take(&mut bytes).into()),
        4 => Happened::Asked(Duration::from_nanos(bytes.try_get_u64_le().ok()?)),
        5 => Happened::Up { capacity: bytes.try_get_u32_le().ok()? },
        6 => Happened::Read { reads: bytes.try_get_u32_le().ok()? },
        7 => Happened::Down { since: stamp(&mut bytes)? },
        8 => Happened::Ended(String::from_utf8_lossy(std::mem::take(&mut bytes)).into_owned()),
        9 => Happened::Delivered(Box::new(delivered::batch(&mut bytes)?)),
        10 => Happened::Reading(Box::new(delivered::info(&mut bytes)?)),
        _ => return None,
    };
    bytes.is_empty().then_some(Moment { at, what })
}

fn stamp(bytes: &mut &[u8]) -> Option<Stamp> {
    let monotonic = Duration::from_nanos(bytes.try_get_u64_le().ok()?);
    Some(Stamp { monotonic, utc: UtcTime::from_nanos(bytes.try_get_u64_le().ok()?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivered::tests::{batches, infos};
    use proptest::prelude::*;

    fn header() -> Header {
        Header {
            driver: "mercury4".to_owned(),
            reader: "door".to_owned(),
            options: serde_json::json!({ "address": "192.168.10.20" }),
            antenna_ports: vec![1, 2],
            host_version: "0.1.0".to_owned(),
            clock_began: UtcTime::from_nanos(1_795_476_657_000_000_000),
            kept: Kept::Bytes,
        }
    }

    fn stamps() -> impl Strategy<Value = Stamp> {
        (any::<u64>(), any::<u64>()).prop_map(|(monotonic, utc)| Stamp {
            monotonic: Duration::from_nanos(monotonic),
            utc: UtcTime::from_nanos(utc),
        })
    }

    fn moments() -> impl Strategy<Value = Moment> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..40).prop_map(Vec::into_boxed_slice);
        let what = prop_oneof![
            Just(Happened::Connected),
            bytes().prop_map(Happened::Received),
            bytes().prop_map(Happened::Sent),
            any::<u64>().prop_map(|since| Happened::Asked(Duration::from_nanos(since))),
            any::<u32>().prop_map(|capacity| Happened::Up { capacity }),
            any::<u32>().prop_map(|reads| Happened::Read { reads }),
            stamps().prop_map(|since| Happened::Down { since }),
            ".{0,20}".prop_map(Happened::Ended),
            batches().prop_map(|batch| Happened::Delivered(Box::new(batch))),
            infos().prop_map(|info| Happened::Reading(Box::new(info))),
        ];
        (stamps(), what).prop_map(|(at, what)| Moment { at, what })
    }

    /// Everything that bytes hold when they come in pieces of this length, and what is left over.
    fn decoded(bytes: &[u8], piece: usize) -> (Result<Vec<Moment>, Fault>, usize) {
        let mut decoder = Decoder::default();
        let (mut found, mut begun) = (Vec::new(), false);
        for piece in bytes.chunks(piece) {
            decoder.push(piece);
            loop {
                let next = if begun {
                    decoder.moment().map(|moment| moment.map(|moment| found.push(moment)))
                } else {
                    decoder.header().map(|header| header.map(|_| begun = true))
                };
                match next {
                    Ok(Some(())) => {}
                    Ok(None) => break,
                    Err(fault) => return (Err(fault), decoder.unfinished()),
                }
            }
        }
        (Ok(found), decoder.unfinished())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_a_torn_tail_is_known(
            moments in prop::collection::vec(moments(), 0..8), piece in 1usize..64, cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = Vec::new();
            header().encode(&mut bytes);
            let mut ends = vec![bytes.len()];
            for moment in &moments {
                encode(moment, &mut bytes);
                ends.push(bytes.len());
            }
            prop_assert_eq!(decoded(&bytes, piece), (Ok(moments.clone()), 0));
            let cut = cut.index(bytes.len() + 1);
            let whole = ends.iter().rposition(|end| *end <= cut);
            let expected = whole.map_or_else(Vec::new, |whole| moments[..whole].to_vec());
            let rest = cut - whole.map_or(0, |whole| ends[whole]);
            prop_assert_eq!(decoded(&bytes[..cut], piece), (Ok(expected), rest));
        }

        #[test]
        fn a_flipped_bit_is_noticed(
            moments in prop::collection::vec(moments(), 1..4), place in any::<prop::sample::Index>(), bit in 0u32..8,
        ) {
            let mut bytes = Vec::new();
            header().encode(&mut bytes);
            moments.iter().for_each(|moment| encode(moment, &mut bytes));
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            let (found, rest) = decoded(&bytes, bytes.len());
            prop_assert!(found.is_err() || rest > 0, "{found:?}");
        }
    }

    #[test]
    fn another_file_and_another_version_are_told_apart() {
        assert_eq!(decoded(b"[host]\nname", 64).0, Err(Fault::NotARecording));
        let mut bytes = Vec::new();
        header().encode(&mut bytes);
        for version in [0, 3] {
            bytes[8] = version;
            assert_eq!(decoded(&bytes, 64).0, Err(Fault::Version(version.into())));
        }
    }

    #[test]
    fn whoever_knows_the_first_version_alone_reads_recordings_of_bytes_and_refuses_others() {
        for (kept, version) in [(Kept::Bytes, 1), (Kept::Delivered, 2)] {
            let (mut bytes, mut decoder) = (Vec::new(), Decoder::default());
            Header { kept, ..header() }.encode(&mut bytes);
            assert_eq!(bytes[8..12], [version, 0, 0, 0]);
            decoder.push(&bytes);
            assert_eq!(decoder.header().unwrap().map(|header| header.kept), Some(kept));
        }
    }

    #[test]
    fn a_header_that_does_not_say_what_was_kept_is_of_bytes() {
        let mut json = serde_json::to_value(header()).unwrap();
        json.as_object_mut().unwrap().remove("kept");
        assert_eq!(serde_json::from_value::<Header>(json).unwrap(), header());
    }
}
