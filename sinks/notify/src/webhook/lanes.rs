//! Notices that are being seen to, one lane for each tag: what may be sent next.
//!
//! Of one tag at most one notice is under way, and a later one is not begun before the earlier one
//! is finished. Tags do not wait for each other.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use rfid_core::{Backoff, Event, TagId, UtcTime};
use tokio::time::Instant;

use super::transport::Failure;

/// Number of a notice among those that this process has seen to, in the order they came.
pub(crate) type Ticket = u64;

/// A notice that is not finished.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) event: Event,
    /// When it was taken over from the line.
    pub(crate) accepted: UtcTime,
    /// Its number in the outbox; `None` if it is in memory only.
    pub(crate) number: Option<u64>,
    /// Tries so far.
    pub(crate) tries: u32,
    /// How the last try failed.
    pub(crate) last: Option<Failure>,
    pub(crate) backoff: Backoff,
}

#[derive(Debug)]
struct Place {
    waiting: Waiting,
    /// When it may be tried; `None` while somebody has it in hand.
    due: Option<Instant>,
}

/// All notices that are being seen to.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    places: BTreeMap<Ticket, Place>,
    lanes: HashMap<TagId, VecDeque<Ticket>>,
    /// First of each lane that nobody has in hand, by when it may be tried.
    ready: BTreeSet<(Instant, Ticket)>,
    next: Ticket,
}

impl Lanes {
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Adds a notice behind all others of its tag.
    pub(crate) fn add(&mut self, waiting: Waiting, now: Instant) {
        let ticket = self.next;
        self.next += 1;
        let lane = self.lanes.entry(waiting.event.tag).or_default();
        lane.push_back(ticket);
        if lane.len() == 1 {
            self.ready.insert((now, ticket));
        }
        self.places.insert(ticket, Place { waiting, due: Some(now) });
    }

    /// Takes the notice into hand that has been due longest.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Ticket> {
        let (due, ticket) = *self.ready.first()?;
        if due > now {
            return None;
        }
        self.hold(ticket);
        Some(ticket)
    }

    /// Takes this notice into hand. False if somebody has it.
    pub(crate) fn hold(&mut self, ticket: Ticket) -> bool {
        let Some(due) = self.places.get_mut(&ticket).and_then(|place| place.due.take()) else { return false };
        self.ready.remove(&(due, ticket));
        true
    }

    pub(crate) fn get_mut(&mut self, ticket: Ticket) -> Option<&mut Waiting> {
        self.places.get_mut(&ticket).map(|place| &mut place.waiting)
    }

    /// Lays a notice back into its lane.
    pub(crate) fn put_back(&mut self, ticket: Ticket, due: Instant) {
        let Some(place) = self.places.get_mut(&ticket) else { return };
        place.due = Some(due);
        let lane = self.lanes.get(&place.waiting.event.tag);
        if lane.and_then(|lane| lane.front()) == Some(&ticket) {
            self.ready.insert((due, ticket));
        }
    }

    /// Takes a notice out for good; the next one of its tag may go.
    pub(crate) fn finish(&mut self, ticket: Ticket) -> Option<Waiting> {
        let Place { waiting, due } = self.places.remove(&ticket)?;
        if let Some(due) = due {
            self.ready.remove(&(due, ticket));
        }
        if let Some(lane) = self.lanes.get_mut(&waiting.event.tag) {
            lane.retain(|other| *other != ticket);
            match lane.front() {
                None => {
                    self.lanes.remove(&waiting.event.tag);
                }
                Some(first) => {
                    if let Some(due) = self.places.get(first).and_then(|place| place.due) {
                        self.ready.insert((due, *first));
                    }
                }
            }
        }
        Some(waiting)
    }

    /// When the next notice may be tried.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.ready.first().map(|(due, _)| *due)
    }

    /// Lets be tried at once what failed because there was nobody to talk to.
    pub(crate) fn retry_unreachable(&mut self, now: Instant) {
        let ready: Vec<(Instant, Ticket)> = self.ready.iter().copied().collect();
        for (due, ticket) in ready {
            let Some(place) = self.places.get_mut(&ticket) else { continue };
            if place.waiting.last.as_ref().is_some_and(|failure| failure.unreachable) {
                place.due = Some(now);
                self.ready.remove(&(due, ticket));
                self.ready.insert((now, ticket));
            }
        }
    }

    /// All notices, oldest first, and whether somebody has them in hand.
    pub(crate) fn oldest_first(&self) -> impl Iterator<Item = (Ticket, &Waiting, bool)> {
        self.places.iter().map(|(ticket, place)| (*ticket, &place.waiting, place.due.is_none()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rfid_core::TagIdKind;
    use std::time::Duration;

    fn waiting(tag: u8) -> Waiting {
        let tag = TagId::new(TagIdKind::Epc, &[tag, 0]).unwrap();
        Waiting {
            event: Event { tag, ..Event::sample() },
            accepted: UtcTime::default(),
            number: None,
            tries: 0,
            last: None,
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(300), 1),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_tag_waits_for_its_own_earlier_notice_only() {
        let now = Instant::now();
        let mut lanes = Lanes::default();
        for tag in [1, 1, 2] {
            lanes.add(waiting(tag), now);
        }
        assert_eq!(lanes.take(now), Some(0));
        assert_eq!(lanes.take(now), Some(2), "the other tag does not wait");
        assert_eq!(lanes.take(now), None);
        lanes.put_back(0, now + Duration::from_secs(5));
        assert_eq!(lanes.take(now), None, "the later one waits as long as the earlier one");
        assert_eq!(lanes.next_due(), Some(now + Duration::from_secs(5)));
        lanes.retry_unreachable(now);
        assert_eq!(lanes.take(now), None, "it may have been the notice's own fault");
        let failure = Failure { why: String::new(), status: None, unreachable: true, after: None };
        lanes.get_mut(0).unwrap().last = Some(failure);
        lanes.retry_unreachable(now);
        assert_eq!(lanes.take(now), Some(0));
        lanes.finish(0);
        assert_eq!(lanes.take(now), Some(1));
        lanes.finish(1);
        lanes.finish(2);
        assert_eq!((lanes.len(), lanes.lanes.len(), lanes.ready.len()), (0, 0, 0));
    }

    proptest! {
        /// Whatever comes in whatever order, each lane goes out in order and one at a time.
        #[test]
        fn each_tag_goes_in_order(steps in proptest::collection::vec((0u8..5, 0u8..3), 1..200)) {
            let start = Instant::now();
            let mut lanes = Lanes::default();
            let mut held: Vec<(Ticket, TagId)> = Vec::new();
            let mut finished: HashMap<TagId, Ticket> = HashMap::new();
            for (time, (step, tag)) in (0u64..).zip(steps) {
                let now = start + Duration::from_secs(time);
                match step {
                    0 | 1 => lanes.add(waiting(tag), now),
                    2 => if let Some(ticket) = lanes.take(now) {
                        let tag = lanes.get_mut(ticket).unwrap().event.tag;
                        prop_assert!(held.iter().all(|(_, other)| *other != tag), "two under way for one tag");
                        prop_assert!(finished.get(&tag).is_none_or(|last| *last < ticket));
                        held.push((ticket, tag));
                    }
                    3 => if let Some((ticket, _)) = held.pop() {
                        lanes.put_back(ticket, now + Duration::from_secs(u64::from(tag)));
                    }
                    _ => if let Some((ticket, tag)) = held.pop() {
                        lanes.finish(ticket).unwrap();
                        finished.insert(tag, ticket);
                    }
                }
            }
            for (ticket, _) in held {
                lanes.put_back(ticket, start);
            }
            let end = start + Duration::from_secs(10_000);
            while let Some(ticket) = lanes.take(end) {
                lanes.finish(ticket);
            }
            prop_assert_eq!((lanes.len(), lanes.lanes.len(), lanes.ready.len()), (0, 0, 0));
        }
    }
}
