//! Archives of the audit trail on the built binary: by the host itself, by the command, beside the central
//! table, and through kills.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rfid_core::{Clock, ManualClock, SystemClock, UtcTime};
use rfid_service::audit::{Entry, Trail};
use rfid_service::seal::Keys;
use rfid_service::store::Actor;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::daemon::{Daemon, rfid_host, until};
use crate::service::Bank;

const MONTH: Duration = Duration::from_secs(31 * 24 * 3600);

/// A trail of a time when nobody took anything out: so many records in each of so many months until now.
fn lived(folder: &Path, months: u32, each: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let now = SystemClock::new().now().utc.as_nanos();
    let begun = now - u64::try_from((MONTH * months).as_nanos()).unwrap();
    let clock = Arc::new(ManualClock::at(UtcTime::from_nanos(begun)));
    runtime.block_on(async {
        let keys = Arc::new(Keys::new(&Zeroizing::new([1; 32]), &[]).unwrap());
        let trail = Trail::open(folder, keys, clock.clone()).await.unwrap();
        for month in 0..months {
            for at in 0..each {
                let mut entry =
                    Entry::new(clock.now().utc, Actor::Console, "console", format!("lived.{month}"));
                entry.facts.insert("at".to_owned(), at.to_string());
                trail.note(entry).await.unwrap();
            }
            trail.head().await.unwrap();
            clock.advance(MONTH);
        }
        trail.close().await;
    });
}

/// A bank whose host has archives.
fn with_archives(bank: &Bank) {
    std::fs::create_dir(bank.path("archives")).unwrap();
    let audit = format!("\n[audit]\narchives = '{}'\n", bank.path("archives").display());
    let text = std::fs::read_to_string(bank.config()).unwrap() + &audit;
    std::fs::write(bank.config(), text).unwrap();
}

fn verified(bank: &Bank, words: &[&str]) -> Value {
    let output = bank.command(&[&["audit", "verify", "--json"], words].concat(), None);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

/// Why a command that has to fail does.
fn refused(bank: &Bank, words: &[&str]) -> String {
    let output = bank.command(words, None);
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_host_takes_old_records_out_by_itself_and_commands_see_one_chain() {
    let bank = Bank::new();
    with_archives(&bank);
    lived(&bank.path("data").join("audit"), 15, 60);
    lived(&bank.path("data").join("audit-console"), 15, 60);
    let planned = bank.well(&["audit", "archive", "--dry-run"], None);
    assert!(planned.starts_with("records 1 to 180, written from "), "{planned}");
    let daemon = Daemon::run(&bank.config());
    let said = refused(&bank, &["audit", "archive"]);
    assert!(said.contains("the host that runs on") && said.contains("--console"), "{said}");
    let audit = until("an archive", || {
        let audit = daemon.status()["service"]["audit"].clone();
        audit["archives"]["looked"].is_string().then_some(audit)
    });
    assert_eq!(audit["archives"]["error"], Value::Null, "{audit}");
    let name = audit["archives"]["last_name"].as_str().unwrap().to_owned();
    let oldest: UtcTime = audit["oldest"].as_str().unwrap().parse().unwrap();
    let age = SystemClock::new().now().utc.since(oldest);
    assert!(age < MONTH * 13 && age > MONTH * 11, "{age:?}");
    // Both trails, and both are one chain with their archives, while the host runs.
    for words in [&[][..], &["--console"]] {
        let found = verified(&bank, words);
        assert_eq!((&found["fault"], &found["first"]), (&Value::Null, &json!(1)), "{found}");
        assert_eq!(found["archives"], json!({ "count": 1, "records": 180, "opened": true }), "{found}");
    }
    assert!(daemon.terminate().success());
    let notes = bank.well(&["audit", "show", "--last", "100"], None);
    assert!(notes.lines().any(|line| line.contains("audit.archive") && line.contains(&name)), "{notes}");
    // What is in an archive is shown by its time, and is in clear nowhere.
    let (from, until) = (oldest.as_nanos() - 40 * 24 * 3600 * 1_000_000_000, oldest);
    let from = UtcTime::from_nanos(from).to_string();
    let words = ["audit", "show", "--from", from.as_str(), "--until", &until.to_string()];
    let shown = bank.well(&words, None);
    assert_eq!(shown.lines().count(), 60, "{shown}");
    assert!(shown.contains("lived.2"), "{shown}");
    let path = bank.path("archives").join(&name);
    let mut bytes = std::fs::read(&path).unwrap();
    assert!(!bytes.windows(6).any(|part| part == b"lived."));
    // Nothing more is to be done; what is named is.
    assert!(bank.well(&["audit", "archive"], None).contains("nothing is to be taken out"));
    let before = SystemClock::new().now().utc.as_nanos() - u64::try_from((MONTH * 6).as_nanos()).unwrap();
    let before = UtcTime::from_nanos(before).to_string();
    let more = bank.well(&["audit", "archive", "--before", &before], None);
    assert!(more.starts_with("records 181 to "), "{more}");
    assert_eq!(verified(&bank, &[])["archives"]["count"], 2);
    // Who changes an archive, or takes it away, is found out.
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let said = refused(&bank, &["audit", "verify"]);
    assert!(said.contains(&name) && said.contains("record 1 is in the archive"), "{said}");
    std::fs::remove_file(&path).unwrap();
    let said = refused(&bank, &["audit", "verify"]);
    assert!(said.contains(&name) && said.contains("missing"), "{said}");
    // A disk that is not there is told, and nothing is removed.
    std::fs::rename(bank.path("archives"), bank.path("elsewhere")).unwrap();
    let before = SystemClock::new().now().utc.to_string();
    let said = refused(&bank, &["audit", "archive", "--before", &before]);
    assert!(said.contains("there is no folder of archives"), "{said}");
    let checked = bank.command(&["check"], None);
    let said = String::from_utf8_lossy(&[checked.stdout, checked.stderr].concat()).into_owned();
    assert!(
        checked.status.success() && said.contains("audit.archives: there is no such folder now"),
        "{said}"
    );
    let daemon = Daemon::run(&bank.config());
    let ready = crate::daemon::until("the complaint", || {
        let error = daemon.status()["service"]["audit"]["archives"]["error"].clone();
        error.is_string().then_some(error)
    });
    assert!(ready.to_string().contains("cannot be archived"), "{ready}");
    assert!(daemon.terminate().success());
    let help = rfid_host().args(["audit", "archive", "--help"]).output().unwrap();
    assert!(String::from_utf8(help.stdout).unwrap().contains("--before 2026-01-01"));
}

#[test]
fn whenever_a_command_that_archives_is_killed_everything_is_there() {
    let bank = Bank::new();
    with_archives(&bank);
    lived(&bank.path("data").join("audit-console"), 20, 2_000);
    let all = verified(&bank, &["--console"])["records"].as_u64().unwrap();
    let archive = || {
        let mut command = rfid_host();
        command.args(["audit", "archive", "--console", "--config"]).arg(bank.config());
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    // Each time a little later, until it has ended before: in the middle of everything that it does.
    let (mut delay, mut has_ended, mut half_way) = (Duration::from_millis(100), false, 0);
    while !has_ended {
        let mut running = archive();
        std::thread::sleep(delay);
        has_ended = running.try_wait().unwrap().is_some();
        // It may have ended just now.
        let _ = running.kill();
        running.wait().unwrap();
        half_way += u32::from(std::fs::read_dir(bank.path("archives")).unwrap().count() > 0);
        let found = verified(&bank, &["--console"]);
        assert_eq!((&found["fault"], &found["first"]), (&Value::Null, &json!(1)), "{delay:?}: {found}");
        assert!(found["records"].as_u64().unwrap() >= all, "{delay:?}: {found}");
        delay = delay * 5 / 4;
    }
    assert!(half_way > 0, "something was begun");
    assert!(archive().wait().unwrap().success());
    let found = verified(&bank, &["--console"]);
    assert_eq!((&found["fault"], &found["archives"]["count"]), (&Value::Null, &json!(1)), "{found}");
    assert!(found["archives"]["records"].as_u64().unwrap() > 10_000, "{found}");
    // Each of them was noted once, and nothing half made is left.
    let notes = bank.well(&["audit", "show", "--console", "--last", "100"], None);
    assert_eq!(notes.lines().filter(|line| line.contains("\"audit.archive\"")).count(), 1, "{notes}");
    assert_eq!(std::fs::read_dir(bank.path("archives")).unwrap().count(), 2);
}

#[test]
fn what_is_archived_may_be_taken_out_of_the_central_table_and_nothing_else() {
    let bank = Bank::central();
    with_archives(&bank);
    lived(&bank.path("data").join("audit"), 15, 60);
    let daemon = Daemon::run(&bank.config());
    until("an archive", || daemon.status()["service"]["audit"]["archives"]["last"].as_str().map(drop));
    assert!(daemon.terminate().success());
    // The table has all of it, and what is online is the same there.
    let found = verified(&bank, &[]);
    assert_eq!((&found["fault"], &found["archives"]["records"]), (&Value::Null, &json!(180)), "{found}");
    assert_eq!(bank.psql("select min(number) from audit_trail where host = 'test audit'"), "1");
    let take_out = |through: u64| {
        bank.psql(&format!(
            "begin; alter table audit_trail disable trigger audit_trail_stays; \
             delete from audit_trail where host = 'test audit' and number <= {through}; \
             alter table audit_trail enable always trigger audit_trail_stays; commit"
        ))
    };
    take_out(180);
    let found = verified(&bank, &[]);
    assert_eq!(found["fault"], Value::Null, "{found}");
    assert_eq!(found["central"]["agreeing"].as_u64().unwrap(), found["records"].as_u64().unwrap() - 180);
    // The host goes on with it.
    let daemon = Daemon::run(&bank.config());
    assert!(daemon.terminate().success());
    assert_eq!(verified(&bank, &[])["central"]["lacks"], 0);
    take_out(190);
    let said = refused(&bank, &["audit", "verify"]);
    assert!(said.contains("record 181 is in the trail, and the central table begins behind it"), "{said}");
}
