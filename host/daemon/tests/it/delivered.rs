//! Readers whose bytes do not pass through the host are recorded as their drivers deliver, and played.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rfid_core::EventKind;

use crate::daemon::{Daemon, rfid_host};
use crate::pads::{Pad, new_card, on_each};
use crate::plugins::Vendor;
use crate::record::{Configurations, Recorder, assert_same, said};

const UID: &str = "04A1B2C3D4E5F6";
const OTHER: &str = "DEADBEEF";

/// Longer than a departure takes.
const AWAY: Duration = Duration::from_secs(2);

/// What lies behind the last event that is expected of a recording.
const REST: Duration = Duration::from_millis(500);

/// A plugin whose tag is there while a file is, and what stands in a configuration about it.
struct Switch {
    vendor: Vendor,
    on: PathBuf,
}

impl Switch {
    fn new(folder: &Configurations) -> Self {
        Self { vendor: Vendor::new(&["good-switch"]), on: folder.path("on") }
    }

    fn turn(&self, is_on: bool) {
        match is_on {
            true => fs::write(&self.on, "").unwrap(),
            false => fs::remove_file(&self.on).unwrap(),
        }
    }

    fn host(&self) -> String {
        format!("plugin_dir = '{}'\n", self.vendor.plugins().display())
    }

    fn reader(&self) -> String {
        format!(
            "driver = \"good-switch\"\nplugin = \"good-switch.so\"\nafter = 0\npath = '{}'",
            self.on.display()
        )
    }
}

/// Two playings give these events.
fn gives_the_same(folder: &Configurations, file: &Path, live: &[rfid_core::Event]) {
    let played = folder.played("first", file, live.len());
    assert_same(&played, live);
    assert_eq!(folder.played("second", file, live.len()), played, "to the nanosecond");
}

/// What `--show` says of a recording, and that there is nothing to capture.
fn shown(folder: &Configurations, file: &Path) -> String {
    let shown = rfid_host().args(["record", "--show"]).arg(file).output().unwrap();
    let text = said(&shown);
    assert!(shown.status.success() && text.contains("the reader's bytes are not in it"), "{text}");
    let capture = folder.path("door.pcap");
    let output =
        rfid_host().args(["record", "--show"]).arg(file).arg("--pcap").arg(&capture).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let why = said(&output);
    assert!(why.contains("cannot become a capture: it has what the driver"), "{why}");
    assert!(!capture.exists(), "nothing is in it");
    text
}

#[test]
fn a_recorded_plugin_gives_the_same_events() {
    for more in ["", "\nisolation = \"in-process\""] {
        let folder = Configurations::new();
        let switch = Switch::new(&folder);
        let config = folder.configure_with("live", &switch.host(), &(switch.reader() + more));
        let daemon = Daemon::run(&config);
        daemon.until_ready();
        let file = folder.path("door.rfidrec");
        let recorder = Recorder::start(&daemon, &file);
        for (count, is_on) in [(1, true), (2, false), (3, true)] {
            switch.turn(is_on);
            folder.until_logged("live", count);
        }
        let live = folder.logged("live");
        std::thread::sleep(REST);
        let text = recorder.end();
        assert!(text.contains("as its driver delivered them"), "{text}");
        assert!(daemon.terminate().success());
        let kinds: Vec<EventKind> = live.iter().map(|event| event.kind).collect();
        assert_eq!(kinds, [EventKind::Arrived, EventKind::Departed, EventKind::Arrived]);

        gives_the_same(&folder, &file, &live);
        let text = shown(&folder, &file);
        assert!(text.contains("reader door, driver good-switch") && text.contains("\n1 session, "), "{text}");
    }
}

#[test]
fn a_plugin_that_is_killed_is_an_outage_in_a_replay_as_well() {
    let folder = Configurations::new();
    let switch = Switch::new(&folder);
    let daemon = Daemon::run(&folder.configure_with("live", &switch.host(), &switch.reader()));
    daemon.until_ready();
    let file = folder.path("door.rfidrec");
    let recorder = Recorder::start(&daemon, &file);
    switch.turn(true);
    folder.until_logged("live", 1);
    let id = daemon.plugin_process().to_string();
    assert!(std::process::Command::new("kill").args(["-KILL", &id]).status().unwrap().success());
    std::thread::sleep(AWAY);
    daemon.until_ready();
    switch.turn(false);
    let live = folder.until_logged("live", 2);
    std::thread::sleep(REST);
    recorder.end();
    assert!(daemon.terminate().success());
    gives_the_same(&folder, &file, &live);
    assert!(shown(&folder, &file).contains("\n2 sessions, "));
}

#[test]
fn a_recorded_pad_gives_the_same_events() {
    on_each(|pad| {
        let folder = Configurations::new();
        let daemon = Daemon::run(&folder.configure("live", &lines(pad)));
        daemon.until_ready();
        let file = folder.path("pad.rfidrec");
        let recorder = Recorder::start(&daemon, &file);
        pad.lay(new_card(UID));
        folder.until_logged("live", 1);
        pad.lift();
        folder.until_logged("live", 2);
        pad.lay(new_card(OTHER));
        folder.until_logged("live", 3);
        pad.take_away();
        std::thread::sleep(AWAY);
        assert_eq!(folder.logged("live").len(), 3, "an outage is no departure");
        pad.give_back();
        daemon.until_ready();
        let live = folder.until_logged("live", 3);
        std::thread::sleep(REST);
        recorder.end();
        assert!(daemon.terminate().success());
        assert_eq!(live[0].tag.hex(), UID);

        gives_the_same(&folder, &file, &live);
        assert!(shown(&folder, &file).contains("driver mifare"));
    });
}

/// A pad in a configuration.
fn lines(pad: &Pad) -> String {
    let options = pad.options().into_iter().map(|(option, value)| format!("\n{option} = '{value}'"));
    "driver = \"mifare\"\nrepeat = \"50ms\"".to_owned() + &options.collect::<String>()
}

#[test]
fn plugins_and_pads_are_recorded_without_a_daemon() {
    let folder = Configurations::new();
    let record = |name: &str, more: &[String]| {
        let file = folder.path(name);
        let mut command = rfid_host();
        command.args(["record", "door"]).arg(&file).args(["--for", "2s"]).args(more);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        assert!(said(&output).contains("as its driver delivered them"), "{}", said(&output));
        let played = folder.played(&format!("played-{name}"), &file, 1);
        assert_eq!(played.iter().map(|event| event.kind).collect::<Vec<_>>(), [EventKind::Arrived]);
    };

    let vendor = Vendor::new(&["good-minimal"]);
    let plugin = vendor.plugin("good-minimal").display().to_string();
    let words = ["--driver", "good-minimal", "--plugin", &plugin, "--antennas", "1"];
    record("plugin.rfidrec", &words.map(str::to_owned));

    on_each(|pad| {
        pad.lay(new_card(UID));
        let options = pad.options().into_iter().map(|(option, value)| format!("--set={option}={value}"));
        let words = ["--driver", "mifare"].map(str::to_owned).into_iter().chain(options);
        record(&format!("{}.rfidrec", pad.options()[0].1), &words.collect::<Vec<_>>());
    });
}

#[test]
fn a_driver_that_a_plugin_does_not_have_is_named() {
    let folder = Configurations::new();
    let vendor = Vendor::new(&["good-minimal"]);
    let file = folder.path("door.rfidrec");
    let mut command = rfid_host();
    command.args(["record", "door"]).arg(&file).args(["--driver", "acme", "--plugin"]);
    let output = command.arg(vendor.plugin("good-minimal")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = said(&output);
    assert!(text.contains("has no driver \"acme\"; it has: good-minimal"), "{text}");
    assert!(!file.exists(), "nothing is in it");
}
