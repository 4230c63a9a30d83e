//! Where records are found.

use async_trait::async_trait;
use rfid_core::{Error, ErrorKind, Event, Record, Result, TagId};
use rfid_durable::Stores;

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
}

impl SledDirectory {
    /// The table in this data folder.
    pub fn new(stores: Stores) -> Self {
        Self { stores }
    }
}

/// The key of a tag: its kind and its bytes.
pub(crate) fn key(tag: &TagId) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + tag.bytes().len());
    key.push(tag.kind() as u8);
    key.extend_from_slice(tag.bytes());
    key
}

#[async_trait]
impl Directory for SledDirectory {
    async fn open(&self) -> Result<()> {
        self.stores.open(STORE).await.map(drop)
    }

    async fn find(&self, events: &[Event]) -> Result<Vec<Option<Record>>> {
        let store = self.stores.open(STORE).await?;
        let Some(tree) = store.get(META, CURRENT).await? else { return Ok(vec![None; events.len()]) };
        let keys = events.iter().map(|event| key(&event.tag)).collect();
        let found = store.get_many(&String::from_utf8_lossy(&tree), keys).await?;
        found
            .into_iter()
            .map(|value| {
                let record = value.map(|value| serde_json::from_slice(&value)).transpose();
                record.map_err(|error| Error::new(ErrorKind::Damaged, "find").with_source(error))
            })
            .collect()
    }
}
