//! Where records are found.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use rfid_core::{Error, ErrorKind, Event, Record, Result, TagId};
use rfid_durable::{Store, Stores};

use crate::cache::{Cache, LONGEST};

/// Knows tags.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait Directory: Send + Sync {
    /// Gets ready.
    ///
    /// *Errors*: those of the storage; with a retry, the host tries again.
    async fn open(&self) -> Result<()>;

    /// The records of the tags of these events, in their order; `None` for a tag that is not known.
    ///
    /// *Behaviour*: one call for a whole batch, which may come again: whoever registers what
    /// happened recognises events by their ids. *Cancel safety*: everything that happened is found
    /// to have happened when the batch comes again.
    async fn find(&self, events: &[Event]) -> Result<Vec<Option<Record>>>;

    /// Whether asking is more than asking, so that events which pass on while this does not work
    /// are owed to it and come later.
    fn registers(&self) -> bool {
        false
    }
}

/// Name of the store in the data folder.
pub(crate) const STORE: &str = "directory";

/// Tree and key that say which tree holds the records.
pub(crate) const META: &str = "meta";
pub(crate) const CURRENT: &[u8] = b"current";

/// The embedded table that `rfid-host import directory` fills.
///
/// Each import writes a tree of its own and then makes it the current one in a single commit, so
/// a reader sees all of the old table or all of the new one.
#[derive(Clone, Debug)]
pub struct SledDirectory {
    stores: Stores,
    cache: Arc<Mutex<Cache>>,
}

impl SledDirectory {
    /// The table in this data folder.
    pub fn new(stores: Stores) -> Self {
        Self { stores, cache: Arc::default() }
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key of a tag: its kind and its bytes.
pub(crate) fn key(tag: &TagId) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + tag.bytes().len());
    key.push(tag.kind() as u8);
    key.extend_from_slice(tag.bytes());
    key
}

/// The tree that holds the records, if any were ever imported.
pub(crate) async fn current(store: &Store) -> Result<Option<String>> {
    let tree = store.get(META, CURRENT).await?;
    Ok(tree.map(|name| String::from_utf8_lossy(&name).into_owned()))
}

fn record(value: Option<Vec<u8>>) -> Result<Option<Record>> {
    let record = value.map(|value| serde_json::from_slice(&value)).transpose();
    record.map_err(|error| Error::new(ErrorKind::Damaged, "find").with_source(error))
}

#[async_trait]
impl Directory for SledDirectory {
    async fn open(&self) -> Result<()> {
        self.stores.open(STORE).await.map(drop)
    }

    async fn find(&self, events: &[Event]) -> Result<Vec<Option<Record>>> {
        let store = self.stores.open(STORE).await?;
        loop {
            // Before the store is asked, so that what changes meanwhile is not taken for what was found.
            let state = store.changes();
            let known = {
                let mut cache = self.cache();
                if let Some(found) = cache.find(state, events.iter().map(|event| &event.tag)) {
                    return Ok(found);
                }
                cache.tree(state)
            };
            let tree = match known {
                Some(tree) => tree,
                None => match current(&store).await? {
                    Some(tree) => tree,
                    None => return Ok(vec![None; events.len()]),
                },
            };
            let keys = events.iter().map(|event| key(&event.tag)).collect();
            let values = store.get_many(&tree, keys).await?;
            let (mut found, mut kept) = (Vec::with_capacity(values.len()), Vec::new());
            for (event, value) in events.iter().zip(values) {
                let is_short = value.as_ref().is_none_or(|value| value.len() <= LONGEST);
                let record = record(value)?;
                if is_short {
                    kept.push((event.tag, record.clone()));
                }
                found.push(record);
            }
            if store.changes() == state {
                self.cache().keep(state, tree, kept);
                return Ok(found);
            }
            // An import may have put another table in place of the one that was asked.
            if current(&store).await? == Some(tree) {
                return Ok(found);
            }
        }
    }
}
