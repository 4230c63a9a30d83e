//! Persons who are erased, as stores know them.

use std::collections::HashSet;

use rfid_core::Result;

use super::plan::Written;
use super::{Rows, Version};
use crate::record::{CustomerId, Key, Month};
use crate::seal::PersonKeys;

/// A person of whom a store keeps nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Erasure {
    /// Who it was: an id that leads nowhere.
    pub person: CustomerId,
    /// Whether the key is destroyed; before that, what there is can still be read.
    pub is_done: bool,
}

/// What is done to the keys of persons.
#[derive(Clone, Copy, Debug)]
pub(super) enum KeyChange {
    /// Nothing of this person is written any more.
    Shut(CustomerId),
    /// The key of this person goes.
    Destroy(CustomerId),
    /// The key of the visits of this month goes.
    DestroyMonth(Month),
    /// They are the same under another master secret.
    Reseal,
}

impl KeyChange {
    /// What the keys are then; `None` where that is what they are.
    pub(super) fn apply(self, keys: &PersonKeys) -> Option<PersonKeys> {
        match self {
            Self::Shut(person) => keys.with_shut(person),
            Self::Destroy(person) => keys.without(person),
            Self::DestroyMonth(month) => keys.without_month(month),
            Self::Reseal => Some(keys.clone()),
        }
    }
}

/// All of whom keys say that they are erased, or being erased.
pub(super) fn erasures(keys: Option<&PersonKeys>) -> Vec<Erasure> {
    let Some(keys) = keys else { return Vec::new() };
    let begun = keys.erasing().map(|person| Erasure { person, is_done: false });
    let mut all: Vec<Erasure> =
        begun.chain(keys.erased().map(|person| Erasure { person, is_done: true })).collect();
    all.sort_unstable();
    all
}

/// A version as a journal tells it; none of a record that was of somebody who was erased, whose removal is
/// left out as well, as if it had never been. `forgotten` has those records so far.
pub(super) fn kept_version(
    rows: &Rows,
    Written { key, version, bytes }: Written,
    forgotten: &mut HashSet<Key>,
) -> Result<Option<Version>> {
    let Some(bytes) = bytes else {
        return Ok((!forgotten.contains(&key)).then_some(Version { key, version, record: None }));
    };
    // What was written before there were keys of persons can be read, and is none the more there.
    let record = rows.decode_kept(&key, &bytes)?;
    let record = record.filter(|record| !record.sealed_for().is_some_and(|person| rows.is_erased(person)));
    if record.is_none() {
        forgotten.insert(key.clone());
    }
    Ok(record.map(|record| Version { key, version, record: Some(record) }))
}
