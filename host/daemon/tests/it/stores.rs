//! One day at a branch on either store, and the move from one to the other.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::daemon::{Daemon, rfid_host, until};
use crate::record::Recorder;
use crate::service::{Bank, ask, visits};

/// Customers are opened by commands, come in, are greeted and served by the API, and leave. What the
/// door reader sent is recorded and played on a host with the other store, to which the customers
/// were moved before; the visits that both export are the same.
#[test]
fn a_day_gives_the_same_visits_on_either_store() {
    let (branch, central) = (Bank::new(), Bank::central());
    branch.open_customers(3);
    branch.well(
        &["staff", "add", "S1", "--name", "李静", "--role", "lobby-manager", "--branch", "hubin"],
        None,
    );
    let moved = rfid_host()
        .args(["migrate-store", "--from"])
        .arg(branch.config())
        .arg("--to")
        .arg(central.config())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&moved.stdout).into_owned();
    assert!(moved.status.success() && said.contains("3 customer") && said.contains("SHA-256"), "{moved:?}");
    for bank in [&branch, &central] {
        assert_eq!(acts_on_the_store(bank), ["store.migrate done"]);
    }

    let daemon = Daemon::run(&branch.config());
    daemon.until_ready();
    let file = branch.path("door.rfidrec");
    let recorder = Recorder::start(&daemon, &file);
    branch.lay(1..3);
    until("the first two", || (visits(&daemon, "").len() == 2).then_some(()));
    branch.lay(2..5);
    until("the third", || (visits(&daemon, "").len() == 3).then_some(()));
    branch.lay(0..0);
    let gone = || visits(&daemon, "").iter().all(|visit| !visit["departed_at"].is_null()).then_some(());
    until("that all have left", gone);
    // What the day ends with lies behind the last read.
    std::thread::sleep(std::time::Duration::from_millis(500));
    recorder.end();
    greet_and_serve(&daemon);
    assert!(daemon.terminate().success());

    central.configure(&format!("driver = \"replay\"\nfile = '{}'\nspeed = 1000000", file.display()));
    let daemon = Daemon::run(&central.config());
    let all_left = || {
        let visits = visits(&daemon, "");
        (visits.len() == 3 && visits.iter().all(|visit| !visit["departed_at"].is_null())).then_some(())
    };
    until("the same day on the other store", all_left);
    greet_and_serve(&daemon);
    assert!(daemon.terminate().success());

    let (ours, theirs) = (exported(&branch), exported(&central));
    assert_eq!(ours.len(), 3);
    assert_eq!(ours, theirs);
}

fn greet_and_serve(daemon: &Daemon) {
    for visit in visits(daemon, "") {
        let path = format!("/api/v1/visits/{}", visit["id"].as_str().unwrap());
        let greeted = ask(daemon, "POST", &format!("{path}/greet"), Some(&json!({ "staff_number": "S1" })));
        assert_eq!(greeted.0, 200, "{}", greeted.1);
        let served = ask(daemon, "POST", &format!("{path}/serve"), Some(&json!({ "staff_number": "S1" })));
        assert_eq!(served.0, 200, "{}", served.1);
        let done = ask(daemon, "POST", &format!("{path}/business"), Some(&json!({ "business": ["理财"] })));
        assert_eq!(done.0, 200, "{}", done.1);
    }
}

/// Visits by their ids, without when somebody at this test's screen greeted and served, and how often
/// the record was written: of a day that is played faster, sightings are written in fewer steps.
fn exported(bank: &Bank) -> BTreeMap<String, Value> {
    let lines = bank.well(&["export", "visits", "--format", "jsonl"], None);
    let visit = |line: &str| {
        let mut visit: Value = serde_json::from_str(line).unwrap();
        for act in ["greeted", "served"] {
            assert!(visit[act]["at"].take().is_string(), "{visit}");
        }
        visit["version"].take();
        (visit["id"].as_str().unwrap().to_owned(), visit)
    };
    lines.lines().map(visit).collect()
}

/// What the trail of the console says of the store as a whole, and what came of it.
fn acts_on_the_store(bank: &Bank) -> Vec<String> {
    acts_in(&bank.well(&["audit", "show", "--console"], None))
}

fn acts_in(trail: &str) -> Vec<String> {
    let entries = trail.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let acts = entries.filter(|entry| entry["action"].as_str().unwrap().starts_with("store."));
    acts.map(|act| format!("{} {}", act["action"].as_str().unwrap(), act["outcome"].as_str().unwrap()))
        .collect()
}

#[test]
fn backups_and_what_they_bring_back_are_in_the_trail_and_failed_ones_as_such() {
    let bank = Bank::new();
    bank.open_customers(1);
    bank.well(&["backup"], Some("backup"));
    let again = bank.command(&["backup"], Some("backup"));
    assert!(!again.status.success(), "{again:?}");
    assert_eq!(acts_on_the_store(&bank), ["store.backup done", "store.backup done", "store.backup not_done"]);
    let verified: Value =
        serde_json::from_str(&bank.well(&["audit", "verify", "--console", "--json"], None)).unwrap();
    assert_eq!(verified["first_bad"], Value::Null);

    let other = bank.path("other");
    let of_other = |words: &[&str]| {
        let output = rfid_host().args(words).arg("--data-dir").arg(&other).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    of_other(&["restore", bank.path("backup").to_str().unwrap()]);
    assert_eq!(acts_in(&of_other(&["audit", "show", "--console"])), ["store.restore done"]);
    assert!(!other.join("service.key").exists(), "a secret was made where the bank's own belongs");

    let nowhere = bank.path("nowhere");
    let mistyped =
        rfid_host().arg("backup").arg(bank.path("more")).arg("--data-dir").arg(&nowhere).output().unwrap();
    let said = String::from_utf8_lossy(&mistyped.stderr).into_owned();
    assert!(said.contains("there is no data folder") && !nowhere.exists(), "{said}");
}

#[test]
fn what_is_missing_of_the_tables_is_shown_before_it_is_made() {
    let central = Bank::central();
    let tables = |words: &[&str]| central.well(words, None);
    let shown = tables(&["tables", "--dry-run"]);
    assert!(shown.contains("-- step 1: records") && shown.contains("create table visit"), "{shown}");
    assert_eq!(tables(&["tables", "--dry-run"]), shown);
    assert!(tables(&["tables"]).starts_with("step 1: records\nstep 2: reports\nstep 3: looking back"));
    assert_eq!(tables(&["tables"]), "the tables are those of this version\n");
    assert_eq!(acts_on_the_store(&central), ["store.tables done"]);
    let embedded = Bank::new().command(&["tables"], None);
    assert!(!embedded.status.success());
    let backup = central.command(&["backup"], Some("backup"));
    assert!(String::from_utf8_lossy(&backup.stderr).contains("pg_dump"), "{backup:?}");
}

#[test]
fn a_database_that_is_away_ends_the_start_with_what_to_do() {
    let central = Bank::central();
    std::fs::write(central.path("database"), "postgres://bank:geheim@localhost/bank?host=/nowhere").unwrap();
    let output = central.command(&["run"], None);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("PostgreSQL") && !said.contains("geheim"), "{said}");
}

/// Who was erased since a backup was made comes back with it, and is gone before anybody is served; a move
/// takes along who it was.
#[test]
fn whoever_was_erased_does_not_come_back_with_a_backup_or_a_move() {
    let (bank, central) = (Bank::new(), Bank::central());
    bank.open_customers(2);
    let customer =
        |daemon: &Daemon, number: u32| ask(daemon, "GET", &format!("/api/v1/customers/C{number}"), None);
    let daemon = Daemon::run(&bank.config());
    daemon.until_ready();
    let (status, erased) = customer(&daemon, 1);
    assert_eq!(status, 200, "{erased}");
    assert!(daemon.terminate().success());
    bank.well(&["backup"], Some("backup"));
    let data = bank.path("data");
    for part in ["service-ledger", "service", "photos"] {
        std::fs::remove_dir_all(data.join(part)).unwrap();
    }
    bank.well(&["restore"], Some("backup"));
    let list = format!("{}\n", erased["id"].as_str().unwrap());
    std::fs::write(data.join("erased-persons"), &list).unwrap();
    let is_gone = |bank: &Bank| {
        let daemon = Daemon::run(&bank.config());
        daemon.until_ready();
        assert_eq!(customer(&daemon, 1).0, 404);
        assert_eq!(customer(&daemon, 2).0, 200);
        assert!(daemon.terminate().success());
        let verified: Value = serde_json::from_str(&bank.well(&["audit", "verify", "--json"], None)).unwrap();
        assert_eq!(verified["first_bad"], Value::Null);
    };
    is_gone(&bank);
    assert!(bank.well(&["audit", "show"], None).contains("customer.erased"));
    let moved = rfid_host()
        .args(["migrate-store", "--from"])
        .arg(bank.config())
        .arg("--to")
        .arg(central.config())
        .output()
        .unwrap();
    assert!(moved.status.success(), "{moved:?}");
    assert_eq!(std::fs::read_to_string(central.path("data").join("erased-persons")).unwrap(), list);
    is_gone(&central);
}
