//! What takes events off the line: a sink, and the batch it is handed.
//!
//! # For sink authors
//!
//! Implement [`Sink`] for the type that does the work and [`SinkKind`] for the type that makes
//! it from configuration. Sinks stand in a chain. Each gets the events in order, may annotate
//! them for those after it ([`Event::record`](crate::Event::record)), and returns only when its
//! own duty is done: a log returns when the events are on disk. Retrying, and what happens when
//! retrying does not help, is the pipeline's business (its
//! [`FailurePolicy`](crate::pipeline::FailurePolicy)): with a backlog, events come later, in order,
//! and those that could be kept nowhere come as a [`Loss`].

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::clock::UtcTime;
use crate::error::Result;
use crate::event::Event;
use crate::name::Name;
use crate::settings::{ConfigFaults, Description, Settings};

/// Makes sinks of one kind from configuration, without any I/O.
pub trait SinkKind: Send + Sync {
    /// Name (`type = "log"`), options and example.
    fn describe(&self) -> Description;

    /// A sink that is not yet open.
    ///
    /// *Errors*: everything that is wrong with the options and that their schema could not say,
    /// all at once.
    fn sink(&self, settings: &Settings, name: &Name) -> Result<Box<dyn Sink>, ConfigFaults>;

    /// What a sink with these options has for itself, as [`Driver::resources`]: `file /srv/events`.
    ///
    /// [`Driver::resources`]: crate::Driver::resources
    fn resources(&self, settings: &Settings) -> Vec<String> {
        let _ = settings;
        Vec::new()
    }
}

/// A consumer of events.
///
/// One task owns a sink and makes all calls, one at a time, in the order
/// `probe? open (deliver | lost | flush)* close`.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait Sink: Send {
    /// Whether opening can work, as far as that can be found out without taking hold of anything:
    /// a running sink of the same configuration must not notice. Called before `open` or instead.
    ///
    /// *Errors*: as `open`.
    async fn probe(&mut self) -> Result<()> {
        Ok(())
    }

    /// Gets ready. May be called again after an error.
    ///
    /// *Errors*: `Connect`, `Io`, `Config`, `Damaged`; with a retry, the host tries again.
    async fn open(&mut self) -> Result<()>;

    /// Does this sink's duty for all events of the batch.
    ///
    /// *Behaviour*: may annotate events; neither adds, removes nor reorders them. *Ordering*:
    /// batches come in order. *Back-pressure*: the pipeline waits; reads are merged meanwhile.
    /// *Errors*: the batch comes again, whole and under the same event ids, if the error says
    /// that a retry can help; so delivering is at least once, and a sink that must not see a
    /// fact twice remembers event ids. *Cancel safety*: not cancelled but at the end of the
    /// host's patience when it is told to stop.
    async fn deliver(&mut self, batch: &mut EventBatch) -> Result<()>;

    /// Takes note that events will never come, because they could be kept nowhere while the sink
    /// did not work. They lie between those of the batch before and the next one.
    ///
    /// *Behaviour*: a log writes a gap record; what has nobody to tell does nothing. *Errors*: as
    /// [`Sink::deliver`]; the same loss comes again.
    async fn lost(&mut self, _loss: &Loss) -> Result<()> {
        Ok(())
    }

    /// Whether events are of use to this sink after they have passed on without it. Must always
    /// answer the same.
    ///
    /// A sink that only adds to events for those behind it says no: what it adds late would reach
    /// nobody.
    fn takes_late(&self) -> bool {
        true
    }

    /// Whether this sink does nothing but add to events, so that nobody notices whether it was asked.
    /// Must always answer the same.
    ///
    /// Where it stands first in a chain it is asked while the events are being saved: after a crash
    /// it may have seen events that never happened. Whoever registers, tells or counts says no.
    fn only_adds(&self) -> bool {
        false
    }

    /// Returns when everything delivered so far is as durable as this sink promises.
    async fn flush(&mut self) -> Result<()>;

    /// Ends tasks, closes files and connections. Allowed in every state, also twice.
    async fn close(&mut self) -> Result<()>;
}

/// Events that a sink will never get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    /// How many.
    pub count: u64,
    /// Why, as one line.
    pub reason: String,
    /// Time of the oldest of them.
    pub from: UtcTime,
    /// Time of the latest of them.
    pub to: UtcTime,
}

impl Loss {
    /// Takes in a further loss right behind this one.
    pub fn absorb(&mut self, later: Self) {
        self.count = self.count.saturating_add(later.count);
        self.from = self.from.min(later.from);
        self.to = self.to.max(later.to);
    }
}

/// Events on their way along the chain, in order.
#[derive(Clone, Debug, Default)]
pub struct EventBatch {
    /// The events, oldest first.
    pub events: Vec<Event>,
}

impl EventBatch {
    /// A batch of these events.
    pub fn new(events: Vec<Event>) -> Self {
        Self { events }
    }
}
