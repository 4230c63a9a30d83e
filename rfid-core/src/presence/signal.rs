//! Signal strength of a tag in a zone, averaged as power.

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
    /// Takes in a read of this strength, this many seconds after the one before.
    pub(super) fn add(&mut self, rssi_cdbm: i16, seconds: f32) {
        let fade = if seconds == 0.0 { 1.0 } else { (-seconds).exp2() };
        self.milliwatts = self.milliwatts * fade + milliwatts(rssi_cdbm);
        self.weight = self.weight * fade + 1.0;
    }

    /// The mean in dBm, if any read had a strength.
    pub(super) fn dbm(&self) -> Option<f32> {
        (self.weight > 0.0).then(|| 10.0 * (self.milliwatts / self.weight).log10())
    }
}

pub(super) fn milliwatts(cdbm: i16) -> f32 {
    (f32::from(cdbm) * (std::f32::consts::LOG2_10 / 1000.0)).exp2()
}

/// How much stronger the new zone must be than the old one, in dB, for a move.
///
/// 6 dB while the old evidence is fresh; it sinks by 0.008 dB a millisecond once the old
/// zone has been silent for half a second, and goes below zero after 1.25 s.
pub(super) fn move_offset_db(old_evidence_age_seconds: f32) -> f32 {
    const FRESH: f32 = 0.5;
    6.0 - 8.0 * (old_evidence_age_seconds - FRESH).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_is_averaged_in_milliwatt() {
        let mut power = MeanPower::default();
        assert_eq!(power.dbm(), None);
        power.add(-4000, 0.0);
        power.add(-7000, 0.0);
        let mean = power.dbm().unwrap();
        assert!((mean - -43.0).abs() < 0.05, "half the power of -40 dBm is -43 dBm, not -55: {mean}");
    }

    #[test]
    fn old_reads_fade() {
        let mut power = MeanPower::default();
        power.add(-4000, 0.0);
        power.add(-7000, 10.0);
        assert!(power.dbm().unwrap() < -65.0);
    }

    #[test]
    fn offset_sinks_with_the_age_of_the_old_evidence() {
        assert_eq!(move_offset_db(0.5), 6.0);
        assert!((move_offset_db(1.25)).abs() < 1e-4);
        assert!(move_offset_db(5.0) < -20.0);
    }
}
