//! Times of a reader without a clock, which counts from its start, as times of the day.
//!
//! Whatever such a reader says was so before it came here: where its count began is the time of
//! receipt less the count, or earlier. The least of these is nearest to the truth. It is used as
//! soon as it is known, so no time is ever later than its receipt; and since the count of a reader
//! may run slow, where it began moves on again, no faster than a bad crystal. Both keep times in
//! order: a later count never becomes an earlier time.

use std::time::Duration;

use rfid_core::{Stamp, UtcTime};
use rfid_llrp::parameter::Timestamp;

/// How long the least is looked for before the beginning moves on.
const WINDOW: Duration = Duration::from_secs(60);

/// Parts in a million by which the count of a reader may run slow. Crystals are off by 100 at most.
const MOST_DRIFT: i128 = 500;

/// What is not to be had by drift, nor by reports that come late one and all: the count itself leapt.
const LEAP: Duration = Duration::from_secs(10);

/// Where the count of a reader began, on the monotonic clock of the host. One for each connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct UptimeAnchor(Option<Anchor>);

/// Moments are nanoseconds of the host's monotonic clock.
#[derive(Clone, Debug)]
struct Anchor {
    /// Where the count began, as far as is known. Before the host's own clock began, as a rule.
    began: i128,
    /// When that was last found in what came.
    found: i128,
    window_began: i128,
    /// The earliest that the count began by what came in this window, and when that came.
    earliest: i128,
    earliest_found: i128,
}

impl UptimeAnchor {
    /// Takes in what a message of that moment says of when it was made.
    pub(crate) fn hear_timestamp(&mut self, timestamp: &Timestamp, at: Option<Stamp>) {
        if let (Timestamp::Uptime(count), Some(at)) = (timestamp, at) {
            self.hear(count.microseconds, at);
        }
    }

    /// Takes in that this count came at this moment.
    fn hear(&mut self, microseconds: u64, at: Stamp) {
        let at = nanos(at.monotonic);
        let began = at - i128::from(microseconds) * 1_000;
        let anchor = self.0.get_or_insert(Anchor {
            began,
            found: at,
            window_began: at,
            earliest: began,
            earliest_found: at,
        });
        if at - anchor.window_began >= nanos(WINDOW) {
            anchor.move_on(at);
            anchor.window_began = at;
            (anchor.earliest, anchor.earliest_found) = (began, at);
        }
        if began <= anchor.earliest {
            (anchor.earliest, anchor.earliest_found) = (began, at);
        }
        if began <= anchor.began {
            (anchor.began, anchor.found) = (began, at);
        }
    }

    /// The time of the day at which the reader had counted so far, which came at this moment.
    pub(crate) fn time_of(&mut self, microseconds: u64, at: Stamp) -> UtcTime {
        self.hear(microseconds, at);
        let began = self.0.as_ref().map_or(0, |anchor| anchor.began);
        // Of the host's calendar as it is now, whatever it was when the count began.
        let age = nanos(at.monotonic) - (began + i128::from(microseconds) * 1_000);
        let age = u64::try_from(age).unwrap_or(u64::MAX);
        UtcTime::from_nanos(at.utc.as_nanos().saturating_sub(age))
    }
}

impl Anchor {
    /// Lets the beginning move on to the earliest of the window that is over.
    fn move_on(&mut self, at: i128) {
        let later = self.earliest - self.began;
        let drift = (at - self.found) * MOST_DRIFT / 1_000_000;
        if later > 0 && later <= drift || later > nanos(LEAP) {
            (self.began, self.found) = (self.earliest, self.earliest_found);
        } else if later > drift {
            (self.began, self.found) = (self.began + drift, at);
        }
    }
}

fn nanos(span: Duration) -> i128 {
    i128::try_from(span.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UTC: u64 = 1_795_000_000_000_000_000;
    const SECOND: u64 = 1_000_000_000;

    fn at(nanos: u64) -> Stamp {
        Stamp { monotonic: Duration::from_nanos(nanos), utc: UtcTime::from_nanos(UTC + nanos) }
    }

    /// What a count that runs so many parts in a million fast says at a moment.
    fn count(moment: u64, parts: i64) -> u64 {
        let nanos = i128::from(moment) * (1_000_000 + i128::from(parts)) / 1_000_000;
        77_000_000 + u64::try_from(nanos / 1_000).unwrap()
    }

    proptest! {
        /// Reports of tags that come with some delay, at least one in each ten seconds at once.
        #[test]
        fn times_are_in_order_never_after_their_receipt_and_near_the_truth(
            parts in -400_i64..=400,
            reports in prop::collection::vec((1_u64..3_000, 0_u64..4_000), 1..800),
        ) {
            let mut anchor = UptimeAnchor::default();
            anchor.hear(count(0, parts), at(20_000_000));
            let (mut moment, mut received, mut before) = (0, 0, UtcTime::default());
            let mut prompt = 0;
            for (after_millis, delay_millis) in reports {
                moment += after_millis * 1_000_000;
                let is_prompt = moment - prompt > 10 * SECOND;
                let delay = if is_prompt { 20_000_000 } else { delay_millis * 1_000_000 };
                received = received.max(moment + delay);
                if received == moment + delay && delay <= 20_000_000 {
                    prompt = moment;
                }
                let time = anchor.time_of(count(moment, parts), at(received));
                prop_assert!(time >= before, "{time} is before {before}");
                prop_assert!(time <= at(received).utc, "{time} is after its receipt");
                let truth = UTC + moment;
                // The best that came was late by 20 ms; for two windows and the pauses around them the
                // count may have run slow, and a microsecond is the finest that it says.
                let late = i128::from(time.as_nanos()) - i128::from(truth);
                prop_assert!(late >= -i128::from(SECOND) * 140 * 400 / 1_000_000 - 1_000, "{late} ns");
                before = time;
            }
        }

        #[test]
        fn whatever_a_reader_says_gives_a_time_that_is_not_after_its_receipt(
            said in prop::collection::vec((any::<u64>(), 0_u64..90 * SECOND), 1..50),
        ) {
            let (mut anchor, mut received) = (UptimeAnchor::default(), 0);
            for (count, pause) in said {
                received += pause;
                prop_assert!(anchor.time_of(count, at(received)) <= at(received).utc);
            }
        }
    }

    #[test]
    fn a_report_that_waited_is_as_old_as_it_says() {
        let mut anchor = UptimeAnchor::default();
        anchor.hear(600_000_000, at(5 * SECOND));
        let time = anchor.time_of(590_000_000, at(6 * SECOND));
        assert_eq!(time, UtcTime::from_nanos(UTC - 5 * SECOND));
    }

    #[test]
    fn a_wall_clock_that_is_set_is_followed_at_once() {
        let mut anchor = UptimeAnchor::default();
        anchor.hear(0, at(0));
        let set = Stamp { utc: UtcTime::from_nanos(UTC + 3_600 * SECOND), ..at(SECOND) };
        assert_eq!(anchor.time_of(900_000, set).as_nanos(), set.utc.as_nanos() - SECOND / 10);
    }

    #[test]
    fn a_count_that_leapt_is_trusted_again_within_two_windows() {
        let mut anchor = UptimeAnchor::default();
        anchor.hear(0, at(0));
        anchor.hear(u64::MAX, at(SECOND));
        let mut times = (2..130).map(|second| {
            let received = at(second * SECOND);
            received.utc.since(anchor.time_of(second * 1_000_000, received))
        });
        assert!(times.next().unwrap() > Duration::from_secs(3_600), "nothing better is known yet");
        assert_eq!(times.last().unwrap(), Duration::ZERO);
    }
}
