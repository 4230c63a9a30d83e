//! Who bears which card, in memory: what is asked while somebody walks through a door.
//!
//! It is made from the index when somebody asks for the first time, beside everything else, and the writer
//! keeps it where the index is. Until it is complete, what is not in it is looked for in the index. A card takes
//! some 200 bytes here with its customer; nothing of them says who somebody is.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockWriteGuard};

use hashbrown::HashTable;
use rfid_core::{Name, TagId, TagIdKind};
use tokio::task::JoinHandle;

use crate::record::{
    AllowedBranches, Bearer, Card, CardId, CardState, CustomerId, Key, LocalDate, Plastic, Record, StaffId,
};
use crate::store::{Holder, Stored};

/// Bearers of cards.
#[derive(Default)]
pub(super) struct Bearers {
    state: RwLock<State>,
    /// Whether anybody has asked: an import needs none of it.
    is_wanted: AtomicBool,
    filling: Mutex<Option<JoinHandle<()>>>,
}

/// Not everything is here yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct NotYet;

/// No place.
const NOWHERE: u32 = u32::MAX;

/// Places by hashes. What stands at a place is compared by whoever asks.
#[derive(Default)]
struct Places(HashTable<(u64, u32)>);

impl Places {
    fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        self.0.find(hash, |(other, at)| *other == hash && is_it(*at)).map(|(_, at)| *at)
    }

    fn put(&mut self, hash: u64, at: u32) {
        self.0.insert_unique(hash, (hash, at), |(hash, _)| *hash);
    }

    fn remove(&mut self, hash: u64, at: u32) {
        if let Ok(entry) = self.0.find_entry(hash, |other| *other == (hash, at)) {
            entry.remove();
        }
    }
}

#[derive(Default)]
struct State {
    hashes: RandomState,
    cards: Vec<Option<CardEntry>>,
    free: Vec<u32>,
    by_card: Places,
    by_tag: Places,
    customers: Vec<CustomerEntry>,
    by_customer: Places,
    /// Few differ: each is here once.
    names: HashSet<Name>,
    is_complete: bool,
    /// What was removed while it is filled, and must not come back from a page that was read before.
    removed: HashSet<Key>,
}

/// A card, with as little beside it as can be.
struct CardEntry {
    id: CardId,
    customer: CustomerId,
    /// Where the customer stands; [`NOWHERE`] where that was not known when the card came.
    customer_at: u32,
    version: u32,
    valid_from: LocalDate,
    valid_until: LocalDate,
    state: CardState,
    tags: Tags,
    /// Of the few that have any of it.
    more: Option<Box<More>>,
}

/// What few cards have.
#[derive(Clone)]
struct More {
    branches: AllowedBranches,
    replaced_by: Option<CardId>,
    plastic: Option<Plastic>,
}

/// Kind, length and bytes of a card's EPC and its UID, one behind the other.
enum Tags {
    /// As long as those of nearly all cards are: beside the rest of the card, because whoever looks for
    /// memory elsewhere waits for it.
    Here(u8, [u8; TAGS_HERE]),
    Elsewhere(Box<[u8]>),
}

/// An EPC of 96 bits and a UID of seven bytes.
const TAGS_HERE: usize = 2 + 12 + 2 + 7;

impl Tags {
    fn of(card: &Card) -> Self {
        let mut bytes = Vec::new();
        for tag in card.tags() {
            // A tag has at most 62 bytes.
            bytes.extend([tag.kind() as u8, u8::try_from(tag.bytes().len()).unwrap_or(u8::MAX)]);
            bytes.extend_from_slice(tag.bytes());
        }
        let mut here = [0; TAGS_HERE];
        match (here.get_mut(..bytes.len()), u8::try_from(bytes.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(&bytes);
                Self::Here(len, here)
            }
            _ => Self::Elsewhere(bytes.into()),
        }
    }

    fn iter(&self) -> impl Iterator<Item = TagId> {
        let mut rest = match self {
            Self::Here(len, bytes) => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Self::Elsewhere(bytes) => bytes,
        };
        std::iter::from_fn(move || {
            let (&[kind, len], behind) = rest.split_first_chunk::<2>()?;
            let (bytes, behind) = behind.split_at_checked(len.into())?;
            rest = behind;
            TagId::new(TagIdKind::from_number(kind)?, bytes).ok()
        })
    }
}

struct CustomerEntry {
    id: CustomerId,
    /// 0 of one that was removed.
    version: u32,
    vip_class: Name,
    account_manager: Option<StaffId>,
    agrees: bool,
    closed: bool,
}

impl CardEntry {
    fn new(version: u32, card: &Card, customer_at: Option<u32>) -> Self {
        let Card { branches, replaced_by, plastic, .. } = card;
        let is_plain = *branches == AllowedBranches::All && replaced_by.is_none() && plastic.is_none();
        let more =
            || More { branches: branches.clone(), replaced_by: *replaced_by, plastic: plastic.clone() };
        Self {
            id: card.id,
            customer: card.customer,
            customer_at: customer_at.unwrap_or(NOWHERE),
            version,
            valid_from: card.valid_from,
            valid_until: card.valid_until,
            state: card.state,
            tags: Tags::of(card),
            more: (!is_plain).then(|| Box::new(more())),
        }
    }

    fn tags(&self) -> impl Iterator<Item = TagId> {
        self.tags.iter()
    }

    fn card(&self) -> Stored<Card> {
        let of_kind = |is_epc: bool| self.tags().find(|tag| tag.kind().is_epc() == is_epc);
        let nothing = || More { branches: AllowedBranches::All, replaced_by: None, plastic: None };
        let More { branches, replaced_by, plastic } = self.more.as_deref().cloned().unwrap_or_else(nothing);
        let record = Card {
            id: self.id,
            customer: self.customer,
            epc: of_kind(true),
            uid: of_kind(false),
            state: self.state,
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            branches,
            replaced_by,
            plastic,
        };
        Stored { version: self.version, record }
    }
}

impl CustomerEntry {
    fn bearer(&self) -> Stored<Bearer> {
        let record = Bearer {
            id: self.id,
            vip_class: self.vip_class.clone(),
            account_manager: self.account_manager,
            agrees: self.agrees,
            closed: self.closed,
        };
        Stored { version: self.version, record }
    }
}

impl State {
    fn card(&self, at: u32) -> Option<&CardEntry> {
        self.cards.get(at as usize)?.as_ref()
    }

    fn holder(&self, tag: &TagId) -> Option<Holder> {
        let bears = |at| self.card(at).is_some_and(|card| card.tags().any(|other| other == *tag));
        let card = self.card(self.by_tag.find(self.hashes.hash_one(tag), bears)?)?;
        // A customer stays where it is.
        let at = match card.customer_at {
            NOWHERE => self.customer_at(card.customer)?,
            at => at,
        };
        let customer = self.customers.get(at as usize)?;
        (customer.version > 0).then(|| Holder { card: card.card(), customer: customer.bearer() })
    }

    fn card_at(&self, id: CardId) -> Option<u32> {
        let is_it = |at| self.card(at).is_some_and(|card| card.id == id);
        self.by_card.find(self.hashes.hash_one(id), is_it)
    }

    fn customer_at(&self, id: CustomerId) -> Option<u32> {
        let is_it = |at: u32| self.customers.get(at as usize).is_some_and(|customer| customer.id == id);
        self.by_customer.find(self.hashes.hash_one(id), is_it)
    }

    /// The version that is here; 0 if there is none.
    fn version(&self, key: &Key) -> u32 {
        match key {
            Key::Card(id) => self.card_at(*id).and_then(|at| self.card(at)).map_or(0, |card| card.version),
            Key::Customer(id) => self
                .customer_at(*id)
                .and_then(|at| self.customers.get(at as usize))
                .map_or(0, |customer| customer.version),
            _ => 0,
        }
    }

    fn put(&mut self, version: u32, record: &Record) {
        match record {
            Record::Card(card) => self.put_card(version, card),
            Record::Customer(customer) => self.put_customer(version, &Bearer::of(customer)),
            _ => {}
        }
    }

    fn put_card(&mut self, version: u32, card: &Card) {
        self.forget_card(card.id);
        let entry = CardEntry::new(version, card, self.customer_at(card.customer));
        let tags: Vec<u64> = entry.tags().map(|tag| self.hashes.hash_one(tag)).collect();
        let at = match self.free.pop() {
            Some(at) => at,
            None => {
                self.cards.push(None);
                // More cards than that do not fit into memory.
                u32::try_from(self.cards.len() - 1).unwrap_or(u32::MAX)
            }
        };
        if let Some(place) = self.cards.get_mut(at as usize) {
            *place = Some(entry);
        }
        self.by_card.put(self.hashes.hash_one(card.id), at);
        tags.into_iter().for_each(|hash| self.by_tag.put(hash, at));
    }

    fn forget_card(&mut self, id: CardId) {
        let Some(at) = self.card_at(id) else { return };
        let Some(card) = self.cards.get_mut(at as usize).and_then(Option::take) else { return };
        self.by_card.remove(self.hashes.hash_one(id), at);
        for tag in card.tags() {
            self.by_tag.remove(self.hashes.hash_one(tag), at);
        }
        self.free.push(at);
    }

    fn put_customer(&mut self, version: u32, bearer: &Bearer) {
        let vip_class = match self.names.get(&bearer.vip_class) {
            Some(name) => name.clone(),
            None => {
                self.names.insert(bearer.vip_class.clone());
                bearer.vip_class.clone()
            }
        };
        let entry = CustomerEntry {
            id: bearer.id,
            version,
            vip_class,
            account_manager: bearer.account_manager,
            agrees: bearer.agrees,
            closed: bearer.closed,
        };
        match self.customer_at(bearer.id) {
            Some(at) => {
                if let Some(place) = self.customers.get_mut(at as usize) {
                    *place = entry;
                }
            }
            None => {
                let at = u32::try_from(self.customers.len()).unwrap_or(u32::MAX);
                self.customers.push(entry);
                self.by_customer.put(self.hashes.hash_one(bearer.id), at);
            }
        }
    }
}

impl Bearers {
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

    /// What is known of these tags, in their order.
    pub(super) fn of(&self, tags: &[TagId]) -> Vec<Result<Option<Holder>, NotYet>> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let known = |tag: &TagId| match state.holder(tag) {
            None if !state.is_complete => Err(NotYet),
            holder => Ok(holder),
        };
        tags.iter().map(known).collect()
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
                (Key::Customer(id), None) => {
                    if let Some(at) = state.customer_at(*id)
                        && let Some(customer) = state.customers.get_mut(at as usize)
                    {
                        customer.version = 0;
                    }
                }
                _ => {}
            }
            if !state.is_complete && record.is_none() {
                state.removed.insert(key.clone());
            }
        }
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

    fn state(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::suite;

    fn tags() -> Vec<TagId> {
        (0..6)
            .flat_map(|number| [TagIdKind::Epc, TagIdKind::Iso14443Uid].map(|kind| suite::tag(kind, number)))
            .collect()
    }

    fn records() -> impl Strategy<Value = (u8, u8, u8, bool)> {
        (0u8..5, 0u8..4, 0u8..6, proptest::bool::weighted(0.7))
    }

    proptest! {
        /// Whatever is written in whatever order, a card is found by its tags as by looking through all.
        #[test]
        fn a_tag_leads_to_the_card_that_bears_it(series in proptest::collection::vec(records(), 0..60), filled_at in 0usize..60) {
            let bearers = Bearers::default();
            assert!(bearers.is_first_asked() && !bearers.is_first_asked());
            let mut cards: std::collections::BTreeMap<CardId, Stored<Card>> = Default::default();
            let mut customers: std::collections::BTreeMap<CustomerId, Stored<Bearer>> = Default::default();
            let mut version = 0;
            for (step, (number, of, epc, is_there)) in series.into_iter().enumerate() {
                version += 1;
                if number == 0 {
                    let customer = suite::customer(of, epc);
                    let key = Key::Customer(customer.id);
                    let record = Record::from(customer.clone());
                    bearers.written([(&key, version, is_there.then_some(&record))].into_iter());
                    customers.remove(&customer.id);
                    if is_there {
                        customers.insert(customer.id, Stored { version, record: Bearer::of(&customer) });
                    }
                } else {
                    // As the store does: what another bears is refused before.
                    let card = suite::card(number, of, epc);
                    let is_taken = cards.values().any(|other| other.record.id != card.id && card.tags().any(|tag| other.record.tags().any(|theirs| theirs == tag)));
                    if is_taken && is_there {
                        continue;
                    }
                    let key = Key::Card(card.id);
                    let record = Record::from(card.clone());
                    bearers.written([(&key, version, is_there.then_some(&record))].into_iter());
                    cards.remove(&card.id);
                    if is_there {
                        cards.insert(card.id, Stored { version, record: card });
                    }
                }
                if step == filled_at {
                    // A page that was read long ago brings nothing back.
                    let old = [Stored { version: 1, record: suite::card(1, 1, 5).into() }];
                    if !cards.contains_key(&suite::card(1, 1, 5).id) {
                        let key = Key::Card(suite::card(1, 1, 5).id);
                        bearers.written([(&key, version, None)].into_iter());
                    }
                    bearers.fill(&old);
                    bearers.complete();
                }
            }
            bearers.complete();
            for (tag, known) in tags().iter().zip(bearers.of(&tags())) {
                let Ok(holder) = known else { panic!("it is complete") };
                let card = cards.values().find(|card| card.record.tags().any(|other| other == *tag));
                let expected = card.and_then(|card| {
                    let customer = customers.get(&card.record.customer)?;
                    Some(Holder { card: card.clone(), customer: customer.clone() })
                });
                prop_assert_eq!(holder, expected);
            }
        }
    }

    #[test]
    fn tags_of_any_length_come_back_as_they_were() {
        for (epc, uid) in [(12, 7), (12, 10), (1, 4), (62, 10), (16, 4)] {
            let mut card = suite::card(1, 1, 0);
            card.epc = Some(TagId::new(TagIdKind::Epc, &vec![7; epc]).unwrap());
            card.uid = Some(TagId::new(TagIdKind::Iso14443Uid, &vec![9; uid]).unwrap());
            let entry = CardEntry::new(3, &card, None);
            assert_eq!(matches!(entry.tags, Tags::Here(..)), epc + uid <= 19, "{epc} {uid}");
            assert_eq!(entry.card(), Stored { version: 3, record: card });
        }
    }

    #[test]
    fn what_is_not_here_yet_is_not_taken_for_unknown() {
        let bearers = Bearers::default();
        let tag = suite::tag(TagIdKind::Epc, 3);
        assert!(matches!(bearers.of(&[tag])[..], [Err(NotYet)]));
        bearers.fill(&[Stored { version: 2, record: suite::card(1, 1, 3).into() }]);
        assert!(matches!(bearers.of(&[tag])[..], [Err(NotYet)]));
        bearers.fill(&[Stored { version: 1, record: suite::customer(1, 1).into() }]);
        assert!(matches!(&bearers.of(&[tag])[..], [Ok(Some(holder))] if holder.card.version == 2));
        bearers.complete();
        assert!(matches!(bearers.of(&[suite::tag(TagIdKind::Epc, 4)])[..], [Ok(None)]));
    }
}
