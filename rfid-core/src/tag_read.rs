//! One observation of one tag, in one cache line.

use crate::air_protocol::AirProtocol;
use crate::clock::UtcTime;
use crate::tag_id::TagIdKind;

/// One sighting of a tag by an antenna: 64 bytes, `Copy`, without a heap allocation.
///
/// The layout is that of the plugin boundary, so a batch crosses it without being copied field
/// by field. Ids of up to [`TagRead::INLINE_ID`] bytes stand in the record; a longer one stands
/// in the batch's side area, so [`ReadBuf::id`](crate::ReadBuf::id) is where an id is read from.
/// What a reader did not report is `None`, never a number with a hidden meaning.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct TagRead {
    reader_time_ns: u64,
    pub(crate) id: [u8; TagRead::INLINE_ID],
    pub(crate) id_len: u8,
    pub(crate) id_kind: u8,
    antenna_port: u16,
    frequency_khz: u32,
    rssi_cdbm: i16,
    phase: u16,
    count: u16,
    pc: u16,
    flags: u8,
    protocol: u8,
    pub(crate) long_id_len: u16,
    pub(crate) long_id_at: u32,
}

const _: () = assert!(size_of::<TagRead>() == 64);

const RSSI_UNKNOWN: i16 = i16::MIN;
const PHASE_UNKNOWN: u16 = u16::MAX;
const FLAG_CHECK_FAILED: u8 = 0b0000_0001;
const FLAG_HAS_PC: u8 = 0b0000_0010;

const FLAG_AUTHENTIC: u8 = 0b0000_0100;
const FLAG_NOT_AUTHENTIC: u8 = 0b0000_1000;
const FLAG_RANDOM_ID: u8 = 0b0001_0000;
const KNOWN_FLAGS: u8 =
    FLAG_CHECK_FAILED | FLAG_HAS_PC | FLAG_AUTHENTIC | FLAG_NOT_AUTHENTIC | FLAG_RANDOM_ID;

impl TagRead {
    /// Longest id in bytes that the record itself holds.
    pub const INLINE_ID: usize = 32;

    #[inline]
    pub(crate) fn blank(kind: TagIdKind) -> Self {
        Self {
            reader_time_ns: 0,
            id: [0; Self::INLINE_ID],
            id_len: 0,
            id_kind: kind as u8,
            antenna_port: 0,
            frequency_khz: 0,
            rssi_cdbm: RSSI_UNKNOWN,
            phase: PHASE_UNKNOWN,
            count: 1,
            pc: 0,
            flags: 0,
            protocol: 0,
            long_id_len: 0,
            long_id_at: 0,
        }
    }

    /// The numbering space of the id.
    #[inline]
    pub fn id_kind(&self) -> TagIdKind {
        TagIdKind::from_number(self.id_kind).unwrap_or(TagIdKind::Epc)
    }

    /// The reader's own stamp on this sighting. Orders reads within a batch; never decides a
    /// time-out, since readers' clocks are often wrong.
    pub fn reader_time(&self) -> Option<UtcTime> {
        (self.reader_time_ns != 0).then_some(UtcTime::from_nanos(self.reader_time_ns))
    }

    /// Sets the reader's own stamp; the moment 1970-01-01T00:00:00Z counts as none.
    #[inline]
    pub fn set_reader_time(&mut self, time: UtcTime) -> &mut Self {
        self.reader_time_ns = time.as_nanos();
        self
    }

    /// Antenna port, counted from 1 as LLRP does.
    #[inline]
    pub fn antenna_port(&self) -> Option<u16> {
        (self.antenna_port != 0).then_some(self.antenna_port)
    }

    /// Sets the antenna port; 0 means that it is not known.
    #[inline]
    pub fn set_antenna_port(&mut self, port: u16) -> &mut Self {
        self.antenna_port = port;
        self
    }

    /// Air protocol that the tag answered on.
    pub fn protocol(&self) -> Option<AirProtocol> {
        AirProtocol::from_number(self.protocol)
    }

    /// Sets the air protocol.
    #[inline]
    pub fn set_protocol(&mut self, protocol: AirProtocol) -> &mut Self {
        self.protocol = protocol as u8;
        self
    }

    /// Carrier frequency in kHz.
    pub fn frequency_khz(&self) -> Option<u32> {
        (self.frequency_khz != 0).then_some(self.frequency_khz)
    }

    /// Sets the carrier frequency in kHz; 0 means that it is not known.
    #[inline]
    pub fn set_frequency_khz(&mut self, khz: u32) -> &mut Self {
        self.frequency_khz = khz;
        self
    }

    /// Received signal strength in hundredths of a dBm.
    pub fn rssi_cdbm(&self) -> Option<i16> {
        (self.rssi_cdbm != RSSI_UNKNOWN).then_some(self.rssi_cdbm)
    }

    /// Sets the received signal strength in hundredths of a dBm.
    #[inline]
    pub fn set_rssi_cdbm(&mut self, cdbm: i16) -> &mut Self {
        self.rssi_cdbm = cdbm;
        self
    }

    /// Phase of the tag's answer; a full turn is 4096.
    pub fn phase(&self) -> Option<u16> {
        (self.phase != PHASE_UNKNOWN).then_some(self.phase)
    }

    /// Sets the phase; a full turn is 4096.
    pub fn set_phase(&mut self, phase: u16) -> &mut Self {
        self.phase = phase;
        self
    }

    /// How many sightings this record stands for: at least 1.
    #[inline]
    pub fn count(&self) -> u16 {
        self.count
    }

    /// Sets how many sightings this record stands for; 0 counts as 1.
    #[inline]
    pub fn set_count(&mut self, count: u16) -> &mut Self {
        self.count = count.max(1);
        self
    }

    /// The Gen2 protocol control word, if the reader reports it.
    pub fn pc(&self) -> Option<u16> {
        (self.flags & FLAG_HAS_PC != 0).then_some(self.pc)
    }

    /// Sets the Gen2 protocol control word.
    pub fn set_pc(&mut self, pc: u16) -> &mut Self {
        self.pc = pc;
        self.flags |= FLAG_HAS_PC;
        self
    }

    /// Whether the check code that came with the id does not fit it.
    pub fn check_failed(&self) -> bool {
        self.flags & FLAG_CHECK_FAILED != 0
    }

    /// Marks the id as one whose check code does not fit.
    pub fn set_check_failed(&mut self) -> &mut Self {
        self.flags |= FLAG_CHECK_FAILED;
        self
    }

    /// The record as it crosses the plugin boundary, numbers in the machine's byte order.
    ///
    /// An id longer than [`TagRead::INLINE_ID`] is not in it: the length of the id is then 0, and
    /// whoever passes the record on says in the last six bytes where the id is.
    /// [`ReadBuf::push_read`](crate::ReadBuf::push_read) is the way back.
    #[inline]
    pub fn to_bytes(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..8].copy_from_slice(&self.reader_time_ns.to_ne_bytes());
        bytes[8..40].copy_from_slice(&self.id);
        bytes[40] = self.id_len;
        bytes[41] = self.id_kind;
        bytes[42..44].copy_from_slice(&self.antenna_port.to_ne_bytes());
        bytes[44..48].copy_from_slice(&self.frequency_khz.to_ne_bytes());
        bytes[48..50].copy_from_slice(&self.rssi_cdbm.to_ne_bytes());
        bytes[50..52].copy_from_slice(&self.phase.to_ne_bytes());
        bytes[52..54].copy_from_slice(&self.count.to_ne_bytes());
        bytes[54..56].copy_from_slice(&self.pc.to_ne_bytes());
        bytes[56] = self.flags;
        bytes[57] = self.protocol;
        bytes
    }

    /// The record with these bytes, as they are.
    #[cfg(test)]
    pub(crate) fn from_bytes(bytes: &[u8; 64]) -> Self {
        Self {
            reader_time_ns: u64::from_ne_bytes(piece(bytes, 0)),
            id: piece(bytes, 8),
            id_len: bytes[40],
            id_kind: bytes[41],
            antenna_port: u16::from_ne_bytes(piece(bytes, 42)),
            frequency_khz: u32::from_ne_bytes(piece(bytes, 44)),
            rssi_cdbm: i16::from_ne_bytes(piece(bytes, 48)),
            phase: u16::from_ne_bytes(piece(bytes, 50)),
            count: u16::from_ne_bytes(piece(bytes, 52)),
            pc: u16::from_ne_bytes(piece(bytes, 54)),
            flags: bytes[56],
            protocol: bytes[57],
            long_id_len: u16::from_ne_bytes(piece(bytes, 58)),
            long_id_at: u32::from_ne_bytes(piece(bytes, 60)),
        }
    }

    /// Whether everything in it is what this build knows, and nothing lies behind the id.
    #[inline]
    pub(crate) fn is_in_order(&self) -> bool {
        let (low, high) = (u128::from_le_bytes(piece(&self.id, 0)), u128::from_le_bytes(piece(&self.id, 16)));
        let behind = match u32::from(self.id_len) * 8 {
            bits @ 0..128 => (low >> bits) | high,
            bits @ 128..256 => high >> (bits - 128),
            _ => 0,
        };
        behind == 0
            && self.flags & !KNOWN_FLAGS == 0
            && (self.protocol == 0 || AirProtocol::from_number(self.protocol).is_some())
            && self.count > 0
            && self.long_id_len == 0
            && self.long_id_at == 0
    }

    /// The same without what nobody knows; a count of 0 is 1.
    pub(crate) fn in_order(&self) -> Self {
        let mut id = self.id;
        id.iter_mut().skip(self.id_len.into()).for_each(|byte| *byte = 0);
        Self {
            id,
            flags: self.flags & KNOWN_FLAGS,
            protocol: AirProtocol::from_number(self.protocol).map_or(0, |protocol| protocol as u8),
            count: self.count.max(1),
            long_id_len: 0,
            long_id_at: 0,
            ..*self
        }
    }

    /// Whether the tag proved to be the one that its id names; `None` where nobody checked. An id
    /// alone proves nothing.
    #[inline]
    pub fn authentic(&self) -> Option<bool> {
        match self.flags & (FLAG_AUTHENTIC | FLAG_NOT_AUTHENTIC) {
            0 => None,
            flags => Some(flags & FLAG_NOT_AUTHENTIC == 0),
        }
    }

    /// Says whether the tag proved to be the one that its id names.
    pub fn set_authentic(&mut self, authentic: bool) -> &mut Self {
        self.flags &= !(FLAG_AUTHENTIC | FLAG_NOT_AUTHENTIC);
        self.flags |= if authentic { FLAG_AUTHENTIC } else { FLAG_NOT_AUTHENTIC };
        self
    }

    /// Whether the tag made its id up and will answer with another one the next time. Something was
    /// there; the id names nobody, so presence makes no visit of it and nothing is kept of it.
    #[inline]
    pub fn has_random_id(&self) -> bool {
        self.flags & FLAG_RANDOM_ID != 0
    }

    /// Marks the id as one that the tag made up.
    pub fn set_random_id(&mut self) -> &mut Self {
        self.flags |= FLAG_RANDOM_ID;
        self
    }

    /// Takes over everything from another record but the id and where it is stored.
    pub(crate) fn take_values(&mut self, other: &Self) {
        let id = (self.id, self.id_len, self.long_id_len, self.long_id_at);
        *self = *other;
        (self.id, self.id_len, self.long_id_len, self.long_id_at) = id;
    }

    /// Takes in a later sighting of the same tag by the same antenna: counts add up, the
    /// strongest signal stays, a doubt about the tag is not forgotten, everything else is that of
    /// the later one.
    pub(crate) fn absorb(&mut self, later: &Self) {
        let count = self.count.saturating_add(later.count);
        let rssi = self.rssi_cdbm.max(later.rssi_cdbm);
        let proved = self.flags & (FLAG_AUTHENTIC | FLAG_NOT_AUTHENTIC);
        self.take_values(later);
        self.count = count;
        self.rssi_cdbm = rssi;
        self.flags |= proved;
    }
}

/// The bytes of one field, which lies within these.
#[inline]
fn piece<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_reported_is_absent() {
        let read = TagRead::blank(TagIdKind::Epc);
        assert_eq!(read.rssi_cdbm(), None);
        assert_eq!(read.antenna_port(), None);
        assert_eq!(read.frequency_khz(), None);
        assert_eq!(read.phase(), None);
        assert_eq!(read.pc(), None);
        assert_eq!(read.protocol(), None);
        assert_eq!(read.reader_time(), None);
        assert_eq!(read.count(), 1);
    }

    #[test]
    fn bytes_are_those_of_the_plugin_boundary() {
        let mut read = TagRead::blank(TagIdKind::Iso15693Uid);
        read.set_reader_time(UtcTime::from_nanos(0x0102_0304_0506_0708))
            .set_antenna_port(3)
            .set_frequency_khz(902_750)
            .set_rssi_cdbm(-5512)
            .set_phase(4095)
            .set_count(7)
            .set_pc(0x3000)
            .set_check_failed()
            .set_random_id()
            .set_protocol(AirProtocol::Iso15693);
        let bytes = read.to_bytes();
        assert_eq!(bytes[..8], 0x0102_0304_0506_0708_u64.to_ne_bytes());
        assert_eq!((bytes[40], bytes[41]), (0, 3), "no id, and its kind");
        assert_eq!(bytes[42..44], 3_u16.to_ne_bytes());
        assert_eq!(bytes[44..48], 902_750_u32.to_ne_bytes());
        assert_eq!(bytes[48..50], (-5512_i16).to_ne_bytes());
        assert_eq!(bytes[50..52], 4095_u16.to_ne_bytes());
        assert_eq!(bytes[52..54], 7_u16.to_ne_bytes());
        assert_eq!(bytes[54..56], 0x3000_u16.to_ne_bytes());
        assert_eq!((bytes[56], bytes[57]), (0x13, 6));
        assert_eq!(bytes[58..], [0; 6], "where a long id is says whoever passes it on");
    }

    #[test]
    fn absorbing_adds_counts_and_keeps_the_strongest_signal() {
        let mut first = TagRead::blank(TagIdKind::Epc);
        first.set_count(3).set_rssi_cdbm(-5000).set_frequency_khz(902_750);
        let mut second = TagRead::blank(TagIdKind::Epc);
        second.set_count(u16::MAX - 1).set_rssi_cdbm(-6000).set_frequency_khz(903_250);
        first.absorb(&second);
        assert_eq!(first.count(), u16::MAX, "the count stops at its end instead of wrapping");
        assert_eq!(first.rssi_cdbm(), Some(-5000));
        assert_eq!(first.frequency_khz(), Some(903_250));
    }

    #[test]
    fn a_doubt_outlives_a_later_proof() {
        let read = |authentic: Option<bool>| {
            let mut read = TagRead::blank(TagIdKind::Iso14443Uid);
            authentic.map(|authentic| read.set_authentic(authentic));
            assert_eq!(read.authentic(), authentic);
            read
        };
        for (before, later, both) in [
            (None, None, None),
            (Some(true), None, Some(true)),
            (None, Some(true), Some(true)),
            (Some(false), Some(true), Some(false)),
            (Some(true), Some(false), Some(false)),
        ] {
            let mut merged = read(before);
            merged.absorb(&read(later));
            assert_eq!(merged.authentic(), both, "{before:?}, then {later:?}");
        }
    }
}
