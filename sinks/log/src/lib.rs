//! Events made durable: the sink `log`.
//!
//! [`EventLog`] is the port; [`JsonlLog`] writes a JSON Lines file that every tool can read, and
//! [`JournalLog`] the embedded journal. [`LogSink`] passes events on only when they survive a
//! power cut, so whatever a person sees is already registered. An event that comes again, as it
//! does after a crash, is not written twice.
#![forbid(unsafe_code)]

mod journal;
mod jsonl;
mod recent;
mod sink;

use async_trait::async_trait;
use rfid_core::{Event, Result};

pub use journal::JournalLog;
pub use jsonl::JsonlLog;
pub use sink::{LogCounters, LogKind, LogSink};

/// Keeps events for good.
///
/// One task makes all calls: `open`, then `append` again and again, then `close`.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait EventLog: Send {
    /// Whether opening could work, as far as that can be found out without disturbing a log that
    /// is open at the same place.
    async fn probe(&self) -> Result<()>;

    /// Gets ready and repairs what a crash left half written. May be called again after an error.
    async fn open(&mut self) -> Result<()>;

    /// Writes the events that are not there yet, in order, and returns when they are durable.
    ///
    /// *Errors*: it is then not known which of the events are there; the same call again writes
    /// those that are not.
    async fn append(&mut self, events: &[Event]) -> Result<Appended>;

    /// Ends. Allowed in every state, also twice.
    async fn close(&mut self) -> Result<()>;
}

/// What became of the events of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Events written.
    pub written: u64,
    /// Events that were there already.
    pub repeated: u64,
}
