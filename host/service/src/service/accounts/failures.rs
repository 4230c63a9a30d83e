//! Tries to log in that failed, and how long nobody is looked at after them.

use std::sync::PoisonError;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::super::Service;
use crate::account::AccountSettings;

/// Numbers whose failures are remembered; those that are forgotten first are the oldest.
const REMEMBERED: usize = 10_000;

/// Tries that failed for a staff number, whether or not anybody has it: nobody learns from a lock which
/// numbers there are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Failures {
    pub(super) count: u32,
    pub(super) last: Duration,
    pub(super) locked_until: Duration,
}

impl Service {
    pub(super) fn is_locked(&self, number: &str) -> bool {
        let now = self.monotonic();
        self.remembered(number).is_some_and(|failures| now < failures.locked_until)
    }

    pub(super) fn failures(&self, number: &str) -> u32 {
        self.remembered(number).map_or(0, |failures| failures.count)
    }

    pub(super) fn remembered(&self, number: &str) -> Option<Failures> {
        let failures = self.accounts.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.get(&number_hash(number)).copied()
    }

    /// Notes a failure. Returns how many there were, and whether nobody is looked at for a while.
    pub(super) fn note_failure(&self, number: &str) -> (u32, bool) {
        let AccountSettings { failures: most, locked_for, locked_at_most, .. } = self.accounts.settings;
        let now = self.monotonic();
        let mut all = self.accounts.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED
            && let Some(oldest) = all.iter().min_by_key(|(_, failures)| failures.last).map(|(hash, _)| *hash)
        {
            all.remove(&oldest);
        }
        let failures = all.entry(number_hash(number)).or_default();
        // What is tried while it is locked does not lock it for longer.
        if now < failures.locked_until {
            return (failures.count, true);
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        let is_locked = failures.count >= most;
        if is_locked {
            let doubled = locked_for.saturating_mul(1 << (failures.count - most).min(16));
            failures.locked_until = now + doubled.min(locked_at_most);
        }
        (failures.count, is_locked)
    }

    pub(super) fn forget_failures(&self, number: &str) -> u32 {
        let mut failures = self.accounts.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.remove(&number_hash(number)).map_or(0, |failures| failures.count)
    }
}

fn number_hash(number: &str) -> [u8; 32] {
    Sha256::digest(number.trim().as_bytes()).into()
}
