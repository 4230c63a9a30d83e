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
mod facts;
mod glimpses;
mod guard;
mod moment;
mod passing;
mod places;
mod reads;
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
use glimpses::Glimpses;
use guard::Guard;
use moment::{At, span};
use places::Places;
use reads::Known;
use tags::TagTable;
use wheel::Wheel;

use crate::clock::Stamp;
use crate::event::Event;
use crate::listening::Listening;
use crate::name::Name;
use crate::read_buf::{ReadBuf, Sighting};
use crate::tag_id::TagId;
use crate::tag_read::TagRead;

/// Reads of one tag that lie no further apart support each other, so no glimpse is forgotten sooner.
pub const SHORTEST_GLIMPSE: Duration = Duration::from_secs(2);

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
    /// Reads of tags that made up their ids, which name nobody.
    pub no_identity: u64,
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
    /// Who the tags of the batch at hand are, kept for its memory.
    known: Known,
    glimpses: Glimpses,
    wheel: Wheel,
    counts: PresenceCounts,
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
            known: Known::default(),
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
        let known = self.look_up(batch);
        if batch.is_merged() {
            for (sighting, known) in batch.iter().zip(known.iter()) {
                let times = (sighting.first.into(), sighting.last.into());
                self.observe_one(reader, sighting.read, sighting.id, known, times, outcome);
            }
        } else {
            let at = At::from(batch.received());
            for (read, known) in batch.reads().iter().zip(known.iter()) {
                self.observe_one(reader, read, batch.id(read), known, (at, at), outcome);
            }
        }
        self.known = known;
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

    fn is_full(&self) -> bool {
        self.tags.len() >= self.max_tags as usize
    }
}

#[cfg(test)]
mod tests;
