//! One task for each pipeline's chain of sinks: makes each step durable, then takes its events
//! through the sinks in order.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::checkpoint::{CheckpointChange, Checkpoints};
use super::counters::{PipelineCounters, add};
use super::sink_task::SinkHandle;
use crate::event::Event;
use crate::name::Name;

/// Steps taken together at most.
const STEPS_AT_ONCE: usize = 256;

pub(super) struct Chain {
    pub(super) pipeline: Name,
    pub(super) sinks: Vec<SinkHandle>,
    pub(super) checkpoints: Box<dyn Checkpoints>,
    pub(super) counters: Arc<PipelineCounters>,
    pub(super) checkpoint_is_well: bool,
}

impl Chain {
    /// Runs until presence has ended and everything has been delivered.
    ///
    /// A step is saved before its events are delivered, with the events in it: after a crash in
    /// between they are delivered again under the same ids, which a log recognises.
    ///
    /// `first` is what an earlier run left to do.
    pub(super) async fn run(mut self, first: CheckpointChange, mut steps: mpsc::Receiver<CheckpointChange>) {
        self.take(first).await;
        let mut taken = Vec::with_capacity(STEPS_AT_ONCE);
        while steps.recv_many(&mut taken, STEPS_AT_ONCE).await > 0 {
            let mut change = CheckpointChange::default();
            for step in taken.drain(..) {
                change.absorb(step);
            }
            self.take(change).await;
        }
        self.save(&CheckpointChange::default()).await;
    }

    async fn take(&mut self, change: CheckpointChange) {
        self.save(&change).await;
        self.deliver(change.undelivered).await;
    }

    async fn deliver(&mut self, mut events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        for sink in &self.sinks {
            events = sink.deliver(events).await;
        }
        let unconfirmed = events.iter().filter(|event| !event.unconfirmed_by.is_empty()).count();
        add(&self.counters.unconfirmed_events, unconfirmed as u64);
    }

    /// Saves a step. Where that fails, events still go out: telling people late because of a
    /// restart that may never come would be worse.
    async fn save(&mut self, change: &CheckpointChange) {
        let outcome = self.checkpoints.save(change).await;
        match (&outcome, self.checkpoint_is_well) {
            (Err(error), true) => {
                let error = format!("{error:#}");
                tracing::error!(pipeline = %self.pipeline, error, "presence is not kept through a restart");
            }
            (Ok(()), false) => tracing::info!(pipeline = %self.pipeline, "presence is kept again"),
            _ => {}
        }
        add(&self.counters.checkpoint_failures, u64::from(outcome.is_err()));
        self.checkpoint_is_well = outcome.is_ok();
    }
}
