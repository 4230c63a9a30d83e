//! Clocks that run only while somebody listens.

use super::moment::{At, Nanos};

/// How long a zone has been listened to, in all.
///
/// Every time-out of *absence* counts on this clock, so an outage of the readers is never taken
/// for a person who left.
#[derive(Debug, Default)]
pub(super) struct CoverageClock {
    listening_antennas: u32,
    covered: Nanos,
    /// When it began to run, or when it stopped.
    changed: Nanos,
}

impl CoverageClock {
    /// Covered time up to `now`, which may lie a little before the clock last began or stopped.
    #[inline]
    pub(super) fn covered(&self, now: Nanos) -> Nanos {
        match self.listening_antennas {
            0 => self.covered - (self.changed - now).max(0),
            _ => self.covered + (now - self.changed).max(0),
        }
    }

    /// When the clock showed `covered`, as seen at `now`; a little too late if it has stood still
    /// since.
    pub(super) fn when(&self, covered: Nanos, now: At) -> At {
        let (shown, at) = match self.listening_antennas {
            0 => (self.covered, self.changed.min(now.mono)),
            _ => (self.covered(now.mono), now.mono),
        };
        now.earlier(now.mono - at + (shown - covered).max(0))
    }

    /// One more antenna of the zone is known to be listening.
    pub(super) fn antenna_up(&mut self, at: Nanos) {
        if self.listening_antennas == 0 {
            self.changed = at;
        }
        self.listening_antennas += 1;
    }

    /// One antenna less is known to be listening; `at` is when it was last known to.
    pub(super) fn antenna_down(&mut self, at: Nanos) {
        if self.listening_antennas == 1 {
            // It cannot have stopped before it began.
            let at = at.max(self.changed);
            self.covered = self.covered(at);
            self.changed = at;
        }
        self.listening_antennas = self.listening_antennas.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    #[test]
    fn runs_while_at_least_one_antenna_listens() {
        let mut clock = CoverageClock::default();
        assert_eq!(clock.covered(10 * SECOND), 0);
        clock.antenna_up(10 * SECOND);
        clock.antenna_up(15 * SECOND);
        clock.antenna_down(20 * SECOND);
        assert_eq!(clock.covered(30 * SECOND), 20 * SECOND);
        clock.antenna_down(30 * SECOND);
        assert_eq!(clock.covered(90 * SECOND), 20 * SECOND);
        assert_eq!(clock.covered(25 * SECOND), 15 * SECOND, "before it stopped");
        clock.antenna_up(90 * SECOND);
        assert_eq!(clock.covered(95 * SECOND), 25 * SECOND);
    }

    #[test]
    fn an_outage_that_is_noticed_late_counts_from_the_last_sign_of_life() {
        let mut clock = CoverageClock::default();
        clock.antenna_up(0);
        assert_eq!(clock.covered(15 * SECOND), 15 * SECOND);
        clock.antenna_down(5 * SECOND);
        assert_eq!(clock.covered(60 * SECOND), 5 * SECOND);
    }

    #[test]
    fn tells_when_it_showed_a_time_whenever_that_is_asked() {
        let mut clock = CoverageClock::default();
        let at = |seconds: i64| At { mono: seconds * SECOND, utc: 1_000_000 * SECOND as u64 };
        clock.antenna_up(0);
        assert_eq!(clock.when(20 * SECOND, at(20)).mono, 20 * SECOND);
        assert_eq!(clock.when(20 * SECOND, at(27)).mono, 20 * SECOND);
        assert_eq!(clock.when(20 * SECOND, at(27)).utc, 999_993 * SECOND as u64);
        clock.antenna_down(25 * SECOND);
        assert_eq!(clock.when(20 * SECOND, at(60)).mono, 20 * SECOND);
    }
}
