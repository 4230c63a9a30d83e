//! What may happen of what is asked for: the one decision that every store that writes makes.
//!
//! A store reads what commits are about ([`Asked`]), gives it to a [`Plan`], and the plan says of one
//! commit behind the other whether it may happen and what is to be written. So commits can share a
//! transaction or a sync, and each is judged as if those before it were already written.

use std::collections::{HashMap, HashSet};

use rfid_core::{Error, ErrorKind, Result};

use super::{Change, Commit, CommitFault, Origin, Rows};
use crate::record::{Key, Record};
use crate::seal::Blind;

/// Bytes of one record at most: the index of the embedded store takes 64 KiB, and what is in one store
/// can be moved to another.
const LARGEST_RECORD: usize = 60 * 1024;
/// Bytes of an origin's place at most.
const LONGEST_FROM: usize = 1024;

/// A record as it stands in a store.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) version: u32,
    /// The record and its bytes; absent of one that was removed.
    pub(super) content: Option<(Record, Vec<u8>)>,
}

/// A change as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Written {
    /// Of which record.
    pub(super) key: Key,
    /// The version that came of it.
    pub(super) version: u32,
    /// The record; absent of a removal.
    pub(super) bytes: Option<Vec<u8>>,
}

/// A commit that may happen, as it will be written.
pub(super) struct Planned {
    pub(super) origin: Origin,
    pub(super) changes: Vec<PlannedChange>,
}

/// A change of it.
pub(super) struct PlannedChange {
    pub(super) written: Written,
    pub(super) before: Option<(Record, Vec<u8>)>,
    pub(super) after: Option<Record>,
}

impl Planned {
    /// The versions that the records have now; 0 of one that was removed.
    pub(super) fn versions(&self) -> Vec<u32> {
        let version = |change: &PlannedChange| change.after.as_ref().map_or(0, |_| change.written.version);
        self.changes.iter().map(version).collect()
    }
}

/// What commits are about.
pub(super) struct Asked {
    /// Records that they change, each once and in order.
    pub(super) keys: Vec<Key>,
    /// What they want to be theirs alone, under every key, each once and in order.
    pub(super) blinds: Vec<Blind>,
}

impl Asked {
    pub(super) fn by(rows: &Rows, commits: &[Commit]) -> Self {
        let changes = || commits.iter().flat_map(|commit| &commit.changes);
        let mut keys: Vec<Key> = changes().map(Change::key).collect();
        let mut blinds = Vec::new();
        for change in changes() {
            if let Change::Put { record, .. } = change {
                blinds.extend(record.uniques().iter().flat_map(|unique| rows.hidden(unique)));
            }
        }
        keys.sort_unstable();
        keys.dedup();
        blinds.sort_unstable();
        blinds.dedup();
        Self { keys, blinds }
    }
}

/// What is there while a group of commits is looked at, one behind the other.
pub(super) struct Plan<'a> {
    rows: &'a Rows,
    present: HashMap<Key, Option<Row>>,
    owners: HashMap<Blind, Option<Key>>,
}

impl<'a> Plan<'a> {
    /// Begins with what a store has of everything that is [`Asked`] for.
    pub(super) fn new(
        rows: &'a Rows,
        present: HashMap<Key, Option<Row>>,
        owners: HashMap<Blind, Option<Key>>,
    ) -> Self {
        Self { rows, present, owners }
    }

    /// Looks whether a commit may happen, and if so, lets it.
    ///
    /// # Errors
    /// As [`Store::commit`](super::Store::commit).
    pub(super) fn commit(&mut self, commit: Commit) -> Result<Planned, CommitFault> {
        let refused = |detail: String| Error::new(ErrorKind::Internal, "commit").with_detail(detail);
        if commit.changes.len() > Commit::MOST {
            let detail = format!("{} changes in one commit; at most {}", commit.changes.len(), Commit::MOST);
            return Err(refused(detail).into());
        }
        if commit.origin.from.len() > LONGEST_FROM {
            return Err(refused("an origin is too long".to_owned()).into());
        }
        // All that is unique to what goes is free before what comes asks for it.
        let mut freed: Vec<(Blind, Key)> = Vec::new();
        let mut taken: Vec<(Blind, Key)> = Vec::new();
        let mut changes = Vec::new();
        let mut seen = HashSet::new();
        for change in commit.changes {
            let (key, expected) = (change.key(), change.expected());
            let row = self.present.get(&key).cloned().flatten();
            let found = row.as_ref().filter(|row| row.content.is_some()).map_or(0, |row| row.version);
            let is_gone = found == 0 && matches!(change, Change::Remove { .. });
            if found != expected || is_gone || !seen.insert(key.clone()) {
                return Err(CommitFault::Conflict { key, found });
            }
            if let Some(person) = change.person().filter(|person| self.rows.is_shut(*person)) {
                return Err(CommitFault::Conflict { key: Key::Customer(person), found: 0 });
            }
            let version = row.as_ref().map_or(0, |row| row.version) + 1;
            let before = row.and_then(|row| row.content);
            if let Some((record, bytes)) = &before {
                freed.extend(blinds(self.rows, record, bytes).into_iter().map(|blind| (blind, key.clone())));
            }
            let (bytes, after) = match change {
                Change::Put { record, .. } => (Some(encoded(self.rows, &record)?), Some(*record)),
                Change::Remove { .. } => (None, None),
            };
            changes.push(PlannedChange { written: Written { key, version, bytes }, before, after });
        }
        let owner_now = |blind: &Blind, taken: &[(Blind, Key)]| {
            let owner = taken.iter().find(|(other, _)| other == blind).map(|(_, key)| key.clone());
            owner.or_else(|| {
                let owner = self.owners.get(blind).cloned().flatten()?;
                (!freed.contains(&(*blind, owner.clone()))).then_some(owner)
            })
        };
        for change in &changes {
            let (Some(record), Some(bytes)) = (&change.after, &change.written.bytes) else { continue };
            for unique in record.uniques() {
                for blind in self.rows.hidden(&unique) {
                    if let Some(by) = owner_now(&blind, &taken) {
                        return Err(CommitFault::Taken { field: unique.field(), by });
                    }
                }
                taken.push((self.rows.hide_beside(bytes, &unique), change.written.key.clone()));
            }
        }
        self.owners.extend(freed.into_iter().map(|(blind, _)| (blind, None)));
        self.owners.extend(taken.into_iter().map(|(blind, key)| (blind, Some(key))));
        for PlannedChange { written, after, .. } in &changes {
            let content = after.clone().zip(written.bytes.clone());
            self.present.insert(written.key.clone(), Some(Row { version: written.version, content }));
        }
        Ok(Planned { origin: commit.origin, changes })
    }
}

/// How everything that is unique to a record stands in a store beside these bytes of it.
pub(super) fn blinds(rows: &Rows, record: &Record, bytes: &[u8]) -> Vec<Blind> {
    record.uniques().iter().map(|unique| rows.hide_beside(bytes, unique)).collect()
}

/// The bytes of a record that every store can hold.
pub(super) fn encoded(rows: &Rows, record: &Record) -> Result<Vec<u8>> {
    let bytes = rows.encode(record)?;
    if bytes.len() <= LARGEST_RECORD {
        return Ok(bytes);
    }
    let detail = format!("{} is {} bytes long; at most {LARGEST_RECORD} are kept", record.key(), bytes.len());
    Err(Error::new(ErrorKind::Config, "commit").with_detail(detail))
}

/// The same error for another who waits for the same write.
pub(super) fn again(error: &Error) -> Error {
    Error::new(error.kind(), "commit").with_detail(format!("{error:#}")).with_retry(error.retry())
}
