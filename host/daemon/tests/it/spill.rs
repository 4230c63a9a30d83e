//! A sink that does not work while people come, and works again later.

use std::path::PathBuf;
use std::time::Duration;

use rfid_core::Event;
use serde_json::{Value, json};

use crate::daemon::{Daemon, Events, Sent, until};
use crate::run::{Branch, logged};

/// A branch whose log cannot be written: a file stands where its folder should.
struct Spoilt {
    branch: Branch,
    folder: PathBuf,
}

impl Spoilt {
    fn new(on_failure: &str) -> Self {
        let branch = Branch::new();
        let folder = branch.folder.path().join("logs");
        let text = std::fs::read_to_string(branch.config()).unwrap();
        let written = format!("{}'", branch.folder.path().join("events.jsonl").display());
        let path = format!("{}'\non_failure = \"{on_failure}\"", folder.join("events.jsonl").display());
        assert!(text.contains(&written));
        std::fs::write(branch.config(), text.replace(&written, &path)).unwrap();
        std::fs::write(&folder, "not a folder").unwrap();
        Self { branch, folder }
    }

    fn repair(&self) {
        std::fs::remove_file(&self.folder).unwrap();
    }

    fn logged(&self) -> Vec<Event> {
        logged(&self.folder.join("events.jsonl"))
    }

    fn logged_ids(&self) -> Vec<String> {
        self.logged().iter().map(|event| event.event_id.to_string()).collect()
    }
}

/// What /ready says about the sink, once it says something with this in it.
fn complaint(daemon: &Daemon, part: &str) -> String {
    until(part, || {
        let (status, body) = daemon.get("/ready");
        let body: Value = serde_json::from_str(&body).unwrap();
        let reasons = body["reasons"].as_array().cloned().unwrap_or_default();
        let said = reasons.iter().filter_map(Value::as_str).find(|reason| reason.contains(part));
        said.filter(|_| status == 503).map(str::to_owned)
    })
}

fn marks(sent: &Sent) -> Value {
    sent.data["data"]["unconfirmed_by"].clone()
}

/// The next one that is not among these: after a kill, the latest may come again.
fn next_new(events: &mut Events, before: &[Sent]) -> Sent {
    events.find(|sent| before.iter().all(|before| before.id != sent.id)).unwrap()
}

#[test]
fn what_the_log_cannot_take_is_shown_marked_and_is_in_the_log_once_it_can() {
    let spoilt = Spoilt::new("spill");
    let daemon = Daemon::run(&spoilt.branch.config());
    complaint(&daemon, "sink visits fails since ");
    let mut events = daemon.events(None);
    let mut announced = Vec::new();
    for people in 1..=5 {
        spoilt.branch.lay(1..people + 1);
        announced.push(events.next().unwrap());
    }
    assert!(announced.iter().all(|sent| marks(sent) == json!(["visits"])), "{announced:#?}");
    let said = complaint(&daemon, "5 events wait and are marked unregistered");
    assert!(said.contains("logs/events.jsonl cannot be written"), "{said}");
    let (_, metrics) = daemon.get("/metrics");
    for line in ["rfid_sink_spilled_total{sink=\"visits\"} 5", "rfid_sink_backlog{sink=\"visits\"} 5"] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    drop(events);
    daemon.kill();

    let daemon = Daemon::run(&spoilt.branch.config());
    let mut events = daemon.events(None);
    // Five, or six: the latest may have come again.
    complaint(&daemon, "events wait and are marked unregistered");
    spoilt.branch.lay(1..7);
    announced.push(next_new(&mut events, &announced));
    assert_eq!(marks(&announced[5]), json!(["visits"]));
    spoilt.repair();
    daemon.until_ready();
    assert_eq!(spoilt.logged().len(), 6);
    spoilt.branch.lay(1..8);
    announced.push(next_new(&mut events, &announced));
    assert_eq!(marks(&announced[6]), Value::Null, "the log is well again");
    assert!(daemon.terminate().success());
    let ids: Vec<String> = announced.into_iter().map(|sent| sent.id).collect();
    assert_eq!(spoilt.logged_ids(), ids, "all of them, each once, in order");
    assert!(spoilt.logged().iter().all(|event| event.unconfirmed_by.is_empty()));
}

#[test]
fn with_retry_nobody_hears_of_what_is_not_in_the_log() {
    let spoilt = Spoilt::new("retry");
    let daemon = Daemon::run(&spoilt.branch.config());
    complaint(&daemon, "its events wait, and everything behind it");
    let mut events = daemon.events(None);
    spoilt.branch.lay(1..3);
    until("two events to wait", || {
        let status = daemon.status();
        (status["sinks"]["visits"]["waiting"] == 2).then_some(())
    });
    spoilt.repair();
    let announced: Vec<Sent> = events.by_ref().take(2).collect();
    assert!(announced.iter().all(|sent| marks(sent) == Value::Null), "{announced:#?}");
    let ids: Vec<String> = announced.into_iter().map(|sent| sent.id).collect();
    assert_eq!(spoilt.logged_ids(), ids);
    assert!(daemon.terminate().success());
}

#[test]
fn a_host_that_is_stopped_while_the_log_fails_ends_cleanly_and_keeps_what_is_owed() {
    let spoilt = Spoilt::new("retry");
    let daemon = Daemon::run(&spoilt.branch.config());
    spoilt.branch.lay(1..3);
    until("two events to wait", || (daemon.status()["sinks"]["visits"]["waiting"] == 2).then_some(()));
    assert!(daemon.terminate().success());
    spoilt.repair();
    let daemon = Daemon::run(&spoilt.branch.config());
    // A host is ready as soon as its log is open, and what is owed comes then.
    until("what is owed", || (spoilt.logged().len() == 2).then_some(()));
    assert!(daemon.terminate().success());
    assert_eq!(spoilt.logged().len(), 2, "each once");
}

#[test]
fn what_waits_is_taken_up_again_whatever_the_policy_is_now() {
    let spoilt = Spoilt::new("spill");
    let daemon = Daemon::run(&spoilt.branch.config());
    let mut events = daemon.events(None);
    spoilt.branch.lay(1..3);
    let announced: Vec<Sent> = events.by_ref().take(2).collect();
    complaint(&daemon, "2 events wait and are marked unregistered");

    // The log still fails, which is no reason to refuse what the person asks for.
    let text = std::fs::read_to_string(spoilt.branch.config()).unwrap();
    std::fs::write(spoilt.branch.config(), text.replace("= \"spill\"", "= \"pass\"")).unwrap();
    let (status, answer) = daemon.reload();
    assert_eq!((status, &answer["changes"]["sinks"]["restarted"]), (200, &json!(["visits"])), "{answer}");
    complaint(&daemon, "2 events wait and are marked unregistered");
    spoilt.repair();
    daemon.until_ready();
    let ids: Vec<String> = announced.into_iter().map(|sent| sent.id).collect();
    assert_eq!(spoilt.logged_ids(), ids);
    assert!(daemon.terminate().success());
}

#[test]
fn what_reaches_a_subscriber_late_is_not_announced_as_new() {
    let spoilt = Spoilt::new("retry");
    let text = std::fs::read_to_string(spoilt.branch.config()).unwrap();
    let text = text.replace("type = \"notify\"", "type = \"notify\"\nlate_after = \"3s\"");
    std::fs::write(spoilt.branch.config(), text).unwrap();
    let daemon = Daemon::run(&spoilt.branch.config());
    let mut events = daemon.events(None);
    spoilt.branch.lay(1..3);
    until("two events to wait", || (daemon.status()["sinks"]["visits"]["waiting"] == 2).then_some(()));
    // They are as late as the configuration says after this, whatever the machine does.
    std::thread::sleep(Duration::from_millis(3_100));
    spoilt.repair();
    let late: Vec<Sent> = events.by_ref().take(2).collect();
    for sent in late {
        assert_eq!((sent.event.as_str(), &sent.data["late"]), ("late", &json!(true)));
        assert_eq!(sent.data["type"], "rfid.tag.arrived", "what it was is still said");
    }
    spoilt.branch.lay(1..4);
    let sent = events.next().unwrap();
    assert_eq!((sent.event.as_str(), &sent.data["late"]), ("arrived", &Value::Null));
    assert!(daemon.terminate().success());
}
