//! Going through the bytes of a segment: records, and what is none. No I/O.

use std::ops::Range;

use crate::record::{HEADER_LEN, Head, Kind, MARK, Record};

/// How many times the length of the bytes is checksummed at most. Undamaged bytes are once;
/// without a bound, bytes that were made for it would take hours.
const MOST_PASSES: usize = 8;

/// A piece of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// An undamaged record.
    Record(Record<'a>),
    /// Bytes that are no record.
    Damage {
        /// First byte.
        from: usize,
        /// Behind the last byte.
        to: usize,
        /// The number of the record that stood at the beginning, if its head is whole and all its
        /// bytes are there.
        number: Option<u64>,
    },
}

/// Yields the pieces of a segment in order.
pub(crate) struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    last: Option<u64>,
    is_sealed: bool,
    passes_left: usize,
}

impl<'a> Scan<'a> {
    /// All of a segment.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self::from(bytes, HEADER_LEN)
    }

    /// From this byte on, which is where a record begins.
    pub(crate) fn from(bytes: &'a [u8], at: usize) -> Self {
        let passes_left = bytes.len().saturating_mul(MOST_PASSES);
        Self { bytes, at: at.min(bytes.len()), last: None, is_sealed: false, passes_left }
    }

    /// Behind the last piece.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The undamaged record at this byte, if it may stand here.
    fn record_at(&mut self, at: usize) -> Option<(Record<'a>, Range<usize>)> {
        let rest = self.bytes.get(at..)?;
        let head = Head::read(rest)?;
        self.passes_left = self.passes_left.checked_sub(head.record_len())?;
        let record = head.record(rest)?;
        let continues = match (self.last, record.kind) {
            (None, _) => true,
            (Some(last), Kind::Seal) => record.number == last,
            (Some(last), _) => record.number > last,
        };
        (continues && !self.is_sealed).then_some((record, at..at + head.record_len()))
    }

    /// The next undamaged record at or behind this byte.
    fn find_record(&mut self, from: usize) -> Option<(Record<'a>, Range<usize>)> {
        let mut at = from;
        while let Some(found) = self.bytes.get(at..).and_then(|rest| find(rest, MARK)) {
            at += found;
            if let Some(record) = self.record_at(at) {
                return Some(record);
            }
            at += 1;
        }
        None
    }
}

impl<'a> Iterator for Scan<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let from = self.at;
        if from >= self.bytes.len() {
            return None;
        }
        let record = self.record_at(from);
        if let Some((record, place)) = record {
            self.at = place.end;
            self.last = Some(record.number);
            self.is_sealed = record.kind == Kind::Seal;
            return Some(Piece::Record(record));
        }
        let rest = self.bytes.get(from..).unwrap_or_default();
        // A whole head is believed: what looks like a record within its content is none.
        let head = Head::read(rest).filter(|head| rest.len() >= head.record_len());
        let behind = from + head.map_or(1, |head| head.record_len());
        let to = self.find_record(behind).map_or(self.bytes.len(), |(_, place)| place.start);
        let number = head.map(|head| head.number);
        self.at = to;
        Some(Piece::Damage { from, to, number })
    }
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Header, NO_ID};
    use proptest::prelude::*;
    use rfid_core::UtcTime;

    fn segment(contents: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        Header { ledger: [7; 16], first: 1, begun: UtcTime::from_nanos(5) }.write(&mut bytes);
        for (number, content) in (1u64..).zip(contents) {
            let (time, kind) = (UtcTime::from_nanos(number), Kind::Content);
            Record { number, time, id: NO_ID, kind, content }.write(&mut bytes);
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
        let record = |piece| match piece {
            Piece::Record(record) => Some((record.number, record.content.to_vec())),
            Piece::Damage { .. } => None,
        };
        Scan::new(bytes).filter_map(record).collect()
    }

    fn contents() -> impl Strategy<Value = Vec<Vec<u8>>> {
        // Content may have a mark in it. A whole record it cannot: text never has the byte F5.
        let one = prop_oneof![proptest::collection::vec(any::<u8>(), 0..80), Just(MARK.to_vec())];
        proptest::collection::vec(one, 1..12)
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let header = Header { ledger: *b"0123456789abcdef", first: 77, begun: UtcTime::from_nanos(99) };
        let mut bytes = Vec::new();
        header.write(&mut bytes);
        assert_eq!(bytes.len(), HEADER_LEN);
        assert_eq!(Header::read(&bytes), Some(header));
    }

    #[test]
    fn bytes_that_were_made_to_take_long_do_not() {
        // Heads that are whole and promise a megabyte that is not theirs.
        let mut one = Vec::new();
        let content = vec![0; crate::record::LARGEST_CONTENT];
        Record { number: 1, time: UtcTime::default(), id: NO_ID, kind: Kind::Content, content: &content }
            .write(&mut one);
        let head = &one[..crate::record::HEAD_LEN];
        let bytes: Vec<u8> = head.iter().copied().cycle().take(4 * 1024 * 1024).collect();
        assert!(Scan::new(&bytes).all(|piece| matches!(piece, Piece::Damage { .. })));
    }

    proptest! {
        #[test]
        fn a_segment_cut_at_any_byte_gives_all_records_wholly_before(
            contents in contents(), cut in any::<proptest::sample::Index>(),
        ) {
            let bytes = segment(&contents);
            let cut = cut.index(bytes.len() + 1);
            let mut end = HEADER_LEN;
            let whole = contents.iter().take_while(|content| {
                end += Record::written_len(content.len());
                end <= cut
            }).count();
            let read = read(&bytes[..cut]);
            let expected: Vec<_> = (1u64..).zip(contents.iter().take(whole).cloned()).collect();
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn a_flipped_bit_is_noticed_and_costs_its_own_record_only(
            contents in contents(), at in any::<proptest::sample::Index>(), bit in 0u8..8,
        ) {
            let mut bytes = segment(&contents);
            let at = HEADER_LEN + at.index(bytes.len() - HEADER_LEN);
            bytes[at] ^= 1 << bit;
            let read = read(&bytes);
            prop_assert_eq!(read.len(), contents.len() - 1);
            for (number, content) in read {
                prop_assert_eq!(&contents[number as usize - 1], &content);
            }
            let is_noticed = Scan::new(&bytes).any(|piece| matches!(piece, Piece::Damage { .. }));
            prop_assert!(is_noticed);
        }

        #[test]
        fn any_bytes_are_gone_through_to_their_end(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut scan = Scan::from(&bytes, 0);
            while scan.next().is_some() {}
            prop_assert_eq!(scan.at(), bytes.len());
        }
    }
}
