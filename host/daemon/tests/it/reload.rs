//! Reading the configuration anew while readers read.

use std::fmt::Write as _;
use std::path::PathBuf;

use rfid_core::{Event, TagId, TagIdKind};
use rfid_driver_mercury4::emulator::{Emulator, Profile, Scenario};
use serde_json::Value;

use crate::daemon::{Daemon, until};

/// Two readers, of which a configuration may name one or both.
pub(crate) struct Branch {
    folder: tempfile::TempDir,
    pub(crate) door: Emulator,
    pub(crate) hall: Emulator,
    _runtime: tokio::runtime::Runtime,
}

impl Branch {
    pub(crate) fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let reader =
            || runtime.block_on(Emulator::bind("127.0.0.1:0", Profile::M4, Scenario::default())).unwrap();
        let (door, hall) = (reader(), reader());
        Self { folder: tempfile::tempdir().unwrap(), door, hall, _runtime: runtime }
    }

    pub(crate) fn configure(&self, readers: &[&str], lost_after: &str, log: &str) {
        let mut text = format!(
            "[host]\nname = \"test\"\ndata_dir = '{}'\nlisten = \"127.0.0.1:0\"\n",
            self.folder.path().join("data").display()
        );
        for reader in readers {
            let address = if *reader == "door" { self.door.local_addr() } else { self.hall.local_addr() };
            write!(
                text,
                "[readers.{reader}]\ndriver = \"mercury4\"\naddress = \"{address}\"\ntime_out = \"20ms\"\nzone = \"{reader}\"\n"
            )
            .unwrap();
        }
        write!(
            text,
            "[sinks.visits]\ntype = \"log\"\npath = '{}'\n[sinks.screens]\ntype = \"notify\"\n\
             [pipelines.test]\nreaders = {readers:?}\nsinks = [\"visits\", \"screens\"]\n\
             presence = {{ lost_after = \"{lost_after}\" }}\n",
            self.folder.path().join(log).display()
        )
        .unwrap();
        std::fs::write(self.config(), text).unwrap();
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("branch.toml")
    }

    fn logged(&self, log: &str) -> Vec<Event> {
        let text = std::fs::read_to_string(self.folder.path().join(log)).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

pub(crate) fn tags(numbers: std::ops::Range<u32>) -> Scenario {
    let tag = |number| TagId::from_hex(TagIdKind::Epc, &format!("2D{number:022X}")).unwrap();
    Scenario::steady(numbers.map(tag), 100)
}

fn connects(daemon: &Daemon, reader: &str) -> u64 {
    daemon.status()["readers"][reader]["connects"].as_u64().unwrap_or(0)
}

#[test]
fn only_what_changed_is_started_anew_and_nobody_is_announced_twice() {
    let branch = Branch::new();
    branch.configure(&["door"], "20s", "events.jsonl");
    branch.door.set_scenario(tags(1..3));
    branch.hall.set_scenario(tags(7..8));
    let daemon = Daemon::run(&branch.config());
    until("two arrivals", || (branch.logged("events.jsonl").len() == 2).then_some(()));

    let (status, answer) = daemon.reload();
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["changes"]["pipelines"]["restarted"], Value::Array(vec![]), "nothing has changed");

    // Another reader, and other presence: the pipeline is replaced, the first reader goes on.
    branch.configure(&["door", "hall"], "10s", "events.jsonl");
    let (status, answer) = daemon.reload();
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["changes"]["readers"]["added"], serde_json::json!(["hall"]));
    assert_eq!(answer["changes"]["pipelines"]["restarted"], serde_json::json!(["test"]));
    until("the arrival in the hall", || (branch.logged("events.jsonl").len() == 3).then_some(()));
    assert_eq!(connects(&daemon, "door"), 1, "an unchanged reader keeps its session");

    // Another log: its sink and the pipeline are replaced, the readers go on.
    branch.configure(&["door", "hall"], "10s", "other.jsonl");
    assert_eq!(daemon.reload().0, 200);
    branch.door.set_scenario(tags(1..4));
    until("the next arrival", || (branch.logged("other.jsonl").len() == 1).then_some(()));
    assert_eq!((connects(&daemon, "door"), connects(&daemon, "hall")), (1, 1));

    // By signal, and a reader that goes.
    branch.configure(&["door"], "10s", "other.jsonl");
    daemon.signal("HUP");
    until("the hall to be gone", || daemon.status()["readers"].get("hall").is_none().then_some(()));
    assert!(daemon.terminate().success());
    let arrivals: Vec<_> = branch.logged("events.jsonl").into_iter().map(|event| event.tag).collect();
    assert_eq!(arrivals.len(), 3, "each of them arrived once: {arrivals:?}");
}

#[test]
fn a_configuration_with_faults_changes_nothing_and_health_says_why() {
    let branch = Branch::new();
    branch.configure(&["door"], "20s", "events.jsonl");
    let daemon = Daemon::run(&branch.config());
    daemon.until_ready();
    let good = std::fs::read_to_string(branch.config()).unwrap();

    std::fs::write(branch.config(), good.replace("mercury4", "mercury9")).unwrap();
    let (status, answer) = daemon.reload();
    assert_eq!(status, 422);
    let reason = answer["reasons"][0].as_str().unwrap();
    assert!(reason.contains("branch.toml:6:10: readers.door.driver: \"mercury9\""), "{reason}");
    let (_, health) = daemon.get("/health");
    let health: Value = serde_json::from_str(&health).unwrap();
    assert_eq!(health["last_reload"]["succeeded"], false);
    assert_eq!(health["last_reload"]["reasons"][0], reason);

    // A sink that could not work is found before anything is touched.
    std::fs::write(branch.config(), good.replace("events.jsonl", "branch.toml/events.jsonl")).unwrap();
    let (status, answer) = daemon.reload();
    assert_eq!(status, 422);
    assert!(answer["reasons"][0].as_str().unwrap().contains("sink visits could not work"), "{answer}");

    std::fs::remove_file(branch.config()).unwrap();
    assert_eq!(daemon.reload().0, 422);

    std::fs::write(branch.config(), &good).unwrap();
    assert_eq!(daemon.reload().0, 200);
    assert_eq!(connects(&daemon, "door"), 1, "through all of it the reader was left alone");
    branch.door.set_scenario(tags(1..2));
    until("an arrival", || (branch.logged("events.jsonl").len() == 1).then_some(()));
    assert!(daemon.terminate().success());
}

/// The good file, spoilt in two hundred ways and more.
fn spoilt(good: &str) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for (at, line) in
        good.match_indices('\n').map(|(at, _)| at + 1).filter_map(|at| Some((at, good[at..].lines().next()?)))
    {
        let with = |by: String| format!("{}{by}{}", &good[..at], &good[at + line.len()..]).into_bytes();
        if let Some((key, _)) = line.split_once(" = ") {
            let (line, key) = (line.to_owned(), key.to_owned());
            all.extend([
                with(format!("{line}\n{line}")),
                with(format!("{key}_x = 1")),
                with(format!("{key} = [[1]]")),
                with(format!("{key} = ")),
                with(format!("{key} = \"file:/nonexistent")),
            ]);
        } else if line.starts_with('[') {
            all.extend([
                with(format!("{line}\ncolour = \"red\"")),
                with(format!("{line}\n{line}")),
                with(line.trim_end_matches(']').to_owned()),
                with(format!("{}.x]", line.trim_end_matches(']'))),
            ]);
        }
    }
    let add = |by: String| format!("{good}{by}").into_bytes();
    all.extend([
        Vec::new(),
        vec![b'#'; 10 * 1024 * 1024],
        add("\u{FEFF}".to_owned()),
        add(format!("a = {}", "[".repeat(100_000))),
        add(format!("{}a = 1", "a.".repeat(100_000))),
        add("[sinks.h]\ntype = \"notify\"\nwebhooks = [{ url = \"http://127.0.0.1:9/\", secret = \"file:none\" }]".to_owned()),
        add("[sinks.h]\ntype = \"notify\"\nwebhooks = [{ url = \"http://127.0.0.1:9/\", secret = \"env:NOT_THERE\" }]".to_owned()),
    ]);
    for at in (0..good.len()).step_by(3) {
        let mut bytes = good.as_bytes().to_vec();
        bytes[at] = 0xFF;
        all.push(bytes);
    }
    all
}

#[test]
fn no_spoilt_file_changes_what_runs() {
    let branch = Branch::new();
    branch.configure(&["door"], "20s", "events.jsonl");
    branch.door.set_scenario(tags(1..2));
    let daemon = Daemon::run(&branch.config());
    until("an arrival", || (branch.logged("events.jsonl").len() == 1).then_some(()));
    let good = std::fs::read_to_string(branch.config()).unwrap();
    let spoilt = spoilt(&good);
    assert!(spoilt.len() >= 200, "{}", spoilt.len());
    for text in spoilt {
        std::fs::write(branch.config(), &text).unwrap();
        let (status, answer) = daemon.reload();
        let shown = String::from_utf8_lossy(&text[..text.len().min(2_000)]);
        assert_eq!(status, 422, "{answer}\n{shown}");
        assert_ne!(answer["reasons"], serde_json::json!([]), "{shown}");
    }
    std::fs::write(branch.config(), &good).unwrap();
    let (status, answer) = daemon.reload();
    assert_eq!((status, &answer["changes"]["readers"]["restarted"]), (200, &serde_json::json!([])));
    assert_eq!(connects(&daemon, "door"), 1, "the reader kept its session through all of it");
    branch.door.set_scenario(tags(1..3));
    until("the next arrival", || (branch.logged("events.jsonl").len() == 2).then_some(()));
    assert!(daemon.terminate().success());
}

#[test]
fn what_only_a_restart_changes_is_named() {
    let branch = Branch::new();
    branch.configure(&["door"], "20s", "events.jsonl");
    let daemon = Daemon::run(&branch.config());
    let text = std::fs::read_to_string(branch.config()).unwrap();
    std::fs::write(branch.config(), text.replace("name = \"test\"", "name = \"other\"")).unwrap();
    let (status, answer) = daemon.reload();
    assert_eq!((status, &answer["changes"]["needs_restart"]), (200, &serde_json::json!(["host.name"])));
    assert_eq!(daemon.status()["host"], "test");
    assert!(daemon.terminate().success());
}

#[test]
fn one_can_look_on_at_a_reader_and_at_a_pipeline() {
    let branch = Branch::new();
    branch.configure(&["door"], "20s", "events.jsonl");
    let daemon = Daemon::run(&branch.config());
    daemon.until_ready();
    let mut reads = daemon.stream("/api/v1/readers/door/reads", None);
    let mut events = daemon.stream("/api/v1/pipelines/test/events", None);
    branch.door.set_scenario(tags(1..2));
    let read = reads.next().unwrap();
    assert_eq!((&*read.event, &read.data["epc_hex"]), ("read", &Value::from("2D0000000000000000000001")));
    let event = events.next().unwrap();
    assert_eq!((&*event.event, &event.data["zone"]), ("arrived", &Value::from("door")));

    // Both go on when the pipeline is replaced.
    branch.configure(&["door"], "10s", "events.jsonl");
    assert_eq!(daemon.reload().0, 200);
    branch.door.set_scenario(tags(2..3));
    assert_eq!(events.next().unwrap().data["epc_hex"], "2D0000000000000000000002");
    assert!(reads.any(|read| read.data["epc_hex"] == "2D0000000000000000000002"));

    let (status, answer) = daemon.get("/api/v1/readers/dor/reads");
    assert_eq!(status, 404);
    assert!(answer.contains("There are: door."), "{answer}");
    assert!(daemon.terminate().success());
    assert_eq!(events.next(), None, "looking on ends with the host");
}
