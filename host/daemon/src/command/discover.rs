//! `rfid-host discover`: which readers answer in a network.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::bail;
use clap::CommandFactory;
use clap::error::ErrorKind;
use futures_util::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use rfid_driver_mercury4::proto::identity::version_number;
use rfid_driver_mercury4::proto::statement::MARKER;
use rfid_llrp::enumeration::{CapabilitiesRequest, ConnectionAttemptStatus};
use rfid_llrp::message::{CloseConnection, GetReaderCapabilities};
use rfid_llrp::{Decoding, Frames, Message, Version};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::counted;
use crate::cli::{Cli, Discover};

/// Addresses that are searched without further consent.
const USUAL: u64 = 1_024;

/// Addresses that are searched at most.
const MOST: u64 = 65_536;

/// Longest message that a reader may answer. Capabilities have some kilobytes.
const LONGEST_MESSAGE: u32 = 64 * 1024;

/// Longest answer that is taken from what may be a Mercury 4.
const LONGEST_LINE: u64 = 256;

/// Makers by their enterprise numbers, as far as readers of theirs are known.
const MAKERS: [(u32, &str); 7] = [
    (161, "Zebra"),
    (10_642, "Zebra"),
    (17_996, "Alien"),
    (24_831, "Sirit"),
    (25_882, "Impinj"),
    (26_554, "ThingMagic"),
    (57_690, "Seuic"),
];

/// A reader that answered.
#[derive(Debug)]
struct Found {
    address: SocketAddr,
    driver: &'static str,
    /// Enterprise number of its maker and number of its model, where it told them.
    model: Option<(u32, u32)>,
    firmware: Option<String>,
    /// Why it serves nobody now, if it said so.
    refused: Option<ConnectionAttemptStatus>,
}

/// Which kind of reader is looked for.
#[derive(Clone, Copy)]
enum Kind {
    Llrp,
    Mercury4,
}

pub(crate) async fn run(discover: &Discover) -> anyhow::Result<()> {
    let count = discover.network.count();
    let limit = if discover.force { MOST } else { USUAL };
    if count > limit {
        let consent = if count <= MOST { "; --force searches them" } else { "" };
        let text = format!("the network has {count} addresses, and up to {limit} are searched{consent}");
        Cli::command().error(ErrorKind::ValueValidation, text).exit();
    }
    let ports = [(Kind::Llrp, discover.llrp_port), (Kind::Mercury4, discover.mercury4_port)];
    let progress = ProgressBar::new(count * ports.len() as u64).with_style(
        ProgressStyle::with_template("{bar:30} {pos} of {len} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let limit: Duration = discover.time_out.into();
    let places = discover.network.hosts().flat_map(|host| ports.map(|(kind, port)| (kind, host, port)));
    let mut answers = futures_util::stream::iter(places)
        .map(|(kind, host, port)| look(kind, host, port, limit))
        .buffer_unordered(discover.at_once.into());
    let (mut found, mut too_many) = (0_u64, None);
    let told_to_stop = super::told_to_stop();
    let mut told_to_stop = std::pin::pin!(told_to_stop);
    loop {
        let answer = tokio::select! {
            answer = answers.next() => answer,
            told = &mut told_to_stop => {
                told?;
                progress.finish_and_clear();
                bail!("ended before the whole network was searched");
            }
        };
        let Some(answer) = answer else { break };
        progress.inc(1);
        match answer {
            Ok(Some(reader)) => {
                found += 1;
                progress.set_message(counted(found, "reader"));
                progress
                    .suspend(|| println!("{}", if discover.json { reader.json() } else { reader.line() }));
            }
            Ok(None) => {}
            Err(error) => too_many = Some(error),
        }
    }
    progress.finish_and_clear();
    if let Some(error) = too_many {
        bail!("some addresses could not be tried: {error}; try fewer with --at-once");
    }
    if found == 0 {
        bail!("no reader answered");
    }
    Ok(())
}

/// Asks one address; what is wrong with this machine is an error.
async fn look(kind: Kind, host: Ipv4Addr, port: u16, limit: Duration) -> io::Result<Option<Found>> {
    let address = SocketAddr::from((host, port));
    let asked = timeout(limit, async {
        let stream = match TcpStream::connect(address).await {
            Ok(stream) => stream,
            Err(error) if is_ours(&error) => return Err(error),
            Err(_) => return Ok(None),
        };
        Ok(match kind {
            Kind::Llrp => llrp(stream, address, limit).await,
            Kind::Mercury4 => mercury4(stream, address).await,
        })
    });
    asked.await.unwrap_or(Ok(None))
}

/// Whether a connection failed because of this machine: it has no descriptors or ports left.
fn is_ours(error: &io::Error) -> bool {
    // EMFILE, ENFILE, EADDRNOTAVAIL.
    matches!(error.raw_os_error(), Some(24 | 23 | 99))
}

/// An LLRP reader says by itself that it is one.
async fn llrp(stream: TcpStream, address: SocketAddr, limit: Duration) -> Option<Found> {
    let mut line = Line { stream, frames: Frames::up_to(LONGEST_MESSAGE) };
    let Message::ReaderEventNotification(event) = line.next().await? else { return None };
    let status = event.data.connection_attempt_event?.status;
    let mut found = Found { address, driver: "llrp", model: None, firmware: None, refused: None };
    if status != ConnectionAttemptStatus::SUCCESS {
        found.refused = Some(status);
        return Some(found);
    }
    // It is found already, whatever it makes of the question.
    let told = timeout(limit / 2, line.general()).await.ok().flatten();
    if let Some((model, firmware)) = told {
        found.model = Some(model);
        found.firmware = Some(firmware);
    }
    let _ = timeout(limit / 4, line.close()).await;
    Some(found)
}

struct Line {
    stream: TcpStream,
    frames: Frames,
}

impl Line {
    async fn next(&mut self) -> Option<Message> {
        let mut chunk = [0; 4096];
        loop {
            if let Some(frame) = self.frames.next_frame().ok()? {
                return Message::of_frame(&frame, &mut Decoding::lenient()).ok();
            }
            match self.stream.read(&mut chunk).await.ok()? {
                0 => return None,
                count => self.frames.push(chunk.get(..count)?),
            }
        }
    }

    /// Maker, model and firmware.
    async fn general(&mut self) -> Option<((u32, u32), String)> {
        let asked = GetReaderCapabilities {
            requested_data: CapabilitiesRequest::GENERAL_DEVICE,
            customs: Vec::new(),
        };
        let bytes = Message::from(asked).encode(Version::V1_0_1, 1).ok()?;
        self.stream.write_all(&bytes).await.ok()?;
        loop {
            if let Message::GetReaderCapabilitiesResponse(answer) = self.next().await? {
                let general = answer.general?;
                let model = (general.device_manufacturer_name, general.model_name);
                return Some((model, general.firmware_version));
            }
        }
    }

    /// Leaves the reader free for others.
    async fn close(&mut self) -> Option<()> {
        let bytes = Message::from(CloseConnection {}).encode(Version::V1_0_1, 2).ok()?;
        self.stream.write_all(&bytes).await.ok()?;
        while self.next().await.is_some() {}
        Some(())
    }
}

/// A Mercury 4 is asked for its firmware, which nothing else that listens there takes for a
/// question of its own.
async fn mercury4(mut stream: TcpStream, address: SocketAddr) -> Option<Found> {
    stream.write_all(format!("{MARKER};\n").as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    let mut stream = stream.take(LONGEST_LINE);
    while !answer.contains(&b'\n') {
        if stream.read_buf(&mut answer).await.ok()? == 0 {
            return None;
        }
    }
    let line = answer.split(|byte| *byte == b'\n').next()?.trim_ascii_end();
    let firmware = Some(version_number(line)?.to_owned());
    Some(Found { address, driver: "mercury4", model: None, firmware, refused: None })
}

impl Found {
    fn maker(&self) -> Option<&'static str> {
        let (maker, _) = self.model?;
        MAKERS.iter().find(|(number, _)| *number == maker).map(|(_, name)| *name)
    }

    fn line(&self) -> String {
        let mut about = Vec::new();
        if let Some((maker, model)) = self.model {
            let name = self.maker().map_or_else(|| format!("maker {maker}"), str::to_owned);
            about.push(format!("{name} model {model}"));
        }
        // It is what the reader says, and terminals obey some characters.
        if let Some(firmware) = &self.firmware {
            about.push(format!("firmware {}", firmware.escape_debug()));
        }
        if let Some(status) = self.refused {
            about.push(match status {
                ConnectionAttemptStatus::CLIENT_INITIATED_EXISTS
                | ConnectionAttemptStatus::READER_INITIATED_EXISTS => {
                    "another client is connected".to_owned()
                }
                other => format!("takes no client: {other}"),
            });
        }
        format!("{:<21}  {:<8}  {}", self.address, self.driver, about.join(", ")).trim_end().to_owned()
    }

    fn json(&self) -> String {
        json!({
            "address": self.address.to_string(),
            "driver": self.driver,
            "manufacturer": self.model.map(|(maker, _)| maker),
            "manufacturer_name": self.maker(),
            "model": self.model.map(|(_, model)| model),
            "firmware": self.firmware,
            "is_busy": self.refused.is_some(),
        })
        .to_string()
    }
}
