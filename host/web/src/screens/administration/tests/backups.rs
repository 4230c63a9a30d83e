//! The page of backups: what it says of those that were asked for, and who has one made.

use rfid_core::UtcTime;
use rfid_service::backup::{BackupOutcome, BackupRun, Progress};

use super::*;

fn at(text: &str) -> UtcTime {
    text.parse().unwrap()
}

/// One that is made, one that failed, and one that was made.
fn runs() -> Vec<BackupRun> {
    let run = |began: &str, to: &str, outcome| BackupRun {
        trail_number: Some(7),
        began: at(began),
        to: to.into(),
        outcome,
    };
    let made = BackupOutcome::Made {
        at: at("2026-11-28T01:02:03Z"),
        entries: 12_345,
        photo_files: 26,
        bytes: 3 << 20,
    };
    let why = format!("no space left on {HOSTILE}");
    vec![
        run("2026-11-29T00:50:00Z", "/mnt/backup/three", BackupOutcome::UnderWay),
        run(
            "2026-11-29T00:40:00Z",
            "/mnt/backup/two",
            BackupOutcome::Failed { at: at("2026-11-29T00:40:07Z"), why },
        ),
        run("2026-11-28T01:00:00Z", "/mnt/backup/one", made),
    ]
}

#[tokio::test]
async fn what_came_of_backups_is_told_and_one_that_is_made_is_followed() {
    let (hall, made_up) = administered().await;
    let system = hall.log_in("SA1").await;
    let page = system.get("/administration/backups").await.html;
    assert!(page.contains("还没有发起过备份") && page.contains("立即备份"), "{page}");
    assert!(page.contains("/mnt/backup") && !page.contains("hx-trigger=\"every"), "{page}");
    {
        let mut backups = made_up.backups.lock().unwrap();
        backups.runs = runs();
        backups.under_way = Some(Progress { entries: 40, of_entries: 100, photo_files: 3 });
    }
    let page = system.get("/administration/backups").await.html;
    for said in [
        "hx-trigger=\"every 1s\"",
        "max=\"100\" value=\"40\"",
        "进行中",
        "已完成",
        "失败",
        "no space left on",
        "12345",
        "3.0 MiB",
        "123 秒",
        "7 秒",
        "/mnt/backup/one",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!page.contains("<img src=x") && !page.contains("立即备份"), "{page}");
    // Where the other pages speak of it, the last one is that which was made.
    let host = system.get("/administration/host").await.html;
    assert!(host.contains("/mnt/backup/one") && !host.contains("/mnt/backup/two"), "{host}");
    let part = system.part("/administration/backups/now").await.html;
    assert!(part.starts_with("<section") && part.contains("value=\"40\""), "{part}");
    made_up.backups.lock().unwrap().under_way = None;
    let part = system.part("/administration/backups/now").await.html;
    assert!(!part.contains("hx-trigger") && part.contains("立即备份"), "{part}");
    let told = hall.bank.told().await;
    assert!(told.iter().any(|recorded| recorded.entry.action == "backups.see"));
}

#[tokio::test]
async fn a_backup_is_made_by_whoever_may_and_has_proved_who_they_are_one_at_a_time() {
    let (hall, made_up) = administered().await;
    let system = hall.log_in("SA1").await;
    let made = || *made_up.made.lock().unwrap();
    let begun = system.send("/administration/backups", "").await;
    assert_eq!((begun.status, made()), (200, 1), "{}", begun.html);
    // Without script the page comes again.
    let cookie = ("cookie", &*system.cookie);
    let form = format!("proof={}", system.proof);
    let plain = hall.ask("POST", "/administration/backups", &[cookie], &form).await;
    assert_eq!(
        (plain.status, &plain.headers["location"]),
        (303, &"/administration/backups".parse().unwrap())
    );
    made_up.backups.lock().unwrap().under_way = Some(Progress::default());
    let second = system.send("/administration/backups", "").await;
    assert!(second.status == 409 && second.html.contains("已有一个备份正在进行"), "{}", second.html);
    made_up.backups.lock().unwrap().under_way = None;
    for (place, said, page_said) in [
        (BackupPlace::NotConfigured, "store.backup_dir", "[store]\nbackup_dir"),
        (BackupPlace::Database, "pg_dump", "pg_basebackup"),
    ] {
        made_up.backups.lock().unwrap().place = place;
        let page = system.get("/administration/backups").await.html;
        assert!(page.contains(page_said) && !page.contains("立即备份"), "{page}");
        let refused = system.send("/administration/backups", "").await;
        assert!(refused.status == 409 && refused.html.contains(said), "{}", refused.html);
    }
    made_up.backups.lock().unwrap().place = BackupPlace::Folder("/mnt/backup".into());
    // Who looks after security sees what came of backups, and makes none.
    let security = hall.log_in("SE1").await;
    let page = security.get("/administration/backups").await.html;
    assert!(page.contains("/mnt/backup") && !page.contains("立即备份"), "{page}");
    assert_eq!(security.send("/administration/backups", "").await.status, 403);
    hall.bank.wait(std::time::Duration::from_secs(400));
    let proof = system.send("/administration/backups", "").await;
    assert!(proof.status == 403 && proof.html.contains("action=\"/prove\""), "{}", proof.html);
    assert_eq!(made(), 2);
    let headers = [cookie, ("accept-language", "en")];
    let english = hall.ask("GET", "/administration/backups", &headers, "").await.html;
    assert!(english.contains("Make a backup now"), "{english}");
}
