//! The ring of latest notices and the places in it.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rfid_core::{Clock, Event, EventId, SystemClock, UtcTime};
use tokio::sync::watch;

use crate::notice::Notice;

/// Notices kept at most.
const MOST_NOTICES: usize = 10_000;
/// Bytes of JSON kept at most.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// Subscriptions at once at most.
const MOST_SUBSCRIBERS: usize = 1_000;

/// Where notices are published and subscribed to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Hub {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    ring: Mutex<Ring>,
    /// Number behind the last notice; goes up with each one.
    head: watch::Sender<u64>,
    limits: Limits,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    notices: usize,
    bytes: usize,
    subscribers: usize,
}

#[derive(Debug, Default)]
struct Ring {
    notices: VecDeque<Arc<Notice>>,
    /// Number of the first notice in the ring.
    first: u64,
    bytes: usize,
    numbers: HashMap<EventId, u64>,
    counts: HubCounts,
    closed: bool,
}

/// What a hub has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HubCounts {
    /// Notices published.
    pub published: u64,
    /// Notices handed to subscribers, once for each.
    pub delivered: u64,
    /// Notices that subscribers missed because they were slow.
    pub missed: u64,
    /// Subscriptions at present.
    pub subscribers: u64,
}

/// What a subscription gets.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// The next notice.
    Notice(Arc<Notice>),
    /// Notices are gone that this subscription has not had.
    Missed {
        /// How many; `None` where the event to continue behind is not known (any more).
        count: Option<u64>,
    },
    /// The hub is closed and everything was delivered.
    Closed,
}

/// There are as many subscribers as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManySubscribers;

impl fmt::Display for TooManySubscribers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there are too many subscribers already; try again later")
    }
}

impl std::error::Error for TooManySubscribers {}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}

impl Hub {
    /// A hub that keeps the latest 10,000 notices, or 16 MiB of them.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock::new()))
    }

    /// The same, with the time from here instead of the machine's clocks.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        let limits = Limits { notices: MOST_NOTICES, bytes: MOST_BYTES, subscribers: MOST_SUBSCRIBERS };
        Self::with_limits(limits, clock)
    }

    fn with_limits(limits: Limits, clock: Arc<dyn Clock>) -> Self {
        let (head, _) = watch::channel(0);
        Self { shared: Arc::new(Shared { clock, ring: Mutex::default(), head, limits }) }
    }

    /// Publishes events, in order. Never waits for anybody.
    pub fn publish(&self, events: impl IntoIterator<Item = Event>) {
        self.publish_notices(events.into_iter().map(Notice::new));
    }

    /// The same for notices that are ready, say because they are late sooner or later than usual.
    pub fn publish_notices(&self, notices: impl IntoIterator<Item = Notice>) {
        let mut ring = self.shared.lock();
        for notice in notices {
            ring.push(notice, self.shared.limits);
        }
        self.shared.head.send_replace(ring.end());
    }

    /// Subscribes to what is published from now on, or to everything behind an event.
    ///
    /// An event that is not in the ring, because it is too old or was never published here, gives
    /// [`Delivery::Missed`] without a count and then everything that the ring holds: what comes
    /// twice has the same event id.
    ///
    /// # Errors
    /// [`TooManySubscribers`].
    pub fn subscribe(&self, after: Option<EventId>) -> Result<Subscription, TooManySubscribers> {
        let mut ring = self.shared.lock();
        if ring.counts.subscribers >= self.shared.limits.subscribers as u64 {
            return Err(TooManySubscribers);
        }
        ring.counts.subscribers += 1;
        let (next, lost_track) = match after {
            None => (ring.end(), false),
            Some(id) => match ring.numbers.get(&id) {
                Some(number) => (number + 1, false),
                None => (ring.first, true),
            },
        };
        let head = self.shared.head.subscribe();
        Ok(Subscription { shared: Arc::clone(&self.shared), head, next, lost_track })
    }

    /// The latest notices, oldest first, at most `limit`.
    pub fn latest(&self, limit: usize) -> Vec<Arc<Notice>> {
        let ring = self.shared.lock();
        let skip = ring.notices.len().saturating_sub(limit);
        ring.notices.iter().skip(skip).cloned().collect()
    }

    /// The moment at which a notice that is handed over now is late or not.
    pub fn now(&self) -> UtcTime {
        self.shared.clock.now().utc
    }

    /// What has been counted.
    pub fn counts(&self) -> HubCounts {
        self.shared.lock().counts
    }

    /// Ends all subscriptions once they have had everything.
    pub fn close(&self) {
        let mut ring = self.shared.lock();
        ring.closed = true;
        self.shared.head.send_replace(ring.end());
    }
}

impl Shared {
    /// The ring is whole after every method, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn end(&self) -> u64 {
        self.first + self.notices.len() as u64
    }

    fn push(&mut self, notice: Notice, limits: Limits) {
        self.numbers.insert(notice.event().event_id, self.end());
        self.bytes += notice.json().len();
        self.notices.push_back(Arc::new(notice));
        self.counts.published += 1;
        while self.notices.len() > limits.notices || (self.bytes > limits.bytes && self.notices.len() > 1) {
            let Some(oldest) = self.notices.pop_front() else { break };
            self.bytes -= oldest.json().len();
            // A repeat of the same event has taken the id over.
            if self.numbers.get(&oldest.event().event_id) == Some(&self.first) {
                self.numbers.remove(&oldest.event().event_id);
            }
            self.first += 1;
        }
    }
}

/// A place in the ring.
#[derive(Debug)]
pub struct Subscription {
    shared: Arc<Shared>,
    head: watch::Receiver<u64>,
    next: u64,
    lost_track: bool,
}

impl Subscription {
    /// Whether the event to continue behind is not known here (any more).
    pub fn has_lost_track(&self) -> bool {
        self.lost_track
    }

    /// What lies between is had from elsewhere: it is not missed.
    pub fn find_track(&mut self) {
        self.lost_track = false;
    }

    /// The next notice, as soon as there is one. *Cancel safety*: nothing is lost.
    pub async fn next(&mut self) -> Delivery {
        loop {
            // Marked as seen before looking, so that what comes in between wakes the wait below.
            self.head.mark_unchanged();
            if let Some(delivery) = self.try_next() {
                return delivery;
            }
            if self.head.changed().await.is_err() {
                return Delivery::Closed;
            }
        }
    }

    /// The next notice if there is one.
    pub fn try_next(&mut self) -> Option<Delivery> {
        let mut ring = self.shared.lock();
        if std::mem::take(&mut self.lost_track) {
            return Some(Delivery::Missed { count: None });
        }
        if self.next < ring.first {
            let count = ring.first - self.next;
            self.next = ring.first;
            ring.counts.missed += count;
            return Some(Delivery::Missed { count: Some(count) });
        }
        let ahead = usize::try_from(self.next - ring.first).unwrap_or(usize::MAX);
        match ring.notices.get(ahead).cloned() {
            Some(notice) => {
                self.next += 1;
                ring.counts.delivered += 1;
                Some(Delivery::Notice(notice))
            }
            None if ring.closed => Some(Delivery::Closed),
            None => None,
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut ring = self.shared.lock();
        ring.counts.subscribers = ring.counts.subscribers.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rfid_core::{ManualClock, TagId, TagIdKind};
    use std::time::Duration;

    fn hub(notices: usize) -> Hub {
        limited(Limits { notices, bytes: usize::MAX, subscribers: 3 })
    }

    fn limited(limits: Limits) -> Hub {
        Hub::with_limits(limits, Arc::new(SystemClock::new()))
    }

    fn event(number: u32) -> Event {
        let tag = TagId::new(TagIdKind::Epc, &number.to_be_bytes()).unwrap();
        let sample = Event::sample();
        Event { event_id: EventId::derive("hub", &tag, sample.first_seen, 0), tag, ..sample }
    }

    fn number(notice: &Notice) -> u32 {
        u32::from_be_bytes(notice.event().tag.bytes().try_into().unwrap())
    }

    fn drain(subscription: &mut Subscription) -> Vec<Result<u32, Option<u64>>> {
        std::iter::from_fn(|| subscription.try_next())
            .map_while(|delivery| match delivery {
                Delivery::Notice(notice) => Some(Ok(number(&notice))),
                Delivery::Missed { count } => Some(Err(count)),
                Delivery::Closed => None,
            })
            .collect()
    }

    #[test]
    fn a_slow_subscriber_is_told_what_it_missed() {
        let hub = hub(3);
        let mut slow = hub.subscribe(None).unwrap();
        hub.publish((0..10).map(event));
        assert_eq!(drain(&mut slow), [Err(Some(7)), Ok(7), Ok(8), Ok(9)]);
        assert_eq!(hub.counts().missed, 7);
    }

    #[test]
    fn a_subscriber_that_comes_back_continues_behind_the_event_it_names() {
        let hub = hub(5);
        hub.publish((0..5).map(event));
        assert_eq!(drain(&mut hub.subscribe(Some(event(2).event_id)).unwrap()), [Ok(3), Ok(4)]);
        assert_eq!(drain(&mut hub.subscribe(Some(event(4).event_id)).unwrap()), []);
        let unknown = drain(&mut hub.subscribe(Some(event(99).event_id)).unwrap());
        assert_eq!(unknown, [Err(None), Ok(0), Ok(1), Ok(2), Ok(3), Ok(4)]);
    }

    #[test]
    fn an_event_that_comes_again_is_known_by_its_later_place() {
        let hub = hub(2);
        hub.publish([event(1), event(2), event(1)]);
        assert_eq!(drain(&mut hub.subscribe(Some(event(1).event_id)).unwrap()), []);
    }

    #[test]
    fn bytes_are_bounded_too() {
        let size = Notice::new(event(1)).json().len();
        let hub = limited(Limits { notices: 100, bytes: size * 4, subscribers: 3 });
        hub.publish((0..50).map(event));
        assert_eq!(hub.latest(100).len(), 4);
    }

    #[test]
    fn subscribers_are_bounded_and_leave_room_when_they_go() {
        let hub = hub(3);
        let mut all: Vec<Subscription> = (0..3).map(|_| hub.subscribe(None).unwrap()).collect();
        assert_eq!(hub.subscribe(None).err(), Some(TooManySubscribers));
        all.pop();
        assert!(hub.subscribe(None).is_ok());
    }

    #[tokio::test]
    async fn closing_ends_a_subscription_behind_its_last_notice() {
        let hub = hub(3);
        let mut subscription = hub.subscribe(None).unwrap();
        hub.publish([event(1)]);
        hub.close();
        assert!(matches!(subscription.next().await, Delivery::Notice(_)));
        assert!(matches!(subscription.next().await, Delivery::Closed));
    }

    #[test]
    fn a_notice_that_waits_too_long_for_its_subscriber_is_late_when_it_gets_it() {
        let clock = Arc::new(ManualClock::at(Event::sample().time));
        let hub = Hub::with_clock(clock.clone());
        let mut subscription = hub.subscribe(None).unwrap();
        hub.publish([event(1)]);
        clock.advance(Duration::from_secs(121));
        let Some(Delivery::Notice(notice)) = subscription.try_next() else { panic!("it was published") };
        assert_eq!(notice.kind_at(hub.now()), "late");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_wake_up_is_lost() {
        let hub = Hub::new();
        let mut subscription = hub.subscribe(None).unwrap();
        let publisher = hub.clone();
        let publishing = tokio::spawn(async move {
            for number in 0..5_000 {
                publisher.publish([event(number)]);
                if number % 3 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        });
        for expected in 0..5_000 {
            let Delivery::Notice(notice) = subscription.next().await else {
                panic!("the ring holds them all")
            };
            assert_eq!(number(&notice), expected);
        }
        publishing.await.unwrap();
    }

    proptest! {
        /// Delivered and missed are together what was published, in order, whatever the pace.
        #[test]
        fn every_subscriber_can_account_for_everything(
            steps in proptest::collection::vec((0usize..3, 0u32..6), 1..80),
        ) {
            let hub = hub(4);
            let mut subscriptions: Vec<Subscription> = (0..2).map(|_| hub.subscribe(None).unwrap()).collect();
            let mut accounts = [0u32; 2];
            let mut published = 0;
            for (who, count) in steps {
                if who == 2 {
                    hub.publish((published..published + count).map(event));
                    published += count;
                    continue;
                }
                for _ in 0..count {
                    match subscriptions[who].try_next() {
                        Some(Delivery::Notice(notice)) => {
                            prop_assert_eq!(number(&notice), accounts[who]);
                            accounts[who] += 1;
                        }
                        Some(Delivery::Missed { count: Some(count) }) => accounts[who] += count as u32,
                        Some(other) => prop_assert!(false, "{other:?}"),
                        None => prop_assert_eq!(accounts[who], published),
                    }
                }
            }
            prop_assert!(hub.latest(100).len() <= 4);
        }
    }
}
