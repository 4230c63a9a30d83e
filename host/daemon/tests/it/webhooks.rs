//! Webhooks of the built daemon.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use rfid_driver_mercury4::emulator::Scenario;
use serde_json::Value;

use crate::daemon::{Daemon, rfid_host, until};
use crate::reload::{Branch, tags};
use crate::webhook_receiver::{KEY, Receiver, SILENCE};

const TAKES: u16 = 204;

/// Lets the branch's notify sink have a webhook at this address.
fn add_webhook(branch: &Branch, address: SocketAddr) {
    let text = std::fs::read_to_string(branch.config()).unwrap();
    let webhook =
        format!("webhooks = [{{ name = \"hook\", url = \"http://{address}/\", secret = \"{KEY}\" }}]");
    std::fs::write(
        branch.config(),
        text.replace("type = \"notify\"", &format!("type = \"notify\"\n{webhook}")),
    )
    .unwrap();
}

fn branch(address: SocketAddr) -> Branch {
    let branch = Branch::new();
    branch.configure(&["door"], "20s", "events.jsonl");
    add_webhook(&branch, address);
    branch
}

fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn a_daemon_killed_before_the_receiver_answered_delivers_under_the_same_id() {
    let receiver = Receiver::listen("127.0.0.1:0", SILENCE);
    let branch = branch(receiver.address);
    let daemon = Daemon::run(&branch.config());
    daemon.until_ready();
    let mut events = daemon.events(None);
    branch.door.set_scenario(tags(1..6));
    until("requests under way", || (receiver.ids(SILENCE).len() == 5).then_some(()));
    // What was published may still be on its way to whoever looks on, and a kill would take it back.
    let mut published: BTreeSet<String> = events.by_ref().take(5).map(|sent| sent.id).collect();
    daemon.kill();
    published.extend(events.map(|sent| sent.id));
    let sent_before = receiver.ids(SILENCE);
    assert_eq!(published, sent_before);

    receiver.answer(TAKES);
    let daemon = Daemon::run(&branch.config());
    until("all of them again", || (receiver.ids(TAKES).len() >= 5).then_some(()));
    assert!(daemon.terminate().success());
    assert_eq!(receiver.ids(TAKES), published, "none lost, none under another id");
}

#[test]
fn kills_at_random_moments_lose_no_notice_and_invent_none() {
    let receiver = Receiver::listen("127.0.0.1:0", TAKES);
    let branch = branch(receiver.address);
    let mut published = BTreeSet::new();
    for round in 0u32..5 {
        receiver.answer(if round % 2 == 0 { TAKES } else { SILENCE });
        let daemon = Daemon::run(&branch.config());
        daemon.until_ready();
        let events = daemon.events(None);
        branch.door.set_scenario(tags(1..(round + 1) * 5 + 1));
        std::thread::sleep(std::time::Duration::from_millis(u64::from(round * 53 % 150)));
        daemon.kill();
        published.extend(events.map(|sent| sent.id));
    }
    receiver.answer(TAKES);
    let daemon = Daemon::run(&branch.config());
    until("every visit", || (receiver.ids(TAKES).len() >= 25).then_some(()));
    assert!(daemon.terminate().success());
    let taken = receiver.ids(TAKES);
    assert_eq!(taken.len(), 25, "each person arrived under one id");
    assert!(published.is_subset(&taken), "published and not delivered");
}

#[test]
fn a_receiver_that_is_down_is_said_and_does_not_make_the_host_unready() {
    let address = nobody();
    let branch = branch(address);
    let daemon = Daemon::run(&branch.config());
    daemon.until_ready();
    branch.door.set_scenario(tags(1..4));
    let ready = until("the webhook to be known as down", || {
        let (status, body) = daemon.get("/ready");
        let body: Value = serde_json::from_str(&body).unwrap();
        let waiting = body["sinks"]["screens"]["webhooks"]["hook"]["waiting"] == 3;
        (waiting && body["degraded"][0].is_string()).then_some((status, body))
    });
    assert_eq!(ready.0, 200);
    let said = ready.1["degraded"][0].as_str().unwrap();
    assert!(said.starts_with("webhook screens/hook: behind by 3, since 20"), "{said}");
    assert!(said.contains("cannot be reached"), "{said}");
    let hook = &ready.1["sinks"]["screens"]["webhooks"]["hook"];
    assert_eq!((&hook["up"], hook["down_since"].is_string()), (&Value::Bool(false), true));
    let labels = "{sink=\"screens\",webhook=\"hook\"}";
    let (_, metrics) = daemon.get("/metrics");
    for line in [format!("rfid_webhook_up{labels} 0"), format!("rfid_webhook_waiting{labels} 3")] {
        assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
    }

    let receiver = Receiver::listen(&address.to_string(), TAKES);
    until("what waited", || (receiver.ids(TAKES).len() == 3).then_some(()));
    let delivered = format!("rfid_webhook_delivered_total{labels} 3");
    until("the count", || daemon.get("/metrics").1.contains(&delivered).then_some(()));
    let (_, metrics) = daemon.get("/metrics");
    assert!(metrics.contains(&format!("rfid_webhook_up{labels} 1")), "{metrics}");
    assert!(daemon.terminate().success());
}

#[test]
fn a_webhook_is_tried_from_the_command_line() {
    let receiver = Receiver::listen("127.0.0.1:0", TAKES);
    let branch = branch(receiver.address);
    let test = |more: &[&str]| {
        rfid_host().args(["webhook", "test", "--config"]).arg(branch.config()).args(more).output().unwrap()
    };
    let output = test(&["--sink", "screens"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.starts_with(&format!("screens/hook  http://{}/  204 in ", receiver.address)), "{said}");
    assert_eq!(receiver.ids(TAKES).len(), 1);
    assert_eq!(test(&["--sink", "elsewhere"]).status.code(), Some(1));

    branch.configure(&["door"], "20s", "events.jsonl");
    add_webhook(&branch, nobody());
    let output = test(&[]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("not taken: the receiver cannot be reached"), "{said}");
}

#[test]
fn faults_of_a_webhook_have_their_place() {
    let branch = branch("169.254.169.254:80".parse().unwrap());
    let output = rfid_host().args(["check", "--config"]).arg(branch.config()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    let place = said.lines().next().unwrap();
    assert!(
        place.contains("sinks.screens.webhooks.0.url: 169.254.169.254 is an address of no receiver"),
        "{said}"
    );
    let text = std::fs::read_to_string(branch.config()).unwrap();
    let line = text.lines().position(|line| line.starts_with("webhooks")).unwrap() + 1;
    let column = text.lines().nth(line - 1).unwrap().find("\"http").unwrap() + 1;
    assert!(place.contains(&format!("branch.toml:{line}:{column}: ")), "{place}");
    assert!(!said.contains(KEY));
}

/// Ids of events, by tag, in the order in which they came.
fn by_tag(events: impl Iterator<Item = (String, Value)>) -> BTreeMap<String, Vec<String>> {
    let mut tags: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (id, event) in events {
        tags.entry(event["epc_hex"].as_str().unwrap().to_owned()).or_default().push(id);
    }
    tags
}

#[test]
fn screens_do_not_wait_for_a_receiver_that_is_down_and_it_gets_all_in_order_and_signed() {
    let address = nobody();
    let branch = Branch::new();
    branch.configure(&["door"], "1s", "events.jsonl");
    add_webhook(&branch, address);
    let key = branch.config().with_file_name("hook.key");
    std::fs::write(&key, format!("{KEY}\n")).unwrap();
    only_for_the_owner(&key);
    let text = std::fs::read_to_string(branch.config()).unwrap();
    let secret = format!("secret = \"file:{}\"", key.display());
    std::fs::write(branch.config(), text.replace(&format!("secret = \"{KEY}\""), &secret)).unwrap();
    let daemon = Daemon::run(&branch.config());
    daemon.until_ready();

    // Three people come, go, and come again.
    let mut screens = daemon.events(None);
    let mut shown = Vec::new();
    for scenario in [tags(1..4), Scenario::default(), tags(1..4)] {
        branch.door.set_scenario(scenario);
        shown.extend(screens.by_ref().take(3));
    }
    let degraded = until("the host to say so", || {
        let (status, health) = daemon.get("/health");
        let health: Value = serde_json::from_str(&health).unwrap();
        health["degraded"][0].as_str().map(|said| (status, said.to_owned()))
    });
    assert_eq!(degraded.0, 200);
    assert!(degraded.1.starts_with("webhook screens/hook: behind by "), "{}", degraded.1);

    let receiver = Receiver::listen(&address.to_string(), TAKES);
    let shown_ids: BTreeSet<String> = shown.iter().map(|sent| sent.id.clone()).collect();
    until("all that was shown", || receiver.ids(TAKES).is_superset(&shown_ids).then_some(()));
    until("the host to be well", || {
        let health: Value = serde_json::from_str(&daemon.get("/health").1).unwrap();
        (health["degraded"] == serde_json::json!([])).then_some(())
    });
    assert!(daemon.terminate().success());
    shown.extend(screens);

    let got = receiver.answered(TAKES);
    assert!(got.iter().all(crate::webhook_receiver::Request::is_genuine));
    assert_eq!(got.len(), receiver.ids(TAKES).len(), "nothing twice");
    let got = by_tag(got.iter().map(|request| (request.id.clone(), request.json()["data"].clone())));
    let shown = by_tag(shown.into_iter().map(|sent| (sent.id, sent.data["data"].clone())));
    for (tag, ids) in got {
        assert!(ids.len() >= 3 && shown[&tag].starts_with(&ids), "{ids:?} of {:?}", shown[&tag]);
    }
}

fn only_for_the_owner(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn what_was_given_up_is_sent_once_more_when_somebody_says_so() {
    let receiver = Receiver::listen("127.0.0.1:0", 410);
    let branch = branch(receiver.address);
    let daemon = Daemon::run(&branch.config());
    daemon.until_ready();
    branch.door.set_scenario(tags(1..4));
    let dead = "rfid_webhook_dead_letters_total{sink=\"screens\",webhook=\"hook\"} 3";
    until("three dead letters", || daemon.get("/metrics").1.contains(dead).then_some(()));
    let refused = receiver.ids(410);

    // Beside the running daemon.
    let resend = |more: &[&str]| {
        let output = rfid_host()
            .args(["webhook", "resend", "--config"])
            .arg(branch.config())
            .args(more)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, said) = resend(&["--webhook", "hook"]);
    assert!(said.contains("0 taken, 3 refused: the receiver answered 410"), "{said}");
    assert_eq!(code, Some(1));
    assert_eq!(resend(&["--webhook", "crook"]).0, Some(1), "there is none of this name");
    receiver.answer(TAKES);
    let (code, said) = resend(&[]);
    assert!(said.starts_with("screens/hook  ") && said.ends_with("  3 taken\n"), "{said}");
    assert_eq!((code, receiver.ids(TAKES)), (Some(0), refused), "under the same ids");
    let (code, said) = resend(&[]);
    assert!(said.contains("no dead letters"), "{said}");
    assert_eq!(code, Some(0));
    assert!(daemon.terminate().success());
}

#[test]
fn what_waits_goes_to_the_address_that_a_reload_brings() {
    let branch = branch(nobody());
    let daemon = Daemon::run(&branch.config());
    daemon.until_ready();
    branch.door.set_scenario(tags(1..4));
    let waiting = "rfid_webhook_waiting{sink=\"screens\",webhook=\"hook\"} 3";
    until("three that wait", || daemon.get("/metrics").1.contains(waiting).then_some(()));

    let receiver = Receiver::listen("127.0.0.1:0", TAKES);
    branch.configure(&["door"], "20s", "events.jsonl");
    add_webhook(&branch, receiver.address);
    assert_eq!(daemon.reload().0, 200);
    until("what waited", || (receiver.ids(TAKES).len() == 3).then_some(()));
    assert!(daemon.terminate().success());
}
