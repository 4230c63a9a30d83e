//! Where the reads of all readers of a pipeline come in: judged at once, or merged while they cannot be.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::checkpoint::CheckpointChange;
use super::counters::{PipelineCounters, add};
use super::waiting::{Item, Waiting};
use crate::clock::Stamp;
use crate::listening::Listening;
use crate::presence::{Outcome, Presence, ReaderIndex};
use crate::read_buf::ReadBuf;

/// Tags looked at in one go when many departures are due, between two batches of reads.
const ADVANCE_BUDGET: usize = 1024;

/// Events that wait for the chain of sinks, at most, before reads are merged instead of judged.
const MOST_EVENTS: usize = 1024;

/// The presence of one pipeline, for the many readers that feed it and the one task that looks after it.
///
/// Whoever brings a batch judges it there and then: to wake a task for it would cost more than to judge
/// it. The task is woken when there is an event, or earlier than it wanted to look at the time again.
/// While nothing can be judged, because the line behind is full or presence is not there yet, reads
/// are merged ([`Waiting`]). So memory is bounded, and no sighting is lost.
#[derive(Debug)]
pub(super) struct Intake {
    inner: Mutex<Inner>,
    news: Notify,
    counters: Arc<PipelineCounters>,
}

#[derive(Debug)]
struct Inner {
    /// Not before the pipeline is started and not after its end.
    presence: Option<Presence>,
    /// What presence had to say and nobody has taken.
    outcome: Outcome,
    /// When the task looks at the time again if it is not woken.
    task_wakes: Duration,
    waiting: Waiting,
    is_closed: bool,
}

impl Intake {
    pub(super) fn new(counters: Arc<PipelineCounters>) -> Self {
        Self {
            inner: Mutex::new(Inner {
                presence: None,
                outcome: Outcome::default(),
                task_wakes: Duration::ZERO,
                waiting: Waiting::default(),
                is_closed: false,
            }),
            news: Notify::new(),
            counters,
        }
    }

    /// Reads are judged from now on. `outcome` is what presence had to say before.
    pub(super) fn begin(&self, presence: Presence, outcome: Outcome) {
        let mut inner = self.lock();
        inner.presence = Some(presence);
        inner.outcome = outcome;
    }

    /// Takes in the reads of a batch; returns whether the task has something to do. Never waits.
    pub(super) fn put(&self, reader: ReaderIndex, batch: &ReadBuf) -> bool {
        add(&self.counters.lost, batch.lost());
        if batch.is_empty() {
            return false;
        }
        let has_news = {
            let mut inner = self.lock();
            if !inner.judge_at_once(reader, batch, &self.counters) {
                inner.waiting.merge(reader, batch, &self.counters);
            }
            inner.has_news()
        };
        self.tell(has_news)
    }

    /// Takes in which antennas of a reader are listening. Never waits.
    pub(super) fn put_listening(&self, reader: ReaderIndex, listening: Listening, at: Stamp) {
        let has_news = {
            let mut inner = self.lock();
            if !inner.listen_at_once(reader, &listening, at) {
                inner.waiting.listening(reader, listening, at);
            }
            inner.has_news()
        };
        self.tell(has_news);
    }

    fn tell(&self, has_news: bool) -> bool {
        if has_news {
            self.news.notify_one();
        }
        has_news
    }

    /// Judges some of what waits, or lets time pass up to `now`, a portion at a time: a million
    /// departures at once are spread over many. Returns when there is more to do; `None` for at once.
    /// `at_latest` is when the task has something else to do.
    pub(super) fn go_on(&self, now: Stamp, at_latest: Duration) -> Option<Duration> {
        let mut inner = self.lock();
        if inner.take_waiting(&self.counters) {
            return None;
        }
        let due = inner.let_time_pass(now, &self.counters)?;
        inner.task_wakes = due.min(at_latest);
        Some(inner.task_wakes)
    }

    /// Waits until there is something to do before it was said. Cancel-safe; for one task.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// Whether presence has something to say.
    pub(super) fn has_outcome(&self) -> bool {
        !self.lock().outcome.is_empty()
    }

    /// Takes the events, with the visits they changed.
    pub(super) fn take_outcome(&self) -> CheckpointChange {
        let mut inner = self.lock();
        let Outcome { events, forgotten } = std::mem::take(&mut inner.outcome);
        add(&self.counters.events, events.len() as u64);
        let changed = events.iter().map(|event| event.tag).chain(forgotten);
        let visit = |tag| inner.presence.as_ref().and_then(|presence| presence.checkpoint(&tag));
        let visits = changed.map(|tag| (tag, visit(tag))).collect();
        CheckpointChange { visits, undelivered: events, ..CheckpointChange::default() }
    }

    /// Looks at presence.
    pub(super) fn with_presence<T>(&self, look: impl FnOnce(&Presence) -> T) -> Option<T> {
        self.lock().presence.as_ref().map(look)
    }

    /// Says that nothing more will come.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.news.notify_one();
    }

    /// Whether nothing more will come and everything has been judged and taken.
    pub(super) fn is_finished(&self) -> bool {
        let inner = self.lock();
        inner.is_closed && inner.waiting.is_empty() && inner.outcome.is_empty()
    }

    /// Takes presence out; what comes from now on is not judged.
    pub(super) fn end(&self) -> Option<Presence> {
        self.lock().presence.take()
    }

    /// Everything but presence is whole after every statement; should presence ever panic, what it has
    /// is as good as any.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn judge_at_once(&mut self, reader: ReaderIndex, batch: &ReadBuf, counters: &PipelineCounters) -> bool {
        let is_free = self.waiting.is_empty() && self.outcome.events.len() < MOST_EVENTS;
        is_free && self.judge(reader, batch, counters)
    }

    fn judge(&mut self, reader: ReaderIndex, batch: &ReadBuf, counters: &PipelineCounters) -> bool {
        let Some(presence) = &mut self.presence else { return false };
        presence.advance(batch.received(), ADVANCE_BUDGET, &mut self.outcome);
        presence.observe(reader, batch, &mut self.outcome);
        add(&counters.batches, 1);
        counters.publish(presence.counts());
        true
    }

    fn listen_at_once(&mut self, reader: ReaderIndex, listening: &Listening, at: Stamp) -> bool {
        self.waiting.is_empty() && self.listen(reader, listening, at)
    }

    fn listen(&mut self, reader: ReaderIndex, listening: &Listening, at: Stamp) -> bool {
        let Some(presence) = &mut self.presence else { return false };
        presence.advance(at, ADVANCE_BUDGET, &mut self.outcome);
        presence.set_listening(reader, listening, at);
        true
    }

    /// Whether the task has something to do that it does not know of.
    fn has_news(&self) -> bool {
        let is_due = |presence: &Presence| presence.next_due().is_some_and(|due| due < self.task_wakes);
        !self.outcome.is_empty() || !self.waiting.is_empty() || self.presence.as_ref().is_some_and(is_due)
    }

    /// Judges one piece of what waits, if there is any.
    fn take_waiting(&mut self, counters: &PipelineCounters) -> bool {
        if self.presence.is_none() {
            return false;
        }
        match self.waiting.take() {
            Some(Item::Reads(reader, batch)) => self.judge(reader, &batch, counters),
            Some(Item::Listening(reader, listening, at)) => self.listen(reader, &listening, at),
            None => false,
        }
    }

    /// Lets time pass; returns when something is due next, `None` if more is due already.
    fn let_time_pass(&mut self, now: Stamp, counters: &PipelineCounters) -> Option<Duration> {
        let Some(presence) = &mut self.presence else { return Some(Duration::MAX) };
        let is_more_due = presence.advance(now, ADVANCE_BUDGET, &mut self.outcome);
        counters.publish(presence.counts());
        let due = presence.next_due().unwrap_or(Duration::MAX);
        (!is_more_due && self.outcome.is_empty()).then_some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;
    use crate::presence::{PresenceSettings, ReaderPlace, ZoneMap};
    use crate::tag_id::TagIdKind;
    use std::sync::atomic::Ordering;

    const READER: ReaderIndex = ReaderIndex(0);

    fn stamp(seconds: u64) -> Stamp {
        Stamp { monotonic: Duration::from_secs(seconds), ..Stamp::default() }
    }

    fn presence() -> Presence {
        let zones = ZoneMap::Whole(Name::from("door"));
        let place = ReaderPlace { reader: Name::from("door"), branch: None, zones };
        Presence::new(Name::from("hubin"), PresenceSettings::default(), &[place])
    }

    fn put(intake: &Intake, count: u16, at: u64) -> bool {
        let mut batch = ReadBuf::with_capacity(1);
        batch.record(TagIdKind::Epc, &[1, 2]).unwrap().set_count(count);
        batch.set_received(stamp(at));
        intake.put(READER, &batch)
    }

    #[test]
    fn the_task_is_woken_for_an_event_and_for_what_is_due_sooner_and_for_nothing_else() {
        let counters = Arc::new(PipelineCounters::default());
        let intake = Intake::new(Arc::clone(&counters));
        intake.begin(presence(), Outcome::default());
        let an_hour = Duration::from_secs(3600);
        assert_eq!(intake.go_on(stamp(0), an_hour), Some(an_hour));
        assert!(put(&intake, 1, 1), "the glimpse is to be forgotten in five minutes");
        assert!(intake.go_on(stamp(1), an_hour) < Some(an_hour));
        assert!(!put(&intake, 1, 1), "nothing has happened");
        assert!(put(&intake, 1, 1), "the tag has arrived");
        assert_eq!(intake.take_outcome().undelivered.len(), 1);
        assert_eq!(counters.sightings.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn what_comes_before_presence_waits_and_is_judged_then() {
        let intake = Intake::new(Arc::default());
        for at in 1..=3 {
            assert!(put(&intake, 1, at));
        }
        intake.begin(presence(), Outcome::default());
        intake.close();
        assert!(!intake.is_finished(), "something waits");
        assert_eq!(intake.go_on(stamp(4), Duration::MAX), None);
        assert!(!intake.is_finished(), "there is something to say");
        assert_eq!(intake.take_outcome().undelivered.len(), 1);
        assert!(intake.is_finished());
    }
}
