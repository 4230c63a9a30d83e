use std::sync::Arc;

use async_trait::async_trait;
use rfid_core::SystemClock;
use zeroize::Zeroizing;

use super::*;
use crate::randomness::SystemRandomness;
use crate::record::Record;
use crate::seal::Keys;
use crate::store::embedded::EmbeddedStore;
use crate::store::suite::{card, customer, origin, visit};
use crate::store::{MemoryStore, Rows, Supply};

fn rows(key: u8) -> Rows {
    let keys = Keys::new(&Zeroizing::new([key; 32]), &[]).unwrap();
    Rows::new(Arc::new(keys), Arc::new(SystemRandomness))
}

async fn embedded(folder: &std::path::Path, key: u8) -> Arc<dyn Store> {
    Arc::new(EmbeddedStore::open(folder, rows(key), Arc::new(SystemClock::new())).await.unwrap())
}

struct Once(Option<Vec<Record>>);

#[async_trait]
impl Supply for Once {
    async fn next(&mut self) -> Result<Option<Vec<Record>>> {
        Ok(self.0.take())
    }
}

/// Commits, a load, a removal, a record made again, a swap, photos.
async fn fill(store: &dyn Store) {
    let commit = async |at, changes| {
        store.commit(Commit { origin: origin(at), changes }).await.unwrap();
    };
    commit(1, vec![Change::new(customer(1, 1)), Change::new(customer(2, 2))]).await;
    let loaded = (20..60).map(|number| customer(number, number).into()).collect();
    store.load(origin(2), &mut Once(Some(loaded))).await.unwrap();
    let swapped =
        |number, named| Change::Put { record: Box::new(customer(number, named).into()), expected: 1 };
    commit(3, vec![swapped(2, 1), swapped(1, 2)]).await;
    commit(4, vec![Change::Remove { key: Key::Customer(customer(30, 0).id), expected: 1 }]).await;
    commit(5, vec![Change::new(customer(30, 90)), Change::new(card(1, 30, 1))]).await;
    for number in 0..100 {
        commit(6, vec![Change::new(visit(number, 1, u64::from(number), true))]).await;
    }
    // So many that a task which asks for all of them is made to give way in between.
    for named in 0..200 {
        let visit = crate::record::Visit { revisits: named, ..visit(100, 1, 100, true) };
        let put = Change::Put { record: Box::new(visit.into()), expected: named };
        commit(7, vec![put]).await;
        if named > 1 {
            commit(8, vec![Change::new(card(u8::try_from(named).unwrap(), 1, 0))]).await;
        }
    }
    for byte in [3, 200] {
        let photo = Photo { large: vec![byte; 2000], small: vec![byte; 20] };
        store
            .put_photo(
                PhotoId::from_bytes([byte; 32]),
                crate::record::CustomerId::from_bytes([byte; 16]),
                photo,
            )
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_moved_and_proved_and_a_second_time_changes_nothing() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (from, to) = (embedded(folders[0].path(), 1).await, embedded(folders[1].path(), 2).await);
    fill(from.as_ref()).await;
    for _ in 0..2 {
        let moved = move_all(from.as_ref(), to.as_ref(), &mut |_| {}).await.unwrap();
        assert_eq!((moved.versions, moved.photos), (2 + 40 + 2 + 1 + 2 + 100 + 200 + 198, 2));
        assert!(moved.records.contains(&(Kind::Customer, 42)), "{moved:?}");
    }
    let history = Key::Customer(customer(30, 0).id);
    let histories =
        [from.history(&history, None, 9).await.unwrap(), to.history(&history, None, 9).await.unwrap()];
    assert_eq!(histories[0], histories[1]);
    assert_eq!(histories[0].len(), 3);
    from.close().await;
    to.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_was_interrupted_goes_on_where_it_was() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (from, to) = (embedded(folders[0].path(), 1).await, embedded(folders[1].path(), 1).await);
    fill(from.as_ref()).await;
    let mut journal = Versions::of(from.as_ref()).await.unwrap();
    let mut removed = Removed::default();
    // As far as into the middle of what was loaded.
    for _ in 0..13 {
        let (origin, version) = journal.next().await.unwrap().unwrap();
        let expected = removed.expected(&version);
        let record = Box::new(version.record.unwrap());
        to.commit(Commit { origin, changes: vec![Change::Put { record, expected }] }).await.unwrap();
    }
    let moved = move_all(from.as_ref(), to.as_ref(), &mut |_| {}).await.unwrap();
    assert_eq!(moved, sum(from.as_ref(), &mut |_| {}).await.unwrap());
    from.close().await;
    to.close().await;
}

#[tokio::test]
async fn a_store_with_customers_of_its_own_is_not_moved_to() {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    fill(&from).await;
    let theirs = Commit { origin: origin(9), changes: vec![Change::new(customer(1, 1))] };
    to.commit(theirs).await.unwrap();
    let refused = move_all(&from, &to, &mut |_| {}).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Config);
    // Nor one that is ahead.
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    fill(&to).await;
    assert_eq!(move_all(&from, &to, &mut |_| {}).await.unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(from.count(Kind::Customer).await.unwrap(), 0);
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn what_goes_to_postgresql_and_back_is_the_same() {
    use crate::store::postgres::PostgresStore;
    use crate::store::postgres::cluster::Cluster;
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let cluster = Cluster::start(&["fsync=off"]);
    let url = cluster.database("bank");
    let central = PostgresStore::open(&url, rows(3), Arc::new(SystemClock::new())).await.unwrap();
    let (from, back) = (embedded(folders[0].path(), 1).await, embedded(folders[1].path(), 2).await);
    fill(from.as_ref()).await;
    let there = move_all(from.as_ref(), &central, &mut |_| {}).await.unwrap();
    let again = move_all(from.as_ref(), &central, &mut |_| {}).await.unwrap();
    let home = move_all(&central, back.as_ref(), &mut |_| {}).await.unwrap();
    assert_eq!([&there, &again], [&home, &home]);
    for store in [from.as_ref(), back.as_ref(), &central] {
        store.close().await;
    }
}
