//! `rfid-host check --connect`: whether everything that a configuration names is there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use rfid_core::{ErrorKind, ReaderInfo};
use rfid_durable::Stores;
use serde_json::{Value, json};

use crate::cli::ResultFormat;
use crate::config::{Config, ReaderConfig};
use crate::emulators;

/// How long one reader may take to answer.
const LIMIT: Duration = Duration::from_secs(15);

/// Readers that are asked at once.
const AT_ONCE: usize = 32;

/// Free space below which a data folder is not well: the log of a day or two.
const LEAST_FREE: u64 = 256 * 1024 * 1024;

/// What became of one of the things.
pub(crate) struct Answer {
    what: &'static str,
    name: String,
    outcome: Result<String, String>,
    reader: Option<ReaderInfo>,
}

impl Answer {
    fn new(what: &'static str, name: impl Into<String>, outcome: Result<String, String>) -> Self {
        Self { what, name: name.into(), outcome, reader: None }
    }

    /// Whether it is there and works.
    pub(crate) fn is_well(&self) -> bool {
        self.outcome.is_ok()
    }

    /// For people.
    fn line(&self) -> String {
        let (mark, said) = match &self.outcome {
            Ok(said) => ("ok  ", said),
            Err(said) => ("FAIL", said),
        };
        format!("{mark}  {:9}  {}: {said}", self.what, self.name)
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let (Ok(said) | Err(said)) = &self.outcome;
        let mut object = json!({
            "what": self.what, "name": self.name, "ok": self.is_well(), "message": said,
        });
        if let Some(info) = &self.reader {
            object["model"] = info.model.as_str().into();
            object["firmware"] = info.firmware.as_str().into();
            object["serial"] = info.serial.as_deref().into();
            object["antenna_ports"] = info.antenna_ports.clone().into();
        }
        object
    }
}

/// Asks for everything. Lines are printed as the answers come, a bar beside them on a terminal.
pub(crate) async fn ask(config: &Config, format: ResultFormat) -> Vec<Answer> {
    // Drawn on a terminal only.
    let bar = ProgressBar::new(config.readers.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("asking readers [{bar:40}] {pos} of {len}") {
        bar.set_style(style.progress_chars("=> "));
    }
    let mut answers = Vec::new();
    let mut take = |answer: Answer| {
        if format == ResultFormat::Text {
            bar.suspend(|| println!("{}", answer.line()));
        }
        answers.push(answer);
    };
    take(data_folder(&config.host.data_dir));
    let (stores, in_use) = stores(&config.host.data_dir).await;
    stores.into_iter().for_each(&mut take);
    take(http(config.host.listen, in_use).await);
    if in_use {
        for reader in &config.readers {
            let why = "not asked: rfid-host runs on this data folder and would lose it; see its /ready";
            take(Answer::new("reader", reader.setup.reader.as_str(), Err(why.to_owned())));
        }
    } else {
        match emulators::start(&config.emulators).await {
            Ok(emulators) => {
                let questions = config.readers.iter().map(reader);
                let mut answered = futures_util::stream::iter(questions).buffer_unordered(AT_ONCE);
                while let Some(answer) = answered.next().await {
                    bar.inc(1);
                    take(answer);
                }
                drop(answered);
                emulators.stop().await;
            }
            Err(error) => take(Answer::new("emulators", "all", Err(format!("{error:#}")))),
        }
    }
    bar.finish_and_clear();
    answers
}

async fn reader(reader: &ReaderConfig) -> Answer {
    let name = reader.setup.reader.as_str();
    let mut session = match reader.driver.session(&reader.settings, &reader.setup) {
        Ok(session) => session,
        Err(faults) => return Answer::new("reader", name, Err(faults.to_string())),
    };
    let opened = tokio::time::timeout(LIMIT, session.open()).await;
    // The reader is left as it was found, whatever came of asking. A line that hangs is let go.
    let _ = tokio::time::timeout(LIMIT, session.close()).await;
    match opened {
        Ok(Ok(info)) => {
            let said = described(&info, &reader.setup.antenna_ports);
            let outcome = match (&reader.serial, &info.serial) {
                (Some(wanted), serial) if serial.as_ref() != Some(wanted) => {
                    Err(format!("{said}; it must have the serial number {wanted}"))
                }
                _ => Ok(said),
            };
            Answer { reader: Some(info), ..Answer::new("reader", name, outcome) }
        }
        Ok(Err(error)) => Answer::new("reader", name, Err(format!("{error:#}"))),
        Err(_) => Answer::new("reader", name, Err(format!("does not answer within {} s", LIMIT.as_secs()))),
    }
}

fn described(info: &ReaderInfo, wanted: &[u16]) -> String {
    let list = |ports: Vec<u16>| ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let mut said = format!("{}, firmware {}", info.model, info.firmware);
    if let Some(serial) = &info.serial {
        said.push_str(&format!(", serial number {serial}"));
    }
    if info.antenna_ports.is_empty() {
        said.push_str(", does not say which antennas are connected");
        return said;
    }
    said.push_str(&format!(", antennas {}", list(info.antenna_ports.clone())));
    let missing: Vec<u16> =
        wanted.iter().copied().filter(|port| !info.antenna_ports.contains(port)).collect();
    if !missing.is_empty() {
        said.push_str(&format!("; nothing is connected at {}", list(missing)));
    }
    said
}

async fn http(listen: std::net::SocketAddr, in_use: bool) -> Answer {
    let outcome = match tokio::net::TcpListener::bind(listen).await {
        Ok(_) => Ok("is free".to_owned()),
        Err(_) if in_use => Ok("is taken, most likely by the rfid-host that runs here".to_owned()),
        Err(error) => Err(format!("cannot be listened on: {error}")),
    };
    Answer::new("http", listen.to_string(), outcome)
}

/// Whether the data folder can be written, or made, and has room.
fn data_folder(folder: &Path) -> Answer {
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let there = whole.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/")).to_owned();
    let outcome = writable(&there).and_then(|()| {
        let room = rustix::fs::statvfs(&there).map_err(|error| error.to_string())?;
        let free = room.f_bavail.saturating_mul(room.f_frsize);
        let state = if there == whole { "can be written" } else { "will be made" };
        let said = format!("{state}, {} MiB free", free / (1024 * 1024));
        if free < LEAST_FREE { Err(format!("{said}; that will not last")) } else { Ok(said) }
    });
    Answer::new("data", folder.display().to_string(), outcome)
}

fn writable(folder: &Path) -> Result<(), String> {
    if !folder.is_dir() {
        return Err(format!("{} is not a folder", folder.display()));
    }
    let probe = folder.join(format!(".rfid-host-check-{}", std::process::id()));
    let failed = |error: std::io::Error| format!("cannot be written: {error}");
    std::fs::File::create_new(&probe).map_err(failed)?;
    std::fs::remove_file(&probe).map_err(failed)
}

/// Opens the stores that are there; the others will be made. Whether another process has one open.
async fn stores(data_dir: &Path) -> (Vec<Answer>, bool) {
    let stores = Stores::new(data_dir);
    let mut answers = Vec::new();
    let mut in_use = false;
    for name in store_names(data_dir) {
        let outcome = match stores.open(&name).await {
            Ok(store) => match store.set_aside() {
                Some(path) => Err(format!("was damaged and is set aside as {}", path.display())),
                None => Ok("opens".to_owned()),
            },
            Err(error) => {
                in_use |= error.kind() == ErrorKind::Busy;
                Err(format!("{error:#}"))
            }
        };
        answers.push(Answer::new("store", name, outcome));
    }
    stores.close().await;
    for folder in segment_folders(data_dir).into_iter().filter(|folder| rfid_ledger::is_in_use(folder)) {
        in_use = true;
        let name = folder.strip_prefix(data_dir).unwrap_or(&folder).display().to_string();
        let why = "in use by another process; stop the running rfid-host or give another --data-dir";
        answers.push(Answer::new("segments", name, Err(why.to_owned())));
    }
    (answers, in_use)
}

/// Folders of the data folder in which segments may lie.
fn segment_folders(data_dir: &Path) -> Vec<PathBuf> {
    let inside = |folder: &str| {
        let entries = std::fs::read_dir(data_dir.join(folder)).into_iter().flatten().flatten();
        entries.map(|entry| entry.path())
    };
    let mut folders: Vec<PathBuf> = inside("checkpoints").chain([data_dir.join("ledger")]).collect();
    folders.sort();
    folders
}

/// Folders of the data folder in which sled keeps a database.
fn store_names(data_dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(data_dir).into_iter().flatten().flatten();
    let folders: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    let mut names: Vec<String> = folders
        .iter()
        .filter(|folder| folder.join("db").is_file() && folder.join("conf").is_file())
        .filter_map(|folder| folder.file_name()?.to_str().map(str::to_owned))
        .filter(|name| !name.contains(".damaged-"))
        .collect();
    names.sort();
    names
}
