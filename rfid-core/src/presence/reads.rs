//! What a read does.

use super::facts::Fact;
use super::glimpses::Glimpse;
use super::guard::Refusal;
use super::moment::{At, Packed};
use super::tags::ShortId;
use super::tracked::{Change, Heard, Phase, Tracked, ZoneIndex};
use super::{Outcome, Presence, ReaderIndex};
use crate::event::EventKind;
use crate::read_buf::ReadBuf;
use crate::tag_id::TagIdRef;
use crate::tag_read::TagRead;

/// Numbers of a batch's tags as they were before the first of them was heard.
#[derive(Debug, Default)]
pub(super) struct Known {
    numbers: Vec<Option<u32>>,
    /// What the table had gone through by then.
    changes: u64,
}

/// What was known of one tag, and when.
#[derive(Clone, Copy)]
pub(super) struct KnownThen {
    number: Option<u32>,
    changes: u64,
}

impl Known {
    #[inline]
    pub(super) fn iter(&self) -> impl Iterator<Item = KnownThen> {
        let changes = self.changes;
        self.numbers.iter().map(move |&number| KnownThen { number, changes })
    }
}

impl Presence {
    /// Looks up all tags of a batch before the first of them is heard. A look-up waits for memory
    /// again and again, and so many of them wait at once; between two reads each would wait alone.
    pub(super) fn look_up(&mut self, batch: &ReadBuf) -> Known {
        let mut known = std::mem::take(&mut self.known);
        known.changes = self.tags.changes();
        known.numbers.clear();
        known.numbers.extend(batch.reads().iter().map(|read| self.tags.find(batch.id(read))));
        known
    }

    // Inlined into the loop over a batch, so that what all its reads have in common stays in
    // registers: passed on in memory, it is waited for with each read.
    #[inline(always)]
    pub(super) fn observe_one(
        &mut self,
        reader: ReaderIndex,
        read: &TagRead,
        id: TagIdRef<'_>,
        known: KnownThen,
        (first, last): (At, At),
        outcome: &mut Outcome,
    ) {
        self.counts.sightings += u64::from(read.count());
        let Some(zone) = self.places.zone_of(reader, read.antenna_port()) else {
            self.counts.without_zone += 1;
            return;
        };
        if let Some(refusal) = self.guard.refuses(read, id) {
            self.count_refusal(refusal);
            return;
        }
        let heard = Heard {
            reader: reader.0,
            antenna_port: read.antenna_port().unwrap_or(0),
            zone,
            count: read.count(),
            rssi_cdbm: read.rssi_cdbm(),
            protocol: read.protocol(),
            authentic: read.authentic(),
            first,
            last,
        };
        let known = if known.changes == self.tags.changes() { known.number } else { self.tags.find(id) };
        if let Some(number) = known
            && self.hear(number, &heard, read, outcome)
        {
            return;
        }
        self.hear_slowly(known, &heard, read, id, outcome);
    }

    /// A read of a tag that is not present, or for which something is due.
    #[cold]
    fn hear_slowly(
        &mut self,
        known: Option<u32>,
        heard: &Heard,
        read: &TagRead,
        id: TagIdRef<'_>,
        outcome: &mut Outcome,
    ) {
        let mut known = known;
        if let Some(number) = known {
            if self.due(number, heard.last).is_some() {
                self.catch_up(number, heard.last, outcome);
            }
            match self.tags.get(number).map(|tag| &tag.phase) {
                Some(Phase::Present(_)) => {
                    self.hear(number, heard, read, outcome);
                    return;
                }
                Some(Phase::Aside) => return self.hear_aside(number, heard),
                Some(Phase::Away(_)) => {}
                None => known = None,
            }
        }
        self.glimpse(known, heard, read, id, outcome);
    }

    #[cold]
    fn count_refusal(&mut self, refusal: Refusal) {
        let count = match refusal {
            Refusal::CheckFailed => &mut self.counts.check_failed,
            Refusal::NoIdentity => &mut self.counts.no_identity,
            Refusal::Length => &mut self.counts.impossible_length,
            Refusal::Header => &mut self.counts.unknown_header,
        };
        *count += 1;
    }

    /// A read of a tag that is present, if it is and nothing is due for it; whether that was so.
    #[inline(always)]
    fn hear(&mut self, number: u32, heard: &Heard, read: &TagRead, outcome: &mut Outcome) -> bool {
        let now = heard.last;
        let Some(tag) = self.tags.get_mut(number) else { return false };
        let Some(zone) = self.places.zone(tag.zone) else { return false };
        let Phase::Present(_) = tag.phase else { return false };
        let covered = zone.coverage.covered(now.mono);
        let silence = covered - tag.covered.get();
        let is_aside = tag.set_aside_at(&zone.limits).is_some_and(|aside| aside <= now.mono);
        if silence >= tag.lost_after(&zone.limits) || is_aside {
            return false;
        }
        let change = tag.hear(heard, silence, &zone.limits);
        tag.covered = Packed::of(covered);
        self.passages.hear(number, heard);
        let is_said_again = tag.is_to_be_said_again(&zone.limits, now);
        match change {
            Change::Stayed if is_said_again => {
                self.say_again(number, heard, read, outcome);
            }
            Change::Stayed => {}
            Change::Moved { from } => self.say_moved(number, from, heard, read, outcome),
        }
        true
    }

    #[cold]
    fn say_again(&mut self, number: u32, heard: &Heard, read: &TagRead, outcome: &mut Outcome) {
        let fact = Fact { reader_time: read.reader_time(), ..Fact::of(EventKind::Seen, heard.last) };
        self.give(number, fact, outcome);
    }

    #[cold]
    fn say_moved(
        &mut self,
        number: u32,
        from: ZoneIndex,
        heard: &Heard,
        read: &TagRead,
        outcome: &mut Outcome,
    ) {
        // The silence of a departure starts anew, on the clock of the zone that the tag is in.
        if let Some(tag) = self.tags.get_mut(number) {
            tag.covered = Packed::of(self.places.covered(tag.zone, heard.last.mono));
        }
        self.passages.moved(number, from, heard.zone, heard.rssi_cdbm);
        let zone_before = self.places.zone(from).map(|zone| zone.name.clone());
        let kind = Fact::of(EventKind::Moved, heard.last);
        self.give(number, Fact { zone_before, reader_time: read.reader_time(), ..kind }, outcome);
        self.schedule(number, heard.last);
    }

    /// A read of a tag that is set aside.
    fn hear_aside(&mut self, number: u32, heard: &Heard) {
        let Some(tag) = self.tags.get_mut(number) else { return };
        let Some(zone) = self.places.zone(tag.zone) else { return };
        let silence = zone.coverage.covered(heard.last.mono) - tag.covered.get();
        let has_moved = tag.zone != heard.zone;
        tag.hear_aside(heard, silence, &zone.limits);
        tag.covered = Packed::of(self.places.covered(tag.zone, heard.last.mono));
        if has_moved {
            self.schedule(number, heard.last);
        }
    }

    /// A read of a tag that is not here: `known` is its number if its last visit is remembered.
    fn glimpse(
        &mut self,
        known: Option<u32>,
        heard: &Heard,
        read: &TagRead,
        id: TagIdRef<'_>,
        outcome: &mut Outcome,
    ) {
        let Some(limits) = self.places.zone(heard.zone).map(|zone| zone.limits) else { return };
        let glimpse = self.glimpses.add(id, heard);
        if !glimpse.confirms(heard.last, &limits) {
            return;
        }
        if known.is_none() && self.is_full() {
            self.counts.over_limit += 1;
            return;
        }
        self.glimpses.remove(id);
        let number = self.arrive(known, &glimpse, heard, id);
        let kind = Fact::of(EventKind::Arrived, heard.last);
        let fact = Fact { revisit: known.is_some(), reader_time: read.reader_time(), ..kind };
        self.give(number, fact, outcome);
        self.schedule(number, heard.last);
    }

    /// Makes a tag present and returns its number.
    fn arrive(&mut self, known: Option<u32>, glimpse: &Glimpse, heard: &Heard, id: TagIdRef<'_>) -> u32 {
        let number = match known {
            Some(number) => {
                if let Some(tag) = self.tags.get_mut(number) {
                    tag.arrive(glimpse, heard);
                }
                number
            }
            None => self.tags.insert(id, Tracked::arriving(ShortId::new(id), glimpse, heard)),
        };
        if let Some(tag) = self.tags.get_mut(number) {
            tag.covered = Packed::of(self.places.covered(heard.zone, heard.last.mono));
        }
        self.passages.began(number, glimpse.zone, glimpse.since, glimpse.peak_rssi_cdbm);
        self.passages.hear(number, heard);
        self.counts.present += 1;
        number
    }
}
