//! A daemon under test: started on a configuration, asked over HTTP, stopped by a signal.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Nothing that a test waits for takes longer on any machine that is not broken.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn rfid_host() -> Command {
    Command::new(env!("CARGO_BIN_EXE_rfid-host"))
}

/// Waits until a condition holds.
pub(crate) fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < LIMIT, "{what} did not happen within {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) struct Daemon {
    child: Child,
    pub(crate) http: SocketAddr,
}

impl Daemon {
    /// Starts `rfid-host run` on this file and waits until it says where HTTP is.
    pub(crate) fn run(config: &Path) -> Self {
        let mut child = rfid_host()
            .args(["run", "--log-format", "json", "--config"])
            .arg(config)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let http = loop {
            let line = lines.next().unwrap_or_else(|| panic!("the daemon ended: {said:#?}")).unwrap();
            let json: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
            if let Some(http) = json["fields"]["http"].as_str() {
                break http.parse().unwrap();
            }
            said.push(line);
        };
        // Nobody reads the rest, and a full pipe would stop the daemon.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, http }
    }

    /// Status and body of a GET.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        self.ask("GET", path)
    }

    /// Status and body of a request without a body.
    pub(crate) fn ask(&self, method: &str, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.http).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// Has the configuration read anew.
    pub(crate) fn reload(&self) -> (u16, Value) {
        let (status, body) = self.ask("POST", "/api/v1/reload");
        (status, serde_json::from_str(&body).unwrap())
    }

    /// Everything that the daemon tells about itself.
    pub(crate) fn status(&self) -> Value {
        serde_json::from_str(&self.get("/api/v1/status").1).unwrap()
    }

    /// Waits until every reader is up and every sink is open.
    pub(crate) fn until_ready(&self) {
        until("readiness", || (self.get("/ready").0 == 200).then_some(()));
    }

    /// Subscribes to events; `after` is the id of the last one that was seen.
    pub(crate) fn events(&self, after: Option<&str>) -> Events {
        self.stream("/api/v1/events", after)
    }

    /// Reads a stream of server-sent events.
    pub(crate) fn stream(&self, path: &str, after: Option<&str>) -> Events {
        let mut stream = TcpStream::connect(self.http).unwrap();
        let resume = after.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
        write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\n{resume}\r\n").unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut lines = BufReader::new(stream).lines();
        let status = lines.next().unwrap().unwrap();
        assert!(status.contains(" 200 "), "{status}");
        Events { lines }
    }

    /// Sends a signal, as in `kill -HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let kill = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }

    /// The process in which a plugin runs, once there is one.
    pub(crate) fn plugin_process(&self) -> u32 {
        let parent = format!("PPid:\t{}\n", self.child.id());
        let is_it = |id: &u32| {
            let read = |what: &str| std::fs::read_to_string(format!("/proc/{id}/{what}")).unwrap_or_default();
            read("status").contains(&parent) && read("cmdline").contains("run-plugin")
        };
        until("the process of a plugin", || {
            let processes = std::fs::read_dir("/proc").unwrap().flatten();
            processes.filter_map(|process| process.file_name().to_str()?.parse().ok()).find(is_it)
        })
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        self.signal("TERM");
        until("the end of the daemon", || self.child.try_wait().unwrap())
    }

    /// Kills the daemon as a power cut or the kernel would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // A test that failed must not leave a daemon behind; after `terminate` there is none.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A stream of server-sent events.
pub(crate) struct Events {
    lines: std::io::Lines<BufReader<TcpStream>>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sent {
    pub(crate) id: String,
    pub(crate) event: String,
    pub(crate) data: Value,
}

impl Iterator for Events {
    type Item = Sent;

    fn next(&mut self) -> Option<Sent> {
        let mut sent = Sent { id: String::new(), event: String::new(), data: Value::Null };
        for line in self.lines.by_ref() {
            let line = line.ok()?;
            // Lines of the chunked encoding have no field name.
            match line.split_once(": ") {
                Some(("id", id)) => sent.id = id.to_owned(),
                Some(("event", event)) => sent.event = event.to_owned(),
                Some(("data", data)) => sent.data = serde_json::from_str(data).unwrap(),
                _ if line.is_empty() && !sent.event.is_empty() => return Some(sent),
                _ => {}
            }
        }
        None
    }
}
