//! A backup asked for in a real browser, and what `rfid-host restore` makes of it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::runtime::Runtime;

use super::administration::{digits_in_demo, first_administrator, fits, take_over};
use super::browser::Browser;
use super::demo::Demo;
use super::look::look;
use super::{CHINESE, HANDHELD, PC};
use crate::daemon::{Daemon, rfid_host, until};
use crate::service::{Bank, ask};

/// The system administrator of a bank that has none yet, on the page of backups.
async fn system_of(bank: &Bank, daemon: &Daemon) -> (Browser, String) {
    let screens = format!("http://{}/", daemon.http);
    let pc = first_administrator(&screens, &bank.path("data")).await;
    pc.page.goto(&format!("{screens}administration/backups")).await.unwrap();
    (pc, screens)
}

/// Writes this into the configuration.
fn configure(bank: &Bank, store: &str) {
    let text = fs::read_to_string(bank.config()).unwrap();
    fs::write(bank.config(), format!("{text}\n{store}\n")).unwrap();
}

/// What a backup says of itself, but for when it was made.
fn manifest(folder: &Path) -> Value {
    let text = fs::read_to_string(folder.join("backup.json")).unwrap();
    let mut manifest: Value = serde_json::from_str(&text).unwrap();
    manifest["made_at"].take();
    manifest
}

fn customers(daemon: &Daemon) -> Vec<Value> {
    let customer = |number| ask(daemon, "GET", &format!("/api/v1/customers/C{number}"), None);
    (1..=3).map(customer).map(|(status, customer)| (status == 200).then_some(customer).unwrap()).collect()
}

#[test]
fn a_backup_asked_for_in_the_browser_is_restored_into_an_empty_folder() {
    let bank = Bank::new();
    bank.open_customers(3);
    Runtime::new().unwrap().block_on(made_and_restored(&bank));
}

async fn made_and_restored(bank: &Bank) {
    let target = bank.path("backups");
    fs::create_dir(&target).unwrap();
    configure(bank, &format!("[store]\nbackup_dir = '{}'", target.display()));
    let daemon = Daemon::run(&bank.config());
    daemon.until_ready();
    let (pc, screens) = system_of(bank, &daemon).await;
    pc.until_says("#backups", "还没有发起过备份").await;
    pc.click("#backups button.primary").await;
    let rows = "table.backups tbody tr";
    pc.until_says(rows, "已完成").await;
    let made: PathBuf = pc.texts("table.backups td:last-child").await.concat().trim().into();
    assert!(made.starts_with(&target) && made.join("backup.json").is_file(), "{made:?}");
    let before = customers(&daemon);

    // Its disk is away: nothing is made in its place, and it is said.
    let aside = bank.path("aside");
    fs::rename(&target, &aside).unwrap();
    pc.click("#backups button.primary").await;
    pc.until_says(rows, "失败").await;
    pc.until_says(&format!("{rows} .reason"), "store.backup_dir").await;
    assert!(!target.exists());
    fs::rename(&aside, &target).unwrap();
    look(&pc, "administration-backups").await;
    let handheld = Browser::open(HANDHELD, CHINESE).await;
    take_over(&pc, &handheld, &screens).await;
    handheld.page.goto(&format!("{screens}administration/backups")).await.unwrap();
    handheld.until_says(rows, "已完成").await;
    fits(&handheld, "the page of backups").await;
    look(&handheld, "administration-backups-handheld").await;
    assert!(daemon.terminate().success());
    let trail = bank.well(&["audit", "show", "--last", "1000"], None);
    let backups = trail.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let backups: Vec<Value> = backups.filter(|entry| entry["action"] == "store.backup").collect();
    let outcomes: Vec<&str> = backups.iter().map(|entry| entry["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["done", "done", "not_done"], "{backups:#?}");
    assert_eq!(backups[0]["facts"]["to"], made.display().to_string());

    // Into an empty folder, by the command; a copy of what was restored says the same of itself.
    let data = bank.path("data");
    fs::rename(&data, bank.path("before")).unwrap();
    fs::create_dir(&data).unwrap();
    fs::copy(bank.path("before/service.key"), data.join("service.key")).unwrap();
    let run = |words: &[&str], folder: &Path| {
        let output = rfid_host().args(words).arg(folder).arg("--data-dir").arg(&data).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    run(&["restore"], &made);
    run(&["backup"], &bank.path("again"));
    assert_eq!(manifest(&bank.path("again")), manifest(&made));
    // One that a host of before did not end: what is left of it goes.
    let half = target.join("half");
    fs::create_dir(&half).unwrap();
    fs::write(half.join("segment"), "x").unwrap();
    let run = format!(
        "[{{ \"began\": \"2026-11-29T00:00:00Z\", \"to\": {:?}, \"outcome\": \"under_way\" }}]",
        half.display().to_string()
    );
    fs::write(data.join("backups.json"), run).unwrap();
    let daemon = Daemon::run(&bank.config());
    daemon.until_ready();
    assert_eq!(customers(&daemon), before);
    // The account that was made before it is there as well.
    let screens = format!("http://{}/", daemon.http);
    pc.page.goto(&format!("{screens}login")).await.unwrap();
    pc.find("[name=password]").await;
    until("that what was left is removed", || (!half.exists()).then_some(()));
    assert!(daemon.terminate().success());
    let runs = fs::read_to_string(data.join("backups.json")).unwrap();
    assert!(runs.contains("the host ended before it was made"), "{runs}");
}

#[test]
fn where_the_store_is_a_database_the_page_says_what_backs_it_up() {
    let bank = Bank::central();
    Runtime::new().unwrap().block_on(async {
        let daemon = Daemon::run(&bank.config());
        daemon.until_ready();
        let (pc, _) = system_of(&bank, &daemon).await;
        pc.until_says("#backups", "pg_basebackup").await;
        assert_eq!(pc.texts("#backups button").await, Vec::<String>::new());
        assert!(daemon.terminate().success());
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_is_backed_up_beside_its_own_folder() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let pc = Browser::open(PC, CHINESE).await;
    pc.log_in_with(&demo.screens, "S902", &demo.password, &digits_in_demo(folder.path(), "S902")).await;
    pc.page.goto(&format!("{}administration/backups", demo.screens)).await.unwrap();
    pc.click("#backups button.primary").await;
    pc.until_says("table.backups tbody tr", "已完成").await;
    let made = fs::read_dir(folder.path().join("demo-backups")).unwrap();
    let made: Vec<PathBuf> = made.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(made.len(), 1, "{made:?}");
    assert!(made[0].join("backup.json").exists());
}
