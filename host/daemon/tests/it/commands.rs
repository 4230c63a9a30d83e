//! Commands that end by themselves.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::daemon::rfid_host;
use crate::emulator::Emulator;

fn run(arguments: &[&str]) -> Output {
    rfid_host().args(arguments).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn write(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)
}

#[test]
fn the_example_configurations_are_in_order() {
    for (name, ends) in [
        ("branch.toml", "ok (2 readers, 3 sinks, 1 pipeline)\n"),
        ("llrp.toml", "ok (2 readers, 2 sinks, 1 pipeline)\n"),
    ] {
        let path = example(name);
        let output = run(&["check", "--config", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        assert!(out(&output).ends_with(ends), "{}", out(&output));
    }
}

#[test]
fn the_configuration_in_the_readme_is_in_order() {
    let readme = std::fs::read_to_string(example("../README.md")).unwrap();
    let (_, from) = readme.split_once("```toml\n").unwrap();
    let (text, _) = from.split_once("```").unwrap();
    let lines: Vec<&str> = text.lines().map(|line| line.strip_prefix("   ").unwrap_or(line)).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder, "branch.toml", &lines.join("\n"));
    let output = run(&["check", "--config", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
}

#[test]
fn check_prints_all_faults_and_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(
        &folder,
        "branch.toml",
        "[readers.door]\ndriver = \"mercury4\"\naddress = 5\nmod = \"poll\"\nzone = \"door\"\n\
         [sinks.log]\ntype = \"lg\"\n[pipelines.p]\nreaders = [\"dor\"]\nsinks = [\"log\"]\n",
    );
    let path = path.to_str().unwrap();
    let output = run(&["check", "--config", path]);
    assert_eq!(output.status.code(), Some(1));
    let lines: Vec<String> = err(&output).lines().map(|line| line.replace(path, "FILE")).collect();
    assert_eq!(
        lines,
        [
            "FILE:1:10: readers.door: has no effect: no pipeline reads it",
            "FILE:3:11: readers.door.address: 5 is not text in quotes",
            "FILE:4:1: readers.door.mod: unknown key; did you mean \"mode\"?",
            "FILE:7:8: sinks.log.type: \"lg\" is not in this build (did you mean \"log\"?); there are: lookup, log, notify",
            "FILE:9:12: pipelines.p.readers.0: there is no \"dor\" in [readers]; did you mean \"door\"?",
            "rfid-host: FILE: 5 faults",
        ]
    );
}

#[test]
fn a_file_that_is_not_there_is_said() {
    let output = run(&["check", "--config", "/nonexistent/branch.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).starts_with("/nonexistent/branch.toml: No such file"), "{}", err(&output));
}

#[test]
fn wrong_words_end_with_2_and_help_has_examples() {
    assert_eq!(run(&["chek"]).status.code(), Some(2));
    assert_eq!(run(&[]).status.code(), Some(2));
    for command in [
        &["--help"][..],
        &["demo", "--help"],
        &["run", "--help"],
        &["check", "--help"],
        &["drivers", "--help"],
        &["sinks", "--help"],
        &["emulate", "mercury4", "--help"],
        &["emulate", "pn532", "--help"],
        &["import", "directory", "--help"],
    ] {
        let output = run(command);
        assert_eq!(output.status.code(), Some(0));
        assert!(out(&output).contains("Example"), "{command:?}: {}", out(&output));
    }
}

#[test]
fn drivers_and_sinks_describe_themselves() {
    let drivers = out(&run(&["drivers"]));
    assert!(drivers.starts_with("mercury4    ThingMagic Mercury 4"), "{drivers}");
    assert!(drivers.contains("\nthingmagic  ThingMagic UHF modules"), "{drivers}");
    assert!(drivers.contains("\nllrp        UHF readers that speak LLRP"), "{drivers}");
    let described = out(&run(&["drivers", "describe", "mercury4"]));
    for piece in [
        "address  (text; required)",
        "protocols  (list, each one of \"gen2\", \"iso18000-6b\", \"epc0\", \"epc1\"; default [\"gen2\"])",
        "mode  (one of \"poll\", \"autonomous\"; default \"poll\")",
        "time_out  (duration; default \"250ms\")",
        "[readers.my_reader]\ndriver = \"mercury4\"",
    ] {
        assert!(described.contains(piece), "{piece} is not in\n{described}");
    }
    let sinks = out(&run(&["sinks"]));
    for name in ["lookup", "log", "notify"] {
        assert!(sinks.contains(name));
        assert_eq!(run(&["sinks", "describe", name]).status.code(), Some(0));
    }
    let unknown = run(&["drivers", "describe", "mercury"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(err(&unknown).contains("did you mean \"mercury4\"?"), "{}", err(&unknown));
}

#[test]
fn epcs_are_decoded_and_encoded_for_people_and_programs() {
    let decoded = run(&["epc", "decode", "2D16451FD4499602D2000000"]);
    assert_eq!(decoded.status.code(), Some(0), "{}", err(&decoded));
    for piece in [
        "urn:epc:tag:gsrn-96:0.9521141.1234567890",
        "(8018)952114112345678906",
        "serial reference  1234567890",
    ] {
        assert!(out(&decoded).contains(piece), "{piece} is not in\n{}", out(&decoded));
    }
    for text in [
        "urn:epc:tag:gsrn-96:0.9521141.1234567890",
        "urn:epc:id:gsrn:9521141.1234567890",
        "urn:epc:raw:96.x2D16451FD4499602D2000000",
    ] {
        let encoded = run(&["epc", "encode", "--json", text]);
        let said: serde_json::Value = serde_json::from_str(&out(&encoded)).unwrap();
        assert_eq!((&said["epc_hex"], &said["pc_hex"]), (&"2D16451FD4499602D2000000".into(), &"3000".into()));
    }
    let raw = run(&["epc", "decode", "--json", "E28011606000020000000000", "2D0"]);
    assert_eq!(raw.status.code(), Some(1));
    let said: serde_json::Value = serde_json::from_str(&out(&raw)).unwrap();
    assert_eq!(said["raw_uri"], "urn:epc:raw:96.xE28011606000020000000000");
    assert!(said["reason"].as_str().unwrap().contains("TID"), "{said}");
    assert!(err(&raw).starts_with("2D0: hexadecimal digits come in pairs"), "{}", err(&raw));
    let wrong = run(&["epc", "encode", "(8018)952114112345678907"]);
    assert!(err(&wrong).contains("the check digit does not fit"), "{}", err(&wrong));
}

#[test]
fn a_reader_is_read_without_a_configuration() {
    let emulator = Emulator::start("mercury4", &[], "[[tag]]\nepc = \"2D16451FD4499602D2000000\"\n");
    let address = emulator.address();
    let output = run(&["read", "mercury4", address, "--once", "--json", "--set", "time_out=\"100ms\""]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let said: Vec<serde_json::Value> =
        out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!said.is_empty());
    for read in &said {
        assert_eq!(read["epc_hex"].as_str().unwrap().len(), 24, "{read}");
        assert!(read["read_count"].as_u64().unwrap() > 0 && read["antenna_port"].is_u64(), "{read}");
        assert!(read["last_seen"].is_string() && read.get("peak_rssi_cdbm").is_some(), "{read}");
    }
    let table = run(&["read", "mercury4", address, "--once", "--set", "mode=autonomous"]);
    assert!(out(&table).starts_with("ThingMagic Mercury 4, firmware 2."), "{}", out(&table));
    assert!(out(&table).contains(said[0]["epc_hex"].as_str().unwrap()), "{}", out(&table));

    let wrong = run(&["read", "mercury4", address, "--set", "mod=poll"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(err(&wrong).contains("unknown field `mod`"), "{}", err(&wrong));
    drop(emulator);
    let nobody = run(&["read", "mercury4", "127.0.0.1:1"]);
    assert!(err(&nobody).contains("127.0.0.1:1 cannot be reached"), "{}", err(&nobody));
}

#[test]
fn import_says_what_is_wrong_on_which_line() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let good = write(&folder, "good.csv", "tag,name\n2D00,one\n2D01,two\n");
    let output = run(&["import", "directory", good.to_str().unwrap(), "--data-dir", data]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).starts_with("imported 2 records from"), "{}", out(&output));
    let bad = write(&folder, "bad.csv", "tag,name\n2D0,one\n");
    let output = run(&["import", "directory", bad.to_str().unwrap(), "--data-dir", data]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).contains("bad.csv:2: tag \"2D0\": hexadecimal digits come in pairs"),
        "{}",
        err(&output)
    );
    assert!(err(&output).contains("1 fault; nothing was imported"), "{}", err(&output));
}

#[test]
fn the_demo_shows_a_tag_its_record_and_its_line_and_leaves_nothing_behind() {
    let output = run(&["demo", "--for", "13s"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let said = out(&output);
    for piece in [
        "arrived   door    1        2D16451FD43B9ACA01000000  王小明, 6001, gold, 存款",
        "2D16451FD43B9ACA04000000  refused: the card is lost",
        "E28011606000020000000001  unknown card",
        "arrived   desk    1        04A1B2C3D4E5F6            王小明, 6001",
        "its line in the log: {\"event_id\":",
        "curl -N http://127.0.0.1:",
        "S001 刘静 (lobby manager)",
        "README.md",
    ] {
        assert!(said.contains(piece), "{piece} is not in\n{said}");
    }
    assert!(!said.contains("2D0000000000000000000003"), "a ghost is announced:\n{said}");
    let log = said.lines().find_map(|line| line.split_once("tail -f ")).unwrap().1;
    assert!(!Path::new(log).parent().unwrap().exists());
    let backups = said.lines().find_map(|line| line.trim_start().strip_prefix("backups")).unwrap();
    let backups = Path::new(backups.split_whitespace().next().unwrap());
    assert!(backups.is_absolute() && !backups.exists());
}

#[test]
fn a_scenario_with_a_fault_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder, "scenario.toml", "[[tag]]\nepc = \"2D00\"\nantenna = 9\n");
    let path = path.to_str().unwrap();
    let output = run(&["emulate", "mercury4", "--listen", "127.0.0.1:0", "--scenario", path]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(err(&output), format!("rfid-host: {path}:3:11: antenna: the reader has ports 1 to 4\n"));
}

fn by_hand(driver: &str, profile: &[&str]) {
    let emulator = Emulator::start(
        driver,
        profile,
        "[[tag]]\nepc = \"300000000000000000000001\"\ntid = \"E280116000000001\"\nkill_password = \"0x22222222\"\n",
    );
    let address = emulator.address();
    let tag = |arguments: &[&str]| {
        let mut all = vec!["tag", arguments[0], driver, address];
        all.extend(&arguments[1..]);
        run(&all)
    };
    let read = tag(&["read", "--bank", "tid", "--count", "4"]);
    assert!(out(&read).contains("data   E280116000000001"), "{profile:?}: {}{}", out(&read), err(&read));

    let new = "urn:epc:tag:gsrn-96:0.9521141.1234567890";
    let dry = tag(&["write-epc", new, "--dry-run"]);
    assert!(out(&dry).contains("would  write the EPC 2D16451FD4499602D2000000"), "{}", out(&dry));
    let written = tag(&["write-epc", new]);
    assert_eq!(written.status.code(), Some(0), "{profile:?}: {}", err(&written));
    let gone = tag(&["read", "--tag", "300000000000000000000001"]);
    assert!(err(&gone).contains("heard are: 2D16451FD4499602D2000000"), "{}", err(&gone));

    let unsure = tag(&["lock", "epc=never"]);
    assert_eq!(unsure.status.code(), Some(1));
    assert!(err(&unsure).contains("cannot be undone: lock epc=never; say --yes"), "{}", err(&unsure));
    let guarded = tag(&["lock", "user=password"]);
    assert!(err(&guarded).contains("this changes who may write the tag"), "{}", err(&guarded));
    let locked = tag(&["lock", "epc=never", "--yes"]);
    assert_eq!(locked.status.code(), Some(0), "{profile:?}: {}", err(&locked));
    let refused = tag(&["write-epc", "300000000000000000000001"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(err(&refused).contains("(tag_lost)"), "{}", err(&refused));

    let wrong = tag(&["kill", "--kill-password", "1", "--yes"]);
    assert_eq!(wrong.status.code(), Some(1));
    let killed = tag(&["kill", "--kill-password", "0x22222222", "--yes"]);
    assert_eq!(killed.status.code(), Some(0), "{profile:?}: {}", err(&killed));
    assert!(err(&tag(&["read"])).contains("no tag is heard"));
}

#[test]
fn a_mercury_4_reads_writes_locks_and_kills_a_tag_by_hand() {
    by_hand("mercury4", &["--profile", "m4"]);
}

#[test]
fn a_mercury_5_reads_writes_locks_and_kills_a_tag_by_hand() {
    by_hand("mercury4", &["--profile", "mercury5"]);
}

#[test]
fn an_astra_reads_writes_locks_and_kills_a_tag_by_hand() {
    by_hand("mercury4", &["--profile", "astra"]);
}

#[test]
fn a_thingmagic_module_reads_writes_locks_and_kills_a_tag_by_hand() {
    by_hand("thingmagic", &[]);
}

#[test]
fn a_thingmagic_module_that_is_polled_reads_writes_locks_and_kills_a_tag_by_hand() {
    by_hand("thingmagic", &["--profile", "m5e"]);
}

#[test]
fn a_reader_says_what_it_is_and_takes_power_and_outputs() {
    let input = "[[input]]\npin = 1\n";
    for (driver, profile, model) in [
        ("mercury4", "m4", "ThingMagic Mercury 4"),
        ("mercury4", "mercury5", "ThingMagic Mercury 5"),
        ("mercury4", "astra", "ThingMagic Astra"),
        ("thingmagic", "m6e", "ThingMagic M6e"),
        ("thingmagic", "m5e", "ThingMagic M5e"),
    ] {
        let emulator = Emulator::start(driver, &["--profile", profile], input);
        let set = run(&["reader", driver, emulator.address(), "--power-dbm", "27.5", "--output", "1=high"]);
        assert_eq!(set.status.code(), Some(0), "{profile}: {}", err(&set));
        for piece in [model, "\npower 27.50 dBm\n", "\noutput 1 is high now\n", " is high\n"] {
            assert!(out(&set).contains(piece), "{profile}: {piece:?} is not in\n{}", out(&set));
        }
        let refused = run(&["reader", driver, emulator.address(), "--power-dbm", "39"]);
        assert_eq!(refused.status.code(), Some(1), "{profile}");
        assert!(err(&refused).contains("(regulatory)"), "{profile}: {}", err(&refused));
        let by_port = run(&["reader", driver, emulator.address(), "--power-dbm", "20", "--antennas", "2"]);
        let is_there = out(&by_port).contains("power of antenna 2 20.00 dBm");
        assert_eq!(is_there, profile == "astra", "{profile}: {}{}", out(&by_port), err(&by_port));
    }
}

#[test]
fn init_writes_a_configuration_that_is_in_order_and_never_over_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("branch.toml");
    let path = path.to_str().unwrap();
    assert_eq!(run(&["init", path]).status.code(), Some(0));
    let checked = run(&["check", "--config", path]);
    assert_eq!(checked.status.code(), Some(0), "{}", err(&checked));
    std::fs::write(path, "mine").unwrap();
    let again = run(&["init", path]);
    assert_eq!(again.status.code(), Some(1));
    assert!(err(&again).contains("an existing file is left as it is"), "{}", err(&again));
    assert_eq!(std::fs::read_to_string(path).unwrap(), "mine");
}

#[test]
fn the_schema_names_every_driver_and_sink_with_its_options() {
    let schema: serde_json::Value = serde_json::from_str(&out(&run(&["schema"]))).unwrap();
    for (table, key, names) in [
        (
            "readers",
            "driver",
            [
                ("mercury4", "address"),
                ("mifare", "transport"),
                ("thingmagic", "address"),
                ("llrp", "address"),
                ("replay", "file"),
            ]
            .as_slice(),
        ),
        ("sinks", "type", &[("lookup", "type"), ("log", "type"), ("notify", "type")]),
    ] {
        let one = &schema["properties"][table]["additionalProperties"];
        assert_eq!(one["properties"][key]["enum"].as_array().unwrap().len(), names.len());
        for (case, (name, option)) in one["allOf"].as_array().unwrap().iter().zip(names) {
            assert_eq!(case["if"]["properties"][key]["const"], *name);
            assert!(case["then"]["properties"][option].is_object(), "{name}: {case}");
            assert_eq!(case["then"]["additionalProperties"], false, "{name}");
        }
    }
}

#[test]
fn what_a_package_ships_beside_the_binary_is_written_by_the_binary() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completion", shell]);
        assert!(output.status.success() && out(&output).contains("rfid-host"), "{shell}: {}", err(&output));
    }
    let folder = tempfile::tempdir().unwrap();
    let man = folder.path().join("share/man");
    let output = run(&["manpage", "--directory", man.to_str().unwrap()]);
    assert!(output.status.success(), "{}", err(&output));
    for page in ["rfid-host.1", "rfid-host-run.1", "rfid-host.toml.5"] {
        assert!(std::fs::read_to_string(man.join(page)).unwrap().contains(".SH EXAMPLES"), "{page}");
    }
}

#[test]
fn the_manual_says_of_rights_what_the_binary_says() {
    let output = rfid_host().arg("rights").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/rights.md");
    let manual = std::fs::read_to_string(manual).unwrap();
    assert!(manual.ends_with(&said), "docs/rights.md is behind `rfid-host rights`");
    let chinese = rfid_host().args(["rights", "--language", "zh"]).output().unwrap();
    assert!(String::from_utf8(chinese.stdout).unwrap().contains("大堂经理"));
}
