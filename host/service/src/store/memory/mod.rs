//! A store that keeps everything in memory and looks through all of it for each answer.
//!
//! It is what the others are held against, and what tests of the rooms above stand on. Nothing is
//! durable, so no host uses it.

pub(super) mod tallying;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use rfid_core::{Result, TagId, UtcTime};
use tokio::sync::mpsc;

use super::tally::Fact;
use super::{
    Change, Commit, CommitFault, Erasure, Happened, Holder, Listing, Origin, Past, Photo, PhotoSize, Place,
    Store, StoreHealth, Stored, Supply, Tally, TallyAsk, TallyKey, Version,
};
use crate::account::failures::{FailureBook, Failures, LockRule, Tried};
use crate::record::{
    Bearer, Card, Customer, CustomerId, IdNumber, Key, Kind, Month, PhotoId, Record, Unique,
};

/// The store.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
    failures: Mutex<FailureBook>,
}

#[derive(Clone, Debug, Default)]
struct State {
    records: BTreeMap<Key, Stored>,
    /// What happened, each with the number of its commit.
    past: Vec<(u64, Key, Past)>,
    commits: u64,
    photos: BTreeMap<PhotoId, (CustomerId, Photo)>,
    /// Who is being erased, and whether the key is destroyed.
    shut: BTreeMap<CustomerId, bool>,
    /// Records of which nothing can be read any more.
    forgotten: BTreeSet<Key>,
}

impl State {
    fn owner_of(&self, unique: &Unique) -> Option<&Stored> {
        self.records.values().find(|stored| stored.record.uniques().contains(unique))
    }

    fn commit(&mut self, commit: Commit) -> Result<Vec<u32>, CommitFault> {
        let mut befores = Vec::new();
        for (at, change) in commit.changes.iter().enumerate() {
            let key = change.key();
            let before = self.records.get(&key).cloned();
            let found = before.as_ref().map_or(0, |stored| stored.version);
            let comes_twice = commit.changes.iter().take(at).any(|other| other.key() == key);
            let is_gone = found == 0 && matches!(change, Change::Remove { .. });
            if found != change.expected() || is_gone || comes_twice {
                return Err(CommitFault::Conflict { key, found });
            }
            if let Some(person) = change.person().filter(|person| self.shut.contains_key(person)) {
                return Err(CommitFault::Conflict { key: Key::Customer(person), found: 0 });
            }
            befores.push(before);
        }
        // All that is unique to what goes is free before what comes asks for it.
        for change in &commit.changes {
            self.records.remove(&change.key());
        }
        self.commits += 1;
        let changes = commit.changes.into_iter().zip(befores);
        changes.map(|(change, before)| self.apply(&commit.origin, change, before)).collect()
    }

    fn apply(&mut self, origin: &Origin, change: Change, before: Option<Stored>) -> Result<u32, CommitFault> {
        let key = change.key();
        // A record that is made again goes on counting, so that a version names one content.
        let last =
            self.past.iter().rev().find(|(_, other, _)| *other == key).map_or(0, |(.., past)| past.version);
        let version = last + 1;
        let after = match change {
            Change::Put { record, .. } => {
                for unique in record.uniques() {
                    if let Some(owner) = self.owner_of(&unique).filter(|owner| owner.record.key() != key) {
                        return Err(CommitFault::Taken { field: unique.field(), by: owner.record.key() });
                    }
                }
                self.records.insert(key.clone(), Stored { version, record: (*record).clone() });
                Some(*record)
            }
            Change::Remove { .. } => None,
        };
        let is_there = after.is_some();
        let before = before.map(|stored| stored.record);
        self.past.push((self.commits, key, Past { version, origin: origin.clone(), before, after }));
        Ok(if is_there { version } else { 0 })
    }

    /// Forgets everything that was written of a person.
    fn forget(&mut self, person: CustomerId) {
        self.shut.insert(person, true);
        let is_theirs = |record: &Option<Record>| {
            record.as_ref().is_some_and(|record| record.sealed_for() == Some(person))
        };
        let theirs = self.past.iter().filter(|(.., past)| is_theirs(&past.after));
        self.forgotten.extend(theirs.map(|(_, key, _)| key.clone()));
        self.past.retain(|(.., past)| !is_theirs(&past.after));
        for (.., past) in &mut self.past {
            if is_theirs(&past.before) {
                past.before = None;
            }
        }
        self.photos.retain(|_, (of, _)| *of != person);
    }

    fn customer(&self, id: CustomerId) -> Option<Stored<Customer>> {
        typed(self.records.get(&Key::Customer(id))?)
    }

    fn all_of<T: TryFrom<Record>>(&self) -> impl Iterator<Item = Stored<T>> {
        self.records.values().filter_map(typed)
    }
}

fn typed<T: TryFrom<Record>>(stored: &Stored) -> Option<Stored<T>> {
    stored.clone().typed()
}

impl MemoryStore {
    fn book(&self) -> MutexGuard<'_, FailureBook> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn commit(&self, commit: Commit) -> Result<Vec<u32>, CommitFault> {
        let mut state = self.state();
        let mut next = state.clone();
        let versions = next.commit(commit)?;
        *state = next;
        Ok(versions)
    }

    async fn load(&self, origin: Origin, supply: &mut dyn Supply) -> Result<u64, CommitFault> {
        let mut records = Vec::new();
        while let Some(portion) = supply.next().await? {
            records.extend(portion);
        }
        let mut state = self.state();
        let mut next = state.clone();
        let count = records.len() as u64;
        for record in records {
            next.commit(Commit { origin: origin.clone(), changes: vec![Change::new(record)] })?;
        }
        *state = next;
        Ok(count)
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>> {
        let state = self.state();
        Ok(keys.iter().map(|key| state.records.get(key).cloned()).collect())
    }

    async fn find(&self, unique: &Unique) -> Result<Option<Stored>> {
        Ok(self.state().owner_of(unique).cloned())
    }

    async fn holders(&self, tags: &[TagId]) -> Result<Vec<Option<Holder>>> {
        let state = self.state();
        let holder = |tag: &TagId| {
            let card: Stored<Card> = typed(state.owner_of(&Unique::CardTag(*tag))?)?;
            let Stored { version, record } = state.customer(card.record.customer)?;
            let customer = Stored { version, record: Bearer::of(&record) };
            Some(Holder { card, customer })
        };
        Ok(tags.iter().map(holder).collect())
    }

    async fn customers_with_id_number(&self, number: &IdNumber) -> Result<Vec<Stored<Customer>>> {
        let has_it = |stored: &Stored<Customer>| stored.record.id_number.as_ref() == Some(number);
        Ok(self.state().all_of().filter(has_it).collect())
    }

    async fn cards_of(&self, customer: CustomerId) -> Result<Vec<Stored<Card>>> {
        let state = self.state();
        let mut cards: Vec<Stored<Card>> =
            state.all_of().filter(|stored: &Stored<Card>| stored.record.customer == customer).collect();
        cards.sort_by_key(|stored| std::cmp::Reverse((stored.record.valid_from, stored.record.id)));
        Ok(cards)
    }

    async fn list(&self, listing: &Listing, after: Option<Place>, limit: usize) -> Result<Vec<Stored>> {
        let state = self.state();
        let place = |stored: &Stored| stored.record.timed().map(|timed| (timed.at, stored.record.key()));
        let mut found: Vec<&Stored> =
            state.records.values().filter(|stored| listing.holds(&stored.record)).collect();
        found.sort_by_key(|stored| std::cmp::Reverse(place(stored)));
        let after = after.map(|place| (place.at, place.key));
        let is_behind = |stored: &&&Stored| after.is_none() || place(stored) < after;
        Ok(found.iter().filter(is_behind).take(limit).map(|stored| (*stored).clone()).collect())
    }

    async fn scan(&self, kind: Kind, after: Option<&Key>, limit: usize) -> Result<Vec<Stored>> {
        let state = self.state();
        let wanted =
            |(key, _): &(&Key, &Stored)| key.kind() == kind && after.is_none_or(|after| *key > after);
        Ok(state.records.iter().filter(wanted).take(limit).map(|(_, stored)| stored.clone()).collect())
    }

    async fn tally(&self, ask: &TallyAsk) -> Result<Vec<(TallyKey, Tally)>> {
        let visits = self.scan(Kind::Visit, None, usize::MAX).await?;
        let facts = visits.iter().filter_map(|stored| match &stored.record {
            Record::Visit(visit) => Some(Fact::of(visit)),
            _ => None,
        });
        Ok(tallying::tally(ask, facts))
    }

    async fn count(&self, kind: Kind) -> Result<u64> {
        Ok(self.state().records.keys().filter(|key| key.kind() == kind).count() as u64)
    }

    async fn history(&self, key: &Key, before: Option<u32>, limit: usize) -> Result<Vec<Past>> {
        let state = self.state();
        let is_asked = |(_, other, past): &&(u64, Key, Past)| {
            other == key && before.is_none_or(|before| past.version < before)
        };
        Ok(state.past.iter().rev().filter(is_asked).take(limit).map(|(.., past)| past.clone()).collect())
    }

    async fn journal(&self) -> Result<mpsc::Receiver<Result<Happened>>> {
        let past: Vec<(u64, Key, Past)> = {
            let state = self.state();
            let kept = state.past.iter().filter(|(_, key, _)| !state.forgotten.contains(key));
            kept.cloned().collect()
        };
        let (happened, receiver) = mpsc::channel(past.len().max(1));
        for together in past.chunk_by(|one, other| one.0 == other.0) {
            let [(_, _, first), ..] = together else { continue };
            let version = |(_, key, past): &(u64, Key, Past)| Version {
                key: key.clone(),
                version: past.version,
                record: past.after.clone(),
            };
            let mut changes: Vec<Version> = together.iter().map(version).collect();
            changes.sort_by(|one, other| one.key.cmp(&other.key));
            // There is room for all.
            let _ = happened.try_send(Ok(Happened { origin: first.origin.clone(), changes }));
        }
        Ok(receiver)
    }

    async fn put_photo(&self, id: PhotoId, of: CustomerId, photo: Photo) -> Result<()> {
        self.state().photos.insert(id, (of, photo));
        Ok(())
    }

    async fn photo(&self, id: PhotoId, size: PhotoSize) -> Result<Option<Vec<u8>>> {
        let state = self.state();
        Ok(state.photos.get(&id).map(|(_, photo)| match size {
            PhotoSize::Large => photo.large.clone(),
            PhotoSize::Small => photo.small.clone(),
        }))
    }

    async fn photos(&self, after: Option<PhotoId>, limit: usize) -> Result<Vec<PhotoId>> {
        let state = self.state();
        Ok(state
            .photos
            .keys()
            .filter(|id| after.is_none_or(|after| **id > after))
            .take(limit)
            .copied()
            .collect())
    }

    async fn remove_photo(&self, id: PhotoId) -> Result<()> {
        self.state().photos.remove(&id);
        Ok(())
    }

    async fn shut(&self, person: CustomerId) -> Result<()> {
        self.state().shut.entry(person).or_insert(false);
        Ok(())
    }

    async fn destroy_key(&self, person: CustomerId) -> Result<()> {
        self.state().forget(person);
        Ok(())
    }

    async fn destroy_links(&self, month: Month) -> Result<()> {
        let mut state = self.state();
        for (.., past) in &mut state.past {
            for record in [&mut past.before, &mut past.after].into_iter().flatten() {
                if let Record::Visit(visit) = record
                    && visit.month() == month
                    && !visit.customer.is_stand_in()
                {
                    *visit = visit.clone().of_nobody();
                }
            }
        }
        Ok(())
    }

    async fn erasures(&self) -> Result<Vec<Erasure>> {
        let erasure =
            |(person, is_done): (&CustomerId, &bool)| Erasure { person: *person, is_done: *is_done };
        Ok(self.state().shut.iter().map(erasure).collect())
    }

    async fn failures(&self, who: Tried) -> Result<Option<Failures>> {
        Ok(self.book().get(who))
    }

    async fn note_failure(&self, who: Tried, now: UtcTime, rule: LockRule) -> Result<Failures> {
        Ok(self.book().note(who, now, &rule).0)
    }

    async fn forget_failures(&self, who: Tried) -> Result<u32> {
        Ok(self.book().forget(who))
    }

    fn health(&self) -> StoreHealth {
        StoreHealth::Well
    }

    async fn close(&self) {}
}

#[cfg(test)]
mod tests {
    use rfid_core::UtcTime;

    use std::sync::Arc;

    use super::*;
    use crate::record::Branch;
    use crate::store::Actor;
    use crate::store::suite::Rig;

    /// The same store each time: it keeps nothing beyond itself.
    #[derive(Default)]
    struct Kept(Arc<MemoryStore>);

    #[async_trait]
    impl Rig for Kept {
        async fn open(&self) -> Arc<dyn Store> {
            Arc::clone(&self.0) as Arc<dyn Store>
        }
    }

    crate::store_suite!(Kept::default());

    fn commit(changes: Vec<Change>) -> Commit {
        let origin = Origin { by: Actor::Console, at: UtcTime::from_nanos(1), from: "console".to_owned() };
        Commit { origin, changes }
    }

    fn branch(name: &str) -> Branch {
        Branch { code: "a".into(), name: name.to_owned(), position: None, closed: false }
    }

    #[tokio::test]
    async fn versions_go_on_over_a_removal() {
        let store = MemoryStore::new();
        let key = Key::Branch("a".into());
        assert_eq!(store.commit(commit(vec![Change::new(branch("A"))])).await.unwrap(), [1]);
        let removal = Change::Remove { key: key.clone(), expected: 1 };
        assert_eq!(store.commit(commit(vec![removal])).await.unwrap(), [0]);
        assert_eq!(store.commit(commit(vec![Change::new(branch("B"))])).await.unwrap(), [3]);
        let past = store.history(&key, None, 10).await.unwrap();
        assert_eq!(past.iter().map(|past| past.version).collect::<Vec<_>>(), [3, 2, 1]);
        assert_eq!((&past[0].before, &past[1].after), (&None, &None));
    }

    #[tokio::test]
    async fn a_commit_that_fails_changes_nothing() {
        let store = MemoryStore::new();
        let stale = Change::Put { record: Box::new(branch("B").into()), expected: 7 };
        let other = Branch { code: "b".into(), ..branch("B") };
        let outcome = store.commit(commit(vec![Change::new(other), stale])).await;
        assert!(matches!(outcome, Err(CommitFault::Conflict { found: 0, .. })));
        assert_eq!(store.count(Kind::Branch).await.unwrap(), 0);
    }
}
