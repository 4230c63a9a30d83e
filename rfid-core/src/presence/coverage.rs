//! Clocks that run only while somebody listens.

use std::time::Duration;

use crate::clock::Stamp;

/// How long a zone has been listened to, in all.
///
/// Every time-out of *absence* counts on this clock, so an outage of the readers is never taken
/// for a person who left.
#[derive(Debug, Default)]
pub(super) struct CoverageClock {
    listening_antennas: u32,
    covered: Duration,
    since: Duration,
}

impl CoverageClock {
    /// Covered time up to `now`.
    pub(super) fn covered(&self, now: Stamp) -> Duration {
        if self.listening_antennas == 0 {
            self.covered
        } else {
            self.covered + now.monotonic.saturating_sub(self.since)
        }
    }

    /// One more antenna of the zone is known to be listening.
    pub(super) fn antenna_up(&mut self, at: Stamp) {
        if self.listening_antennas == 0 {
            self.since = at.monotonic;
        }
        self.listening_antennas += 1;
    }

    /// One antenna less is known to be listening; `at` is when it was last known to.
    pub(super) fn antenna_down(&mut self, at: Stamp) {
        self.listening_antennas = self.listening_antennas.saturating_sub(1);
        if self.listening_antennas == 0 {
            self.covered += at.monotonic.saturating_sub(self.since);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Stamp {
        Stamp { monotonic: Duration::from_secs(seconds), ..Stamp::default() }
    }

    #[test]
    fn runs_while_at_least_one_antenna_listens() {
        let mut clock = CoverageClock::default();
        assert_eq!(clock.covered(at(10)), Duration::ZERO);
        clock.antenna_up(at(10));
        clock.antenna_up(at(15));
        clock.antenna_down(at(20));
        assert_eq!(clock.covered(at(30)), Duration::from_secs(20));
        clock.antenna_down(at(30));
        assert_eq!(clock.covered(at(90)), Duration::from_secs(20));
        clock.antenna_up(at(90));
        assert_eq!(clock.covered(at(95)), Duration::from_secs(25));
    }

    #[test]
    fn an_outage_that_is_noticed_late_counts_from_the_last_sign_of_life() {
        let mut clock = CoverageClock::default();
        clock.antenna_up(at(0));
        assert_eq!(clock.covered(at(15)), Duration::from_secs(15));
        clock.antenna_down(at(5));
        assert_eq!(clock.covered(at(60)), Duration::from_secs(5));
    }
}
