use proptest::prelude::*;
use rfid_core::{SystemClock, UtcTime};
use rfid_ledger::{NewRecord, Reader};
use zeroize::Zeroizing;

use super::anchors::Anchor;
use super::*;
use crate::store::Actor;

pub(super) fn keys() -> Arc<Keys> {
    Arc::new(Keys::new(&Zeroizing::new([7; 32]), &[]).unwrap())
}

pub(super) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

pub(super) fn entry(action: &str) -> Entry {
    Entry::new(UtcTime::from_nanos(1), Actor::Console, "console", action)
}

pub(super) async fn trail(folder: &Path) -> Trail {
    Trail::open(folder, keys(), clock()).await.unwrap()
}

/// The contents of a trail as they lie on the disk.
pub(super) fn contents(folder: &Path) -> Vec<Vec<u8>> {
    let mut reader = Reader::new(folder, 0);
    let mut contents = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        if let rfid_ledger::Entry::Content(content) = entry {
            contents.push(content.bytes);
        }
    }
    contents
}

/// A ledger of these contents: what somebody can make who may write the files.
async fn forged(folder: &Path, contents: Vec<Vec<u8>>) {
    forged_as([0; 16], folder, contents).await;
}

/// The same under the id of another.
pub(super) async fn forged_as(new_id: [u8; 16], folder: &Path, contents: Vec<Vec<u8>>) {
    let settings = LedgerSettings { reserve_bytes: 0, new_id, ..LedgerSettings::default() };
    let ledger = Ledger::open(folder, settings, clock()).await.unwrap();
    let records = contents.into_iter().map(|content| NewRecord { id: [0; 16], content }).collect();
    ledger.append(records).await.unwrap();
    ledger.close().await;
}

async fn written(folder: &Path, count: usize) -> Head {
    let trail = trail(folder).await;
    for at in 0..count {
        trail.act(entry(&format!("act.{at}"))).await.unwrap();
    }
    let head = trail.head().await.unwrap();
    trail.close().await;
    head
}

#[tokio::test]
async fn a_trail_goes_on_where_it_ended_and_can_be_verified() {
    let folder = tempfile::tempdir().unwrap();
    let first = written(folder.path(), 3).await;
    assert_eq!(first.number, 3);
    let second = written(folder.path(), 2).await;
    let anchors =
        [Anchor { trail: "t".to_owned(), at: UtcTime::from_nanos(1), head: first, signature: None }];
    let verified = verify(folder.path(), None, &anchors, |_| {}).unwrap();
    assert_eq!((verified.first, verified.head, verified.records), (1, second, 5));
    assert_eq!((verified.anchors, verified.fault), (1, None));
}

#[tokio::test]
async fn what_is_looked_at_is_written_soon_and_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let trail = trail(folder.path()).await;
    for at in 0..10 {
        trail.note(entry(&format!("see.{at}"))).await.unwrap();
    }
    let number = trail.act(entry("act")).await.unwrap();
    assert_eq!(number, 11);
    let latest = trail.latest(None, 3).await.unwrap();
    let actions: Vec<&str> = latest.iter().map(|recorded| recorded.entry.action.as_str()).collect();
    assert_eq!(actions, ["act", "see.9", "see.8"]);
    assert_eq!(trail.latest(Some(2), 9).await.unwrap().len(), 1);
    trail.close().await;
}

#[tokio::test]
async fn every_kind_of_tampering_is_found_at_its_record() {
    let folder = tempfile::tempdir().unwrap();
    let head = written(folder.path(), 6).await;
    let good = contents(folder.path());
    let anchor = Anchor { trail: "t".to_owned(), at: UtcTime::from_nanos(1), head, signature: None };
    let mut changed = good.clone();
    changed[2].extend_from_slice(b" ");
    let mut removed = good.clone();
    removed.remove(2);
    let mut swapped = good.clone();
    swapped.swap(2, 3);
    let mut inserted = good.clone();
    inserted.insert(2, good[1].clone());
    let cut = good[..4].to_vec();
    let mut last_changed = good.clone();
    last_changed[5].extend_from_slice(b" ");
    for (name, contents, number) in [
        // It is the record behind that no longer fits; which of the two was changed nobody can tell.
        ("changed", changed, 4),
        ("removed", removed, 3),
        ("swapped", swapped, 3),
        ("inserted", inserted, 3),
        ("cut", cut, 5),
        ("last changed", last_changed, 6),
    ] {
        let folder = tempfile::tempdir().unwrap();
        forged(folder.path(), contents).await;
        let verified = verify(folder.path(), None, std::slice::from_ref(&anchor), |_| {}).unwrap();
        let fault = verified.fault.unwrap_or_else(|| panic!("{name} is not found"));
        assert_eq!(fault.number, number, "{name}: {}", fault.what);
    }
}

#[tokio::test]
async fn nothing_is_done_while_nothing_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let trail = trail(folder.path()).await;
    trail.act(entry("first")).await.unwrap();
    trail.ledger.close().await;
    assert!(trail.act(entry("second")).await.is_err());
    assert!(trail.note(entry("look")).await.is_err());
    assert!(trail.is_well().is_err());
    trail.close().await;
    assert_eq!(contents(folder.path()).len(), 1);
}

#[tokio::test]
async fn acts_are_settled_by_what_takes_them_back() {
    let folder = tempfile::tempdir().unwrap();
    let trail = trail(folder.path()).await;
    let act = |at: u32| Entry { version: Some(at), ..entry("customer.change") };
    trail.act(entry("login")).await.unwrap();
    let first = trail.act(act(1)).await.unwrap();
    let second = trail.act(act(2)).await.unwrap();
    trail.undone(first, act(1), "somebody else was faster").await.unwrap();
    let unsettled = trail.unsettled().await.unwrap();
    assert_eq!(unsettled.iter().map(|recorded| recorded.number).collect::<Vec<_>>(), [second]);
    trail.close().await;
}

#[test]
fn anchors_are_read_as_they_were_added_and_of_one_trail() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("anchors.jsonl");
    assert!(anchors::read(&path, "a").unwrap().is_empty());
    let anchor = |trail: &str, number| Anchor {
        trail: trail.to_owned(),
        at: UtcTime::from_nanos(number),
        head: Head { number, hash: Hash::of(b"x") },
        signature: (number == 3).then(|| "AAAA".to_owned()),
    };
    for (trail, number) in [("a", 1), ("b", 2), ("a", 3)] {
        anchors::add(&path, &anchor(trail, number)).unwrap();
    }
    assert_eq!(anchors::read(&path, "a").unwrap(), [anchor("a", 1), anchor("a", 3)]);
    std::fs::write(&path, "{}\n").unwrap();
    assert!(anchors::read(&path, "a").unwrap_err().to_string().contains("anchors.jsonl:1"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_single_changed_byte_is_found(record in 0usize..5, at in 0usize..400, mask in 1u8..=255) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let head = written(folder.path(), 5).await;
            let mut contents = contents(folder.path());
            let bytes = &mut contents[record];
            let at = at % bytes.len();
            bytes[at] ^= mask;
            let changed = tempfile::tempdir().unwrap();
            forged(changed.path(), contents).await;
            let anchor = Anchor { trail: "t".to_owned(), at: UtcTime::from_nanos(1), head, signature: None };
            let verified = verify(changed.path(), None, &[anchor], |_| {}).unwrap();
            let number = verified.fault.map(|fault| fault.number).unwrap_or_default();
            assert!((record as u64 + 1..=record as u64 + 2).contains(&number), "{number}");
        });
    }
}
