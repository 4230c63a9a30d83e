//! One task for each pipeline's presence: reads in, events out, time in between.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep};

use super::Glimpses;
use super::checkpoint::CheckpointChange;
use super::counters::{PipelineCounters, add, set};
use super::read_queue::{Item, ReadQueue};
use crate::clock::{Clock, Stamp};
use crate::presence::{Outcome, Presence};
use crate::replay_clock::Attendance;

/// Tags looked at in one go when many departures are due, between two batches of reads.
const ADVANCE_BUDGET: usize = 1024;

/// How often all visits are written to the checkpoint anew, so that a departure after a crash
/// tells nearly the right time.
const ROUND_EVERY: Duration = Duration::from_secs(60);

/// Places of tags that one step of a round looks at, and the time between two such steps: a round
/// over a million tags takes some minutes and holds up nobody.
const ROUND_PORTION: u32 = 1024;
const ROUND_STEP_EVERY: Duration = Duration::from_millis(200);

pub(super) struct PresenceTask {
    pub(super) presence: Presence,
    pub(super) queue: Arc<ReadQueue>,
    pub(super) steps: mpsc::Sender<CheckpointChange>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) counters: Arc<PipelineCounters>,
    pub(super) round: Round,
    pub(super) attendance: Option<Attendance>,
}

/// How far all visits have been given anew.
#[derive(Debug, Default)]
pub(super) struct Round {
    due: Duration,
    /// Place of the tag to go on from.
    place: u32,
}

/// Kept from one wait to the next: setting a timer for each batch costs as much as a small batch.
struct Timer {
    sleep: Pin<Box<Sleep>>,
    /// What it is set for.
    due: Duration,
}

impl Timer {
    async fn until(&mut self, due: Duration, now: Duration) {
        if self.due != due || self.sleep.is_elapsed() {
            self.sleep.as_mut().reset(Instant::now() + due.saturating_sub(now));
            self.due = due;
        }
        self.sleep.as_mut().await;
    }
}

impl PresenceTask {
    /// Runs until the queue is closed and empty; then hands on the state of all visits and gives
    /// back what was not confirmed. `outcome` is what presence had to say before.
    pub(super) async fn run(mut self, mut outcome: Outcome) -> Glimpses {
        let mut attendance = self.attendance.take();
        let mut timer = Timer { sleep: Box::pin(sleep(Duration::ZERO)), due: Duration::ZERO };
        self.hand_on(&mut outcome).await;
        self.round.due = self.clock.now().monotonic + ROUND_EVERY;
        while !self.queue.is_finished() {
            let now = match self.queue.try_take() {
                Some(item) => self.take(item, &mut outcome),
                None => {
                    let now = self.clock.now();
                    // Looked at again: what was heard up to now counts before what is due now.
                    match self.queue.try_take() {
                        Some(item) => self.take(item, &mut outcome),
                        None => {
                            let is_more_due = self.advance(now, &mut outcome);
                            self.publish_counts();
                            if outcome.is_empty() && !is_more_due {
                                self.wait(now, &mut timer, attendance.as_mut()).await;
                            }
                            now.monotonic
                        }
                    }
                }
            };
            self.hand_on(&mut outcome).await;
            if now >= self.round.due {
                self.go_on_with_round(now).await;
            }
        }
        self.round.place = 0;
        while self.go_on_with_round(Duration::ZERO).await {}
        self.publish_counts();
        Glimpses(self.presence.glimpses())
    }

    /// Takes in what came from a reader; returns when it was received.
    fn take(&mut self, item: Item, outcome: &mut Outcome) -> Duration {
        match item {
            Item::Reads(reader, batch) => {
                let received = batch.received();
                self.advance(received, outcome);
                self.presence.observe(reader, &batch, outcome);
                add(&self.counters.batches, 1);
                self.queue.recycle(batch);
                received.monotonic
            }
            Item::Listening(reader, listening, at) => {
                self.advance(at, outcome);
                self.presence.set_listening(reader, &listening, at);
                at.monotonic
            }
        }
    }

    /// Lets time pass up to `now`; a million departures at once are spread over many rounds.
    /// Returns whether more are due.
    fn advance(&mut self, now: Stamp, outcome: &mut Outcome) -> bool {
        self.presence.advance(now, ADVANCE_BUDGET, outcome)
    }

    /// Waits for reads or for the next moment at which there is something to do; everything up to
    /// `now` is done.
    async fn wait(&self, now: Stamp, timer: &mut Timer, attendance: Option<&mut Attendance>) {
        let due = self.presence.next_due().unwrap_or(self.round.due).min(self.round.due);
        let later = async {
            match attendance {
                Some(attendance) => attendance.done_until(now.monotonic).await,
                None => timer.until(due, now.monotonic).await,
            }
        };
        tokio::select! {
            biased;
            () = self.queue.ready() => {}
            () = later => {}
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
        let change = CheckpointChange { visits, undelivered: events, ..CheckpointChange::default() };
        let _ = self.steps.send(change).await;
    }

    /// Hands on the state of some more visits; returns whether the round has more of them.
    async fn go_on_with_round(&mut self, now: Duration) -> bool {
        let (visits, next) = self.presence.checkpoints_from(self.round.place, ROUND_PORTION);
        let change = CheckpointChange {
            visits: visits.into_iter().map(|visit| (visit.tag, Some(visit))).collect(),
            begins_round: self.round.place == 0,
            ends_round: next.is_none(),
            ..CheckpointChange::default()
        };
        let _ = self.steps.send(change).await;
        self.round.place = next.unwrap_or(0);
        self.round.due = now + if next.is_some() { ROUND_STEP_EVERY } else { ROUND_EVERY };
        next.is_some()
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
