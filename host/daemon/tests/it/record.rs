//! A reader is recorded, and what was recorded is played on another daemon.

use std::fmt::Write as _;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rfid_core::{Event, EventKind};
use rfid_driver_mercury4::emulator::{Emulator, Profile, Scenario};
use tokio::runtime::Runtime;

use crate::daemon::{Daemon, rfid_host, until};
use crate::reload::tags;
use crate::run::logged;

/// Configurations of one door, each in a folder of its own, and what they log.
pub(crate) struct Configurations(tempfile::TempDir);

impl Configurations {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// One with these options of the reader.
    pub(crate) fn configure(&self, name: &str, reader: &str) -> PathBuf {
        self.configure_with(name, "", reader)
    }

    /// The same with more lines for the host.
    pub(crate) fn configure_with(&self, name: &str, host: &str, reader: &str) -> PathBuf {
        let folder = self.path(name);
        std::fs::create_dir_all(&folder).unwrap();
        let mut text = format!("[host]\ndata_dir = '{}'\nlisten = \"127.0.0.1:0\"\n{host}", folder.display());
        write!(
            text,
            "[readers.door]\n{reader}\nantennas = {{ 1 = \"door\" }}\n[sinks.visits]\ntype = \"log\"\npath = '{}'\n\
             [pipelines.test]\nreaders = [\"door\"]\nsinks = [\"visits\"]\n\
             presence = {{ lost_after = \"1s\", revisit_within = \"1m\" }}\n",
            folder.join("events.jsonl").display()
        )
        .unwrap();
        let config = folder.join("branch.toml");
        std::fs::write(&config, text).unwrap();
        config
    }

    pub(crate) fn logged(&self, name: &str) -> Vec<Event> {
        logged(&self.path(name).join("events.jsonl"))
    }

    pub(crate) fn until_logged(&self, name: &str, count: usize) -> Vec<Event> {
        until(&format!("{count} events"), || (self.logged(name).len() >= count).then_some(()));
        self.logged(name)
    }

    /// Plays a recording in a daemon of its own and returns so many events.
    pub(crate) fn played(&self, name: &str, file: &Path, count: usize) -> Vec<Event> {
        let reader = format!("driver = \"replay\"\nfile = '{}'\nspeed = 1000000", file.display());
        let daemon = Daemon::run(&self.configure(name, &reader));
        self.until_logged(name, count);
        until("the end of the recording", || {
            let antenna = &daemon.status()["readers"]["door"]["antennas"][0];
            (antenna["reads"].as_u64() > Some(0) && antenna["listening"] == false).then_some(())
        });
        let (status, body) = daemon.ask("POST", "/api/v1/readers/door/recording");
        assert!(status == 409 && body.contains("plays a recording"), "{body}");
        assert!(daemon.terminate().success());
        self.logged(name)
    }
}

/// A branch with one reader that can go away.
struct Branch {
    configurations: Configurations,
    runtime: Runtime,
    emulator: Option<Emulator>,
    address: String,
}

impl Branch {
    fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let emulator =
            runtime.block_on(Emulator::bind("127.0.0.1:0", Profile::M4, Scenario::default())).unwrap();
        let address = emulator.local_addr().to_string();
        Self { configurations: Configurations::new(), runtime, emulator: Some(emulator), address }
    }

    fn lay(&self, numbers: std::ops::Range<u32>) {
        self.emulator.as_ref().unwrap().set_scenario(tags(numbers));
    }

    /// The reader goes away for so long and comes back with these tags before it.
    fn outage(&mut self, lasts: Duration, numbers: std::ops::Range<u32>) {
        self.runtime.block_on(self.emulator.take().unwrap().shutdown());
        std::thread::sleep(lasts);
        let again = Emulator::bind(self.address.as_str(), Profile::M4, tags(numbers));
        self.emulator = Some(self.runtime.block_on(again).unwrap());
    }

    fn live(&self) -> PathBuf {
        self.configure(
            "live",
            &format!("driver = \"mercury4\"\naddress = \"{}\"\ntime_out = \"20ms\"", self.address),
        )
    }
}

impl std::ops::Deref for Branch {
    type Target = Configurations;

    fn deref(&self) -> &Configurations {
        &self.configurations
    }
}

/// `rfid-host record`, until it is told to end.
pub(crate) struct Recorder(Child);

impl Recorder {
    pub(crate) fn start(daemon: &Daemon, file: &Path) -> Self {
        let connects = || daemon.status()["readers"]["door"]["connects"].as_u64().unwrap();
        let before = connects();
        let mut command = rfid_host();
        command.args(["record", "door"]).arg(file).args(["--at", &daemon.http.to_string()]);
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        until("a new opening of the session", || (connects() > before).then_some(()));
        Self(child)
    }

    /// Ends it as Ctrl-C does, and returns what it said.
    pub(crate) fn end(mut self) -> String {
        assert!(Command::new("kill").args(["-INT", &self.0.id().to_string()]).status().unwrap().success());
        let status = until("the end of the recording", || self.0.try_wait().unwrap());
        let mut said = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(status.success(), "{said}");
        said
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

/// Makes sure that these are the same events, to the nanosecond; two that left within the same
/// moment are noticed, and numbered, in any order.
pub(crate) fn assert_same(played: &[Event], live: &[Event]) {
    let in_order = |events: &[Event]| {
        let mut events: Vec<Event> =
            events.iter().cloned().map(|event| Event { sequence: None, ..event }).collect();
        events.sort_by_key(|event| event.event_id);
        events
    };
    assert_eq!(in_order(played), in_order(live));
}

#[test]
fn a_recording_gives_the_same_events_as_the_reader_did() {
    let mut branch = Branch::new();
    let daemon = Daemon::run(&branch.live());
    daemon.until_ready();
    let file = branch.path("door.rfidrec");
    let recorder = Recorder::start(&daemon, &file);

    branch.lay(1..3);
    branch.until_logged("live", 2);
    branch.lay(0..0);
    branch.until_logged("live", 4);
    branch.lay(3..4);
    branch.until_logged("live", 5);
    // Longer than a departure takes.
    branch.outage(Duration::from_secs(3), 3..4);
    daemon.until_ready();
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(branch.logged("live").len(), 5, "an outage is no departure");
    branch.lay(0..0);
    let live = branch.until_logged("live", 6);
    // The end of the recording must lie behind what is expected of it.
    std::thread::sleep(Duration::from_millis(500));
    let text = recorder.end();
    assert!(text.contains("door.rfidrec: ") && text.contains(" reads, "), "{text}");
    assert!(daemon.terminate().success());

    let played = branch.played("first", &file, live.len());
    assert_same(&played, &live);
    let again = branch.played("second", &file, live.len());
    assert_eq!(again, played, "to the nanosecond");
    assert_eq!(branch.played("second", &file, live.len()), played, "the ledger knows all of them already");

    let shown = rfid_host().args(["record", "--show"]).arg(&file).output().unwrap();
    let text = said(&shown);
    assert!(shown.status.success() && text.contains("reader door, driver mercury4"), "{text}");
    assert!(text.contains("antennas 1\n") && text.contains("\n2 sessions, "), "{text}");
    assert!(!text.contains("torn"), "{text}");
}

#[test]
fn a_reader_without_a_daemon_is_recorded_directly() {
    let branch = Branch::new();
    branch.lay(1..2);
    let file = branch.path("direct.rfidrec");
    let record = |file: &Path| {
        rfid_host()
            .args(["record", "door"])
            .arg(file)
            .args(["--driver", "mercury4", "--address", &branch.address, "--set", "time_out=20ms"])
            .args(["--antennas", "1", "--for", "2s"])
            .output()
            .unwrap()
    };
    let output = record(&file);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let played = branch.played("played", &file, 1);
    assert_eq!(played.iter().map(|event| event.kind).collect::<Vec<_>>(), [EventKind::Arrived]);

    let output = record(&file);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("direct.rfidrec"), "{}", said(&output));
}

#[test]
fn what_cannot_be_recorded_is_said_and_leaves_no_file() {
    let branch = Branch::new();
    let daemon = Daemon::run(&branch.live());
    daemon.until_ready();
    let file = branch.path("nobody.rfidrec");
    let record = |reader: &str, at: &str| {
        let output = rfid_host().args(["record", reader]).arg(&file).args(["--at", at]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(!file.exists(), "nothing is in it");
        said(&output)
    };
    let http = daemon.http.to_string();
    let text = record("dor", &http);
    assert!(text.contains("There are: door") && text.contains("--driver DRIVER --address ADDRESS"), "{text}");

    let recorder = Recorder::start(&daemon, &branch.path("door.rfidrec"));
    let text = record("door", &http);
    assert!(text.contains("is being recorded already") && !text.contains("--driver"), "{text}");
    drop(recorder);

    let (status, body) = daemon.ask("GET", "/api/v1/readers/door/recording");
    assert_eq!(status, 405, "{body}");
    let (status, body) =
        daemon.ask("POST", "/api/v1/readers/door/recording HTTP/1.1\r\nOrigin: http://page\r\nX:");
    assert_eq!(status, 403, "{body}");
    assert!(daemon.terminate().success());
    let text = record("door", &http);
    assert!(text.contains("no daemon answers") && text.contains("--driver DRIVER"), "{text}");
}

#[test]
fn what_cannot_be_opened_is_said_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("door.rfidrec");
    let record = |more: &[&str]| {
        let output = rfid_host().args(["record", "door"]).arg(&file).args(more).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(!file.exists(), "nothing is in it");
        said(&output)
    };
    let text = record(&["--driver", "mifare", "--set", "port=/dev/ttyUSB0"]);
    assert!(text.contains("missing field `transport`"), "{text}");
    let text = record(&["--driver", "acme", "--plugin", "nowhere/libacme.so"]);
    assert!(text.contains("there is no nowhere"), "{text}");
    let text = record(&["--driver", "replay"]);
    assert!(text.contains("copy that instead"), "{text}");
    let text = record(&["--driver", "mercury4"]);
    assert!(text.contains("--address is missing"), "{text}");
    let text = record(&["--driver", "acme", "--address", "127.0.0.1:1"]);
    assert!(text.contains("there are: mercury4"), "{text}");
    let text = record(&["--driver", "mercury4", "--address", "127.0.0.1:1", "--for", "500ms"]);
    assert!(text.contains("did not come to read"), "{text}");
}
