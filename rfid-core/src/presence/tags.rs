//! The tracked tags: their states in numbered places, and an index over their ids.

use ahash::RandomState;
use hashbrown::{HashMap, HashTable};

use super::tracked::Tracked;
use super::wheel::{LinkStore, Links};
use crate::tag_id::{TagId, TagIdKind, TagIdRef};

/// Places that are made at once. A table that grows by pieces never copies a million tags while
/// reads wait.
const CHUNK: usize = 1024;

/// States by number and by tag id, each in constant time.
#[derive(Debug)]
pub(super) struct TagTable {
    chunks: Vec<Vec<Option<Tracked>>>,
    free: Vec<u32>,
    index: HashTable<u32>,
    /// Ids that are longer than a place holds, by number of the tag.
    long_ids: HashMap<u32, TagId, RandomState>,
    hasher: RandomState,
    /// How often a tag was added or removed.
    changes: u64,
}

/// A tag id as it stands with the tag: kind, length and up to [`ShortId::MOST`] bytes, which is
/// what nearly all tags have. A longer one is marked and stands beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShortId([u8; ShortId::MOST + 1]);

impl ShortId {
    /// 96 bits.
    const MOST: usize = 12;
    /// Length of those that stand elsewhere.
    const ELSEWHERE: u8 = 15;

    #[inline]
    pub(super) fn new(id: TagIdRef<'_>) -> Self {
        let kind = (id.kind as u8) << 4;
        let mut bytes = [0; Self::MOST + 1];
        let [head, place @ ..] = &mut bytes;
        // 96 bits is what nearly all have, and a copy whose length is known costs next to nothing.
        if let Ok(usual) = id.bytes.try_into() {
            *place = usual;
            *head = kind | Self::MOST as u8;
        } else if let Some(place) = place.get_mut(..id.bytes.len()) {
            place.copy_from_slice(id.bytes);
            *head = kind | id.bytes.len() as u8;
        } else {
            *head = kind | Self::ELSEWHERE;
        }
        Self(bytes)
    }

    #[inline]
    fn is_elsewhere(self) -> bool {
        self.0[0] & 0x0F == Self::ELSEWHERE
    }

    fn get(&self) -> Option<TagIdRef<'_>> {
        let [head, bytes @ ..] = &self.0;
        let kind = TagIdKind::from_number(head >> 4)?;
        Some(TagIdRef { kind, bytes: bytes.get(..usize::from(head & 0x0F))? })
    }

    #[inline]
    fn hash(self, hasher: &RandomState) -> u64 {
        let mut number = [0; 16];
        let (place, _) = number.split_at_mut(self.0.len());
        place.copy_from_slice(&self.0);
        hasher.hash_one(u128::from_le_bytes(number))
    }
}

impl TagTable {
    pub(super) fn new() -> Self {
        Self {
            chunks: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            long_ids: HashMap::default(),
            hasher: RandomState::new(),
            changes: 0,
        }
    }

    /// A number that is another one after each change of which tags are inside.
    #[inline]
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Number of tags inside.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The number of this tag, if it is inside.
    #[inline]
    pub(super) fn find(&self, id: TagIdRef<'_>) -> Option<u32> {
        let short = ShortId::new(id);
        if short.is_elsewhere() {
            return self.find_long(id);
        }
        let is_it = |number: &u32| self.get(*number).is_some_and(|tag| tag.id == short);
        self.index.find(short.hash(&self.hasher), is_it).copied()
    }

    #[cold]
    fn find_long(&self, id: TagIdRef<'_>) -> Option<u32> {
        let is_it = |number: &u32| self.long_ids.get(number).is_some_and(|other| other.as_ref() == id);
        self.index.find(self.hasher.hash_one(id), is_it).copied()
    }

    /// Adds a tag that is not inside and returns its number. `id` is that of the tag.
    pub(super) fn insert(&mut self, id: TagIdRef<'_>, tag: Tracked) -> u32 {
        self.changes += 1;
        let number = self.free.pop().unwrap_or_else(|| self.make_place());
        if let Some(place) = self.place_mut(number) {
            *place = Some(tag);
        }
        if tag.id.is_elsewhere() {
            self.long_ids.insert(number, id.to_owned());
        }
        let hash = self.hash_of(number);
        let Self { chunks, index, long_ids, hasher, .. } = self;
        index.insert_unique(hash, number, |other| hash_of(chunks, long_ids, hasher, *other));
        number
    }

    /// Removes a tag. Its wheel entry must be gone already.
    pub(super) fn remove(&mut self, number: u32) {
        self.changes += 1;
        let hash = self.hash_of(number);
        if self.place_mut(number).and_then(Option::take).is_none() {
            return;
        }
        self.long_ids.remove(&number);
        if let Ok(entry) = self.index.find_entry(hash, |other| *other == number) {
            entry.remove();
        }
        self.free.push(number);
    }

    #[inline]
    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Tracked> {
        self.place_mut(number)?.as_mut()
    }

    #[inline]
    pub(super) fn get(&self, number: u32) -> Option<&Tracked> {
        place(&self.chunks, number)
    }

    pub(super) fn id(&self, number: u32) -> Option<TagId> {
        let tag = self.get(number)?;
        if tag.id.is_elsewhere() {
            return self.long_ids.get(&number).copied();
        }
        tag.id.get().map(TagIdRef::to_owned)
    }

    /// How many numbers have been given out: all tags have numbers below.
    pub(super) fn places(&self) -> u32 {
        let last = self.chunks.last().map_or(0, Vec::len);
        (self.chunks.len().saturating_sub(1) * CHUNK + last) as u32
    }

    fn make_place(&mut self) -> u32 {
        let number = self.places();
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(None),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(None);
                self.chunks.push(chunk);
            }
        }
        number
    }

    #[inline]
    fn place_mut(&mut self, number: u32) -> Option<&mut Option<Tracked>> {
        let number = number as usize;
        self.chunks.get_mut(number / CHUNK)?.get_mut(number % CHUNK)
    }

    fn hash_of(&self, number: u32) -> u64 {
        hash_of(&self.chunks, &self.long_ids, &self.hasher, number)
    }
}

#[inline]
fn place(chunks: &[Vec<Option<Tracked>>], number: u32) -> Option<&Tracked> {
    let number = number as usize;
    chunks.get(number / CHUNK)?.get(number % CHUNK)?.as_ref()
}

fn hash_of(
    chunks: &[Vec<Option<Tracked>>],
    long_ids: &HashMap<u32, TagId, RandomState>,
    hasher: &RandomState,
    number: u32,
) -> u64 {
    match (long_ids.get(&number), place(chunks, number)) {
        (Some(id), _) => hasher.hash_one(id.as_ref()),
        (None, Some(tag)) => tag.id.hash(hasher),
        (None, None) => 0,
    }
}

impl LinkStore for TagTable {
    fn links(&mut self, index: u32) -> Option<&mut Links> {
        self.get_mut(index).map(|tag| &mut tag.links)
    }
}

#[cfg(test)]
mod tests {
    use super::super::glimpses::Glimpse;
    use super::super::moment::At;
    use super::super::tracked::Heard;
    use super::*;

    fn tag(id: &TagId) -> Tracked {
        let at = At::default();
        let heard = Heard {
            reader: 0,
            antenna_port: 1,
            zone: 0,
            count: 3,
            rssi_cdbm: None,
            protocol: None,
            authentic: None,
            first: at,
            last: at,
        };
        Tracked::arriving(ShortId::new(id.as_ref()), &Glimpse::new(id.as_ref(), &heard), &heard)
    }

    #[test]
    fn finds_short_and_long_ids_and_uses_places_again() {
        let mut tags = TagTable::new();
        let ids: Vec<TagId> = [(1, 12), (1, 13), (2, 62), (3, 62), (4, 1)]
            .into_iter()
            .filter_map(|(byte, len)| TagId::new(TagIdKind::Epc, &vec![byte; len]).ok())
            .collect();
        let numbers: Vec<u32> = ids.iter().map(|id| tags.insert(id.as_ref(), tag(id))).collect();
        for (id, number) in ids.iter().zip(&numbers) {
            assert_eq!(tags.find(id.as_ref()), Some(*number));
            assert_eq!(tags.id(*number), Some(*id));
        }
        tags.remove(numbers[2]);
        tags.remove(numbers[2]);
        assert_eq!(tags.find(ids[2].as_ref()), None);
        assert_eq!(tags.len(), 4);
        assert_eq!(tags.insert(ids[2].as_ref(), tag(&ids[2])), numbers[2]);
        assert_eq!(tags.places(), 5);
    }

    #[test]
    fn the_same_bytes_of_another_kind_are_another_tag() {
        let mut tags = TagTable::new();
        let epc = TagId::new(TagIdKind::Epc, &[1; 8]).unwrap();
        let uid = TagId::new(TagIdKind::Iso15693Uid, &[1; 8]).unwrap();
        tags.insert(epc.as_ref(), tag(&epc));
        assert_eq!(tags.find(uid.as_ref()), None);
    }

    #[test]
    fn grows_over_many_pieces() {
        let mut tags = TagTable::new();
        let ids: Vec<TagId> = (0..5000u32)
            .filter_map(|number| TagId::new(TagIdKind::Epc, &number.to_be_bytes()).ok())
            .collect();
        for id in &ids {
            tags.insert(id.as_ref(), tag(id));
        }
        assert!(ids.iter().enumerate().all(|(number, id)| tags.find(id.as_ref()) == Some(number as u32)));
    }
}
