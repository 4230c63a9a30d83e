//! The line itself: readers, presence and an ordered chain of sinks, joined with bounded memory.
//!
//! ```text
//! Outlet ─┐                    steps                   ┌─► sink ─► sink ─► sink
//! Outlet ─┼─► read queue ─► presence task ─► chain task┤   (a task each, may be shared)
//! Outlet ─┘   merges when                              └─► checkpoints
//!             it is full
//! ```
//!
//! Two tasks serve a pipeline. The presence task takes batches of reads and gives events; the
//! chain task saves each step and takes its events through the sinks in order. When a sink is
//! slow the chain fills, presence waits, and the read queue merges reads of the same tag; a
//! reader never waits.
//!
//! A whole pipeline with one reader stands in `examples/embed.rs`.

mod chain;
mod checkpoint;
mod counters;
mod presence_task;
mod read_queue;
mod sink_task;

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use checkpoint::{Checkpoint, CheckpointChange, Checkpoints, NoCheckpoints};
pub use counters::PipelineCounters;
pub use sink_task::{SinkHandle, SinkStatus};

use chain::Chain;
use presence_task::PresenceTask;
use read_queue::ReadQueue;

use crate::clock::{Clock, Stamp, SystemClock};
use crate::error::Result;
use crate::listening::Listening;
use crate::name::Name;
use crate::presence::{Presence, PresenceSettings, ReaderIndex, ReaderPlace};
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
    pub async fn start(mut self) -> Result<Pipeline> {
        let counters = Arc::new(PipelineCounters::default());
        let queue = Arc::new(ReadQueue::new(self.readers.len(), Arc::clone(&counters)));
        let kept = self.checkpoints.load().await?;
        let mut presence = Presence::new(self.name.clone(), self.presence, &self.readers);
        let over = presence.restore(kept.visits, self.clock.now());
        let (steps, inbox) = mpsc::channel(WAITING_STEPS);
        let chain = Chain {
            pipeline: self.name.clone(),
            sinks: self.sinks,
            checkpoints: self.checkpoints,
            counters: Arc::clone(&counters),
            checkpoint_is_well: true,
        };
        let visits = over.into_iter().map(|tag| (tag, None)).collect();
        let first = CheckpointChange { visits, undelivered: kept.undelivered };
        let chain = tokio::spawn(chain.run(first, inbox));
        let presence = PresenceTask {
            presence,
            queue: Arc::clone(&queue),
            steps,
            clock: self.clock,
            counters: Arc::clone(&counters),
        };
        let presence = tokio::spawn(presence.run());
        let readers = self.readers.into_iter().map(|place| place.reader).collect();
        Ok(Pipeline { name: self.name, readers, queue, counters, tasks: [presence, chain] })
    }
}

/// A running pipeline.
#[derive(Debug)]
pub struct Pipeline {
    name: Name,
    readers: Vec<Name>,
    queue: Arc<ReadQueue>,
    counters: Arc<PipelineCounters>,
    tasks: [JoinHandle<()>; 2],
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
        let index = self.readers.iter().position(|name| name.as_str() == reader)?;
        Some(Outlet { reader: ReaderIndex(index as u16), queue: Arc::clone(&self.queue) })
    }

    /// Takes everything that is inside through presence and the sinks, then ends.
    ///
    /// Stop the readers first; what they deliver afterwards is not taken. Sinks stay open.
    pub async fn stop(self) {
        self.queue.close();
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(pipeline = %self.name, %error, "a task of the pipeline did not end cleanly");
            }
        }
    }
}

/// Where one reader's reads go into one pipeline. Never waits.
#[derive(Clone, Debug)]
pub struct Outlet {
    reader: ReaderIndex,
    queue: Arc<ReadQueue>,
}

impl Outlet {
    /// Hands over the reads of the buffer and leaves it empty, possibly another one.
    pub fn put(&self, batch: &mut ReadBuf) {
        self.queue.put(self.reader, batch);
    }

    /// Hands over a copy of the reads.
    pub fn put_copy(&self, batch: &ReadBuf) {
        self.queue.put_copy(self.reader, batch);
    }

    /// Says which antennas are known to be listening, from `at` on. For an outage, `at` is the
    /// last sign of life.
    pub fn set_listening(&self, listening: Listening, at: Stamp) {
        self.queue.put_listening(self.reader, listening, at);
    }
}
