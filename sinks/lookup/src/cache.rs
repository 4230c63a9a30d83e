//! Records that were found lately, in front of the store: who comes to a door is mostly who has been
//! there, and a way to the store's thread and back takes longer than everything else that a lookup does.

use std::collections::HashMap;
use std::mem;

use rfid_core::{Record, TagId};

/// Tags in each half.
const HALF: usize = 2_048;

/// Longest record that is kept, in bytes as it is stored: some hundred are usual, and 32 KiB allowed.
pub(crate) const LONGEST: usize = 2_048;

/// What was found, also that a tag is not known, for one state of the store.
///
/// The half that is full becomes the older one, whose tags go when the next half is full unless they
/// were asked for meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    /// The state of the store that all of this was found in.
    state: u64,
    /// The tree that holds the records.
    tree: Option<String>,
    recent: HashMap<TagId, Option<Record>>,
    older: HashMap<TagId, Option<Record>>,
}

impl Cache {
    /// What was found for these tags; `None` where the store has to be asked for one of them.
    pub(crate) fn find<'a>(
        &mut self,
        state: u64,
        tags: impl Iterator<Item = &'a TagId>,
    ) -> Option<Vec<Option<Record>>> {
        if state != self.state {
            return None;
        }
        tags.map(|tag| {
            if let Some(found) = self.recent.get(tag) {
                return Some(found.clone());
            }
            let found = self.older.remove(tag)?;
            self.insert(*tag, found.clone());
            Some(found)
        })
        .collect()
    }

    /// The tree to look into.
    pub(crate) fn tree(&self, state: u64) -> Option<String> {
        self.tree.clone().filter(|_| state == self.state)
    }

    /// Keeps what was found in this tree and this state of the store.
    pub(crate) fn keep(&mut self, state: u64, tree: String, found: Vec<(TagId, Option<Record>)>) {
        if state > self.state {
            *self = Self { state, ..Self::default() };
        }
        if state == self.state {
            self.tree = Some(tree);
            found.into_iter().for_each(|(tag, record)| self.insert(tag, record));
        }
    }

    fn insert(&mut self, tag: TagId, record: Option<Record>) {
        if self.recent.len() >= HALF {
            self.older = mem::take(&mut self.recent);
        }
        self.recent.insert(tag, record);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rfid_core::TagIdKind;

    fn tag(number: usize) -> TagId {
        TagId::new(TagIdKind::Epc, &(number as u32).to_be_bytes()).unwrap()
    }

    fn keep(cache: &mut Cache, state: u64, number: usize) {
        cache.keep(state, "records-1".to_owned(), vec![(tag(number), None)]);
    }

    fn found(cache: &mut Cache, state: u64, number: usize) -> bool {
        cache.find(state, [tag(number)].iter()).is_some()
    }

    #[test]
    fn what_was_found_counts_for_one_state_of_the_store() {
        let mut cache = Cache::default();
        keep(&mut cache, 4, 1);
        assert_eq!(cache.find(4, [tag(1)].iter()), Some(vec![None]));
        assert_eq!((cache.tree(4).as_deref(), cache.tree(5)), (Some("records-1"), None));
        assert!(cache.find(4, [tag(1), tag(2)].iter()).is_none(), "one of them is to be asked for");
        assert!(!found(&mut cache, 5, 1));
        keep(&mut cache, 5, 2);
        keep(&mut cache, 4, 3);
        assert!(found(&mut cache, 5, 2) && !found(&mut cache, 5, 1) && !found(&mut cache, 5, 3));
    }

    #[test]
    fn who_is_asked_for_stays_and_there_is_an_end_to_the_rest() {
        let mut cache = Cache::default();
        for number in 0..10 * HALF {
            keep(&mut cache, 0, number);
            assert!(found(&mut cache, 0, 0));
            assert!(cache.recent.len() + cache.older.len() <= 2 * HALF);
        }
        assert!(!found(&mut cache, 0, 1));
        assert!(found(&mut cache, 0, 10 * HALF - 1));
    }
}
