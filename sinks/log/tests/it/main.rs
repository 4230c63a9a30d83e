//! Both logs as their users see them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use proptest::prelude::*;
use rfid_core::{ErrorKind, Event, EventId, Name, Settings, SinkKind, TagId, TagIdKind};
use rfid_durable::Stores;
use rfid_sink_log::{Appended, EventLog, JournalLog, JsonlLog, LogKind};

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
    assert_eq!(append(&mut log, 0..3).await, Appended { written: 3, repeated: 0 });
    assert_eq!(append(&mut log, 1..5).await, Appended { written: 2, repeated: 2 });
    log.close().await.unwrap();

    // A run after a crash repeats what it does not know to have been written.
    let mut log = JsonlLog::new(&path);
    log.open().await.unwrap();
    assert_eq!(append(&mut log, 3..7).await, Appended { written: 2, repeated: 2 });
    log.close().await.unwrap();
    assert_eq!(lines(&path), events(0..7));
}

#[tokio::test]
async fn the_journal_numbers_events_without_gaps_and_knows_repeats() {
    let folder = tempfile::tempdir().unwrap();
    let stores = Stores::new(folder.path());
    let mut log = JournalLog::new(stores.clone());
    log.open().await.unwrap();
    assert_eq!(append(&mut log, 0..120).await, Appended { written: 120, repeated: 0 });
    log.close().await.unwrap();
    log.open().await.unwrap();
    assert_eq!(append(&mut log, 100..140).await, Appended { written: 20, repeated: 20 });
    let all = JournalLog::read(&stores, 0, 1000).await.unwrap();
    assert_eq!(all.iter().map(|(number, _)| *number).collect::<Vec<_>>(), (1..=140).collect::<Vec<_>>());
    assert_eq!(all.into_iter().map(|(_, event)| event).collect::<Vec<_>>(), events(0..140));
    let behind = JournalLog::number_of(&stores, event(137).event_id).await.unwrap().unwrap();
    assert_eq!(JournalLog::read(&stores, behind, 1000).await.unwrap().len(), 2);
    stores.close().await;
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
async fn both_kinds_of_log_pass_the_suite() {
    let folder = tempfile::tempdir().unwrap();
    let stores = Stores::new(folder.path().join("data"));
    let kind = LogKind::new(stores.clone());
    for settings in [format!("path = '{}'", folder.path().join("events.jsonl").display()), String::new()] {
        let settings = Settings::from_toml(&settings).unwrap();
        let make = || kind.sink(&settings, &Name::from("visits")).unwrap();
        rfid_conformance::sink::check(make).await.assert_passed(0);
    }
    stores.close().await;
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
