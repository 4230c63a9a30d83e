//! The embedded journal.

use std::collections::HashSet;

use async_trait::async_trait;
use rfid_core::{Error, ErrorKind, Event, EventId, Result};
use rfid_durable::{Batch, Store, Stores};

use crate::{Appended, EventLog};

/// Name of the store in the data folder.
const STORE: &str = "journal";
/// Number of the event, big-endian, to its JSON.
const EVENTS: &str = "events";
/// Event id to its number.
const NUMBERS: &str = "numbers";

/// Events in one commit: each writes two records, and a commit of up to a hundred is whole.
const COMMIT: usize = 50;

/// Events in sled, numbered from 1 without gaps.
#[derive(Debug)]
pub struct JournalLog {
    stores: Stores,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    store: Store,
    next: u64,
}

impl JournalLog {
    /// The journal of this data folder.
    pub fn new(stores: Stores) -> Self {
        Self { stores, open: None }
    }

    /// Events behind number `after` (0 for all), with their numbers, at most `limit`.
    ///
    /// # Errors
    /// Those of the store; `Damaged` for a record that is not an event.
    pub async fn read(stores: &Stores, after: u64, limit: usize) -> Result<Vec<(u64, Event)>> {
        let store = stores.open(STORE).await?;
        let records = store.scan(EVENTS, Some(after.to_be_bytes().to_vec()), limit).await?;
        records
            .into_iter()
            .map(|(key, value)| {
                let event = serde_json::from_slice(&value).map_err(damaged)?;
                Ok((number(&key).ok_or_else(|| damaged("a key is not a number"))?, event))
            })
            .collect()
    }

    /// The number of an event, to go on reading behind it.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn number_of(stores: &Stores, event: EventId) -> Result<Option<u64>> {
        let store = stores.open(STORE).await?;
        Ok(store.get(NUMBERS, event.to_bytes()).await?.as_deref().and_then(number))
    }
}

#[async_trait]
impl EventLog for JournalLog {
    async fn probe(&self) -> Result<()> {
        self.stores.open(STORE).await.map(drop)
    }

    async fn open(&mut self) -> Result<()> {
        let store = self.stores.open(STORE).await?;
        let last = match store.last(EVENTS).await? {
            Some((key, _)) => number(&key).ok_or_else(|| damaged("a key is not a number"))?,
            None => 0,
        };
        self.open = Some(Open { store, next: last + 1 });
        Ok(())
    }

    async fn append(&mut self, events: &[Event]) -> Result<Appended> {
        let Some(open) = &mut self.open else {
            return Err(Error::new(ErrorKind::Io, "append").with_detail("the journal is not open"));
        };
        let keys = events.iter().map(|event| event.event_id.to_bytes().to_vec()).collect();
        let known = open.store.get_many(NUMBERS, keys).await?;
        let mut in_this_batch = HashSet::new();
        let fresh: Vec<&Event> = events
            .iter()
            .zip(known)
            .filter(|(event, known)| known.is_none() && in_this_batch.insert(event.event_id))
            .map(|(event, _)| event)
            .collect();
        for part in fresh.chunks(COMMIT) {
            let mut batch = Batch::default();
            for (event, number) in part.iter().zip(open.next..) {
                let json = serde_json::to_vec(event)
                    .map_err(|error| Error::new(ErrorKind::Internal, "append").with_source(error))?;
                batch.put(EVENTS, number.to_be_bytes(), json);
                batch.put(NUMBERS, event.event_id.to_bytes(), number.to_be_bytes());
            }
            open.store.commit(batch).await?;
            open.next += part.len() as u64;
        }
        let written = fresh.len() as u64;
        Ok(Appended { written, repeated: events.len() as u64 - written })
    }

    async fn close(&mut self) -> Result<()> {
        // The store is shared; whoever opened the stores closes them.
        self.open = None;
        Ok(())
    }
}

fn number(key: &[u8]) -> Option<u64> {
    key.try_into().ok().map(u64::from_be_bytes)
}

fn damaged(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Damaged, "journal").with_source(error)
}
