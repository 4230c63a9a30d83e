//! Configurations: several files, what contradicts itself, what takes effect, and the readers in
//! them.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::daemon::{Daemon, rfid_host};
use crate::emulator::Emulator;

const MAIN: &str = "[host]\ndata_dir = \"DATA\"\nlisten = \"127.0.0.1:0\"\n\
    [sinks.screens]\ntype = \"notify\"\n\
    [pipelines.p]\nreaders = [\"door\"]\nsinks = [\"screens\"]\n";

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A main file, and a reader in `conf.d`.
    fn with_reader(address: &str) -> Self {
        let files = Self::new();
        let data = files.path("data");
        files.write("main.toml", MAIN.replace("DATA", data.to_str().unwrap()));
        files.write(
            "conf.d/10-door.toml",
            format!("[readers.door]\ndriver = \"mercury4\"\naddress = \"{address}\"\nantennas = {{ 1 = \"door\", 4 = \"hall\" }}\n"),
        );
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs a command on the main file, in its folder.
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = rfid_host();
        command.current_dir(self.folder.path()).args(arguments);
        if !arguments.contains(&"init") {
            command.args(["--config", "main.toml"]);
        }
        command.output().unwrap()
    }
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&out(output)).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// An address that nobody listens on.
fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn files_of_conf_d_are_read_in_the_order_of_their_names() {
    let files = Files::with_reader("reader");
    files.write("conf.d/.hidden.toml", "spoilt");
    files.write("conf.d/10-door.toml~", "spoilt");
    files.write("conf.d/notes.txt", "spoilt");
    let checked = files.run(&["check"]);
    assert_eq!(
        out(&checked),
        "main.toml, conf.d/10-door.toml: ok (1 reader, 1 sink, 1 pipeline)\n",
        "{}",
        err(&checked)
    );
    files.write(
        "conf.d/20-again.toml",
        "\n[readers.door]\ndriver = \"mercury4\"\nadress = \"x\"\n[sinks.screens]\n",
    );
    let checked = files.run(&["check"]);
    assert_eq!(checked.status.code(), Some(1));
    let lines: Vec<String> = err(&checked).lines().map(str::to_owned).collect();
    assert_eq!(
        lines,
        [
            "conf.d/20-again.toml:2:10: readers.door: stands in two files; write it in one of them (see conf.d/10-door.toml:1:10)",
            "conf.d/20-again.toml:5:8: sinks.screens: stands in two files; write it in one of them (see main.toml:4:8)",
            "rfid-host: main.toml: 2 faults",
        ]
    );
    let other = files
        .write("other/door.toml", "[readers.door]\ndriver = \"mercury4\"\naddress = \"y\"\nzone = \"z\"\n");
    let other = other.parent().unwrap().to_str().unwrap();
    let checked = files.run(&["check", "--config-dir", other]);
    assert!(out(&checked).contains("other/door.toml: ok"), "in place of conf.d: {}", err(&checked));
    let missing = files.run(&["check", "--config-dir", "nowhere"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(err(&missing).contains("nowhere: No such file"), "{}", err(&missing));
}

#[test]
fn warnings_can_be_denied_and_everything_is_there_for_programs() {
    let files = Files::with_reader("reader");
    files.write("conf.d/20-branch.toml", "[branches.closed]\nname = \"x\"\n");
    let checked = files.run(&["check"]);
    assert_eq!(checked.status.code(), Some(0));
    assert!(out(&checked).contains("ok with 1 warning"), "{}", out(&checked));
    assert_eq!(
        err(&checked),
        "conf.d/20-branch.toml:1:11: warning: branches.closed: has no effect: no reader stands in it\n"
    );
    let denied = files.run(&["check", "--deny-warnings"]);
    assert_eq!(denied.status.code(), Some(1));
    assert!(err(&denied).ends_with("rfid-host: main.toml: 0 faults, 1 warning\n"), "{}", err(&denied));
    let told = json(&files.run(&["check", "--format", "json"]));
    assert_eq!(told["ok"], true);
    assert_eq!(told["files"][2], "conf.d/20-branch.toml");
    assert_eq!(told["presence"]["p"]["hall"]["lost_after"], "20s");
    let pipeline = &told["pipelines"]["p"];
    assert_eq!((&pipeline["max_tags"], &pipeline["glimpse_lasts"]), (&100_000.into(), &"5m".into()));
    let fault = &told["faults"][0];
    assert_eq!((&fault["line"], &fault["column"]), (&1.into(), &11.into()));
    assert_eq!((&fault["severity"], &fault["key"]), (&"warning".into(), &"branches.closed".into()));
    let denied = files.run(&["validate", "--deny-warnings", "--format", "json"]);
    assert_eq!((denied.status.code(), &json(&denied)["ok"]), (Some(1), &false.into()));
}

#[test]
fn check_asks_readers_http_and_the_data_folder() {
    let emulator = Emulator::start("mercury4", &[], "");
    let files = Files::with_reader(emulator.address());
    let asked = files.run(&["check", "--connect"]);
    assert_eq!(asked.status.code(), Some(0), "{}{}", out(&asked), err(&asked));
    for piece in [
        "ok    data",
        "will be made",
        "ok    http",
        "ok    reader     door: ThingMagic Mercury 4, firmware 2.",
        "antennas 1, 4",
    ] {
        assert!(out(&asked).contains(piece), "{piece} is not in\n{}", out(&asked));
    }
    assert!(!files.path("data").exists(), "asking makes nothing");

    let daemon = Daemon::run(&files.path("main.toml"));
    daemon.until_ready();
    let busy = json(&files.run(&["check", "--connect", "--format", "json"]));
    assert_eq!(busy["ok"], false);
    let reader = busy["checks"].as_array().unwrap().iter().find(|check| check["what"] == "reader").unwrap();
    assert!(reader["message"].as_str().unwrap().starts_with("not asked: rfid-host runs"), "{reader}");
    assert_eq!(daemon.get("/ready").0, 200, "the running daemon keeps its reader");
    assert!(daemon.terminate().success());

    drop(emulator);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let main = std::fs::read_to_string(files.path("main.toml")).unwrap();
    files.write("main.toml", main.replace("127.0.0.1:0", &taken.local_addr().unwrap().to_string()));
    let asked = files.run(&["check", "--connect"]);
    assert_eq!(asked.status.code(), Some(1));
    for piece in ["FAIL  http", "cannot be listened on", "FAIL  reader     door: ", "cannot be reached"] {
        assert!(out(&asked).contains(piece), "{piece} is not in\n{}", out(&asked));
    }
}

#[test]
fn a_reload_reads_all_files_again() {
    let files = Files::with_reader("127.0.0.1:1");
    let daemon = Daemon::run(&files.path("main.toml"));
    let readers =
        || -> Vec<String> { daemon.status()["readers"].as_object().unwrap().keys().cloned().collect() };
    assert_eq!(readers(), ["door"]);

    files.write("conf.d/20-hall.toml", "[readers.hall]\ndriver = \"mercury9\"\nzone = \"hall\"\n");
    let (status, answer) = daemon.reload();
    assert_eq!(status, 422, "{answer}");
    let reason = answer["reasons"][0].as_str().unwrap();
    assert!(reason.contains("conf.d/20-hall.toml:1:10: readers.hall: has no effect"), "{answer}");
    let reason = answer["reasons"][1].as_str().unwrap();
    assert!(reason.contains("conf.d/20-hall.toml:2:10: readers.hall.driver: \"mercury9\""), "{answer}");
    assert_eq!(readers(), ["door"]);

    files.write(
        "conf.d/20-hall.toml",
        "[readers.hall]\ndriver = \"mercury4\"\naddress = \"127.0.0.1:2\"\nzone = \"hall\"\n\
         [pipelines.hall]\nreaders = [\"hall\"]\nsinks = [\"screens\"]\n\
         [emulators.e]\nreader = \"mercury4\"\nlisten = \"127.0.0.1:3\"\n",
    );
    let (status, answer) = daemon.reload();
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["changes"]["readers"]["added"], serde_json::json!(["hall"]));
    assert_eq!(answer["changes"]["needs_restart"], serde_json::json!(["emulators"]));
    assert_eq!(readers(), ["door", "hall"]);

    std::fs::remove_file(files.path("conf.d/20-hall.toml")).unwrap();
    let (status, answer) = daemon.reload();
    assert_eq!((status, &answer["changes"]["needs_restart"]), (200, &serde_json::json!([])), "{answer}");
    assert_eq!(readers(), ["door"]);
    assert!(daemon.terminate().success());
}

#[test]
fn a_secret_that_changed_takes_effect_with_a_reload_and_is_told_nowhere() {
    use std::os::unix::fs::PermissionsExt;
    let files = Files::with_reader("127.0.0.1:1");
    let secret = |key: &str| {
        let path = files.write("conf.d/hook.key", key);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    secret("canary-1\n");
    let main = std::fs::read_to_string(files.path("main.toml")).unwrap();
    let hook = "type = \"notify\"\nwebhooks = [{ url = \"http://127.0.0.1:9/\", secret = \"file:conf.d/hook.key\" }]";
    files.write("main.toml", main.replacen("type = \"notify\"", hook, 1));
    let daemon = Daemon::run(&files.path("main.toml"));
    let (_, same) = daemon.reload();
    assert_eq!(same["changes"]["sinks"]["restarted"], serde_json::json!([]), "{same}");
    secret("canary-2\n");
    let (status, answer) = daemon.reload();
    assert_eq!((status, &answer["changes"]["sinks"]["restarted"]), (200, &serde_json::json!(["screens"])));
    std::fs::remove_file(files.path("conf.d/hook.key")).unwrap();
    let (status, refused) = daemon.reload();
    assert_eq!(status, 422, "{refused}");
    let shown = out(&files.run(&["config", "show"])) + &err(&files.run(&["check"]));
    for told in [answer.to_string(), refused.to_string(), daemon.status().to_string(), shown] {
        assert!(!told.contains("canary"), "{told}");
    }
    assert!(daemon.terminate().success());
}

#[test]
fn what_holds_in_each_zone_is_shown() {
    let files = Files::with_reader("reader");
    let main = std::fs::read_to_string(files.path("main.toml")).unwrap();
    files.write("main.toml", main + "[pipelines.p.presence]\nlost_after = \"30s\"\nzones.hall = { lost_after = \"5m\", confirm_reads = 1 }\n");
    let shown = out(&files.run(&["check", "--verbose"]));
    assert!(shown.contains("pipeline p: door > screens\n"), "{shown}");
    let rows: Vec<Vec<&str>> = shown.lines().skip(4).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1], ["door", "3", "300ms", "30s", "10m", "never", "4h"]);
    assert_eq!(rows[2], ["hall", "1", "300ms", "5m", "10m", "never", "4h"]);
}

#[test]
fn what_takes_effect_is_shown_and_can_be_read_again() {
    let files = Files::with_reader("reader");
    let shown = files.run(&["config", "show"]);
    assert_eq!(shown.status.code(), Some(0), "{}", err(&shown));
    for piece in [
        "# from main.toml\n[host]\n",
        "# from conf.d/10-door.toml\n[readers.door]\naddress = \"reader\"\n",
        "\ntime_out = \"250ms\"\n",
        "confirm_within = \"300ms\"",
    ] {
        assert!(out(&shown).contains(piece), "{piece} is not in\n{}", out(&shown));
    }
    let again = Files::new();
    again.write("main.toml", out(&shown));
    let as_json = |files: &Files| json(&files.run(&["config", "show", "--format", "json"]));
    assert_eq!(as_json(&files), as_json(&again));
    assert_eq!(as_json(&files)["host"]["name"], "rfid-host");
    files.write("main.toml", "[hst]\n");
    let spoilt = files.run(&["config", "show"]);
    assert_eq!(spoilt.status.code(), Some(1));
    assert!(out(&spoilt).is_empty() && err(&spoilt).contains("did you mean [host]?"), "{}", err(&spoilt));
}

#[test]
fn what_init_writes_shows_tags_as_it_stands() {
    let files = Files::new();
    let written = files.run(&["init", "main.toml"]);
    assert_eq!(written.status.code(), Some(0), "{}", err(&written));
    let text = std::fs::read_to_string(files.path("main.toml")).unwrap();
    assert_eq!(text.lines().next(), Some("#:schema ./rfid-host.schema.json"));
    let schema: Value =
        serde_json::from_str(&std::fs::read_to_string(files.path("rfid-host.schema.json")).unwrap()).unwrap();
    assert!(schema["properties"]["emulators"].is_object());
    let sample = rfid_host().args(["config", "sample"]).output().unwrap();
    assert_eq!(out(&sample), text);
    // The ports are for this test alone; tests run side by side.
    let text = text.replace("127.0.0.1:8080", &free_address()).replace("127.0.0.1:8460", "127.0.0.1:0");
    let text = text.replace("./data", files.path("data").to_str().unwrap());
    let path = files.write("main.toml", text);
    let daemon = Daemon::run(&path);
    let first = daemon.events(None).next().unwrap();
    assert_eq!((first.event.as_str(), &first.data["data"]["zone"]), ("arrived", &"door".into()));
    assert!(daemon.terminate().success());
}

#[test]
fn init_for_a_real_reader_has_no_emulator() {
    let files = Files::new();
    let written =
        files.run(&["init", "real.toml", "--driver", "thingmagic", "--address", "192.168.10.30:9761"]);
    assert_eq!(written.status.code(), Some(0), "{}", err(&written));
    let text = std::fs::read_to_string(files.path("real.toml")).unwrap();
    assert!(
        text.contains("driver = \"thingmagic\"") && text.contains("address = \"192.168.10.30:9761\""),
        "{text}"
    );
    assert!(!text.contains("emulat"), "{text}");
    let wrong = files.run(&["init", "wrong.toml", "--driver", "mercury", "--address", "x"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(err(&wrong).contains("did you mean \"mercury4\"?"), "{}", err(&wrong));
    assert!(!files.path("wrong.toml").exists());
    assert_eq!(files.run(&["init", "x.toml", "--driver", "mercury4"]).status.code(), Some(2));
}

#[test]
fn spoilt_files_end_the_check_with_1() {
    let files = Files::new();
    let pipe = files.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let paths = [
        pipe,
        files.folder.path().to_owned(),
        files.write("large", vec![b'#'; 10 * 1024 * 1024]),
        files.write("bytes", [0xFF; 100]),
        files.write("cut", "[readers.door]\ndriver = \"merc"),
        files.write("deep", "a.".repeat(400_000)),
        files.write("empty", ""),
        PathBuf::from("/dev/zero"),
    ];
    for path in paths.iter().map(PathBuf::as_path).map(Path::to_str) {
        let start = Instant::now();
        for command in [&["check"][..], &["config", "show"], &["run"]] {
            let output = rfid_host().args(command).args(["--config", path.unwrap()]).output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{path:?}: {}", err(&output));
            assert!(
                err(&output).contains(path.unwrap()) && !err(&output).contains("panicked"),
                "{}",
                err(&output)
            );
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{path:?}");
    }
}
