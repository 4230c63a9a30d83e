//! `kill -9` at random moments: nothing acknowledged is missing, nothing is half there.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rfid_durable::Store;

/// The example that commits, built beside this test.
fn committer() -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples");
    path.push("commit_until_killed");
    assert!(path.exists(), "{} is built by `cargo test` and `cargo nextest run`", path.display());
    path
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_by_a_kill() {
    let kills: u64 = std::env::var("RFID_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(10);
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = None;
    for kill in 0..kills {
        let mut child = Command::new(committer())
            .arg(folder.path().join("store"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // From at once to a third of a second, in steps that have nothing to do with sled's own.
        let end = Instant::now() + Duration::from_millis(20 + kill * 7919 % 300);
        let killer = std::thread::spawn(move || {
            std::thread::sleep(end.saturating_duration_since(Instant::now()));
            child.kill().unwrap();
            child.wait().unwrap();
        });
        for line in lines {
            acknowledged = line.unwrap().parse::<u64>().ok().or(acknowledged);
        }
        killer.join().unwrap();

        let store = Store::open(folder.path().join("store")).await.unwrap();
        assert_eq!(store.set_aside(), None, "after kill {kill}");
        let expected = acknowledged.map_or(0, |last| last + 1);
        for tree in ["numbers", "twins"] {
            let records = store.scan(tree, None, usize::MAX).await.unwrap();
            let found = records.len() as u64;
            assert!(found >= expected, "{tree}: {expected} acknowledged, {found} found after kill {kill}");
            for (number, (key, value)) in records.into_iter().enumerate() {
                assert_eq!(key, (number as u64).to_be_bytes());
                assert_eq!(value, format!("record {number}").into_bytes());
            }
        }
        let numbers = store.scan("numbers", None, usize::MAX).await.unwrap().len();
        let twins = store.scan("twins", None, usize::MAX).await.unwrap().len();
        assert_eq!(numbers, twins, "a commit is whole or not there");
        store.close().await;
    }
    assert!(acknowledged.is_some(), "the child was killed before it had done anything, each time");
}
