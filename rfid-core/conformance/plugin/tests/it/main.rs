//! The suite itself on trial: good plugins pass, and each bad one fails the case made for it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod bad_plugins;
mod one_line;

use std::process::Command;

use rfid_plugin_conformance::{Options, Report, Subject, check, serve};

/// Not a test: the process in which one case runs.
#[test]
#[ignore = "the child that the other tests start"]
fn child() {
    serve().unwrap();
}

fn launcher() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--ignored", "--nocapture", "--test-threads=1"]);
    command
}

/// What the suite says of a plugin, without the long waits.
fn report(subject: &Subject) -> Report {
    report_of(subject, None)
}

/// The same of the cases with this in their names.
fn report_of(subject: &Subject, filter: Option<String>) -> Report {
    let options = Options { quick: true, jobs: 8.try_into().unwrap(), filter };
    let report = check(subject, &options, &launcher, &|_| ()).unwrap();
    println!("{report}");
    report
}
