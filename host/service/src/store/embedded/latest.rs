//! The latest visits of those who were asked about a moment ago, in memory: whoever is in a branch is heard
//! again and again, and each time it is asked which visit goes on.
//!
//! What is here is what the index has. A list is kept when it was read from the index and nothing was written to
//! it meanwhile; the writer changes it where the index is changed. Whatever is not plainly the same list with
//! one visit more, or with another version of one, is forgotten and read again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::generations::Generations;
use super::index::place_in_list;
use crate::record::{CustomerId, Key, Record, Visit};
use crate::store::{LATEST_VISITS, Stored};

/// Visits that are kept, twice so many at most: some 20 MiB.
const KEPT: usize = 32_768;

/// Visits of a customer, the latest first.
pub(super) type Visits = Arc<[Stored<Visit>]>;

/// The latest visits of some customers.
pub(super) struct Latest(Mutex<State>);

struct State {
    /// A slot weighs its visits and one more.
    slots: Generations<CustomerId, Slot>,
    /// Told apart from all that were read before.
    reading: u64,
}

enum Slot {
    /// Somebody reads them from the index, and nothing was written since.
    Read(u64),
    Here(Visits),
}

/// What is known of the visits of a customer.
pub(super) enum Asked {
    /// These are they.
    Here(Visits),
    /// They have to be read; [`Latest::read`] takes them.
    Read(Reading),
}

/// That somebody reads the visits of a customer from the index.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    pub(super) customer: CustomerId,
    number: u64,
}

impl Default for Latest {
    fn default() -> Self {
        Self::keeping(KEPT)
    }
}

impl Latest {
    fn keeping(kept: usize) -> Self {
        Self(Mutex::new(State { slots: Generations::keeping(kept, Slot::weight), reading: 0 }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The visits of a customer, or that they are read now.
    pub(super) fn of(&self, customer: CustomerId) -> Asked {
        let mut state = self.state();
        if let Some(Slot::Here(visits)) = state.slots.asked(&customer) {
            return Asked::Here(Arc::clone(visits));
        }
        state.reading += 1;
        let number = state.reading;
        state.slots.keep(customer, Slot::Read(number));
        Asked::Read(Reading { customer, number })
    }

    /// Takes what was read since [`Latest::of`] said so, unless something was written meanwhile.
    pub(super) fn read(&self, Reading { customer, number }: Reading, visits: &Visits) {
        let mut state = self.state();
        if matches!(state.slots.peek(&customer), Some(Slot::Read(awaited)) if *awaited == number) {
            state.slots.keep(customer, Slot::Here(Arc::clone(visits)));
        }
    }

    /// Takes over what was written: what a record was and what it is now.
    pub(super) fn written<'a>(
        &self,
        changes: impl Iterator<Item = (u32, Option<&'a Record>, Option<&'a Record>)>,
    ) {
        let mut state = None;
        for (version, before, after) in changes {
            let (before, after) = (before.and_then(visit), after.and_then(visit));
            if before.or(after).is_some() {
                state.get_or_insert_with(|| self.state()).written(version, before, after);
            }
        }
    }

    /// Forgets everything: what was written is not known one by one.
    pub(super) fn forget(&self) {
        self.state().slots.forget();
    }
}

impl State {
    fn written(&mut self, version: u32, before: Option<&Visit>, after: Option<&Visit>) {
        let customers = [before, after].map(|visit| visit.map(|visit| visit.customer));
        let next = match (before, after) {
            (None, Some(after)) => self.here(after.customer).and_then(|here| with_new(here, version, after)),
            (Some(before), Some(after)) if before.customer == after.customer => {
                self.here(after.customer).and_then(|here| with_changed(here, version, after))
            }
            _ => None,
        };
        match (after, next) {
            // Whoever is written to is not asked about.
            (Some(after), Some(visits)) => self.slots.replace(&after.customer, Slot::Here(visits)),
            // It is read again; what is being read may be from before.
            _ => customers.iter().flatten().for_each(|customer| self.slots.remove(customer)),
        }
    }

    fn here(&self, customer: CustomerId) -> Option<&Visits> {
        match self.slots.peek(&customer)? {
            Slot::Here(visits) => Some(visits),
            Slot::Read(_) => None,
        }
    }
}

impl Slot {
    fn weight(&self) -> usize {
        match self {
            Self::Read(_) => 1,
            Self::Here(visits) => visits.len() + 1,
        }
    }
}

fn visit(record: &Record) -> Option<&Visit> {
    match record {
        Record::Visit(visit) => Some(visit),
        _ => None,
    }
}

fn place(visit: &Visit) -> Vec<u8> {
    place_in_list(visit.arrived_at, &Key::Visit(visit.id))
}

/// These with one that is later than all of them; one among them may be behind those that are kept.
fn with_new(here: &Visits, version: u32, visit: &Visit) -> Option<Visits> {
    let is_latest = here.first().is_none_or(|first| place(visit) < place(&first.record));
    let new = Stored { version, record: visit.clone() };
    is_latest.then(|| std::iter::once(new).chain(here.iter().cloned()).take(LATEST_VISITS).collect())
}

/// These with another version of one of them, in its place.
fn with_changed(here: &Visits, version: u32, visit: &Visit) -> Option<Visits> {
    let at = here.iter().position(|stored| stored.record.id == visit.id)?;
    let mut visits = Arc::clone(here);
    // Whoever was given them keeps them as they were.
    let stored = Arc::make_mut(&mut visits).get_mut(at)?;
    let is_in_place = stored.record.arrived_at == visit.arrived_at;
    *stored = Stored { version, record: visit.clone() };
    is_in_place.then_some(visits)
}

#[cfg(test)]
mod tests;
