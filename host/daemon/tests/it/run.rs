//! The whole line on the built binary: an emulated reader on real TCP, the daemon, its log, its
//! HTTP, its signals.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rfid_core::{Event, EventKind, TagId, TagIdKind};
use rfid_driver_mercury4::emulator::{Emulator, Profile, Scenario};
use serde_json::Value;

use crate::daemon::{Daemon, rfid_host, until};

pub(crate) struct Branch {
    pub(crate) folder: tempfile::TempDir,
    emulator: Emulator,
    _runtime: tokio::runtime::Runtime,
}

impl Branch {
    /// A branch whose reader has no tags yet.
    pub(crate) fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let emulator =
            runtime.block_on(Emulator::bind("127.0.0.1:0", Profile::M4, Scenario::default())).unwrap();
        let branch = Self { folder: tempfile::tempdir().unwrap(), emulator, _runtime: runtime };
        branch.configure("20s");
        branch
    }

    fn configure(&self, lost_after: &str) {
        let text = format!(
            r#"
[host]
name = "test"
data_dir = '{data}'
listen = "127.0.0.1:0"

[readers.door]
driver = "mercury4"
address = "{reader}"
time_out = "20ms"
antennas = {{ 1 = "door" }}

[sinks.customers]
type = "lookup"
source = "directory"

[sinks.visits]
type = "log"
path = '{log}'

[sinks.screens]
type = "notify"

[pipelines.test]
readers = ["door"]
sinks = ["customers", "visits", "screens"]
presence = {{ lost_after = "{lost_after}", revisit_within = "1m" }}
"#,
            data = self.folder.path().join("data").display(),
            reader = self.emulator.local_addr(),
            log = self.log().display(),
        );
        std::fs::write(self.config(), text).unwrap();
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("branch.toml")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("events.jsonl")
    }

    pub(crate) fn lay(&self, tags: std::ops::Range<u32>) {
        let tags = tags.map(tag);
        self.emulator.set_scenario(Scenario::steady(tags, 100));
    }

    fn logged(&self) -> Vec<Event> {
        logged(&self.log())
    }
}

pub(crate) fn logged(path: &Path) -> Vec<Event> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn tag(number: u32) -> TagId {
    TagId::from_hex(TagIdKind::Epc, &format!("2D{number:022X}")).unwrap()
}

fn kinds(events: &[Event]) -> Vec<EventKind> {
    events.iter().map(|event| event.kind).collect()
}

#[test]
fn one_tag_from_the_reader_to_a_record_a_log_and_a_subscriber() {
    let branch = Branch::new();
    let customers = branch.folder.path().join("customers.csv");
    std::fs::write(&customers, "tag,name\n2D0000000000000000000001,王小明\n").unwrap();
    let import = rfid_host()
        .args(["import", "directory"])
        .arg(&customers)
        .arg("--data-dir")
        .arg(branch.folder.path().join("data"))
        .output()
        .unwrap();
    assert!(import.status.success(), "{import:?}");

    let daemon = Daemon::run(&branch.config());
    daemon.until_ready();
    let mut events = daemon.events(None);
    branch.lay(1..2);
    let sent = events.next().unwrap();
    assert_eq!(sent.event, "arrived");
    assert_eq!(sent.data["specversion"], "1.0");
    assert_eq!(sent.data["type"], "rfid.tag.arrived");
    assert_eq!(sent.data["data"]["epc_hex"], "2D0000000000000000000001");
    assert_eq!(sent.data["data"]["record"]["name"], "王小明");
    let log = branch.logged();
    assert_eq!(log.len(), 1, "what is announced is in the log already");
    assert_eq!(log[0].event_id.to_string(), sent.id);

    // A subscriber that comes back goes on behind the event that it names.
    branch.lay(1..3);
    let second = events.next().unwrap();
    drop(events);
    let mut resumed = daemon.events(Some(&sent.id));
    assert_eq!(resumed.next().unwrap(), second);
    assert_eq!(second.data["data"]["record"], Value::Null, "a tag that nobody knows has no record");

    let (_, metrics) = daemon.get("/metrics");
    for line in ["rfid_reader_up{reader=\"door\"} 1", "rfid_lookups_total{outcome=\"unknown\"} 1", "# EOF"] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    assert!(daemon.terminate().success());
    assert_eq!(resumed.next(), None, "the stream ends with the daemon");
}

#[test]
fn a_reader_that_is_absent_at_start_is_no_error() {
    let branch = Branch::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let absent = free.local_addr().unwrap();
    drop(free);
    let text = std::fs::read_to_string(branch.config()).unwrap();
    let text = text.replace(&branch.emulator.local_addr().to_string(), &absent.to_string());
    std::fs::write(branch.config(), text).unwrap();

    let daemon = Daemon::run(&branch.config());
    let reason = until("the reader to be down", || {
        let (status, body) = daemon.get("/ready");
        let body: Value = serde_json::from_str(&body).unwrap();
        (body["readers"]["door"]["state"] == "down").then(|| (status, body["reasons"][0].clone()))
    });
    assert_eq!(reason.0, 503);
    assert!(reason.1.as_str().unwrap().contains(&format!("{absent} cannot be reached")), "{reason:?}");
    assert_eq!(daemon.get("/health").0, 200, "the process is alive");

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let late =
        runtime.block_on(Emulator::bind(absent, Profile::M4, Scenario::steady([tag(1)], 100))).unwrap();
    let mut events = daemon.events(None);
    daemon.until_ready();
    assert_eq!(events.next().unwrap().event, "arrived");
    assert!(daemon.terminate().success());
    runtime.block_on(late.shutdown());
}

/// The emulator dies in the middle of a row, again and again, while people come.
#[test]
fn a_reader_killed_in_mid_row_loses_no_visit_and_invents_none() {
    const PEOPLE: u32 = 4;
    let branch = Branch::new();
    let daemon = Daemon::run(&branch.config());
    daemon.until_ready();
    for people in 1..=PEOPLE {
        branch.lay(1..people + 1);
        // Somewhere in a reply: rows have about 70 bytes.
        branch.emulator.cut_after(200 + people * 37);
        until("the next arrival", || (branch.logged().len() >= people as usize).then_some(()));
    }
    assert!(daemon.terminate().success());
    let mut arrivals: BTreeMap<TagId, usize> = BTreeMap::new();
    for event in branch.logged() {
        assert_eq!(event.kind, EventKind::Arrived, "nobody left: {event:?}");
        *arrivals.entry(event.tag).or_default() += 1;
    }
    let expected: BTreeMap<TagId, usize> = (1..=PEOPLE).map(|number| (tag(number), 1)).collect();
    assert_eq!(arrivals, expected);
}

#[test]
fn a_restart_neither_announces_anew_nor_forgets_who_is_inside() {
    let branch = Branch::new();
    branch.configure("1s");
    branch.lay(1..2);
    let daemon = Daemon::run(&branch.config());
    until("the arrival", || (branch.logged().len() == 1).then_some(()));
    assert!(daemon.terminate().success());

    let daemon = Daemon::run(&branch.config());
    daemon.until_ready();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(kinds(&branch.logged()), [EventKind::Arrived], "still the same visit");
    branch.lay(0..0);
    until("the departure", || (branch.logged().len() == 2).then_some(()));
    let log = branch.logged();
    assert_eq!(kinds(&log), [EventKind::Arrived, EventKind::Departed]);
    assert_eq!(log[0].first_seen, log[1].first_seen);
    assert!(daemon.terminate().success());
}

#[test]
fn kills_at_random_moments_lose_nothing_and_double_nothing() {
    let branch = Branch::new();
    let mut announced = Vec::new();
    for round in 0u32..6 {
        let daemon = Daemon::run(&branch.config());
        daemon.until_ready();
        let events = daemon.events(None);
        branch.lay(1..(round + 1) * 5 + 1);
        std::thread::sleep(Duration::from_millis(u64::from(round * 37 % 120)));
        daemon.kill();
        announced.extend(events.map(|sent| sent.id));
    }
    let daemon = Daemon::run(&branch.config());
    until("all arrivals", || (branch.logged().len() >= 30).then_some(()));
    assert!(daemon.terminate().success());
    let log = branch.logged();
    let ids: Vec<String> = log.iter().map(|event| event.event_id.to_string()).collect();
    let lost: Vec<&String> = announced.iter().filter(|id| !ids.contains(id)).collect();
    assert_eq!(lost, [] as [&String; 0], "announced and not in the log");
    let mut arrivals: BTreeMap<TagId, usize> = BTreeMap::new();
    for event in log {
        *arrivals.entry(event.tag).or_default() += usize::from(event.kind == EventKind::Arrived);
    }
    let expected: BTreeMap<TagId, usize> = (1..=30).map(|number| (tag(number), 1)).collect();
    assert_eq!(arrivals, expected, "each person arrived once");
}

#[test]
fn http_answers_what_it_does_not_know_with_a_problem_document() {
    let branch = Branch::new();
    let daemon = Daemon::run(&branch.config());
    let (status, body) = daemon.get("/nowhere");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, body["status"].as_u64()), (404, Some(404)));
    assert!(body["detail"].as_str().unwrap().contains("/nowhere"));
    assert!(daemon.terminate().success());
}

#[test]
fn a_second_host_on_the_same_data_folder_is_refused() {
    let branch = Branch::new();
    let daemon = Daemon::run(&branch.config());
    daemon.until_ready();
    let second = rfid_host().args(["run", "--config"]).arg(branch.config()).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains("in use by another process"), "{said}");
    assert!(daemon.terminate().success());
}
