//! What happens to reads between tag and antenna.

use std::time::Duration;

use rfid_core::DurationText;
use serde::Deserialize;

/// What the air does to reads, in the scenario's table `[radio]`. All of it follows from the seed
/// and the time, so the same scenario is heard in the same way each time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Air {
    seed: u64,
    /// Part of the reads that succeed, 0 to 1.
    read_rate: f64,
    /// How often somebody's body stands before each tag, and for how long.
    shadow_every: Option<DurationText>,
    shadow_for: DurationText,
    /// Ghosts of Class 0 that the radio makes up in a minute; each is read once (§5.1).
    pub(crate) ghosts_per_minute: f64,
    /// Reads that the air carries in a second for all tags together; more collide.
    pub(crate) most_reads_per_second: Option<u32>,
}

impl Default for Air {
    fn default() -> Self {
        Self {
            seed: 1,
            read_rate: 1.0,
            shadow_every: None,
            shadow_for: DurationText(Duration::from_millis(500)),
            ghosts_per_minute: 0.0,
            most_reads_per_second: None,
        }
    }
}

impl Air {
    /// What is wrong, if something is.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        if !(0.0..=1.0).contains(&self.read_rate) {
            return Some("read_rate: 0 to 1 is allowed");
        }
        if !(0.0..=6000.0).contains(&self.ghosts_per_minute) {
            return Some("ghosts_per_minute: 0 to 6000 are allowed");
        }
        if self.shadow_every.is_some_and(|every| every.0.is_zero()) {
            return Some("shadow_every: must be longer than zero");
        }
        None
    }

    /// Whether a read of a tag succeeds at this moment, when this many reads a second are tried.
    pub(crate) fn lets_through(&self, tag: usize, at: Duration, demand: f64) -> bool {
        if let Some(every) = self.shadow_every {
            // Each tag is shadowed at another moment.
            let phase = every.0.mul_f64(self.chance(tag, Duration::MAX));
            let within = (at + phase).as_nanos() % every.0.as_nanos();
            if within < self.shadow_for.0.as_nanos() {
                return false;
            }
        }
        let uncollided = self.most_reads_per_second.map_or(1.0, |most| (f64::from(most) / demand).min(1.0));
        let rate = self.read_rate * uncollided;
        rate >= 1.0 || self.chance(tag, at) < rate
    }

    /// A number from 0 to 1 that is always the same for the same tag and moment.
    pub(crate) fn chance(&self, tag: usize, at: Duration) -> f64 {
        // The finish of SplitMix64 over all that it depends on.
        let mut bits = self.seed ^ (tag as u64).rotate_left(40) ^ (at.as_nanos() as u64);
        for (shift, factor) in [(30, 0xBF58_476D_1CE4_E5B9), (27, 0x94D0_49BB_1331_11EB)] {
            bits = (bits ^ bits >> shift).wrapping_mul(factor);
        }
        ((bits ^ bits >> 31) >> 11) as f64 / (1u64 << 53) as f64
    }
}
