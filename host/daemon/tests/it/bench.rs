//! `rfid-host bench` on the built binary: everything is counted, nothing stays behind.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::daemon::rfid_host;

const TINY: [&str; 10] =
    ["bench", "--quick", "--json", "--readers", "2", "--tags", "6", "--customers", "50", "--rate"];

#[test]
fn every_read_and_every_arrival_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let output = rfid_host().args(TINY).arg("500").arg("--data-dir").arg(folder.path()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let runs = report["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 6, "{report:#}");
    for run in runs {
        assert_eq!(run["program"], "daemon");
        assert_eq!((&run["missing"], &run["missing_arrivals"]), (&0.into(), &0.into()), "{run:#}");
        let number = |key: &str| run[key].as_f64().unwrap_or_else(|| panic!("no {key} in {run:#}"));
        assert!(number("reads") > 0.0 && number("sent") >= number("reads"), "{run:#}");
        for key in ["reads_per_second", "cpu_seconds_per_million_reads", "cpu_share", "generator_share"] {
            assert!(number(key) >= 0.0, "{key}: {run:#}");
        }
    }
    // The tags that stay, and those that are shown to see how soon they are told of.
    assert_eq!(runs[0]["arrivals"], 6);
    let shown = runs[1]["arrivals"].as_u64().unwrap() - 6;
    assert_eq!(runs[1]["latency"]["tags"], shown);
    assert!(shown > 0 && runs[1]["latency"]["p50_ms"].as_f64().unwrap() > 0.0, "{:#}", runs[1]);
    let names: Vec<&str> =
        report["figures"].as_array().unwrap().iter().filter_map(|figure| figure["name"].as_str()).collect();
    assert_eq!(names, ["memory of a reader", "memory of the whole daemon for a tracked tag"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the bench leaves nothing behind");
}

#[test]
fn reads_of_llrp_readers_are_counted_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let bench = || {
        let mut bench = rfid_host();
        bench.args(TINY).args(["500", "--protocol", "llrp", "--data-dir"]).arg(folder.path());
        bench
    };
    let output = bench().output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for run in report["runs"].as_array().unwrap() {
        assert_eq!((&run["missing"], &run["missing_arrivals"]), (&0.into(), &0.into()), "{run:#}");
        assert!(run["reads"].as_u64().unwrap() > 0, "{run:#}");
    }
    let output = bench().args(["--mode", "poll"]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("--mode poll"));
}

#[test]
fn an_interrupted_bench_takes_its_daemon_and_its_folder_along() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = rfid_host()
        .args(["bench", "--seconds", "600", "--customers", "10", "--data-dir"])
        .arg(folder.path())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // A child belongs to the thread that made it.
    let tasks = format!("/proc/{}/task", bench.id());
    let children = || {
        let tasks = std::fs::read_dir(&tasks).into_iter().flatten().flatten();
        tasks
            .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
            .collect::<String>()
    };
    // The daemon serves when its ledger is there; its folder is made before.
    let has_ledger = || {
        let runs = std::fs::read_dir(folder.path()).unwrap().flatten();
        let runs = runs.flat_map(|bench| std::fs::read_dir(bench.path()).into_iter().flatten().flatten());
        runs.filter(|run| run.path().join("data/ledger").exists()).count() > 0
    };
    while !has_ledger() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let daemons = children();
    assert!(!daemons.trim().is_empty());
    assert!(Command::new("kill").args(["-INT", &bench.id().to_string()]).status().unwrap().success());
    assert!(!bench.wait().unwrap().success());
    for daemon in daemons.split_whitespace() {
        assert!(!std::path::Path::new(&format!("/proc/{daemon}")).exists(), "{daemon} runs on");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
