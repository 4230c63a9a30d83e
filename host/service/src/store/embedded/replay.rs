//! The ledger into the index.
//!
//! `meta` of the index has under `applied` the number of the last entry of the ledger that is in the
//! index, under `ledger` which ledger that is, under `form` how the index is laid out, and `damaged` where values of it were found to be
//! damaged, so that it is made anew at the next start.

use futures_util::future::try_join_all;
use rfid_core::{Error, ErrorKind, Result};
use rfid_durable::Batch;
use rfid_ledger::{Entry as LedgerEntry, Ledger};
use tokio::sync::mpsc;

use super::entry::Entry;
use super::index::{Batches, COUNTS, IN_A_BATCH, Leads, LedgerPlace, META, TREES};
use super::reading::{Index, Present};
use crate::record::Kind;
use crate::store::Origin;
use crate::store::plan::{Row, Written};

const APPLIED: &[u8] = b"applied";
const FORM: &[u8] = b"form";
const DAMAGED: &[u8] = b"damaged";
const LEDGER: &[u8] = b"ledger";
/// How the index is laid out.
const FORM_NOW: u8 = 4;

/// Entries that are on their way from the ledger to the index.
const UNDER_WAY: usize = 8;
/// Entries that are applied together.
const TOGETHER: usize = 64;
/// How often progress is said.
const SAY_EVERY: u64 = 100_000;

/// Puts into batches what an entry of the ledger makes of the index, and that it is there.
///
/// A commit fits into one, so that it happens wholly or not at all. A portion of a load does not, and
/// each of its changes happens by itself: all of them are of new records, so none takes what another
/// had, and what is there already when a start goes on with it is left alone.
pub(super) fn write(parts: &mut Batches, counts: &mut Counts, leads: Vec<Leads<'_>>, at: LedgerPlace) {
    let writes: usize = leads.iter().map(Leads::len).sum();
    let others = Kind::ALL.len() + 1;
    if writes + others <= IN_A_BATCH {
        let batch = parts.with_room_for(writes + others);
        for lead in &leads {
            lead.remove(batch);
        }
        for lead in leads {
            counts.note(lead.kind());
            lead.put(batch, at);
        }
        counts.write(batch);
    } else {
        for lead in leads {
            let batch = parts.with_room_for(lead.len() + others);
            counts.note(lead.kind());
            lead.remove(batch);
            lead.put(batch, at);
            counts.write(batch);
        }
    }
    parts.with_room_for(1).put(META, APPLIED, at.number.to_be_bytes());
}

pub(super) async fn last_applied(index: &Index) -> Result<u64> {
    let value = index.sled().get(META, APPLIED).await?;
    Ok(value.and_then(|value| value.try_into().ok()).map_or(0, u64::from_be_bytes))
}

/// How many records of each kind there are.
pub(super) struct Counts {
    counts: Vec<(Kind, u64, bool)>,
}

impl Counts {
    pub(super) async fn read(index: &Index) -> Result<Self> {
        let keys = Kind::ALL.iter().map(|kind| vec![*kind as u8]).collect();
        let values = index.sled().get_many(COUNTS, keys).await?;
        let count = |value: Option<Vec<u8>>| {
            value.and_then(|value| value.try_into().ok()).map_or(0, u64::from_be_bytes)
        };
        let counts = Kind::ALL.into_iter().zip(values).map(|(kind, value)| (kind, count(value), false));
        Ok(Self { counts: counts.collect() })
    }

    pub(super) fn note(&mut self, (kind, was, is): (Kind, bool, bool)) {
        if was == is {
            return;
        }
        for (other, count, changed) in &mut self.counts {
            if *other == kind {
                *count = if is { *count + 1 } else { count.saturating_sub(1) };
                *changed = true;
            }
        }
    }

    /// Puts those that have changed since the last time into a batch.
    pub(super) fn write(&mut self, batch: &mut Batch) {
        for (kind, count, changed) in &mut self.counts {
            if std::mem::take(changed) {
                batch.put(COUNTS, [*kind as u8], count.to_be_bytes());
            }
        }
    }
}

/// Takes the index to where the ledger is.
pub(super) async fn catch_up(index: &Index, ledger: &Ledger) -> Result<()> {
    let keys = vec![FORM.to_vec(), DAMAGED.to_vec(), LEDGER.to_vec()];
    let meta = index.sled().get_many(META, keys).await?;
    let form = meta.first().cloned().flatten();
    if form.as_ref().is_some_and(|form| form.as_slice() > [FORM_NOW].as_slice()) {
        return Err(Error::new(ErrorKind::Unsupported, "open").with_detail(format!(
            "a newer version laid out {}; use that version, or a newer one",
            index.sled().path().display()
        )));
    }
    let is_damaged = matches!(meta.get(1), Some(Some(_)));
    let is_of_another = matches!(meta.get(2), Some(Some(id)) if *id != ledger.id());
    // An older version laid it out: what it has can be made anew from the ledger.
    let is_older = form.is_some_and(|form| form.as_slice() < [FORM_NOW].as_slice());
    if is_damaged || is_of_another || is_older || last_applied(index).await? > ledger.last() {
        tracing::warn!(
            is_damaged,
            is_of_another,
            is_older,
            "the index of customers and visits is made anew from the ledger"
        );
        for tree in TREES.into_iter().chain([META]) {
            index.sled().drop_tree(tree).await?;
        }
    }
    let mut batch = Batch::default();
    batch.put(META, FORM, [FORM_NOW]).put(META, LEDGER, ledger.id());
    index.sled().commit(batch).await?;
    let from = last_applied(index).await?;
    let to = ledger.last();
    if from >= to {
        return Ok(());
    }
    let entries = to - from;
    if let Some(aside) = index.sled().set_aside() {
        let aside = aside.display();
        tracing::warn!(%aside, entries, "the index of customers and visits was damaged; it is made anew from the ledger");
    } else {
        tracing::info!(
            entries,
            "the index of customers and visits lacks the end of the ledger; it is applied"
        );
    }
    apply(index, ledger, from, to).await
}

/// Applies a load that is complete and began at this number.
pub(super) async fn apply_load(index: &Index, ledger: &Ledger, begin: u64, records: u64) -> Result<()> {
    tracing::info!(records, "everything is in the ledger; now it is put into the index");
    apply(index, ledger, begin.saturating_sub(1), ledger.last()).await
}

/// Applies what the ledger has behind `from` up to `to`.
async fn apply(index: &Index, ledger: &Ledger, from: u64, to: u64) -> Result<()> {
    let (entries, mut coming) = mpsc::channel(UNDER_WAY);
    let reading = {
        let (ledger, index) = (ledger.clone(), index.clone());
        tokio::task::spawn_blocking(move || read(&index, &ledger, from, to, &entries))
    };
    let mut counts = Counts::read(index).await?;
    let mut said = from;
    let mut group: Vec<Counting> = Vec::new();
    loop {
        let taken = coming.recv_many(&mut group, TOGETHER).await;
        if taken == 0 {
            break;
        }
        let last = group.last().map_or(from, |entry| entry.number);
        apply_group(index, &mut counts, std::mem::take(&mut group)).await?;
        if last >= said + SAY_EVERY {
            said = last;
            tracing::info!(done = last - from, of = to - from, "the ledger is being applied");
        }
    }
    reading.await.map_err(|error| Error::new(ErrorKind::Internal, "open").with_source(error))?
}

async fn apply_group(index: &Index, counts: &mut Counts, mut group: Vec<Counting>) -> Result<()> {
    let mut present = Present::default();
    let keys = group.iter().flat_map(|entry| entry.changes.iter().map(|written| written.key.clone()));
    present.read(index, keys.collect()).await?;
    let mut batches = Vec::new();
    for Counting { number, load, changes, .. } in &mut group {
        let mut parts = Batches::default();
        let mut leads = Vec::new();
        for written in changes {
            let after = match &written.bytes {
                Some(bytes) => index.rows().decode_kept(&written.key, bytes)?,
                None => None,
            };
            // What was of somebody who was erased is not there any more, as it will be at its end.
            if after.is_none() {
                written.bytes = None;
            }
            let written = &*written;
            // Anew after a start in the middle: what is there already is not counted twice.
            let row = present.row(&written.key);
            if row.is_some_and(|row| row.version >= written.version) {
                continue;
            }
            let before = row.and_then(|row| row.content.clone());
            leads.push(Leads::new(index.rows(), before.as_ref(), written, after.as_ref()));
            let content = after.zip(written.bytes.clone());
            present.set(written.key.clone(), Row { version: written.version, content });
        }
        write(&mut parts, counts, leads, LedgerPlace { number: *number, load: *load });
        batches.extend(parts.end().into_iter().map(|batch| index.sled().commit(batch)));
    }
    try_join_all(batches).await?;
    let written = group.iter().flat_map(|entry| &entry.changes);
    let now = written.map(|written| {
        let row = present.row(&written.key).and_then(|row| Some((row.version, row.content.as_ref()?)));
        match row {
            Some((version, (record, _))) => (&written.key, version, Some(record)),
            None => (&written.key, written.version, None),
        }
    });
    index.bearers().written(now);
    index.forget_what_was_read();
    Ok(())
}

/// An entry of the ledger that counts: a commit, or a portion of a load that is complete.
pub(super) struct Counting {
    pub(super) number: u64,
    /// Of a portion the number of the beginning of its load, if that was read.
    pub(super) load: Option<u64>,
    /// Who made the changes; absent of a portion whose beginning was not read.
    pub(super) origin: Option<Origin>,
    pub(super) changes: Vec<Written>,
}

/// Reads changes that count. Blocks.
pub(super) fn read(
    index: &Index,
    ledger: &Ledger,
    from: u64,
    to: u64,
    entries: &mpsc::Sender<Counting>,
) -> Result<()> {
    let mut reader = ledger.read(from);
    let mut loaded_by = None;
    let mut loading = None;
    // Behind `from` stand portions only if their load is complete: no other is ever applied.
    let mut complete_until = to;
    let mut number = from;
    while number < to {
        let Some(entry) = reader.next_entry()? else { break };
        let content = match entry {
            LedgerEntry::Content(content) => content,
            LedgerEntry::Damage(damage) => {
                let what = format!(
                    "bytes {} to {} of {} behind number {} cannot be read; what was changed there is missing",
                    damage.from,
                    damage.to,
                    damage.path.display(),
                    damage.behind
                );
                tracing::error!(what, "the ledger of customers and visits is damaged");
                index.note_damage_of_ledger(what);
                continue;
            }
            LedgerEntry::Gap { number: at, .. } => {
                number = at;
                continue;
            }
            LedgerEntry::Gone { first } => {
                let what = format!("everything before number {first} is gone from the ledger");
                tracing::error!(what, "the ledger of customers and visits is damaged");
                index.note_damage_of_ledger(what);
                continue;
            }
        };
        number = content.number;
        let (load, origin, changes) = match Entry::decode(&content.bytes)? {
            Entry::Commit(origin, changes) => (None, Some(origin), changes),
            Entry::LoadBegins(origin) => {
                complete_until = end_of_load(ledger, number, to)?;
                (loaded_by, loading) = (Some(origin), Some(number));
                continue;
            }
            Entry::LoadPortion(_) if number > complete_until => continue,
            Entry::LoadPortion(changes) => (loading, loaded_by.clone(), changes),
            // Nothing to write, and the index is this far.
            Entry::LoadEnds => (None, loaded_by.clone(), Vec::new()),
        };
        // Whoever applies has failed and says why.
        if entries.blocking_send(Counting { number, load, origin, changes }).is_err() {
            break;
        }
    }
    Ok(())
}

/// Number of the end of a load that began at `begin`; that of its beginning if it has none.
fn end_of_load(ledger: &Ledger, begin: u64, to: u64) -> Result<u64> {
    let mut reader = ledger.read(begin);
    while let Some(entry) = reader.next_entry()? {
        let LedgerEntry::Content(content) = entry else { continue };
        match Entry::decode(&content.bytes)? {
            Entry::LoadPortion(_) if content.number <= to => {}
            Entry::LoadEnds => return Ok(content.number),
            _ => break,
        }
    }
    Ok(begin)
}

/// Notes where values of the index are damaged, so that it is made anew at the next start.
pub(super) async fn note_damage(index: &Index) {
    if index.sled().damaged_values() == 0 {
        return;
    }
    let mut batch = Batch::default();
    batch.put(META, DAMAGED, [1]);
    if let Err(error) = index.sled().commit(batch).await {
        tracing::error!(error = format!("{error:#}"), "that the index is damaged cannot be noted");
    }
}
