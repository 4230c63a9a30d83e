//! Which number an event has: an index over the ledger, which can always be made anew.

use std::ops::RangeInclusive;

use rfid_core::{Error, ErrorKind, EventId, Result, UtcTime};
use rfid_durable::{Batch, Store, Stores};
use rfid_ledger::{Entry, Ledger, Reader};

use crate::EventLedger;

/// Name of the store in the data folder.
const STORE: &str = "event_index";
/// First number of a block, big-endian, to its last number and the range of its event ids.
const BLOCKS: &str = "blocks";
/// What the index is of, and how far it has come.
const STATE: &str = "state";
const LEDGER: &[u8] = b"ledger";
const THROUGH: &[u8] = b"through";
const LAST: &[u8] = b"last";

/// Events in a block. An entry for each event would make sled hold all of them in memory.
const BLOCK: usize = 256;

/// Blocks in one commit; with what else it holds, a commit of up to a hundred records is whole.
const COMMIT: usize = 90;

/// Finds events by their ids. What it knows is in sled and nowhere else, because all of it is in
/// the ledger: an index that is gone, damaged or of another ledger is made anew.
///
/// It is sparse: ids sort by the time at which a visit began, so for each block of events it
/// knows between which ids they lie, and the ledger is read where the id may be.
#[derive(Clone)]
pub struct EventIndex {
    stores: Stores,
    ledger: EventLedger,
}

/// Events whose numbers follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Block {
    first: u64,
    last: u64,
    ids: RangeInclusive<[u8; 16]>,
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
        let ledger = self.ledger.open().await?;
        let store = self.stores.open(STORE).await?;
        let through = through(&store, ledger).await?.unwrap_or(0);
        let id = event.to_bytes();
        // Whoever asks has most likely been away for a short while.
        if let Some(number) = find(ledger, through + 1..=u64::MAX, id).await? {
            return Ok(Some(number));
        }
        let mut candidates = Vec::new();
        let mut after = None;
        loop {
            let entries = store.scan(BLOCKS, after, 1_000).await?;
            let Some((key, _)) = entries.last() else { break };
            after = Some(key.clone());
            let blocks = entries.iter().filter_map(|(key, value)| Block::read(key, value));
            candidates.extend(blocks.filter(|block| block.ids.contains(&id)));
        }
        match (candidates.first(), candidates.last()) {
            (Some(first), Some(last)) => find(ledger, first.first..=last.last, id).await,
            _ => Ok(None),
        }
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
        let seen = number_in(&store, ledger, LAST).await?.unwrap_or(0);
        let gone = seen.saturating_sub(ledger.last());
        if gone > 0 {
            let gap = ledger.lose(gone, "the end of the ledger is gone", UtcTime::default(), now).await?;
            tracing::error!(first = gap.first, last = gap.last, "the ledger is damaged: its end is gone");
            begin(&store, ledger).await?;
        }
        Ok(gone)
    }

    /// Takes in what has been appended since, some thousands at most; whether there is more.
    /// *Cancel safety*: what was taken in is taken in.
    ///
    /// # Errors
    /// Those of the store and of the ledger. The next call goes on.
    pub async fn catch_up(&self) -> Result<bool> {
        let ledger = self.ledger.open().await?;
        let store = self.stores.open(STORE).await?;
        let last = ledger.last();
        let seen = number_in(&store, ledger, LAST).await?;
        let through = match through(&store, ledger).await? {
            Some(through) => through,
            None => begin(&store, ledger).await?,
        };
        let (blocks, through) = if last - through < BLOCK as u64 {
            (Vec::new(), through)
        } else {
            let reader = ledger.read(through);
            blocking(move || read(reader, through)).await?
        };
        if blocks.is_empty() && seen == Some(last) {
            forget(&store, ledger.first()).await?;
            return Ok(false);
        }
        let mut batch = Batch::default();
        let is_all = blocks.len() < COMMIT;
        for block in blocks {
            batch.put(BLOCKS, block.first.to_be_bytes(), block.written());
        }
        batch.put(STATE, THROUGH, through.to_be_bytes());
        // Of what is not in a block it is known at least that it is there.
        let seen = if is_all { last } else { through };
        batch.put(STATE, LAST, seen.to_be_bytes());
        store.commit(batch).await?;
        Ok(!is_all)
    }
}

impl Block {
    fn written(&self) -> Vec<u8> {
        [self.last.to_be_bytes().as_slice(), self.ids.start(), self.ids.end()].concat()
    }

    fn read(key: &[u8], value: &[u8]) -> Option<Self> {
        let (last, ids) = value.split_first_chunk::<8>()?;
        let (least, greatest) = ids.split_first_chunk::<16>()?;
        Some(Self {
            first: number(key)?,
            last: u64::from_be_bytes(*last),
            ids: *least..=greatest.try_into().ok()?,
        })
    }
}

/// Up to which number there are blocks; `None` if the index is not one of this ledger.
async fn through(store: &Store, ledger: &Ledger) -> Result<Option<u64>> {
    Ok(number_in(store, ledger, THROUGH).await?.filter(|through| *through <= ledger.last()))
}

/// A number in the state of an index of this ledger.
async fn number_in(store: &Store, ledger: &Ledger, key: &[u8]) -> Result<Option<u64>> {
    let of = store.get(STATE, LEDGER).await?;
    let found = store.get(STATE, key).await?.as_deref().and_then(number);
    Ok(found.filter(|_| of.as_deref() == Some(&ledger.id())))
}

async fn begin(store: &Store, ledger: &Ledger) -> Result<u64> {
    store.drop_tree(BLOCKS).await?;
    let mut batch = Batch::default();
    let zero = 0u64.to_be_bytes();
    batch.put(STATE, LEDGER, ledger.id()).put(STATE, THROUGH, zero).put(STATE, LAST, zero);
    store.commit(batch).await?;
    Ok(0)
}

/// Takes out the blocks that the ledger does not keep any more.
async fn forget(store: &Store, first: u64) -> Result<()> {
    let oldest = store.scan(BLOCKS, None, COMMIT).await?;
    let mut batch = Batch::default();
    for (key, value) in &oldest {
        if Block::read(key, value).is_none_or(|block| block.last < first) {
            batch.remove(BLOCKS, key.clone());
        }
    }
    // Segments go one at a time, and each call takes out as much as a large one has.
    if batch.is_empty() { Ok(()) } else { store.commit(batch).await }
}

/// The number of the event with this id among these numbers.
async fn find(ledger: &Ledger, numbers: RangeInclusive<u64>, id: [u8; 16]) -> Result<Option<u64>> {
    let mut reader = ledger.read(numbers.start() - 1);
    let look = move || {
        while let Some(entry) = reader.next_entry()? {
            match entry {
                Entry::Content(content) if content.number > *numbers.end() => break,
                Entry::Content(content) if content.id == id => return Ok(Some(content.number)),
                _ => {}
            }
        }
        Ok(None)
    };
    blocking(look).await
}

/// Whole blocks, a commit's worth at most, and the number up to which they go.
fn read(mut reader: Reader, mut through: u64) -> Result<(Vec<Block>, u64)> {
    let mut blocks: Vec<Block> = Vec::new();
    while blocks.len() < COMMIT {
        let mut block: Option<Block> = None;
        for _ in 0..BLOCK {
            let content = loop {
                match reader.next_entry()? {
                    Some(Entry::Content(content)) => break Some(content),
                    Some(_) => {}
                    None => break None,
                }
            };
            let Some(content) = content else { return Ok((blocks, through)) };
            let id = content.id;
            block = Some(match block.take() {
                None => Block { first: content.number, last: content.number, ids: id..=id },
                Some(block) => {
                    let ids = (*block.ids.start()).min(id)..=(*block.ids.end()).max(id);
                    Block { last: content.number, ids, ..block }
                }
            });
        }
        if let Some(block) = block {
            through = block.last;
            blocks.push(block);
        }
    }
    Ok((blocks, through))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let worked = tokio::task::spawn_blocking(work).await;
    worked.map_err(|error| Error::new(ErrorKind::Panicked, "index").with_source(error))?
}

fn number(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_be_bytes)
}
