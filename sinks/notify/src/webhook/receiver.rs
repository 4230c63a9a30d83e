//! Whether the receiver answers, and how hard it is tried while it does not.

use std::time::Duration;

use rfid_core::{Backoff, UtcTime};
use tokio::time::Instant;

use super::transport::Failure;

/// First and longest wait between tries, of one notice and of a receiver that is down.
pub(crate) const FIRST_WAIT: Duration = Duration::from_secs(1);
pub(crate) const LONGEST_WAIT: Duration = super::transport::LONGEST_WAIT;

/// Failures in a row, of whatever notices, after which the receiver counts as down. A single notice
/// that it cannot digest must not stop the others.
const FAILURES_UNTIL_DOWN: u32 = 8;

/// What is known about the receiver.
#[derive(Debug)]
pub(crate) struct Receiver {
    concurrent: usize,
    down_since: Option<UtcTime>,
    failures: u32,
    /// Nothing is begun before.
    not_before: Instant,
    backoff: Backoff,
}

impl Receiver {
    pub(crate) fn new(concurrent: usize, seed: u64, now: Instant) -> Self {
        Self {
            concurrent,
            down_since: None,
            failures: 0,
            not_before: now,
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT, seed),
        }
    }

    /// How many requests may be under way at once, once anything may be begun. A receiver that is
    /// down gets one, as a probe.
    pub(crate) fn capacity(&self) -> usize {
        if self.down_since.is_some() { 1 } else { self.concurrent }
    }

    /// How many requests may be under way now.
    pub(crate) fn places(&self, now: Instant) -> usize {
        if now < self.not_before { 0 } else { self.capacity() }
    }

    /// Since when it has been down, if it is.
    pub(crate) fn down_since(&self) -> Option<UtcTime> {
        self.down_since
    }

    /// Nothing is begun before.
    pub(crate) fn not_before(&self) -> Instant {
        self.not_before
    }

    /// It answered something that it meant. True if it was down before.
    pub(crate) fn answered(&mut self, now: Instant) -> bool {
        self.failures = 0;
        self.backoff.reset();
        let was_down = self.down_since.take().is_some();
        if was_down {
            self.not_before = now;
        }
        was_down
    }

    /// It did not. True if it is down from now on.
    pub(crate) fn failed(&mut self, failure: &Failure, now: Instant, utc: UtcTime) -> bool {
        self.failures = self.failures.saturating_add(1);
        if let Some(after) = failure.after {
            self.not_before = self.not_before.max(now + after);
        }
        let is_down = failure.unreachable || self.failures >= FAILURES_UNTIL_DOWN;
        // Requests that were under way together fail together, which counts once.
        if (is_down || self.down_since.is_some()) && now >= self.not_before {
            self.not_before = now + self.backoff.next_wait();
        }
        if is_down && self.down_since.is_none() {
            self.down_since = Some(utc);
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(unreachable: bool, after: Option<u64>) -> Failure {
        Failure { why: String::new(), status: None, unreachable, after: after.map(Duration::from_secs) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_receiver_is_probed_once_at_a_time_and_ever_more_rarely() {
        let mut now = Instant::now();
        let mut receiver = Receiver::new(8, 3, now);
        assert_eq!(receiver.places(now), 8);
        assert!(receiver.failed(&failure(true, None), now, UtcTime::default()));
        for _ in 0..7 {
            assert!(!receiver.failed(&failure(true, None), now, UtcTime::default()), "they fail together");
        }
        assert!(receiver.not_before() <= now + FIRST_WAIT);
        let mut waits = Vec::new();
        for _ in 0..14 {
            assert_eq!(receiver.places(now), 0);
            waits.push(receiver.not_before() - now);
            now = receiver.not_before();
            assert_eq!(receiver.places(now), 1);
            receiver.failed(&failure(true, None), now, UtcTime::default());
        }
        assert!(waits.iter().all(|wait| *wait <= LONGEST_WAIT));
        assert!(waits.last().is_some_and(|wait| *wait >= LONGEST_WAIT / 2), "{waits:?}");
        assert!(receiver.answered(now));
        assert_eq!(receiver.places(now), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn one_bad_notice_does_not_make_a_receiver_dead() {
        let now = Instant::now();
        let mut receiver = Receiver::new(8, 3, now);
        for _ in 0..100 {
            for _ in 1..FAILURES_UNTIL_DOWN {
                assert!(!receiver.failed(&failure(false, None), now, UtcTime::default()));
            }
            assert!(!receiver.answered(now));
            assert_eq!(receiver.places(now), 8);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_receiver_that_asks_for_rest_gets_it() {
        let now = Instant::now();
        let mut receiver = Receiver::new(8, 3, now);
        receiver.failed(&failure(false, Some(30)), now, UtcTime::default());
        assert_eq!(receiver.places(now + Duration::from_secs(29)), 0);
        assert_eq!(receiver.places(now + Duration::from_secs(30)), 8);
    }
}
