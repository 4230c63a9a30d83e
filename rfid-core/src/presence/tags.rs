//! The tracked tags: a slab of states and an index over their ids.

use ahash::RandomState;
use hashbrown::HashTable;

use super::wheel::{LinkStore, Links};
use crate::tag_id::{TagId, TagIdKind, TagIdRef};

/// States by number and by tag id, each in constant time.
#[derive(Debug)]
pub(super) struct TagTable<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    index: HashTable<u32>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Slot<T> {
    id: StoredId,
    links: Links,
    state: Option<T>,
}

/// A tag id in 24 bytes where it is short, as nearly all are.
#[derive(Clone, Debug)]
enum StoredId {
    Short { kind: TagIdKind, len: u8, bytes: [u8; StoredId::SHORT] },
    Long(Box<TagId>),
}

impl StoredId {
    const SHORT: usize = 21;

    fn new(id: TagIdRef<'_>) -> Self {
        let mut bytes = [0; Self::SHORT];
        match bytes.get_mut(..id.bytes.len()) {
            Some(place) => {
                place.copy_from_slice(id.bytes);
                Self::Short { kind: id.kind, len: id.bytes.len() as u8, bytes }
            }
            None => Self::Long(Box::new(id.to_owned())),
        }
    }

    fn as_ref(&self) -> TagIdRef<'_> {
        match self {
            Self::Short { kind, len, bytes } => {
                TagIdRef { kind: *kind, bytes: bytes.get(..usize::from(*len)).unwrap_or_default() }
            }
            Self::Long(id) => (**id).as_ref(),
        }
    }
}

impl<T> TagTable<T> {
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), index: HashTable::new(), hasher: RandomState::new() }
    }

    /// Number of tags inside.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The number of this tag, if it is inside.
    pub(super) fn find(&self, id: TagIdRef<'_>) -> Option<u32> {
        let is_it =
            |number: &u32| self.slots.get(*number as usize).is_some_and(|slot| slot.id.as_ref() == id);
        self.index.find(self.hasher.hash_one(id), is_it).copied()
    }

    /// Adds a tag that is not inside and returns its number.
    pub(super) fn insert(&mut self, id: TagIdRef<'_>, state: T) -> u32 {
        let slot = Slot { id: StoredId::new(id), links: Links::default(), state: Some(state) };
        let number = match self.free.pop() {
            Some(number) => number,
            None => self.slots.len() as u32,
        };
        match self.slots.get_mut(number as usize) {
            Some(place) => *place = slot,
            None => self.slots.push(slot),
        }
        let Self { slots, index, hasher, .. } = self;
        index.insert_unique(hasher.hash_one(id), number, |other| {
            slots.get(*other as usize).map_or(0, |slot| hasher.hash_one(slot.id.as_ref()))
        });
        number
    }

    /// Removes a tag. Its wheel entry must be gone already.
    pub(super) fn remove(&mut self, number: u32) {
        let Some(slot) = self.slots.get_mut(number as usize) else { return };
        if slot.state.take().is_none() {
            return;
        }
        let hash = self.hasher.hash_one(slot.id.as_ref());
        if let Ok(entry) = self.index.find_entry(hash, |other| *other == number) {
            entry.remove();
        }
        self.free.push(number);
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.slots.get_mut(number as usize)?.state.as_mut()
    }

    pub(super) fn get(&self, number: u32) -> Option<&T> {
        self.slots.get(number as usize)?.state.as_ref()
    }

    pub(super) fn id(&self, number: u32) -> Option<TagId> {
        Some(self.slots.get(number as usize)?.id.as_ref().to_owned())
    }

    /// All tags with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.slots.iter().enumerate().filter_map(|(number, slot)| Some((number as u32, slot.state.as_ref()?)))
    }
}

impl<T> LinkStore for TagTable<T> {
    fn links(&mut self, index: u32) -> Option<&mut Links> {
        self.slots.get_mut(index as usize).map(|slot| &mut slot.links)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_short_and_long_ids_and_uses_places_again() {
        let mut tags = TagTable::new();
        let short = TagId::new(TagIdKind::Epc, &[1; 12]).unwrap();
        let long = TagId::new(TagIdKind::Epc, &[1; 62]).unwrap();
        let first = tags.insert(short.as_ref(), "short");
        let second = tags.insert(long.as_ref(), "long");
        assert_eq!(tags.find(short.as_ref()), Some(first));
        assert_eq!(tags.find(long.as_ref()), Some(second));
        assert_eq!(tags.id(second), Some(long));
        tags.remove(first);
        tags.remove(first);
        assert_eq!(tags.find(short.as_ref()), None);
        assert_eq!(tags.len(), 1);
        assert_eq!(tags.insert(short.as_ref(), "again"), first);
    }
}
