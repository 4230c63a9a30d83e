//! Which keys of the index a record has.
//!
//! | tree | key | value |
//! |---|---|---|
//! | `rows` | kind, key | version (4, big-endian) and the bytes of the record; none of one that was removed |
//! | `unique` | [`Blind`](crate::seal::Blind) | kind, key; of a card its customer as well |
//! | `id_numbers` | blind, customer | |
//! | `cards` | customer, card | |
//! | `lists` | kind, among, time and key (both inverted, so that the latest is first) | |
//! | `past` | kind, key, version (inverted) | number in the ledger; of a load its beginning as well, which says who loaded |
//! | `counts` | kind | how many records |
//! | `days` | see [`days`](super::days) | |
//! | `meta` | see [`replay`](super::replay) | |

use std::collections::BTreeSet;

use rfid_core::UtcTime;
use rfid_durable::Batch;

use super::days;
use crate::record::{Key, Kind, Record};
use crate::store::days::day_of;
use crate::store::plan::Written;
use crate::store::{Among, Rows};

pub(super) const ROWS: &str = "rows";
pub(super) const UNIQUE: &str = "unique";
pub(super) const ID_NUMBERS: &str = "id_numbers";
pub(super) const CARDS: &str = "cards";
pub(super) const LISTS: &str = "lists";
pub(super) const PAST: &str = "past";
pub(super) const COUNTS: &str = "counts";
pub(super) const META: &str = "meta";
pub(super) const DAYS: &str = "days";

/// All trees that are made from the ledger.
pub(super) const TREES: [&str; 8] = [ROWS, UNIQUE, ID_NUMBERS, CARDS, LISTS, PAST, COUNTS, DAYS];

/// Kind and key.
pub(super) fn place(key: &Key) -> Vec<u8> {
    let mut place = vec![key.kind() as u8];
    place.extend(key.to_bytes());
    place
}

/// The key at a place.
pub(super) fn key_at(place: &[u8]) -> Option<Key> {
    let (kind, key) = place.split_first()?;
    Key::from_bytes(Kind::from_number(*kind)?, key)
}

/// Prefix of what happened to a record.
///
/// The length keeps what happened to a branch apart from what happened to one with a longer code.
pub(super) fn past_of(key: &Key) -> Vec<u8> {
    let place = place(key);
    // A key has at most 255 bytes.
    let mut prefix = vec![u8::try_from(place.len()).unwrap_or(u8::MAX)];
    prefix.extend(place);
    prefix
}

/// Prefix of a list.
pub(super) fn list_of(kind: Kind, among: &Among) -> Vec<u8> {
    let mut prefix = vec![kind as u8];
    let mut named = |tag: u8, name: &[u8]| {
        prefix.push(tag);
        prefix.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        prefix.extend(name);
    };
    match among {
        Among::All => named(0, &[]),
        Among::Branch(branch) => named(1, branch.as_bytes()),
        Among::Of(key) => named(2, &place(key)),
        Among::Open => named(3, &[]),
        Among::OpenIn(branch) => named(4, branch.as_bytes()),
    }
    prefix
}

/// The rest of a key of a list: the latest first.
pub(super) fn place_in_list(at: UtcTime, key: &Key) -> Vec<u8> {
    let mut place = (!at.as_nanos()).to_be_bytes().to_vec();
    place.extend(key.to_bytes().iter().map(|byte| !byte));
    place
}

/// Time and key of a record in a list of this kind.
pub(super) fn read_place_in_list(kind: Kind, place: &[u8]) -> Option<(UtcTime, Key)> {
    let (time, key) = place.split_first_chunk::<8>()?;
    let key: Vec<u8> = key.iter().map(|byte| !byte).collect();
    Some((UtcTime::from_nanos(!u64::from_be_bytes(*time)), Key::from_bytes(kind, &key)?))
}

/// Everything that a record is found by: tree, key, value.
fn found_by(rows: &Rows, record: &Record, bytes: &[u8]) -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    let key = record.key();
    let mut keys = Vec::new();
    for unique in record.uniques() {
        let mut owner = place(&key);
        if let Record::Card(card) = record {
            owner.extend(card.customer.to_bytes());
        }
        keys.push((UNIQUE, rows.hide_beside(bytes, &unique).to_bytes().to_vec(), owner));
    }
    if let Some(blind) = rows.hide_id_number_beside(bytes, record) {
        keys.push((ID_NUMBERS, [blind.to_bytes().as_slice(), &key.to_bytes()].concat(), Vec::new()));
    }
    if let Record::Card(card) = record {
        keys.push((CARDS, [card.customer.to_bytes(), card.id.to_bytes()].concat(), Vec::new()));
    }
    if let Some(timed) = record.timed() {
        let mut lists = vec![Among::All, Among::Branch(timed.branch.clone()), Among::Of(timed.of.clone())];
        if timed.is_open {
            lists.extend([Among::Open, Among::OpenIn(timed.branch)]);
        }
        let place = place_in_list(timed.at, &key);
        for among in lists {
            keys.push((LISTS, [list_of(key.kind(), &among), place.clone()].concat(), Vec::new()));
        }
    }
    keys
}

/// What is written to the index at once at most: more would not happen together.
pub(super) const IN_A_BATCH: usize = 100;
/// Batches that each happen wholly or not at all, with as many whole changes in each as fit.
#[derive(Default)]
pub(super) struct Batches {
    full: Vec<Batch>,
    open: Batch,
}

impl Batches {
    /// A batch that has room for so much.
    pub(super) fn with_room_for(&mut self, writes: usize) -> &mut Batch {
        if self.open.len() + writes > IN_A_BATCH {
            self.full.push(std::mem::take(&mut self.open));
        }
        &mut self.open
    }

    /// All of them, in order.
    pub(super) fn end(mut self) -> Vec<Batch> {
        self.full.push(self.open);
        self.full
    }
}

/// What a change makes of that by which a record is found.
pub(super) struct Leads<'a> {
    written: &'a Written,
    was_there: bool,
    previous: Vec<(&'static str, Vec<u8>, Vec<u8>)>,
    next: Vec<(&'static str, Vec<u8>, Vec<u8>)>,
    /// The days of visits that it changes.
    days: BTreeSet<u32>,
}

impl<'a> Leads<'a> {
    pub(super) fn new(
        rows: &Rows,
        before: Option<&(Record, Vec<u8>)>,
        written: &'a Written,
        after: Option<&Record>,
    ) -> Self {
        let bytes = written.bytes.as_deref().unwrap_or_default();
        let previous = before.map_or(Vec::new(), |(record, bytes)| found_by(rows, record, bytes));
        let next = after.map_or(Vec::new(), |record| found_by(rows, record, bytes));
        let visits = before.map(|(record, _)| record).into_iter().chain(after);
        let days = visits
            .filter_map(|record| match record {
                Record::Visit(visit) => Some(day_of(visit.arrived_at)),
                _ => None,
            })
            .collect();
        Self { written, was_there: before.is_some(), previous, next, days }
    }

    /// What kind of record it is, whether it was there, and whether it is.
    pub(super) fn kind(&self) -> (Kind, bool, bool) {
        (self.written.key.kind(), self.was_there, self.written.bytes.is_some())
    }

    /// How much it writes at most.
    pub(super) fn len(&self) -> usize {
        self.previous.len() + self.next.len() + self.days.len() + 2
    }

    /// Puts into a batch that what led to the record before leads there no more. Of all changes of a
    /// commit this comes first: one may take what another had.
    pub(super) fn remove(&self, batch: &mut Batch) {
        for (tree, key, _) in &self.previous {
            if !self.next.iter().any(|(other, other_key, _)| (other, other_key) == (tree, key)) {
                batch.remove(tree, key.as_slice());
            }
        }
    }

    /// Puts into a batch the record as it was written there, and what leads to it.
    pub(super) fn put(self, batch: &mut Batch, at: LedgerPlace) {
        let Self { written, previous, next, days, .. } = self;
        for day in days {
            batch.put(DAYS, days::touched(day), at.number.to_be_bytes());
        }
        for lead in next {
            if !previous.contains(&lead) {
                let (tree, key, value) = lead;
                batch.put(tree, key, value);
            }
        }
        let bytes = written.bytes.as_deref().unwrap_or_default();
        batch.put(ROWS, place(&written.key), [written.version.to_be_bytes().as_slice(), bytes].concat());
        let past = [past_of(&written.key).as_slice(), &(!written.version).to_be_bytes()].concat();
        batch.put(PAST, past, at.to_bytes());
    }
}

/// Where in the ledger something was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LedgerPlace {
    /// The number of the entry.
    pub(super) number: u64,
    /// That of the beginning of the load that it is part of, if it is of one and that is known.
    pub(super) load: Option<u64>,
}

impl LedgerPlace {
    fn to_bytes(self) -> Vec<u8> {
        let load = self.load.map(u64::to_be_bytes);
        [self.number.to_be_bytes().as_slice(), load.as_ref().map_or(&[], <[u8; 8]>::as_slice)].concat()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (number, load) = bytes.split_first_chunk::<8>()?;
        let load = match load {
            [] => None,
            load => Some(u64::from_be_bytes(load.try_into().ok()?)),
        };
        Some(Self { number: u64::from_be_bytes(*number), load })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::VisitId;

    #[test]
    fn a_place_in_a_list_is_read_again_and_the_latest_is_first() {
        let key = |byte| Key::Visit(VisitId::from_bytes([byte; 16]));
        let at = UtcTime::from_nanos;
        let places = [(at(9), key(1)), (at(5), key(2)), (at(5), key(1)), (at(0), key(7))];
        let bytes: Vec<_> = places.iter().map(|(at, key)| place_in_list(*at, key)).collect();
        assert!(bytes.is_sorted());
        for (place, bytes) in places.iter().zip(&bytes) {
            assert_eq!(read_place_in_list(Kind::Visit, bytes).as_ref(), Some(place));
        }
    }

    #[test]
    fn no_list_begins_another() {
        let of = |code: &str| list_of(Kind::Visit, &Among::Branch(code.into()));
        assert!(!of("hubin").starts_with(&of("hu")));
        let past = |code: &str| past_of(&Key::Branch(code.into()));
        assert!(!past("hubin").starts_with(&past("hu")));
    }
}
