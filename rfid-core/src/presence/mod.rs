//! From reads to arrived, moved and departed.
//!
//! A card at a door gives anything from four hundred reads to five, because bodies shadow it.
//! Presence is the only place on the line where reads are merged, confirmed or judged. What it
//! does, in short:
//!
//! * A tag is *glimpsed* at its first read, and *present* after `confirm_reads` reads, or after
//!   `confirm_within` with at least two. A glimpse that is not confirmed within
//!   [`GLIMPSE_LASTS`] is forgotten and counted.
//! * It has *departed* after `lost_after` of silence, counted only while at least one antenna of
//!   its zone is known to be listening: an outage is not an exit.
//! * Several antennas make a *zone*. A move needs two reads in the new zone and more power
//!   there, by an offset that sinks as the old evidence ages. Where a reader reports no signal
//!   strength (a Mercury 4 does not), both zones count as equally strong, so the move
//!   comes when the old zone has been silent for 1.25 s.
//! * A tag that returns within `revisit_within` continues its visit.
//! * A zone may have figures of its own ([`ZoneSettings`]): a pad wants one read where a door
//!   wants three.
//!
//! Everything happens on the time that is handed in with reads and with [`Presence::advance`];
//! time-outs use its monotonic part only. A read costs constant time and, for a known tag, no
//! allocation. There is one timer wheel for all tags.

mod coverage;
mod settings;
mod signal;
mod tags;
mod tracked;
mod wheel;

use std::time::Duration;

pub use settings::{PresenceSettings, ZoneRules, ZoneSettings};
pub use tracked::VisitCheckpoint;

use coverage::CoverageClock;
use tags::TagTable;
use tracked::{Change, Departure, Elsewhere, Evidence, Heard, Phase, Tracked, ZoneIndex, elapsed, mono};
use wheel::Wheel;

use crate::clock::{Stamp, UtcTime};
use crate::event::{Event, EventId, EventKind};
use crate::listening::Listening;
use crate::name::Name;
use crate::read_buf::{ReadBuf, Sighting};
use crate::tag_id::TagId;
use crate::tag_read::TagRead;

/// How long after its first read a tag must be confirmed, or the glimpse is forgotten.
pub const GLIMPSE_LASTS: Duration = Duration::from_secs(2);

/// One reader of a pipeline and the zones that its antennas belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderPlace {
    /// Name of the reader.
    pub reader: Name,
    /// Branch that the reader stands in.
    pub branch: Option<Name>,
    /// Where its antennas listen.
    pub zones: ZoneMap,
}

/// Which zone an antenna listens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZoneMap {
    /// All antennas of the reader listen to this zone.
    Whole(Name),
    /// Antenna port and zone. Reads of other ports are counted and not used.
    ByPort(Vec<(u16, Name)>),
}

impl ZoneMap {
    /// Antenna ports that belong to a zone, in ascending order; empty for all that there are.
    pub fn antenna_ports(&self) -> Vec<u16> {
        match self {
            Self::Whole(_) => Vec::new(),
            Self::ByPort(ports) => {
                let mut ports: Vec<u16> = ports.iter().map(|(port, _)| *port).collect();
                ports.sort_unstable();
                ports
            }
        }
    }
}

/// Number of a reader within its pipeline, in the order given to [`Presence::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReaderIndex(pub u16);

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
    /// Reads of antenna ports that belong to no zone.
    pub without_zone: u64,
    /// Reads of further tags while the limit on tracked tags was reached.
    pub over_limit: u64,
    /// Tags tracked at present, remembered visits and glimpses included.
    pub tracked: u64,
    /// Tags that count as present.
    pub present: u64,
}

/// Presence of tags for one pipeline.
#[derive(Debug)]
pub struct Presence {
    pipeline: Name,
    /// Tags that are tracked at once.
    max_tags: u32,
    readers: Vec<Reader>,
    zones: Vec<Zone>,
    tags: TagTable<Tracked>,
    wheel: Wheel,
    counts: PresenceCounts,
}

#[derive(Debug)]
struct Reader {
    name: Name,
    branch: Option<Name>,
    antennas: Antennas,
}

#[derive(Debug)]
enum Antennas {
    Whole { zone: ZoneIndex, listening: bool },
    ByPort(Vec<Antenna>),
}

#[derive(Debug)]
struct Antenna {
    port: u16,
    zone: ZoneIndex,
    listening: bool,
}

#[derive(Debug)]
struct Zone {
    name: Name,
    coverage: CoverageClock,
    rules: ZoneRules,
}

impl Presence {
    /// Presence for these readers. A pipeline has at most 65,535 readers and as many zones;
    /// further ones are never heard.
    pub fn new(pipeline: Name, settings: PresenceSettings, places: &[ReaderPlace]) -> Self {
        let mut zones: Vec<Zone> = Vec::new();
        let mut zone_index = |name: &Name| match zones.iter().position(|zone| zone.name == *name) {
            Some(index) => index as ZoneIndex,
            None => {
                zones.push(Zone {
                    name: name.clone(),
                    coverage: CoverageClock::default(),
                    rules: settings.rules(name),
                });
                (zones.len() - 1) as ZoneIndex
            }
        };
        let readers = places
            .iter()
            .take(usize::from(u16::MAX))
            .map(|place| Reader {
                name: place.reader.clone(),
                branch: place.branch.clone(),
                antennas: match &place.zones {
                    ZoneMap::Whole(zone) => Antennas::Whole { zone: zone_index(zone), listening: false },
                    ZoneMap::ByPort(ports) => Antennas::ByPort(
                        ports
                            .iter()
                            .map(|(port, zone)| Antenna {
                                port: *port,
                                zone: zone_index(zone),
                                listening: false,
                            })
                            .collect(),
                    ),
                },
            })
            .collect();
        Self {
            pipeline,
            max_tags: settings.max_tags,
            readers,
            zones,
            tags: TagTable::new(),
            wheel: Wheel::new(),
            counts: PresenceCounts::default(),
        }
    }

    /// Takes in a batch of reads of one reader.
    ///
    /// Call [`Presence::advance`] with the batch's receive time first, so that what was due
    /// before it is said before it.
    pub fn observe(&mut self, reader: ReaderIndex, batch: &ReadBuf, outcome: &mut Outcome) {
        for sighting in batch.iter() {
            self.observe_one(reader, &sighting, outcome);
        }
    }

    /// Takes in which antennas of a reader are known to be listening, from `at` on.
    ///
    /// For an outage, `at` is the last sign of life and may lie in the past.
    pub fn set_listening(&mut self, reader: ReaderIndex, listening: &Listening, at: Stamp) {
        let Some(reader) = self.readers.get_mut(usize::from(reader.0)) else { return };
        let zones = &mut self.zones;
        let mut switch = |zone: ZoneIndex, was: &mut bool, is: bool| {
            let Some(zone) = zones.get_mut(usize::from(zone)) else { return };
            match (std::mem::replace(was, is), is) {
                (false, true) => zone.coverage.antenna_up(at),
                (true, false) => zone.coverage.antenna_down(at),
                _ => {}
            }
        };
        match &mut reader.antennas {
            Antennas::Whole { zone, listening: was } => {
                let is = match listening {
                    Listening::None => false,
                    Listening::All => true,
                    Listening::Ports(ports) => !ports.is_empty(),
                };
                switch(*zone, was, is);
            }
            Antennas::ByPort(antennas) => {
                for antenna in antennas {
                    let is = match listening {
                        Listening::None => false,
                        Listening::All => true,
                        Listening::Ports(ports) => ports.contains(&antenna.port),
                    };
                    switch(antenna.zone, &mut antenna.listening, is);
                }
            }
        }
    }

    /// Lets time pass: gives departures that are due and forgets what is over.
    ///
    /// Looks at no more than `budget` tags, so that a million departures at once do not stop
    /// the reads; returns whether more are due.
    pub fn advance(&mut self, now: Stamp, budget: usize, outcome: &mut Outcome) -> bool {
        for _ in 0..budget {
            match self.wheel.take_due(now.monotonic, &mut self.tags) {
                Some(number) => self.look_at(number, now, outcome),
                None => return false,
            }
        }
        self.wheel.next_due().is_some_and(|due| due <= now.monotonic)
    }

    /// When [`Presence::advance`] next has something to do, on the monotonic clock.
    pub fn next_due(&self) -> Option<Duration> {
        self.wheel.next_due()
    }

    /// What has been counted so far.
    pub fn counts(&self) -> PresenceCounts {
        PresenceCounts { tracked: self.tags.len() as u64, ..self.counts }
    }

    /// The visit of one tag in its durable form; `None` for a tag without one.
    pub fn checkpoint(&self, tag: &TagId) -> Option<VisitCheckpoint> {
        let number = self.tags.find(tag.as_ref())?;
        self.visit_checkpoint(number, self.tags.get(number)?)
    }

    /// All visits in their durable form.
    pub fn checkpoints(&self) -> impl Iterator<Item = VisitCheckpoint> {
        self.tags.iter().filter_map(|(number, tag)| self.visit_checkpoint(number, tag))
    }

    /// What was heard and is not confirmed, as reads by reader, for presence that takes over from
    /// this one in the same run.
    pub fn glimpses(&self) -> Vec<(Name, ReadBuf)> {
        let mut by_reader: Vec<(Name, ReadBuf)> = self
            .readers
            .iter()
            .map(|reader| (reader.name.clone(), ReadBuf::with_capacity(self.tags.len())))
            .collect();
        for (number, tag) in self.tags.iter() {
            let (Phase::Glimpsed(glimpse), Some(id)) = (tag.phase, self.tags.id(number)) else { continue };
            let Some((_, reads)) = by_reader.get_mut(usize::from(tag.reader)) else { continue };
            let mut read = TagRead::blank(id.kind());
            read.set_count(u16::try_from(glimpse.reads).unwrap_or(u16::MAX));
            if tag.antenna_port != 0 {
                read.set_antenna_port(tag.antenna_port);
            }
            if let Some(rssi) = glimpse.peak_rssi_cdbm {
                read.set_rssi_cdbm(rssi);
            }
            if let Some(protocol) = tag.protocol {
                read.set_protocol(protocol);
            }
            let since = glimpse.since;
            reads.merge_in(&Sighting { read: &read, id: id.as_ref(), first: since, last: since });
        }
        by_reader.retain(|(_, reads)| !reads.is_empty());
        by_reader
    }

    /// Takes up visits of an earlier run. Returns the tags whose visits are over or whose zone
    /// or reader is no longer configured; their checkpoints may be removed.
    ///
    /// The time in which the host did not run counts as not listened to, so a restored tag
    /// departs only after a full `lost_after` of silence from now.
    pub fn restore(&mut self, visits: impl IntoIterator<Item = VisitCheckpoint>, now: Stamp) -> Vec<TagId> {
        let mut over = Vec::new();
        for visit in visits {
            if !self.restore_one(&visit, now) {
                over.push(visit.tag);
            }
        }
        over
    }

    fn restore_one(&mut self, visit: &VisitCheckpoint, now: Stamp) -> bool {
        let zone = self.zones.iter().position(|zone| zone.name == visit.zone);
        let reader = self.readers.iter().position(|reader| reader.name == visit.reader);
        let (Some(zone), Some(reader)) = (zone, reader) else { return false };
        if self.is_full() || self.tags.find(visit.tag.as_ref()).is_some() {
            return false;
        }
        let mono_of = |utc: UtcTime| {
            mono(now).saturating_sub(i64::try_from(now.utc.since(utc).as_nanos()).unwrap_or(i64::MAX))
        };
        let phase = match visit.departed {
            None => Phase::Present,
            Some(departed) => Phase::Away(Departure { mono: mono_of(departed), utc: departed }),
        };
        if let Phase::Away(departure) = phase
            && self.is_over(departure, zone as ZoneIndex, now)
        {
            return false;
        }
        let covered = zone_coverage(&self.zones, zone as ZoneIndex, now);
        let last_mono = mono_of(visit.last_seen);
        let number = self.tags.insert(
            visit.tag.as_ref(),
            Tracked {
                phase,
                reader: reader as u16,
                antenna_port: visit.antenna_port.unwrap_or(0),
                zone: zone as ZoneIndex,
                protocol: visit.protocol,
                peak_rssi_cdbm: visit.peak_rssi_cdbm,
                reads: visit.read_count,
                first_mono: mono_of(visit.first_seen),
                first_utc: visit.first_seen,
                last_mono,
                last_utc: visit.last_seen,
                last_covered: covered,
                event_mono: mono(now),
                sequence: visit.sequence,
                here: Evidence { last_mono, ..Evidence::default() },
                elsewhere: Elsewhere::default(),
            },
        );
        self.counts.present += u64::from(visit.departed.is_none());
        self.schedule(number, now);
        true
    }

    fn observe_one(&mut self, reader: ReaderIndex, sighting: &Sighting<'_>, outcome: &mut Outcome) {
        let read = sighting.read;
        self.counts.sightings += u64::from(read.count());
        let Some(zone) = self.zone_of(reader, read.antenna_port()) else {
            self.counts.without_zone += 1;
            return;
        };
        let heard = Heard {
            reader: reader.0,
            antenna_port: read.antenna_port().unwrap_or(0),
            zone,
            count: read.count(),
            rssi_cdbm: read.rssi_cdbm(),
            protocol: read.protocol(),
            reader_time: read.reader_time(),
            first: sighting.first,
            last: sighting.last,
        };
        let number = match self.tags.find(sighting.id) {
            Some(number) => number,
            None if self.is_full() => {
                self.counts.over_limit += 1;
                return;
            }
            None => self.tags.insert(sighting.id, Tracked::new(&heard)),
        };
        let Some(tag) = self.tags.get_mut(number) else { return };
        let Some(rules) = self.zones.get(usize::from(zone)).map(|zone| zone.rules) else { return };
        let change = tag.judge(&heard, &rules);
        // The silence of a departure starts anew, on the clock of the zone that the tag is in.
        let covered = zone_coverage(&self.zones, tag.zone, heard.last);
        tag.last_covered = covered;
        self.follow_up(number, change, &heard, outcome);
    }

    /// Says what a read changed, and sets the deadline that follows from it.
    fn follow_up(&mut self, number: u32, change: Change, heard: &Heard, outcome: &mut Outcome) {
        let now = heard.last;
        let (kind, revisit) = match change {
            Change::Nothing => return,
            Change::Glimpsed { dropped_one } => {
                self.counts.unconfirmed += u64::from(dropped_one);
                self.schedule(number, now);
                return;
            }
            Change::Arrived { revisit } => (EventKind::Arrived, revisit),
            Change::Moved { .. } => (EventKind::Moved, false),
            Change::Stayed if self.is_to_be_said_again(number, now) => (EventKind::Seen, false),
            Change::Stayed => return,
        };
        let zone_before = match change {
            Change::Moved { from } => self.zones.get(usize::from(from)).map(|zone| zone.name.clone()),
            _ => None,
        };
        self.give(number, Fact { kind, now, reader_time: heard.reader_time, revisit, zone_before }, outcome);
        if kind == EventKind::Arrived {
            self.counts.present += 1;
        }
        if kind != EventKind::Seen {
            self.schedule(number, now);
        }
    }

    /// Whether the last event about a tag that stays lies far enough back.
    fn is_to_be_said_again(&self, number: u32, now: Stamp) -> bool {
        let Some(tag) = self.tags.get(number) else { return false };
        let every = self.zones.get(usize::from(tag.zone)).and_then(|zone| zone.rules.repeat_every);
        every.is_some_and(|every| elapsed(tag.event_mono, mono(now)) >= every)
    }

    /// Looks at a tag whose deadline has passed, takes it as far as the time has come, and gives
    /// it its next deadline.
    fn look_at(&mut self, number: u32, now: Stamp, outcome: &mut Outcome) {
        while let Some(tag) = self.tags.get(number) {
            let next = match tag.phase {
                Phase::Glimpsed(glimpse) if glimpse.is_over(now) => {
                    self.counts.unconfirmed += 1;
                    glimpse.returning.map(Phase::Away)
                }
                Phase::Present if self.silence(tag, now) >= self.lost_after(tag.zone) => {
                    let kind = EventKind::Departed;
                    let fact = Fact { kind, now, reader_time: None, revisit: false, zone_before: None };
                    self.give(number, fact, outcome);
                    self.counts.present = self.counts.present.saturating_sub(1);
                    Some(Phase::Away(Departure { mono: mono(now), utc: now.utc }))
                }
                Phase::Away(departure) if self.is_over(departure, tag.zone, now) => {
                    outcome.forgotten.extend(self.tags.id(number));
                    None
                }
                _ => return self.schedule(number, now),
            };
            match (next, self.tags.get_mut(number)) {
                (Some(next), Some(tag)) => tag.phase = next,
                _ => self.tags.remove(number),
            }
        }
    }

    /// How long the tag has been silent while its zone was listened to.
    fn silence(&self, tag: &Tracked, now: Stamp) -> Duration {
        zone_coverage(&self.zones, tag.zone, now).saturating_sub(tag.last_covered)
    }

    /// Whether a return would now be a new visit.
    fn is_over(&self, departure: Departure, zone: ZoneIndex, now: Stamp) -> bool {
        elapsed(departure.mono, mono(now)) >= self.revisit_within(zone)
    }

    fn lost_after(&self, zone: ZoneIndex) -> Duration {
        self.zones.get(usize::from(zone)).map(|zone| zone.rules.lost_after).unwrap_or_default()
    }

    fn revisit_within(&self, zone: ZoneIndex) -> Duration {
        self.zones.get(usize::from(zone)).map(|zone| zone.rules.revisit_within).unwrap_or_default()
    }

    /// Sets the tag's next deadline from its phase.
    fn schedule(&mut self, number: u32, now: Stamp) {
        let Some(tag) = self.tags.get(number) else { return };
        let wait = match tag.phase {
            Phase::Glimpsed(glimpse) => GLIMPSE_LASTS.saturating_sub(now.since(glimpse.since)),
            Phase::Present => self.lost_after(tag.zone).saturating_sub(self.silence(tag, now)),
            Phase::Away(departure) => {
                self.revisit_within(tag.zone).saturating_sub(elapsed(departure.mono, mono(now)))
            }
        };
        // At least one nanosecond ahead: a deadline of now would be looked at again at once.
        let deadline = now.monotonic + wait.max(Duration::from_nanos(1));
        self.wheel.schedule(number, deadline, &mut self.tags);
    }

    /// Adds an event about this tag.
    fn give(&mut self, number: u32, fact: Fact, outcome: &mut Outcome) {
        let now = fact.now;
        let Some(id) = self.tags.id(number) else { return };
        let Some(tag) = self.tags.get(number) else { return };
        let Some(reader) = self.readers.get(usize::from(tag.reader)) else { return };
        let Some(zone) = self.zones.get(usize::from(tag.zone)) else { return };
        let silence = elapsed(tag.last_mono, mono(now));
        let covered_silence = zone.coverage.covered(now).saturating_sub(tag.last_covered);
        outcome.events.push(Event {
            event_id: EventId::derive(&self.pipeline, &id, tag.first_utc, tag.sequence),
            sequence: None,
            kind: fact.kind,
            time: now.utc,
            reader: reader.name.clone(),
            antenna_port: (tag.antenna_port != 0).then_some(tag.antenna_port),
            zone: zone.name.clone(),
            zone_before: fact.zone_before,
            branch: reader.branch.clone(),
            tag: id,
            protocol: tag.protocol,
            peak_rssi_cdbm: tag.peak_rssi_cdbm,
            read_count: tag.reads,
            first_seen: tag.first_utc,
            last_seen: tag.last_utc,
            reader_time: fact.reader_time,
            dwell_ms: millis(elapsed(tag.first_mono, tag.last_mono)),
            revisit: fact.revisit,
            coverage_gap_ms: millis(silence.saturating_sub(covered_silence)),
            record: None,
            unconfirmed_by: Vec::new(),
        });
        if let Some(tag) = self.tags.get_mut(number) {
            tag.sequence += 1;
            tag.event_mono = mono(now);
        }
    }

    fn visit_checkpoint(&self, number: u32, tag: &Tracked) -> Option<VisitCheckpoint> {
        let departed = match tag.phase {
            Phase::Present => None,
            Phase::Away(departure) => Some(departure.utc),
            Phase::Glimpsed(glimpse) => Some(glimpse.returning?.utc),
        };
        Some(VisitCheckpoint {
            tag: self.tags.id(number)?,
            departed,
            reader: self.readers.get(usize::from(tag.reader))?.name.clone(),
            antenna_port: (tag.antenna_port != 0).then_some(tag.antenna_port),
            zone: self.zones.get(usize::from(tag.zone))?.name.clone(),
            protocol: tag.protocol,
            peak_rssi_cdbm: tag.peak_rssi_cdbm,
            read_count: tag.reads,
            first_seen: tag.first_utc,
            last_seen: tag.last_utc,
            sequence: tag.sequence,
        })
    }

    fn zone_of(&self, reader: ReaderIndex, port: Option<u16>) -> Option<ZoneIndex> {
        match &self.readers.get(usize::from(reader.0))?.antennas {
            Antennas::Whole { zone, .. } => Some(*zone),
            Antennas::ByPort(antennas) => {
                antennas.iter().find(|antenna| Some(antenna.port) == port).map(|antenna| antenna.zone)
            }
        }
    }

    fn is_full(&self) -> bool {
        self.tags.len() >= self.max_tags as usize
    }
}

/// An event to be given.
struct Fact {
    kind: EventKind,
    now: Stamp,
    reader_time: Option<UtcTime>,
    revisit: bool,
    zone_before: Option<Name>,
}

fn zone_coverage(zones: &[Zone], zone: ZoneIndex, now: Stamp) -> Duration {
    zones.get(usize::from(zone)).map(|zone| zone.coverage.covered(now)).unwrap_or_default()
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
