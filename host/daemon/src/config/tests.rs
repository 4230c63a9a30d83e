use std::path::Path;

use super::*;
use proptest::prelude::*;
use rfid_core::pipeline::OnFailure;
use rfid_durable::Stores;

/// All of the pinned form that this build has.
pub(crate) const GOOD: &str = r#"
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

#[test]
fn a_pipeline_is_live_or_played() {
    let text = GOOD.replacen(
        "driver = \"mercury4\"\nbranch = \"hubin\"\naddress = \"192.168.10.21\"",
        "driver = \"replay\"\nbranch = \"hubin\"\nfile = \"back.rfidrec\"\nspeed = 10",
        1,
    );
    let faults = checked(&text).err().unwrap_or_default();
    assert_eq!(faults.len(), 2, "{faults:#?}");
    assert!(faults[0].contains("warning: readers.hubin_back.file: cannot be opened"), "{faults:#?}");
    assert!(faults[1].contains("hubin_door is heard now, and hubin_back"), "{faults:#?}");
    let apart = text.replacen("readers = [\"hubin_door\", \"hubin_back\"]", "readers = [\"hubin_door\"]", 1)
        + "\n[pipelines.played]\nreaders = [\"hubin_back\"]\nsinks = [\"visits\"]\n";
    let config = checked(&apart).unwrap_or_else(|faults| panic!("{faults:#?}"));
    let played: Vec<bool> = config.pipelines.iter().map(|pipeline| config.is_played(pipeline)).collect();
    assert_eq!(played, [false, true]);
}

pub(crate) fn checked(text: &str) -> Result<Config, Vec<String>> {
    let registry = Registry::built_in(Stores::new("/nonexistent"));
    let texts = Texts::of(Path::new("branch.toml"), text);
    check(texts, &registry).map(|checked| checked.config).map_err(|report| report.lines().collect())
}

/// What is said of the good file with one piece replaced, if it can be used all the same.
pub(crate) fn warnings(piece: &str, by: &str) -> Vec<String> {
    assert!(GOOD.contains(piece), "{piece}");
    warnings_of(&GOOD.replacen(piece, by, 1))
}

/// What is said of a text that can be used all the same.
pub(crate) fn warnings_of(text: &str) -> Vec<String> {
    let texts = Texts::of(Path::new("branch.toml"), text);
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
    let driver = faults("driver = \"mercury4\"", "driver = \"speedway\"");
    assert!(
        driver[0].ends_with(
            "\"speedway\" is not in this build; there are: mercury4, mifare, thingmagic, llrp, replay"
        ),
        "{driver:?}"
    );
    let source = faults("source = \"directory\"", "source = \"core\"");
    assert!(source[0].contains("sinks.customers.source: \"core\" is not in this build"), "{source:?}");
}

#[test]
fn what_is_taken_from_a_plugin_says_where_it_is() {
    let in_folder = "[host]\nplugin_dir = \"/nonexistent\"";
    let reader = |keys: &str| format!("driver = \"mercury4\"\n{keys}");
    let no_folder = faults("driver = \"mercury4\"", &reader("plugin = \"libacme.so\""));
    assert!(
        no_folder[0].contains("plugin: there is no folder of plugins; write plugin_dir"),
        "{no_folder:?}"
    );
    let built_in = faults("driver = \"mercury4\"", &reader("isolation = \"process\""));
    assert!(built_in[0].contains("isolation: has no effect: this is built in"), "{built_in:?}");
    let text = GOOD.replacen("[host]", in_folder, 1);
    let text = text.replacen("driver = \"mercury4\"", &reader("plugin = \"libacme.so\""), 1);
    let absent = checked(&text).err().unwrap();
    assert!(absent[0].contains("plugin: there is no /nonexistent, the folder of plugins"), "{absent:?}");
    let unused = faults("[branches.hubin]", "[plugins.\"a.so\"]\nsha256 = \"12\"\n[branches.hubin]");
    assert!(unused[0].contains("plugins.a.so: has no effect: no reader and no sink"), "{unused:?}");
    assert!(unused[1].contains("sha256: \"12\" is not a SHA-256"), "{unused:?}");
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
fn one_fault_hides_no_other_of_the_same_table() {
    let host = GOOD.replacen("\"xizhou-centre\"", "\"\"", 1).replacen("127.0.0.1:8460", "127.0.0.1", 1);
    let lines = checked(&host).err().unwrap();
    assert!(lines[0].contains("host.name: must not be empty"), "{lines:?}");
    assert!(lines[1].contains("host.listen: \"127.0.0.1\" is not an address with a port"), "{lines:?}");
    assert_eq!(faults("\"127.0.0.1:8460\"", "\"\"").len(), 1);
    let line = faults("\"hubin_back\"]", "\"hubin_bak\"]\ncolour = \"red\"");
    let has = |piece: &str| line.iter().any(|line| line.contains(piece));
    assert!(has("there is no \"hubin_bak\"") && has("pipelines.hubin.colour: unknown key"), "{line:?}");
    let emulator =
        "[emulators.e]\nreader = \"mercury4\"\nlisten = \"here\"\nprofile = \"m5\"\nscenario = \"none\"";
    let lines = faults("[branches.hubin]", &format!("{emulator}\n[branches.hubin]"));
    assert_eq!(lines.len(), 3, "{lines:?}");
    let reader = faults(
        "antennas = { 1 = \"door\", 2 = \"door\", 3 = \"hall\" }",
        "watch_antennas = \"10s\"\nzone = \"\"",
    );
    assert!(reader.iter().any(|line| line.contains("zone: a zone has a name")), "{reader:?}");
    let text = GOOD.replacen("driver = \"mercury4\"", "driver = \"mercury\"", 1);
    let reader = checked(&text.replacen("branch = \"hubin\"", "branch = \"hubn\"", 1)).err().unwrap();
    let has = |piece: &str| reader.iter().any(|line| line.contains(piece));
    assert!(has("driver: \"mercury\" is not in this build") && has("there is no \"hubn\""), "{reader:?}");
}

#[test]
fn how_much_the_ledger_keeps_can_be_said() {
    let with =
        |table: &str| GOOD.replacen("[branches.hubin]", &format!("[ledger]\n{table}\n[branches.hubin]"), 1);
    let ledger = |text: &str| checked(text).unwrap_or_else(|faults| panic!("{faults:#?}")).ledger;
    let day = |days: u64| Duration::from_secs(days * 24 * 3_600);
    assert_eq!(
        ledger(GOOD),
        LedgerConfig { keep_for: day(400), most_bytes: None, segment_bytes: 16 * 1024 * 1024 }
    );
    // What is the default here and what is there must not come apart.
    assert_eq!(ledger(GOOD).settings().keep_for, LedgerSettings::default().keep_for);
    assert_eq!(ledger(GOOD).settings().segment_bytes, LedgerSettings::default().segment_bytes);
    let own = ledger(&with("keep_for = \"30d\"\nmost_bytes = 4_194_304\nsegment_bytes = 1_048_576"));
    let most_bytes = Some(4_194_304);
    assert_eq!(own, LedgerConfig { keep_for: day(30), most_bytes, segment_bytes: 1_048_576 });

    let wrong = |table: &str| checked(&with(table)).err().unwrap();
    assert!(wrong("keep_for = \"30\"")[0].contains("ledger.keep_for: \"30\" is not a duration"));
    assert!(wrong("keep_for = \"30m\"")[0].contains("ledger.keep_for: nothing would be kept"));
    assert!(wrong("keep = \"30d\"")[0].contains("ledger.keep: unknown key"));
    assert!(wrong("segment_bytes = 5")[0].contains("1048576 to 1073741824 is allowed"));
    assert!(wrong("most_bytes = 20_000_000")[0].contains("less than two files of the ledger"));
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

#[test]
fn two_on_one_address_are_told_of_both_places() {
    let addresses = ["192.168.10.20", "192.168.10.20:8080"];
    for address in addresses {
        let lines = faults("address = \"192.168.10.21\"", &format!("address = \"{address}\""));
        assert_eq!(
            lines,
            ["branch.toml:22:11: readers.hubin_back.address: tcp 192.168.10.20:8080 belongs to \
                 readers.hubin_door already (see branch.toml:13:11)"]
        );
    }
    let name = GOOD.replacen("192.168.10.20:8080", "Door.Example.", 1);
    let twice = checked(&name.replacen("192.168.10.21", "door.example:8080", 1)).err().unwrap();
    assert!(twice[0].contains("tcp door.example:8080 belongs to readers.hubin_door"), "{twice:?}");

    let log = faults(
        "[sinks.screens]",
        "[sinks.more]\ntype = \"log\"\npath = \"data/../data/./events.jsonl\"\n[sinks.screens]",
    );
    assert!(!log.iter().any(|line| line.contains("belongs to")), "`..` may lead elsewhere: {log:?}");
    let log = faults(
        "[sinks.screens]",
        "[sinks.more]\ntype = \"log\"\npath = \"data//./events.jsonl\"\n[sinks.screens]",
    );
    assert!(
        log.iter().any(|line| line.contains("belongs to sinks.visits already (see branch.toml:31:8)")),
        "{log:?}"
    );
}

#[test]
fn emulators_need_an_address_of_their_own() {
    let emulator =
        |table: &str| faults("[branches.hubin]", &format!("[emulators.e]\n{table}\n[branches.hubin]"));
    assert_eq!(emulator("reader = \"mercury4\"\nlisten = \"127.0.0.1:9000\""), [] as [&str; 0]);
    let taken = emulator("reader = \"mercury4\"\nlisten = \"0.0.0.0:8460\"");
    assert_eq!(
        taken,
        [
            "branch.toml:9:10: emulators.e.listen: tcp 127.0.0.1:8460 belongs to host.listen already (see branch.toml:5:10)"
        ]
    );
    let port = emulator("reader = \"mercury4\"\nlisten = \"127.0.0.1\"");
    assert!(port[0].contains("is not an address with a port"), "{port:?}");
    let profile = emulator("reader = \"thingmagic\"\nlisten = \"127.0.0.1:9000\"\nprofile = \"m6\"");
    assert!(profile[0].contains("\"m6\" is not a profile (did you mean"), "{profile:?}");
    assert_eq!(
        emulator("reader = \"llrp\"\nlisten = \"127.0.0.1:9000\"\nprofile = \"fx9600\""),
        [] as [&str; 0]
    );
    let profile = emulator("reader = \"llrp\"\nlisten = \"127.0.0.1:9000\"\nprofile = \"m4\"");
    assert!(profile[0].contains("there are: r420, fx9600, alr-f800"), "{profile:?}");
    let scenario = emulator("reader = \"mercury4\"\nlisten = \"127.0.0.1:9000\"\nscenario = \"none.toml\"");
    assert!(scenario[0].contains("emulators.e.scenario: none.toml: No such file"), "{scenario:?}");
}

#[test]
fn an_emulated_pad_has_a_link_of_its_own_and_listens_nowhere() {
    let pads = |tables: &str| faults("[branches.hubin]", &format!("{tables}\n[branches.hubin]"));
    let pad = |keys: &str| pads(&format!("[emulators.e]\nreader = \"pn532\"\n{keys}"));
    assert_eq!(pad("link = \"desk\""), [] as [&str; 0]);
    assert!(pad("")[0].contains("emulators.e: a pn532 needs link"), "{:?}", pad(""));
    let listens = pad("link = \"desk\"\nlisten = \"127.0.0.1:9000\"");
    assert!(listens[0].contains("emulators.e.listen: a pn532 has a link"), "{listens:?}");
    let profile = pad("link = \"desk\"\nprofile = \"m4\"");
    assert!(profile[0].contains("emulators.e.profile: this reader has no profiles"), "{profile:?}");
    let linked = pads("[emulators.e]\nreader = \"mercury4\"\nlisten = \"127.0.0.1:9000\"\nlink = \"desk\"");
    assert!(linked[0].contains("emulators.e.link: only a pn532 has a link"), "{linked:?}");
    let nowhere = pads("[emulators.e]\nreader = \"mercury4\"");
    assert!(nowhere[0].contains("emulators.e: needs listen"), "{nowhere:?}");
    let two = pads(
        "[emulators.e]\nreader = \"pn532\"\nlink = \"desk\"\n[emulators.f]\nreader = \"pn532\"\nlink = \"desk\"",
    );
    assert!(two[0].contains("emulators.f.link: ") && two[0].contains("belongs to emulators.e"), "{two:?}");
}

#[test]
fn passages_lead_from_a_zone_to_another() {
    let passages =
        |passages: &str| faults("presence = {", &format!("presence = {{ passages = [{passages}],"));
    assert_eq!(passages("{ outer = \"door\", inner = \"hall\" }"), [] as [&str; 0]);
    let unknown = passages("{ outer = \"dor\", inner = \"hall\" }");
    assert!(unknown[0].contains("passages.0.outer: has no effect"), "{unknown:?}");
    assert!(unknown[0].ends_with("did you mean \"door\"?"), "{unknown:?}");
    let same = passages("{ outer = \"door\", inner = \"door\" }");
    assert!(same[0].contains("passages.0.inner: door is already a side of a passage"), "{same:?}");
    assert!(passages("{ outer = \"door\" }")[0].contains("inner"), "both sides are needed");
}

#[test]
fn a_silence_that_adapts_has_bounds_in_order() {
    let bounds = |bounds: &str| {
        faults("presence = {", &format!("presence = {{ zones.hall.lost_adaptive = {{ {bounds} }},"))
    };
    assert_eq!(bounds(""), [] as [&str; 0]);
    assert_eq!(bounds("at_least = \"5s\", at_most = \"2m\""), [] as [&str; 0]);
    let wrong = bounds("at_least = \"2m\"");
    assert!(
        wrong[0].contains("zones.hall.lost_adaptive: at_most = 1m is shorter than at_least = 2m"),
        "{wrong:?}"
    );
}

#[test]
fn times_of_presence_that_have_no_effect_or_too_much_are_named() {
    let with = |more: &str| format!("presence = {{ {more},");
    for (key, zero) in [
        ("repeat_every", "repeat_every = \"0s\""),
        ("stationary_after", "stationary_after = \"0s\""),
        ("zones.hall.lost_after", "zones.hall.lost_after = \"0s\""),
        ("lost_adaptive.at_least", "lost_adaptive.at_least = \"0ms\""),
    ] {
        let wrong = faults("presence = {", &with(zero));
        assert!(wrong[0].contains(&format!("{key}: must be more than 0s")), "{wrong:?}");
    }
    let unkept = with("glimpse_lasts = \"1s\", zones.hall.confirm_within = \"3s\"");
    let warned = warnings("presence = {", &unkept);
    assert!(warned[0].contains("glimpse_lasts: counts as 2s"), "{warned:?}");
    assert!(warned[1].contains("zones.hall.confirm_within: reads support each other for 2s"), "{warned:?}");
}

#[test]
fn zones_with_figures_of_their_own_must_be_listened_to() {
    let zone = |name: &str| {
        let by = format!("presence = {{ zones.{name} = {{ lost_after = \"5m\" }}, confirm_reads = 3");
        faults("presence = { confirm_reads = 3", &by)
    };
    assert_eq!(zone("hall"), [] as [&str; 0]);
    assert_eq!(
        zone("hal"),
        ["branch.toml:39:20: pipelines.hubin.presence.zones.hal: has no effect: no reader listens there; \
             did you mean \"hall\"?"]
    );
    assert!(zone("roof")[0].ends_with("there are: back, door, hall"), "{:?}", zone("roof"));
    let elsewhere = GOOD
        .replacen("presence = {", "presence = { zones.back = { confirm_reads = 1 },", 1)
        .replacen("readers = [\"hubin_door\", \"hubin_back\"]", "readers = [\"hubin_door\"]", 1);
    let lines = checked(&elsewhere).err().unwrap();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("hubin_back does and is not one of them (see branch.toml:19:10)")),
        "{lines:?}"
    );
    let figure =
        faults("presence = {", "presence = { zones.door = { confirm_reads = 0, lost_aftr = \"1s\" },");
    assert!(figure[0].contains("zones.door.confirm_reads: 0 is out of range"), "{figure:?}");
    assert!(
        figure[1].contains("zones.door.lost_aftr: unknown key; did you mean \"lost_after\"?"),
        "{figure:?}"
    );
}

#[test]
fn webhooks_name_zones_and_branches_that_are_there() {
    let webhook = |filter: &str| {
        let hook = format!("{{ url = \"https://hooks.example.com/\", secret = \"env:PATH\", {filter} }}");
        faults("type = \"notify\"", &format!("type = \"notify\"\nwebhooks = [{hook}]"))
    };
    assert_eq!(webhook("zones = [\"hall\"], branches = [\"hubin\"]"), [] as [&str; 0]);
    let wrong = webhook("zones = [\"hal\", \"door\"], branches = [\"hubn\"]");
    assert!(
        wrong[0]
            .contains("webhooks.0.zones.0: has no effect: no reader listens there; did you mean \"hall\"?"),
        "{wrong:?}"
    );
    assert!(
        wrong[1].contains("webhooks.0.branches.0: there is no \"hubn\" in [branches]; did you mean"),
        "{wrong:?}"
    );
}

#[test]
fn more_warnings_than_are_told_are_no_fault_and_hide_none() {
    let branches: String =
        (0..301).map(|number| format!("[branches.b{number:03}]\nname = \"x\"\n")).collect();
    let with_branches = format!("{branches}[branches.hubin]");
    let told = warnings("[branches.hubin]", &with_branches);
    assert_eq!(told.len(), 201);
    assert_eq!(told[200], "branch.toml: and 101 more, which are left out here");
    // Behind all of them.
    let text = GOOD.replacen("[branches.hubin]", &with_branches, 1).replacen(
        "confirm_reads = 3",
        "confirm_reads = 0",
        1,
    );
    let told = checked(&text).err().unwrap();
    assert!(told.iter().any(|line| line.contains("confirm_reads: 0 is out of range")), "{told:#?}");
}

#[test]
fn what_may_be_meant_is_a_warning() {
    assert_eq!(
        warnings("[branches.hubin]", "[branches.closed]\nname = \"x\"\n[branches.hubin]"),
        ["branch.toml:7:11: warning: branches.closed: has no effect: no reader stands in it"]
    );
    assert_eq!(
        warnings("\"visits\", \"screens\"", "\"screens\", \"visits\""),
        [
            "branch.toml:38:34: warning: pipelines.hubin.sinks.2: the log stands behind \"screens\", so people \
             would see what is not yet registered; put it before (see branch.toml:38:23)"
        ]
    );
}

#[test]
fn options_without_effect_on_this_driver_are_faults() {
    let watch = faults("mode = \"poll\"", "mode = \"autonomous\"\nwatch_antennas = \"10s\"");
    assert!(watch[0].contains("watch_antennas: has an effect only with mode = \"poll\""), "{watch:?}");
    let ports = faults("3 = \"hall\"", "5 = \"hall\"");
    assert_eq!(
        ports,
        ["branch.toml:17:42: readers.hubin_door.antennas.5: the reader has no antenna port 5; it has 1 to 4"]
    );
    let module = GOOD.replacen(
        "driver = \"mercury4\"\nbranch = \"hubin\"\naddress = \"192.168.10.21\"",
        "driver = \"thingmagic\"\naddress = \"module:9761\"\nbaud = 9600",
        1,
    );
    let baud = checked(&module).err().unwrap();
    assert!(baud[0].contains("readers.hubin_back.baud: has an effect only on a serial line"), "{baud:?}");
}

/// The tables of the good file.
fn tables() -> Vec<String> {
    GOOD.split("\n[").skip(1).map(|table| format!("[{table}\n")).collect()
}

fn several(files: &[String]) -> Texts {
    let mut texts = Texts::default();
    for (number, text) in files.iter().enumerate() {
        texts.sources.extend(Texts::of(Path::new(&format!("conf.d/{number}.toml")), text).sources);
    }
    texts
}

#[test]
fn a_table_in_two_files_is_told_of_both_places() {
    let files =
        [GOOD.to_owned(), "\n[readers.hubin_door]\ndriver = \"mercury4\"".to_owned(), "[host]".to_owned()];
    let registry = Registry::built_in(Stores::new(""));
    let report = check(several(&files), &registry).err().unwrap();
    let lines: Vec<String> = report.lines().collect();
    assert_eq!(
        lines,
        [
            "conf.d/1.toml:2:10: readers.hubin_door: stands in two files; write it in one of them (see conf.d/0.toml:10:10)",
            "conf.d/2.toml:1:2: host: stands in two files; write it in one of them (see conf.d/0.toml:2:2)",
        ]
    );
    let pictures = report.pictures();
    assert!(
        pictures.contains("conf.d/0.toml:10:10") && pictures.contains("the other stands here"),
        "{pictures}"
    );
    assert_eq!(report.json()[0]["see"]["file"], "conf.d/0.toml");
}

proptest! {
    /// However the tables are spread over files, the configuration is the same.
    #[test]
    fn tables_may_stand_in_any_file(
        places in proptest::collection::vec(0usize..4, tables().len()),
        twice in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let registry = Registry::built_in(Stores::new(""));
        let mut files = vec![String::new(); 4];
        for (table, place) in tables().iter().zip(&places) {
            files[*place].push_str(table);
        }
        if let Some(twice) = twice {
            let at = twice.index(places.len());
            files[(places[at] + 1) % 4].push_str(&tables()[at]);
            let report = check(several(&files), &registry).err().unwrap();
            let lines: Vec<String> = report.lines().collect();
            prop_assert!(lines.iter().all(|line| line.contains("stands in two files")), "{lines:?}");
            let one = format!("conf.d/{}.toml:", places[at]);
            prop_assert!(lines[0].matches("conf.d/").count() == 2 && lines[0].contains(&one), "{lines:?}");
        } else {
            let whole = check(Texts::of(Path::new("branch.toml"), GOOD), &registry).ok().unwrap();
            let spread = check(several(&files), &registry).ok().unwrap();
            prop_assert_eq!(as_json(&whole), as_json(&spread));
        }
    }

    #[test]
    fn any_bytes_are_a_configuration_or_faults(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        crate::hostile::config_toml(&bytes);
    }

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
        crate::hostile::config_toml(text.into_iter().collect::<String>().as_bytes());
    }
}
