//! Signal strength of a tag in a zone, averaged as power.

use std::time::Duration;

/// Mean power of recent reads, in milliwatt, with older reads counting less.
///
/// The weight of a read halves every second, which follows the last two seconds in constant
/// memory where a list of reads would not. Averaging decibels instead of milliwatts would let
/// a few faint echoes hide a strong signal.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MeanPower {
    milliwatts: f32,
    weight: f32,
}

impl MeanPower {
    /// Takes in a read of this strength; `elapsed` is the time since the one before.
    pub(super) fn add(&mut self, rssi_cdbm: i16, elapsed: Duration) {
        let fade = (-elapsed.as_secs_f32()).exp2();
        self.milliwatts = self.milliwatts * fade + milliwatts(rssi_cdbm);
        self.weight = self.weight * fade + 1.0;
    }

    /// The mean in dBm, if any read had a strength.
    pub(super) fn dbm(&self) -> Option<f32> {
        (self.weight > 0.0).then(|| 10.0 * (self.milliwatts / self.weight).log10())
    }
}

fn milliwatts(cdbm: i16) -> f32 {
    10f32.powf(f32::from(cdbm) / 1000.0)
}

/// How much stronger the new zone must be than the old one, in dB, for a move.
///
/// 6 dB while the old evidence is fresh; it sinks by 0.008 dB a millisecond once the old
/// zone has been silent for half a second, and goes below zero after 1.25 s.
pub(super) fn move_offset_db(old_evidence_age: Duration) -> f32 {
    const FRESH: Duration = Duration::from_millis(500);
    6.0 - 8.0 * old_evidence_age.saturating_sub(FRESH).as_secs_f32()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_is_averaged_in_milliwatt() {
        let mut power = MeanPower::default();
        assert_eq!(power.dbm(), None);
        power.add(-4000, Duration::ZERO);
        power.add(-7000, Duration::ZERO);
        let mean = power.dbm().unwrap();
        assert!((mean - -43.0).abs() < 0.05, "half the power of -40 dBm is -43 dBm, not -55: {mean}");
    }

    #[test]
    fn old_reads_fade() {
        let mut power = MeanPower::default();
        power.add(-4000, Duration::ZERO);
        power.add(-7000, Duration::from_secs(10));
        assert!(power.dbm().unwrap() < -65.0);
    }

    #[test]
    fn offset_sinks_with_the_age_of_the_old_evidence() {
        assert_eq!(move_offset_db(Duration::from_millis(500)), 6.0);
        assert!((move_offset_db(Duration::from_millis(1250))).abs() < 1e-4);
        assert!(move_offset_db(Duration::from_secs(5)) < -20.0);
    }
}
