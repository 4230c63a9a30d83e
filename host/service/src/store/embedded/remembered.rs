//! Records that were read a moment ago, in memory: fifty screens of a branch ask for the same visit, its customer
//! and who is on duty in the same moment, and each of them for whose session it is.
//!
//! What is here is what the index has. A record is kept when it was read from the index and nothing was written
//! meanwhile; what is about to be written is forgotten before the index has it, and not kept until that is known.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::generations::Generations;
use crate::record::Key;
use crate::store::Stored;

/// Records that are kept, twice so many at most: some 8 MiB.
const KEPT: usize = 4_096;
/// Whoever reads more at once looks through a history, which pushes out nothing.
const AT_ONCE: usize = 128;

/// Records that were read a moment ago.
pub(super) struct Remembered(Mutex<State>);

struct State {
    records: Generations<Key, Stored>,
    /// Those that are being written.
    writing: HashSet<Key>,
    /// Told apart from all that was before something was written.
    writes: u64,
}

/// What is known of some records.
pub(super) struct Asked {
    /// Those that are here, in the order in which they were asked for.
    pub(super) here: Vec<Option<Stored>>,
    /// Those that have to be read; [`Remembered::read`] takes them.
    pub(super) missing: Vec<Key>,
    writes: u64,
}

impl Default for Remembered {
    fn default() -> Self {
        let records = Generations::keeping(KEPT, |_: &Stored| 1);
        Self(Mutex::new(State { records, writing: HashSet::new(), writes: 0 }))
    }
}

impl Remembered {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The records of these keys that are here, and which of them have to be read.
    pub(super) fn of(&self, keys: &[Key]) -> Asked {
        let mut state = self.state();
        let here: Vec<Option<Stored>> = keys.iter().map(|key| state.records.asked(key).cloned()).collect();
        let missing = keys.iter().zip(&here).filter(|(_, here)| here.is_none()).map(|(key, _)| key.clone());
        Asked { missing: missing.collect(), here, writes: state.writes }
    }

    /// Puts what was read where it is missing, and keeps it unless something was written meanwhile.
    pub(super) fn read(&self, asked: Asked, read: Vec<Option<Stored>>) -> Vec<Option<Stored>> {
        let Asked { mut here, missing, writes } = asked;
        if read.len() <= AT_ONCE {
            let mut state = self.state();
            if state.writes == writes {
                for (key, stored) in missing.into_iter().zip(&read) {
                    if let Some(stored) = stored.as_ref().filter(|_| !state.writing.contains(&key)) {
                        state.records.keep(key, stored.clone());
                    }
                }
            }
        }
        let mut read = read.into_iter();
        for place in here.iter_mut().filter(|place| place.is_none()) {
            *place = read.next().flatten();
        }
        here
    }

    /// Forgets what is about to be written.
    pub(super) fn writing(&self, keys: impl Iterator<Item = Key>) {
        let mut state = self.state();
        state.writes += 1;
        for key in keys {
            state.records.remove(&key);
            state.writing.insert(key);
        }
    }

    /// All that was about to be written is in the index.
    pub(super) fn written(&self) {
        let mut state = self.state();
        state.writes += 1;
        state.writing.clear();
    }

    /// Forgets everything: what was written is not known one by one.
    pub(super) fn forget(&self) {
        let mut state = self.state();
        state.writes += 1;
        state.writing.clear();
        state.records.forget();
    }
}

#[cfg(test)]
mod tests;
