//! Drivers and sinks from outside, on the built binary. What bad ones do beside good ones is played
//! by `rfid-faults bad-plugins`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::daemon::{Daemon, rfid_host, until};

/// A folder of plugins in C from `examples/bad-plugins/c`, and a configuration beside it.
pub(crate) struct Vendor {
    folder: tempfile::TempDir,
}

impl Vendor {
    pub(crate) fn new(plugins: &[&str]) -> Self {
        let vendor = Self { folder: tempfile::tempdir().unwrap() };
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/bad-plugins/c");
        let files = plugins.iter().map(|name| vendor.plugin(name));
        let made = Command::new("make")
            .args(["-s", "-C", source])
            .arg(format!("OUT={}", vendor.plugins().display()))
            .args(files)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        guard(&vendor.plugins());
        for name in plugins {
            guard(&vendor.plugin(name));
        }
        vendor
    }

    pub(crate) fn plugins(&self) -> PathBuf {
        self.folder.path().join("plugins")
    }

    pub(crate) fn plugin(&self, name: &str) -> PathBuf {
        self.plugins().join(format!("{name}.so"))
    }

    /// What the host keeps.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn events(&self) -> PathBuf {
        self.folder.path().join("events.jsonl")
    }

    /// A branch with one reader, taken from this plugin, and more lines for its table.
    pub(crate) fn configure(&self, plugin: &str, more: &str) -> PathBuf {
        let text = format!(
            r#"
[host]
data_dir = '{data}'
listen = "127.0.0.1:0"
plugin_dir = '{plugins}'

[readers.door]
driver = "{plugin}"
plugin = "{plugin}.so"
zone = "door"
{more}

[sinks.events]
type = "log"
path = '{events}'

[pipelines.trial]
readers = ["door"]
sinks = ["events"]
"#,
            data = self.data().display(),
            plugins = self.plugins().display(),
            events = self.events().display(),
        );
        let path = self.folder.path().join("trial.toml");
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn first_event(&self) -> Value {
        let line =
            until("an event", || fs::read_to_string(self.events()).ok()?.lines().next().map(str::to_owned));
        serde_json::from_str(&line).unwrap()
    }
}

/// Takes the right to write from everybody but the owner, whatever the umask was.
fn guard(path: &Path) {
    let mode = fs::metadata(path).unwrap().permissions().mode();
    fs::set_permissions(path, fs::Permissions::from_mode(mode & !0o022)).unwrap();
}

fn check(config: &Path) -> (bool, String) {
    let checked = rfid_host().arg("check").arg("--config").arg(config).output().unwrap();
    let said = [checked.stdout, checked.stderr].concat();
    (checked.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn a_plugin_in_c_delivers_wherever_it_lives() {
    for more in ["", "isolation = \"in-process\""] {
        let vendor = Vendor::new(&["good-minimal"]);
        let config = vendor.configure("good-minimal", more);
        let daemon = Daemon::run(&config);
        let event = vendor.first_event();
        assert_eq!((&event["type"], &event["reader"]), (&"arrived".into(), &"door".into()));
        assert_eq!(event["antenna_port"], 1);
        assert!(daemon.terminate().success());
    }
}

#[test]
fn a_plugin_brings_a_library_along() {
    for more in ["", "isolation = \"in-process\""] {
        let vendor = Vendor::new(&["good-library"]);
        let config = vendor.configure("good-library", more);
        guard(&vendor.plugins().join("libacme_sdk.so.1"));
        let daemon = Daemon::run(&config);
        assert_eq!(vendor.first_event()["type"], "arrived");
        assert!(daemon.terminate().success());
    }
    let vendor = Vendor::new(&["good-library"]);
    guard(&vendor.plugins().join("libacme_sdk.so.1"));
    let listed = rfid_host().args(["plugin", "list"]).arg(vendor.plugins()).output().unwrap();
    let said = String::from_utf8(listed.stdout).unwrap();
    let sums = said.lines().filter(|line| line.contains("sha256 = ") || line.contains("libraries = "));
    let pinned = format!("[plugins.\"good-library.so\"]\n{}\n", sums.collect::<Vec<_>>().join("\n"));
    assert!(pinned.contains("libacme_sdk.so.1"), "{said}");
    let config = vendor.configure("good-library", "");
    let unpinned = fs::read_to_string(&config).unwrap();
    fs::write(&config, unpinned.clone() + &pinned).unwrap();
    assert!(check(&config).0, "{}", check(&config).1);
    let other = vendor.plugins().join("libacme_sdk.so.1");
    fs::write(&other, fs::read(&other).unwrap().into_iter().chain([0]).collect::<Vec<_>>()).unwrap();
    let (is_right, said) = check(&config);
    assert!(!is_right && said.contains("libacme_sdk.so.1 has the SHA-256"), "{said}");
    let half = pinned.lines().filter(|line| !line.contains("libraries")).collect::<Vec<_>>().join("\n");
    fs::write(&config, unpinned + &half).unwrap();
    let (is_right, said) = check(&config);
    assert!(!is_right && said.contains("brings along has none; write libraries = {"), "{said}");
}

#[test]
fn a_plugin_is_destroyed_and_ended_when_the_host_stops() {
    // In the host's own process the module stays.
    for (more, calls) in [("", "destroy\ndeinit\n"), ("isolation = \"in-process\"\n", "destroy\n")] {
        let vendor = Vendor::new(&["good-end"]);
        let path = vendor.folder.path().join("ends");
        let config = vendor.configure("good-end", &format!("{more}path = '{}'", path.display()));
        let daemon = Daemon::run(&config);
        vendor.first_event();
        assert!(!path.exists());
        assert!(daemon.terminate().success());
        assert_eq!(fs::read_to_string(&path).unwrap(), calls);
    }
}

#[test]
fn a_plugin_in_the_hosts_process_is_warned_of() {
    let vendor = Vendor::new(&["good-minimal"]);
    let config = vendor.configure("good-minimal", "isolation = \"in-process\"");
    let (is_ok, said) = check(&config);
    assert!(is_ok && said.contains("isolation: the plugin can end the whole host"), "{said}");
}

#[test]
fn options_are_checked_at_their_place_in_the_file() {
    let vendor = Vendor::new(&["good-minimal"]);
    let (is_ok, said) = check(&vendor.configure("good-minimal", "no_such_option = 1"));
    assert!(!is_ok && said.contains("trial.toml:11:1: readers.door.no_such_option: unknown key"), "{said}");
}

#[test]
fn a_plugin_of_another_version_says_what_to_do() {
    let vendor = Vendor::new(&["wrong-major", "wrong-minor", "null-functions"]);
    let listed = rfid_host().args(["plugin", "list"]).arg(vendor.plugins()).output().unwrap();
    assert_eq!(listed.status.code(), Some(1));
    let said = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(said.matches("refused:").count(), 3, "{said}");
    assert!(said.contains("this host speaks 0"), "{said}");
    assert!(said.contains("has no function read"), "{said}");
}

#[test]
fn a_pinned_plugin_is_that_one_and_no_other() {
    let vendor = Vendor::new(&["good-minimal", "exits"]);
    let config = vendor.configure("good-minimal", "");
    let pin = |sum: &str| {
        let text = fs::read_to_string(vendor.configure("good-minimal", "")).unwrap();
        fs::write(&config, format!("{text}\n[plugins.\"good-minimal.so\"]\nsha256 = \"{sum}\"\n")).unwrap();
    };
    let listed = rfid_host().args(["plugin", "list", "--json"]).arg(vendor.plugins()).output().unwrap();
    let said = String::from_utf8(listed.stdout).unwrap();
    let plugins: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sum = plugins.iter().find(|plugin| plugin["file"] == "good-minimal.so").unwrap()["sha256"].clone();
    pin(sum.as_str().unwrap());
    assert!(check(&config).0);
    fs::copy(vendor.plugin("exits"), vendor.plugin("good-minimal")).unwrap();
    let (is_ok, said) = check(&config);
    assert!(
        !is_ok && said.contains("has the SHA-256") && said.contains("and the configuration asks for"),
        "{said}"
    );
}

#[test]
fn a_file_that_others_may_write_is_refused() {
    let vendor = Vendor::new(&["good-minimal"]);
    fs::set_permissions(vendor.plugin("good-minimal"), fs::Permissions::from_mode(0o666)).unwrap();
    let (is_ok, said) = check(&vendor.configure("good-minimal", ""));
    assert!(!is_ok && said.contains("may be written by others (mode 0666); run: chmod go-w"), "{said}");
}

#[test]
fn a_sink_from_outside_gets_the_events() {
    let vendor = Vendor::new(&["good-minimal", "good-sink"]);
    let config = vendor.configure("good-minimal", "");
    let path = vendor.folder.path().join("theirs");
    let text = fs::read_to_string(&config).unwrap();
    let sink = format!(
        "[sinks.theirs]\ntype = \"good-sink\"\nplugin = \"good-sink.so\"\npath = '{}'\n",
        path.display()
    );
    let text = text.replace("sinks = [\"events\"]", "sinks = [\"events\", \"theirs\"]");
    fs::write(&config, format!("{text}\n{sink}")).unwrap();
    let daemon = Daemon::run(&config);
    let event = vendor.first_event();
    let line = until("an event in the sink's file", || {
        fs::read_to_string(&path).ok()?.lines().next().map(str::to_owned)
    });
    let tag = event["epc_hex"].as_str().unwrap().to_lowercase();
    assert!(line.contains(&tag), "{line}");
    assert!(daemon.terminate().success());
}

#[test]
fn a_starting_point_is_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let new = |dir: &str| {
        rfid_host().args(["plugin", "new", "--lang", "c"]).arg(folder.path().join(dir)).output().unwrap()
    };
    assert!(new("zebra").status.success());
    let made = Command::new("make").args(["-s", "-C"]).arg(folder.path().join("zebra")).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for file in ["libzebra.so", "rfid_plugin.hpp", "rfid_plugin.map"] {
        assert!(folder.path().join("zebra").join(file).is_file(), "{file}");
    }
    assert_eq!(new("zebra").status.code(), Some(1), "it is there already");
    let refused = new("Not-A-Name");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("small letters and digits"));
}
