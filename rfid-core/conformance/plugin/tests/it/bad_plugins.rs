//! Plugins in C, each ill in one place.

use std::path::{Path, PathBuf};
use std::process::Command;

use rfid_plugin_conformance::{Options, Outcome, Subject, check};
use tempfile::TempDir;

use crate::{launcher, report, report_of};

/// Builds one of the plugins of `examples/bad-plugins/c`.
fn build(name: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(format!("{name}.so"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../examples/bad-plugins/c");
    let make = Command::new("make")
        .arg("-C")
        .arg(source)
        .arg(format!("OUT={}", folder.path().display()))
        .arg(&file)
        .output()
        .expect("make and a C compiler are needed");
    assert!(make.status.success(), "{}", String::from_utf8_lossy(&make.stderr));
    (folder, file)
}

/// Whether exactly these cases fail.
fn fails(name: &str, cases: &[&str]) {
    let (_folder, file) = build(name);
    let report = report(&Subject::new(file));
    let bad: Vec<&str> =
        report.entries.iter().filter(|entry| entry.outcome.is_bad()).map(|entry| entry.case).collect();
    assert_eq!(bad, cases, "{report}");
    let passed = report.entries.iter().any(|entry| matches!(entry.outcome, Outcome::Passed { .. }));
    assert!(passed || name == "wrong-major", "{report}");
}

#[test]
fn a_filter_that_no_case_has_is_no_success() {
    let (_folder, file) = build("good-minimal");
    let options = Options { filter: Some("cancle".to_owned()), ..Options::default() };
    let error = check(&Subject::new(file), &options, &launcher, &|_| ()).unwrap_err().to_string();
    assert!(error.contains("\"cancle\"") && error.contains("cancel, errors"), "{error}");
}

#[test]
fn a_file_or_a_component_that_is_not_there_is_named() {
    let (_folder, file) = build("good-minimal");
    let said =
        |subject: &Subject| check(subject, &Options::default(), &launcher, &|_| ()).unwrap_err().to_string();
    let error = said(&Subject { component: Some("good".to_owned()), ..Subject::new(&file) });
    assert!(error.contains("no component \"good\"; there are: good-minimal"), "{error}");
    let error = said(&Subject::new("no-such-plugin.so"));
    assert!(error.contains("cannot open no-such-plugin.so"), "{error}");
}

#[test]
fn why_a_file_does_not_load_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text.so");
    std::fs::write(&file, "no library").unwrap();
    let report = report(&Subject::new(file));
    assert!(report.to_string().contains("file too short"), "{report}");
}

#[test]
fn one_that_hangs_is_no_crash() {
    let (_folder, file) = build("hangs");
    let report = report_of(&Subject::new(file), Some("lifecycle/order".to_owned()));
    let [entry] = &report.entries[..] else { panic!("{report}") };
    assert!(matches!(&entry.outcome, Outcome::TimedOut { during, .. } if during == "`read`"), "{report}");
}

macro_rules! fails {
    ($($test:ident: $name:literal => [$($case:literal),*];)*) => {
        $(
            #[test]
            fn $test() {
                fails($name, &[$($case),*]);
            }
        )*
    };
}

fails! {
    good_minimal: "good-minimal" => [];
    good_end: "good-end" => [];
    good_library: "good-library" => [];
    good_switch: "good-switch" => [];
    aborts: "aborts" => ["lifecycle/order"];
    accepts_anything: "accepts-anything" => ["config/unknown-keys", "config/wrong-types", "config/bounds", "config/garbage"];
    antenna_undeclared: "antenna-undeclared" => ["read/declared-antennas"];
    bad_utf8: "bad-utf8" => ["descriptor/texts"];
    changes_directory: "changes-directory" => ["footprint/directory"];
    exits: "exits" => ["lifecycle/order"];
    floods: "floods" => ["faults/log-flood"];
    future_times: "future-times" => ["read/times"];
    hangs: "hangs" => ["lifecycle/order"];
    ignores_cancel: "ignores-cancel" => ["cancel/before", "cancel/during-read", "cancel/at-any-time"];
    keeps_buffer: "keeps-buffer" => ["read/buffer-not-kept"];
    leaks: "leaks" => ["read/memory-stays"];
    leaks_thread: "leaks-thread" => ["lifecycle/open-close-100", "threads/none-left"];
    lies_count: "lies-count" => ["read/never-beyond-capacity"];
    null_functions: "null-functions" => ["descriptor/tables"];
    open_schema: "open-schema" => ["descriptor/schema"];
    prints: "prints" => ["footprint/prints-nothing"];
    secret_in_log: "secret-in-log" => ["config/secrets"];
    segfaults: "segfaults" => ["lifecycle/order"];
    spins: "spins" => ["lifecycle/order"];
    stack_overflow: "stack-overflow" => ["lifecycle/order"];
    starts_thread_in_entry: "starts-thread-in-entry" => ["load/starts-nothing"];
    two_symbols: "two-symbols" => ["load/exports-one-symbol"];
    writes_beyond: "writes-beyond" => ["read/never-beyond-capacity"];
    good_sink: "good-sink" => [];
    reorders: "reorders" => ["sinks/in-order"];
    loses_on_busy: "loses-on-busy" => ["sinks/accepts-from-the-front"];
    wrong_major: "wrong-major" => ["load/opens"];
    wrong_minor: "wrong-minor" => ["load/speaks-this-version"];
}
