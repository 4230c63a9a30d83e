//! A sink and the calls on it: opened when needed, closed for a reconnection, made anew after a
//! panic.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::backlog::Owed;
use crate::backoff::Backoff;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::event::Event;
use crate::panics::guard;
use crate::sink::{EventBatch, Loss, Sink};

/// Makes a sink anew after it has panicked.
pub type MakeSink = Box<dyn FnMut() -> Result<Box<dyn Sink>> + Send>;

/// A sink that panics this often within [`PANICS_COUNT_FOR`] is out of service.
const MOST_PANICS: usize = 5;
const PANICS_COUNT_FOR: Duration = Duration::from_secs(600);
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Owns a sink. While a call runs, the call owns it.
pub(super) struct SinkOwner {
    /// Gone after a panic: a sink that panicked may be in any state.
    sink: Option<Box<dyn Sink>>,
    is_open: bool,
    remake: Option<MakeSink>,
    remake_at: Option<Instant>,
    backoff: Backoff,
    panics: VecDeque<Instant>,
    out_of_service: bool,
}

/// What goes to the sink in one piece.
pub(super) enum Run {
    Events(Vec<Event>),
    Lost(Loss),
}

/// What a call gives back.
pub(super) struct Returned {
    pub(super) owner: SinkOwner,
    pub(super) outcome: Result<()>,
    /// Events and losses that the sink has taken, from the first on.
    pub(super) done: usize,
    /// The events among them, with what the sink added.
    pub(super) delivered: Vec<Event>,
}

/// Puts events that follow each other together.
pub(super) fn runs(owed: impl IntoIterator<Item = Owed>) -> Vec<Run> {
    let mut runs = Vec::new();
    for owed in owed {
        match (owed, runs.last_mut()) {
            (Owed::Event(event), Some(Run::Events(events))) => events.push(event),
            (Owed::Event(event), _) => runs.push(Run::Events(vec![event])),
            (Owed::Lost(loss), _) => runs.push(Run::Lost(loss)),
        }
    }
    runs
}

impl SinkOwner {
    pub(super) fn new(sink: Box<dyn Sink>, remake: Option<MakeSink>) -> Self {
        Self {
            sink: Some(sink),
            is_open: false,
            remake,
            remake_at: None,
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT, 1),
            panics: VecDeque::new(),
            out_of_service: false,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether the sink will not be tried again.
    pub(super) fn is_out_of_service(&self) -> bool {
        self.out_of_service
    }

    /// When the sink may be made anew, while it has to be.
    pub(super) fn remake_at(&self) -> Option<Instant> {
        self.remake_at
    }

    /// Opens the sink where it is not open and hands it everything, in order, up to the first
    /// error.
    pub(super) async fn call(mut self, work: Vec<Run>) -> Returned {
        let (mut done, mut delivered) = (0, Vec::new());
        let outcome = self.work(work, &mut done, &mut delivered).await;
        if let Err(error) = &outcome {
            if error.kind() == ErrorKind::Panicked {
                self.note_panic();
            } else if error.retry() == Retry::Reconnect {
                self.close_for_reopening().await;
            }
        }
        Returned { owner: self, outcome, done, delivered }
    }

    async fn work(&mut self, work: Vec<Run>, done: &mut usize, delivered: &mut Vec<Event>) -> Result<()> {
        let sink = match &mut self.sink {
            Some(sink) => sink,
            empty => {
                let Some(remake) = &mut self.remake else { return Err(poisoned()) };
                let made = guard("make", async { remake() }).await?;
                self.remake_at = None;
                empty.insert(made)
            }
        };
        if !self.is_open {
            guard("open", sink.open()).await?;
            self.is_open = true;
        }
        for run in work {
            match run {
                Run::Events(events) => {
                    let count = events.len();
                    let mut batch = EventBatch::new(events);
                    guard("deliver", sink.deliver(&mut batch)).await?;
                    if batch.events.len() != count {
                        return Err(Error::new(ErrorKind::Internal, "deliver")
                            .with_detail("the sink added or removed events, which a sink must not do"));
                    }
                    delivered.append(&mut batch.events);
                    *done += count;
                }
                Run::Lost(loss) => {
                    guard("lost", sink.lost(&loss)).await?;
                    *done += 1;
                }
            }
        }
        Ok(())
    }

    fn note_panic(&mut self) {
        self.sink = None;
        self.is_open = false;
        let now = Instant::now();
        self.panics.retain(|panic| now.duration_since(*panic) < PANICS_COUNT_FOR);
        if self.panics.is_empty() {
            self.backoff.reset();
        }
        self.panics.push_back(now);
        self.out_of_service = self.remake.is_none() || self.panics.len() >= MOST_PANICS;
        self.remake_at = (!self.out_of_service).then(|| now + self.backoff.next_wait());
    }

    async fn close_for_reopening(&mut self) {
        self.is_open = false;
        if let Some(sink) = &mut self.sink
            && let Err(error) = guard("close", sink.close()).await
            && error.kind() == ErrorKind::Panicked
        {
            self.note_panic();
        }
    }

    /// Flushes and closes the sink; what goes wrong comes back.
    pub(super) async fn end(mut self) -> Vec<Error> {
        let Some(mut sink) = self.sink.take() else { return Vec::new() };
        let flushed = if self.is_open { guard("flush", sink.flush()).await } else { Ok(()) };
        let closed = guard("close", sink.close()).await;
        flushed.err().into_iter().chain(closed.err()).collect()
    }
}

fn poisoned() -> Error {
    Error::new(ErrorKind::Panicked, "deliver").with_detail("the sink panicked earlier and is out of service")
}
