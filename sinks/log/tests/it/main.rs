//! The logs as their users see them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use rfid_core::{
    ErrorKind, Event, EventBatch, EventId, Loss, Name, Settings, SinkKind, SystemClock, TagId, TagIdKind,
};
use rfid_durable::Stores;
use rfid_ledger::{Entry, LedgerSettings};
use rfid_sink_log::{
    Appended, EventIndex, EventLedger, EventLog, EventReader, JsonlLog, LedgerLog, LogKind, Recorded,
};

fn event(number: u32) -> Event {
    let tag = TagId::new(TagIdKind::Epc, &number.to_be_bytes()).unwrap();
    let sample = Event::sample();
    Event { event_id: EventId::derive("log", &tag, sample.first_seen, 0), tag, ..sample }
}

fn events(numbers: std::ops::Range<u32>) -> Vec<Event> {
    numbers.map(event).collect()
}

fn lines(path: &Path) -> Vec<Event> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn append(log: &mut dyn EventLog, numbers: std::ops::Range<u32>) -> Appended {
    log.append(&events(numbers)).await.unwrap()
}

#[tokio::test]
async fn each_event_is_one_line_and_a_repeat_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("not yet there").join("events.jsonl");
    let mut log = JsonlLog::new(&path);
    log.open().await.unwrap();
    assert_eq!(append(&mut log, 0..3).await, Appended { written: 3, ..Appended::default() });
    assert_eq!(append(&mut log, 1..5).await, Appended { written: 2, repeated: 2, numbers: Vec::new() });
    log.close().await.unwrap();

    // A run after a crash repeats what it does not know to have been written.
    let mut log = JsonlLog::new(&path);
    log.open().await.unwrap();
    assert_eq!(append(&mut log, 3..7).await, Appended { written: 2, repeated: 2, numbers: Vec::new() });
    log.close().await.unwrap();
    assert_eq!(lines(&path), events(0..7));
}

fn ledger(folder: &Path) -> EventLedger {
    let settings = LedgerSettings { new_id: [3; 16], reserve_bytes: 0, ..LedgerSettings::default() };
    EventLedger::new(folder.join("ledger"), settings, Arc::new(SystemClock::new()))
}

/// Events that a ledger holds, and the numbers that gaps stand for.
fn recorded(folder: &Path) -> (Vec<Event>, Vec<u64>) {
    let mut reader = EventReader::new(folder.join("ledger"), 0);
    let (mut events, mut gaps) = (Vec::new(), Vec::new());
    while let Some(recorded) = reader.next_recorded().unwrap() {
        match recorded {
            Recorded::Event(event) => events.push(*event),
            Recorded::Other(Entry::Gap { gap, .. }) => gaps.extend(gap.first..=gap.last),
            Recorded::Other(other) => panic!("{other:?}"),
        }
    }
    (events, gaps)
}

#[tokio::test]
async fn the_ledger_numbers_events_without_gaps_and_knows_repeats() {
    let folder = tempfile::tempdir().unwrap();
    let place = ledger(folder.path());
    let mut log = LedgerLog::new(place.clone());
    log.open().await.unwrap();
    let first = append(&mut log, 0..120).await;
    assert_eq!(first, Appended { written: 120, repeated: 0, numbers: (1..=120).collect() });
    place.close().await;

    let place = ledger(folder.path());
    let mut log = LedgerLog::new(place.clone());
    let second = append(&mut log, 100..140).await;
    assert_eq!(second, Appended { written: 20, repeated: 20, numbers: (101..=140).collect() });
    let (all, gaps) = recorded(folder.path());
    let expected = events(0..140).into_iter().zip(1..);
    let expected = expected.map(|(event, number)| Event { sequence: Some(number), ..event });
    assert_eq!((all, gaps), (expected.collect::<Vec<_>>(), Vec::new()));
    place.close().await;
}

#[tokio::test]
async fn what_is_lost_has_numbers_too() {
    let folder = tempfile::tempdir().unwrap();
    let place = ledger(folder.path());
    let mut log = LedgerLog::new(place.clone());
    append(&mut log, 0..2).await;
    let at = Event::sample().time;
    let loss = Loss { count: 3, reason: "the disk was full".to_owned(), from: at, to: at };
    log.lost(&loss).await.unwrap();
    assert_eq!(append(&mut log, 2..3).await.numbers, [6]);
    let (all, gaps) = recorded(folder.path());
    assert_eq!((all.len(), gaps), (3, vec![3, 4, 5]));
    place.close().await;
}

#[tokio::test]
async fn an_event_is_found_by_its_id_and_the_index_is_made_anew_when_it_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let place = ledger(folder.path());
    let mut log = LedgerLog::new(place.clone());
    // In several appends: most are in blocks, the latest are not.
    for part in 0..20 {
        append(&mut log, part * 50..part * 50 + 50).await;
    }
    let stores = Stores::new(&data);
    let index = EventIndex::new(stores.clone(), place.clone());
    assert_eq!(index.number_of(event(137).event_id).await.unwrap(), Some(138));
    append(&mut log, 1000..1001).await;
    assert_eq!(index.number_of(event(1000).event_id).await.unwrap(), Some(1001));
    assert_eq!(index.number_of(event(0).event_id).await.unwrap(), Some(1));
    assert_eq!(index.number_of(event(9999).event_id).await.unwrap(), None);
    stores.close().await;

    std::fs::remove_dir_all(&data).unwrap();
    let stores = Stores::new(&data);
    let index = EventIndex::new(stores.clone(), place.clone());
    assert_eq!(index.number_of(event(299).event_id).await.unwrap(), Some(300));
    stores.close().await;
    place.close().await;

    // Another ledger in the same place: the numbers of the old one are worth nothing.
    std::fs::remove_dir_all(folder.path().join("ledger")).unwrap();
    let settings = LedgerSettings { new_id: [4; 16], reserve_bytes: 0, ..LedgerSettings::default() };
    let place = EventLedger::new(folder.path().join("ledger"), settings, Arc::new(SystemClock::new()));
    append(&mut LedgerLog::new(place.clone()), 200..600).await;
    let stores = Stores::new(&data);
    let index = EventIndex::new(stores.clone(), place.clone());
    assert_eq!(index.number_of(event(137).event_id).await.unwrap(), None);
    assert_eq!(index.number_of(event(599).event_id).await.unwrap(), Some(400));
    stores.close().await;
    place.close().await;
}

#[tokio::test]
async fn an_end_that_is_gone_is_found_by_the_index_and_its_numbers_are_not_given_again() {
    let folder = tempfile::tempdir().unwrap();
    let stores = Stores::new(folder.path().join("data"));
    let now = Event::sample().time;
    let place = ledger(folder.path());
    let index = EventIndex::new(stores.clone(), place.clone());
    assert_eq!(index.account_for_the_end(now).await.unwrap(), 0);
    assert!(!place.folder().exists(), "none was made");
    append(&mut LedgerLog::new(place.clone()), 0..10).await;
    while index.catch_up().await.unwrap() {}
    assert_eq!(index.account_for_the_end(now).await.unwrap(), 0);
    place.close().await;

    // Cut between two records, so that what is left looks whole.
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().path();
    let mut files = std::fs::read_dir(folder.path().join("ledger")).unwrap().map(name);
    let segment = files.find(|path| path.extension().is_some_and(|end| end == "ledger")).unwrap();
    let length = std::fs::metadata(&segment).unwrap().len();
    let file = std::fs::File::options().write(true).open(&segment).unwrap();
    let few = ledger(&folder.path().join("few"));
    append(&mut LedgerLog::new(few.clone()), 0..4).await;
    few.close().await;
    let four = std::fs::metadata(few.folder().join(segment.file_name().unwrap())).unwrap().len();
    assert!(four < length);
    file.set_len(four).unwrap();

    let place = ledger(folder.path());
    let index = EventIndex::new(stores.clone(), place.clone());
    assert_eq!(index.account_for_the_end(now).await.unwrap(), 6);
    assert_eq!(append(&mut LedgerLog::new(place.clone()), 10..11).await.numbers, [11]);
    assert_eq!(index.account_for_the_end(now).await.unwrap(), 0, "it is said once");
    assert_eq!(index.number_of(event(7).event_id).await.unwrap(), None);
    assert_eq!(index.number_of(event(10).event_id).await.unwrap(), Some(11));
    let (all, gaps) = recorded(folder.path());
    assert_eq!((all.len(), gaps), (5, (5..=10).collect()));
    stores.close().await;
    place.close().await;
}

#[tokio::test]
async fn the_file_and_the_ledger_hold_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let place = ledger(folder.path());
    let kind = LogKind::new(place.clone());
    let path = folder.path().join("events.jsonl");
    let settings = Settings::from_toml(&format!("path = '{}'", path.display())).unwrap();
    let mut sink = kind.sink(&settings, &Name::from("visits")).unwrap();
    sink.open().await.unwrap();
    let mut batch = EventBatch::new(events(0..5));
    sink.deliver(&mut batch).await.unwrap();
    sink.close().await.unwrap();
    assert_eq!(recorded(folder.path()).0, batch.events);
    assert_eq!(lines(&path), events(0..5));
    place.close().await;
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = JsonlLog::new(folder.path());
    let error = log.open().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains(&folder.path().display().to_string()), "{error}");
    assert!(log.append(&events(0..1)).await.is_err());
}

#[tokio::test]
async fn the_sink_passes_the_suite_with_and_without_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let place = ledger(folder.path());
    let kind = LogKind::new(place.clone());
    for settings in [format!("path = '{}'", folder.path().join("events.jsonl").display()), String::new()] {
        let settings = Settings::from_toml(&settings).unwrap();
        let make = || kind.sink(&settings, &Name::from("visits")).unwrap();
        rfid_conformance::sink::check(make).await.assert_passed(0);
    }
    place.close().await;
}

proptest! {
    /// Wherever a crash cuts the file, what was whole stays and the rest is taken off.
    #[test]
    fn a_torn_line_is_taken_off(cut in any::<proptest::sample::Index>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("events.jsonl");
            let mut log = JsonlLog::new(&path);
            log.open().await.unwrap();
            append(&mut log, 0..4).await;
            log.close().await.unwrap();
            let whole = std::fs::read(&path).unwrap();
            let cut = cut.index(whole.len() + 1);
            std::fs::write(&path, &whole[..cut]).unwrap();
            let kept = whole[..cut].iter().filter(|byte| **byte == b'\n').count() as u32;

            let mut log = JsonlLog::new(&path);
            log.open().await.unwrap();
            assert_eq!(lines(&path), events(0..kept));
            append(&mut log, 0..6).await;
            log.close().await.unwrap();
            assert_eq!(lines(&path), events(0..6));
        });
    }
}

fn appender() -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples");
    path.push("append_until_killed");
    assert!(path.exists(), "{} is built by `cargo test` and `cargo nextest run`", path.display());
    path
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_by_a_kill() {
    let kills: u64 = std::env::var("RFID_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(10);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let mut acknowledged = HashSet::new();
    for kill in 0..kills {
        let mut child =
            Command::new(appender()).arg(&path).arg(kill.to_string()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let killer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20 + kill * 7919 % 200));
            child.kill().unwrap();
            child.wait().unwrap();
        });
        acknowledged.extend(output.lines().filter_map(|line| line.unwrap().parse::<EventId>().ok()));
        killer.join().unwrap();
    }
    let mut log = JsonlLog::new(&path);
    log.open().await.unwrap();
    log.close().await.unwrap();
    let ids: Vec<EventId> = lines(&path).into_iter().map(|event| event.event_id).collect();
    let found: HashSet<EventId> = ids.iter().copied().collect();
    assert_eq!(found.len(), ids.len(), "no event is there twice");
    assert!(!acknowledged.is_empty(), "the child was killed before it had done anything, each time");
    assert_eq!(acknowledged.difference(&found).count(), 0, "acknowledged events are missing");
}
