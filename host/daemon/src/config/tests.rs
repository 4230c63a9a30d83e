use std::path::Path;

use super::*;
use proptest::prelude::*;
use rfid_core::pipeline::OnFailure;
use rfid_durable::Stores;

/// All of the pinned form that this build has.
const GOOD: &str = r#"
[host]
name = "xizhou-centre"
data_dir = "./data"
listen = "127.0.0.1:8460"

[branches.hubin]
name = "湖滨支行"

[readers.hubin_door]
driver = "mercury4"
branch = "hubin"
address = "192.168.10.20:8080"
protocols = ["gen2"]
mode = "poll"
time_out = "250ms"
antennas = { 1 = "door", 2 = "door", 3 = "hall" }

[readers.hubin_back]
driver = "mercury4"
branch = "hubin"
address = "192.168.10.21"
zone = "back"

[sinks.customers]
type = "lookup"
source = "directory"

[sinks.visits]
type = "log"
path = "./data/events.jsonl"

[sinks.screens]
type = "notify"

[pipelines.hubin]
readers = ["hubin_door", "hubin_back"]
sinks = ["customers", "visits", "screens"]
presence = { confirm_reads = 3, confirm_within = "300ms", lost_after = "20s", revisit_within = "10m" }
"#;

fn checked(text: &str) -> Result<Config, Vec<String>> {
    let registry = Registry::built_in(Stores::new("/nonexistent"));
    let texts = Texts::of(Path::new("branch.toml"), text);
    check(texts, &registry).map(|checked| checked.config).map_err(|report| report.lines().collect())
}

/// What is said of the good file with one piece replaced, if it can be used all the same.
fn warnings(piece: &str, by: &str) -> Vec<String> {
    assert!(GOOD.contains(piece), "{piece}");
    let texts = Texts::of(Path::new("branch.toml"), &GOOD.replacen(piece, by, 1));
    match check(texts, &Registry::built_in(Stores::new("/nonexistent"))) {
        Ok(checked) => checked.report.lines().collect(),
        Err(report) => panic!("{:#?}", report.lines().collect::<Vec<_>>()),
    }
}

/// The faults of the good file with one piece replaced.
fn faults(piece: &str, by: &str) -> Vec<String> {
    assert!(GOOD.contains(piece), "{piece}");
    checked(&GOOD.replacen(piece, by, 1)).err().unwrap_or_default()
}

#[test]
fn the_pinned_form_is_taken() {
    let config = checked(GOOD).unwrap_or_else(|faults| panic!("{faults:#?}"));
    assert_eq!((config.readers.len(), config.sinks.len(), config.pipelines.len()), (2, 3, 1));
    let door = config.readers.iter().find(|reader| reader.setup.reader.as_str() == "hubin_door").unwrap();
    assert_eq!(door.setup.antenna_ports, [1, 2, 3]);
    assert_eq!(door.place.branch.as_deref(), Some("hubin"));
    assert_eq!(
        config.pipelines[0].sinks.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        ["customers", "visits", "screens"]
    );
}

#[test]
fn faults_have_file_line_column_key_value_and_what_is_allowed() {
    assert_eq!(
        faults("protocols = [\"gen2\"]", "protocols = [\"gen3\"]"),
        [
            "branch.toml:14:14: readers.hubin_door.protocols.0: \"gen3\" is not allowed (did you mean \"gen2\"?); \
             write one of \"gen2\", \"iso18000-6b\", \"epc0\", \"epc1\""
        ]
    );
    assert_eq!(
        faults("mode = \"poll\"", "mod = \"poll\""),
        ["branch.toml:15:1: readers.hubin_door.mod: unknown key; did you mean \"mode\"?"]
    );
    assert_eq!(
        faults("time_out = \"250ms\"", "time_out = \"70s\""),
        ["branch.toml:16:12: readers.hubin_door.time_out: \"1m10s\" is not allowed; write 1ms to 65535ms"]
    );
    assert_eq!(
        faults("confirm_reads = 3", "confirm_reads = 0"),
        [
            "branch.toml:39:30: pipelines.hubin.presence.confirm_reads: 0 is out of range; 1 to 1000 is allowed"
        ]
    );
}

#[test]
fn all_faults_come_at_once_in_the_order_of_their_places() {
    let text = GOOD
        .replacen("listen = \"127.0.0.1:8460\"", "listen = \"here\"", 1)
        .replacen("branch = \"hubin\"", "branch = \"hubn\"", 1)
        .replacen("address = \"192.168.10.20:8080\"", "address = 5", 1)
        .replacen("3 = \"hall\"", "0 = \"hall\"", 1)
        .replacen("type = \"notify\"", "type = \"notfy\"", 1)
        .replacen("\"hubin_back\"]", "\"hubin_bak\"]", 1);
    let keys: Vec<String> = checked(&text)
        .err()
        .unwrap()
        .into_iter()
        .map(|line| line.split(':').nth(3).unwrap().trim().to_owned())
        .collect();
    assert_eq!(
        keys,
        [
            "host.listen",
            "readers.hubin_door.branch",
            "readers.hubin_door.address",
            "readers.hubin_door.antennas.0",
            "readers.hubin_back",
            "sinks.screens.type",
            "pipelines.hubin.readers.1",
        ]
    );
}

#[test]
fn what_this_build_does_not_have_is_said_plainly() {
    let driver = faults("driver = \"mercury4\"", "driver = \"mifare\"");
    assert!(
        driver[0].ends_with("\"mifare\" is not in this build; there are: mercury4, thingmagic"),
        "{driver:?}"
    );
    let source = faults("source = \"directory\"", "source = \"service\"");
    assert!(source[0].contains("sinks.customers.source: \"service\" is not in this build"), "{source:?}");
    let store = faults("[branches.hubin]", "[store]\nkind = \"sled\"\n\n[branches.hubin]");
    assert!(store[0].contains("store: this build keeps everything embedded"), "{store:?}");
    let plugins = faults("[branches.hubin]", "plugin_dir = \"./plugins\"\n[branches.hubin]");
    assert!(plugins[0].contains("host.plugin_dir: this build loads no plugins"), "{plugins:?}");
}

#[test]
fn what_has_no_effect_is_a_fault() {
    let unused = faults("\"customers\", ", "");
    assert_eq!(unused, ["branch.toml:25:8: sinks.customers: has no effect: no pipeline feeds it"]);
    let both = faults("zone = \"back\"", "zone = \"back\"\nantennas = { 1 = \"back\" }");
    assert!(both[0].contains("readers.hubin_back.zone: has no effect beside antennas"), "{both:?}");
    let repeat = faults("mode = \"poll\"", "mode = \"poll\"\nrepeat = \"1s\"");
    assert!(repeat[0].contains("readers.hubin_door.repeat: has an effect only with"), "{repeat:?}");
}

#[test]
fn what_happens_when_a_sink_fails_can_be_said_for_each() {
    let text = GOOD.replacen("type = \"log\"", "type = \"log\"\non_failure = \"retry\"", 1);
    let text = text.replacen("type = \"notify\"", "type = \"notify\"\npatience = \"5s\"", 1);
    let config = checked(&text).unwrap_or_else(|faults| panic!("{faults:#?}"));
    let of = |sink: &str| {
        let sink = config.sinks.iter().find(|config| config.name.as_str() == sink).unwrap();
        (sink.failure.on_failure, sink.failure.patience.to_string())
    };
    assert_eq!(of("customers"), (OnFailure::Pass, "1s".to_owned()), "lookup has no use for late events");
    assert_eq!(of("visits"), (OnFailure::Retry, "1s".to_owned()));
    assert_eq!(of("screens"), (OnFailure::Spill, "5s".to_owned()));

    let spelt = faults("type = \"log\"", "type = \"log\"\non_failure = \"spil\"");
    assert!(
        spelt[0].contains("sinks.visits.on_failure: \"spil\" is not allowed (did you mean \"spill\"?)"),
        "{spelt:?}"
    );
    let spills = faults("type = \"lookup\"", "type = \"lookup\"\non_failure = \"spill\"");
    assert!(spills[0].contains("sinks.customers.on_failure: has no effect"), "{spills:?}");
    let patient = faults("type = \"log\"", "type = \"log\"\non_failure = \"retry\"\npatience = \"1s\"");
    assert!(patient[0].contains("sinks.visits.patience: has no effect"), "{patient:?}");
}

#[test]
fn broken_toml_is_reported_at_its_place() {
    let lines = faults("name = \"xizhou-centre\"", "name = \"xizhou-centre");
    assert!(lines[0].starts_with("branch.toml:3:"), "{lines:?}");
    let twice = faults("name = \"xizhou-centre\"", "name = \"a\"\nname = \"b\"");
    assert!(twice[0].starts_with("branch.toml:4:1: "), "{twice:?}");
    assert_eq!(checked("").err().unwrap().len(), 1);
}

#[test]
fn a_reader_says_where_it_listens() {
    let nowhere = faults("zone = \"back\"", "");
    assert!(nowhere[0].contains("readers.hubin_back: where the reader listens is missing"), "{nowhere:?}");
    let port = faults("1 = \"door\"", "01 = \"door\"");
    assert!(port[0].contains("\"01\" is not an antenna port"), "{port:?}");
}

proptest! {
    #[test]
    fn any_text_is_a_configuration_or_faults(text in "\\PC*") {
        let _ = checked(&text);
    }

    #[test]
    fn a_spoilt_file_is_a_configuration_or_faults(
        at in any::<proptest::sample::Index>(), length in 0usize..20, by in "[\\[\\]{}=\"a-z0-9.\n]{0,6}",
    ) {
        let mut text: Vec<char> = GOOD.chars().collect();
        let start = at.index(text.len());
        let end = (start + length).min(text.len());
        text.splice(start..end, by.chars());
        if let Err(faults) = checked(&text.into_iter().collect::<String>()) {
            prop_assert!(!faults.is_empty());
        }
    }
}
