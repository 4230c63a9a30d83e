//! What presence says.

use super::moment::{At, millis};
use super::{Outcome, Presence};
use crate::clock::UtcTime;
use crate::event::{Event, EventId, EventKind};
use crate::name::Name;

/// An event to be given.
pub(super) struct Fact {
    pub(super) kind: EventKind,
    pub(super) at: At,
    pub(super) reader_time: Option<UtcTime>,
    pub(super) revisit: bool,
    pub(super) set_aside: bool,
    pub(super) zone_before: Option<Name>,
}

impl Fact {
    pub(super) fn of(kind: EventKind, at: At) -> Self {
        Self { kind, at, reader_time: None, revisit: false, set_aside: false, zone_before: None }
    }
}

impl Presence {
    /// Adds an event about this tag.
    pub(super) fn give(&mut self, number: u32, fact: Fact, outcome: &mut Outcome) {
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
            protocol: tag.answered.protocol(),
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
            authentic: tag.answered.authentic(),
            record: None,
            unconfirmed_by: Vec::new(),
        });
        tag.sequence = tag.sequence.saturating_add(1);
        tag.event_after = tag.millis_since_first(at);
    }
}
