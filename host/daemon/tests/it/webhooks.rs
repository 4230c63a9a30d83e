//! Webhooks of the built daemon.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::daemon::{Daemon, rfid_host, until};
use crate::reload::{Branch, tags};

/// A receiver that notes what comes, and answers only while it is told to.
struct Receiver {
    address: SocketAddr,
    answers: Arc<AtomicBool>,
    /// Ids of all requests, and whether they were answered.
    got: Arc<Mutex<Vec<(String, bool)>>>,
}

impl Receiver {
    fn listen(address: &str, answers: bool) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            answers: Arc::new(AtomicBool::new(answers)),
            got: Arc::default(),
        };
        let (answers, got) = (Arc::clone(&receiver.answers), Arc::clone(&receiver.got));
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answers, got) = (Arc::clone(&answers), Arc::clone(&got));
                std::thread::spawn(move || serve(stream, &answers, &got));
            }
        });
        receiver
    }

    fn ids(&self, answered: bool) -> BTreeSet<String> {
        let got = self.got.lock().unwrap();
        got.iter().filter(|(_, was)| *was == answered).map(|(id, _)| id.clone()).collect()
    }
}

fn serve(stream: TcpStream, answers: &AtomicBool, got: &Mutex<Vec<(String, bool)>>) {
    let mut writer = stream.try_clone().unwrap();
    let mut lines = BufReader::new(stream);
    loop {
        let (mut id, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            match line.trim_end().split_once(": ") {
                Some(("webhook-id", value)) => id = value.to_owned(),
                Some(("content-length", value)) => length = value.parse().unwrap(),
                None if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        if lines.read_exact(&mut body).is_err() {
            return;
        }
        let answer = answers.load(Ordering::SeqCst);
        got.lock().unwrap().push((id, answer));
        if answer && writer.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").is_err() {
            return;
        }
    }
}

/// Lets the branch's notify sink have a webhook at this address.
fn add_webhook(branch: &Branch, address: SocketAddr) {
    let text = std::fs::read_to_string(branch.config()).unwrap();
    let webhook = format!(
        "webhooks = [{{ name = \"hook\", url = \"http://{address}/\", secret = \"a key for tests\" }}]"
    );
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
    let receiver = Receiver::listen("127.0.0.1:0", false);
    let branch = branch(receiver.address);
    let daemon = Daemon::run(&branch.config());
    daemon.until_ready();
    let events = daemon.events(None);
    branch.door.set_scenario(tags(1..6));
    until("requests under way", || (receiver.ids(false).len() == 5).then_some(()));
    daemon.kill();
    let published: BTreeSet<String> = events.map(|sent| sent.id).collect();
    let sent_before = receiver.ids(false);
    assert_eq!(published, sent_before);

    receiver.answers.store(true, Ordering::SeqCst);
    let daemon = Daemon::run(&branch.config());
    until("all of them again", || (receiver.ids(true).len() >= 5).then_some(()));
    assert!(daemon.terminate().success());
    assert_eq!(receiver.ids(true), published, "none lost, none under another id");
}

#[test]
fn kills_at_random_moments_lose_no_notice_and_invent_none() {
    let receiver = Receiver::listen("127.0.0.1:0", true);
    let branch = branch(receiver.address);
    let mut published = BTreeSet::new();
    for round in 0u32..5 {
        receiver.answers.store(round % 2 == 0, Ordering::SeqCst);
        let daemon = Daemon::run(&branch.config());
        daemon.until_ready();
        let events = daemon.events(None);
        branch.door.set_scenario(tags(1..(round + 1) * 5 + 1));
        std::thread::sleep(std::time::Duration::from_millis(u64::from(round * 53 % 150)));
        daemon.kill();
        published.extend(events.map(|sent| sent.id));
    }
    receiver.answers.store(true, Ordering::SeqCst);
    let daemon = Daemon::run(&branch.config());
    until("every visit", || (receiver.ids(true).len() >= 25).then_some(()));
    assert!(daemon.terminate().success());
    let taken = receiver.ids(true);
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

    let receiver = Receiver::listen(&address.to_string(), true);
    until("what waited", || (receiver.ids(true).len() == 3).then_some(()));
    let delivered = format!("rfid_webhook_delivered_total{labels} 3");
    until("the count", || daemon.get("/metrics").1.contains(&delivered).then_some(()));
    let (_, metrics) = daemon.get("/metrics");
    assert!(metrics.contains(&format!("rfid_webhook_up{labels} 1")), "{metrics}");
    assert!(daemon.terminate().success());
}

#[test]
fn a_webhook_is_tried_from_the_command_line() {
    let receiver = Receiver::listen("127.0.0.1:0", true);
    let branch = branch(receiver.address);
    let test = |more: &[&str]| {
        rfid_host().args(["webhook", "test", "--config"]).arg(branch.config()).args(more).output().unwrap()
    };
    let output = test(&["--sink", "screens"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.starts_with(&format!("screens/hook  http://{}/  204 in ", receiver.address)), "{said}");
    assert_eq!(receiver.ids(true).len(), 1);
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
    assert!(!said.contains("a key for tests"));
}
