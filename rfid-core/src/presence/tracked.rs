//! What is remembered of one tag that has arrived.

use super::moment::{At, Nanos, Packed, PackedAt};
use super::settings::Limits;
use super::signal::{MeanPower, move_offset_db};
use super::tags::ShortId;
use super::wheel::Links;
use super::{SHORTEST_GLIMPSE, glimpses::Glimpse};
use crate::air_protocol::AirProtocol;

/// Number of a zone within its pipeline.
pub(super) type ZoneIndex = u16;

/// One read, looked up and ready to be judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    pub(super) reader: u16,
    pub(super) antenna_port: u16,
    pub(super) zone: ZoneIndex,
    pub(super) count: u16,
    pub(super) rssi_cdbm: Option<i16>,
    pub(super) protocol: Option<AirProtocol>,
    pub(super) authentic: Option<bool>,
    pub(super) first: At,
    pub(super) last: At,
}

/// State of one tracked tag: at most 116 bytes, without holes, so that a million tags fit where
/// others keep a tenth.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tracked {
    pub(super) id: ShortId,
    pub(super) links: Links,
    pub(super) phase: Phase,
    /// First sighting of the visit.
    pub(super) first: PackedAt,
    /// Last sighting.
    pub(super) last: PackedAt,
    /// Reading of the zone's coverage clock at the last sighting.
    pub(super) covered: Packed,
    /// Milliseconds from the first sighting to the arrival, or to the last return.
    pub(super) arrived_after: u32,
    /// Milliseconds from the first sighting to the last event, in a circle of 49 days.
    pub(super) event_after: u32,
    /// Number of the visit's next event.
    pub(super) sequence: u32,
    /// Sightings in the visit; stops at its end.
    pub(super) reads: u32,
    pub(super) reader: u16,
    pub(super) antenna_port: u16,
    pub(super) zone: ZoneIndex,
    pub(super) peak: Peak,
    pub(super) answered: Answered,
    /// Longest covered silence of late in this zone, kept only where its rules ask for it.
    pub(super) longest_gap: Gap,
}

const _: () = assert!(size_of::<Option<Tracked>>() <= 116);

/// Where a tag stands between arrived and forgotten.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    /// Confirmed to be here.
    Present(Signals),
    /// Here for so long that nobody wants to hear of it.
    Aside,
    /// Departed at this moment, and remembered for a revisit.
    Away(PackedAt),
}

/// What a read changed for a tag that is present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The tag is now in another zone than this.
    Moved { from: ZoneIndex },
    /// The tag is still where it was.
    Stayed,
}

impl Tracked {
    /// A tag whose visit begins with this glimpse and this read.
    pub(super) fn arriving(id: ShortId, glimpse: &Glimpse, heard: &Heard) -> Self {
        let mut tag = Self {
            id,
            links: Links::default(),
            phase: Phase::Aside,
            first: glimpse.since.into(),
            last: glimpse.since.into(),
            covered: Packed::of(0),
            arrived_after: 0,
            event_after: 0,
            sequence: 0,
            reads: 0,
            reader: heard.reader,
            antenna_port: heard.antenna_port,
            zone: heard.zone,
            peak: Peak::default(),
            answered: Answered::default(),
            longest_gap: Gap::default(),
        };
        tag.arrive(glimpse, heard);
        tag
    }

    /// Makes the tag present where the confirming read was heard.
    pub(super) fn arrive(&mut self, glimpse: &Glimpse, heard: &Heard) {
        self.reads = self.reads.saturating_add(glimpse.reads);
        self.peak.raise(glimpse.peak_rssi_cdbm);
        self.answered = Answered::new(heard.protocol, heard.authentic);
        self.longest_gap = Gap::default();
        self.last = heard.last.into();
        self.arrived_after = self.millis_since_first(heard.last);
        let mut here = Evidence::default();
        here.add(heard.rssi_cdbm);
        self.settle(heard, here);
    }

    /// Makes the place of a read the place of the tag.
    fn settle(&mut self, heard: &Heard, here: Evidence) {
        self.take_place(heard);
        self.phase = Phase::Present(Signals { here, elsewhere: Elsewhere::default() });
    }

    fn take_place(&mut self, heard: &Heard) {
        self.reader = heard.reader;
        self.antenna_port = heard.antenna_port;
        if self.zone != heard.zone {
            self.zone = heard.zone;
            self.longest_gap = Gap::default();
        }
    }

    /// A read of a tag that is present. `silence` is how long it had been silent while its zone was
    /// listened to.
    #[inline]
    pub(super) fn hear(&mut self, heard: &Heard, silence: Nanos, limits: &Limits) -> Change {
        let passed = self.note(heard, silence, limits);
        let Phase::Present(signals) = &mut self.phase else { return Change::Stayed };
        let micros = u32::try_from(passed / 1000).unwrap_or(u32::MAX);
        signals.here.age(micros);
        signals.elsewhere.evidence.age(micros);
        if heard.zone == self.zone {
            signals.here.add(heard.rssi_cdbm);
            self.reader = heard.reader;
            self.antenna_port = heard.antenna_port;
            return Change::Stayed;
        }
        if !signals.elsewhere.add(heard) || !signals.elsewhere.outweighs(&signals.here) {
            return Change::Stayed;
        }
        let (from, here) = (self.zone, signals.elsewhere.evidence);
        self.settle(heard, here);
        Change::Moved { from }
    }

    /// A read of a tag that is set aside.
    pub(super) fn hear_aside(&mut self, heard: &Heard, silence: Nanos, limits: &Limits) {
        self.note(heard, silence, limits);
        self.take_place(heard);
    }

    /// Counts a read in; returns the time since the one before.
    #[inline]
    fn note(&mut self, heard: &Heard, silence: Nanos, limits: &Limits) -> Nanos {
        self.reads = self.reads.saturating_add(u32::from(heard.count));
        self.peak.raise(heard.rssi_cdbm);
        self.answered.note(heard.authentic);
        let (first, last) = (self.first.mono(), self.last.mono());
        // Batches of two readers may come in another order than they were received in.
        let passed = (heard.last.mono - last).max(0);
        if passed > 0 {
            self.last = heard.last.into();
            if limits.is_adaptive() {
                self.longest_gap.note(silence, last - first, last + passed - first);
            }
        }
        passed
    }

    /// The covered silence that makes a departure.
    #[inline]
    pub(super) fn lost_after(&self, limits: &Limits) -> Nanos {
        (3 * self.longest_gap.nanos()).clamp(limits.lost_at_least, limits.lost_at_most)
    }

    /// When the tag will have been here for too long, on the monotonic clock: not before what was
    /// last said of it, where a move brought it to a zone that has less patience.
    #[inline]
    pub(super) fn set_aside_at(&self, limits: &Limits) -> Option<Nanos> {
        let patience = i64::from(self.arrived_after) * 1_000_000 + limits.stationary_after?;
        Some(self.first.mono() + patience.max(i64::from(self.event_after) * 1_000_000))
    }

    /// This moment with the wall clock going on from the tag's last sighting, unless it was set
    /// since: two clocks are never read at one instant, and a moment that is counted back from
    /// whenever it was noticed would tell another time in each run.
    pub(super) fn on_its_clock(&self, at: At) -> At {
        const AS_GOOD_AS_EQUAL: u64 = 1_000_000_000;
        let last = self.last.get();
        let utc = last.utc.saturating_add_signed(at.mono - last.mono);
        At { utc: if utc.abs_diff(at.utc) < AS_GOOD_AS_EQUAL { utc } else { at.utc }, ..at }
    }

    /// Whether the last event about a tag that stays lies far enough back.
    #[inline]
    pub(super) fn is_to_be_said_again(&self, limits: &Limits, now: At) -> bool {
        let Some(every) = limits.repeat_every_ms else { return false };
        self.millis_since_first(now).wrapping_sub(self.event_after) >= every
    }

    /// Milliseconds from the first sighting to this moment, in a circle of 49 days.
    pub(super) fn millis_since_first(&self, now: At) -> u32 {
        ((now.mono - self.first.mono()).max(0) / 1_000_000) as u32
    }
}

/// Strongest signal of a visit in hundredths of a dBm, if any read had a strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peak(i16);

impl Default for Peak {
    fn default() -> Self {
        Self(i16::MIN)
    }
}

impl Peak {
    #[inline]
    pub(super) fn raise(&mut self, rssi_cdbm: Option<i16>) {
        self.0 = self.0.max(rssi_cdbm.unwrap_or(i16::MIN));
    }

    pub(super) fn cdbm(self) -> Option<i16> {
        (self.0 != i16::MIN).then_some(self.0)
    }
}

/// Air protocol of a tag, and whether it proved to be the one that its id names: one byte, since
/// there is no room for two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Answered(u8);

impl Answered {
    const AUTHENTIC: u8 = 0x40;
    const NOT_AUTHENTIC: u8 = 0x80;

    #[inline]
    pub(super) fn new(protocol: Option<AirProtocol>, authentic: Option<bool>) -> Self {
        let mut answered = Self(protocol.map_or(0, |protocol| protocol as u8));
        answered.note(authentic);
        answered
    }

    /// Takes in what a later read says of it. A doubt lasts as long as the visit.
    #[inline]
    pub(super) fn note(&mut self, authentic: Option<bool>) {
        self.0 |= match authentic {
            None => 0,
            Some(true) => Self::AUTHENTIC,
            Some(false) => Self::NOT_AUTHENTIC,
        };
    }

    pub(super) fn protocol(self) -> Option<AirProtocol> {
        AirProtocol::from_number(self.0 & !(Self::AUTHENTIC | Self::NOT_AUTHENTIC))
    }

    pub(super) fn authentic(self) -> Option<bool> {
        let said = self.0 & (Self::AUTHENTIC | Self::NOT_AUTHENTIC);
        (said != 0).then_some(said == Self::AUTHENTIC)
    }
}

/// A span in tenths of a second, rounded up; stops at its end, 109 minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Gap(u16);

impl Gap {
    const UNIT: Nanos = 100_000_000;

    /// The longest gap counts half with every two minutes of the visit that pass.
    const HALVED_EVERY: Nanos = 120_000_000_000;

    /// Takes in a silence that lasted from and to these times after the visit began.
    fn note(&mut self, silence: Nanos, from: Nanos, to: Nanos) {
        let halvings = (to / Self::HALVED_EVERY - from / Self::HALVED_EVERY).max(0);
        self.0 = self.0.checked_shr(u32::try_from(halvings).unwrap_or(u32::MAX)).unwrap_or(0);
        let silence = silence.max(0).cast_unsigned().div_ceil(Self::UNIT.cast_unsigned());
        self.0 = self.0.max(u16::try_from(silence).unwrap_or(u16::MAX));
    }

    fn nanos(self) -> Nanos {
        i64::from(self.0) * Self::UNIT
    }
}

/// Signal of a tag in the zone where it is, and in the one that it may be moving to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signals {
    here: Evidence,
    elsewhere: Elsewhere,
}

/// Signal of a tag in one zone.
#[derive(Clone, Copy, Debug, Default)]
struct Evidence {
    power: MeanPower,
    /// Microseconds from the zone's last read to the tag's last read; stops at its end, 71 minutes.
    ago: u32,
}

impl Evidence {
    #[inline]
    fn age(&mut self, micros: u32) {
        self.ago = self.ago.saturating_add(micros);
    }

    #[inline]
    fn add(&mut self, rssi_cdbm: Option<i16>) {
        if let Some(rssi) = rssi_cdbm {
            self.power.add(rssi, self.seconds_ago());
        }
        self.ago = 0;
    }

    fn seconds_ago(&self) -> f32 {
        self.ago as f32 * 1e-6
    }
}

/// Evidence that a tag is in another zone than the one it counts in.
///
/// There is room for one such zone. A third one takes it over once the second has been silent
/// for as long as reads support each other.
#[derive(Clone, Copy, Debug, Default)]
struct Elsewhere {
    evidence: Evidence,
    zone: ZoneIndex,
    reads: Reads,
}

/// As far as it matters how many reads there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reads {
    #[default]
    None,
    One,
    Several,
}

impl Elsewhere {
    /// Takes in a read; returns whether it belongs here.
    fn add(&mut self, heard: &Heard) -> bool {
        let is_stale = self.evidence.seconds_ago() >= SHORTEST_GLIMPSE.as_secs_f32();
        if self.reads == Reads::None || is_stale {
            *self = Self { zone: heard.zone, ..Self::default() };
        }
        if self.zone != heard.zone {
            return false;
        }
        let is_first = self.reads == Reads::None && heard.count < 2;
        self.reads = if is_first { Reads::One } else { Reads::Several };
        self.evidence.add(heard.rssi_cdbm);
        true
    }

    fn outweighs(&self, here: &Evidence) -> bool {
        // Without signal strength on both sides, neither zone is stronger than the other.
        let lead = match (self.evidence.power.dbm(), here.power.dbm()) {
            (Some(there), Some(here)) => there - here,
            _ => 0.0,
        };
        self.reads == Reads::Several && lead > move_offset_db(here.seconds_ago())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gap_of_late_counts_half_after_two_minutes() {
        let seconds = |seconds: i64| seconds * 1_000_000_000;
        let mut gap = Gap::default();
        gap.note(seconds(8), seconds(12), seconds(20));
        assert_eq!(gap.nanos(), seconds(8));
        gap.note(seconds(1), seconds(118), seconds(119));
        assert_eq!(gap.nanos(), seconds(8));
        gap.note(seconds(1), seconds(119), seconds(120));
        assert_eq!(gap.nanos(), seconds(4));
        gap.note(seconds(3600), seconds(400), seconds(4000));
        assert_eq!(gap.nanos(), seconds(3600));
        gap.note(seconds(100_000), seconds(4000), seconds(200_000));
        assert_eq!(gap, Gap(u16::MAX));
    }
}
