//! Between readers and presence: a bounded queue that merges instead of blocking or dropping.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ahash::RandomState;
use hashbrown::HashTable;
use tokio::sync::Notify;

use super::counters::{PipelineCounters, add};
use crate::clock::Stamp;
use crate::listening::Listening;
use crate::presence::ReaderIndex;
use crate::read_buf::{ReadBuf, Sighting};
use crate::tag_id::TagIdRef;

/// Batches that wait at most, besides two for each reader.
const WAITING_BATCHES: usize = 64;

/// Batches from which on readers let the consumer have its turn: so many are still in the cache when
/// it comes to them, and far fewer than begin to be merged.
const AHEAD_BATCHES: usize = 16;

/// Merged records that wait at most, over all readers. Reads beyond it are shed and counted.
const MERGED_RECORDS: usize = 262_144;

/// What presence takes from the queue.
#[derive(Debug)]
pub(super) enum Item {
    /// A batch of reads; give the buffer back with [`ReadQueue::recycle`].
    Reads(ReaderIndex, ReadBuf),
    /// Which antennas of a reader are listening, since when.
    Listening(ReaderIndex, Listening, Stamp),
}

/// The queue of one pipeline: many readers put in, one task takes out.
///
/// While there is room, batches pass as they are, by swapping buffers. When there is none,
/// reads of the same tag by the same antenna are merged into one record each, whose count adds
/// up and whose last sighting moves, until the consumer has caught up. So memory is bounded,
/// nobody waits, and no sighting is lost.
#[derive(Debug)]
pub(super) struct ReadQueue {
    inner: Mutex<Inner>,
    ready: Notify,
    counters: Arc<PipelineCounters>,
}

#[derive(Debug)]
struct Inner {
    waiting: VecDeque<(ReaderIndex, ReadBuf)>,
    spare: Vec<ReadBuf>,
    most_waiting: usize,
    merged: VecDeque<Merged>,
    merged_records: usize,
    listening: VecDeque<(ReaderIndex, Listening, Stamp)>,
    hasher: RandomState,
    closed: bool,
}

/// Merged reads of one reader.
#[derive(Debug)]
struct Merged {
    reader: ReaderIndex,
    batch: ReadBuf,
    index: HashTable<u32>,
}

impl ReadQueue {
    pub(super) fn new(readers: usize, counters: Arc<PipelineCounters>) -> Self {
        Self {
            inner: Mutex::new(Inner {
                waiting: VecDeque::new(),
                spare: Vec::new(),
                most_waiting: WAITING_BATCHES + 2 * readers,
                merged: VecDeque::new(),
                merged_records: 0,
                listening: VecDeque::new(),
                hasher: RandomState::new(),
                closed: false,
            }),
            ready: Notify::new(),
            counters,
        }
    }

    /// Takes the reads of `batch` and leaves an empty buffer in its place. Never waits.
    pub(super) fn put(&self, reader: ReaderIndex, batch: &mut ReadBuf) {
        add(&self.counters.lost, batch.lost());
        if batch.is_empty() {
            batch.clear();
            return;
        }
        {
            let mut inner = self.lock();
            if inner.merged.is_empty() && inner.waiting.len() < inner.most_waiting {
                let capacity = batch.capacity();
                let empty = inner.spare.pop().unwrap_or_else(|| ReadBuf::with_capacity(capacity));
                inner.waiting.push_back((reader, std::mem::replace(batch, empty)));
            } else {
                inner.merge(reader, batch, &self.counters);
            }
        }
        batch.clear();
        self.ready.notify_one();
    }

    /// Takes a copy of the reads of `batch`. Never waits.
    pub(super) fn put_copy(&self, reader: ReaderIndex, batch: &ReadBuf) {
        let mut copy = self.lock().spare.pop().unwrap_or_else(|| ReadBuf::with_capacity(batch.capacity()));
        copy.copy_from(batch);
        self.put(reader, &mut copy);
        self.recycle(copy);
    }

    /// Notes which antennas of a reader are listening. Never waits.
    ///
    /// A reader that comes and goes while the consumer stands still takes at most two places:
    /// the first change, which is an end of listening if there was one, and the last.
    pub(super) fn put_listening(&self, reader: ReaderIndex, listening: Listening, at: Stamp) {
        {
            let mut inner = self.lock();
            let waiting = inner.listening.iter().filter(|(other, ..)| *other == reader).count();
            if waiting >= 2
                && let Some(last) = inner.listening.iter_mut().rev().find(|(other, ..)| *other == reader)
            {
                *last = (reader, listening, at);
            } else {
                inner.listening.push_back((reader, listening, at));
            }
        }
        self.ready.notify_one();
    }

    /// Takes the oldest item, or `None` if there is nothing.
    pub(super) fn try_take(&self) -> Option<Item> {
        let mut inner = self.lock();
        // First, so that overload does not hold it back. That reads heard before an outage come
        // after it does no harm: presence goes by their own times.
        if let Some((reader, listening, at)) = inner.listening.pop_front() {
            return Some(Item::Listening(reader, listening, at));
        }
        if let Some((reader, batch)) = inner.waiting.pop_front() {
            return Some(Item::Reads(reader, batch));
        }
        if let Some(merged) = inner.merged.pop_front() {
            inner.merged_records -= merged.batch.len();
            return Some(Item::Reads(merged.reader, merged.batch));
        }
        None
    }

    /// Whether the consumer should have its turn before more is put in. It costs less to judge reads
    /// than to merge them.
    pub(super) fn is_ahead(&self) -> bool {
        let inner = self.lock();
        inner.waiting.len() >= AHEAD_BATCHES || !inner.merged.is_empty()
    }

    /// Waits until there may be something to take. Cancel-safe; for one consumer.
    pub(super) async fn ready(&self) {
        self.ready.notified().await;
    }

    /// Takes back the buffer of a batch that was taken.
    pub(super) fn recycle(&self, mut batch: ReadBuf) {
        batch.clear();
        let mut inner = self.lock();
        if inner.spare.len() < inner.most_waiting && batch.capacity() <= ReadBuf::DEFAULT_CAPACITY {
            inner.spare.push(batch);
        }
    }

    /// Says that nothing more will come.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_one();
    }

    /// Whether nothing more will come and everything has been taken.
    pub(super) fn is_finished(&self) -> bool {
        let inner = self.lock();
        inner.closed && inner.waiting.is_empty() && inner.merged.is_empty() && inner.listening.is_empty()
    }

    /// The state is whole after every statement of every method, so a panic elsewhere does not
    /// spoil it.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn merge(&mut self, reader: ReaderIndex, batch: &ReadBuf, counters: &PipelineCounters) {
        let Self { merged, merged_records, hasher, .. } = self;
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
                None if *merged_records >= MERGED_RECORDS => {
                    add(&counters.shed, u64::from(sighting.read.count()));
                }
                None => {
                    merged.insert(hash, hasher, &sighting);
                    *merged_records += 1;
                }
            }
        }
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

    fn queue() -> ReadQueue {
        ReadQueue::new(1, Arc::new(PipelineCounters::default()))
    }

    fn stamp(millis: u64) -> Stamp {
        let monotonic = Duration::from_millis(millis);
        Stamp { monotonic, utc: UtcTime::default().plus(monotonic) }
    }

    fn put(queue: &ReadQueue, tag: u8, port: u16, at: u64) {
        let mut batch = ReadBuf::with_capacity(4);
        batch.record(TagIdKind::Epc, &[tag]).unwrap().set_antenna_port(port);
        batch.set_received(stamp(at));
        queue.put(READER, &mut batch);
        assert!(batch.is_empty());
    }

    #[test]
    fn batches_pass_as_they_are_while_there_is_room() {
        let queue = queue();
        put(&queue, 1, 1, 10);
        put(&queue, 1, 1, 20);
        for at in [10, 20] {
            let Some(Item::Reads(_, batch)) = queue.try_take() else { panic!("a batch was put in") };
            let sighting = batch.iter().next().unwrap();
            assert_eq!((sighting.read.count(), sighting.last), (1, stamp(at)));
            queue.recycle(batch);
        }
        assert!(queue.try_take().is_none());
    }

    #[test]
    fn a_reader_that_flaps_takes_two_places() {
        let queue = queue();
        for second in 0..100 {
            let state = if second % 2 == 0 { Listening::None } else { Listening::All };
            queue.put_listening(READER, state, stamp(second * 1000));
        }
        let Some(Item::Listening(_, Listening::None, first)) = queue.try_take() else { panic!("down") };
        let Some(Item::Listening(_, Listening::All, last)) = queue.try_take() else { panic!("up") };
        assert_eq!((first, last), (stamp(0), stamp(99_000)));
        assert!(queue.try_take().is_none());
    }

    #[test]
    fn more_tags_than_the_limit_are_shed_and_counted() {
        let counters = Arc::new(PipelineCounters::default());
        let queue = ReadQueue::new(1, Arc::clone(&counters));
        let offered = (MERGED_RECORDS + WAITING_BATCHES + 2 + 10) as u64;
        for tag in 0..offered {
            let mut batch = ReadBuf::with_capacity(1);
            batch.record(TagIdKind::Epc, &tag.to_be_bytes()).unwrap();
            queue.put(READER, &mut batch);
        }
        assert_eq!(counters.shed.load(std::sync::atomic::Ordering::Relaxed), 10);
    }

    proptest! {
        /// Whatever is put in comes out: every sighting counted once, the first and the last
        /// sighting of each tag at its true time, under overload and without.
        #[test]
        fn nothing_is_lost_and_memory_is_bounded(
            reads in proptest::collection::vec((0u8..6, 1u16..3, any::<bool>()), 1..400),
        ) {
            let queue = queue();
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
                queue.recycle(batch);
            };
            for (at, (tag, port, take)) in reads.into_iter().enumerate() {
                put(&queue, tag, port, at as u64);
                let entry = expected.entry((tag, port)).or_insert((0, stamp(at as u64), stamp(at as u64)));
                entry.0 += 1;
                entry.2 = stamp(at as u64);
                prop_assert!(queue.lock().waiting.len() <= WAITING_BATCHES + 2);
                // A consumer that is slower than the readers.
                if take && at % 3 == 0 && let Some(item) = queue.try_take() {
                    note(item);
                }
            }
            while let Some(item) = queue.try_take() {
                note(item);
            }
            prop_assert_eq!(found, expected);
        }
    }
}
