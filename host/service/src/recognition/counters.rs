//! What recognition has counted.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use rfid_core::Name;

use crate::record::{Outcome, Refusal};

/// Most branches that are counted apart; arrivals in further ones are counted as those of the last.
const MOST_BRANCHES: usize = 10_000;

/// Arrivals of one branch since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BranchCounters {
    /// Of customers who were recognised.
    pub recognised: u64,
    /// Of cards that may not be used, by why.
    pub refused: BTreeMap<&'static str, u64>,
    /// Of tags that are on no card of the bank's, and of customers who do not want to be recognised:
    /// apart they would tell of them.
    pub unknown: u64,
    /// Suspicions that a card was copied.
    pub alarms: u64,
}

/// What was counted, by branch.
#[derive(Debug, Default)]
pub struct Counters {
    branches: Mutex<BTreeMap<Name, BranchCounters>>,
}

impl Counters {
    /// Everything so far.
    pub fn by_branch(&self) -> BTreeMap<Name, BranchCounters> {
        self.branches.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins to count a branch, from nothing, so that it is there before anybody comes.
    pub(crate) fn begin(&self, branch: &Name) {
        self.of(branch, |_| ());
    }

    pub(super) fn note(&self, branch: &Name, outcome: Option<Outcome>) {
        self.of(branch, |counters| match outcome {
            None => counters.unknown += 1,
            Some(Outcome::Recognised) => counters.recognised += 1,
            Some(Outcome::Refused(refusal)) => {
                *counters.refused.entry(Refusal::name(refusal)).or_default() += 1
            }
        });
    }

    pub(super) fn note_unknown(&self, branch: &Name) {
        self.note(branch, None);
    }

    pub(super) fn note_alarm(&self, branch: &Name) {
        self.of(branch, |counters| counters.alarms += 1);
    }

    fn of(&self, branch: &Name, count: impl FnOnce(&mut BranchCounters)) {
        let mut branches = self.branches.lock().unwrap_or_else(PoisonError::into_inner);
        if branches.len() < MOST_BRANCHES || branches.contains_key(branch) {
            count(branches.entry(branch.clone()).or_default());
        } else if let Some(mut last) = branches.last_entry() {
            count(last.get_mut());
        }
    }
}
