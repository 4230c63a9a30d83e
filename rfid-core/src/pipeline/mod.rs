//! The line itself: readers, presence and an ordered chain of sinks, joined with bounded memory.
//!
//! ```text
//! Outlet ─┐            events                steps         ┌─► sink ─► sink ─► sink
//! Outlet ─┼─► presence ───────► presence task ───► chain task┤   (a task each, may be shared)
//! Outlet ─┘   or merged                                    └─► checkpoints
//!             while it cannot be
//! ```
//!
//! Presence judges a batch where it comes in. The presence task lets time pass and takes the events
//! on. The chain task saves each step and sends its events through the sinks in order; each sink may
//! be at another step, so a slow one holds up nobody before it. What a failing sink does to those
//! behind it is its [`FailurePolicy`]. When the chain is full, reads of the same tag are merged; a
//! reader never waits.
//!
//! A whole pipeline with one reader stands in `examples/embed.rs`.

mod backlog;
mod chain;
mod checkpoint;
mod counters;
mod delivery;
mod failure;
mod intake;
mod presence_task;
mod sink_call;
mod sink_handle;
mod sink_status;
mod sink_task;
mod spill;
#[cfg(test)]
mod spill_model;
mod waiting;

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use backlog::{Backlog, Owed};
pub use checkpoint::{Checkpoint, CheckpointChange, Checkpoints, NoCheckpoints};
pub use counters::PipelineCounters;
pub use failure::{FailurePolicy, OnFailure};
pub use sink_call::MakeSink;
pub use sink_handle::{SinkBuilder, SinkHandle};
pub use sink_status::SinkStatus;

use chain::{Chain, CheckpointLedger};
use intake::Intake;
use presence_task::{PresenceTask, Round};

use crate::clock::{Clock, Stamp, SystemClock};
use crate::error::Result;
use crate::listening::Listening;
use crate::name::Name;
use crate::presence::{Outcome, Presence, PresenceSettings, ReaderIndex, ReaderPlace};
use crate::read_buf::ReadBuf;

/// Steps that wait between presence and the chain at most.
const WAITING_STEPS: usize = 64;

/// What a pipeline is made of.
pub struct PipelineBuilder {
    name: Name,
    presence: PresenceSettings,
    readers: Vec<ReaderPlace>,
    sinks: Vec<SinkHandle>,
    checkpoints: Box<dyn Checkpoints>,
    clock: Arc<dyn Clock>,
}

impl PipelineBuilder {
    /// Sets when a tag counts as arrived and departed.
    pub fn presence(mut self, settings: PresenceSettings) -> Self {
        self.presence = settings;
        self
    }

    /// Adds a reader and the zones of its antennas.
    pub fn reader(mut self, place: ReaderPlace) -> Self {
        self.readers.push(place);
        self
    }

    /// Adds a sink behind those added before.
    pub fn sink(mut self, sink: SinkHandle) -> Self {
        self.sinks.push(sink);
        self
    }

    /// Keeps presence through a restart.
    pub fn checkpoints(mut self, checkpoints: Box<dyn Checkpoints>) -> Self {
        self.checkpoints = checkpoints;
        self
    }

    /// Takes the time from here instead of the machine's clocks.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Loads what an earlier run left and starts the pipeline's tasks.
    ///
    /// # Errors
    /// Those of [`Checkpoints::load`]; nothing has been started then.
    pub async fn start(self) -> Result<Pipeline> {
        self.prepare().start(Glimpses::default()).await
    }

    /// Makes the pipeline ready to take reads, without starting it.
    pub fn prepare(self) -> PreparedPipeline {
        let counters = Arc::new(PipelineCounters::default());
        let intake = Arc::new(Intake::new(Arc::clone(&counters)));
        PreparedPipeline { plan: self, counters, intake }
    }
}

/// A pipeline that takes reads and does nothing with them yet.
///
/// It serves to replace a running one without losing a read: readers are attached to this one,
/// then the other is stopped, then this one is started where the other ended.
pub struct PreparedPipeline {
    plan: PipelineBuilder,
    counters: Arc<PipelineCounters>,
    intake: Arc<Intake>,
}

impl PreparedPipeline {
    /// Adds a sink behind those added before.
    pub fn sink(mut self, sink: SinkHandle) -> Self {
        self.plan = self.plan.sink(sink);
        self
    }

    /// Where the reads of this reader go in, if the pipeline has the reader. They wait, merged,
    /// until the pipeline is started.
    pub fn outlet(&self, reader: &str) -> Option<Outlet> {
        outlet(self.plan.readers.iter().map(|place| &place.reader), reader, &self.intake)
    }

    /// Loads what the run before left and starts. `glimpses` are what it had not yet confirmed.
    ///
    /// # Errors
    /// Those of [`Checkpoints::load`]; nothing has been started then.
    pub async fn start(self, glimpses: Glimpses) -> Result<Pipeline> {
        let Self { mut plan, counters, intake } = self;
        let kept = plan.checkpoints.load().await?;
        let mut presence = Presence::new(plan.name.clone(), plan.presence, &plan.readers);
        let over = presence.restore(kept.visits, plan.clock.now());
        let mut outcome = Outcome::default();
        for (reader, reads) in &glimpses.0 {
            if let Some(index) = plan.readers.iter().position(|place| place.reader == *reader) {
                presence.observe(ReaderIndex(index as u16), reads, &mut outcome);
            }
        }
        let (steps, inbox) = mpsc::channel(WAITING_STEPS);
        let ledger = CheckpointLedger::new(plan.name.clone(), plan.checkpoints, Arc::clone(&counters));
        let chain = Chain { pipeline: plan.name.clone(), sinks: plan.sinks, ledger };
        let visits = over.into_iter().map(|tag| (tag, None)).collect();
        let first = CheckpointChange { visits, ..CheckpointChange::default() };
        let chain = tokio::spawn(chain.run(first, kept.undelivered, inbox));
        let task = PresenceTask {
            intake: Arc::clone(&intake),
            steps,
            attendance: plan.clock.attend(),
            clock: plan.clock,
            round: Round::default(),
        };
        intake.begin(presence, outcome);
        let presence = tokio::spawn(task.run());
        let readers = plan.readers.into_iter().map(|place| place.reader).collect();
        Ok(Pipeline { name: plan.name, readers, intake, counters, presence, chain })
    }
}

/// Tags that a pipeline had seen too seldom to say so when it was stopped: their reads, by reader.
#[derive(Debug, Default)]
pub struct Glimpses(Vec<(Name, ReadBuf)>);

fn outlet<'a>(readers: impl Iterator<Item = &'a Name>, reader: &str, intake: &Arc<Intake>) -> Option<Outlet> {
    let index = readers.into_iter().position(|name| name.as_str() == reader)?;
    Some(Outlet { reader: ReaderIndex(index as u16), intake: Arc::clone(intake) })
}

/// A running pipeline.
#[derive(Debug)]
pub struct Pipeline {
    name: Name,
    readers: Vec<Name>,
    intake: Arc<Intake>,
    counters: Arc<PipelineCounters>,
    presence: JoinHandle<Glimpses>,
    chain: JoinHandle<()>,
}

impl Pipeline {
    /// Begins the description of a pipeline.
    pub fn builder(name: impl Into<Name>) -> PipelineBuilder {
        PipelineBuilder {
            name: name.into(),
            presence: PresenceSettings::default(),
            readers: Vec::new(),
            sinks: Vec::new(),
            checkpoints: Box::new(NoCheckpoints),
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// The pipeline's name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// What the pipeline has counted.
    pub fn counters(&self) -> &Arc<PipelineCounters> {
        &self.counters
    }

    /// Where the reads of this reader go in, if the pipeline has the reader.
    pub fn outlet(&self, reader: &str) -> Option<Outlet> {
        outlet(self.readers.iter(), reader, &self.intake)
    }

    /// Takes everything that is inside through presence and the sinks, then ends. Returns what
    /// was not yet confirmed, for a pipeline that takes its place.
    ///
    /// Stop the readers first, or attach them elsewhere; what they deliver afterwards is not
    /// taken. Sinks stay open. *Cancel safety*: the pipeline ends at once; events that were not
    /// delivered stay in the checkpoint.
    pub async fn stop(self) -> Glimpses {
        self.intake.close();
        let mut tasks = Tasks { name: &self.name, presence: self.presence, chain: self.chain };
        tasks.ended().await
    }
}

/// The tasks of a pipeline that is being stopped. They go with this, so that no task of a
/// pipeline that was given up writes to the checkpoint of the one that took its place.
struct Tasks<'a> {
    name: &'a Name,
    presence: JoinHandle<Glimpses>,
    chain: JoinHandle<()>,
}

impl Tasks<'_> {
    async fn ended(&mut self) -> Glimpses {
        let glimpses = (&mut self.presence).await.unwrap_or_else(|error| {
            tracing::error!(pipeline = %self.name, %error, "the presence task did not end cleanly");
            Glimpses::default()
        });
        if let Err(error) = (&mut self.chain).await {
            tracing::error!(pipeline = %self.name, %error, "the chain of sinks did not end cleanly");
        }
        glimpses
    }
}

impl Drop for Tasks<'_> {
    fn drop(&mut self) {
        self.presence.abort();
        self.chain.abort();
    }
}

/// Where one reader's reads go into one pipeline. Never waits.
#[derive(Clone, Debug)]
pub struct Outlet {
    reader: ReaderIndex,
    intake: Arc<Intake>,
}

impl Outlet {
    /// Hands over the reads of a batch. Returns whether the pipeline should have its turn before the
    /// reader is read on. It need not: what it cannot keep up with is merged.
    pub fn put(&self, batch: &ReadBuf) -> bool {
        self.intake.put(self.reader, batch)
    }

    /// Says which antennas are known to be listening, from `at` on. For an outage, `at` is the
    /// last sign of life.
    pub fn set_listening(&self, listening: Listening, at: Stamp) {
        self.intake.put_listening(self.reader, listening, at);
    }
}
