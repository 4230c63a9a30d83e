//! How long to wait before trying again.

use std::time::Duration;

/// Waits that double from a first one up to a longest one, with jitter, so that many readers
/// that were lost together do not come back in step.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
    random: u64,
}

impl Backoff {
    /// Waits from `first` to `longest`. `seed` decides the jitter.
    pub fn new(first: Duration, longest: Duration, seed: u64) -> Self {
        // Zero would stay zero for ever in the generator below.
        Self { first, longest, next: first, random: seed | 1 }
    }

    /// The next wait: between half and all of the current step.
    pub fn next_wait(&mut self) -> Duration {
        self.next_wait_within(self.longest)
    }

    /// The same, and this time no longer than `longest`. Later waits go on as if it had been.
    pub fn next_wait_within(&mut self, longest: Duration) -> Duration {
        // xorshift64: the jitter needs spread, not secrecy.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let step = self.next.min(longest);
        self.next = (self.next * 2).min(self.longest);
        let share = (self.random >> 40) as f64 / (1u64 << 24) as f64;
        step / 2 + (step / 2).mul_f64(share)
    }

    /// Starts again at the first wait.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_start_again() {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30), 7);
        let mut step = Duration::from_millis(500);
        for _ in 0..12 {
            let wait = backoff.next_wait();
            assert!(wait >= step / 2 && wait <= step, "{wait:?} in step {step:?}");
            step = (step * 2).min(Duration::from_secs(30));
        }
        let wait = backoff.next_wait_within(Duration::from_secs(4));
        assert!(wait >= Duration::from_secs(2) && wait <= Duration::from_secs(4), "{wait:?}");
        assert!(backoff.next_wait() >= Duration::from_secs(15), "that was for once");
        backoff.reset();
        assert!(backoff.next_wait() <= Duration::from_millis(500));
    }

    #[test]
    fn two_seeds_do_not_wait_in_step() {
        let waits = |seed| {
            let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60), seed);
            (0..5).map(|_| backoff.next_wait()).collect::<Vec<_>>()
        };
        assert_ne!(waits(1), waits(2 << 20));
        assert_eq!(waits(3), waits(3));
    }
}
