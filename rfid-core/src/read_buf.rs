//! The buffer that the host lends to a session, and that then travels the line as a batch.

use std::fmt;

use crate::abilities::PinLevel;
use crate::clock::Stamp;
use crate::listening::Listening;
use crate::tag_id::{TagId, TagIdKind, TagIdRef};
use crate::tag_read::TagRead;

/// A batch of tag reads with a fixed upper limit.
///
/// The host lends it to [`Session::read`](crate::Session::read), which adds reads with
/// [`ReadBuf::record`]. Its memory grows up to the limit once and is then used again and again:
/// in the steady state a read costs no allocation.
///
/// Two are equal when their reads, their losses and what was noticed are, whatever their limits and
/// whenever they were received.
#[derive(Clone, Debug)]
pub struct ReadBuf {
    reads: Vec<TagRead>,
    long_ids: Vec<u8>,
    capacity: usize,
    lost: u64,
    stamps: Stamps,
    /// Boxed, since it is hardly ever there.
    noticed: Option<Box<Noticed>>,
}

/// What a session noticed about its reader besides tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Noticed {
    /// Which antennas are listening from now on.
    pub listening: Option<Listening>,
    /// Since when that is so; since the batch was received if nothing is said.
    pub listening_since: Option<Stamp>,
    /// The levels of all inputs from now on, lowest pin first.
    pub inputs: Option<Vec<PinLevel>>,
}

/// When the reads of a batch were received.
#[derive(Clone, Debug, Default)]
struct Stamps {
    /// Moment at which the whole batch was received.
    received: Stamp,
    /// For a batch of merged reads: the moments of each record's first and last sighting.
    /// Empty otherwise.
    spans: Vec<(Stamp, Stamp)>,
}

/// The buffer holds as many reads as it may; hand it over before adding more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferFull;

/// Why [`ReadBuf::push_read`] did not take a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordFault {
    /// The buffer holds as many reads as it may.
    Full,
    /// There is no id, neither in the record nor beside it.
    NoId,
    /// This many bytes are more than an id in that place can have.
    IdTooLong(usize),
    /// No [`TagIdKind`] has this number.
    UnknownIdKind(u8),
}

impl fmt::Display for RecordFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the buffer is full"),
            Self::NoId => f.write_str("a read has no id"),
            Self::IdTooLong(len) => write!(
                f,
                "an id has {len} bytes; a record holds {}, and {} fit beside it",
                TagRead::INLINE_ID,
                TagId::MAX_LEN
            ),
            Self::UnknownIdKind(number) => write!(f, "{number} is no kind of id"),
        }
    }
}

impl std::error::Error for RecordFault {}

/// One read of a batch, with its id and the host's receive times.
#[derive(Clone, Copy, Debug)]
pub struct Sighting<'a> {
    /// The record.
    pub read: &'a TagRead,
    /// The id, wherever in the batch it is stored.
    pub id: TagIdRef<'a>,
    /// When the first of the sightings that the record stands for was received.
    pub first: Stamp,
    /// When the last of them was received.
    pub last: Stamp,
}

impl ReadBuf {
    /// Usual limit of a batch, in reads.
    pub const DEFAULT_CAPACITY: usize = 256;

    /// An empty buffer that takes up to `capacity` reads (at least one).
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            reads: Vec::new(),
            long_ids: Vec::new(),
            capacity: capacity.max(1),
            lost: 0,
            stamps: Stamps::default(),
            noticed: None,
        }
    }

    /// Adds a read of the tag with this id and returns the record, for the driver to fill in.
    ///
    /// The record starts with a count of 1 and everything else unknown. `id` is 1 to
    /// [`TagId::MAX_LEN`] bytes; what exceeds that is cut off, which a driver prevents by
    /// checking the lengths its protocol announces.
    ///
    /// # Errors
    /// [`BufferFull`] when the limit is reached; the buffer is unchanged.
    #[inline]
    pub fn record(&mut self, kind: TagIdKind, id: &[u8]) -> Result<&mut TagRead, BufferFull> {
        if self.is_full() {
            return Err(BufferFull);
        }
        // Made where it stays: copied in whole behind small writes, it would have to wait for them.
        self.reads.push(TagRead::blank(kind));
        let read = self.reads.last_mut().ok_or(BufferFull)?;
        let id = id.get(..TagId::MAX_LEN).unwrap_or(id);
        if let Some(place) = read.id.get_mut(..id.len()) {
            place.copy_from_slice(id);
            read.id_len = id.len() as u8;
        } else {
            read.long_id_at = self.long_ids.len() as u32;
            read.long_id_len = id.len() as u16;
            self.long_ids.extend_from_slice(id);
        }
        Ok(read)
    }

    /// Adds a record that came over the plugin boundary, where it lies as ours do
    /// ([`TagRead::to_bytes`]). `long_id` is the id of a record that holds none itself (its length there
    /// is 0).
    ///
    /// What nobody knows is left out: flags, protocols, bytes behind the id. A count of 0 is 1.
    ///
    /// # Errors
    /// What makes it no record of a tag; the buffer is unchanged.
    #[inline]
    pub fn push_read(&mut self, record: &TagRead, long_id: Option<&[u8]>) -> Result<(), RecordFault> {
        let kind =
            TagIdKind::from_number(record.id_kind).ok_or(RecordFault::UnknownIdKind(record.id_kind))?;
        let len = usize::from(record.id_len);
        if len == 0 {
            return self.push_beside(kind, record, long_id.unwrap_or_default());
        }
        if len > TagRead::INLINE_ID {
            return Err(RecordFault::IdTooLong(len));
        }
        if self.is_full() {
            return Err(RecordFault::Full);
        }
        // Copied as it is: put together from its parts, it would have to be read back in whole.
        self.reads.push(*record);
        if !record.is_in_order()
            && let Some(read) = self.reads.last_mut()
        {
            *read = read.in_order();
        }
        Ok(())
    }

    /// Adds a record whose id stands beside it.
    fn push_beside(&mut self, kind: TagIdKind, record: &TagRead, id: &[u8]) -> Result<(), RecordFault> {
        match id.len() {
            0 => return Err(RecordFault::NoId),
            1..=TagId::MAX_LEN => {}
            len => return Err(RecordFault::IdTooLong(len)),
        }
        let record = record.in_order();
        self.record(kind, id).map_err(|BufferFull| RecordFault::Full)?.take_values(&record);
        Ok(())
    }

    /// The limit.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Number of reads inside.
    #[inline]
    pub fn len(&self) -> usize {
        self.reads.len()
    }

    /// Whether no read is inside.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.reads.is_empty()
    }

    /// Whether the limit is reached.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.reads.len() >= self.capacity
    }

    /// How many more reads fit.
    pub fn remaining(&self) -> usize {
        self.capacity.saturating_sub(self.reads.len())
    }

    /// Says that the reader or the driver is known to have lost this many reads before those in
    /// the buffer. The host counts and shows it.
    pub fn add_lost(&mut self, reads: u64) {
        self.lost = self.lost.saturating_add(reads);
    }

    /// Reads known to be lost, see [`ReadBuf::add_lost`].
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Says which antennas are listening from now on, where that has changed: presence does not
    /// take for absent whom nobody could hear.
    pub fn notice_listening(&mut self, listening: Listening) {
        self.noticed.get_or_insert_default().listening = Some(listening);
    }

    /// Says the same of an earlier moment, on the host's clock: that is known only to a session
    /// that plays what was recorded on it.
    pub fn notice_listening_since(&mut self, listening: Listening, since: Stamp) {
        self.notice_listening(listening);
        self.noticed.get_or_insert_default().listening_since = Some(since);
    }

    /// Says the levels of all inputs from now on, where one has changed.
    pub fn notice_inputs(&mut self, inputs: Vec<PinLevel>) {
        self.noticed.get_or_insert_default().inputs = Some(inputs);
    }

    /// Whether something besides reads was noticed that nobody has taken yet.
    pub fn has_noticed(&self) -> bool {
        self.noticed.is_some()
    }

    /// What was noticed besides reads and that nobody has taken yet.
    pub fn noticed(&self) -> Option<&Noticed> {
        self.noticed.as_deref()
    }

    /// Takes what was noticed out of the batch. It is for the host and does not travel the line.
    pub fn take_noticed(&mut self) -> Option<Noticed> {
        self.noticed.take().map(|noticed| *noticed)
    }

    /// Moves what another buffer holds, from read number `from` on, into this one as far as it
    /// fits: reads, losses and what was noticed. Returns the number of the first read that is
    /// left.
    pub fn take_from(&mut self, other: &mut Self, from: usize) -> usize {
        let mut taken = from;
        for sighting in other.iter().skip(from) {
            if !self.copy_read(&sighting) {
                break;
            }
            taken += 1;
        }
        self.add_lost(std::mem::take(&mut other.lost));
        if other.noticed.is_some() {
            self.noticed = other.noticed.take();
        }
        taken
    }

    /// Sets when the batch was received. The host does this when `read` returns.
    pub fn set_received(&mut self, now: Stamp) {
        self.stamps.received = now;
    }

    /// When the batch was received by the host.
    pub fn received(&self) -> Stamp {
        self.stamps.received
    }

    /// Removes all reads and keeps the memory.
    pub fn clear(&mut self) {
        self.reads.clear();
        self.long_ids.clear();
        self.stamps.spans.clear();
        self.lost = 0;
        self.noticed = None;
    }

    /// The id of one of this batch's own records.
    #[inline]
    pub fn id<'a>(&'a self, read: &'a TagRead) -> TagIdRef<'a> {
        let bytes = if read.long_id_len == 0 {
            read.id.get(..usize::from(read.id_len))
        } else {
            let at = read.long_id_at as usize;
            self.long_ids.get(at..at + usize::from(read.long_id_len))
        };
        TagIdRef { kind: read.id_kind(), bytes: bytes.unwrap_or_default() }
    }

    /// Up to `most` records from number `from` on, as far as they hold their ids themselves: each is
    /// whole without the rest of the batch.
    pub fn inline_records(&self, from: usize, most: usize) -> &[TagRead] {
        let rest = self.reads.get(from..).unwrap_or_default();
        let rest = rest.get(..most).unwrap_or(rest);
        if self.long_ids.is_empty() {
            return rest;
        }
        let run = rest.iter().take_while(|read| read.long_id_len == 0).count();
        rest.get(..run).unwrap_or_default()
    }

    /// The reads in the order in which the session added them.
    pub fn iter(&self) -> impl Iterator<Item = Sighting<'_>> {
        let received = self.stamps.received;
        self.reads.iter().enumerate().map(move |(index, read)| {
            let (first, last) = self.stamps.spans.get(index).copied().unwrap_or((received, received));
            Sighting { read, id: self.id(read), first, last }
        })
    }

    /// Whether the reads have receive times of their own, because they were merged.
    pub(crate) fn is_merged(&self) -> bool {
        !self.stamps.spans.is_empty()
    }

    /// The records, without ids and times.
    pub(crate) fn reads(&self) -> &[TagRead] {
        &self.reads
    }

    /// Adds copies of all reads of another batch that fit, and its losses.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        for sighting in other.iter() {
            self.copy_read(&sighting);
        }
        self.lost = other.lost;
        self.stamps.received = other.stamps.received;
    }

    /// Adds a copy of another batch's read that keeps its own receive times.
    pub(crate) fn merge_in(&mut self, sighting: &Sighting<'_>) {
        if self.copy_read(sighting) {
            self.stamps.spans.push((sighting.first, sighting.last));
        }
    }

    /// Adds a later sighting to record number `index`, which came by [`ReadBuf::merge_in`].
    pub(crate) fn absorb(&mut self, index: usize, sighting: &Sighting<'_>) {
        if let (Some(read), Some(span)) = (self.reads.get_mut(index), self.stamps.spans.get_mut(index)) {
            read.absorb(sighting.read);
            span.1 = sighting.last;
        }
    }

    /// Record number `index` and its id.
    pub fn get(&self, index: usize) -> Option<(&TagRead, TagIdRef<'_>)> {
        self.reads.get(index).map(|read| (read, self.id(read)))
    }

    fn copy_read(&mut self, sighting: &Sighting<'_>) -> bool {
        let Ok(copy) = self.record(sighting.id.kind, sighting.id.bytes) else { return false };
        copy.take_values(sighting.read);
        true
    }
}

impl PartialEq for ReadBuf {
    fn eq(&self, other: &Self) -> bool {
        self.lost == other.lost
            && self.noticed == other.noticed
            && self.len() == other.len()
            && self
                .iter()
                .zip(other.iter())
                .all(|(ours, theirs)| ours.id == theirs.id && ours.read.to_bytes() == theirs.read.to_bytes())
    }
}

impl Eq for ReadBuf {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::air_protocol::AirProtocol;
    use crate::clock::UtcTime;
    use proptest::prelude::*;

    /// Adds a record as it crosses the plugin boundary.
    fn push_record(buf: &mut ReadBuf, record: &[u8; 64], long_id: Option<&[u8]>) -> Result<(), RecordFault> {
        buf.push_read(&TagRead::from_bytes(record), long_id)
    }

    /// The records of a buffer and their ids where they are long, as a plugin hands them over.
    fn across(buf: &ReadBuf) -> Vec<([u8; 64], Option<Vec<u8>>)> {
        let long = |id: &[u8]| (id.len() > TagRead::INLINE_ID).then(|| id.to_vec());
        buf.iter().map(|sighting| (sighting.read.to_bytes(), long(sighting.id.bytes))).collect()
    }

    #[test]
    fn long_ids_are_kept_beside_the_records() {
        let mut buf = ReadBuf::with_capacity(4);
        let long: Vec<u8> = (0..62).collect();
        buf.record(TagIdKind::Epc, &[1, 2]).unwrap().set_antenna_port(1);
        buf.record(TagIdKind::Epc, &long).unwrap().set_antenna_port(2);
        buf.record(TagIdKind::Epc, &[3; 32]).unwrap();
        let ids: Vec<Vec<u8>> = buf.iter().map(|sighting| sighting.id.bytes.to_vec()).collect();
        assert_eq!(ids, [vec![1, 2], long, vec![3; 32]]);
    }

    #[test]
    fn records_that_hold_their_ids_come_up_to_the_next_that_does_not() {
        let mut buf = ReadBuf::with_capacity(8);
        let run = |buf: &ReadBuf, from, most| buf.inline_records(from, most).len();
        assert_eq!(run(&buf, 0, 8), 0);
        for len in [12, 32, 1] {
            buf.record(TagIdKind::Epc, &[7; 62][..len]).unwrap();
        }
        assert_eq!((run(&buf, 0, 8), run(&buf, 0, 2), run(&buf, 1, 8), run(&buf, 3, 8)), (3, 2, 2, 0));
        for len in [33, 2, 62] {
            buf.record(TagIdKind::Epc, &[7; 62][..len]).unwrap();
        }
        assert_eq!((run(&buf, 0, 8), run(&buf, 1, 1), run(&buf, 3, 8), run(&buf, 4, 8)), (3, 1, 0, 1));
        assert_eq!((run(&buf, 5, 8), run(&buf, 6, 8), run(&buf, 9, 8)), (0, 0, 0));
        assert!(buf.inline_records(0, 8).iter().all(|read| read.id_len > 0));
    }

    #[test]
    fn a_full_buffer_takes_no_more_and_is_usable_after_clear() {
        let mut buf = ReadBuf::with_capacity(1);
        buf.record(TagIdKind::Epc, &[1]).unwrap();
        assert_eq!(buf.record(TagIdKind::Epc, &[2]).unwrap_err(), BufferFull);
        buf.clear();
        assert!(buf.record(TagIdKind::Epc, &[2]).is_ok());
    }

    #[test]
    fn records_keep_every_value_across_the_plugin_boundary() {
        let mut buf = ReadBuf::with_capacity(4);
        for id in [&[7_u8] as &[u8], &[8; 32], &[9; 33], &[10; 62]] {
            buf.record(TagIdKind::Epc, id)
                .unwrap()
                .set_reader_time(UtcTime::from_nanos(42))
                .set_antenna_port(2)
                .set_protocol(AirProtocol::Gen2)
                .set_frequency_khz(865_700)
                .set_rssi_cdbm(-6001)
                .set_phase(17)
                .set_count(3)
                .set_pc(0x3400)
                .set_check_failed();
        }
        let mut back = ReadBuf::with_capacity(4);
        for (record, long_id) in across(&buf) {
            push_record(&mut back, &record, long_id.as_deref()).unwrap();
        }
        for (there, here) in buf.iter().zip(back.iter()) {
            assert_eq!(here.id, there.id);
            assert_eq!(here.read.to_bytes(), there.read.to_bytes());
        }
        assert_eq!(push_record(&mut back, &[1; 64], None), Err(RecordFault::Full));
    }

    #[test]
    fn what_is_no_record_is_refused_and_what_is_unknown_left_out() {
        let mut buf = ReadBuf::with_capacity(1);
        let mut record = [0xFF; 64];
        record[41] = 9;
        assert_eq!(push_record(&mut buf, &record, None), Err(RecordFault::UnknownIdKind(9)));
        record[41] = TagIdKind::Epc as u8;
        record[40] = 33;
        assert_eq!(push_record(&mut buf, &record, None), Err(RecordFault::IdTooLong(33)));
        record[40] = 0;
        assert_eq!(push_record(&mut buf, &record, None), Err(RecordFault::NoId));
        assert_eq!(push_record(&mut buf, &record, Some(&[])), Err(RecordFault::NoId));
        assert_eq!(push_record(&mut buf, &record, Some(&[1; 63])), Err(RecordFault::IdTooLong(63)));
        assert!(buf.is_empty());

        record[40] = 2;
        record[52..54].fill(0);
        push_record(&mut buf, &record, None).unwrap();
        let sighting = buf.iter().next().unwrap();
        assert_eq!(sighting.id.bytes, [0xFF; 2]);
        assert_eq!((sighting.read.count(), sighting.read.protocol()), (1, None));
        let bytes = sighting.read.to_bytes();
        assert_eq!(bytes[10..40], [0; 30], "nothing behind the id");
        assert_eq!(bytes[56], 0x1F, "no flags that nobody knows");
        assert_eq!(bytes[58..], [0; 6]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_a_fault(
            record in proptest::collection::vec(any::<u8>(), 64),
            long_id in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..70)),
        ) {
            let mut buf = ReadBuf::with_capacity(1);
            let record: [u8; 64] = record.try_into().unwrap();
            match push_record(&mut buf, &record, long_id.as_deref()) {
                Ok(()) => prop_assert!(buf.iter().all(|sighting| !sighting.id.bytes.is_empty())),
                Err(_) => prop_assert!(buf.is_empty()),
            }
        }
    }
}
