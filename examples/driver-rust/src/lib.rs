//! A driver of `rfid-host` for the Acme readers, which do not exist: one line of text for each thing
//! that is said, over TCP. `acme-reader` is one to try it on.
//!
//! | to the reader | from the reader |
//! |---|---|
//! | `HELLO` | `READER <model>;<firmware>;<serial number>` |
//! | `START <ports>`, the antennas to listen on: `1,2`, or `all` | `OK`, then lines until `STOP` |
//! | | `TAG <port> <EPC in hexadecimal digits> <hundredths of a dBm>` |
//! | | `TICK` after each round |
//! | `STOP` | `OK` |
//! | anything else | `NO <why>` |
#![forbid(unsafe_code)]

pub mod emulator;
mod line;

use std::time::Duration;

use rfid_core::settings::schema_of;
use rfid_core::{
    AirProtocol, ConfigFault, ConfigFaults, Description, Driver, DynSession, Error, ErrorKind, ReadBuf,
    ReaderInfo, ReaderSetup, Result, Session, Settings,
};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;

use line::{Lines, Said};

/// A reader says `TICK` at least this often while it listens.
const SILENCE_LIMIT: Duration = Duration::from_secs(5);

/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// The driver: configuration in, sessions out, no I/O.
#[derive(Clone, Copy, Debug, Default)]
pub struct Acme;

/// Its options; their descriptions are the reference.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Where the reader is: host and port.
    address: String,
}

impl Driver for Acme {
    fn describe(&self) -> Description {
        Description {
            name: "acme",
            summary: "the Acme readers, over TCP",
            schema: schema_of::<Config>(),
            example: "address = \"192.0.2.20:7700\"\n",
        }
    }

    fn session(
        &self,
        settings: &Settings,
        reader: &ReaderSetup,
    ) -> Result<Box<dyn DynSession>, ConfigFaults> {
        let Config { address } = settings.parse()?;
        if !address.contains(':') {
            return Err(ConfigFault::new("/address", "write host and port, as in \"192.0.2.20:7700\"").into());
        }
        let antenna_ports = reader.antenna_ports.clone();
        Ok(Box::new(Connection { address, antenna_ports, lines: None }))
    }

    fn resources(&self, settings: &Settings) -> Vec<String> {
        settings.parse().map(|Config { address }| vec![format!("tcp {address}")]).unwrap_or_default()
    }
}

/// A session with a reader. What was received and not yet handed over is kept in `lines`, so that a
/// `read` which is dropped loses nothing.
struct Connection {
    address: String,
    antenna_ports: Vec<u16>,
    lines: Option<Lines<TcpStream>>,
}

impl Connection {
    fn lines(&mut self, op: &'static str) -> Result<&mut Lines<TcpStream>> {
        self.lines.as_mut().ok_or_else(|| Error::new(ErrorKind::Internal, op).with_detail("not open"))
    }

    /// Says something, and waits for its answer past the tags that come before.
    async fn ask(&mut self, op: &'static str, request: &str) -> Result<Said> {
        let lines = self.lines(op)?;
        let answer = async {
            lines.send(op, request).await?;
            loop {
                match lines.next(op).await? {
                    Said::Tag { .. } | Said::Tick => {}
                    Said::No(why) => {
                        let detail = format!("the reader refused \"{request}\": {why}");
                        return Err(Error::new(ErrorKind::Unsupported, op).with_detail(detail));
                    }
                    answer => return Ok(answer),
                }
            }
        };
        timeout(ANSWER_LIMIT, answer).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Timeout, op).with_detail("the reader does not answer"))
        })
    }

    async fn order(&mut self, op: &'static str, request: &str) -> Result<()> {
        match self.ask(op, request).await? {
            Said::Ok => Ok(()),
            other => Err(unexpected(op, &other)),
        }
    }
}

fn unexpected(op: &'static str, said: &Said) -> Error {
    Error::new(ErrorKind::Protocol, op).with_detail(format!("the reader said {said:?} at the wrong time"))
}

impl Session for Connection {
    async fn open(&mut self) -> Result<ReaderInfo> {
        let connecting = TcpStream::connect(&self.address).await;
        let stream = connecting.map_err(|error| {
            Error::new(ErrorKind::Connect, "open").with_detail(&*self.address).with_source(error)
        })?;
        self.lines = Some(Lines::new(stream));
        match self.ask("open", "HELLO").await? {
            Said::Reader { model, firmware, serial } => {
                tracing::info!(model, firmware, "connected");
                Ok(ReaderInfo {
                    model,
                    firmware,
                    serial: Some(serial),
                    protocols: vec![AirProtocol::Gen2],
                    antenna_ports: self.antenna_ports.clone(),
                    silence_limit: SILENCE_LIMIT,
                })
            }
            other => Err(unexpected("open", &other)),
        }
    }

    async fn start(&mut self) -> Result<()> {
        let ports: Vec<String> = self.antenna_ports.iter().map(u16::to_string).collect();
        let ports = if ports.is_empty() { "all".to_owned() } else { ports.join(",") };
        self.order("start", &format!("START {ports}")).await
    }

    async fn read(&mut self, buf: &mut ReadBuf) -> Result<()> {
        let lines = self.lines("read")?;
        while !buf.is_full() {
            match lines.next("read").await? {
                Said::Tag { antenna, id, rssi_cdbm } => {
                    // There is room, as was seen.
                    if let Ok(read) = buf.record(id.kind(), id.bytes()) {
                        read.set_antenna_port(antenna)
                            .set_rssi_cdbm(rssi_cdbm)
                            .set_protocol(AirProtocol::Gen2);
                    }
                }
                // A sign of life.
                Said::Tick => break,
                other => return Err(unexpected("read", &other)),
            }
            if !lines.is_one_ready() {
                break;
            }
        }
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        self.order("stop", "STOP").await
    }

    async fn close(&mut self) -> Result<()> {
        self.lines = None;
        Ok(())
    }
}

rfid_plugin::export! {
    id: "com.example.acme",
    vendor: "Acme",
    drivers: [Acme],
    sinks: [],
}
