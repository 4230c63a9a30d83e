//! Visits in their durable form, and how they are taken up again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Presence;
use super::moment::{At, Nanos, Packed, millis, nanos};
use super::tags::ShortId;
use super::tracked::{Answered, Gap, Peak, Phase, Signals, Tracked, ZoneIndex};
use super::wheel::Links;
use crate::air_protocol::AirProtocol;
use crate::clock::{Stamp, UtcTime};
use crate::event::{Event, EventId, EventKind};
use crate::name::Name;
use crate::tag_id::TagId;

/// A visit as it is kept through a restart of the host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VisitCheckpoint {
    /// The tag.
    pub tag: TagId,
    /// When the visit ended for the time being; absent while the tag is here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub departed: Option<UtcTime>,
    /// Whether the tag is here and set aside, because it has been here for so long.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub set_aside: bool,
    /// The reader that heard the tag last.
    pub reader: Name,
    /// Antenna port of that reader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub antenna_port: Option<u16>,
    /// Where the tag is.
    pub zone: Name,
    /// Air protocol of the tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<AirProtocol>,
    /// Whether the tag proved to be the one that its id names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentic: Option<bool>,
    /// Strongest signal of the visit in hundredths of a dBm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_rssi_cdbm: Option<i16>,
    /// Sightings in the visit.
    pub read_count: u64,
    /// First sighting of the visit.
    pub first_seen: UtcTime,
    /// When the tag arrived or last came back, in milliseconds after its first sighting.
    #[serde(default)]
    pub arrived_after_ms: u32,
    /// Last sighting.
    pub last_seen: UtcTime,
    /// From the first sighting to the last in milliseconds, by a clock that nobody sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dwell_ms: Option<u64>,
    /// Number of the visit's next event.
    pub sequence: u32,
}

/// Whoever was heard longer ago, as it seems under a clock that was wrong, counts as heard then:
/// times within a visit are kept in 32 bits of milliseconds.
const LONGEST_ABSENCE: Duration = Duration::from_secs(40 * 24 * 3600);

impl VisitCheckpoint {
    /// From the first sighting to the last, whatever the wall clock was set to in between.
    fn dwell(&self) -> Nanos {
        const AS_GOOD_AS_EQUAL: u64 = 1_000_000_000;
        let by_wall = nanos(self.last_seen.since(self.first_seen));
        let known = self.dwell_ms.map_or(by_wall, |millis| nanos(Duration::from_millis(millis)));
        let dwell = if known.abs_diff(by_wall) < AS_GOOD_AS_EQUAL { by_wall } else { known };
        // Whatever the file says, there is room to count on from it.
        dwell.min(Nanos::MAX / 2)
    }

    /// The visit as this event leaves it, where the checkpoint of the event's tag was `before`.
    ///
    /// `None` for an event that is not the next one of a visit: one that `before` knows already, one of
    /// a visit before that, or one of another pipeline.
    pub fn after(pipeline: &str, before: Option<&Self>, event: &Event) -> Option<Self> {
        let same = before.filter(|before| before.first_seen == event.first_seen);
        let is_newer = same.is_some() || before.is_none_or(|before| before.first_seen < event.first_seen);
        let sequence = same.map_or(0, |before| before.sequence);
        let is_next = || event.event_id == EventId::derive(pipeline, &event.tag, event.first_seen, sequence);
        if !(is_newer && is_next()) {
            return None;
        }
        let departed = event.kind == EventKind::Departed;
        Some(Self {
            tag: event.tag,
            departed: (departed && !event.set_aside).then_some(event.time),
            set_aside: event.set_aside,
            reader: event.reader.clone(),
            antenna_port: event.antenna_port,
            zone: event.zone.clone(),
            protocol: event.protocol,
            authentic: event.authentic,
            peak_rssi_cdbm: event.peak_rssi_cdbm,
            read_count: event.read_count,
            first_seen: event.first_seen,
            arrived_after_ms: match (event.kind, same) {
                // Who arrives has just been heard.
                (EventKind::Arrived, _) | (_, None) => event.dwell_ms as u32,
                (_, Some(before)) => before.arrived_after_ms,
            },
            last_seen: event.last_seen,
            dwell_ms: Some(event.dwell_ms),
            sequence: sequence.saturating_add(1),
        })
    }
}

impl Presence {
    /// The visit of one tag in its durable form; `None` for a tag without one.
    pub fn checkpoint(&self, tag: &TagId) -> Option<VisitCheckpoint> {
        self.visit(self.tags.find(tag.as_ref())?)
    }

    /// All visits in their durable form.
    pub fn checkpoints(&self) -> impl Iterator<Item = VisitCheckpoint> {
        (0..self.tags.places()).filter_map(|number| self.visit(number))
    }

    /// The visits of the tags in up to `most` places from place `from` on, and the place to go on
    /// from; `None` behind the last. A tag keeps its place for as long as it is tracked, so all
    /// are met in rounds of this, whatever happens in between.
    pub fn checkpoints_from(&self, from: u32, most: u32) -> (Vec<VisitCheckpoint>, Option<u32>) {
        let end = self.tags.places().min(from.saturating_add(most));
        let visits = (from..end).filter_map(|number| self.visit(number)).collect();
        (visits, (end < self.tags.places()).then_some(end))
    }

    fn visit(&self, number: u32) -> Option<VisitCheckpoint> {
        let tag = self.tags.get(number)?;
        let (departed, set_aside) = match tag.phase {
            Phase::Present(_) => (None, false),
            Phase::Aside => (None, true),
            Phase::Away(departed) => (Some(departed.get().utc()), false),
        };
        Some(VisitCheckpoint {
            tag: self.tags.id(number)?,
            departed,
            set_aside,
            reader: self.places.reader(tag.reader)?.name.clone(),
            antenna_port: (tag.antenna_port != 0).then_some(tag.antenna_port),
            zone: self.places.zone(tag.zone)?.name.clone(),
            protocol: tag.answered.protocol(),
            authentic: tag.answered.authentic(),
            peak_rssi_cdbm: tag.peak.cdbm(),
            read_count: u64::from(tag.reads),
            first_seen: tag.first.get().utc(),
            arrived_after_ms: tag.arrived_after,
            last_seen: tag.last.get().utc(),
            dwell_ms: Some(millis(tag.last.mono() - tag.first.mono())),
            sequence: tag.sequence,
        })
    }

    /// Takes up visits of an earlier run. Returns the tags whose visits are over or whose zone
    /// or reader is no longer configured; their checkpoints may be removed.
    ///
    /// The time in which the host did not run counts as not listened to, so a restored tag
    /// departs only after a full `lost_after` of silence from now, and nobody has stayed for
    /// longer by it.
    pub fn restore(&mut self, visits: impl IntoIterator<Item = VisitCheckpoint>, now: Stamp) -> Vec<TagId> {
        let mut over = Vec::new();
        for visit in visits {
            if !self.restore_one(&visit, now.into()) {
                over.push(visit.tag);
            }
        }
        over
    }

    fn restore_one(&mut self, visit: &VisitCheckpoint, now: At) -> bool {
        let zone = self.places.zones().iter().position(|zone| zone.name == visit.zone);
        let reader = self.places.readers().iter().position(|reader| reader.name == visit.reader);
        let (Some(zone), Some(reader)) = (zone, reader) else { return false };
        let id = visit.tag.as_ref();
        let Some(place) = self.places.zone(zone as ZoneIndex) else { return false };
        if self.is_full() || self.tags.find(id).is_some() {
            return false;
        }
        let ago = |utc: UtcTime| now.utc().since(utc);
        let at = |utc: UtcTime, ago: Duration| At {
            mono: now.mono.saturating_sub(nanos(ago)),
            utc: utc.as_nanos(),
        };
        let phase = match visit.departed {
            Some(departed) => Phase::Away(at(departed, ago(departed)).into()),
            None if visit.set_aside => Phase::Aside,
            None => Phase::Present(Signals::default()),
        };
        let last = at(visit.last_seen, ago(visit.last_seen).min(LONGEST_ABSENCE));
        let first = At { mono: last.mono - visit.dwell(), utc: visit.first_seen.as_nanos() };
        let absence = u32::try_from(millis(now.mono - last.mono)).unwrap_or(u32::MAX);
        let mut tag = Tracked {
            id: ShortId::new(id),
            links: Links::default(),
            phase,
            first: first.into(),
            last: last.into(),
            covered: Packed::of(place.coverage.covered(now.mono)),
            arrived_after: visit.arrived_after_ms.saturating_add(absence),
            event_after: 0,
            sequence: visit.sequence,
            reads: u32::try_from(visit.read_count).unwrap_or(u32::MAX),
            reader: reader as u16,
            antenna_port: visit.antenna_port.unwrap_or(0),
            zone: zone as ZoneIndex,
            peak: Peak::default(),
            answered: Answered::new(visit.protocol, visit.authentic),
            longest_gap: Gap::default(),
        };
        tag.peak.raise(visit.peak_rssi_cdbm);
        tag.event_after = tag.millis_since_first(now);
        if let Phase::Away(departed) = tag.phase
            && now.mono - departed.mono() >= place.limits.revisit_within
        {
            return false;
        }
        match tag.phase {
            Phase::Present(_) => self.counts.present += 1,
            Phase::Aside => self.counts.set_aside += 1,
            Phase::Away(_) => {}
        }
        let number = self.tags.insert(id, tag);
        self.schedule(number, now);
        true
    }
}
