//! Events made durable: the sink `log`.
//!
//! [`EventLog`] is the port. [`LedgerLog`] appends to the ledger of the data folder, which gives
//! each event of the host its number ([`rfid_core::Event::sequence`]); [`JsonlLog`] writes a JSON
//! Lines file that every tool can read. [`LogSink`] passes events on only when they survive a
//! power cut, so whatever a person sees is already registered. An event that comes again, as it
//! does after a crash, is not written twice.
//!
//! [`EventReader`] reads what is in a ledger, [`EventIndex`] finds in it.
#![forbid(unsafe_code)]

mod event_ledger;
mod index;
mod jsonl;
mod recent;
mod sink;

use async_trait::async_trait;
use rfid_core::{Event, Loss, Result};

pub use event_ledger::{EventLedger, EventReader, LedgerLog, Recorded};
pub use index::EventIndex;
pub use jsonl::JsonlLog;
pub use sink::{LogCounters, LogKind, LogSink};

/// Keeps events for good.
///
/// One task makes all calls: `open`, then `append` and `lost` again and again, then `close`.
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

    /// Takes note of events that will never come. A log that has no numbers to account for does
    /// nothing.
    async fn lost(&mut self, _loss: &Loss) -> Result<()> {
        Ok(())
    }

    /// Ends. Allowed in every state, also twice.
    async fn close(&mut self) -> Result<()>;
}

/// What became of the events of one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Events written.
    pub written: u64,
    /// Events that were there already.
    pub repeated: u64,
    /// The number of each event, if this log numbers them.
    pub numbers: Vec<u64>,
}
