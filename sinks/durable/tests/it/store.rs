use rfid_core::ErrorKind;
use rfid_durable::{Batch, Health, Store, Stores};

fn batch(writes: &[(&str, &[u8], &[u8])]) -> Batch {
    let mut batch = Batch::default();
    for (tree, key, value) in writes {
        batch.put(tree, *key, *value);
    }
    batch
}

#[tokio::test]
async fn what_is_committed_is_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = Store::open(&path).await.unwrap();
    store.commit(batch(&[("a", b"1", b"one"), ("b", b"2", b"two"), ("a", b"3", b"three")])).await.unwrap();
    let mut removal = Batch::default();
    removal.remove("a", *b"1");
    store.commit(removal).await.unwrap();
    store.close().await;

    let store = Store::open(&path).await.unwrap();
    assert_eq!(store.get("a", *b"1").await.unwrap(), None);
    assert_eq!(store.get("b", *b"2").await.unwrap(), Some(b"two".to_vec()));
    assert_eq!(store.last("a").await.unwrap(), Some((b"3".to_vec(), b"three".to_vec())));
    store.drop_tree("a").await.unwrap();
    assert_eq!(store.scan("a", None, 10).await.unwrap(), []);
    store.close().await;
}

#[tokio::test]
async fn scanning_goes_on_behind_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("store")).await.unwrap();
    let mut many = Batch::default();
    for number in 0u32..1000 {
        many.put("numbers", number.to_be_bytes(), number.to_be_bytes());
    }
    store.commit(many).await.unwrap();
    let (mut after, mut found) = (None, 0);
    loop {
        let page = store.scan("numbers", after, 300).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        found += page.len();
    }
    assert_eq!(found, 1000);
    store.close().await;
}

#[tokio::test]
async fn commits_that_wait_together_share_a_sync() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("store")).await.unwrap();
    let commits: Vec<_> = (0u32..200)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.commit(batch(&[("a", &number.to_be_bytes(), b"x")])).await })
        })
        .collect();
    for commit in commits {
        commit.await.unwrap().unwrap();
    }
    assert!(store.syncs() < 200, "{} syncs for 200 commits", store.syncs());
    assert_eq!(store.scan("a", None, 1000).await.unwrap().len(), 200);
    store.close().await;
}

#[tokio::test]
async fn a_second_host_on_the_same_folder_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let first = Store::open(folder.path().join("store")).await.unwrap();
    let error = Store::open(folder.path().join("store")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains("in use by another process"), "{error}");
    first.close().await;
    Store::open(folder.path().join("store")).await.unwrap().close().await;
}

#[tokio::test]
async fn a_value_that_is_too_large_is_refused_and_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("store")).await.unwrap();
    let error = store.commit(batch(&[("a", b"1", &vec![0; 65 * 1024])])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(store.health(), Health::Well);
    store.commit(batch(&[("a", b"1", &vec![0; 64 * 1024])])).await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_set_aside_and_never_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = Store::open(&path).await.unwrap();
    for number in 0u32..500 {
        let value = vec![number as u8; 300];
        store.commit(batch(&[("a", &number.to_be_bytes(), &value)])).await.unwrap();
    }
    store.close().await;
    // Sled refuses a configuration that it did not write.
    std::fs::write(path.join("conf"), b"not what sled wrote").unwrap();

    let store = Store::open(&path).await.unwrap();
    let aside = store.set_aside().expect("the damage is noticed").to_owned();
    assert!(aside.join("db").exists());
    assert_eq!(store.scan("a", None, 10).await.unwrap(), []);
    store.commit(batch(&[("a", b"1", b"one")])).await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_damaged_file_never_gives_a_wrong_value() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = Store::open(&path).await.unwrap();
    for number in 0u32..300 {
        store.commit(batch(&[("a", &number.to_be_bytes(), &[number as u8; 200])])).await.unwrap();
    }
    store.close().await;
    let whole = std::fs::read(path.join("db")).unwrap();
    for damage in 0..12 {
        let mut spoilt = whole.clone();
        let at = 512 + damage * 7919 % (spoilt.len() - 512);
        spoilt[at] ^= 0x10;
        let copy = folder.path().join(format!("copy{damage}"));
        std::fs::create_dir(&copy).unwrap();
        std::fs::copy(path.join("conf"), copy.join("conf")).unwrap();
        std::fs::write(copy.join("db"), spoilt).unwrap();
        let store = Store::open(&copy).await.unwrap();
        // Reading may find the damage, too; then it is an error and not a value.
        if let Ok(records) = store.scan("a", None, 1000).await {
            for (key, value) in records {
                let number = u32::from_be_bytes(key.try_into().unwrap());
                assert_eq!(value, [number as u8; 200], "record {number} with byte {at} damaged");
            }
        }
        store.close().await;
    }
}

#[tokio::test]
async fn stores_of_one_folder_are_opened_once() {
    let folder = tempfile::tempdir().unwrap();
    let stores = Stores::new(folder.path());
    let (one, same) = tokio::join!(stores.open("directory"), stores.open("directory"));
    one.unwrap().commit(batch(&[("a", b"1", b"one")])).await.unwrap();
    assert_eq!(same.unwrap().get("a", *b"1").await.unwrap(), Some(b"one".to_vec()));
    assert_eq!(stores.opened().len(), 1);
    stores.close().await;
    assert_eq!(stores.opened().len(), 0);
}
