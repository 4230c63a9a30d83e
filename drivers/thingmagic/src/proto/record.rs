//! Tag records (§E).

use std::fmt;

use rfid_core::{AirProtocol, ReadBuf, TagIdKind};

/// Which fields a record has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Metadata(pub u16);

impl Metadata {
    /// Read count, signal strength, antenna, frequency, time, phase, protocol: what a
    /// [`TagRead`](rfid_core::TagRead) takes.
    pub const USED: Self = Self(0x007F);

    const READ_COUNT: u16 = 0x0001;
    const RSSI: u16 = 0x0002;
    const ANTENNA: u16 = 0x0004;
    const FREQUENCY: u16 = 0x0008;
    const TIMESTAMP: u16 = 0x0010;
    const PHASE: u16 = 0x0020;
    const PROTOCOL: u16 = 0x0040;
    const DATA: u16 = 0x0080;
    /// GPIO bits, Gen2 Q, link frequency and target: a byte each, the last three of Gen2 tags only.
    const BYTES: [(u16, bool); 4] = [(0x0100, false), (0x0200, true), (0x0400, true), (0x0800, true)];

    fn has(self, field: u16) -> bool {
        self.0 & field != 0
    }
}

/// Protocol codes (§C, 63).
const ISO18000_6B: u8 = 3;
const GEN2: u8 = 5;

/// The module's code of an air protocol.
pub const fn protocol_code(protocol: AirProtocol) -> Option<u8> {
    match protocol {
        AirProtocol::Gen2 => Some(GEN2),
        AirProtocol::Iso18000_6b => Some(ISO18000_6B),
        _ => None,
    }
}

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordFault {
    /// It ends too early.
    TooShort,
    /// The id's length is none that a tag can have.
    IdLength(u16),
}

impl fmt::Display for RecordFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => f.write_str("the record ends too early"),
            Self::IdLength(bits) => write!(f, "no tag has an id of {bits} bits with what is around it"),
        }
    }
}

impl std::error::Error for RecordFault {}

/// Reads one record and adds it to the buffer, which must not be full. Returns what follows it.
///
/// # Errors
/// [`RecordFault`]; the buffer is then as it was.
pub fn decode<'a>(metadata: Metadata, record: &'a [u8], buf: &mut ReadBuf) -> Result<&'a [u8], RecordFault> {
    let mut rest = Rest(record);
    let mut field = |bit: u16, bytes: usize| match metadata.has(bit) {
        true => rest.number(bytes).map(Some),
        false => Ok(None),
    };
    let count = field(Metadata::READ_COUNT, 1)?;
    let rssi = field(Metadata::RSSI, 1)?;
    let antenna = field(Metadata::ANTENNA, 1)?;
    let frequency = field(Metadata::FREQUENCY, 3)?;
    // Counts from the start of the search or the last keep-alive; the host's clock says more.
    let _ = field(Metadata::TIMESTAMP, 4)?;
    let phase = field(Metadata::PHASE, 2)?;
    let protocol = field(Metadata::PROTOCOL, 1)?;
    let is_gen2 = protocol.is_none_or(|code| code == u32::from(GEN2));
    if metadata.has(Metadata::DATA) {
        let bits = rest.number(2)? as usize;
        rest.take(bits.div_ceil(8))?;
    }
    for (bit, of_gen2_only) in Metadata::BYTES {
        if metadata.has(bit) && (is_gen2 || !of_gen2_only) {
            rest.take(1)?;
        }
    }
    let bits = rest.number(2)? as u16;
    let id = rest.take(usize::from(bits).div_ceil(8))?;
    let (pc, id) =
        if is_gen2 { without_words(id) } else { id.split_last_chunk::<2>().map(|(id, _)| (None, id)) }
            .filter(|(_, id)| (1..=rfid_core::TagId::MAX_LEN).contains(&id.len()))
            .ok_or(RecordFault::IdLength(bits))?;
    let kind = if is_gen2 { TagIdKind::Epc } else { TagIdKind::Iso18000_6bUid };
    let Ok(read) = buf.record(kind, id) else { return Ok(rest.0) };
    read.set_protocol(if is_gen2 { AirProtocol::Gen2 } else { AirProtocol::Iso18000_6b });
    if let Some(pc) = pc {
        read.set_pc(pc);
    }
    if let Some(count) = count {
        read.set_count((count as u16).max(1));
    }
    if let Some(rssi) = rssi {
        read.set_rssi_cdbm(i16::from(rssi as u8 as i8) * 100);
    }
    // Transmitting port in the upper half, receiving port in the lower one.
    if let Some(antenna) = antenna {
        read.set_antenna_port((antenna >> 4) as u16);
    }
    if let Some(khz) = frequency {
        read.set_frequency_khz(khz);
    }
    // In degrees from 0 to 180; a whole turn has 4096 steps in a read.
    if let Some(degrees) = phase {
        read.set_phase(((degrees % 360) * 4096 / 360) as u16);
    }
    Ok(rest.0)
}

/// Takes PC word, XPC words and check code off; `None` if nothing is left.
fn without_words(id: &[u8]) -> Option<(Option<u16>, &[u8])> {
    let (pc, rest) = id.split_first_chunk::<2>()?;
    let (rest, _) = rest.split_last_chunk::<2>()?;
    let mut rest = rest;
    if pc[0] & 0x02 != 0 {
        let (xpc, behind) = rest.split_first_chunk::<2>()?;
        rest = behind;
        if xpc[0] & 0x80 != 0 {
            (_, rest) = rest.split_first_chunk::<2>()?;
        }
    }
    Some((Some(u16::from_be_bytes(*pc)), rest))
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], RecordFault> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(RecordFault::TooShort)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self, bytes: usize) -> Result<u32, RecordFault> {
        Ok(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Frames, Reply};
    use proptest::prelude::*;

    /// The frame that SparkFun documents, check code included (§F).
    const DOCUMENTED: [u8; 47] = [
        0xFF, 0x28, 0x22, 0x00, 0x00, 0x10, 0x00, 0x1B, 0x01, 0xFF, 0x01, 0x01, 0xC4, 0x11, 0x0E, 0x16, 0x40,
        0x00, 0x00, 0x01, 0x27, 0x00, 0x00, 0x05, 0x00, 0x00, 0x0F, 0x00, 0x80, 0x30, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x15, 0x45, 0xE9, 0x4A, 0x56, 0x1D,
    ];

    #[test]
    fn the_documented_frame_is_a_read() {
        let mut frames = Frames::default();
        frames.push(&DOCUMENTED);
        let Ok(Some(Reply { opcode: 0x22, status: 0, data })) = frames.next_frame() else { panic!() };
        let mut buf = ReadBuf::with_capacity(1);
        assert_eq!(decode(Metadata(0x01FF), &data[6..], &mut buf), Ok(&[][..]));
        let sighting = buf.iter().next().unwrap();
        assert_eq!(sighting.id.to_owned().hex(), "000000000000000000001545");
        let read = sighting.read;
        assert_eq!((read.count(), read.rssi_cdbm(), read.antenna_port()), (1, Some(-6000), Some(1)));
        assert_eq!((read.frequency_khz(), read.pc()), (Some(923_200), Some(0x3000)));
        assert_eq!(read.protocol(), Some(AirProtocol::Gen2));
    }

    #[test]
    fn xpc_words_and_other_protocols_have_no_part_in_the_id() {
        let mut buf = ReadBuf::with_capacity(2);
        let xpc = [0x00, 0x40, 0x0A, 0x00, 0x80, 0x01, 0x00, 0x02, 0x12, 0x34];
        assert_eq!(
            decode(Metadata(0), &[&xpc[..2], &xpc[2..8], &[0xAB, 0xCD]].concat(), &mut buf),
            Err(RecordFault::IdLength(64))
        );
        let with_epc = [0x00, 0x50, 0x0A, 0x00, 0x80, 0x01, 0x00, 0x02, 0x12, 0x34, 0xAB, 0xCD];
        assert!(decode(Metadata(0), &with_epc, &mut buf).is_ok());
        let b = [0x03, 0x00, 0x50, 0xE0, 0x04, 0x00, 0x00, 0xAA, 0xBB, 0xCC, 0xDD, 0xBA, 0x04, 0x77];
        assert_eq!(decode(Metadata(0x40), &b, &mut buf), Ok(&[0x77][..]));
        let ids: Vec<String> = buf.iter().map(|sighting| sighting.id.to_owned().to_string()).collect();
        assert_eq!(ids, ["epc:1234", "uid6b:E0040000AABBCCDD"]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_a_fault(metadata: u16, bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let mut buf = ReadBuf::with_capacity(1);
            match decode(Metadata(metadata), &bytes, &mut buf) {
                Ok(rest) => prop_assert!(rest.len() < bytes.len() && buf.len() == 1),
                Err(_) => prop_assert!(buf.is_empty()),
            }
        }
    }
}
