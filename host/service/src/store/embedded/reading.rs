//! What is asked of the index.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::try_join_all;
use rfid_core::{Error, ErrorKind, Result, TagId};
use rfid_durable::Store as Sled;
use rfid_ledger::{Entry as LedgerEntry, Ledger};
use tokio::sync::{Semaphore, mpsc};

use super::bearers::{Bearers, Found};
use super::entry::Entry;
use super::index::{
    self, CARDS, COUNTS, ID_NUMBERS, LISTS, PAST, ROWS, UNIQUE, key_at, list_of, past_of, place,
    place_in_list, read_place_in_list,
};
use super::latest::{Asked, Latest, Reading, Visits};
use super::remembered::Remembered;
use super::replay::{self, Counting};
use crate::record::{Bearer, Card, Customer, CustomerId, IdNumber, Key, Kind, Record, Unique};
use crate::store::erasing::kept_version;
use crate::store::plan::{self, Plan, Row, Written};
use crate::store::{Commit, Happened, Holder, LATEST_VISITS, Listing, Past, Place, Rows, Stored, Version};

/// Entries that are asked for at once where a list is gone through.
const AT_ONCE: usize = 256;
/// Entries that are read ahead of whoever reads the journal.
const JOURNALED_AHEAD: usize = 16;
/// Entries of the ledger that are looked at to find one by its number.
const LOOKED_AT: usize = 2;

/// The index, with what is needed to read it.
#[derive(Clone)]
pub(super) struct Index {
    sled: Sled,
    ledger: Ledger,
    rows: Rows,
    bearers: Arc<Bearers>,
    latest: Arc<Latest>,
    remembered: Arc<Remembered>,
    /// Held by whoever sums a day up.
    summing: Arc<Semaphore>,
    /// Parts of the ledger that cannot be read, in words.
    damage: Arc<Mutex<Option<String>>>,
}

impl Index {
    pub(super) fn new(sled: Sled, ledger: Ledger, rows: Rows) -> Self {
        Self {
            sled,
            ledger,
            rows,
            bearers: Arc::default(),
            latest: Arc::default(),
            remembered: Arc::default(),
            summing: Arc::new(Semaphore::new(1)),
            damage: Arc::default(),
        }
    }

    pub(super) fn sled(&self) -> &Sled {
        &self.sled
    }

    pub(super) fn rows(&self) -> &Rows {
        &self.rows
    }

    pub(super) fn summing(&self) -> &Semaphore {
        &self.summing
    }

    /// What cannot be read of the ledger.
    pub(super) fn damage(&self) -> Option<String> {
        self.damage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn note_damage_of_ledger(&self, what: String) {
        *self.damage.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
    }

    pub(super) fn bearers(&self) -> &Bearers {
        &self.bearers
    }

    pub(super) fn latest(&self) -> &Latest {
        &self.latest
    }

    pub(super) fn remembered(&self) -> &Remembered {
        &self.remembered
    }

    /// Forgets what is kept in memory of what was read: what was written is not known one by one.
    pub(super) fn forget_what_was_read(&self) {
        self.latest.forget();
        self.remembered.forget();
    }

    /// Fills what is kept in memory.
    async fn fill_bearers(&self) -> Result<()> {
        self.bearers.expect(self.count(Kind::Card).await?);
        // What is known of a customer goes into cards that are there: none has to be remembered beside them.
        for kind in [Kind::Card, Kind::Customer] {
            let mut after: Option<Key> = None;
            loop {
                let page = self.scan(kind, after.as_ref(), AT_ONCE).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.record.key());
                self.bearers.fill(&page);
            }
        }
        self.bearers.complete();
        Ok(())
    }

    fn row(&self, key: &Key, value: &[u8]) -> Result<Row> {
        let damaged = || Error::new(ErrorKind::Damaged, "get").with_detail(format!("{key} cannot be read"));
        let (version, bytes) = value.split_first_chunk::<4>().ok_or_else(damaged)?;
        let content = match bytes {
            [] => None,
            bytes => self.rows.decode_kept(key, bytes)?.map(|record| (record, bytes.to_vec())),
        };
        Ok(Row { version: u32::from_be_bytes(*version), content })
    }

    /// The rows of these keys, those of removed records included.
    pub(super) async fn read_rows(&self, keys: &[Key]) -> Result<Vec<Option<Row>>> {
        let values = self.sled.get_many(ROWS, keys.iter().map(place).collect()).await?;
        keys.iter()
            .zip(values)
            .map(|(key, value)| value.map(|value| self.row(key, &value)).transpose())
            .collect()
    }

    /// From memory; from the index what is not there.
    pub(super) async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>> {
        let asked = self.remembered.of(keys);
        if asked.missing.is_empty() {
            return Ok(asked.here);
        }
        let rows = self.read_rows(&asked.missing).await?;
        Ok(self.remembered.read(asked, rows.into_iter().map(|row| row.and_then(stored)).collect()))
    }

    /// Whose these hidden values are: the value of each that is there.
    pub(super) async fn owners(&self, hidden: Vec<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>> {
        self.sled.get_many(UNIQUE, hidden).await
    }

    /// A plan of commits, with everything that they are about.
    pub(super) async fn plan(&self, commits: &[Commit]) -> Result<Plan<'_>> {
        let plan::Asked { keys, blinds } = plan::Asked::by(&self.rows, commits);
        let rows = self.read_rows(&keys).await?;
        let values = self.owners(blinds.iter().map(|blind| blind.to_bytes().to_vec()).collect()).await?;
        let owner = |value: Option<Vec<u8>>| value.as_deref().and_then(owner_of).map(|(key, _)| key);
        let owners = blinds.into_iter().zip(values.into_iter().map(owner)).collect();
        Ok(Plan::new(&self.rows, keys.into_iter().zip(rows).collect(), owners))
    }

    pub(super) async fn find(&self, unique: &Unique) -> Result<Option<Stored>> {
        let hidden = self.rows.hidden(unique).iter().map(|blind| blind.to_bytes().to_vec()).collect();
        let Some(owner) = self.owners(hidden).await?.into_iter().flatten().next() else { return Ok(None) };
        let Some((key, _)) = owner_of(&owner) else { return Err(stray("unique")) };
        Ok(self.get(&[key]).await?.pop().flatten())
    }

    /// From memory; from the index what is not there yet.
    pub(super) async fn holders(&self, tags: &[TagId]) -> Result<Vec<Option<Holder>>> {
        if self.bearers.is_first_asked() {
            let index = self.clone();
            self.bearers.filled_by(tokio::spawn(async move {
                if let Err(error) = index.fill_bearers().await {
                    let error = format!("{error:#}");
                    tracing::warn!(error, "cards are looked for on the disk, which takes longer");
                }
            }));
        }
        let Found { mut holders, not_yet } = self.bearers.of(tags);
        if !not_yet.is_empty() {
            let unknown: Vec<TagId> =
                not_yet.iter().filter_map(|number| tags.get(*number)).copied().collect();
            // Behind a pointer: whoever finds everything in memory needs no room for it.
            let read = Box::pin(self.read_holders(&unknown)).await?;
            for (number, holder) in not_yet.into_iter().zip(read) {
                if let Some(place) = holders.get_mut(number) {
                    *place = holder;
                }
            }
        }
        Ok(holders)
    }

    /// Two questions: whose the tags are, which says card and customer, and these.
    async fn read_holders(&self, tags: &[TagId]) -> Result<Vec<Option<Holder>>> {
        let hidden: Vec<Vec<_>> = tags.iter().map(|tag| self.rows.hidden(&Unique::CardTag(*tag))).collect();
        let flat = hidden.iter().flatten().map(|blind| blind.to_bytes().to_vec()).collect();
        let mut owners = self.owners(flat).await?.into_iter();
        let owners: Vec<Option<(Key, Key)>> = hidden
            .iter()
            .map(|blinds| owners.by_ref().take(blinds.len()).flatten().last())
            .map(|owner| owner.as_deref().and_then(owner_of))
            .map(|owner| owner.and_then(|(card, customer)| Some((card, customer?))))
            .collect();
        let keys: Vec<Key> =
            owners.iter().flatten().flat_map(|(card, customer)| [card.clone(), customer.clone()]).collect();
        let mut found = self.get(&keys).await?.into_iter();
        let mut holder = || {
            let (card, customer) = (found.next()??, found.next()??);
            let Stored { version, record } = customer.typed::<Customer>()?;
            Some(Holder { card: card.typed()?, customer: Stored { version, record: Bearer::of(&record) } })
        };
        Ok(owners.into_iter().map(|owner| owner.and_then(|_| holder())).collect())
    }

    pub(super) async fn customers_with_id_number(&self, number: &IdNumber) -> Result<Vec<Stored<Customer>>> {
        let mut keys = Vec::new();
        for blind in self.rows.hidden_id_number(number) {
            let customers = self.keys_below(ID_NUMBERS, &blind.to_bytes()).await?;
            keys.extend(customers.iter().filter_map(|id| Key::from_bytes(Kind::Customer, id)));
        }
        keys.sort();
        self.get_typed(&keys).await
    }

    pub(super) async fn cards_of(&self, customer: CustomerId) -> Result<Vec<Stored<Card>>> {
        let cards = self.keys_below(CARDS, &customer.to_bytes()).await?;
        let keys: Vec<Key> = cards.iter().filter_map(|id| Key::from_bytes(Kind::Card, id)).collect();
        let mut cards: Vec<Stored<Card>> = self.get_typed(&keys).await?;
        cards.sort_by_key(|stored| std::cmp::Reverse((stored.record.valid_from, stored.record.id)));
        Ok(cards)
    }

    /// From memory; from the index what is not there.
    pub(super) async fn visits_of(&self, customers: &[CustomerId]) -> Result<Vec<Visits>> {
        let mut of_each = Vec::with_capacity(customers.len());
        let (mut places, mut readings) = (Vec::new(), Vec::new());
        for customer in customers {
            match self.latest.of(*customer) {
                Asked::Here(visits) => of_each.push(visits),
                Asked::Read(reading) => {
                    places.push(of_each.len());
                    readings.push(reading);
                    of_each.push(Visits::default());
                }
            }
        }
        if readings.is_empty() {
            return Ok(of_each);
        }
        let read = readings.into_iter().map(|reading| self.read_visits(reading));
        // Behind a pointer: whoever finds them in memory needs no room for it.
        let read = Box::pin(try_join_all(read)).await?;
        for (place, visits) in places.into_iter().zip(read) {
            if let Some(place) = of_each.get_mut(place) {
                *place = visits;
            }
        }
        Ok(of_each)
    }

    async fn read_visits(&self, reading: Reading) -> Result<Visits> {
        let found = self.list(&Listing::visits_of(reading.customer), None, LATEST_VISITS).await?;
        let visits = found.into_iter().filter_map(Stored::typed).collect();
        self.latest.read(reading, &visits);
        Ok(visits)
    }

    async fn get_typed<T: TryFrom<Record>>(&self, keys: &[Key]) -> Result<Vec<Stored<T>>> {
        Ok(self.get(keys).await?.into_iter().flatten().filter_map(Stored::typed).collect())
    }

    /// What follows this prefix in the keys of a tree.
    async fn keys_below(&self, tree: &str, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
        let mut below = Vec::new();
        let mut after = prefix.to_vec();
        loop {
            let entries = self.sled.scan(tree, Some(after), AT_ONCE).await?;
            let is_all = entries.len() < AT_ONCE;
            for (key, _) in &entries {
                match key.strip_prefix(prefix) {
                    Some(rest) => below.push(rest.to_vec()),
                    None => return Ok(below),
                }
            }
            match entries.into_iter().next_back() {
                Some((last, _)) if !is_all => after = last,
                _ => return Ok(below),
            }
        }
    }

    pub(super) async fn list(
        &self,
        listing: &Listing,
        after: Option<Place>,
        limit: usize,
    ) -> Result<Vec<Stored>> {
        let prefix = list_of(listing.kind, &listing.among);
        // What is before `until` is behind everything at `until`, whatever its key.
        let until = [prefix.as_slice(), &(!listing.until.as_nanos()).to_be_bytes(), &[0xff; 17]].concat();
        let mut behind = match &after {
            Some(Place { at, key }) => {
                until.clone().max([prefix.as_slice(), &place_in_list(*at, key)].concat())
            }
            None => until,
        };
        let mut keys = Vec::new();
        'list: while keys.len() < limit {
            let wanted = (limit - keys.len()).min(AT_ONCE);
            let entries = self.sled.scan(LISTS, Some(behind.clone()), wanted).await?;
            let is_all = entries.len() < wanted;
            for (entry, _) in &entries {
                let Some(rest) = entry.strip_prefix(prefix.as_slice()) else { break 'list };
                let (at, key) = read_place_in_list(listing.kind, rest).ok_or_else(|| stray(LISTS))?;
                if at < listing.from {
                    break 'list;
                }
                keys.push(key);
            }
            match entries.into_iter().next_back() {
                Some((last, _)) if !is_all => behind = last,
                _ => break,
            }
        }
        Ok(self.get(&keys).await?.into_iter().flatten().collect())
    }

    pub(super) async fn scan(&self, kind: Kind, after: Option<&Key>, limit: usize) -> Result<Vec<Stored>> {
        let mut behind = match after {
            Some(key) if key.kind() == kind => place(key),
            Some(key) if key.kind() > kind => return Ok(Vec::new()),
            _ => vec![kind as u8],
        };
        let mut found = Vec::new();
        while found.len() < limit {
            let wanted = (limit - found.len()).min(AT_ONCE);
            let entries = self.sled.scan(ROWS, Some(behind.clone()), wanted).await?;
            let is_all = entries.len() < wanted;
            for (entry, value) in &entries {
                if entry.first() != Some(&(kind as u8)) {
                    return Ok(found);
                }
                let key = key_at(entry).ok_or_else(|| stray(ROWS))?;
                found.extend(stored(self.row(&key, value)?));
            }
            match entries.into_iter().next_back() {
                Some((last, _)) if !is_all => behind = last,
                _ => break,
            }
        }
        Ok(found)
    }

    pub(super) async fn count(&self, kind: Kind) -> Result<u64> {
        let value = self.sled.get(COUNTS, [kind as u8]).await?;
        Ok(value.and_then(|value| value.try_into().ok()).map_or(0, u64::from_be_bytes))
    }

    pub(super) async fn history(&self, key: &Key, before: Option<u32>, limit: usize) -> Result<Vec<Past>> {
        let prefix = past_of(key);
        let behind = match before {
            // Versions stand inverted, and what is asked for is behind this one.
            Some(version) => [prefix.as_slice(), &(!version).to_be_bytes()].concat(),
            None => prefix.clone(),
        };
        // One more, which holds what was before the last.
        let entries = self.sled.scan(PAST, Some(behind), limit.saturating_add(1)).await?;
        let mut numbers = Vec::new();
        for (entry, value) in entries.iter().take_while(|(entry, _)| entry.starts_with(&prefix)) {
            let version = entry.get(prefix.len()..).and_then(|version| version.try_into().ok());
            match (version, index::LedgerPlace::from_bytes(value)) {
                (Some(version), Some(at)) => numbers.push((!u32::from_be_bytes(version), at)),
                _ => return Err(stray(PAST)),
            }
        }
        let (ledger, wanted, key) = (self.ledger.clone(), numbers, key.clone());
        let read =
            move || wanted.into_iter().map(|(version, at)| read_past(&ledger, &key, version, at)).collect();
        let read: Vec<(u32, crate::store::Origin, Option<Record>)> = {
            // A version of somebody who was erased is left out.
            let written: Result<Vec<(crate::store::Origin, Written)>> = tokio::task::spawn_blocking(read)
                .await
                .map_err(|error| Error::new(ErrorKind::Internal, "history").with_source(error))?;
            written?
                .into_iter()
                .filter_map(|(origin, written)| {
                    let record = match &written.bytes {
                        Some(bytes) => match self.rows.decode_kept(&written.key, bytes) {
                            Ok(record) => Some(record?),
                            Err(error) => return Some(Err(error)),
                        },
                        None => None,
                    };
                    Some(Ok((written.version, origin, record)))
                })
                .collect::<Result<_>>()?
        };
        Ok(Past::from_versions(read, limit))
    }
}

impl Index {
    /// Everything that counts in the ledger, from its beginning.
    pub(super) fn journal(&self) -> mpsc::Receiver<Result<Happened>> {
        let (happened, receiver) = mpsc::channel(JOURNALED_AHEAD);
        let (entries, mut coming) = mpsc::channel(JOURNALED_AHEAD);
        let index = self.clone();
        let reading = tokio::task::spawn_blocking(move || {
            replay::read(&index, &index.ledger, 0, index.ledger.last(), &entries)
        });
        let index = self.clone();
        tokio::spawn(async move {
            let mut forgotten = HashSet::new();
            while let Some(entry) = coming.recv().await {
                let told = match index.happened(entry, &mut forgotten) {
                    // All of it was of somebody who was erased.
                    Ok(told) if told.changes.is_empty() => continue,
                    told => told,
                };
                let is_end = told.is_err();
                if happened.send(told).await.is_err() || is_end {
                    return;
                }
            }
            let outcome = match reading.await {
                Err(error) => Err(Error::new(ErrorKind::Internal, "journal").with_source(error)),
                Ok(Ok(())) => index
                    .damage()
                    .map_or(Ok(()), |what| Err(Error::new(ErrorKind::Damaged, "journal").with_detail(what))),
                Ok(failed) => failed,
            };
            if let Err(error) = outcome {
                // Nobody may be there any more who wants to know.
                let _ = happened.send(Err(error)).await;
            }
        });
        receiver
    }

    fn happened(&self, entry: Counting, forgotten: &mut HashSet<Key>) -> Result<Happened> {
        let number = entry.number;
        let origin = entry.origin.ok_or_else(|| {
            Error::new(ErrorKind::Damaged, "journal")
                .with_detail(format!("number {number} of the ledger does not say who made its changes"))
        })?;
        let version = |written| kept_version(&self.rows, written, forgotten).transpose();
        let mut changes: Vec<Version> =
            entry.changes.into_iter().filter_map(version).collect::<Result<_>>()?;
        if changes.len() <= Commit::MOST {
            changes.sort_by(|one, other| one.key.cmp(&other.key));
        }
        Ok(Happened { origin, changes })
    }
}

/// What was written of a record at a number of the ledger, and by whom. Blocks.
fn read_past(
    ledger: &Ledger,
    key: &Key,
    version: u32,
    place: index::LedgerPlace,
) -> Result<(crate::store::Origin, Written)> {
    let gone = || {
        Error::new(ErrorKind::Damaged, "history")
            .with_detail(format!("what happened to {key} in version {version} cannot be read in the ledger"))
    };
    let of_key =
        |changes: Vec<Written>| changes.into_iter().find(|change| change.key == *key).ok_or_else(gone);
    let written = match read_entry(ledger, place.number)?.ok_or_else(gone)? {
        Entry::Commit(origin, changes) => return Ok((origin, of_key(changes)?)),
        Entry::LoadPortion(changes) => of_key(changes)?,
        _ => return Err(gone()),
    };
    // A portion of a load does not say who loaded it: the beginning does, which is somewhere before
    // where it was not noted.
    let mut at = place.load.unwrap_or(place.number.saturating_sub(1));
    loop {
        match read_entry(ledger, at)?.ok_or_else(gone)? {
            Entry::LoadBegins(origin) => return Ok((origin, written)),
            Entry::LoadPortion(_) => at = at.checked_sub(1).ok_or_else(gone)?,
            _ => return Err(gone()),
        }
    }
}

fn read_entry(ledger: &Ledger, number: u64) -> Result<Option<Entry>> {
    let mut reader = ledger.read(number.saturating_sub(1));
    for _ in 0..LOOKED_AT {
        match reader.next_entry()? {
            Some(LedgerEntry::Content(content)) if content.number == number => {
                return Entry::decode(&content.bytes).map(Some);
            }
            Some(_) => {}
            None => break,
        }
    }
    Ok(None)
}

/// Key of the owner of something unique, and its customer if it is a card.
pub(super) fn owner_of(value: &[u8]) -> Option<(Key, Option<Key>)> {
    match *value.first()? {
        kind if kind == Kind::Card as u8 => {
            let (card, customer) = value.split_at_checked(17)?;
            Some((key_at(card)?, Some(Key::from_bytes(Kind::Customer, customer)?)))
        }
        _ => Some((key_at(value)?, None)),
    }
}

fn stray(tree: &str) -> Error {
    Error::new(ErrorKind::Damaged, "get").with_detail(format!("the index has a stray entry in {tree}"))
}

fn stored(row: Row) -> Option<Stored> {
    let (record, _) = row.content?;
    Some(Stored { version: row.version, record })
}

/// Rows as they will be when everything before is written: those of the index, and over them what is
/// about to be written.
#[derive(Default)]
pub(super) struct Present {
    rows: HashMap<Key, Option<Row>>,
}

impl Present {
    /// Reads the rows of these keys that are not known yet.
    pub(super) async fn read(&mut self, index: &Index, mut unknown: Vec<Key>) -> Result<()> {
        unknown.retain(|key| !self.rows.contains_key(key));
        unknown.sort();
        unknown.dedup();
        let rows = index.read_rows(&unknown).await?;
        self.rows.extend(unknown.into_iter().zip(rows));
        Ok(())
    }

    /// The row of a key that was read.
    pub(super) fn row(&self, key: &Key) -> Option<&Row> {
        self.rows.get(key)?.as_ref()
    }

    pub(super) fn set(&mut self, key: Key, row: Row) {
        self.rows.insert(key, Some(row));
    }
}
