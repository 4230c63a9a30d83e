//! `rfid-host demo` under test: its screens, and the stage on which customers walk about.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use super::browser::eventually;
use crate::daemon::rfid_host;

pub(super) struct Demo {
    child: Child,
    /// Where the screens are, and the stage, as addresses of pages.
    pub(super) screens: String,
    pub(super) stage: String,
    pub(super) password: String,
}

impl Demo {
    /// Where it keeps its things of those that are in this folder.
    pub(super) fn data_dir(folder: &Path) -> PathBuf {
        folder.join("demo")
    }

    /// Starts it in this folder, with nobody before the readers.
    pub(super) fn start(folder: &Path) -> Self {
        Self::start_at(folder, "127.0.0.1:0")
    }

    /// The same with its screens at this address.
    pub(super) fn start_at(folder: &Path, listen: &str) -> Self {
        let mut child = rfid_host()
            .args(["demo", "--nobody", "--listen", listen, "--data-dir"])
            .arg(Self::data_dir(folder))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = Vec::new();
        loop {
            let line = lines.next().unwrap_or_else(|| panic!("the demo ended: {said:#?}")).unwrap();
            let is_last = line.trim_start().starts_with("end ");
            said.push(line);
            if is_last {
                break;
            }
        }
        std::thread::spawn(move || lines.for_each(drop));
        let value = |what: &str| {
            let line = said.iter().find_map(|line| line.trim_start().strip_prefix(what)).unwrap();
            line.trim().to_owned()
        };
        let first = |text: String| text.split_whitespace().next().unwrap().to_owned();
        Self {
            child,
            screens: first(value("screens")),
            stage: first(value("stage")),
            password: value("log in").split_whitespace().last().unwrap().to_owned(),
        }
    }

    /// Puts a customer somewhere.
    pub(super) fn place(&self, number: &str, place: &str) {
        self.play("/move", &json!({ "number": number, "place": place }));
    }

    /// Cuts the line of the reader at the door, or mends it.
    pub(super) fn door_line(&self, is_up: bool) {
        self.play("/line", &json!({ "up": is_up }));
    }

    /// The same of the reader before whose antenna cards are encoded.
    pub(super) fn bench_line(&self, is_up: bool) {
        self.play("/line", &json!({ "of": "bench", "up": is_up }));
    }

    /// The same of the cable of the pad there.
    pub(super) fn pad_line(&self, is_up: bool) {
        self.play("/line", &json!({ "of": "pad", "up": is_up }));
    }

    /// Puts a blank card somewhere on the desk where cards are encoded.
    pub(super) fn blank(&self, spot: &str) {
        self.play("/blank", &json!({ "spot": spot }));
    }

    /// Waits until a card has come to a branch, for the first time, with this outcome: whatever screens say of it.
    pub(super) async fn until_come(&self, branch: &str, outcome: &str) {
        let arrivals = format!("rfid_service_arrivals_total{{branch=\"{branch}\",outcome=\"{outcome}\"}} ");
        eventually(&format!("a card that is {outcome} in {branch}"), async || {
            let metrics = body_of(&self.screens, "/metrics");
            let count = metrics.lines().find_map(|line| line.strip_prefix(&*arrivals))?;
            (count != "0").then_some(())
        })
        .await;
    }

    /// The code of now of somebody's second factor.
    pub(super) fn code_of(&self, number: &str) -> String {
        self.code_where("number", number)
    }

    /// The code with which a machine becomes the display of the demo.
    pub(super) fn display_code(&self) -> String {
        self.code_where("role", "display")
    }

    /// The code of the first of the people on the stage of whom this is true.
    fn code_where(&self, key: &str, value: &str) -> String {
        let state: Value = serde_json::from_str(&body_of(&self.stage, "/state")).unwrap();
        let people = state["people"].as_array().unwrap();
        people.iter().find(|person| person[key] == value).unwrap()["code"].as_str().unwrap().to_owned()
    }

    fn play(&self, path: &str, body: &Value) {
        let address = self.stage.trim_start_matches("http://").trim_end_matches('/');
        let body = body.to_string();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    }
}

/// What an address of a page answers.
fn body_of(base: &str, path: &str) -> String {
    let address = base.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
