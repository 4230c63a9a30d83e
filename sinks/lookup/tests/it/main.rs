//! The embedded directory and its sink as their users see them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;
use std::sync::Arc;

use rfid_core::{Event, Name, Record, Settings, SinkKind};
use rfid_durable::{Batch, Stores};
use rfid_sink_lookup::import::{ImportError, Progress, import};
use rfid_sink_lookup::{Directory, LookupKind, SledDirectory};

struct Desk {
    folder: tempfile::TempDir,
    stores: Stores,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stores = Stores::new(folder.path().join("data"));
        Self { folder, stores }
    }

    async fn import(&self, csv: &str) -> Result<u64, ImportError> {
        let file: PathBuf = self.folder.path().join("directory.csv");
        std::fs::write(&file, csv).unwrap();
        import(&self.stores, &file, |_| ()).await
    }

    async fn name(&self, tag: &str) -> Option<String> {
        let record = self.record(tag).await?;
        Some(record["name"].as_str().unwrap().to_owned())
    }

    async fn record(&self, tag: &str) -> Option<Record> {
        found(&SledDirectory::new(self.stores.clone()), tag).await
    }
}

async fn found(directory: &SledDirectory, tag: &str) -> Option<Record> {
    let event = Event { tag: tag.parse().unwrap(), ..Event::sample() };
    directory.find(&[event]).await.unwrap().remove(0)
}

#[tokio::test]
async fn an_import_is_found_by_tag_with_its_columns_in_order() {
    let desk = Desk::new();
    assert_eq!(desk.name("epc:2D00").await, None, "an empty directory knows nobody");
    let count = desk.import("tag,name,class,business\n2D00,王小明,gold,存款\n04A2B3C4,李雷,silver,\n").await;
    assert_eq!(count.unwrap(), 2);
    assert_eq!(desk.name("epc:2D00").await.as_deref(), Some("王小明"));
    assert_eq!(desk.name("uid:04A2B3C4").await.as_deref(), Some("李雷"));
    let record = desk.record("epc:2D00").await.unwrap();
    assert_eq!(record.keys().collect::<Vec<_>>(), ["name", "class", "business"]);
    desk.stores.close().await;
}

#[tokio::test]
async fn what_was_found_before_an_import_is_not_found_after_it() {
    let desk = Desk::new();
    let directory = SledDirectory::new(desk.stores.clone());
    desk.import("tag,name\n2D00,old\n2D01,gone\n").await.unwrap();
    for _ in 0..2 {
        assert_eq!(found(&directory, "epc:2D00").await.unwrap()["name"], "old");
        assert_eq!(found(&directory, "epc:2D01").await.unwrap()["name"], "gone");
        assert_eq!(found(&directory, "epc:2D02").await, None);
    }
    desk.import("tag,name\n2D00,new\n2D02,come\n").await.unwrap();
    for _ in 0..2 {
        assert_eq!(found(&directory, "epc:2D00").await.unwrap()["name"], "new");
        assert_eq!(found(&directory, "epc:2D01").await, None);
        assert_eq!(found(&directory, "epc:2D02").await.unwrap()["name"], "come");
    }
    desk.stores.close().await;
}

#[tokio::test]
async fn an_import_replaces_the_one_before_as_a_whole() {
    let desk = Desk::new();
    desk.import("tag,name\n2D00,old\n2D01,gone\n").await.unwrap();
    desk.import("tag,name\n2D00,new\n").await.unwrap();
    assert_eq!(desk.name("epc:2D00").await.as_deref(), Some("new"));
    assert_eq!(desk.name("epc:2D01").await, None);
    desk.stores.close().await;
}

#[tokio::test]
async fn a_file_with_a_fault_changes_nothing() {
    let desk = Desk::new();
    desk.import("tag,name\n2D00,old\n").await.unwrap();
    let Err(ImportError::Faults(faults)) =
        desk.import("tag,name\n2D00,new\n2D01,x\n2d00,twice\nXX,y\n").await
    else {
        panic!("the file is wrong");
    };
    assert_eq!(faults.total, 2);
    assert_eq!(faults.shown[0], (4, "epc:2D00 stands already on line 2".to_owned()));
    assert_eq!(desk.name("epc:2D00").await.as_deref(), Some("old"));
    desk.stores.close().await;
}

#[tokio::test]
async fn an_import_that_was_cut_short_leaves_no_trace() {
    let desk = Desk::new();
    desk.import("tag,name\n2D00,old\n").await.unwrap();
    let store = desk.stores.open("directory").await.unwrap();
    let mut half = Batch::default();
    half.put("records-2", *b"\x01\x2D\x01", *b"{}");
    store.commit(half).await.unwrap();
    assert_eq!(desk.name("epc:2D00").await.as_deref(), Some("old"));
    desk.import("tag,name\n2D02,new\n").await.unwrap();
    assert_eq!(desk.name("epc:2D01").await, None, "the half import is gone");
    desk.stores.close().await;
}

#[tokio::test]
async fn progress_reaches_the_end() {
    let desk = Desk::new();
    let file = desk.folder.path().join("many.csv");
    let mut csv = String::from("tag,name\n");
    for number in 0..25_000 {
        csv.push_str(&format!("{number:024X},customer {number}\n"));
    }
    std::fs::write(&file, csv).unwrap();
    let mut seen = Vec::new();
    import(&desk.stores, &file, |progress| seen.push(progress)).await.unwrap();
    assert_eq!(seen.last(), Some(&Progress::Storing(25_000, 25_000)));
    assert!(seen.iter().any(|progress| matches!(progress, Progress::Checking(done, all) if done < all)));
    assert_eq!(desk.name("epc:0000000000000000000061A7").await.as_deref(), Some("customer 24999"));
    desk.stores.close().await;
}

#[tokio::test]
async fn the_sink_passes_the_suite() {
    let desk = Desk::new();
    desk.import("tag,name\n00000064,known\n").await.unwrap();
    let kind = LookupKind::new(Arc::new(SledDirectory::new(desk.stores.clone())));
    let settings = Settings::from_toml("source = \"directory\"").unwrap();
    let make = || kind.sink(&settings, &Name::from("customers")).unwrap();
    rfid_conformance::sink::check(make).await.assert_passed(1);
    desk.stores.close().await;
}
