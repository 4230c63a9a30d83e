//! Ids of the latest events, to know a repeat when it comes.

use std::collections::{HashSet, VecDeque};

use rfid_core::EventId;

/// A bounded memory of event ids, the oldest forgotten first.
#[derive(Debug)]
pub(crate) struct RecentIds {
    order: VecDeque<EventId>,
    known: HashSet<EventId>,
    limit: usize,
}

impl RecentIds {
    pub(crate) fn new(limit: usize) -> Self {
        Self { order: VecDeque::new(), known: HashSet::new(), limit }
    }

    pub(crate) fn contains(&self, id: EventId) -> bool {
        self.known.contains(&id)
    }

    pub(crate) fn insert(&mut self, id: EventId) {
        if !self.known.insert(id) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}
