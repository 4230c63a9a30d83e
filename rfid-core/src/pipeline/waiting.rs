//! What waits while a pipeline cannot judge it: reads, merged, and changes of who listens.

use std::collections::VecDeque;

use ahash::RandomState;
use hashbrown::HashTable;

use super::counters::{PipelineCounters, add};
use crate::clock::Stamp;
use crate::listening::Listening;
use crate::presence::ReaderIndex;
use crate::read_buf::{ReadBuf, Sighting};
use crate::tag_id::TagIdRef;

/// Merged records that wait at most, over all readers. Reads beyond it are shed and counted.
const MERGED_RECORDS: usize = 262_144;

/// Something that has waited.
#[derive(Debug)]
pub(super) enum Item {
    /// Merged reads of a reader.
    Reads(ReaderIndex, ReadBuf),
    /// Which antennas of a reader are listening, since when.
    Listening(ReaderIndex, Listening, Stamp),
}

/// Reads of the same tag by the same antenna are one record each, whose count adds up and whose last
/// sighting moves. So memory is bounded, nobody waits, and no sighting is lost.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    merged: VecDeque<Merged>,
    records: usize,
    listening: VecDeque<(ReaderIndex, Listening, Stamp)>,
    hasher: RandomState,
}

/// Merged reads of one reader.
#[derive(Debug)]
struct Merged {
    reader: ReaderIndex,
    batch: ReadBuf,
    index: HashTable<u32>,
}

impl Waiting {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.merged.is_empty() && self.listening.is_empty()
    }

    /// Adds the reads of a batch.
    pub(super) fn merge(&mut self, reader: ReaderIndex, batch: &ReadBuf, counters: &PipelineCounters) {
        let Self { merged, records, hasher, .. } = self;
        let place = match merged.iter().position(|merged| merged.reader == reader) {
            Some(place) => place,
            None => {
                let batch = ReadBuf::with_capacity(MERGED_RECORDS);
                merged.push_back(Merged { reader, batch, index: HashTable::new() });
                merged.len() - 1
            }
        };
        let Some(merged) = merged.get_mut(place) else { return };
        for sighting in batch.iter() {
            let hash = merge_hash(hasher, sighting.read.antenna_port(), sighting.id);
            match merged.find(hash, &sighting) {
                Some(index) => {
                    merged.batch.absorb(index as usize, &sighting);
                    add(&counters.merged, u64::from(sighting.read.count()));
                }
                None if *records >= MERGED_RECORDS => {
                    add(&counters.shed, u64::from(sighting.read.count()));
                }
                None => {
                    merged.insert(hash, hasher, &sighting);
                    *records += 1;
                }
            }
        }
    }

    /// Adds which antennas of a reader are listening.
    ///
    /// A reader that comes and goes while nothing is judged takes at most two places: the first
    /// change, which is an end of listening if there was one, and the last.
    pub(super) fn listening(&mut self, reader: ReaderIndex, listening: Listening, at: Stamp) {
        let waiting = self.listening.iter().filter(|(other, ..)| *other == reader).count();
        if waiting >= 2
            && let Some(last) = self.listening.iter_mut().rev().find(|(other, ..)| *other == reader)
        {
            *last = (reader, listening, at);
        } else {
            self.listening.push_back((reader, listening, at));
        }
    }

    /// Takes the oldest item, or `None` if there is nothing.
    pub(super) fn take(&mut self) -> Option<Item> {
        // First, so that overload does not hold it back. That reads heard before an outage come
        // after it does no harm: presence goes by their own times.
        if let Some((reader, listening, at)) = self.listening.pop_front() {
            return Some(Item::Listening(reader, listening, at));
        }
        let merged = self.merged.pop_front()?;
        self.records -= merged.batch.len();
        Some(Item::Reads(merged.reader, merged.batch))
    }
}

impl Merged {
    fn find(&self, hash: u64, sighting: &Sighting<'_>) -> Option<u32> {
        let same = |index: &u32| {
            self.batch.get(*index as usize).is_some_and(|(read, id)| {
                id == sighting.id && read.antenna_port() == sighting.read.antenna_port()
            })
        };
        self.index.find(hash, same).copied()
    }

    fn insert(&mut self, hash: u64, hasher: &RandomState, sighting: &Sighting<'_>) {
        let Self { batch, index, .. } = self;
        let number = batch.len() as u32;
        batch.merge_in(sighting);
        index.insert_unique(hash, number, |number| {
            batch.get(*number as usize).map_or(0, |(read, id)| merge_hash(hasher, read.antenna_port(), id))
        });
    }
}

fn merge_hash(hasher: &RandomState, port: Option<u16>, id: TagIdRef<'_>) -> u64 {
    hasher.hash_one((port, id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UtcTime;
    use crate::tag_id::TagIdKind;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::time::Duration;

    const READER: ReaderIndex = ReaderIndex(0);

    fn stamp(millis: u64) -> Stamp {
        let monotonic = Duration::from_millis(millis);
        Stamp { monotonic, utc: UtcTime::default().plus(monotonic) }
    }

    fn merge(waiting: &mut Waiting, counters: &PipelineCounters, id: &[u8], port: u16, at: u64) {
        let mut batch = ReadBuf::with_capacity(1);
        batch.record(TagIdKind::Epc, id).unwrap().set_antenna_port(port);
        batch.set_received(stamp(at));
        waiting.merge(READER, &batch, counters);
    }

    #[test]
    fn a_reader_that_flaps_takes_two_places() {
        let mut waiting = Waiting::default();
        for second in 0..100 {
            let state = if second % 2 == 0 { Listening::None } else { Listening::All };
            waiting.listening(READER, state, stamp(second * 1000));
        }
        let Some(Item::Listening(_, Listening::None, first)) = waiting.take() else { panic!("down") };
        let Some(Item::Listening(_, Listening::All, last)) = waiting.take() else { panic!("up") };
        assert_eq!((first, last), (stamp(0), stamp(99_000)));
        assert!(waiting.take().is_none() && waiting.is_empty());
    }

    #[test]
    fn more_tags_than_the_limit_are_shed_and_counted() {
        let counters = PipelineCounters::default();
        let mut waiting = Waiting::default();
        for tag in 0..MERGED_RECORDS as u64 + 10 {
            merge(&mut waiting, &counters, &tag.to_be_bytes(), 1, tag);
        }
        assert_eq!(counters.shed.load(std::sync::atomic::Ordering::Relaxed), 10);
    }

    proptest! {
        /// Whatever is put in comes out: every sighting counted once, the first and the last
        /// sighting of each tag at its true time.
        #[test]
        fn nothing_is_lost_and_memory_is_bounded(
            reads in proptest::collection::vec((0u8..6, 1u16..3, any::<bool>()), 1..400),
        ) {
            let counters = PipelineCounters::default();
            let mut waiting = Waiting::default();
            let mut expected: BTreeMap<(u8, u16), (u64, Stamp, Stamp)> = BTreeMap::new();
            let mut found: BTreeMap<(u8, u16), (u64, Stamp, Stamp)> = BTreeMap::new();
            let mut note = |item: Item| {
                let Item::Reads(_, batch) = item else { panic!("only reads were put in") };
                for sighting in batch.iter() {
                    let key = (sighting.id.bytes[0], sighting.read.antenna_port().unwrap());
                    let entry = found.entry(key).or_insert((0, sighting.first, sighting.last));
                    entry.0 += u64::from(sighting.read.count());
                    entry.2 = sighting.last;
                }
            };
            for (at, (tag, port, take)) in reads.into_iter().enumerate() {
                merge(&mut waiting, &counters, &[tag], port, at as u64);
                let entry = expected.entry((tag, port)).or_insert((0, stamp(at as u64), stamp(at as u64)));
                entry.0 += 1;
                entry.2 = stamp(at as u64);
                prop_assert!(waiting.records <= 12);
                // A consumer that is slower than the readers.
                if take && at % 3 == 0 && let Some(item) = waiting.take() {
                    note(item);
                }
            }
            while let Some(item) = waiting.take() {
                note(item);
            }
            prop_assert_eq!(found, expected);
            prop_assert_eq!(waiting.records, 0);
        }
    }
}
