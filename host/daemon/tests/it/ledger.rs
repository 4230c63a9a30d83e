//! What is registered, as those see it who export it and look after it.

use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use rfid_core::{Event, EventId, SystemClock, TagId, TagIdKind, UtcTime};
use rfid_ledger::LedgerSettings;
use rfid_sink_log::{EventLedger, EventLog, LedgerLog};
use serde_json::Value;

use crate::daemon::rfid_host;

/// The event of second `n` since 2026 began.
fn event(n: u32) -> Event {
    let tag = TagId::new(TagIdKind::Epc, &n.to_be_bytes()).unwrap();
    let time = UtcTime::from_nanos(1_767_225_600_000_000_000 + u64::from(n) * 1_000_000_000);
    Event { event_id: EventId::derive("export", &tag, time, 0), tag, time, ..Event::sample() }
}

/// A data folder with events 0 to 9, three of which nobody knows anything of behind the fifth.
fn data_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let settings = LedgerSettings { reserve_bytes: 0, ..LedgerSettings::default() };
        let clock = Arc::new(SystemClock::new());
        let ledger = EventLedger::new(folder.path().join("ledger"), settings, clock);
        let mut log = LedgerLog::new(ledger.clone());
        log.append(&(0..5).map(event).collect::<Vec<_>>()).await.unwrap();
        let (from, to) = (event(5).time, event(6).time);
        let loss = rfid_core::Loss { count: 3, reason: "the disk was full".to_owned(), from, to };
        log.lost(&loss).await.unwrap();
        log.append(&(5..10).map(event).collect::<Vec<_>>()).await.unwrap();
        ledger.close().await;
    });
    folder
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    rfid_host().args(arguments).arg("--data-dir").arg(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn sequences(output: &Output) -> Vec<u64> {
    let lines = text(&output.stdout);
    let sequence = |line: &str| serde_json::from_str::<Value>(line).unwrap()["sequence"].as_u64().unwrap();
    lines.lines().map(sequence).collect()
}

#[test]
fn every_event_is_exported_with_its_number_and_every_gap_with_its_reason() {
    let folder = data_folder();
    let output = run(folder.path(), &["export", "events"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(sequences(&output), [1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13]);
    let lines = text(&output.stdout);
    let gap: Value = serde_json::from_str(lines.lines().nth(5).unwrap()).unwrap();
    assert_eq!(
        (&gap["type"], &gap["gap"]["first"], &gap["gap"]["last"]),
        (&"gap".into(), &6.into(), &8.into())
    );
    assert_eq!(gap["gap"]["reason"], "the disk was full");
    let first: Event = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(first, Event { sequence: Some(1), record: None, ..event(0) });
}

#[test]
fn an_export_is_cut_by_time_and_number() {
    let folder = data_folder();
    let arguments = ["export", "events", "--from", "2026-01-01T00:00:02Z", "--to", "2026-01-01T00:00:04Z"];
    assert_eq!(sequences(&run(folder.path(), &arguments)), [3, 4]);
    assert_eq!(sequences(&run(folder.path(), &["export", "events", "--after", "11"])), [12, 13]);
}

#[test]
fn a_table_has_a_head_and_the_same_rows() {
    let folder = data_folder();
    let output = run(folder.path(), &["export", "events", "--format", "csv"]);
    let table = text(&output.stdout);
    assert!(table.starts_with("sequence,type,time,tag,zone"), "{table}");
    assert_eq!(table.lines().count(), 12);
    assert!(table.lines().nth(6).unwrap().starts_with("8,gap,"), "{table}");
    assert!(table.lines().nth(6).unwrap().ends_with(",3,the disk was full"), "{table}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let folder = data_folder();
    let program = rfid_host().get_program().to_owned();
    let line =
        format!("{} export events --data-dir {} | head -n 1", program.display(), folder.path().display());
    let output = std::process::Command::new("bash").args(["-o", "pipefail", "-c", &line]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_whole_ledger_is_verified_and_a_spoilt_one_says_where() {
    let folder = data_folder();
    let output = run(folder.path(), &["ledger", "verify"]);
    assert!(output.status.success(), "{output:?}");
    let said = text(&output.stdout);
    assert!(said.contains("numbers 1 to 13: 10 events, 1 gap for 3 numbers"), "{said}");

    let segment = folder.path().join("ledger/00000000000000000001.v1.ledger");
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(&segment, bytes).unwrap();
    let output = run(folder.path(), &["ledger", "verify", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["faults"].as_array().unwrap().len(), 2, "{report}");
    let output = run(folder.path(), &["export", "events"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(sequences(&output).len(), 10, "everything else is exported");
    assert!(text(&output.stderr).contains("cannot be read"), "{output:?}");
}

#[test]
fn where_there_is_no_ledger_it_is_said_how_to_name_one() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["export", "events"], &["ledger", "verify"]] {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(1));
        let said = text(&output.stderr);
        assert!(said.contains("there is no ledger at") && said.contains("--config"), "{said}");
    }
}
