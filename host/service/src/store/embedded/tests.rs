use std::path::PathBuf;

use rfid_core::{ErrorKind, SystemClock};
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::*;
use crate::randomness::SystemRandomness;
use crate::record::VisitId;
use crate::seal::Keys;
use crate::store::Change;
use crate::store::suite::{Rig, customer, origin, visit};

pub(super) struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    async fn try_open(&self, key: u8) -> Result<EmbeddedStore> {
        let keys = Keys::new(&Zeroizing::new([key; 32]), &[])?;
        let rows = Rows::new(Arc::new(keys), Arc::new(SystemRandomness));
        EmbeddedStore::open(self.0.path(), rows, Arc::new(SystemClock::new())).await
    }
}

#[async_trait]
impl Rig for Folder {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.try_open(7).await.unwrap_or_else(|error| panic!("{error:#}")))
    }
}

crate::store_suite!(Folder::new());

async fn fill(store: &dyn Store, from: u8, to: u8) {
    for number in from..to {
        let changes =
            vec![Change::new(customer(number, number)), Change::new(visit(number, number, 9, true))];
        store.commit(Commit { origin: origin(1), changes }).await.unwrap();
    }
}

async fn numbers(store: &dyn Store) -> (u64, u64, usize) {
    let listed = super::super::Listing {
        kind: Kind::Visit,
        among: super::super::Among::Open,
        from: rfid_core::UtcTime::from_nanos(0),
        until: rfid_core::UtcTime::from_nanos(100),
    };
    let open = store.list(&listed, None, 1000).await.unwrap().len();
    (store.count(Kind::Customer).await.unwrap(), store.count(Kind::Visit).await.unwrap(), open)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_gone_is_made_anew_from_the_ledger() {
    let folder = Folder::new();
    let store = folder.open().await;
    fill(store.as_ref(), 0, 40).await;
    store.close().await;
    std::fs::remove_dir_all(folder.path(INDEX)).unwrap();
    let store = folder.open().await;
    assert_eq!(numbers(store.as_ref()).await, (40, 40, 40));
    let past =
        store.history(&Key::Visit(VisitId::from_bytes(visit(7, 7, 9, true).id.to_bytes())), None, 9).await;
    assert_eq!(past.unwrap().len(), 1);
    fill(store.as_ref(), 40, 50).await;
    store.close().await;
    assert_eq!(numbers(folder.open().await.as_ref()).await, (50, 50, 50));
}

/// As after a kill between the ledger and the index: the index of an earlier moment.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_lacks_the_end_of_the_ledger_gets_it() {
    let folder = Folder::new();
    let store = folder.open().await;
    fill(store.as_ref(), 0, 20).await;
    store.close().await;
    let earlier = folder.path("earlier");
    copy(&folder.path(INDEX), &earlier);
    let store = folder.open().await;
    fill(store.as_ref(), 20, 60).await;
    let removed = Change::Remove { key: Key::Customer(customer(3, 3).id), expected: 1 };
    store.commit(Commit { origin: origin(2), changes: vec![removed] }).await.unwrap();
    store.close().await;
    std::fs::remove_dir_all(folder.path(INDEX)).unwrap();
    std::fs::rename(&earlier, folder.path(INDEX)).unwrap();
    let store = folder.open().await;
    assert_eq!(numbers(store.as_ref()).await, (59, 60, 60));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spoilt_index_opens_by_itself_and_nothing_is_lost() {
    let folder = Folder::new();
    let store = folder.open().await;
    fill(store.as_ref(), 0, 100).await;
    store.close().await;
    let whole = folder.path("whole");
    copy(&folder.path(INDEX), &whole);
    let file = folder.path(INDEX).join("db");
    let length = std::fs::metadata(&file).unwrap().len();
    type Spoil = fn(&mut Vec<u8>, usize);
    let spoils: [Spoil; 3] = [
        |bytes, at| bytes[at] ^= 0x10,
        |bytes, at| bytes.truncate(at),
        |bytes, at| bytes[at..].iter_mut().take(4096).for_each(|byte| *byte = 0),
    ];
    for (which, spoil) in spoils.iter().enumerate() {
        for part in 1..6 {
            std::fs::remove_dir_all(folder.path(INDEX)).unwrap();
            copy(&whole, &folder.path(INDEX));
            let mut bytes = std::fs::read(&file).unwrap();
            spoil(&mut bytes, usize::try_from(length).unwrap() * part / 6);
            std::fs::write(&file, bytes).unwrap();
            // Damage that is only found on reading is named, and mended by the next start.
            for last in [false, true] {
                let store = folder.open().await;
                let found = store.scan(Kind::Customer, None, 1000).await;
                let counted = store.count(Kind::Customer).await;
                let is_whole =
                    found.is_ok_and(|found| found.len() == 100) && counted.is_ok_and(|count| count == 100);
                let health = store.health();
                store.close().await;
                assert!(
                    is_whole || (health != StoreHealth::Well && !last),
                    "way {which}, part {part}: {health:?}"
                );
                if is_whole {
                    break;
                }
            }
        }
    }
}

/// As after a write of the index that failed behind the ledger, or a new file in the place of a damaged
/// one: what is acknowledged next is not written over what the index has missed.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_falls_behind_is_mended_before_anything_is_planned_on_it() {
    let folder = Folder::new();
    let store = folder.try_open(7).await.unwrap();
    fill(&store, 0, 10).await;
    for tree in index::TREES.into_iter().chain([index::META]) {
        store.index.sled().drop_tree(tree).await.unwrap();
    }
    let again = Change::new(customer(3, 3));
    let outcome = store.commit(Commit { origin: origin(2), changes: vec![again] }).await;
    assert!(matches!(outcome, Err(CommitFault::Conflict { found: 1, .. })), "{outcome:?}");
    let change = Change::Put { record: Box::new(customer(3, 5).into()), expected: 1 };
    let taken = store.commit(Commit { origin: origin(2), changes: vec![change] }).await;
    assert!(matches!(taken, Err(CommitFault::Taken { .. })), "{taken:?}");
    assert_eq!(numbers(&store).await, (10, 10, 10));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_of_another_ledger_is_made_anew() {
    let (one, other) = (Folder::new(), Folder::new());
    for (folder, count) in [(&one, 9), (&other, 4)] {
        let store = folder.open().await;
        fill(store.as_ref(), 0, count).await;
        store.close().await;
    }
    std::fs::remove_dir_all(other.path(INDEX)).unwrap();
    copy(&one.path(INDEX), &other.path(INDEX));
    assert_eq!(numbers(other.open().await.as_ref()).await, (4, 4, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_is_refused_in_words_and_nothing_is_changed() {
    let folder = Folder::new();
    let store = folder.open().await;
    fill(store.as_ref(), 0, 3).await;
    store.close().await;
    let error = folder.try_open(8).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("another master secret"), "{error}");
    assert_eq!(numbers(folder.open().await.as_ref()).await, (3, 3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_host_on_the_folder_is_refused() {
    let folder = Folder::new();
    let store = folder.open().await;
    assert_eq!(folder.try_open(7).await.err().map(|error| error.kind()), Some(ErrorKind::Busy));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_personal_lies_in_the_folder() {
    let folder = Folder::new();
    let store = folder.open().await;
    fill(store.as_ref(), 0, 5).await;
    store
        .put_photo(
            PhotoId::from_bytes([1; 32]),
            customer(1, 1).id,
            Photo { large: b"FACEFACE".to_vec(), small: b"FACE".to_vec() },
        )
        .await
        .unwrap();
    store.close().await;
    fn look(folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                look(&path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            for text in ["客户", "11010519491231002X", "FACE", "\"C1\""] {
                let is_there = bytes.windows(text.len()).any(|part| part == text.as_bytes());
                assert!(!is_there, "{text} in {}", path.display());
            }
        }
    }
    look(folder.0.path());
}

/// What was there before is overwritten where it lay, and what an end of the host cut off is no key.
#[tokio::test(flavor = "multi_thread")]
async fn keys_of_persons_are_written_over_and_never_half_there() {
    let folder = Folder::new();
    let store = folder.open().await;
    fill(store.as_ref(), 0, 3).await;
    let (file, before) = (folder.path(PERSONS), folder.path("before"));
    std::fs::hard_link(&file, &before).unwrap();
    let length = std::fs::metadata(&file).unwrap().len();
    store.shut(customer(1, 1).id).await.unwrap();
    assert_eq!(std::fs::read(&before).unwrap(), vec![0; usize::try_from(length).unwrap()]);
    assert_ne!(std::fs::read(&file).unwrap(), std::fs::read(&before).unwrap());
    store.close().await;
    std::fs::write(folder.path("service-persons.part"), b"half of it").unwrap();
    let store = folder.open().await;
    assert!(!folder.path("service-persons.part").exists());
    assert_eq!(store.erasures().await.unwrap().len(), 1);
    assert_eq!(numbers(store.as_ref()).await, (3, 3, 3));
    store.close().await;
    // Without them nobody reads what is there, and is told why.
    std::fs::remove_file(&file).unwrap();
    let error = match folder.try_open(7).await {
        Ok(store) => store.get(&[Key::Customer(customer(1, 1).id)]).await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("person keys"), "{error}");
}

/// What was written before there were keys of persons is found in the history of somebody who was erased, and
/// nowhere else; a move leaves it behind.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_version_sealed_of_somebody_who_was_erased_is_left_behind_by_a_move() {
    let (folder, other) = (Folder::new(), Folder::new());
    let store = folder.try_open(7).await.unwrap();
    let persons = store.index.rows().persons().unwrap();
    store.index.rows().unset_persons();
    fill(&store, 0, 4).await;
    store.index.rows().set_persons((*persons).clone());
    assert_eq!(numbers(&store).await, (4, 4, 4));
    let (person, key) = (customer(1, 1).id, Key::Customer(customer(1, 1).id));
    store.shut(person).await.unwrap();
    let nobodys =
        crate::record::Visit { customer: crate::record::CustomerId::NOBODY, ..visit(1, 1, 9, true) };
    let changes = vec![
        Change::Remove { key: key.clone(), expected: 1 },
        Change::Put { record: Box::new(nobodys.into()), expected: 1 },
    ];
    store.commit(Commit { origin: origin(3), changes }).await.unwrap();
    store.destroy_key(person).await.unwrap();
    let left = store.history(&key, None, 9).await.unwrap();
    assert_eq!(left.iter().filter(|past| past.after.is_some()).count(), 1);
    let to = other.try_open(7).await.unwrap();
    for _ in 0..2 {
        crate::moving::move_all(&store, &to, &mut |_| {}).await.unwrap();
    }
    assert_eq!(to.history(&key, None, 9).await.unwrap(), []);
    assert_eq!((numbers(&to).await, to.erasures().await.unwrap().len()), ((3, 4, 4), 1));
    store.close().await;
    to.close().await;
}
