//! `rfid-host tap` and `rfid-host top` on a daemon that runs.

use std::process::Output;

use serde_json::Value;

use crate::daemon::{Daemon, rfid_host};
use crate::reload::{Branch, tags};

fn ask(daemon: &Daemon, args: &[&str]) -> Output {
    rfid_host().args(args).args(["--at", &daemon.http.to_string()]).output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_tap_prints_json_lines_that_can_be_filtered() {
    let branch = Branch::new();
    branch.configure(&["door", "hall"], "1s", "events.jsonl");
    branch.door.set_scenario(tags(1..3));
    branch.hall.set_scenario(tags(7..8));
    let daemon = Daemon::run(&branch.config());
    let reads = lines(&ask(&daemon, &["tap", "door", "--count", "3", "--tag", "2d0000000000000000000002"]));
    assert_eq!(reads.len(), 3);
    assert!(reads.iter().all(|read| read["epc_hex"] == "2D0000000000000000000002"), "{reads:?}");

    let filters = ["tap", "test", "--count", "1", "--event", "departed", "--zone", "hall"];
    std::thread::scope(|scope| {
        let tap = scope.spawn(|| ask(&daemon, &filters));
        crate::daemon::until("somebody to look on", || {
            // Whether it looks on already cannot be seen, so the tag comes and goes until it does.
            for scenario in [tags(7..8), tags(0..0)] {
                branch.hall.set_scenario(scenario);
                std::thread::sleep(std::time::Duration::from_millis(1_500));
            }
            tap.is_finished().then_some(())
        });
        let events = lines(&tap.join().unwrap());
        assert_eq!(
            (&events[0]["type"], &events[0]["zone"]),
            (&Value::from("departed"), &Value::from("hall"))
        );
    });

    let nobody = ask(&daemon, &["tap", "dor"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&nobody.stderr).contains("readers: door, hall; pipelines: test"),
        "{nobody:?}"
    );
    assert!(daemon.terminate().success());
}

#[test]
fn top_prints_tables_where_there_is_no_terminal() {
    let branch = Branch::new();
    branch.configure(&["door"], "20s", "events.jsonl");
    let daemon = Daemon::run(&branch.config());
    daemon.until_ready();
    let top = ask(&daemon, &["top", "--every", "200ms"]);
    let text = String::from_utf8_lossy(&top.stdout);
    assert!(top.status.success() && text.contains("ready\n"), "{top:?}");
    for part in ["door", "reading", "visits", "screens", "subscribers"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    // By the configuration, which names another port than the one that was taken.
    let at_zero = rfid_host().args(["top", "--once", "--config"]).arg(branch.config()).output().unwrap();
    assert!(
        String::from_utf8_lossy(&at_zero.stderr).contains("no daemon answers at 127.0.0.1:0"),
        "{at_zero:?}"
    );
    assert!(daemon.terminate().success());
}
