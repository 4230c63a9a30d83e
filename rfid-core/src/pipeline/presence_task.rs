//! One task for each pipeline's presence: reads in, events out, time in between.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::Glimpses;
use super::checkpoint::CheckpointChange;
use super::counters::{PipelineCounters, add, set};
use super::read_queue::{Item, ReadQueue};
use crate::clock::{Clock, Stamp};
use crate::presence::{Outcome, Presence};

/// Tags looked at in one go when many departures are due, between two batches of reads.
const ADVANCE_BUDGET: usize = 1024;

/// How often the last sightings of present tags are written to the checkpoint, so that a
/// departure after a crash tells nearly the right time.
const REFRESH_EVERY: Duration = Duration::from_secs(60);

/// Visits in one refresh at most; the rest follows in the next steps.
const REFRESH_PORTION: usize = 512;

pub(super) struct PresenceTask {
    pub(super) presence: Presence,
    pub(super) queue: Arc<ReadQueue>,
    pub(super) steps: mpsc::Sender<CheckpointChange>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) counters: Arc<PipelineCounters>,
}

impl PresenceTask {
    /// Runs until the queue is closed and empty; then hands on the state of all visits and gives
    /// back what was not confirmed. `outcome` is what presence had to say before.
    pub(super) async fn run(mut self, mut outcome: Outcome) -> Glimpses {
        self.hand_on(&mut outcome).await;
        let mut next_refresh = self.clock.now().monotonic + REFRESH_EVERY;
        while !self.queue.is_finished() {
            match self.queue.try_take() {
                Some(Item::Reads(reader, batch)) => {
                    self.advance(batch.received(), &mut outcome);
                    self.presence.observe(reader, &batch, &mut outcome);
                    add(&self.counters.batches, 1);
                    self.queue.recycle(batch);
                }
                Some(Item::Listening(reader, listening, at)) => {
                    self.presence.set_listening(reader, &listening, at);
                }
                None => {
                    self.publish_counts();
                    self.wait(next_refresh).await;
                    let now = self.clock.now();
                    self.advance(now, &mut outcome);
                    if now.monotonic >= next_refresh {
                        self.refresh().await;
                        next_refresh = now.monotonic + REFRESH_EVERY;
                    }
                }
            }
            self.hand_on(&mut outcome).await;
        }
        self.refresh().await;
        self.publish_counts();
        Glimpses(self.presence.glimpses())
    }

    /// Lets time pass up to `now`; a million departures at once are spread over many rounds.
    fn advance(&mut self, now: Stamp, outcome: &mut Outcome) {
        self.presence.advance(now, ADVANCE_BUDGET, outcome);
    }

    /// Waits for reads or for the next moment at which presence has something to do.
    async fn wait(&self, next_refresh: Duration) {
        let due = self.presence.next_due().unwrap_or(next_refresh).min(next_refresh);
        let wait = due.saturating_sub(self.clock.now().monotonic);
        tokio::select! {
            () = self.queue.ready() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }

    /// Gives events and the visits they changed to the chain of sinks. Waits while the chain is
    /// full; reads are merged meanwhile.
    async fn hand_on(&mut self, outcome: &mut Outcome) {
        if outcome.is_empty() {
            return;
        }
        let Outcome { events, forgotten } = std::mem::take(outcome);
        add(&self.counters.events, events.len() as u64);
        let changed = events.iter().map(|event| event.tag).chain(forgotten);
        let visits = changed.map(|tag| (tag, self.presence.checkpoint(&tag))).collect();
        // The chain ends only after this task has dropped its sender.
        let _ = self.steps.send(CheckpointChange { visits, undelivered: events, delivered: 0 }).await;
    }

    /// Hands on the state of all visits, in portions.
    async fn refresh(&mut self) {
        let visits: Vec<_> = self.presence.checkpoints().collect();
        for portion in visits.chunks(REFRESH_PORTION) {
            let visits = portion.iter().map(|visit| (visit.tag, Some(visit.clone()))).collect();
            let _ = self.steps.send(CheckpointChange { visits, ..CheckpointChange::default() }).await;
        }
    }

    fn publish_counts(&self) {
        let counts = self.presence.counts();
        set(&self.counters.sightings, counts.sightings);
        set(&self.counters.unconfirmed, counts.unconfirmed);
        set(&self.counters.without_zone, counts.without_zone);
        set(&self.counters.over_limit, counts.over_limit);
        set(&self.counters.tracked, counts.tracked);
        set(&self.counters.present, counts.present);
        set(&self.counters.set_aside, counts.set_aside);
        set(&self.counters.crowded_out, counts.crowded_out);
        set(&self.counters.check_failed, counts.check_failed);
        set(&self.counters.impossible_length, counts.impossible_length);
        set(&self.counters.unknown_header, counts.unknown_header);
    }
}
