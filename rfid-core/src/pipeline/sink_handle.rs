//! The outside of a running sink: how it is started, handed events and closed.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::backlog::Backlog;
use super::counters::add;
use super::delivery::{Delivery, Pace, WAITING_DELIVERIES, mark};
use super::failure::{FailurePolicy, OnFailure};
use super::sink_call::{MakeSink, SinkOwner};
use super::sink_status::SinkStatus;
use super::sink_task::SinkTask;
use super::spill::{MOST_IN_MEMORY, Spill};
use crate::clock::{Clock, SystemClock};
use crate::event::Event;
use crate::name::Name;
use crate::sink::Sink;

/// What a running sink is made of.
pub struct SinkBuilder {
    name: Name,
    sink: Box<dyn Sink>,
    remake: Option<MakeSink>,
    policy: FailurePolicy,
    backlog: Option<Box<dyn Backlog>>,
    most_in_memory: usize,
    clock: Arc<dyn Clock>,
}

impl SinkBuilder {
    /// Sets what happens to events when the sink fails.
    pub fn policy(mut self, policy: FailurePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Keeps the sink's backlog here. Without it the backlog is in memory only.
    pub fn backlog(mut self, backlog: Box<dyn Backlog>) -> Self {
        self.backlog = Some(backlog);
        self
    }

    /// Makes the sink anew when it has panicked. Without this such a sink is out of service.
    pub fn remade_by(mut self, make: MakeSink) -> Self {
        self.remake = Some(make);
        self
    }

    #[cfg(test)]
    pub(super) fn most_in_memory(mut self, events: usize) -> Self {
        self.most_in_memory = events;
        self
    }

    /// Takes the time from here instead of the machine's clocks.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Starts the task that owns the sink. It opens the sink at once and goes on trying if that
    /// fails. Must be called within a tokio runtime.
    pub fn spawn(self) -> SinkHandle {
        let Self { name, sink, remake, mut policy, backlog, most_in_memory, clock } = self;
        if policy.on_failure == OnFailure::Spill && !sink.takes_late() {
            policy.on_failure = OnFailure::Pass;
        }
        let only_adds = sink.only_adds();
        let status = Arc::new(SinkStatus::new(policy.on_failure));
        let (inbox, deliveries) = mpsc::channel(WAITING_DELIVERIES);
        let (pace, told) = watch::channel(Pace::Usual);
        let spill = Spill::new(name.clone(), backlog, most_in_memory, Arc::clone(&status));
        let owner = SinkOwner::new(sink, remake);
        let task = SinkTask::new(name.clone(), owner, policy, spill, Arc::clone(&status), clock);
        let task = Arc::new(Mutex::new(Some(tokio::spawn(task.run(deliveries, told)))));
        SinkHandle { name, only_adds, inbox, pace: Arc::new(pace), status, task }
    }
}

/// A running sink that pipelines deliver to. Cheap to clone; several pipelines may share one.
#[derive(Clone, Debug)]
pub struct SinkHandle {
    name: Name,
    only_adds: bool,
    inbox: mpsc::Sender<Delivery>,
    pace: Arc<watch::Sender<Pace>>,
    status: Arc<SinkStatus>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl SinkHandle {
    /// Starts a sink with the usual [`FailurePolicy`] and a backlog in memory.
    pub fn spawn(name: Name, sink: Box<dyn Sink>) -> Self {
        Self::builder(name, sink).spawn()
    }

    /// Begins the description of a running sink.
    pub fn builder(name: Name, sink: Box<dyn Sink>) -> SinkBuilder {
        SinkBuilder {
            name,
            sink,
            remake: None,
            policy: FailurePolicy::default(),
            backlog: None,
            most_in_memory: MOST_IN_MEMORY,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// The sink's name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// See [`Sink::only_adds`].
    pub(super) fn only_adds(&self) -> bool {
        self.only_adds
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
                place.send(Delivery { events, back });
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

    /// Says that the host is stopping: from now on nobody waits for this sink longer than a
    /// moment. What it has not taken by then goes into its backlog, for the next start.
    pub fn hurry(&self) {
        self.quicken(Pace::Hurry);
    }

    /// Waits until everything delivered is done, then flushes and closes the sink.
    ///
    /// Other handles of the sink deliver no more afterwards: their events pass on with a mark.
    pub async fn close(self) {
        self.quicken(Pace::Close);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // The task catches panics of the sink; its own would be a fault of this module,
            // and there is nothing left to do for it at the end.
            let _ = task.await;
        }
    }

    fn quicken(&self, pace: Pace) {
        self.pace.send_if_modified(|now| pace > std::mem::replace(now, pace.max(*now)));
    }
}
