//! What every store is held to.
//!
//! A store's tests are one line, [`store_suite!`](crate::store_suite), and something that opens the
//! store: a [`Rig`]. The heart of it is [`answers_as_the_naive_store`]: any series of commits gives the
//! same outcomes and answers as [`MemoryStore`], which looks through everything.
#![expect(clippy::unwrap_used, clippy::panic, reason = "this is how a test fails")]

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::civil::date;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use rfid_core::{Error, ErrorKind, Name, Result, TagId, TagIdKind, UtcTime};

use super::{
    Actor, Among, Change, Commit, CommitFault, Happened, Listing, MemoryStore, Origin, Past, Photo,
    PhotoSize, Place, Store, StoreHealth, Stored, Supply, Version,
};
use crate::record::{
    Account, AccountState, Act, AllowedBranches, Branch, Card, CardId, CardState, Consent, Customer,
    CustomerId, Device, Duty, DutyId, Export, ExportContent, ExportFormat, ExportId, ExportPurpose,
    ExportState, Hand, IdNumber, Key, Kind, LocalDate, Outcome, PhotoId, Plastic, Proposal, Record, Refusal,
    Request, RequestId, RequestState, StaffId, Unique, Visit, VisitId, Way,
};
use crate::rights::Role;

mod counting;
mod erasing;
mod failures;
mod loading;
mod records;

pub use counting::what_is_acknowledged_while_days_are_summed_up_is_counted;
pub use erasing::{
    of_a_month_that_is_over_nobody_knows_whose_its_visits_were, of_whoever_is_erased_nothing_can_be_read,
    of_whoever_is_shut_nothing_is_written,
};
pub use failures::{a_lock_holds_after_opening_again, failures_at_once_all_count};
use loading::{Portions, portions};
pub use loading::{
    a_load_is_there_wholly, a_load_that_fails_leaves_nothing, a_load_that_is_given_up_leaves_nothing,
};
use records::{ID_NUMBERS, Step, branch, branch_name, commits, id, request};
pub use records::{card, customer, origin, tag, visit};

/// Opens the store that is tried.
#[async_trait]
pub trait Rig: Sync {
    /// Opens it, the same one each time; the one before is closed.
    async fn open(&self) -> Arc<dyn Store>;
}

/// Tests of a store, one for each case: `store_suite!(make a Rig)`.
#[macro_export]
macro_rules! store_suite {
    ($rig:expr) => {
        $crate::store_suite!(
            $rig;
            answers_as_the_naive_store
            what_is_acknowledged_is_there_after_opening_again
            of_two_who_race_one_wins
            a_load_is_there_wholly
            a_load_that_fails_leaves_nothing
            a_load_that_is_given_up_leaves_nothing
            hostile_texts_come_back_as_they_were
            a_journal_carried_out_anew_makes_the_same_store
            photos_are_kept_and_forgotten
            lists_are_paged_without_gap_or_double
            what_is_acknowledged_while_days_are_summed_up_is_counted
            closing_twice_is_allowed
            of_whoever_is_erased_nothing_can_be_read
            of_whoever_is_shut_nothing_is_written
            of_a_month_that_is_over_nobody_knows_whose_its_visits_were
            a_lock_holds_after_opening_again
            failures_at_once_all_count
        );
    };
    ($rig:expr; $($case:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $case() {
            let rig = $rig;
            $crate::store::suite::$case(&rig).await;
        }
    )*};
}

/// Any series of commits gives the same outcomes and answers as the naive store.
pub async fn answers_as_the_naive_store(rig: &dyn Rig) {
    let store = rig.open().await;
    let naive = MemoryStore::new();
    let mut runner = TestRunner::deterministic();
    for round in 0..4 {
        let series = commits().new_tree(&mut runner).map(|tree| tree.current()).unwrap();
        for (at, steps) in series.into_iter().enumerate() {
            let mut changes = Vec::new();
            for (step, is_wrong) in steps {
                let key = match &step {
                    Step::Put(record) => record.key(),
                    Step::Remove(key) => key.clone(),
                };
                let now = naive.get(&[key]).await.unwrap().pop().flatten();
                let expected = now.map_or(0, |stored: Stored| stored.version) + u32::from(is_wrong);
                changes.push(match step {
                    Step::Put(record) => Change::Put { record, expected },
                    Step::Remove(key) => Change::Remove { key, expected },
                });
            }
            let commit = Commit { origin: origin(round * 100 + at as u64), changes };
            let (ours, theirs) = (store.commit(commit.clone()).await, naive.commit(commit.clone()).await);
            assert_eq!(format!("{ours:?}"), format!("{theirs:?}"), "{commit:?}");
            // Twice the same, too.
            let of: Vec<CustomerId> = (0..6).chain([0]).map(|number| customer(number, 0).id).collect();
            let (ours, theirs) = (store.visits_of(&of).await, naive.visits_of(&of).await);
            assert_eq!(ours.unwrap(), theirs.unwrap(), "{commit:?}");
        }
        same_answers(store.as_ref(), &naive).await;
    }
    store.close().await;
    let store = rig.open().await;
    same_answers(store.as_ref(), &naive).await;
    store.close().await;
}

/// Asks both everything.
async fn same_answers(store: &dyn Store, naive: &MemoryStore) {
    let ask = async |store: &dyn Store| -> Result<Vec<String>> {
        let mut said = Vec::new();
        let mut keys = BTreeSet::new();
        for kind in Kind::ALL {
            let all = store.scan(kind, None, 1000).await?;
            keys.extend(all.iter().map(|stored| stored.record.key()));
            said.push(format!("{kind:?} {} {}", store.count(kind).await?, text(&all)));
            let mut paged = Vec::new();
            while let Some(stored) = store
                .scan(kind, paged.last().map(|stored: &Stored| stored.record.key()).as_ref(), 1)
                .await?
                .pop()
            {
                paged.push(stored);
            }
            assert_eq!(text(&paged), text(&all));
        }
        keys.insert(Key::Customer(CustomerId::from_bytes([9; 16])));
        let keys: Vec<Key> = keys.into_iter().collect();
        for stored in store.get(&keys).await? {
            said.push(format!("{:?}", stored.as_ref().map(|stored| text(std::slice::from_ref(stored)))));
        }
        let tags: Vec<TagId> = (0..6)
            .flat_map(|number| [TagIdKind::Epc, TagIdKind::Iso14443Uid].map(|kind| tag(kind, number)))
            .collect();
        for tag in &tags {
            let found = store.find(&Unique::CardTag(*tag)).await?;
            said.push(format!("{:?}", found.map(|stored| text(&[stored]))));
        }
        for holder in store.holders(&tags).await? {
            said.push(format!(
                "{:?}",
                holder.map(|holder| (holder.card, holder.customer.version, holder.customer.record.id))
            ));
        }
        for number in 0..6 {
            let number = format!("C{number}").parse().map(Unique::CustomerNumber);
            if let Ok(unique) = number {
                said.push(format!("{:?}", store.find(&unique).await?.map(|stored| text(&[stored]))));
            }
            let cards = store.cards_of(customer(said.len() as u8 % 4, 0).id).await?;
            said.push(format!("{cards:?}"));
        }
        for number in 0..6 {
            said.push(format!("{:?}", store.visits_of(&[customer(number, 0).id]).await?));
        }
        for number in ID_NUMBERS.iter().filter_map(|text| text.parse::<IdNumber>().ok()) {
            let found = store.customers_with_id_number(&number).await?;
            said.push(format!(
                "{:?}",
                found.iter().map(|stored| (stored.version, stored.record.id)).collect::<Vec<_>>()
            ));
        }
        for listing in listings() {
            said.push(text(&store.list(&listing, None, 1000).await?));
            said.push(text(&paged(store, &listing, 2).await?));
        }
        for ask in counting::tallies() {
            said.push(format!("{:?}", store.tally(&ask).await?));
        }
        for key in keys {
            let past = store.history(&key, None, 1000).await?;
            said.push(format!("{key} {}", past_text(&past)));
            if let Some(latest) = past.first() {
                said.push(past_text(&store.history(&key, Some(latest.version), 1).await?));
            }
        }
        Ok(said)
    };
    let ours = ask(store).await.unwrap();
    let theirs = ask(naive).await.unwrap();
    for (at, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        assert_eq!(ours, theirs, "answer {at}");
    }
    assert_eq!(ours.len(), theirs.len());
    assert_eq!(store.health(), StoreHealth::Well);
}

/// Records as text that shows also what is personal: tests are made of invented people.
fn text(records: &[Stored]) -> String {
    let text =
        |stored: &Stored| format!("{} {}", stored.version, serde_json::to_string(&stored.record).unwrap());
    records.iter().map(text).collect::<Vec<_>>().join("\n")
}

fn past_text(past: &[Past]) -> String {
    let one = |past: &Past| {
        let json = |record: &Option<Record>| serde_json::to_string(record).unwrap();
        format!("{} {:?} {} -> {}", past.version, past.origin, json(&past.before), json(&past.after))
    };
    past.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn listings() -> Vec<Listing> {
    let among = [
        Among::All,
        Among::Branch("a".into()),
        Among::Branch("ab".into()),
        Among::Of(Key::Customer(CustomerId::from_bytes(id(1, 1)))),
        Among::Of(Key::Staff(StaffId::from_bytes(id(4, 1)))),
        Among::Open,
        Among::OpenIn("b".into()),
    ];
    let mut listings = Vec::new();
    for kind in [Kind::Visit, Kind::Duty, Kind::Customer, Kind::Request, Kind::Export] {
        for among in &among {
            for (from, until) in [(0, u64::MAX), (1, 4), (3, 3)] {
                let (from, until) = (UtcTime::from_nanos(from), UtcTime::from_nanos(until));
                listings.push(Listing { kind, among: among.clone(), from, until });
            }
        }
    }
    listings
}

async fn paged(store: &dyn Store, listing: &Listing, limit: usize) -> Result<Vec<Stored>> {
    let mut all: Vec<Stored> = Vec::new();
    loop {
        let after = all
            .last()
            .and_then(|stored| Some(Place { at: stored.record.timed()?.at, key: stored.record.key() }));
        let page = store.list(listing, after, limit).await?;
        if page.is_empty() {
            return Ok(all);
        }
        assert!(page.len() <= limit);
        all.extend(page);
    }
}

/// What is acknowledged is there when the store is opened again, without having been asked to close.
pub async fn what_is_acknowledged_is_there_after_opening_again(rig: &dyn Rig) {
    for round in 0..5u8 {
        let store = rig.open().await;
        for earlier in 0..round {
            let key = Key::Customer(customer(earlier, 0).id);
            assert!(store.get(&[key]).await.unwrap().iter().all(Option::is_some), "{earlier} in {round}");
        }
        let changes = vec![Change::new(customer(round, round)), Change::new(visit(round, 0, 7, true))];
        let outcome = store.commit(Commit { origin: origin(1), changes }).await;
        assert_eq!(outcome.unwrap(), [1, 1]);
        store.close().await;
    }
}

/// Many write the same version at once, and one of them has.
pub async fn of_two_who_race_one_wins(rig: &dyn Rig) {
    let store = rig.open().await;
    let first = Commit { origin: origin(0), changes: vec![Change::new(branch(0, 0))] };
    assert!(store.commit(first).await.is_ok());
    for version in 1..20 {
        let race = (0..8u8).map(|named| {
            let store = Arc::clone(&store);
            let put = Change::Put { record: Box::new(branch(0, named).into()), expected: version };
            let commit = Commit { origin: origin(u64::from(named)), changes: vec![put] };
            tokio::spawn(async move { store.commit(commit).await })
        });
        let mut won = 0;
        for outcome in futures_util::future::join_all(race).await {
            match outcome.unwrap() {
                Ok(versions) => {
                    won += 1;
                    assert_eq!(versions, [version + 1]);
                }
                Err(CommitFault::Conflict { found, .. }) => assert_eq!(found, version + 1),
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(won, 1, "at version {version}");
    }
    store.close().await;
}

/// Texts that other systems stumble over come back as they were.
pub async fn hostile_texts_come_back_as_they_were(rig: &dyn Rig) {
    let store = rig.open().await;
    let long = "長".repeat(Customer::LONGEST_TEXT);
    let texts = [
        "<script>alert(1)</script>",
        "Robert'); DROP TABLE customers;--",
        "\"quoted\" \\ back",
        "\u{202E}gnp.exe\u{202C}",
        "نص عربي",
        "👩‍👩‍👧‍👦 é",
        "a\u{0}b\n\t\r",
        "=1+1",
        &long,
        "",
    ];
    for (number, text) in (0..).zip(texts) {
        let hostile = Customer {
            name: text.into(),
            employer: text.into(),
            notes: text.into(),
            vip_class: text.into(),
            branch: text.into(),
            ..customer(number, number)
        };
        let change = Change::new(hostile.clone());
        let commit = Commit { origin: Origin { from: text.to_owned(), ..origin(1) }, changes: vec![change] };
        store.commit(commit.clone()).await.unwrap_or_else(|fault| panic!("{text:?}: {fault}"));
        let key = Key::Customer(hostile.id);
        let found = store.get(std::slice::from_ref(&key)).await.unwrap().pop().flatten();
        assert_eq!(found.map(|stored| stored.record), Some(hostile.into()), "{text:?}");
        let past = store.history(&key, None, 1).await.unwrap();
        assert_eq!(past.first().map(|past| &past.origin), Some(&commit.origin), "{text:?}");
    }
    store.close().await;
}

/// What a journal tells makes the same store of an empty one, history included.
pub async fn a_journal_carried_out_anew_makes_the_same_store(rig: &dyn Rig) {
    let store = rig.open().await;
    let commit = async |changes: Vec<Change>| {
        store.commit(Commit { origin: origin(5), changes }).await.unwrap_or_else(|fault| panic!("{fault}"));
    };
    let mut supply = Portions {
        portions: vec![vec![customer(3, 3).into(), customer(4, 4).into()], vec![customer(5, 5).into()]],
        fails: false,
    };
    commit(vec![Change::new(customer(1, 1)), Change::new(customer(2, 2))]).await;
    // Each takes the other's number, which is possible together only.
    let changed =
        |number, named| Change::Put { record: Box::new(customer(number, named).into()), expected: 1 };
    commit(vec![changed(1, 2), changed(2, 1)]).await;
    store.load(origin(6), &mut supply).await.unwrap();
    assert!(store.load(origin(7), &mut Portions { fails: true, ..portions(true) }).await.is_err());
    commit(vec![Change::Remove { key: Key::Customer(customer(3, 3).id), expected: 1 }]).await;
    commit(vec![Change::new(customer(3, 7)), Change::new(visit(1, 3, 9, true))]).await;

    let naive = MemoryStore::new();
    let mut journal = store.journal().await.unwrap();
    while let Some(happened) = journal.recv().await {
        let Happened { origin, changes } = happened.unwrap();
        let mut anew = Vec::new();
        for Version { key, version, record } in changes {
            let now = naive.get(std::slice::from_ref(&key)).await.unwrap().pop().flatten();
            let expected = now.map_or(0, |stored| stored.version);
            assert!(expected == 0 || expected + 1 == version);
            anew.push(match record {
                Some(record) => Change::Put { record: Box::new(record), expected },
                None => Change::Remove { key, expected },
            });
        }
        naive.commit(Commit { origin, changes: anew }).await.unwrap();
    }
    same_answers(store.as_ref(), &naive).await;
    store.close().await;
}

/// Photos are kept, listed in order, and forgotten.
pub async fn photos_are_kept_and_forgotten(rig: &dyn Rig) {
    let store = rig.open().await;
    let photo = |byte: u8| Photo { large: vec![byte; 300_000], small: vec![byte; 3] };
    let id = |byte: u8| PhotoId::from_bytes([byte; 32]);
    for byte in [9, 1, 5, 1] {
        store.put_photo(id(byte), customer(byte, byte).id, photo(byte)).await.unwrap();
    }
    assert_eq!(store.photos(None, 10).await.unwrap(), [id(1), id(5), id(9)]);
    assert_eq!(store.photos(Some(id(1)), 1).await.unwrap(), [id(5)]);
    store.close().await;
    let store = rig.open().await;
    assert_eq!(store.photo(id(5), PhotoSize::Large).await.ok().flatten(), Some(photo(5).large));
    assert_eq!(store.photo(id(5), PhotoSize::Small).await.ok().flatten(), Some(photo(5).small));
    for _ in 0..2 {
        store.remove_photo(id(5)).await.unwrap();
    }
    assert_eq!(store.photo(id(5), PhotoSize::Large).await.ok(), Some(None));
    assert_eq!(store.photos(None, 10).await.unwrap(), [id(1), id(9)]);
    store.close().await;
}

/// A list of many is paged without a gap or a double while it grows at its beginning.
pub async fn lists_are_paged_without_gap_or_double(rig: &dyn Rig) {
    let store = rig.open().await;
    let put = async |number: u8, at: u64| {
        let commit = Commit { origin: origin(at), changes: vec![Change::new(visit(number, 1, at, true))] };
        store.commit(commit).await.unwrap();
    };
    for number in 0..90 {
        put(number, 1_000 + u64::from(number / 3)).await;
    }
    let listing = Listing {
        kind: Kind::Visit,
        among: Among::OpenIn(branch_name(1)),
        from: UtcTime::from_nanos(1_000),
        until: UtcTime::from_nanos(u64::MAX),
    };
    let all = store.list(&listing, None, 1000).await.unwrap();
    assert_eq!(all.len(), 90);
    let mut pages: Vec<Stored> = Vec::new();
    for number in 90..130 {
        put(number, 5_000).await;
        let place = |stored: &Stored| Some(Place { at: stored.record.timed()?.at, key: stored.record.key() });
        // The first page was taken before anybody came.
        let after = pages.last().or(all.first()).and_then(place);
        pages.extend(store.list(&listing, after, 7).await.unwrap());
    }
    assert_eq!(text(&pages), text(all.get(1..).unwrap()));
    store.close().await;
}

/// Closing twice is allowed, and a closed store says so.
pub async fn closing_twice_is_allowed(rig: &dyn Rig) {
    let store = rig.open().await;
    store.close().await;
    store.close().await;
}
