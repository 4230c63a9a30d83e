//! The tasks of a pipeline's chain of sinks: one that makes each step durable, and one for each
//! sink that takes events from the sink before.
//!
//! Each sink may be at another step, so a slow one holds up only those behind it. Order is kept:
//! every stage is a queue. Sinks that only add to events ([`Sink::only_adds`]) and stand first do so
//! while the step is saved; whoever is behind them gets it when it is, or when a log behind which
//! nothing is forgotten has it ([`Checkpoints::finds_again`]). With such a log many steps are saved
//! together.
//!
//! [`Sink::only_adds`]: crate::Sink::only_adds

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::checkpoint::{CheckpointChange, Checkpoints};
use super::counters::{PipelineCounters, add, set};
use super::sink_handle::SinkHandle;
use crate::event::Event;
use crate::name::Name;

/// Steps taken together at most.
const STEPS_AT_ONCE: usize = 256;

/// Events between presence and the end of the chain beyond which no further step is begun.
const MOST_UNDER_WAY: u64 = 4_096;

/// Batches that wait before a stage at most. Each has an event at least, so sending to a stage
/// never waits for the one behind it.
const WAITING_BATCHES: usize = MOST_UNDER_WAY as usize;

/// Batches that a stage hands to its sink together at most.
const BATCHES_AT_ONCE: usize = 256;

/// How often a checkpoint that could not be written is tried again while nothing happens.
const SAVE_AGAIN_EVERY: Duration = Duration::from_secs(2);

/// How long a step waits at most to be saved with others, where a log has its events.
const SAVE_WITHIN: Duration = Duration::from_millis(100);

/// Events, or visits, that wait so at most.
const MOST_SAVED_LATER: usize = 1_024;

/// Visits that wait for a checkpoint that cannot be written, at most.
const MOST_UNSAVED_VISITS: usize = 65_536;

pub(super) struct Chain {
    pub(super) pipeline: Name,
    pub(super) sinks: Vec<SinkHandle>,
    pub(super) ledger: CheckpointLedger,
}

/// Events on their way, and the step that they belong to, counted from 0.
struct Batch {
    step: u64,
    events: Vec<Event>,
}

impl Chain {
    /// Runs until presence has ended and everything has been delivered.
    ///
    /// Before its events are delivered, a step is saved with the events in it, or a log has them: after a
    /// crash in between they are delivered again under the same ids, which a log recognises.
    ///
    /// `first` and the events in `owed` are what an earlier run left to do.
    pub(super) async fn run(
        self,
        first: CheckpointChange,
        owed: Vec<Event>,
        mut steps: mpsc::Receiver<CheckpointChange>,
    ) {
        let Self { pipeline, sinks, mut ledger } = self;
        let (arrived, mut arrivals) = mpsc::channel(WAITING_BATCHES);
        let (saved, is_saved) = watch::channel(None);
        let is_wanted = Arc::new(Notify::new());
        let adders = sinks.iter().take_while(|sink| sink.only_adds()).count();
        let log = sinks.get(adders).map(SinkHandle::name);
        let log = log.filter(|log| ledger.checkpoints.finds_again(log)).cloned();
        let early = adders + usize::from(log.is_some());
        let is_logged = log.is_some();
        let mut gate = Some(Gate { saved: is_saved, is_wanted: Arc::clone(&is_wanted), log });
        let mut stages = JoinSet::new();
        let mut entrance = arrived;
        for (place, sink) in sinks.into_iter().enumerate().rev() {
            let (before, inbox) = mpsc::channel(WAITING_BATCHES);
            let gate = gate.take_if(|_| place + 1 == early);
            stages.spawn(stage(sink, gate, inbox, std::mem::replace(&mut entrance, before)));
        }
        let mut entrance = Some(entrance);
        let mut step = 0;
        ledger.note_owed(&owed);
        ledger.note(first);
        ledger.save().await;
        saved.send_replace(Some(step));
        send(&entrance, step, owed).await;

        let mut taken = Vec::with_capacity(STEPS_AT_ONCE);
        // When the steps up to this one are saved at the latest, where they are not.
        let mut save_at = None;
        loop {
            tokio::select! {
                count = steps.recv_many(&mut taken, STEPS_AT_ONCE),
                    if entrance.is_some() && ledger.under_way() < MOST_UNDER_WAY =>
                {
                    if count == 0 {
                        // The stages end one after another, each when it has nothing left.
                        entrance = None;
                        continue;
                    }
                    let mut change = CheckpointChange::default();
                    for step in taken.drain(..) {
                        change.absorb(step);
                    }
                    step += 1;
                    let mut events = change.undelivered.clone();
                    ledger.note(change);
                    if early > 0 {
                        send(&entrance, step, std::mem::take(&mut events)).await;
                    }
                    if is_logged && ledger.unsaved() < MOST_SAVED_LATER {
                        save_at.get_or_insert_with(|| Instant::now() + SAVE_WITHIN);
                        continue;
                    }
                    ledger.save().await;
                    send(&entrance, step, events).await;
                }
                () = tokio::time::sleep_until(save_at.unwrap_or_else(Instant::now)), if save_at.is_some() => {
                    ledger.save().await;
                }
                () = is_wanted.notified(), if save_at.is_some() => ledger.save().await,
                batch = arrivals.recv() => match batch {
                    Some(batch) => {
                        ledger.note_arrived(&batch.events);
                        continue;
                    }
                    None => break,
                },
                () = tokio::time::sleep(SAVE_AGAIN_EVERY), if !ledger.is_well => ledger.save().await,
            }
            save_at = None;
            saved.send_replace(Some(step));
        }
        while let Some(ended) = stages.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%pipeline, %error, "a stage of the chain did not end cleanly");
            }
        }
        ledger.save().await;
        ledger.checkpoints.close().await;
    }
}

async fn send(stage: &Option<mpsc::Sender<Batch>>, step: u64, events: Vec<Event>) {
    if let Some(stage) = stage.as_ref().filter(|_| !events.is_empty()) {
        // A stage ends only after everybody before it.
        let _ = stage.send(Batch { step, events }).await;
    }
}

/// Takes events through one sink, and holds them back behind it if there is a gate. Whatever waits goes
/// together, so a slow sink catches up.
async fn stage(
    sink: SinkHandle,
    mut gate: Option<Gate>,
    mut inbox: mpsc::Receiver<Batch>,
    next: mpsc::Sender<Batch>,
) {
    let mut taken = Vec::with_capacity(BATCHES_AT_ONCE);
    while inbox.recv_many(&mut taken, BATCHES_AT_ONCE).await > 0 {
        let step = taken.last().map_or(0, |batch: &Batch| batch.step);
        let events = taken.drain(..).flat_map(|batch| batch.events).collect();
        let batch = Batch { step, events: sink.deliver(events).await };
        if let Some(gate) = &mut gate {
            gate.pass(&batch).await;
        }
        let _ = next.send(batch).await;
    }
}

/// Stands behind the last sink that gets events early.
struct Gate {
    /// The last step that is saved, or could not be.
    saved: watch::Receiver<Option<u64>>,
    /// Asks for a step to be saved now.
    is_wanted: Arc<Notify>,
    /// The sink whose events are not forgotten.
    log: Option<Name>,
}

impl Gate {
    /// Waits until these are in the log, or their step is saved or could not be.
    async fn pass(&mut self, batch: &Batch) {
        if !self.has_logged(batch) {
            self.is_wanted.notify_one();
            // Whoever saves outlives the stages.
            let _ = self.saved.wait_for(|saved| *saved >= Some(batch.step)).await;
        }
    }

    /// Whether the log has taken all of these, and not merely let them pass.
    fn has_logged(&self, batch: &Batch) -> bool {
        self.log
            .as_ref()
            .is_some_and(|log| batch.events.iter().all(|event| !event.unconfirmed_by.contains(log)))
    }
}

/// Keeps account of what is under way, in the checkpoint and out of it.
pub(super) struct CheckpointLedger {
    pipeline: Name,
    checkpoints: Box<dyn Checkpoints>,
    counters: Arc<PipelineCounters>,
    is_well: bool,
    /// Whether nothing of the round of visits that is under way was left out.
    round_is_whole: bool,
    /// Events in the checkpoint that are under way, and those that have arrived since.
    standing: u64,
    /// What could not be saved yet. Its events follow those in the checkpoint.
    unsaved: CheckpointChange,
}

impl CheckpointLedger {
    pub(super) fn new(
        pipeline: Name,
        checkpoints: Box<dyn Checkpoints>,
        counters: Arc<PipelineCounters>,
    ) -> Self {
        Self {
            pipeline,
            checkpoints,
            counters,
            is_well: true,
            round_is_whole: false,
            standing: 0,
            unsaved: CheckpointChange::default(),
        }
    }

    /// Events that have not been through all sinks.
    fn under_way(&self) -> u64 {
        (self.standing + self.unsaved.undelivered.len() as u64).saturating_sub(self.unsaved.delivered)
    }

    /// These are in the checkpoint since an earlier run.
    fn note_owed(&mut self, owed: &[Event]) {
        self.standing += owed.len() as u64;
    }

    /// These have been through all sinks. They are the oldest under way: order is kept.
    fn note_arrived(&mut self, events: &[Event]) {
        let unconfirmed = events.iter().filter(|event| !event.unconfirmed_by.is_empty()).count();
        add(&self.counters.unconfirmed_events, unconfirmed as u64);
        let delivered = self.unsaved.delivered + events.len() as u64;
        self.unsaved.delivered = delivered.min(self.standing);
        // The rest never got into the checkpoint and no longer has to.
        let never_saved = usize::try_from(delivered - self.unsaved.delivered).unwrap_or(usize::MAX);
        let unsaved = &mut self.unsaved.undelivered;
        unsaved.drain(..never_saved.min(unsaved.len()));
    }

    /// This is to be saved next.
    fn note(&mut self, mut change: CheckpointChange) {
        self.round_is_whole |= change.begins_round;
        change.ends_round &= self.round_is_whole;
        self.unsaved.absorb(change);
    }

    /// Events or visits that are to be saved, whichever are more.
    fn unsaved(&self) -> usize {
        self.unsaved.undelivered.len().max(self.unsaved.visits.len())
    }

    /// Saves what is not saved yet. Where that fails, events still go out: telling people late because
    /// of a restart that may never come would be worse.
    async fn save(&mut self) {
        let outcome = self.checkpoints.save(&self.unsaved).await;
        match (&outcome, self.is_well) {
            (Err(error), true) => {
                let error = format!("{error:#}");
                tracing::error!(pipeline = %self.pipeline, error, "presence is not kept through a restart");
            }
            (Ok(()), false) => tracing::info!(pipeline = %self.pipeline, "presence is kept again"),
            _ => {}
        }
        self.is_well = outcome.is_ok();
        let waiting =
            if self.is_well { 0 } else { self.unsaved.visits.len() + self.unsaved.undelivered.len() };
        set(&self.counters.unkept, waiting as u64);
        if self.is_well {
            let saved = std::mem::take(&mut self.unsaved);
            self.standing = self.standing + saved.undelivered.len() as u64 - saved.delivered;
            return;
        }
        add(&self.counters.checkpoint_failures, 1);
        if self.unsaved.visits.len() > MOST_UNSAVED_VISITS {
            // Those of tags that are present come again with the next round.
            self.unsaved.visits.clear();
            (self.unsaved.begins_round, self.unsaved.ends_round) = (false, false);
            self.round_is_whole = false;
        }
    }
}
