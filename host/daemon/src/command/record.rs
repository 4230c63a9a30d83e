//! `rfid-host record`: what a reader really sends or its driver delivers, kept to be played back.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::Incoming;
use indicatif::ProgressBar;
use rfid_core::recording::{Kept, Moment, Recording};
use rfid_core::{Clock, Name, ReaderSetup, Supervisor, SystemClock};
use rfid_driver_replay::capture::{self, Capture};
use rfid_driver_replay::format::{Decoder, Header, encode};
use rfid_driver_replay::{Recorded, Summary};
use serde_json::Value;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter};

use super::tap::escaped;
use super::{counted, plugin, read};
use crate::cli::{DirectReader, Record};
use crate::client::{Client, Refused};
use crate::recording;

/// How often the progress is drawn anew.
const FRAME: Duration = Duration::from_millis(250);

/// Bytes of a recording that are read at once.
const PIECE: usize = 64 * 1024;

pub(crate) async fn run(record: Record) -> anyhow::Result<()> {
    if let Some(file) = &record.show {
        let header = show(file).await?;
        if let Some(capture) = &record.pcap {
            has_bytes(file, &header)?;
            save_capture(file, capture).await?;
        }
        return Ok(());
    }
    let (Some(reader), Some(path)) = (&record.reader, &record.file) else {
        bail!("READER and FILE are missing")
    };
    // From here on, so that whoever ends it early ends it cleanly.
    let mut told_to_stop = std::pin::pin!(super::told_to_stop());
    let mut file = create(path).await?;
    let (header, mut source) = match begin(&record, reader, path).await {
        Ok(begun) => begun,
        Err(error) => {
            // Nothing is in it.
            let _ = tokio::fs::remove_file(path).await;
            return Err(error);
        }
    };
    let mut bytes = Vec::new();
    header.encode(&mut bytes);
    file.write_all(&bytes).await?;

    let progress = ProgressBar::new_spinner();
    progress.enable_steady_tick(FRAME);
    let mut summary = Summary::default();
    let lasts = async {
        match record.lasts {
            Some(lasts) => tokio::time::sleep(lasts.into()).await,
            None => std::future::pending().await,
        }
    };
    let mut lasts = std::pin::pin!(lasts);
    let outcome = loop {
        let moment = tokio::select! {
            moment = source.next() => moment,
            () = &mut lasts => break Ok(()),
            told = &mut told_to_stop => break told,
        };
        match moment {
            Ok(Some(moment)) => {
                bytes.clear();
                encode(&moment, &mut bytes);
                if let Err(error) = file.write_all(&bytes).await {
                    break Err(error).with_context(|| path.display().to_string());
                }
                summary.add(&moment);
                progress.set_message(format!("{reader}: {}", amounts(&summary, header.kept)));
            }
            Ok(None) => {
                break Err(anyhow::anyhow!(
                    "{}",
                    summary.ended.as_deref().unwrap_or("the recording has ended")
                ));
            }
            Err(error) => break Err(error),
        }
    };
    progress.finish_and_clear();
    source.end().await;
    if summary.received == 0 && summary.sent == 0 && summary.sessions == 0 {
        // There is nothing to play, and the next try may have this name.
        drop(file);
        let _ = tokio::fs::remove_file(path).await;
    } else {
        file.flush().await?;
        file.get_ref().sync_all().await?;
        eprintln!("rfid-host: {}: {}", path.display(), amounts(&summary, header.kept));
    }
    if outcome.is_ok() && summary.sessions == 0 {
        bail!(
            "the reader did not come to read while it was recorded; /ready of the daemon or `rfid-host read` says why"
        );
    }
    outcome
}

/// A new file for the user alone.
async fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let file = options.open(path).await.with_context(|| path.display().to_string())?;
    Ok(BufWriter::new(file))
}

async fn begin(record: &Record, reader: &str, file: &Path) -> anyhow::Result<(Header, Source)> {
    if let Some(named) = record.direct()? {
        return direct(reader, named, file);
    }
    let path = format!("/api/v1/readers/{}/recording", escaped(reader));
    let body = Client::new(&record.at)?.post(&path).await.map_err(|error| with_hint(error, reader))?;
    let mut daemon = Daemon { body, decoder: Decoder::default() };
    loop {
        if let Some(header) = daemon.decoder.header()? {
            return Ok((header, Source::Daemon(daemon)));
        }
        if !daemon.receive().await? {
            bail!("the daemon has ended");
        }
    }
}

/// Where no daemon has the reader, it may be meant to be recorded without one.
fn with_hint(error: anyhow::Error, reader: &str) -> anyhow::Error {
    let refused = error.downcast_ref::<Refused>();
    if refused.is_some_and(|refused| refused.status != StatusCode::NOT_FOUND) {
        return error;
    }
    anyhow::anyhow!(
        "{error:#}; a reader that no daemon has is recorded with: rfid-host record {reader} FILE --driver DRIVER --address ADDRESS"
    )
}

/// Looks after the reader as a daemon would. What a plugin keeps is put beside the recording.
fn direct(reader: &str, named: DirectReader<'_>, file: &Path) -> anyhow::Result<(Header, Source)> {
    let DirectReader { driver, plugin, antennas, settings } = named;
    let Some(kept) = recording::kept(driver, plugin.is_some()) else { bail!("{}", recording::PLAYS) };
    let driver = match plugin {
        Some(plugin) => plugin::driver(plugin, driver, file.parent().unwrap_or(Path::new("")))?,
        None => read::driver(driver)?,
    };
    let required = driver.describe().schema.get("required").and_then(Value::as_array).cloned();
    let needs_address = required.is_some_and(|keys| keys.contains(&"address".into()));
    if needs_address && settings.as_json().get("address").is_none() {
        bail!("--address is missing: where the reader is");
    }
    let setup = ReaderSetup { antenna_ports: antennas.to_vec(), ..ReaderSetup::named(reader) };
    // What is wrong with the options is said before anything is opened.
    driver.session(&settings, &setup)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let began = recording::clock_began(clock.as_ref());
    let header = recording::header(driver.as_ref(), &settings, &setup, began, kept);
    let make = move |recorder: &rfid_core::Recorder| {
        let setup = ReaderSetup { recorder: recorder.clone(), ..setup.clone() };
        Ok(driver.session(&settings, &setup)?)
    };
    let supervisor = Supervisor::spawn(Name::from(reader), None, Box::new(make), Vec::new(), clock, 1);
    let recording = supervisor.observer().record(kept)?;
    Ok((header, Source::Direct(supervisor, recording)))
}

/// Where the moments come from.
enum Source {
    Daemon(Daemon),
    Direct(Supervisor, Recording),
}

struct Daemon {
    body: Incoming,
    decoder: Decoder,
}

impl Source {
    /// The next moment; none after the last. Cancel-safe.
    async fn next(&mut self) -> anyhow::Result<Option<Moment>> {
        match self {
            Self::Daemon(daemon) => loop {
                if let Some(moment) = daemon.decoder.moment()? {
                    return Ok(Some(moment));
                }
                if !daemon.receive().await? {
                    return Ok(None);
                }
            },
            Self::Direct(_, recording) => Ok(recording.next().await),
        }
    }

    async fn end(self) {
        if let Self::Direct(supervisor, recording) = self {
            drop(recording);
            supervisor.stop().await;
        }
    }
}

impl Daemon {
    /// Whether more has come.
    async fn receive(&mut self) -> anyhow::Result<bool> {
        let Some(frame) = self.body.frame().await else { return Ok(false) };
        if let Some(bytes) = frame.context("the daemon is gone")?.data_ref() {
            self.decoder.push(bytes);
        }
        Ok(true)
    }
}

fn amounts(summary: &Summary, kept: Kept) -> String {
    let (lasts, reads) = (summary.lasts().as_secs_f64(), counted(summary.reads, "read"));
    match kept {
        Kept::Bytes => {
            format!("{lasts:.1} s, {reads}, {} from the reader", counted(summary.received, "byte"))
        }
        Kept::Delivered => format!("{lasts:.1} s, {reads}, as its driver delivered them"),
    }
}

/// Makes sure that there is something to capture.
fn has_bytes(recording: &Path, header: &Header) -> anyhow::Result<()> {
    match header.kept {
        Kept::Bytes => Ok(()),
        Kept::Delivered => bail!(
            "{} cannot become a capture: it has what the driver \"{}\" delivered, and not the bytes of its reader, which do not pass through the host",
            recording.display(),
            header.driver
        ),
    }
}

/// Writes a recording as a capture.
async fn save_capture(recording: &Path, path: &Path) -> anyhow::Result<()> {
    // As the recording, it has what the tags say, and maybe what a driver logs in with.
    let mut file = create(path).await?;
    let mut source = File::open(recording).await.with_context(|| recording.display().to_string())?;
    let mut decoder = Decoder::default();
    let (mut capture, mut bytes) = (None, Vec::new());
    loop {
        if capture.is_none()
            && let Some(header) = decoder.header()?
        {
            capture = Some(Capture::begin(capture::usual_port(&header.driver), &mut bytes));
        }
        while let Some(capture) = &mut capture
            && let Some(moment) = decoder.moment()?
        {
            capture.add(&moment, &mut bytes);
            file.write_all(&bytes).await.with_context(|| path.display().to_string())?;
            bytes.clear();
        }
        if source.read_buf(decoder.space(PIECE)).await? == 0 {
            break;
        }
    }
    file.write_all(&bytes).await?;
    file.flush().await?;
    file.get_ref().sync_all().await?;
    eprintln!(
        "rfid-host: {}: {}",
        path.display(),
        counted(capture.map_or(0, |capture| capture.packets()), "packet")
    );
    Ok(())
}

/// Says what a recording holds.
async fn show(path: &Path) -> anyhow::Result<Header> {
    let Recorded { header, summary, torn, damage } =
        Recorded::read(path).await.with_context(|| path.display().to_string())?;
    println!(
        "reader {}, driver {}, recorded by rfid-host {}",
        header.reader, header.driver, header.host_version
    );
    println!("options {}", header.options);
    if !header.antenna_ports.is_empty() {
        let ports: Vec<String> = header.antenna_ports.iter().map(u16::to_string).collect();
        println!("antennas {}", ports.join(" "));
    }
    if let Some((first, last)) = summary.first.zip(summary.last) {
        println!("from {} to {}, {:.3} s", first.utc, last.utc, summary.lasts().as_secs_f64());
    }
    let passed = match header.kept {
        Kept::Bytes => {
            let [received, sent] = [summary.received, summary.sent].map(|bytes| counted(bytes, "byte"));
            format!("{received} from the reader, {sent} to it")
        }
        Kept::Delivered => "as the driver delivered them; the reader's bytes are not in it".to_owned(),
    };
    println!(
        "{}, {}, {}, {passed}",
        counted(summary.sessions, "session"),
        counted(summary.batches, "round"),
        counted(summary.reads, "read"),
    );
    if let Some(why) = &summary.ended {
        println!("ended early: {why}");
    }
    if torn > 0 {
        println!("its last {} are torn; it can be played up to there", counted(torn as u64, "byte"));
    }
    if let Some(damage) = damage {
        bail!("{damage}; it can be played up to there");
    }
    Ok(header)
}
