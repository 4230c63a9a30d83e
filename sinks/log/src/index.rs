//! Which number an event has: an index over the ledger, which can always be made anew.

use rfid_core::{EventId, Result, UtcTime};
use rfid_durable::{Batch, Store, Stores};
use rfid_ledger::{Entry, Ledger, Reader};

use crate::EventLedger;

/// Name of the store in the data folder.
const STORE: &str = "event_index";
/// Event id to its number, big-endian.
const NUMBERS: &str = "numbers";
/// What the index is of, and how far it has come.
const STATE: &str = "state";
const LEDGER: &[u8] = b"ledger";
const THROUGH: &[u8] = b"through";

/// Events in one commit: with the mark, a commit of up to a hundred records is whole.
const COMMIT: usize = 90;

/// Commits after which others get their turn.
const COMMITS_AT_ONCE: usize = 50;

/// Finds events by their ids. What it knows is in sled and nowhere else, because all of it is in
/// the ledger: an index that is gone, damaged or of another ledger is made anew.
#[derive(Clone)]
pub struct EventIndex {
    stores: Stores,
    ledger: EventLedger,
}

impl EventIndex {
    /// An index of this ledger in these stores.
    pub fn new(stores: Stores, ledger: EventLedger) -> Self {
        Self { stores, ledger }
    }

    /// The number of an event, if the ledger has it and keeps it still.
    ///
    /// # Errors
    /// Those of the store and of the ledger.
    pub async fn number_of(&self, event: EventId) -> Result<Option<u64>> {
        while self.catch_up().await? {}
        let store = self.stores.open(STORE).await?;
        let number = store.get(NUMBERS, event.to_bytes()).await?.as_deref().and_then(number);
        let first = self.ledger.open().await?.first();
        Ok(number.filter(|number| *number >= first))
    }

    /// Looks whether the ledger ends before what this index has seen of it, as a file that was cut
    /// does. Numbers that are gone get a gap, so that they are known to be lost and are not given
    /// again; how many there are. To be called before anything is appended.
    ///
    /// # Errors
    /// Those of the store and of the ledger; nothing is said in the ledger then.
    pub async fn account_for_the_end(&self, now: UtcTime) -> Result<u64> {
        let folder = self.ledger.folder().to_owned();
        // Where there is no ledger, none is made.
        if !matches!(tokio::task::spawn_blocking(move || folder.is_dir()).await, Ok(true)) {
            return Ok(0);
        }
        let ledger = self.ledger.open().await?;
        let store = self.stores.open(STORE).await?;
        let seen = seen(&store, ledger).await?.unwrap_or(0);
        let gone = seen.saturating_sub(ledger.last());
        if gone > 0 {
            let gap = ledger.lose(gone, "the end of the ledger is gone", UtcTime::default(), now).await?;
            tracing::error!(first = gap.first, last = gap.last, "the ledger is damaged: its end is gone");
            begin(&store, ledger).await?;
        }
        Ok(gone)
    }

    /// Takes in what has been appended since, a few thousand at most; whether there is more.
    /// *Cancel safety*: what was taken in is taken in.
    ///
    /// # Errors
    /// Those of the store and of the ledger. The next call goes on.
    pub async fn catch_up(&self) -> Result<bool> {
        let ledger = self.ledger.open().await?;
        let store = self.stores.open(STORE).await?;
        let through = match through(&store, ledger).await? {
            Some(through) => through,
            None => begin(&store, ledger).await?,
        };
        if through >= ledger.last() {
            forget(&store, ledger.first()).await?;
            return Ok(false);
        }
        let mut reader = ledger.read(through);
        for _ in 0..COMMITS_AT_ONCE {
            let read = tokio::task::spawn_blocking(move || read(reader)).await;
            let (found, through, rest) = read.map_err(|error| {
                rfid_core::Error::new(rfid_core::ErrorKind::Panicked, "index").with_source(error)
            })??;
            let Some(through) = through else { return Ok(false) };
            let mut batch = Batch::default();
            for (id, number) in found {
                batch.put(NUMBERS, id, number.to_be_bytes());
            }
            batch.put(STATE, THROUGH, through.to_be_bytes());
            store.commit(batch).await?;
            reader = rest;
        }
        Ok(true)
    }
}

/// How far the index has come; `None` if it is not one of this ledger.
async fn through(store: &Store, ledger: &Ledger) -> Result<Option<u64>> {
    Ok(seen(store, ledger).await?.filter(|through| *through <= ledger.last()))
}

/// The highest number of this ledger that the index has seen.
async fn seen(store: &Store, ledger: &Ledger) -> Result<Option<u64>> {
    let of = store.get(STATE, LEDGER).await?;
    let through = store.get(STATE, THROUGH).await?.as_deref().and_then(number);
    Ok(through.filter(|_| of.as_deref() == Some(&ledger.id())))
}

async fn begin(store: &Store, ledger: &Ledger) -> Result<u64> {
    store.drop_tree(NUMBERS).await?;
    let mut batch = Batch::default();
    batch.put(STATE, LEDGER, ledger.id()).put(STATE, THROUGH, 0u64.to_be_bytes());
    store.commit(batch).await?;
    Ok(0)
}

/// Takes out what the ledger does not keep any more. Ids sort by time, so that is at the front.
async fn forget(store: &Store, first: u64) -> Result<()> {
    loop {
        let oldest = store.scan(NUMBERS, None, COMMIT).await?;
        let is_gone = |value: &[u8]| number(value).is_none_or(|number| number < first);
        let mut batch = Batch::default();
        for (key, _) in oldest.iter().filter(|(_, value)| is_gone(value)) {
            batch.remove(NUMBERS, key.clone());
        }
        let is_all = batch.len() == COMMIT;
        if !batch.is_empty() {
            store.commit(batch).await?;
        }
        if !is_all {
            return Ok(());
        }
    }
}

/// What was read in one go: ids with their numbers, the number up to which that goes, and the
/// reader to go on with.
type Read = (Vec<([u8; 16], u64)>, Option<u64>, Reader);

fn read(mut reader: Reader) -> Result<Read> {
    let (mut found, mut through) = (Vec::new(), None);
    while found.len() < COMMIT - 1 {
        match reader.next_entry()? {
            Some(Entry::Content(content)) => {
                found.push((content.id, content.number));
                through = Some(content.number);
            }
            Some(Entry::Gap { number, .. }) => through = Some(number),
            Some(Entry::Damage(_) | Entry::Gone { .. }) => {}
            None => break,
        }
    }
    Ok((found, through, reader))
}

fn number(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_be_bytes)
}
