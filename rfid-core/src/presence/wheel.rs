//! One timer wheel for all tags, so that a tag costs no timer and a read costs no timer work.

use std::time::Duration;

/// No neighbour, or not in the wheel.
const NONE: u32 = u32::MAX;

/// Deadlines of many numbered things, each with at most one deadline.
///
/// A wheel of [`Wheel::SLOTS`] slots of [`Wheel::TICK`] each. A deadline beyond the horizon is
/// kept at the horizon and looked at again then. The slots are doubly linked lists through
/// [`Links`], which the things themselves carry, so the wheel allocates nothing after it is made.
#[derive(Debug)]
pub(super) struct Wheel {
    heads: Vec<u32>,
    /// Next tick whose slot has not been looked at.
    next_tick: u64,
    /// Things taken from a slot and not yet handed out, linked through `next`.
    due: u32,
    scheduled: usize,
}

/// Place of a thing in the wheel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    slot: u32,
    previous: u32,
    next: u32,
}

impl Default for Links {
    fn default() -> Self {
        Self { slot: NONE, previous: NONE, next: NONE }
    }
}

/// Where the wheel finds the links of thing number `index`.
pub(super) trait LinkStore {
    fn links(&mut self, index: u32) -> Option<&mut Links>;
}

/// Marks things that stand in the list of due ones, which is not a slot.
const DUE: u32 = u32::MAX - 1;

impl Wheel {
    /// Length of one slot.
    pub(super) const TICK: Duration = Duration::from_millis(100);
    /// Number of slots; with [`Wheel::TICK`] a horizon of 6 min 49 s.
    pub(super) const SLOTS: usize = 4096;

    pub(super) fn new() -> Self {
        Self { heads: vec![NONE; Self::SLOTS], next_tick: 0, due: NONE, scheduled: 0 }
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
        let Some(head) = self.heads.get_mut(slot as usize) else { return };
        let next = std::mem::replace(head, index);
        if let Some(links) = store.links(next) {
            links.previous = index;
        }
        if let Some(links) = store.links(index) {
            *links = Links { slot, previous: NONE, next };
            self.scheduled += 1;
        }
    }

    /// Forgets the deadline of thing number `index`, if it has one.
    pub(super) fn cancel(&mut self, index: u32, store: &mut impl LinkStore) {
        let Some(links) = store.links(index) else { return };
        let Links { slot, previous, next } = std::mem::take(links);
        if slot == NONE {
            return;
        }
        self.scheduled -= 1;
        match store.links(previous) {
            Some(links) => links.next = next,
            None if slot == DUE => self.due = next,
            None => {
                if let Some(head) = self.heads.get_mut(slot as usize) {
                    *head = next;
                }
            }
        }
        if let Some(links) = store.links(next) {
            links.previous = previous;
        }
    }

    /// Takes one thing whose deadline has passed out of the wheel, if there is one.
    pub(super) fn take_due(&mut self, now: Duration, store: &mut impl LinkStore) -> Option<u32> {
        while self.due == NONE {
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
        let index = self.due;
        self.cancel(index, store);
        Some(index)
    }

    /// Moves the list of the next slot to the list of due things.
    fn open_slot(&mut self, store: &mut impl LinkStore) {
        let slot = (self.next_tick % Self::SLOTS as u64) as usize;
        self.next_tick += 1;
        let Some(head) = self.heads.get_mut(slot) else { return };
        self.due = std::mem::replace(head, NONE);
        let mut index = self.due;
        while let Some(links) = store.links(index) {
            links.slot = DUE;
            index = links.next;
        }
    }

    /// When [`Wheel::take_due`] may next have something, or `None` while nothing is scheduled.
    pub(super) fn next_due(&self) -> Option<Duration> {
        if self.scheduled == 0 {
            return None;
        }
        if self.due != NONE {
            return Some(Duration::ZERO);
        }
        let first = (self.next_tick % Self::SLOTS as u64) as usize;
        let ahead = (0..Self::SLOTS).position(|ahead| {
            self.heads.get((first + ahead) % Self::SLOTS).is_some_and(|head| *head != NONE)
        })?;
        let tick = u32::try_from(self.next_tick + ahead as u64).unwrap_or(u32::MAX);
        Some(Self::TICK * tick)
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
