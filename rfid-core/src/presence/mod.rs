//! From reads to arrived, moved and departed.
//!
//! A card at a door gives anything from four hundred reads to five, because bodies shadow it.
//! Presence is the only place on the line where reads are merged, confirmed or judged. What it
//! does, in short:
//!
//! * What cannot be a tag is counted and goes no further: a check code that does not fit, a length
//!   that no tag has, and, if so configured, a header that no scheme has.
//! * A tag is *glimpsed* at its first read, and *present* after `confirm_reads` reads, or with two
//!   reads of the last two seconds that lie `confirm_within` apart. A glimpse that is not confirmed
//!   within `glimpse_lasts` is forgotten and counted. That is five minutes: no id is misread three
//!   times, while a card in a wallet gives three reads in as long as that.
//! * It has *departed* after `lost_after` of silence, counted only while at least one antenna of
//!   its zone is known to be listening: an outage is not an exit. With `lost_adaptive` the silence
//!   follows the tag's own.
//! * Several antennas make a *zone*. A move needs two reads in the new zone and more power
//!   there, by an offset that sinks as the old evidence ages. Where a reader reports no signal
//!   strength (a Mercury 4 does not), both zones count as equally strong, so the move
//!   comes when the old zone has been silent for 1.25 s.
//! * Two zones may be a *passage*, one behind the other: what happens between them says whether
//!   the tag is entering or leaving, and how sure that is.
//! * A tag that returns within `revisit_within` continues its visit.
//! * A tag that has been present for `stationary_after` was forgotten here or is fixed: it is set
//!   aside with a last `departed`, and free again when it has been silent as long as a departure
//!   takes.
//! * A zone may have figures of its own ([`ZoneSettings`]): a pad wants one read where a door
//!   wants three.
//!
//! Everything happens on the time that is handed in with reads and with [`Presence::advance`];
//! time-outs use its monotonic part only. What is said depends on the reads and their times and
//! not on when it was noticed: the same reads give the same events, ids and times included. A read
//! costs constant time and, for a known tag, no allocation. There is one timer wheel for all tags.

mod coverage;
mod direction;
mod glimpses;
mod guard;
mod moment;
mod places;
mod settings;
mod signal;
mod tags;
mod tracked;
mod visits;
mod wheel;

use std::time::Duration;

pub use places::{ReaderIndex, ReaderPlace, ZoneMap};
pub use settings::{EpcHeaders, Lost, LostAdaptive, Passage, PresenceSettings, ZoneRules, ZoneSettings};
pub use visits::VisitCheckpoint;

use direction::Passages;
use glimpses::{Glimpse, Glimpses};
use guard::{Guard, Refusal};
use moment::{At, Nanos, Packed, millis, span};
use places::{Places, Zone};
use tags::{ShortId, TagTable};
use tracked::{Change, Heard, Phase, Tracked, ZoneIndex};
use wheel::Wheel;

use crate::clock::{Stamp, UtcTime};
use crate::event::{Event, EventId, EventKind};
use crate::listening::Listening;
use crate::name::Name;
use crate::read_buf::{ReadBuf, Sighting};
use crate::tag_id::{TagId, TagIdRef};
use crate::tag_read::TagRead;

/// Reads of one tag that lie no further apart support each other.
const LATELY: Duration = Duration::from_secs(2);

/// What presence has to say: events in order, and visits that may be forgotten.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Events, oldest first.
    pub events: Vec<Event>,
    /// Tags whose visit is over for good, so that a checkpoint of it may be removed.
    pub forgotten: Vec<TagId>,
}

impl Outcome {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.forgotten.is_empty()
    }
}

/// What presence has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PresenceCounts {
    /// Sightings taken in, merged ones with their count.
    pub sightings: u64,
    /// Glimpses that were not confirmed.
    pub unconfirmed: u64,
    /// Glimpses that newer ones pushed out before their time was over.
    pub crowded_out: u64,
    /// Reads of antenna ports that belong to no zone.
    pub without_zone: u64,
    /// Reads of further tags while the limit on tracked tags was reached.
    pub over_limit: u64,
    /// Reads whose check code did not fit.
    pub check_failed: u64,
    /// Reads of a length that no tag has.
    pub impossible_length: u64,
    /// Reads with a header that no scheme has, where that matters.
    pub unknown_header: u64,
    /// Tags tracked at present, remembered visits and glimpses included.
    pub tracked: u64,
    /// Tags that count as present.
    pub present: u64,
    /// Tags that are here and set aside.
    pub set_aside: u64,
}

/// Presence of tags for one pipeline.
#[derive(Debug)]
pub struct Presence {
    pipeline: Name,
    /// Tags that are tracked at once.
    max_tags: u32,
    places: Places,
    guard: Guard,
    passages: Passages,
    tags: TagTable,
    glimpses: Glimpses,
    wheel: Wheel,
    counts: PresenceCounts,
}

/// What time alone has done to a tag.
enum Due {
    Departure(At),
    SetAside(At),
    /// It was set aside and is gone.
    Freed(At),
    Forgotten,
}

impl Presence {
    /// Presence for these readers. A pipeline has at most 65,535 readers and as many zones;
    /// further ones are never heard.
    pub fn new(pipeline: Name, settings: PresenceSettings, places: &[ReaderPlace]) -> Self {
        let places = Places::new(&settings, places);
        let zones = places.zones().iter().map(|zone| zone.name.as_str());
        Self {
            pipeline,
            max_tags: settings.max_tags,
            guard: Guard::new(settings.epc_headers),
            passages: Passages::new(&settings.passages, zones),
            places,
            tags: TagTable::new(),
            glimpses: Glimpses::new(settings.glimpse_lasts.0),
            wheel: Wheel::new(),
            counts: PresenceCounts::default(),
        }
    }

    /// Takes in a batch of reads of one reader.
    ///
    /// Call [`Presence::advance`] with the batch's receive time first, so that what was due
    /// before it is said before it.
    pub fn observe(&mut self, reader: ReaderIndex, batch: &ReadBuf, outcome: &mut Outcome) {
        if batch.is_merged() {
            for sighting in batch.iter() {
                let (first, last) = (sighting.first.into(), sighting.last.into());
                self.observe_one(reader, sighting.read, sighting.id, (first, last), outcome);
            }
            return;
        }
        let at = At::from(batch.received());
        for read in batch.reads() {
            self.observe_one(reader, read, batch.id(read), (at, at), outcome);
        }
    }

    /// Takes in which antennas of a reader are known to be listening, from `at` on.
    ///
    /// For an outage, `at` is the last sign of life and may lie in the past.
    pub fn set_listening(&mut self, reader: ReaderIndex, listening: &Listening, at: Stamp) {
        self.places.set_listening(reader, listening, At::from(at).mono);
    }

    /// Lets time pass: gives departures that are due and forgets what is over.
    ///
    /// Looks at no more than `budget` tags, so that a million departures at once do not stop
    /// the reads; returns whether more are due.
    pub fn advance(&mut self, now: Stamp, budget: usize, outcome: &mut Outcome) -> bool {
        let glimpses_are_due = self.glimpses.expire(At::from(now).mono, budget);
        for _ in 0..budget {
            match self.wheel.take_due(now.monotonic, &mut self.tags) {
                Some(number) => self.catch_up(number, now.into(), outcome),
                None => return glimpses_are_due,
            }
        }
        glimpses_are_due || self.wheel.next_due().is_some_and(|due| due <= now.monotonic)
    }

    /// When [`Presence::advance`] next has something to do, on the monotonic clock.
    pub fn next_due(&self) -> Option<Duration> {
        let glimpses = self.glimpses.next_due().map(span);
        [self.wheel.next_due(), glimpses].into_iter().flatten().min()
    }

    /// What has been counted so far.
    pub fn counts(&self) -> PresenceCounts {
        PresenceCounts {
            tracked: (self.tags.len() + self.glimpses.len()) as u64,
            unconfirmed: self.glimpses.unconfirmed,
            crowded_out: self.glimpses.crowded_out,
            ..self.counts
        }
    }

    /// What was heard and is not confirmed, as reads by reader, for presence that takes over from
    /// this one in the same run.
    pub fn glimpses(&self) -> Vec<(Name, ReadBuf)> {
        let readers = self.places.readers();
        let room = self.glimpses.len();
        let mut by_reader: Vec<(Name, ReadBuf)> =
            readers.iter().map(|reader| (reader.name.clone(), ReadBuf::with_capacity(room))).collect();
        for glimpse in self.glimpses.iter() {
            let Some((_, reads)) = by_reader.get_mut(usize::from(glimpse.reader)) else { continue };
            let id = glimpse.id();
            let mut read = TagRead::blank(id.kind());
            read.set_count(u16::try_from(glimpse.reads).unwrap_or(u16::MAX));
            if glimpse.antenna_port != 0 {
                read.set_antenna_port(glimpse.antenna_port);
            }
            if let Some(rssi) = glimpse.peak_rssi_cdbm {
                read.set_rssi_cdbm(rssi);
            }
            if let Some(protocol) = glimpse.protocol {
                read.set_protocol(protocol);
            }
            let since = Stamp { monotonic: span(glimpse.since.mono), utc: glimpse.since.utc() };
            reads.merge_in(&Sighting { read: &read, id: id.as_ref(), first: since, last: since });
        }
        by_reader.retain(|(_, reads)| !reads.is_empty());
        by_reader
    }

    #[inline]
    fn observe_one(
        &mut self,
        reader: ReaderIndex,
        read: &TagRead,
        id: TagIdRef<'_>,
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
            first,
            last,
        };
        let known = self.tags.find(id);
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
            Refusal::Length => &mut self.counts.impossible_length,
            Refusal::Header => &mut self.counts.unknown_header,
        };
        *count += 1;
    }

    /// A read of a tag that is present, if it is and nothing is due for it; whether that was so.
    #[inline]
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

    /// Takes a tag as far as the time has come, and gives it its next deadline.
    #[cold]
    fn catch_up(&mut self, number: u32, now: At, outcome: &mut Outcome) {
        while let Some(due) = self.due(number, now) {
            match due {
                Due::Departure(at) => {
                    self.give(number, Fact::of(EventKind::Departed, at), outcome);
                    self.set_phase(number, Phase::Away(at.into()));
                    self.counts.present = self.counts.present.saturating_sub(1);
                }
                Due::SetAside(at) => {
                    let fact = Fact { set_aside: true, ..Fact::of(EventKind::Departed, at) };
                    self.give(number, fact, outcome);
                    self.set_phase(number, Phase::Aside);
                    self.counts.present = self.counts.present.saturating_sub(1);
                    self.counts.set_aside += 1;
                }
                Due::Freed(at) => {
                    self.set_phase(number, Phase::Away(at.into()));
                    self.counts.set_aside = self.counts.set_aside.saturating_sub(1);
                }
                Due::Forgotten => {
                    outcome.forgotten.extend(self.tags.id(number));
                    self.wheel.cancel(number, &mut self.tags);
                    self.tags.remove(number);
                }
            }
        }
        self.schedule(number, now);
    }

    fn set_phase(&mut self, number: u32, phase: Phase) {
        if let Some(tag) = self.tags.get_mut(number) {
            tag.phase = phase;
        }
        self.passages.forget(number);
    }

    /// What is due for a tag, the earliest first.
    #[inline]
    fn due(&self, number: u32, now: At) -> Option<Due> {
        let tag = self.tags.get(number)?;
        let zone = self.places.zone(tag.zone)?;
        match tag.phase {
            Phase::Present(_) => {
                let lost = lost_at(tag, zone, now);
                let aside = tag.set_aside_at(&zone.limits).filter(|aside| *aside <= now.mono);
                match (lost, aside) {
                    (Some(lost), aside) if aside.is_none_or(|aside| lost.mono <= aside) => {
                        Some(Due::Departure(lost))
                    }
                    (_, aside) => {
                        aside.map(|aside| Due::SetAside(tag.on_its_clock(now.earlier(now.mono - aside))))
                    }
                }
            }
            Phase::Aside => lost_at(tag, zone, now).map(Due::Freed),
            Phase::Away(departed) => {
                let is_over = now.mono - departed.mono() >= zone.limits.revisit_within;
                // Who was heard again in time may still be confirmed.
                (is_over && !self.is_glimpsed(number, now)).then_some(Due::Forgotten)
            }
        }
    }

    #[cold]
    fn is_glimpsed(&self, number: u32, now: At) -> bool {
        self.tags.id(number).is_some_and(|id| self.glimpses.has(id.as_ref(), now.mono))
    }

    /// Sets the tag's next deadline from its phase.
    fn schedule(&mut self, number: u32, now: At) {
        let Some(tag) = self.tags.get(number) else { return };
        let Some(zone) = self.places.zone(tag.zone) else { return };
        let limits = &zone.limits;
        let silence = zone.coverage.covered(now.mono) - tag.covered.get();
        let to_loss = tag.lost_after(limits) - silence;
        let wait = match tag.phase {
            Phase::Present(_) => {
                // A silence that adapts may become shorter in the meantime.
                let to_loss = if limits.is_adaptive { to_loss.min(limits.lost_at_least) } else { to_loss };
                let to_setting_aside = tag.set_aside_at(limits).map(|aside| aside - now.mono);
                to_loss.min(to_setting_aside.unwrap_or(Nanos::MAX))
            }
            Phase::Aside => to_loss,
            Phase::Away(departed) => limits.revisit_within - (now.mono - departed.mono()),
        };
        // At least one nanosecond ahead: a deadline of now would be looked at again at once.
        self.wheel.schedule(number, span(now.mono) + span(wait.max(1)), &mut self.tags);
    }

    /// Adds an event about this tag.
    fn give(&mut self, number: u32, fact: Fact, outcome: &mut Outcome) {
        let at = fact.at;
        let Some(id) = self.tags.id(number) else { return };
        let Some(tag) = self.tags.get_mut(number) else { return };
        let Some(reader) = self.places.reader(tag.reader) else { return };
        let Some(zone) = self.places.zone(tag.zone) else { return };
        let (first, last) = (tag.first.get(), tag.last.get());
        let silence = at.mono - last.mono;
        let covered_silence = zone.coverage.covered(at.mono) - tag.covered.get();
        outcome.events.push(Event {
            event_id: EventId::derive(&self.pipeline, &id, first.utc(), tag.sequence),
            sequence: None,
            kind: fact.kind,
            time: at.utc(),
            reader: reader.name.clone(),
            antenna_port: (tag.antenna_port != 0).then_some(tag.antenna_port),
            zone: zone.name.clone(),
            zone_before: fact.zone_before,
            branch: reader.branch.clone(),
            tag: id,
            protocol: tag.protocol,
            peak_rssi_cdbm: tag.peak.cdbm(),
            read_count: u64::from(tag.reads),
            first_seen: first.utc(),
            last_seen: last.utc(),
            reader_time: fact.reader_time,
            dwell_ms: millis(last.mono - first.mono),
            revisit: fact.revisit,
            set_aside: fact.set_aside,
            coverage_gap_ms: millis(silence - covered_silence),
            heading: self.passages.heading(number),
            record: None,
            unconfirmed_by: Vec::new(),
        });
        tag.sequence = tag.sequence.saturating_add(1);
        tag.event_after = tag.millis_since_first(at);
    }

    fn is_full(&self) -> bool {
        self.tags.len() >= self.max_tags as usize
    }
}

/// When a tag that is here had been silent for as long as a departure takes, if it has been.
#[inline]
fn lost_at(tag: &Tracked, zone: &Zone, now: At) -> Option<At> {
    let covered = tag.covered.get() + tag.lost_after(&zone.limits);
    (zone.coverage.covered(now.mono) >= covered).then(|| tag.on_its_clock(zone.coverage.when(covered, now)))
}

/// An event to be given.
struct Fact {
    kind: EventKind,
    at: At,
    reader_time: Option<UtcTime>,
    revisit: bool,
    set_aside: bool,
    zone_before: Option<Name>,
}

impl Fact {
    fn of(kind: EventKind, at: At) -> Self {
        Self { kind, at, reader_time: None, revisit: false, set_aside: false, zone_before: None }
    }
}

#[cfg(test)]
mod tests;
