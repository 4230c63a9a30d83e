//! What is remembered of one tag, and its durable form.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::GLIMPSE_LASTS;
use super::settings::ZoneRules;
use super::signal::{MeanPower, move_offset_db};
use crate::air_protocol::AirProtocol;
use crate::clock::{Stamp, UtcTime};
use crate::name::Name;
use crate::tag_id::TagId;

/// Number of a zone within its pipeline.
pub(super) type ZoneIndex = u16;

/// Nanoseconds on the monotonic clock. Signed, since a visit that is restored from a checkpoint
/// began before this run's clock did.
pub(super) type MonoNanos = i64;

pub(super) fn mono(stamp: Stamp) -> MonoNanos {
    i64::try_from(stamp.monotonic.as_nanos()).unwrap_or(i64::MAX)
}

/// One read, looked up and ready to be judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    pub(super) reader: u16,
    pub(super) antenna_port: u16,
    pub(super) zone: ZoneIndex,
    pub(super) count: u16,
    pub(super) rssi_cdbm: Option<i16>,
    pub(super) protocol: Option<AirProtocol>,
    pub(super) reader_time: Option<UtcTime>,
    pub(super) first: Stamp,
    pub(super) last: Stamp,
}

/// State of one tracked tag. Everything but `phase` is about its visit.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) phase: Phase,
    pub(super) reader: u16,
    pub(super) antenna_port: u16,
    pub(super) zone: ZoneIndex,
    pub(super) protocol: Option<AirProtocol>,
    /// Strongest signal of the visit.
    pub(super) peak_rssi_cdbm: Option<i16>,
    /// Sightings in the visit.
    pub(super) reads: u64,
    /// First sighting of the visit.
    pub(super) first_mono: MonoNanos,
    pub(super) first_utc: UtcTime,
    /// Last sighting.
    pub(super) last_mono: MonoNanos,
    pub(super) last_utc: UtcTime,
    /// Reading of the zone's coverage clock at the last sighting.
    pub(super) last_covered: Duration,
    /// When the last event was given, for `repeat_every`.
    pub(super) event_mono: MonoNanos,
    /// Number of the visit's next event.
    pub(super) sequence: u32,
    /// Signal in the zone where the tag is, and when it was last heard there.
    pub(super) here: Evidence,
    /// The same for the zone that it may be moving to.
    pub(super) elsewhere: Elsewhere,
}

/// Where a tag stands between unknown and departed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    /// Heard, not confirmed.
    Glimpsed(Glimpse),
    /// Confirmed to be here.
    Present,
    /// Departed, and remembered for a revisit.
    Away(Departure),
}

/// Reads that do not yet make a visit, or not yet again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glimpse {
    pub(super) since: Stamp,
    pub(super) reads: u32,
    pub(super) peak_rssi_cdbm: Option<i16>,
    /// The departure that an arrival would make a mere interruption.
    pub(super) returning: Option<Departure>,
}

impl Glimpse {
    fn new(heard: &Heard, returning: Option<Departure>) -> Self {
        Self { since: heard.first, reads: 0, peak_rssi_cdbm: None, returning }
    }

    fn add(&mut self, heard: &Heard) {
        self.reads = self.reads.saturating_add(u32::from(heard.count));
        self.peak_rssi_cdbm = self.peak_rssi_cdbm.max(heard.rssi_cdbm);
    }

    pub(super) fn is_over(&self, now: Stamp) -> bool {
        now.since(self.since) >= GLIMPSE_LASTS
    }

    fn confirms(&self, now: Stamp, rules: &ZoneRules) -> bool {
        self.reads >= u32::from(rules.confirm_reads)
            || (self.reads >= 2 && now.since(self.since) >= rules.confirm_within)
    }
}

/// When a visit ended for the time being.
#[derive(Clone, Copy, Debug)]
pub(super) struct Departure {
    pub(super) mono: MonoNanos,
    pub(super) utc: UtcTime,
}

/// What a read changed for its tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing that anybody waits for.
    Nothing,
    /// A glimpse began; the one before it, if any, was not confirmed.
    Glimpsed { dropped_one: bool },
    /// The tag is now present.
    Arrived { revisit: bool },
    /// The tag is now in another zone.
    Moved { from: ZoneIndex },
    /// The tag is still where it was.
    Stayed,
}

impl Tracked {
    /// A tag that nothing is known of. The read that made it known is still to be judged.
    pub(super) fn new(heard: &Heard) -> Self {
        Self {
            phase: Phase::Glimpsed(Glimpse::new(heard, None)),
            reader: heard.reader,
            antenna_port: heard.antenna_port,
            zone: heard.zone,
            protocol: heard.protocol,
            peak_rssi_cdbm: None,
            reads: 0,
            first_mono: mono(heard.first),
            first_utc: heard.first.utc,
            last_mono: mono(heard.last),
            last_utc: heard.last.utc,
            last_covered: Duration::ZERO,
            event_mono: 0,
            sequence: 0,
            here: Evidence::default(),
            elsewhere: Elsewhere::default(),
        }
    }

    /// Takes a read into account; `rules` are those of the zone that heard it.
    pub(super) fn judge(&mut self, heard: &Heard, rules: &ZoneRules) -> Change {
        let now = heard.last;
        match &mut self.phase {
            Phase::Present => self.hear(heard),
            Phase::Away(departure) => {
                let returning = Some(*departure);
                self.glimpse(Glimpse::new(heard, returning), heard, rules, false)
            }
            Phase::Glimpsed(glimpse) if glimpse.is_over(now) => {
                let returning = glimpse.returning;
                self.glimpse(Glimpse::new(heard, returning), heard, rules, true)
            }
            Phase::Glimpsed(glimpse) => {
                let glimpse = *glimpse;
                match self.glimpse(glimpse, heard, rules, false) {
                    Change::Glimpsed { .. } if glimpse.reads > 0 => Change::Nothing,
                    change => change,
                }
            }
        }
    }

    fn glimpse(
        &mut self,
        mut glimpse: Glimpse,
        heard: &Heard,
        rules: &ZoneRules,
        dropped_one: bool,
    ) -> Change {
        glimpse.add(heard);
        if !glimpse.confirms(heard.last, rules) {
            self.phase = Phase::Glimpsed(glimpse);
            return Change::Glimpsed { dropped_one };
        }
        self.phase = Phase::Present;
        if glimpse.returning.is_none() {
            (self.first_mono, self.first_utc) = (mono(glimpse.since), glimpse.since.utc);
        }
        self.reads = self.reads.saturating_add(u64::from(glimpse.reads));
        self.peak_rssi_cdbm = self.peak_rssi_cdbm.max(glimpse.peak_rssi_cdbm);
        self.settle(heard);
        (self.last_mono, self.last_utc) = (mono(heard.last), heard.last.utc);
        Change::Arrived { revisit: glimpse.returning.is_some() }
    }

    /// Makes the place of a read the place of the tag.
    fn settle(&mut self, heard: &Heard) {
        self.reader = heard.reader;
        self.antenna_port = heard.antenna_port;
        self.zone = heard.zone;
        self.protocol = heard.protocol;
        self.here = Evidence::default();
        self.here.add(heard.rssi_cdbm, mono(heard.last));
        self.elsewhere = Elsewhere::default();
    }

    /// A read of a tag that is present.
    fn hear(&mut self, heard: &Heard) -> Change {
        let now = mono(heard.last);
        self.reads = self.reads.saturating_add(u64::from(heard.count));
        self.peak_rssi_cdbm = self.peak_rssi_cdbm.max(heard.rssi_cdbm);
        (self.last_mono, self.last_utc) = (now, heard.last.utc);
        if heard.zone == self.zone {
            self.reader = heard.reader;
            self.antenna_port = heard.antenna_port;
            self.here.add(heard.rssi_cdbm, now);
        } else {
            self.elsewhere.add(heard, now);
            if self.elsewhere.outweighs(&self.here, now) {
                let Elsewhere { evidence, .. } = self.elsewhere;
                let from = self.zone;
                self.settle(heard);
                self.here = evidence;
                return Change::Moved { from };
            }
        }
        Change::Stayed
    }
}

/// Signal of a tag in one zone.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Evidence {
    pub(super) power: MeanPower,
    pub(super) last_mono: MonoNanos,
}

impl Evidence {
    pub(super) fn add(&mut self, rssi_cdbm: Option<i16>, at: MonoNanos) {
        if let Some(rssi) = rssi_cdbm {
            self.power.add(rssi, elapsed(self.last_mono, at));
        }
        self.last_mono = at;
    }
}

/// Evidence that a tag is in another zone than the one it counts in.
///
/// There is room for one such zone. A third one takes it over once the second has been silent
/// for as long as a glimpse lasts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Elsewhere {
    zone: ZoneIndex,
    reads: u32,
    evidence: Evidence,
}

impl Elsewhere {
    fn add(&mut self, heard: &Heard, now: MonoNanos) {
        let stale = elapsed(self.evidence.last_mono, now) >= GLIMPSE_LASTS;
        if self.reads == 0 || stale {
            *self = Self { zone: heard.zone, ..Self::default() };
        }
        if self.zone == heard.zone {
            self.reads = self.reads.saturating_add(u32::from(heard.count));
            self.evidence.add(heard.rssi_cdbm, now);
        }
    }

    fn outweighs(&self, here: &Evidence, now: MonoNanos) -> bool {
        // Without signal strength on both sides, neither zone is stronger than the other.
        let lead = match (self.evidence.power.dbm(), here.power.dbm()) {
            (Some(there), Some(here)) => there - here,
            _ => 0.0,
        };
        let heard_just_now = self.evidence.last_mono == now;
        heard_just_now && self.reads >= 2 && lead > move_offset_db(elapsed(here.last_mono, now))
    }
}

/// Time from one monotonic moment to a later one; zero if it is not later.
pub(super) fn elapsed(from: MonoNanos, to: MonoNanos) -> Duration {
    Duration::from_nanos(u64::try_from(to.saturating_sub(from)).unwrap_or(0))
}

/// A visit as it is kept through a restart of the host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VisitCheckpoint {
    /// The tag.
    pub tag: TagId,
    /// When the visit ended for the time being; absent while the tag is here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub departed: Option<UtcTime>,
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
    /// Strongest signal of the visit in hundredths of a dBm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_rssi_cdbm: Option<i16>,
    /// Sightings in the visit.
    pub read_count: u64,
    /// First sighting of the visit.
    pub first_seen: UtcTime,
    /// Last sighting.
    pub last_seen: UtcTime,
    /// Number of the visit's next event.
    pub sequence: u32,
}
