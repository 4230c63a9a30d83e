//! What every store is held to when a person is erased.

use super::*;
use crate::record::Month;
use crate::store::Erasure;

fn put(record: impl Into<Record>, expected: u32) -> Change {
    Change::Put { record: Box::new(record.into()), expected }
}

fn remove(key: Key, expected: u32) -> Change {
    Change::Remove { key, expected }
}

/// Everything that there is of a person, some of it in several versions.
fn life(number: u8) -> Vec<Commit> {
    let commit = |changes| Commit { origin: origin(u64::from(number)), changes };
    let named = |employer: &str| Customer { employer: employer.into(), ..customer(number, number) };
    let asked = |is_open| request(number, number, 5, is_open);
    vec![
        commit(vec![Change::new(named("before")), Change::new(card(number, number, number))]),
        commit(vec![put(named("after"), 1)]),
        commit(vec![Change::new(asked(true)), Change::new(visit(number, number, 7, true))]),
        commit(vec![put(asked(false), 1), put(visit(number, number, 7, false), 1)]),
    ]
}

/// What is written in the place of it: the numbers of the card and the visit, of nobody.
fn removal(number: u8) -> Vec<Commit> {
    let commit = |changes| Commit { origin: origin(90), changes };
    let nobody = CustomerId::from_bytes([0xAA; 16]);
    let card = card(number, number, number);
    let retired = Card {
        id: CardId::from_bytes([0xBB; 16]),
        customer: nobody,
        state: CardState::Revoked,
        ..card.clone()
    };
    vec![
        commit(vec![put(Visit { customer: nobody, ..visit(number, number, 7, false) }, 2)]),
        commit(vec![remove(Key::Card(card.id), 1), Change::new(retired)]),
        commit(vec![remove(Key::Request(request(number, number, 5, true).id), 2)]),
        commit(vec![remove(Key::Customer(customer(number, number).id), 2)]),
    ]
}

fn photo_of(number: u8) -> (PhotoId, Photo) {
    (PhotoId::from_bytes([number; 32]), Photo { large: vec![number; 90_000], small: vec![number; 9] })
}

fn records_of(number: u8) -> [Key; 3] {
    [
        Key::Customer(customer(number, number).id),
        Key::Card(card(number, number, number).id),
        Key::Request(request(number, number, 5, true).id),
    ]
}

async fn is_readable(store: &dyn Store, number: u8) -> bool {
    let mut readable = Vec::new();
    for key in records_of(number) {
        for past in store.history(&key, None, 10).await.unwrap() {
            readable.extend([past.before, past.after].into_iter().flatten());
        }
    }
    let mut journal = store.journal().await.unwrap();
    while let Some(happened) = journal.recv().await {
        for version in happened.unwrap().changes {
            readable.extend(version.record.filter(|record| records_of(number).contains(&record.key())));
        }
    }
    let (id, _) = photo_of(number);
    let photos = [PhotoSize::Large, PhotoSize::Small].map(|size| store.photo(id, size));
    let mut has_photo = false;
    for photo in photos {
        has_photo |= photo.await.unwrap().is_some();
    }
    has_photo || !readable.is_empty()
}

/// Of a person whose key is destroyed nothing is read again in any version, of all others everything is, also
/// after opening again; what answers and what is told of it is what the naive store says.
pub async fn of_whoever_is_erased_nothing_can_be_read(rig: &dyn Rig) {
    let (store, naive) = (rig.open().await, MemoryStore::new());
    let both: [&dyn Store; 2] = [store.as_ref(), &naive];
    for store in both {
        for commit in (1..=3).flat_map(life) {
            store.commit(commit).await.unwrap();
        }
        for number in 1..=3 {
            let (id, photo) = photo_of(number);
            store.put_photo(id, customer(number, number).id, photo).await.unwrap();
        }
    }
    let person = customer(2, 2).id;
    for store in both {
        store.shut(person).await.unwrap();
        // What is removed has to be read for that.
        assert!(is_readable(store, 2).await);
        for commit in removal(2) {
            store.commit(commit).await.unwrap();
        }
        for _ in 0..2 {
            store.destroy_key(person).await.unwrap();
        }
    }
    let erased = [Erasure { person, is_done: true }];
    for is_again in [false, true] {
        let store = if is_again { rig.open().await } else { Arc::clone(&store) };
        assert!(!is_readable(store.as_ref(), 2).await && !is_readable(&naive, 2).await);
        for other in [1, 3] {
            assert!(is_readable(store.as_ref(), other).await, "{other}");
            let past = store.history(&records_of(other)[0], None, 10).await.unwrap();
            assert_eq!(past.iter().map(|past| past.version).collect::<Vec<_>>(), [2, 1]);
        }
        assert_eq!(store.erasures().await.unwrap(), erased);
        same_answers(store.as_ref(), &naive).await;
        // Its number stays on a card that is nobody's.
        let tag = tag(TagIdKind::Epc, 2);
        let again = Commit { origin: origin(99), changes: vec![Change::new(card(9, 1, 2))] };
        assert!(matches!(store.commit(again).await, Err(CommitFault::Taken { .. })));
        assert_eq!(store.holders(&[tag]).await.unwrap(), [None]);
        // The journal makes a store that is the same, but for a person who never was.
        let anew = MemoryStore::new();
        let mut journal = store.journal().await.unwrap();
        while let Some(happened) = journal.recv().await {
            let Happened { origin, changes } = happened.unwrap();
            let change = |Version { key, version, record }| match record {
                Some(record) => put(record, version - 1),
                None => remove(key, version - 1),
            };
            anew.commit(Commit { origin, changes: changes.into_iter().map(change).collect() }).await.unwrap();
        }
        for kind in Kind::ALL {
            let (there, here) = (store.scan(kind, None, 100).await, anew.scan(kind, None, 100).await);
            assert_eq!(text(&there.unwrap()), text(&here.unwrap()), "{kind:?}");
        }
        store.close().await;
    }
}

/// From when a store is shut for a person nothing is written of them, whoever is just about to; what others
/// and the removal itself write is.
pub async fn of_whoever_is_shut_nothing_is_written(rig: &dyn Rig) {
    let store = rig.open().await;
    for commit in [1, 2].into_iter().flat_map(life) {
        store.commit(commit).await.unwrap();
    }
    let person = customer(1, 1).id;
    let writing = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for at in 0..500u64 {
                let id = VisitId::from_bytes(u128::from(at + 1).to_be_bytes());
                let came = Visit { id, ..visit(1, 1, 1_000 + at, true) };
                let commit = Commit { origin: origin(1), changes: vec![Change::new(came)] };
                match store.commit(commit).await {
                    Ok(_) => {}
                    Err(CommitFault::Conflict { key, found: 0 }) if key == Key::Customer(person) => {
                        return true;
                    }
                    Err(fault) => panic!("{fault}"),
                }
            }
            false
        })
    };
    tokio::task::yield_now().await;
    store.shut(person).await.unwrap();
    let listing = Listing::visits_of(person);
    let there = text(&store.list(&listing, None, 1000).await.unwrap());
    assert!(writing.await.unwrap());
    assert_eq!(text(&store.list(&listing, None, 1000).await.unwrap()), there);
    assert_eq!(store.erasures().await.unwrap(), [Erasure { person, is_done: false }]);
    let refused: [Record; 4] = [
        Customer { notes: "x".into(), ..customer(1, 1) }.into(),
        card(8, 1, 8).into(),
        request(8, 1, 5, true).into(),
        visit(8, 1, 5, true).into(),
    ];
    for record in refused {
        let commit = Commit { origin: origin(2), changes: vec![Change::new(record)] };
        let is_taken_for_gone = matches!(store.commit(commit).await, Err(CommitFault::Conflict { found, .. }) if found == 0 || found == 2);
        assert!(is_taken_for_gone);
    }
    let loaded = store
        .load(origin(2), &mut Portions { portions: vec![vec![card(8, 1, 8).into()]], fails: false })
        .await;
    assert!(matches!(loaded, Err(CommitFault::Conflict { found: 0, .. })), "{loaded:?}");
    let erasing = Request { proposal: Proposal::ErasePerson { customer: person }, ..request(7, 1, 5, true) };
    let others = vec![Change::new(visit(9, 2, 9, true)), Change::new(erasing)];
    store.commit(Commit { origin: origin(3), changes: others }).await.unwrap();
    for commit in removal(1) {
        store.commit(commit).await.unwrap();
    }
    // Somebody whom it never knew.
    let stranger = CustomerId::from_bytes([0xCC; 16]);
    store.shut(stranger).await.unwrap();
    store.destroy_key(stranger).await.unwrap();
    store.close().await;
}

/// When the key of a month is destroyed, nobody knows whose its visits were in any version; of other months
/// it is known, and what is told late is taken.
pub async fn of_a_month_that_is_over_nobody_knows_whose_its_visits_were(rig: &dyn Rig) {
    const MONTH: u64 = 31 * 86_400_000_000_000;
    let (store, naive) = (rig.open().await, MemoryStore::new());
    let both: [&dyn Store; 2] = [store.as_ref(), &naive];
    let came =
        |number: u8, at| Visit { card: Some(card(1, 1, 1).id), ..visit(number, 1 + number % 2, at, false) };
    let at = |number: u8| u64::from(number) / 4 * MONTH + u64::from(number);
    let nobodys = |number| Visit {
        customer: CustomerId::stand_in([number; 10]),
        card: None,
        ..came(number, at(number))
    };
    let over = Month::of(UtcTime::from_nanos(0));
    for store in both {
        for number in 0..8 {
            let changes = vec![Change::new(came(number, at(number)))];
            store.commit(Commit { origin: origin(1), changes }).await.unwrap();
        }
        for number in 0..4 {
            let changes = vec![put(nobodys(number), 1)];
            store.commit(Commit { origin: origin(2), changes }).await.unwrap();
        }
        for _ in 0..2 {
            store.destroy_links(over).await.unwrap();
        }
        let changes = vec![Change::new(came(9, 9))];
        store.commit(Commit { origin: origin(3), changes }).await.unwrap();
    }
    for is_again in [false, true] {
        let store = if is_again { rig.open().await } else { Arc::clone(&store) };
        for number in 0..8 {
            let first =
                store.history(&Key::Visit(came(number, 0).id), Some(2), 9).await.unwrap().pop().unwrap();
            let was = came(number, at(number));
            let expected = if number < 4 { was.of_nobody() } else { was };
            assert_eq!(first.after, Some(expected.into()), "{number}");
        }
        same_answers(store.as_ref(), &naive).await;
        let mut journal = store.journal().await.unwrap();
        let mut first_versions = Vec::new();
        while let Some(happened) = journal.recv().await {
            let changes = happened.unwrap().changes.into_iter().filter(|version| version.version == 1);
            first_versions.extend(changes.filter_map(|version| Visit::try_from(version.record?).ok()));
        }
        let of_nobody = first_versions.iter().filter(|visit| visit.customer == CustomerId::NOBODY).count();
        assert_eq!((first_versions.len(), of_nobody), (9, 4));
        let late = store.get(&[Key::Visit(came(9, 9).id)]).await.unwrap().pop().flatten().unwrap();
        assert_eq!(late.record, came(9, 9).into());
        store.close().await;
    }
}
