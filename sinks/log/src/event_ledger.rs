//! Events in the ledger of a data folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use rfid_core::{Clock, Error, ErrorKind, Event, Result};
use rfid_ledger::{Entry, Ledger, LedgerSettings, NewRecord, Reader};
use tokio::sync::OnceCell;

use crate::{Appended, EventLog, Loss};

/// The ledger of a data folder, opened by the first who needs it. Cheap to clone.
#[derive(Clone)]
pub struct EventLedger {
    shared: Arc<Shared>,
}

struct Shared {
    folder: PathBuf,
    settings: LedgerSettings,
    clock: Arc<dyn Clock>,
    ledger: OnceCell<Ledger>,
}

impl EventLedger {
    /// The ledger in this folder, which is made when it is first opened.
    pub fn new(folder: impl Into<PathBuf>, settings: LedgerSettings, clock: Arc<dyn Clock>) -> Self {
        let shared = Shared { folder: folder.into(), settings, clock, ledger: OnceCell::new() };
        Self { shared: Arc::new(shared) }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.shared.folder
    }

    /// Opens it, or hands out what is open. *Cancel safety*: the next call opens it then.
    ///
    /// # Errors
    /// As [`Ledger::open`]; the next call tries again.
    pub async fn open(&self) -> Result<&Ledger> {
        let Shared { folder, settings, clock, ledger } = &*self.shared;
        let open = || Ledger::open(folder.clone(), settings.clone(), Arc::clone(clock));
        ledger.get_or_try_init(open).await
    }

    /// The ledger, if it is open.
    pub fn opened(&self) -> Option<&Ledger> {
        self.shared.ledger.get()
    }

    /// Closes it for good. Allowed twice.
    pub async fn close(&self) {
        if let Some(ledger) = self.opened() {
            ledger.close().await;
        }
    }
}

/// Everything that a ledger of events holds, in order. Blocks.
#[derive(Debug)]
pub struct EventReader {
    reader: Reader,
}

/// What a ledger of events holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Recorded {
    /// An event, with its number as [`Event::sequence`].
    Event(Box<Event>),
    /// What stands in its place, or tells that something is not there.
    Other(Entry),
}

impl EventReader {
    /// Behind number `after`, 0 for everything that is kept. The ledger need not be open, and
    /// may be written meanwhile.
    pub fn new(folder: impl Into<PathBuf>, after: u64) -> Self {
        Self { reader: Reader::new(folder, after) }
    }

    /// As [`EventReader::new`], up to what is durable.
    pub fn of(ledger: &Ledger, after: u64) -> Self {
        Self { reader: ledger.read(after) }
    }

    /// What is next, or `None` if there is nothing yet.
    ///
    /// # Errors
    /// `Io` when a file cannot be read; `Damaged` for a record that is no event, behind which it
    /// goes on.
    pub fn next_recorded(&mut self) -> Result<Option<Recorded>> {
        match self.reader.next_entry()? {
            Some(Entry::Content(content)) => {
                let event: Event = serde_json::from_slice(&content.bytes).map_err(|error| {
                    Error::new(ErrorKind::Damaged, "read")
                        .with_detail(format!("number {} is no event", content.number))
                        .with_source(error)
                })?;
                let event = Event { sequence: Some(content.number), ..event };
                Ok(Some(Recorded::Event(Box::new(event))))
            }
            other => Ok(other.map(Recorded::Other)),
        }
    }
}

/// Appends events to the ledger of the data folder, which numbers them. Records that lookup added
/// are left out.
pub struct LedgerLog {
    ledger: EventLedger,
}

impl LedgerLog {
    /// A log that writes to this ledger, as others may.
    pub fn new(ledger: EventLedger) -> Self {
        Self { ledger }
    }
}

#[async_trait]
impl EventLog for LedgerLog {
    async fn probe(&self) -> Result<()> {
        self.ledger.open().await.map(drop)
    }

    async fn open(&mut self) -> Result<()> {
        self.ledger.open().await.map(drop)
    }

    async fn append(&mut self, events: &[Event]) -> Result<Appended> {
        let record = |event: &Event| {
            // The number stands beside the content. Who carries the tag is not registered: that is
            // the directory's, where it can be corrected and deleted.
            let event = Event { sequence: None, record: None, ..event.clone() };
            let content = serde_json::to_vec(&event)
                .map_err(|error| Error::new(ErrorKind::Internal, "append").with_source(error))?;
            Ok(NewRecord { id: event.event_id.to_bytes(), content })
        };
        let records = events.iter().map(record).collect::<Result<Vec<_>>>()?;
        let appended = self.ledger.open().await?.append(records).await?;
        let repeated = appended.iter().filter(|appended| appended.is_repeat).count() as u64;
        Ok(Appended {
            written: appended.len() as u64 - repeated,
            repeated,
            numbers: appended.iter().map(|appended| appended.number).collect(),
        })
    }

    async fn lost(&mut self, loss: &Loss) -> Result<()> {
        let Loss { count, reason, from, to } = loss;
        self.ledger.open().await?.lose(*count, reason, *from, *to).await.map(drop)
    }

    async fn close(&mut self) -> Result<()> {
        // The ledger is shared; whoever made it closes it.
        Ok(())
    }
}
