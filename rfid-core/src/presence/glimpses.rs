//! Tags that were heard and have not arrived.

use std::collections::VecDeque;
use std::time::Duration;

use ahash::RandomState;
use hashbrown::HashTable;

use super::SHORTEST_GLIMPSE;
use super::moment::{At, Nanos, nanos};
use super::settings::Limits;
use super::tracked::{Heard, ZoneIndex};
use crate::air_protocol::AirProtocol;
use crate::tag_id::{TagId, TagIdRef};

/// Glimpses that are kept at once. A broken or hostile reader that makes up a million EPCs pushes
/// out the oldest glimpse with each new one and no tag that has arrived.
pub(super) const MOST: usize = 131_072;

/// Reads that do not make a visit yet, or not again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glimpse {
    id: TagId,
    pub(super) since: At,
    pub(super) reads: u32,
    /// When the first of the latest reads came that lie close together, and how many those are.
    lately: Nanos,
    lately_reads: u32,
    pub(super) peak_rssi_cdbm: Option<i16>,
    /// Where the first of the reads was heard.
    pub(super) reader: u16,
    pub(super) antenna_port: u16,
    pub(super) zone: ZoneIndex,
    pub(super) protocol: Option<AirProtocol>,
}

impl Glimpse {
    /// Begins with this read.
    pub(super) fn new(id: TagIdRef<'_>, heard: &Heard) -> Self {
        Self {
            id: id.to_owned(),
            since: heard.first,
            reads: u32::from(heard.count),
            lately: heard.first.mono,
            lately_reads: u32::from(heard.count),
            peak_rssi_cdbm: heard.rssi_cdbm,
            reader: heard.reader,
            antenna_port: heard.antenna_port,
            zone: heard.zone,
            protocol: heard.protocol,
        }
    }

    fn add(&mut self, heard: &Heard) {
        let more = u32::from(heard.count);
        self.reads = self.reads.saturating_add(more);
        self.peak_rssi_cdbm = self.peak_rssi_cdbm.max(heard.rssi_cdbm);
        if heard.last.mono - self.lately >= nanos(SHORTEST_GLIMPSE) {
            (self.lately, self.lately_reads) = (heard.last.mono, 0);
        }
        self.lately_reads = self.lately_reads.saturating_add(more);
    }

    pub(super) fn confirms(&self, now: At, limits: &Limits) -> bool {
        self.reads >= limits.confirm_reads
            || (self.lately_reads >= 2 && now.mono - self.lately >= limits.confirm_within)
    }

    pub(super) fn id(&self) -> &TagId {
        &self.id
    }
}

/// Glimpses in the order in which they began, which is the order in which they are forgotten.
#[derive(Debug)]
pub(super) struct Glimpses {
    lasts: Nanos,
    /// A glimpse that was confirmed leaves a hole.
    queue: VecDeque<Option<Glimpse>>,
    /// Number of the glimpse at the front. Numbers go round in a circle.
    front: u32,
    index: HashTable<u32>,
    hasher: RandomState,
    /// Glimpses that were forgotten because their time was over.
    pub(super) unconfirmed: u64,
    /// Glimpses that were forgotten because newer ones needed the room.
    pub(super) crowded_out: u64,
}

impl Glimpses {
    /// Each is forgotten after `lasts`.
    pub(super) fn new(lasts: Duration) -> Self {
        Self {
            lasts: nanos(lasts.max(SHORTEST_GLIMPSE)),
            queue: VecDeque::new(),
            front: 0,
            index: HashTable::new(),
            hasher: RandomState::new(),
            unconfirmed: 0,
            crowded_out: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Glimpse> {
        self.queue.iter().flatten()
    }

    /// Adds a read to the tag's glimpse, which may begin with it, and returns how it now stands.
    pub(super) fn add(&mut self, id: TagIdRef<'_>, heard: &Heard) -> Glimpse {
        if let Some(number) = self.find(id) {
            let front = self.front;
            match self.queue.get_mut(number.wrapping_sub(front) as usize) {
                Some(Some(glimpse)) if heard.last.mono - glimpse.since.mono < self.lasts => {
                    glimpse.add(heard);
                    return *glimpse;
                }
                _ => {
                    self.remove(id);
                    self.unconfirmed += 1;
                }
            }
        }
        let glimpse = Glimpse::new(id, heard);
        self.push(glimpse);
        glimpse
    }

    /// Whether this tag is glimpsed.
    pub(super) fn has(&self, id: TagIdRef<'_>, now: Nanos) -> bool {
        let glimpse = self.find(id).and_then(|number| glimpse_at(&self.queue, self.front, number));
        glimpse.is_some_and(|glimpse| !self.is_over(glimpse, now))
    }

    /// Forgets the glimpse of a tag, because it is none any more.
    pub(super) fn remove(&mut self, id: TagIdRef<'_>) {
        let Self { queue, front, index, hasher, .. } = self;
        let is_it = |number: &u32| glimpse_at(queue, *front, *number).is_some_and(|it| it.id.as_ref() == id);
        let Ok(entry) = index.find_entry(hasher.hash_one(id), is_it) else { return };
        let (number, _) = entry.remove();
        if let Some(place) = queue.get_mut(number.wrapping_sub(*front) as usize) {
            *place = None;
        }
        self.trim();
    }

    /// Forgets up to `budget` glimpses whose time is over; returns whether there are more.
    pub(super) fn expire(&mut self, now: Nanos, budget: usize) -> bool {
        for _ in 0..budget {
            match self.queue.front() {
                Some(Some(glimpse)) if self.is_over(glimpse, now) => {
                    self.forget_oldest();
                    self.unconfirmed += 1;
                }
                _ => return false,
            }
        }
        matches!(self.queue.front(), Some(Some(glimpse)) if self.is_over(glimpse, now))
    }

    fn is_over(&self, glimpse: &Glimpse, now: Nanos) -> bool {
        now - glimpse.since.mono >= self.lasts
    }

    /// When the oldest glimpse is over.
    pub(super) fn next_due(&self) -> Option<Nanos> {
        let oldest = self.queue.front()?.as_ref()?;
        Some(oldest.since.mono + self.lasts)
    }

    fn find(&self, id: TagIdRef<'_>) -> Option<u32> {
        let is_it = |number: &u32| {
            glimpse_at(&self.queue, self.front, *number).is_some_and(|glimpse| glimpse.id.as_ref() == id)
        };
        self.index.find(self.hasher.hash_one(id), is_it).copied()
    }

    fn push(&mut self, glimpse: Glimpse) {
        while self.queue.len() >= MOST {
            self.forget_oldest();
            self.crowded_out += 1;
        }
        let number = self.front.wrapping_add(self.queue.len() as u32);
        self.queue.push_back(Some(glimpse));
        let Self { queue, front, index, hasher, .. } = self;
        index.insert_unique(hasher.hash_one(glimpse.id.as_ref()), number, |other| {
            glimpse_at(queue, *front, *other).map_or(0, |glimpse| hasher.hash_one(glimpse.id.as_ref()))
        });
    }

    fn forget_oldest(&mut self) {
        if let Some(Some(oldest)) = self.queue.front() {
            let id = oldest.id;
            self.remove(id.as_ref());
        }
    }

    /// Keeps a glimpse at the front.
    fn trim(&mut self) {
        while let Some(None) = self.queue.front() {
            self.queue.pop_front();
            self.front = self.front.wrapping_add(1);
        }
    }
}

fn glimpse_at(queue: &VecDeque<Option<Glimpse>>, front: u32, number: u32) -> Option<&Glimpse> {
    queue.get(number.wrapping_sub(front) as usize)?.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag_id::TagIdKind;

    fn heard(millis: i64) -> Heard {
        let at = At { mono: millis * 1_000_000, utc: 0 };
        Heard {
            reader: 0,
            antenna_port: 1,
            zone: 0,
            count: 1,
            rssi_cdbm: None,
            protocol: None,
            authentic: None,
            first: at,
            last: at,
        }
    }

    fn id(number: u32) -> TagId {
        TagId::new(TagIdKind::Epc, &number.to_be_bytes()).unwrap()
    }

    #[test]
    fn the_oldest_is_forgotten_first_and_holes_do_not_count() {
        let mut glimpses = Glimpses::new(SHORTEST_GLIMPSE);
        for number in 0..4 {
            glimpses.add(id(number).as_ref(), &heard(i64::from(number) * 100));
        }
        glimpses.remove(id(1).as_ref());
        assert_eq!(glimpses.next_due(), Some(2_000_000_000));
        assert!(!glimpses.expire(2_150_000_000, 10));
        assert_eq!((glimpses.len(), glimpses.unconfirmed), (2, 1));
        assert_eq!(glimpses.next_due(), Some(2_200_000_000));
        assert_eq!(glimpses.add(id(3).as_ref(), &heard(2_160)).reads, 2);
        assert!(glimpses.expire(2_300_000_000, 1), "one is looked at, another is due");
    }

    #[test]
    fn a_flood_pushes_out_the_oldest_and_stays_bounded() {
        let mut glimpses = Glimpses::new(SHORTEST_GLIMPSE);
        let flood = MOST as u32 + 1000;
        for number in 0..flood {
            glimpses.add(id(number).as_ref(), &heard(0));
        }
        assert_eq!((glimpses.len(), glimpses.crowded_out), (MOST, 1000));
        assert_eq!(glimpses.add(id(flood - 1).as_ref(), &heard(1)).reads, 2, "the newest is still there");
        assert_eq!(glimpses.add(id(0).as_ref(), &heard(1)).reads, 1, "the oldest is not");
    }

    #[test]
    fn what_is_over_begins_anew() {
        let mut glimpses = Glimpses::new(SHORTEST_GLIMPSE);
        glimpses.add(id(1).as_ref(), &heard(0));
        let again = glimpses.add(id(1).as_ref(), &heard(2_000));
        assert_eq!((again.reads, glimpses.len(), glimpses.unconfirmed), (1, 1, 1));
    }
}
