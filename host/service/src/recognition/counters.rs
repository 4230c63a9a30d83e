//! What recognition has counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rfid_core::Name;

use crate::record::{LocalDate, Outcome, Refusal};

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
    /// The same of the latest day of the bank on which there was one, and that day.
    pub unknown_of_day: Option<(LocalDate, u64)>,
    /// Suspicions that a card was copied.
    pub alarms: u64,
}

/// Tells what readers glimpsed and too little was heard of to count as somebody: those who confirm are before
/// recognition, and count by themselves.
pub trait Glimpses: std::fmt::Debug + Send + Sync {
    /// Glimpses since the start that were not confirmed, by branch; none of branches of which it cannot be
    /// said.
    fn unconfirmed(&self) -> BTreeMap<Name, u64>;
}

/// What was counted, by branch.
#[derive(Debug, Default)]
pub struct Counters {
    branches: Mutex<BTreeMap<Name, BranchCounters>>,
    /// Absent where nobody counts glimpses.
    glimpses: Mutex<Option<Arc<dyn Glimpses>>>,
}

impl Counters {
    /// Everything so far.
    pub fn by_branch(&self) -> BTreeMap<Name, BranchCounters> {
        self.branches.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks this for glimpses from now on.
    pub fn take_glimpses(&self, glimpses: Arc<dyn Glimpses>) {
        *self.glimpses.lock().unwrap_or_else(PoisonError::into_inner) = Some(glimpses);
    }

    /// Glimpses that were not confirmed, by branch, as far as it can be said.
    pub(crate) fn unconfirmed(&self) -> BTreeMap<Name, u64> {
        let glimpses = self.glimpses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        glimpses.map(|glimpses| glimpses.unconfirmed()).unwrap_or_default()
    }

    /// Begins to count a branch, from nothing, so that it is there before anybody comes.
    pub(crate) fn begin(&self, branch: &Name) {
        self.of(branch, |_| ());
    }

    /// Notes an arrival on a day of the bank.
    pub(crate) fn note(&self, branch: &Name, outcome: Option<Outcome>, day: LocalDate) {
        self.of(branch, |counters| match outcome {
            None => {
                counters.unknown += 1;
                match &mut counters.unknown_of_day {
                    Some((latest, count)) if *latest == day => *count += 1,
                    // What comes late of a day that is over is not of this one.
                    Some((latest, _)) if *latest > day => {}
                    other => *other = Some((day, 1)),
                }
            }
            Some(Outcome::Recognised) => counters.recognised += 1,
            Some(Outcome::Refused(refusal)) => {
                *counters.refused.entry(Refusal::name(refusal)).or_default() += 1
            }
        });
    }

    /// Tags of a day that were not known, by branch.
    pub(crate) fn unknown_on(&self, day: LocalDate) -> BTreeMap<Name, u64> {
        let branches = self.branches.lock().unwrap_or_else(PoisonError::into_inner);
        let of_day = |(branch, counters): (&Name, &BranchCounters)| match counters.unknown_of_day {
            Some((latest, count)) if latest == day => Some((branch.clone(), count)),
            _ => None,
        };
        branches.iter().filter_map(of_day).collect()
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
