//! A file with one event a line.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use rfid_core::{Error, ErrorKind, Event, EventId, Result, Retry};
use serde::Deserialize;

use crate::recent::RecentIds;
use crate::{Appended, EventLog};

/// Events at the end of the file whose repeats are recognised. A repeat comes from the moment of
/// a crash, so it is among the latest.
const REMEMBERED: usize = 10_000;

/// How far back the end of the file is read for them.
const TAIL_BYTES: u64 = 16 * 1024 * 1024;

/// A JSON Lines file: one event a line, as JSON, in the order in which they happened.
///
/// Each append is one write and one `fdatasync` on a thread of its own. A line that a crash left
/// without its end is taken off when the file is opened, and said.
#[derive(Debug)]
pub struct JsonlLog {
    path: PathBuf,
    /// Gone after an error, until the file is opened anew: what is in it then must be looked at.
    file: Option<Writer>,
    /// Whether the latest append failed. What it left in the file is no news then.
    has_failed: bool,
}

#[derive(Debug)]
struct Writer {
    file: File,
    recent: RecentIds,
    lines: Vec<u8>,
}

impl JsonlLog {
    /// The file at this path. It and its folder are created when the log is opened.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), file: None, has_failed: false }
    }

    /// Takes the writer to a thread where it may block, and keeps it only if all went well.
    async fn blocking<T: Send + 'static>(
        &mut self,
        op: &'static str,
        mut writer: Writer,
        work: impl FnOnce(&mut Writer) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let path = self.path.clone();
        let worked =
            tokio::task::spawn_blocking(move || work(&mut writer).map(|value| (writer, value))).await;
        self.has_failed = !matches!(worked, Ok(Ok(_)));
        match worked {
            Ok(Ok((writer, value))) => {
                self.file = Some(writer);
                Ok(value)
            }
            Ok(Err(error)) => Err(failed(op, &path, error)),
            Err(error) => Err(Error::new(ErrorKind::Panicked, op).with_source(error)),
        }
    }
}

#[async_trait]
impl EventLog for JsonlLog {
    async fn probe(&self) -> Result<()> {
        let path = self.path.clone();
        let probed = tokio::task::spawn_blocking(move || open_for_appending(&path).map(drop)).await;
        let probed = probed.map_err(|error| Error::new(ErrorKind::Panicked, "probe").with_source(error))?;
        probed.map_err(|error| failed("probe", &self.path, error))
    }

    async fn open(&mut self) -> Result<()> {
        let (path, has_failed) = (self.path.clone(), self.has_failed);
        let opened = tokio::task::spawn_blocking(move || open(&path, has_failed)).await;
        let opened = opened.map_err(|error| Error::new(ErrorKind::Panicked, "open").with_source(error))?;
        self.file = Some(opened.map_err(|error| failed("open", &self.path, error))?);
        Ok(())
    }

    async fn append(&mut self, events: &[Event]) -> Result<Appended> {
        let Some(mut writer) = self.file.take() else {
            return Err(Error::new(ErrorKind::Io, "append").with_detail("the file is not open"));
        };
        writer.lines.clear();
        let mut written = Vec::with_capacity(events.len());
        let mut in_this_batch = HashSet::new();
        for event in events {
            if writer.recent.contains(event.event_id) || !in_this_batch.insert(event.event_id) {
                continue;
            }
            serde_json::to_writer(&mut writer.lines, event)
                .map_err(|error| Error::new(ErrorKind::Internal, "append").with_source(error))?;
            writer.lines.push(b'\n');
            written.push(event.event_id);
        }
        let count = written.len() as u64;
        self.blocking("append", writer, move |writer| {
            if written.is_empty() {
                return Ok(());
            }
            writer.file.write_all(&writer.lines)?;
            writer.file.sync_data()?;
            written.into_iter().for_each(|id| writer.recent.insert(id));
            Ok(())
        })
        .await?;
        Ok(Appended { written: count, repeated: events.len() as u64 - count, numbers: Vec::new() })
    }

    async fn close(&mut self) -> Result<()> {
        match self.file.take() {
            // Every append was synced; the file ends with its handle.
            Some(writer) => self.blocking("close", writer, |writer| writer.file.sync_all()).await,
            None => Ok(()),
        }?;
        self.file = None;
        Ok(())
    }
}

fn open(path: &Path, has_failed: bool) -> io::Result<Writer> {
    let mut file = open_for_appending(path)?;
    let recent = repair_and_remember(&mut file, path, has_failed)?;
    Ok(Writer { file, recent, lines: Vec::new() })
}

/// Opens the file, which is made, with its folder, if it is not there.
fn open_for_appending(path: &Path) -> io::Result<File> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let is_new = !path.exists();
    let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    if is_new {
        file.sync_all()?;
        File::open(folder)?.sync_all()?;
    }
    Ok(file)
}

/// Takes off a line without an end and collects the ids of the latest events.
fn repair_and_remember(file: &mut File, path: &Path, has_failed: bool) -> io::Result<RecentIds> {
    let length = file.seek(SeekFrom::End(0))?;
    let from = length.saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;

    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let torn = tail.len() - whole;
    if torn > 0 {
        let path = path.display();
        if has_failed {
            tracing::debug!(%path, bytes = torn, "a line that was not written to its end was taken off");
        } else {
            tracing::warn!(%path, bytes = torn, "a line that a crash left unfinished was taken off");
        }
        file.set_len(length - torn as u64)?;
        file.sync_all()?;
    }
    let mut recent = RecentIds::new(REMEMBERED);
    let lines = tail.get(..whole).unwrap_or_default().split(|byte| *byte == b'\n');
    // The first piece may be the end of a line that began before the tail.
    for line in lines.skip(usize::from(from > 0)).filter(|line| !line.is_empty()) {
        #[derive(Deserialize)]
        struct Identity {
            event_id: EventId,
        }
        match serde_json::from_slice::<Identity>(line) {
            Ok(identity) => recent.insert(identity.event_id),
            Err(error) => tracing::warn!(path = %path.display(), %error, "a line of the log is not an event"),
        }
    }
    Ok(recent)
}

fn failed(op: &'static str, path: &Path, error: io::Error) -> Error {
    let retry = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => {
            Retry::After(Duration::from_secs(5))
        }
        _ => Retry::Reconnect,
    };
    Error::new(ErrorKind::Io, op)
        .with_detail(format!("{} cannot be written", path.display()))
        .with_source(error)
        .with_retry(retry)
}
