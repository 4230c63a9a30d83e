//! Who bears which card, in memory: what is asked while somebody walks through a door.
//!
//! It is made from the index when somebody asks for the first time, beside everything else, and the writer
//! keeps it where the index is. Until it is complete, what is not in it is looked for in the index. A card takes
//! less than 200 bytes here with its customer; nothing of them says who somebody is.
//!
//! What a lookup among many cards takes is memory that no cache has. So all of a card and of its customer is in
//! one line ([`line`]), which stands where the hash of the card's EPC says ([`lines`]): a door waits for memory
//! once. What is known of a customer is written into the line of each of the customer's cards.

mod line;
mod lines;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockWriteGuard};

use rfid_core::{TagId, TagIdRef};
use tokio::task::JoinHandle;

use self::line::{Common, Known, Line, Said, first_tag};
use self::lines::{Lines, Pointers};
use crate::record::{Bearer, Card, CardId, CustomerId, Key, Record};
use crate::store::{Holder, Stored};

/// Cards for which room is made before any is here: a wrong number takes no more than half a gigabyte.
const MOST_EXPECTED: u64 = 4_000_000;

/// Bearers of cards.
#[derive(Default)]
pub(super) struct Bearers<S = RandomState> {
    state: RwLock<State<S>>,
    /// Whether anybody has asked: an import needs none of it.
    is_wanted: AtomicBool,
    filling: Mutex<Option<JoinHandle<()>>>,
}

/// What is known of some tags.
pub(super) struct Found {
    /// In the order of the tags.
    pub(super) holders: Vec<Option<Holder>>,
    /// Numbers of those that are not known and may be in the index, because not everything is here yet.
    pub(super) not_yet: Vec<usize>,
}

#[derive(Default)]
struct State<S> {
    hashes: Hashes<S>,
    /// Of all cards that bear a tag, by that which is their first.
    lines: Lines,
    /// Those that do not fit into a line.
    cards: HashMap<CardId, Box<Stored<Card>>>,
    /// Those who have no card that bears a tag, or of whom more is known than fits into a line.
    customers: HashMap<CustomerId, Known>,
    by_card: Pointers,
    by_customer: Pointers,
    /// All tags but those first ones that are an EPC.
    by_other_tag: Pointers,
    common: Common,
    is_complete: bool,
    /// What was removed while it is filled, and must not come back from a page that was read before.
    removed: HashSet<Key>,
}

#[derive(Default)]
struct Hashes<S>(S);

impl<S: BuildHasher> Hashes<S> {
    fn of_tag(&self, tag: TagIdRef<'_>) -> u32 {
        let mut hasher = self.0.build_hasher();
        hasher.write_u8(tag.kind as u8);
        hasher.write(tag.bytes);
        Self::upper(hasher.finish())
    }

    fn of_id(&self, id: impl Hash) -> u32 {
        Self::upper(self.0.hash_one(id))
    }

    fn of_line(&self, line: &Line) -> u32 {
        line.first_tag().map_or_else(|hash| hash, |tag| self.of_tag(tag))
    }

    fn upper(hash: u64) -> u32 {
        (hash >> 32) as u32
    }
}

impl<S: BuildHasher> State<S> {
    fn holder(&self, tag: &TagId) -> Option<Holder> {
        let hash = self.hashes.of_tag(tag.as_ref());
        let with = |first: u32| self.lines.find(first, |line| self.bears(line, tag, first));
        let first = tag.kind().is_epc().then(|| with(hash)).flatten();
        let line = first.or_else(|| self.by_other_tag.from(hash).find_map(with))?;
        let customer = self.common.bearer(line.customer, self.known_by(line)?)?;
        Some(Holder { card: self.card(line)?, customer })
    }

    fn bears(&self, line: &Line, tag: &TagId, first: u32) -> bool {
        line.bears(tag).unwrap_or_else(|hash| {
            hash == first
                && self
                    .cards
                    .get(&line.card)
                    .is_some_and(|card| card.record.tags().any(|other| other == *tag))
        })
    }

    fn card(&self, line: &Line) -> Option<Stored<Card>> {
        line.card(&self.common).or_else(|| self.cards.get(&line.card).map(|card| Stored::clone(card)))
    }

    fn known_by(&self, line: &Line) -> Option<Known> {
        match line.said() {
            Said::Here(known) => Some(known),
            Said::Elsewhere => self.customers.get(&line.customer).copied(),
            Said::Unknown => None,
        }
    }

    fn place_of(&self, id: CardId) -> Option<usize> {
        let is_it = |line: &Line| line.card == id;
        self.by_card.from(self.hashes.of_id(id)).find_map(|first| self.lines.place_of(first, is_it))
    }

    fn line_of(&self, customer: CustomerId) -> Option<&Line> {
        let is_it = |line: &Line| line.customer == customer;
        self.by_customer.from(self.hashes.of_id(customer)).find_map(|first| self.lines.find(first, is_it))
    }

    fn known(&self, id: CustomerId) -> Option<Known> {
        self.customers.get(&id).copied().or_else(|| self.known_by(self.line_of(id)?))
    }

    /// The version that is here; 0 if there is none.
    fn version(&self, key: &Key) -> u32 {
        match key {
            Key::Card(id) => {
                let line = self.place_of(*id).and_then(|place| self.lines.get(place));
                line.and_then(|line| self.card(line)).map_or(0, |card| card.version)
            }
            Key::Customer(id) => self.known(*id).map_or(0, |known| known.version),
            _ => 0,
        }
    }

    fn expect(&mut self, cards: usize) {
        self.lines.reserve(cards, |line| self.hashes.of_line(line));
        self.by_card.reserve(cards);
        self.by_customer.reserve(cards);
    }

    fn put(&mut self, version: u32, record: &Record) {
        match record {
            Record::Card(card) => self.put_card(version, card),
            Record::Customer(customer) => {
                let known = self.common.known(version, &Bearer::of(customer));
                self.note(customer.id, Some(known));
            }
            _ => {}
        }
    }

    fn put_card(&mut self, version: u32, card: &Card) {
        self.forget_card(card.id);
        let Some(first) = first_tag(card) else { return };
        let hash = self.hashes.of_tag(first.as_ref());
        let known = self.known(card.customer);
        let mut line = match Line::of(version, card, &mut self.common) {
            Some(line) => line,
            None => {
                self.cards.insert(card.id, Box::new(Stored { version, record: card.clone() }));
                Line::elsewhere(card, hash)
            }
        };
        if line.note(known) {
            self.customers.remove(&card.customer);
        }
        self.lines.put(line, |line| self.hashes.of_line(line));
        self.by_card.put(self.hashes.of_id(card.id), hash);
        self.by_customer.put(self.hashes.of_id(card.customer), hash);
        for tag in other_tags(card) {
            self.by_other_tag.put(self.hashes.of_tag(tag.as_ref()), hash);
        }
    }

    fn forget_card(&mut self, id: CardId) {
        let Some(place) = self.place_of(id) else { return };
        let Some(line) = self.lines.take(place, |line| self.hashes.of_line(line)) else { return };
        let hash = self.hashes.of_line(&line);
        self.by_card.remove(self.hashes.of_id(id), hash);
        self.by_customer.remove(self.hashes.of_id(line.customer), hash);
        for tag in self.card(&line).iter().flat_map(|card| other_tags(&card.record)) {
            self.by_other_tag.remove(self.hashes.of_tag(tag.as_ref()), hash);
        }
        self.cards.remove(&id);
        // The customer may get another.
        if let Said::Here(known) = line.said()
            && self.line_of(line.customer).is_none()
        {
            self.customers.insert(line.customer, known);
        }
    }

    /// Notes what is known of a customer now.
    fn note(&mut self, id: CustomerId, known: Option<Known>) {
        let mut is_in_lines = false;
        for hash in self.by_customer.from(self.hashes.of_id(id)) {
            self.lines.change(hash, |line| {
                if line.customer == id {
                    is_in_lines = line.note(known);
                }
            });
        }
        match known {
            Some(known) if !is_in_lines => {
                self.customers.insert(id, known);
            }
            _ => {
                self.customers.remove(&id);
            }
        }
    }
}

/// The tags by which a card is found, but for the first if that is an EPC.
fn other_tags(card: &Card) -> impl Iterator<Item = TagId> {
    let first = first_tag(card).filter(|tag| tag.kind().is_epc());
    card.tags().filter(move |tag| Some(*tag) != first)
}

impl<S: BuildHasher> Bearers<S> {
    /// Whether this is the first time that somebody asks, so that filling has to begin.
    pub(super) fn is_first_asked(&self) -> bool {
        !self.is_wanted.load(Ordering::Acquire) && !self.is_wanted.swap(true, Ordering::AcqRel)
    }

    /// Keeps the task that fills.
    pub(super) fn filled_by(&self, task: JoinHandle<()>) {
        *self.filling.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    /// Ends filling.
    pub(super) fn stop(&self) {
        if let Some(task) = self.filling.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }

    /// What is known of these tags.
    pub(super) fn of(&self, tags: &[TagId]) -> Found {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let holders: Vec<_> = tags.iter().map(|tag| state.holder(tag)).collect();
        let mut not_yet = Vec::new();
        if !state.is_complete {
            let unknown = holders.iter().enumerate().filter(|(_, holder)| holder.is_none());
            not_yet.extend(unknown.map(|(number, _)| number));
        }
        Found { holders, not_yet }
    }

    /// Takes over what was written: records as they are now, or that they were removed.
    pub(super) fn written<'a>(&self, changes: impl Iterator<Item = (&'a Key, u32, Option<&'a Record>)>) {
        // Whatever was written before somebody asks is in the index that filling reads.
        if !self.is_wanted.load(Ordering::Acquire) {
            return;
        }
        let mut state = self.state();
        for (key, version, record) in changes {
            match (key, record) {
                (_, Some(record)) => state.put(version, record),
                (Key::Card(id), None) => state.forget_card(*id),
                (Key::Customer(id), None) => state.note(*id, None),
                _ => {}
            }
            let may_come_back = !state.is_complete && matches!(key, Key::Card(_) | Key::Customer(_));
            // Neither is a card without tags here.
            if may_come_back && state.version(key) == 0 {
                state.removed.insert(key.clone());
            }
        }
    }

    /// Makes room for as many cards as the index has.
    pub(super) fn expect(&self, cards: u64) {
        self.state().expect(usize::try_from(cards.min(MOST_EXPECTED)).unwrap_or_default());
    }

    /// Takes in a page of what the index had a moment ago; what was written since then is newer.
    pub(super) fn fill(&self, page: &[Stored]) {
        let mut state = self.state();
        for Stored { version, record } in page {
            let key = record.key();
            if state.version(&key) < *version && !state.removed.contains(&key) {
                state.put(*version, record);
            }
        }
    }

    /// Notes that everything that the index has was filled in.
    pub(super) fn complete(&self) {
        let mut state = self.state();
        state.is_complete = true;
        state.removed = HashSet::new();
    }

    fn state(&self) -> RwLockWriteGuard<'_, State<S>> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
