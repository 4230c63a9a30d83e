//! The daemon, over the interfaces that everybody has.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Counts, Heard, Program, Running, cannot_start, note};
use crate::generator::Mode;
use crate::machine::Cpus;
use crate::protocol::Protocol;
use crate::rows::number_in;

/// Nothing that is waited for takes longer unless it is broken.
const LIMIT: Duration = Duration::from_secs(60);

/// What registers events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Log {
    /// Nothing does.
    None,
    /// The ledger.
    Ledger,
}

/// How a daemon is to be.
pub(crate) struct Setting<'a> {
    pub(crate) binary: &'a Path,
    /// An empty folder for all that it keeps.
    pub(crate) folder: &'a Path,
    /// A store of records that is copied to it, if there are any.
    pub(crate) directory: Option<&'a Path>,
    pub(crate) readers: &'a [SocketAddr],
    pub(crate) protocol: Protocol,
    pub(crate) mode: Mode,
    pub(crate) log: Log,
    pub(crate) max_tags: u32,
}

pub(crate) struct Daemon {
    process: Running,
    http: SocketAddr,
    heard: Heard,
}

impl Daemon {
    /// Starts a daemon and waits until it serves HTTP.
    pub(crate) fn start(setting: &Setting<'_>, cpus: &Cpus) -> Result<Self> {
        let data = setting.folder.join("data");
        if let Some(directory) = setting.directory {
            copy_folder(directory, &data)?;
        }
        let config = setting.folder.join("bench.toml");
        std::fs::write(&config, configuration(setting, &data))?;
        let mut command = Command::new(setting.binary);
        command
            .args(["run", "--log-format", "json", "--log", "warn,rfid_host=info", "--config"])
            .arg(&config);
        // Goes before what the environment may say.
        command.arg("--data-dir").arg(&data);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = cpus.on_program(|| command.spawn()).with_context(|| cannot_start(setting.binary))?;
        let mut process = Running(child);
        let stderr = process.0.stderr.take().context("the daemon has no stderr")?;
        let (said, says) = mpsc::sync_channel(64);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let json: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
                let address =
                    json.pointer("/fields/http").and_then(Value::as_str).and_then(|http| http.parse().ok());
                // Later there is nobody who wants to know; the pipe must be emptied all the same.
                let _ = said.try_send((address, line));
            }
        });
        let mut lines = Vec::new();
        let http = loop {
            match says.recv_timeout(LIMIT) {
                Ok((Some(http), _)) => break http,
                Ok((None, line)) => lines.push(line),
                Err(_) => bail!("the daemon does not start: {}", lines.join(" | ")),
            }
        };
        let heard = Heard::default();
        subscribe(http, Heard::clone(&heard), *cpus)?;
        Ok(Self { process, http, heard })
    }
}

impl Program for Daemon {
    fn pid(&self) -> u32 {
        self.process.pid()
    }

    fn counts(&mut self) -> Result<Counts> {
        let text = get(self.http, "/metrics")?;
        let sum = |metric: &str| {
            let lines = text.lines().filter_map(|line| line.strip_prefix(metric)?.strip_prefix('{'));
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64
        };
        Ok(Counts {
            reads: sum("rfid_pipeline_sightings_total"),
            merged: sum("rfid_pipeline_merged_total"),
            dropped: sum("rfid_pipeline_shed_total")
                + sum("rfid_pipeline_lost_total")
                + sum("rfid_pipeline_over_limit_total"),
            events: sum("rfid_pipeline_events_total"),
        })
    }

    fn heard(&self) -> &Heard {
        &self.heard
    }
}

/// Fills the store of records from a file of them, in this folder.
pub(crate) fn import(binary: &Path, customers: &Path, folder: &Path) -> Result<()> {
    let mut command = Command::new(binary);
    command.args(["import", "directory"]).arg(customers).arg("--data-dir").arg(folder);
    let output = command.output().with_context(|| cannot_start(binary))?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "the customers cannot be imported: {said}");
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target: PathBuf = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn configuration(setting: &Setting<'_>, data: &Path) -> String {
    let mut text =
        format!("[host]\nname = \"bench\"\ndata_dir = '{}'\nlisten = \"127.0.0.1:0\"\n\n", data.display());
    let (mut names, mut sinks) = (Vec::new(), vec!["\"customers\""]);
    let driver = setting.protocol.driver();
    let mode = match setting.protocol {
        Protocol::Rql => format!("mode = \"{}\"\n", setting.mode.name()),
        Protocol::Llrp => String::new(),
    };
    for (number, address) in setting.readers.iter().enumerate() {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "[readers.r{number}]\ndriver = \"{driver}\"\naddress = \"{address}\"\n{mode}zone = \"z{number}\"\n"
        );
        names.push(format!("\"r{number}\""));
    }
    text.push_str("[sinks.customers]\ntype = \"lookup\"\nsource = \"directory\"\n\n[sinks.screens]\ntype = \"notify\"\n\n");
    if setting.log == Log::Ledger {
        text.push_str("[sinks.visits]\ntype = \"log\"\n\n");
        sinks.push("\"visits\"");
    }
    sinks.push("\"screens\"");
    let _ = writeln!(
        text,
        "[pipelines.bench]\nreaders = [{}]\nsinks = [{}]\npresence = {{ max_tags = {} }}",
        names.join(", "),
        sinks.join(", "),
        setting.max_tags
    );
    text
}

/// The body of an answer. HTTP/1.0 asks for it without chunks.
fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: bench\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).with_context(|| format!("the daemon does not answer {path}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").context("half an answer")?;
    anyhow::ensure!(head.split(' ').nth(1) == Some("200"), "{path}: {head}");
    Ok(body.to_owned())
}

/// Hears of arrivals as a screen does, until the daemon has gone.
fn subscribe(address: SocketAddr, heard: Heard, cpus: Cpus) -> Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /api/v1/events HTTP/1.0\r\nHost: bench\r\n\r\n")?;
    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    lines.read_line(&mut line)?;
    anyhow::ensure!(line.contains(" 200 "), "the daemon gives no events: {line}");
    std::thread::Builder::new().name("subscriber".to_owned()).spawn(move || {
        cpus.enter_generator();
        let mut is_arrival = false;
        loop {
            line.clear();
            match lines.read_line(&mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            if let Some(event) = line.strip_prefix("event:") {
                is_arrival = event.trim() == "arrived";
            } else if is_arrival
                && line.starts_with("data:")
                && let Some(number) = number_in(&line)
            {
                note(&heard, number);
            }
        }
    })?;
    Ok(())
}
