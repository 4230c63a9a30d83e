//! One timer wheel for all tags, so that a tag costs no timer and a read costs no timer work.

use std::time::Duration;

/// Nothing there: no neighbour, or not in the wheel.
const NONE: u32 = u32::MAX;

/// Marks the way back from the first of a list to its head: `FROM_HEAD | head`.
const FROM_HEAD: u32 = 1 << 31;

/// Number of the list of things that are due, behind those of the slots.
const DUE: u32 = Wheel::SLOTS as u32;

/// Deadlines of many numbered things, each with at most one deadline.
///
/// A wheel of [`Wheel::SLOTS`] slots of [`Wheel::TICK`] each. A deadline beyond the horizon is
/// kept at the horizon and looked at again then. The slots are doubly linked lists through
/// [`Links`], which the things themselves carry, so the wheel allocates nothing after it is made.
#[derive(Debug)]
pub(super) struct Wheel {
    /// First of each slot, and of those that are due.
    heads: Vec<u32>,
    /// Which slots hold anything, a bit for each.
    occupied: [u64; Self::SLOTS / 64],
    /// Next tick whose slot has not been looked at.
    next_tick: u64,
    scheduled: usize,
}

/// Place of a thing in the wheel. Things are numbered below 2^31.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    /// The one before, or the list that this is the first of.
    previous: u32,
    next: u32,
}

impl Default for Links {
    fn default() -> Self {
        Self { previous: NONE, next: NONE }
    }
}

/// Where the wheel finds the links of thing number `index`.
pub(super) trait LinkStore {
    fn links(&mut self, index: u32) -> Option<&mut Links>;
}

impl Wheel {
    /// Length of one slot.
    pub(super) const TICK: Duration = Duration::from_millis(100);
    /// Number of slots; with [`Wheel::TICK`] a horizon of 6 min 49 s.
    pub(super) const SLOTS: usize = 4096;

    pub(super) fn new() -> Self {
        Self {
            heads: vec![NONE; Self::SLOTS + 1],
            occupied: [0; Self::SLOTS / 64],
            next_tick: 0,
            scheduled: 0,
        }
    }

    /// Sets the deadline of thing number `index`, replacing an earlier one.
    ///
    /// It comes due in the first [`Wheel::take_due`] at or after `deadline`, or somewhat
    /// earlier if it lies beyond the horizon.
    pub(super) fn schedule(&mut self, index: u32, deadline: Duration, store: &mut impl LinkStore) {
        self.cancel(index, store);
        let wanted = tick_after(deadline);
        let tick = wanted.clamp(self.next_tick, self.next_tick + Self::SLOTS as u64 - 1);
        let slot = (tick % Self::SLOTS as u64) as u32;
        let next = self.set_head(slot, index);
        if let Some(links) = store.links(next) {
            links.previous = index;
        }
        if let Some(links) = store.links(index) {
            *links = Links { previous: FROM_HEAD | slot, next };
            self.scheduled += 1;
        }
    }

    /// Forgets the deadline of thing number `index`, if it has one.
    pub(super) fn cancel(&mut self, index: u32, store: &mut impl LinkStore) {
        let Some(links) = store.links(index) else { return };
        let Links { previous, next } = std::mem::take(links);
        if previous == NONE {
            return;
        }
        self.scheduled -= 1;
        if previous & FROM_HEAD != 0 {
            self.set_head(previous & !FROM_HEAD, next);
        } else if let Some(links) = store.links(previous) {
            links.next = next;
        }
        if let Some(links) = store.links(next) {
            links.previous = previous;
        }
    }

    /// Takes one thing whose deadline has passed out of the wheel, if there is one.
    pub(super) fn take_due(&mut self, now: Duration, store: &mut impl LinkStore) -> Option<u32> {
        loop {
            let first = self.head(DUE);
            if first != NONE {
                self.cancel(first, store);
                return Some(first);
            }
            let last_tick = tick_before(now);
            if self.next_tick > last_tick {
                return None;
            }
            if self.scheduled == 0 {
                self.next_tick = last_tick + 1;
                return None;
            }
            self.open_slot(store);
        }
    }

    /// Moves the list of the next slot to the list of due things, which is empty.
    fn open_slot(&mut self, store: &mut impl LinkStore) {
        let slot = (self.next_tick % Self::SLOTS as u64) as u32;
        self.next_tick += 1;
        let first = self.set_head(slot, NONE);
        if let Some(links) = store.links(first) {
            links.previous = FROM_HEAD | DUE;
            self.set_head(DUE, first);
        }
    }

    /// When [`Wheel::take_due`] may next have something, or `None` while nothing is scheduled.
    pub(super) fn next_due(&self) -> Option<Duration> {
        if self.scheduled == 0 {
            return None;
        }
        if self.head(DUE) != NONE {
            return Some(Duration::ZERO);
        }
        let first = (self.next_tick % Self::SLOTS as u64) as usize;
        let ahead = self.slots_ahead(first)?;
        let tick = u32::try_from(self.next_tick + ahead as u64).unwrap_or(u32::MAX);
        Some(Self::TICK * tick)
    }

    /// How many slots lie between this one and the next that holds anything.
    fn slots_ahead(&self, first: usize) -> Option<usize> {
        let words = self.occupied.len();
        let (word, bit) = (first / 64, first % 64);
        // The first word is looked at twice: from the slot on, and at the end before it.
        (0..=words).find_map(|turn| {
            let mask = match turn {
                0 => u64::MAX << bit,
                turn if turn == words => !(u64::MAX << bit),
                _ => u64::MAX,
            };
            let at = (word + turn) % words;
            let found = self.occupied.get(at)? & mask;
            let slot = at * 64 + found.trailing_zeros() as usize;
            (found != 0).then_some((slot + Self::SLOTS - first) % Self::SLOTS)
        })
    }

    fn head(&self, list: u32) -> u32 {
        self.heads.get(list as usize).copied().unwrap_or(NONE)
    }

    /// Makes this the first of a list and returns the one that was.
    fn set_head(&mut self, list: u32, first: u32) -> u32 {
        if let Some(word) = self.occupied.get_mut(list as usize / 64) {
            let bit = 1 << (list % 64);
            *word = if first == NONE { *word & !bit } else { *word | bit };
        }
        match self.heads.get_mut(list as usize) {
            Some(head) => std::mem::replace(head, first),
            None => NONE,
        }
    }
}

/// First tick that begins at or after this time.
fn tick_after(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(Wheel::TICK.as_nanos())).unwrap_or(u64::MAX)
}

/// Last tick that begins at or before this time.
fn tick_before(time: Duration) -> u64 {
    u64::try_from(time.as_nanos() / Wheel::TICK.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    struct Things(Vec<Links>);

    impl LinkStore for Things {
        fn links(&mut self, index: u32) -> Option<&mut Links> {
            self.0.get_mut(index as usize)
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Schedule(u32, u64),
        Cancel(u32),
        Advance(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0u32..8, 0u64..30_000).prop_map(|(index, ahead)| Step::Schedule(index, ahead)),
            (0u32..8).prop_map(Step::Cancel),
            (0u64..5_000).prop_map(Step::Advance),
        ]
    }

    proptest! {
        #[test]
        fn comes_due_as_a_sorted_list_would(steps in proptest::collection::vec(step(), 1..60)) {
            let mut wheel = Wheel::new();
            let mut things = Things(vec![Links::default(); 8]);
            let mut model: BTreeMap<u32, u64> = BTreeMap::new();
            let mut now = 0;
            for step in steps {
                match step {
                    Step::Schedule(index, ahead) => {
                        wheel.schedule(index, Duration::from_millis(now + ahead), &mut things);
                        // A deadline within the tick that has been looked at waits for the next.
                        let tick = (now + ahead).div_ceil(100).max(if now == 0 { 0 } else { now / 100 + 1 });
                        model.insert(index, tick);
                    }
                    Step::Cancel(index) => {
                        wheel.cancel(index, &mut things);
                        model.remove(&index);
                    }
                    Step::Advance(by) => {
                        now += by.max(1);
                        let mut due = Vec::new();
                        while let Some(index) = wheel.take_due(Duration::from_millis(now), &mut things) {
                            due.push(index);
                        }
                        due.sort_unstable();
                        let expected: Vec<u32> = model
                            .iter()
                            .filter(|(_, tick)| **tick * 100 <= now)
                            .map(|(index, _)| *index)
                            .collect();
                        model.retain(|_, tick| *tick * 100 > now);
                        prop_assert_eq!(due, expected);
                        prop_assert_eq!(wheel.next_due().is_none(), model.is_empty());
                    }
                }
            }
        }
    }

    #[test]
    fn a_deadline_beyond_the_horizon_comes_back_at_the_horizon() {
        let mut wheel = Wheel::new();
        let mut things = Things(vec![Links::default()]);
        wheel.schedule(0, Duration::from_secs(3600), &mut things);
        let horizon = Wheel::TICK * (Wheel::SLOTS as u32 - 1);
        assert_eq!(wheel.next_due(), Some(horizon));
        assert_eq!(wheel.take_due(horizon - Duration::from_millis(1), &mut things), None);
        assert_eq!(wheel.take_due(horizon, &mut things), Some(0));
    }
}
