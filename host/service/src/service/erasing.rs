//! Erasing a person: what it takes, in an order in which it can be gone on with after an interruption.
//!
//! 1. The trail says so, durably, and so does the list of erased persons.
//! 2. The store is shut for the person: from then on nobody writes anything of them, so that what is
//!    removed is not there again a moment later.
//! 3. Visits get a stand-in, which is no customer and the same for all visits of one person; cards go, but
//!    for their numbers, which no other card ever bears; requests about the person go, the record, and
//!    photos.
//! 4. The key is destroyed under which all of it was sealed, in every version.
//!
//! Until the last step what was removed can be found again in the history, so each step can be done anew.
//! A request to erase somebody stays approved until all of it is done.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use super::fault::Fault;
use super::{Caller, Service};
use crate::randomness;
use crate::recognition::Notice;
use crate::record::{
    AllowedBranches, Card, CardId, CardState, Customer, CustomerId, Key, Kind, PhotoId, Proposal, Record,
    Request, RequestState, Visit,
};
use crate::store::{Actor, Among, Change, Commit, CommitFault, Listing, Origin, Stored};

pub use list::ErasedList;

mod list;

/// Visits that are written at once.
const PAGE: usize = 256;
/// Versions of a record that are read at once.
const VERSIONS: usize = 256;
/// Rounds in which somebody else writes the same visit meanwhile: nobody does so for long, because nothing
/// new is written of the person.
const ROUNDS: usize = 100;

/// What was done for an erasure.
#[derive(Default)]
struct Removed {
    visits: u64,
    cards: u64,
    requests: u64,
    photos: u64,
    /// Records of which something could be found in histories.
    keys: BTreeSet<Key>,
}

impl Caller {
    /// This host by itself.
    pub(super) fn host() -> Self {
        Self { actor: Actor::Host, from: "host".to_owned(), ..Self::console() }
    }
}

impl Service {
    /// The same, and who is erased is noted in this list as well, which is applied again to a store that
    /// does not know of it.
    #[must_use]
    pub fn with_erased_list(self, list: ErasedList) -> Self {
        Self { erased_list: Some(Arc::new(list)), ..self }
    }

    /// Goes on with what was approved and is not done: of requests, of the store's own list, and of the list
    /// beside it where the store is older than that. Returns how many persons were erased.
    ///
    /// Before anybody is served it makes sure that nobody comes back with a store that was restored.
    ///
    /// # Errors
    /// `Store`, `Unaudited`.
    pub async fn finish_erasures(&self) -> Result<usize, Fault> {
        let known = self.store.erasures().await?;
        let mut open: BTreeSet<CustomerId> =
            known.iter().filter(|erasure| !erasure.is_done).map(|erasure| erasure.person).collect();
        if let Some(list) = &self.erased_list {
            let is_done = |person: &CustomerId| {
                known.iter().any(|erasure| erasure.is_done && erasure.person == *person)
            };
            open.extend(list.persons().await?.into_iter().filter(|person| !is_done(person)));
        }
        let mut erased = 0;
        for person in open {
            self.erase(&Caller::host(), person).await?;
            erased += 1;
        }
        for request in self.open_requests().await? {
            let is_approved = request.record.state == RequestState::Approved;
            if let Proposal::ErasePerson { customer } = request.record.proposal
                && is_approved
            {
                // One of those above may be its person, and then this does nothing but say so.
                self.erase(&Caller::host(), customer).await?;
                self.erasure_done(request).await?;
                erased += 1;
            }
        }
        Ok(erased)
    }

    /// Ends a request to erase somebody who is.
    pub(super) async fn erasure_done(&self, request: Stored<Request>) -> Result<Stored<Request>, Fault> {
        let done = Request { state: RequestState::Done, ..request.record };
        self.put(&Caller::host(), "request.done", done, request.version).await
    }

    /// Erases a person. Allowed again after an interruption, and of somebody who is erased.
    pub(super) async fn erase(&self, caller: &Caller, person: CustomerId) -> Result<(), Fault> {
        let key = Key::Customer(person);
        self.did(caller, "customer.erase", |entry| entry.object = Some(key.to_string())).await?;
        if let Some(list) = &self.erased_list {
            list.add(person).await?;
        }
        self.store.shut(person).await?;
        let origin = Origin { by: caller.actor.clone(), at: self.now(), from: caller.from.clone() };
        let mut removed = Removed::default();
        let stand_in = self.stand_in()?;
        self.part_visits(&origin, person, stand_in, &mut removed).await?;
        self.retire_cards(&origin, person, stand_in, &mut removed).await?;
        self.remove_record(&origin, person, &mut removed).await?;
        self.store.destroy_key(person).await?;
        self.search.write().unwrap_or_else(PoisonError::into_inner).remove(person);
        let left = self.left_readable(&removed.keys).await?;
        if left > 0 {
            tracing::warn!(
                %person,
                left,
                "versions that were written before there were keys of persons lie in the history of this person who \
                 was erased, under the master secret; `rfid-host migrate-store` into a new store leaves them behind"
            );
        }
        let Removed { visits, cards, requests, photos, .. } = removed;
        let counts = [
            ("visits", visits),
            ("cards", cards),
            ("requests", requests),
            ("photos", photos),
            ("left", left),
        ];
        self.did(&Caller::host(), "customer.erased", |entry| {
            entry.object = Some(key.to_string());
            entry.facts =
                counts.into_iter().map(|(name, count)| (name.to_owned(), count.to_string())).collect();
        })
        .await
    }

    /// An id that is no customer and says nothing, not even when it was made.
    pub(super) fn stand_in(&self) -> Result<CustomerId, Fault> {
        Ok(CustomerId::stand_in(randomness::bytes(self.randomness.as_ref())?))
    }

    /// Puts the stand-in into the place of the person in all visits, and ends those that go on.
    async fn part_visits(
        &self,
        origin: &Origin,
        person: CustomerId,
        stand_in: CustomerId,
        removed: &mut Removed,
    ) -> Result<(), Fault> {
        let listing = Listing::visits_of(person);
        for _ in 0..ROUNDS {
            let mut after = None;
            let (mut seen, mut parted) = (0, 0);
            loop {
                let page = self.store.list(&listing, after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = last.record.place();
                seen += page.len();
                let visits = page.into_iter().filter_map(Stored::typed);
                let visits = visits.map(|visit| self.parted(visit, stand_in)).collect();
                for visit in self.write_visits(origin, visits).await? {
                    parted += 1;
                    self.tell(Notice::Visit(Arc::new(visit)));
                }
            }
            removed.visits += parted as u64;
            if seen == parted {
                return Ok(());
            }
        }
        Err(rfid_core::Error::new(rfid_core::ErrorKind::Busy, "erase")
            .with_detail("visits of this person are written by somebody else again and again")
            .into())
    }

    /// A visit that is over, of nobody.
    pub(super) fn parted(
        &self,
        Stored { version, record }: Stored<Visit>,
        stand_in: CustomerId,
    ) -> Stored<Visit> {
        let departed_at = Some(record.departed_at.unwrap_or_else(|| self.now()));
        let (business, present) = (Vec::new(), Vec::new());
        let record = Visit { customer: stand_in, card: None, business, present, departed_at, ..record };
        Stored { version, record }
    }

    /// Writes visits in place of the versions that they have, but for those that somebody else has written
    /// meanwhile. Returns those that were written.
    pub(super) async fn write_visits(
        &self,
        origin: &Origin,
        visits: Vec<Stored<Visit>>,
    ) -> Result<Vec<Stored<Visit>>, Fault> {
        let commit = |visits: &[Stored<Visit>]| {
            let put = |Stored { version, record }: &Stored<Visit>| Change::Put {
                record: Box::new(record.clone().into()),
                expected: *version,
            };
            Commit { origin: origin.clone(), changes: visits.iter().map(put).collect() }
        };
        let commits = visits.chunks(Commit::MOST).map(commit).collect();
        let outcomes = self.store.commit_all(commits).await;
        let mut written = Vec::new();
        for (visits, outcome) in visits.chunks(Commit::MOST).zip(outcomes) {
            match outcome {
                Ok(versions) => {
                    let now = visits.iter().zip(versions);
                    written
                        .extend(now.map(|(visit, version)| Stored { version, record: visit.record.clone() }));
                }
                Err(CommitFault::Conflict { .. }) => {}
                Err(fault) => return Err(fault.into()),
            }
        }
        Ok(written)
    }

    /// Removes the cards of a person, and keeps their numbers on cards of nobody.
    async fn retire_cards(
        &self,
        origin: &Origin,
        person: CustomerId,
        stand_in: CustomerId,
        removed: &mut Removed,
    ) -> Result<(), Fault> {
        for Stored { version, record: card } in self.store.cards_of(person).await? {
            let key = Key::Card(card.id);
            let mut changes = vec![Change::Remove { key: key.clone(), expected: version }];
            if card.tags().next().is_some() {
                // Under another id: visits of the past name the one that the card had.
                changes.push(Change::new(Card {
                    id: CardId::from_bytes(randomness::bytes(self.randomness.as_ref())?),
                    customer: stand_in,
                    state: CardState::Revoked,
                    branches: AllowedBranches::All,
                    replaced_by: None,
                    ..card.clone()
                }));
            }
            let written: Vec<Record> = changes
                .iter()
                .filter_map(|change| match change {
                    Change::Put { record, .. } => Some((**record).clone()),
                    Change::Remove { .. } => None,
                })
                .collect();
            self.store.commit(Commit { origin: origin.clone(), changes }).await?;
            self.cards.write().unwrap_or_else(PoisonError::into_inner).remove(card.id);
            written.iter().for_each(|record| self.note_written(record));
            removed.keys.insert(key);
            removed.cards += 1;
        }
        Ok(())
    }

    /// Removes requests about a person, but for those to erase them, the record, and photos.
    async fn remove_record(
        &self,
        origin: &Origin,
        person: CustomerId,
        removed: &mut Removed,
    ) -> Result<(), Fault> {
        let key = Key::Customer(person);
        let mut photos = BTreeSet::new();
        let listing = Listing::ever(Kind::Request, Among::Of(key.clone()));
        for request in self.all_of::<Request>(&listing).await? {
            match request.record.proposal {
                Proposal::ErasePerson { .. } => continue,
                Proposal::Photo { photo, .. } => {
                    photos.insert(photo);
                }
                _ => {}
            }
            let key = Key::Request(request.record.id);
            self.remove(origin, key.clone(), request.version).await?;
            removed.keys.insert(key);
            removed.requests += 1;
        }
        photos.extend(self.photos_ever(&key).await?);
        for photo in photos {
            if self.store.photo(photo, crate::store::PhotoSize::Small).await?.is_some() {
                removed.photos += 1;
            }
            self.store.remove_photo(photo).await?;
        }
        // Last: as long as it is there, it can be seen which photos there were.
        if let Some(Stored { version, .. }) = self.find::<Customer>(key.clone()).await? {
            self.remove(origin, key.clone(), version).await?;
        }
        removed.keys.insert(key);
        Ok(())
    }

    async fn remove(&self, origin: &Origin, key: Key, expected: u32) -> Result<(), Fault> {
        let changes = vec![Change::Remove { key, expected }];
        self.store.commit(Commit { origin: origin.clone(), changes }).await.map(drop).map_err(Fault::from)
    }

    /// The photos that a customer ever had, as far as the history says so.
    async fn photos_ever(&self, key: &Key) -> Result<BTreeSet<PhotoId>, Fault> {
        let (mut photos, mut before) = (BTreeSet::new(), None);
        loop {
            let page = self.store.history(key, before, VERSIONS).await?;
            let Some(last) = page.last() else { return Ok(photos) };
            before = Some(last.version);
            for record in page.into_iter().filter_map(|past| past.after) {
                if let Record::Customer(Customer { photo: Some(photo), .. }) = record {
                    photos.insert(photo);
                }
            }
        }
    }

    /// How many versions of these records can still be read: what was written before there were keys of
    /// persons.
    async fn left_readable(&self, keys: &BTreeSet<Key>) -> Result<u64, Fault> {
        let mut left = 0;
        for key in keys {
            let mut before = None;
            loop {
                let page = self.store.history(key, before, VERSIONS).await?;
                let Some(last) = page.last() else { break };
                before = Some(last.version);
                left += page.iter().filter(|past| past.after.is_some()).count() as u64;
            }
        }
        Ok(left)
    }
}

#[cfg(test)]
mod tests;
