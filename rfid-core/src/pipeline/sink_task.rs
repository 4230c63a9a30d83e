//! One task for each sink: opens it, delivers, retries, and gives up where retrying is no use.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::counters::add;
use crate::backoff::Backoff;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::event::Event;
use crate::name::Name;
use crate::panics::guard;
use crate::sink::{EventBatch, Sink};

/// Deliveries that wait for one sink at most; each is one pipeline's batch.
const WAITING_DELIVERIES: usize = 64;

/// How long a sink that was well is retried before its events pass on without it.
const PATIENCE: Duration = Duration::from_secs(30);

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What a sink counts, and how it is.
#[derive(Debug, Default)]
pub struct SinkStatus {
    /// Events that the sink has done its duty for.
    pub delivered: AtomicU64,
    /// Deliveries that were tried again.
    pub retries: AtomicU64,
    /// Events that passed on although the sink had not done its duty.
    pub passed_on: AtomicU64,
    /// Events handed to the sink and not yet back.
    pub waiting: AtomicU64,
    open: AtomicBool,
    last_error: Mutex<Option<String>>,
}

impl SinkStatus {
    /// Whether the sink is open and its last delivery went well.
    pub fn is_well(&self) -> bool {
        self.open.load(Ordering::Relaxed) && self.last_error().is_none()
    }

    /// What is wrong, while something is.
    pub fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, outcome: &Result<()>) {
        let said = outcome.as_ref().err().map(|error| format!("{error:#}"));
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = said;
    }
}

/// A running sink that pipelines deliver to. Cheap to clone; several pipelines may share one.
#[derive(Clone, Debug)]
pub struct SinkHandle {
    name: Name,
    inbox: mpsc::Sender<Message>,
    status: Arc<SinkStatus>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

#[derive(Debug)]
enum Message {
    Deliver(Delivery),
    Close,
}

#[derive(Debug)]
struct Delivery {
    events: Vec<Event>,
    back: oneshot::Sender<Vec<Event>>,
}

impl SinkHandle {
    /// Starts the task that owns `sink`. It opens the sink at once and goes on trying if that
    /// fails. Must be called within a tokio runtime.
    pub fn spawn(name: Name, sink: Box<dyn Sink>) -> Self {
        let (inbox, messages) = mpsc::channel(WAITING_DELIVERIES);
        let status = Arc::new(SinkStatus::default());
        let task = SinkTask {
            name: name.clone(),
            sink: Some(sink),
            status: Arc::clone(&status),
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT, name.len() as u64),
            was_well: true,
        };
        let task = tokio::spawn(task.run(messages));
        Self { name, inbox, status, task: Arc::new(Mutex::new(Some(task))) }
    }

    /// The sink's name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Counters and state.
    pub fn status(&self) -> &Arc<SinkStatus> {
        &self.status
    }

    /// Hands events to the sink and returns them when it has done its duty, with whatever it
    /// added; or marked with its name in [`Event::unconfirmed_by`] when it could not.
    ///
    /// Events come back in the order given. *Cancel safety*: the sink gets the events in any
    /// case; dropping the call loses only what it would have returned.
    pub async fn deliver(&self, events: Vec<Event>) -> Vec<Event> {
        let count = events.len() as u64;
        add(&self.status.waiting, count);
        let (back, done) = oneshot::channel();
        let events = match self.inbox.reserve().await {
            Ok(place) => {
                place.send(Message::Deliver(Delivery { events, back }));
                // The task answers everything it takes; it is gone only when the runtime is.
                done.await.unwrap_or_default()
            }
            Err(_) => {
                add(&self.status.passed_on, count);
                mark(events, &self.name)
            }
        };
        self.status.waiting.fetch_sub(count, Ordering::Relaxed);
        events
    }

    /// Waits until everything delivered is done, then flushes and closes the sink.
    ///
    /// Other handles of the sink deliver no more afterwards: their events pass on with a mark.
    pub async fn close(self) {
        // An error means that the sink is closed already.
        let _ = self.inbox.send(Message::Close).await;
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // The task catches panics of the sink; its own would be a fault of this module,
            // and there is nothing left to do for it at the end.
            let _ = task.await;
        }
    }
}

fn mark(mut events: Vec<Event>, sink: &Name) -> Vec<Event> {
    for event in &mut events {
        event.unconfirmed_by.push(sink.clone());
    }
    events
}

struct SinkTask {
    name: Name,
    /// Gone after a panic: a sink that panicked may be in any state.
    sink: Option<Box<dyn Sink>>,
    status: Arc<SinkStatus>,
    backoff: Backoff,
    was_well: bool,
}

impl SinkTask {
    async fn run(mut self, mut inbox: mpsc::Receiver<Message>) {
        let mut taken = Vec::with_capacity(WAITING_DELIVERIES);
        let mut waiting = Vec::with_capacity(WAITING_DELIVERIES);
        let mut wait = Duration::ZERO;
        loop {
            let can_open = self.sink.is_some() && !self.is_open();
            tokio::select! {
                // Whatever waits is delivered together, so that a log syncs once for all of it.
                count = inbox.recv_many(&mut taken, WAITING_DELIVERIES) => {
                    if count == 0 {
                        break;
                    }
                    for message in taken.drain(..) {
                        match message {
                            Message::Deliver(delivery) => waiting.push(delivery),
                            Message::Close => inbox.close(),
                        }
                    }
                    self.serve(&mut waiting).await;
                }
                // A sink is opened before the first event needs it, and again after a failure.
                () = tokio::time::sleep(wait), if can_open => {
                    let outcome = self.open().await;
                    self.note(&outcome);
                }
            }
            wait = self.backoff.next_wait();
        }
        self.end().await;
    }

    async fn end(&mut self) {
        let Some(mut sink) = self.sink.take() else { return };
        for (op, outcome) in
            [("flush", guard("flush", sink.flush()).await), ("close", guard("close", sink.close()).await)]
        {
            if let Err(error) = outcome {
                let error = format!("{error:#}");
                tracing::warn!(sink = %self.name, op, error, "sink did not end cleanly");
            }
        }
    }

    async fn serve(&mut self, waiting: &mut Vec<Delivery>) {
        let lengths: Vec<usize> = waiting.iter().map(|delivery| delivery.events.len()).collect();
        let mut batch = EventBatch::default();
        for delivery in waiting.iter_mut() {
            batch.events.append(&mut delivery.events);
        }
        let outcome = self.deliver_patiently(&mut batch).await;
        let count = batch.events.len() as u64;
        let events = match &outcome {
            Ok(()) => {
                add(&self.status.delivered, count);
                batch.events
            }
            Err(_) => {
                add(&self.status.passed_on, count);
                mark(batch.events, &self.name)
            }
        };
        self.note(&outcome);
        let mut events = events.into_iter();
        for (delivery, length) in waiting.drain(..).zip(lengths) {
            // A caller that has gone away no longer needs its events.
            let _ = delivery.back.send(events.by_ref().take(length).collect());
        }
    }

    /// Delivers, and tries again while that may help and patience lasts.
    ///
    /// A sink that failed the last time gets one try: its patience is used up until it has
    /// shown that it is well again.
    async fn deliver_patiently(&mut self, batch: &mut EventBatch) -> Result<()> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let error = match self.try_deliver(batch).await {
                Ok(()) => {
                    self.backoff.reset();
                    return Ok(());
                }
                Err(error) => error,
            };
            let wait = match error.retry() {
                Retry::Never => return Err(error),
                Retry::After(wait) => wait,
                Retry::Reconnect => {
                    self.close_for_reopening().await;
                    self.backoff.next_wait()
                }
            };
            if !self.was_well || Instant::now() + wait >= give_up {
                return Err(error);
            }
            self.status.note(&Err(error));
            add(&self.status.retries, 1);
            tokio::time::sleep(wait).await;
        }
    }

    async fn try_deliver(&mut self, batch: &mut EventBatch) -> Result<()> {
        self.open().await?;
        let Some(sink) = &mut self.sink else { return Err(poisoned()) };
        // A failed delivery may have annotated some of the events; the next try starts afresh.
        let mut attempt = batch.clone();
        let outcome = guard("deliver", sink.deliver(&mut attempt)).await;
        self.drop_if_panicked(&outcome);
        outcome?;
        if attempt.events.len() != batch.events.len() {
            return Err(Error::new(ErrorKind::Internal, "deliver")
                .with_detail("the sink added or removed events, which a sink must not do"));
        }
        *batch = attempt;
        Ok(())
    }

    async fn open(&mut self) -> Result<()> {
        if self.is_open() {
            return Ok(());
        }
        let Some(sink) = &mut self.sink else { return Err(poisoned()) };
        let outcome = guard("open", sink.open()).await;
        self.drop_if_panicked(&outcome);
        outcome?;
        self.status.open.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn is_open(&self) -> bool {
        self.status.open.load(Ordering::Relaxed)
    }

    async fn close_for_reopening(&mut self) {
        self.status.open.store(false, Ordering::Relaxed);
        if let Some(sink) = &mut self.sink {
            let outcome = guard("close", sink.close()).await;
            self.drop_if_panicked(&outcome);
        }
    }

    fn drop_if_panicked<T>(&mut self, outcome: &Result<T>) {
        if outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::Panicked) {
            self.sink = None;
            self.status.open.store(false, Ordering::Relaxed);
        }
    }

    /// Remembers how the sink is and says it once, when it changes.
    fn note(&mut self, outcome: &Result<()>) {
        self.status.note(outcome);
        match (outcome, self.was_well) {
            (Ok(()), false) => tracing::info!(sink = %self.name, "sink is well again"),
            (Err(error), true) => {
                tracing::error!(sink = %self.name, error = format!("{error:#}"), "sink fails; events pass on without it");
            }
            _ => {}
        }
        self.was_well = outcome.is_ok();
    }
}

fn poisoned() -> Error {
    Error::new(ErrorKind::Panicked, "deliver").with_detail("the sink panicked earlier and is out of service")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::MockSink;

    fn events(count: usize) -> Vec<Event> {
        (0..count).map(|number| Event { read_count: number as u64, ..Event::sample() }).collect()
    }

    fn handle(sink: MockSink) -> SinkHandle {
        SinkHandle::spawn(Name::from("visits"), Box::new(sink))
    }

    fn well_behaved() -> MockSink {
        let mut sink = MockSink::new();
        sink.expect_open().returning(|| Ok(()));
        sink.expect_flush().returning(|| Ok(()));
        sink.expect_close().returning(|| Ok(()));
        sink
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_sink_adds_comes_back_in_order() {
        let mut sink = well_behaved();
        sink.expect_deliver().returning(|batch| {
            for event in &mut batch.events {
                event.dwell_ms = 7;
            }
            Ok(())
        });
        let sink = handle(sink);
        let back = sink.deliver(events(3)).await;
        assert_eq!(
            back.iter().map(|event| (event.read_count, event.dwell_ms)).collect::<Vec<_>>(),
            [(0, 7), (1, 7), (2, 7)]
        );
        assert!(sink.status().is_well());
        sink.close().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_retry_gets_the_same_events_without_what_the_failed_try_added() {
        let mut sink = well_behaved();
        let mut tries = 0;
        sink.expect_deliver().times(3).returning(move |batch| {
            tries += 1;
            assert!(batch.events.iter().all(|event| event.record.is_none()));
            batch.events[0].record = Some(crate::Record::new());
            if tries < 3 { Err(Error::new(ErrorKind::Io, "deliver")) } else { Ok(()) }
        });
        let sink = handle(sink);
        let back = sink.deliver(events(1)).await;
        assert!(back[0].record.is_some() && back[0].unconfirmed_by.is_empty());
        assert_eq!(sink.status().retries.load(Ordering::Relaxed), 2);
        sink.close().await;
    }

    #[tokio::test(start_paused = true)]
    async fn events_pass_on_with_a_mark_when_retrying_is_no_use() {
        let mut sink = well_behaved();
        sink.expect_deliver().times(1).returning(|_| Err(Error::new(ErrorKind::Denied, "deliver")));
        let sink = handle(sink);
        let back = sink.deliver(events(2)).await;
        assert!(back.iter().all(|event| event.unconfirmed_by == [Name::from("visits")]));
        assert!(!sink.status().is_well());
        assert!(sink.status().last_error().unwrap().contains("denied"));
        sink.close().await;
    }

    #[tokio::test(start_paused = true)]
    async fn patience_is_used_up_once_and_comes_back_with_health() {
        let mut sink = well_behaved();
        let healthy = Arc::new(AtomicBool::new(false));
        let heals = Arc::clone(&healthy);
        sink.expect_deliver().returning(move |_| {
            if heals.load(Ordering::Relaxed) { Ok(()) } else { Err(Error::new(ErrorKind::Io, "deliver")) }
        });
        let sink = handle(sink);
        let start = Instant::now();
        assert_eq!(sink.deliver(events(1)).await[0].unconfirmed_by.len(), 1);
        let first = start.elapsed();
        assert!(first >= PATIENCE - LONGEST_WAIT && first <= PATIENCE, "{first:?}");
        let start = Instant::now();
        assert_eq!(sink.deliver(events(1)).await[0].unconfirmed_by.len(), 1);
        assert!(start.elapsed() < Duration::from_secs(1), "a sink known to be ill holds nothing up");
        healthy.store(true, Ordering::Relaxed);
        assert!(sink.deliver(events(1)).await[0].unconfirmed_by.is_empty());
        assert!(sink.status().is_well());
        sink.close().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_that_panics_is_out_of_service_and_costs_nobody_else_anything() {
        let mut sink = well_behaved();
        sink.expect_deliver().times(1).returning(|_| panic!("a fault of the sink"));
        let sink = handle(sink);
        for _ in 0..2 {
            assert_eq!(sink.deliver(events(1)).await[0].unconfirmed_by.len(), 1);
        }
        assert!(sink.status().last_error().unwrap().contains("out of service"));
        sink.close().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_that_swallows_events_does_not_lose_them() {
        let mut sink = well_behaved();
        sink.expect_deliver().returning(|batch| {
            batch.events.clear();
            Ok(())
        });
        let sink = handle(sink);
        let back = sink.deliver(events(2)).await;
        assert_eq!(back.len(), 2);
        assert_eq!(back[0].unconfirmed_by.len(), 1);
        sink.close().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_that_cannot_be_opened_is_opened_later() {
        let mut sink = MockSink::new();
        let mut tries = 0;
        sink.expect_open().returning(move || {
            tries += 1;
            if tries < 4 { Err(Error::new(ErrorKind::Connect, "open")) } else { Ok(()) }
        });
        sink.expect_flush().returning(|| Ok(()));
        sink.expect_close().returning(|| Ok(()));
        let sink = handle(sink);
        while !sink.status().is_well() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        sink.close().await;
    }

    #[tokio::test(start_paused = true)]
    async fn other_handles_of_a_closed_sink_pass_events_on() {
        let mut sink = well_behaved();
        sink.expect_deliver().returning(|_| Ok(()));
        let sink = handle(sink);
        let other = sink.clone();
        sink.close().await;
        assert_eq!(other.deliver(events(1)).await[0].unconfirmed_by.len(), 1);
        other.close().await;
    }

    #[tokio::test(start_paused = true)]
    async fn deliveries_that_wait_are_delivered_together() {
        let mut sink = well_behaved();
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&sizes);
        sink.expect_deliver().returning(move |batch| {
            seen.lock().unwrap().push(batch.events.len());
            Ok(())
        });
        let sink = handle(sink);
        let both = tokio::join!(sink.deliver(events(2)), sink.deliver(events(3)));
        assert_eq!((both.0.len(), both.1.len()), (2, 3));
        assert_eq!(*sizes.lock().unwrap(), [5], "one delivery, hence one sync of a log");
        sink.close().await;
    }
}
