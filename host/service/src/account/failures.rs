//! Tries that failed, and for how long nobody is looked at after them.
//!
//! They are kept in the store: a lock holds after a start of the host, and on every host of a database. Of a
//! number that nobody has they are kept as well, so that nobody learns from a lock, or from how long an
//! answer takes, which numbers there are. Only so many numbers are remembered ([`REMEMBERED`]): what
//! somebody invents fills no disk, and pushes out whatever else was invented before it pushes out a lock.

use std::collections::HashMap;
use std::time::Duration;

use rfid_core::UtcTime;
use sha2::{Digest, Sha256};

use super::AccountSettings;

/// Numbers that are remembered.
pub const REMEMBERED: usize = 10_000;

/// A staff number that somebody tried, by its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tried([u8; 32]);

impl Tried {
    /// This number, whether or not somebody has it.
    pub fn of(number: &str) -> Self {
        Self(Sha256::digest(number.trim().as_bytes()).into())
    }

    /// As it is kept.
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// From what is kept.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// Tries that failed for one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// How many there were since the last log-in.
    pub count: u32,
    /// When the last one was.
    pub last: UtcTime,
    /// Until when nobody is looked at.
    pub locked_until: UtcTime,
}

/// When nobody is looked at any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockRule {
    /// Failures that lock.
    pub failures: u32,
    /// For how long the first time; each further failure doubles it.
    pub locked_for: Duration,
    /// At most.
    pub locked_at_most: Duration,
}

impl LockRule {
    /// That of these settings.
    pub fn of(settings: &AccountSettings) -> Self {
        let AccountSettings { failures, locked_for, locked_at_most, .. } = *settings;
        Self { failures, locked_for, locked_at_most }
    }
}

impl Failures {
    /// Whether nobody is looked at now.
    pub fn is_locked(&self, now: UtcTime) -> bool {
        now < self.locked_until
    }

    /// With one more. What is tried while it is locked does not lock it for longer.
    #[must_use]
    pub fn and_one_more(self, now: UtcTime, rule: &LockRule) -> Self {
        if self.is_locked(now) {
            return self;
        }
        let count = self.count.saturating_add(1);
        let locked_until = match count.checked_sub(rule.failures) {
            None => self.locked_until,
            Some(further) => {
                let doubled = rule.locked_for.saturating_mul(1 << further.min(16));
                now.plus(doubled.min(rule.locked_at_most))
            }
        };
        Self { count, last: now, locked_until }
    }
}

/// Failures of all numbers that are remembered, in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct FailureBook(HashMap<Tried, Failures>);

impl FailureBook {
    pub(crate) fn get(&self, who: Tried) -> Option<Failures> {
        self.0.get(&who).copied()
    }

    /// Notes one more, and returns all of this number, and who is forgotten for it.
    pub(crate) fn note(&mut self, who: Tried, now: UtcTime, rule: &LockRule) -> (Failures, Option<Tried>) {
        let noted = self.get(who).unwrap_or_default().and_one_more(now, rule);
        let forgotten = self.put(who, noted, now);
        (noted, forgotten)
    }

    /// Puts in what is known of a number.
    pub(crate) fn put(&mut self, who: Tried, failures: Failures, now: UtcTime) -> Option<Tried> {
        self.0.insert(who, failures);
        if self.0.len() <= REMEMBERED {
            return None;
        }
        // Whoever is locked is forgotten last, and who failed least and longest ago first.
        let least = self.0.iter().filter(|(other, _)| **other != who).min_by_key(|(other, failures)| {
            (failures.is_locked(now), failures.count, failures.last, **other)
        });
        let least = least.map(|(other, _)| *other)?;
        self.0.remove(&least);
        Some(least)
    }

    pub(crate) fn forget(&mut self, who: Tried) -> u32 {
        self.0.remove(&who).map_or(0, |failures| failures.count)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (Tried, Failures)> {
        self.0.iter().map(|(who, failures)| (*who, *failures))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: LockRule = LockRule {
        failures: 3,
        locked_for: Duration::from_secs(60),
        locked_at_most: Duration::from_secs(150),
    };

    fn at(seconds: u64) -> UtcTime {
        UtcTime::from_nanos((1_000_000 + seconds) * 1_000_000_000)
    }

    #[test]
    fn each_further_failure_locks_for_longer_up_to_a_bound() {
        let mut failures = Failures::default();
        let mut now = 0;
        for (count, locked_for) in [(1, 0), (2, 0), (3, 60), (4, 120), (5, 150), (6, 150)] {
            failures = failures.and_one_more(at(now), &RULE);
            assert_eq!(failures.count, count);
            assert_eq!(failures.is_locked(at(now)), locked_for > 0, "{count}");
            if locked_for > 0 {
                let still = at(now + locked_for - 1);
                assert!(failures.is_locked(still) && !failures.is_locked(at(now + locked_for)));
                assert_eq!(failures.and_one_more(still, &RULE), failures);
            }
            now += locked_for;
        }
        let many = Failures { count: u32::MAX, ..failures }.and_one_more(at(10_000), &RULE);
        assert_eq!((many.count, many.is_locked(at(10_149))), (u32::MAX, true));
    }

    #[test]
    fn what_somebody_invents_pushes_out_no_lock() {
        let mut book = FailureBook::default();
        let victim = Tried::of("LM1");
        for second in 0..3 {
            book.note(victim, at(second), &RULE);
        }
        for number in 0..2 * REMEMBERED {
            let (noted, _) = book.note(Tried::of(&format!("N{number}")), at(10), &RULE);
            assert_eq!(noted.count, 1);
        }
        assert_eq!(book.all().count(), REMEMBERED);
        assert!(book.get(victim).is_some_and(|failures| failures.is_locked(at(20))));
        assert_eq!((book.forget(victim), book.forget(victim)), (3, 0));
    }
}
