//! The driver: from configuration to sessions.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use rfid_core::abilities::{Gpio, TagAccess, Tune};
use rfid_core::settings::schema_of;
use rfid_core::{
    AirProtocol, ConfigFaults, Description, Driver, DynSession, Error, ErrorKind, ReadBuf, ReaderInfo,
    ReaderSetup, Result, Session, Settings,
};
use rfid_driver_link::{Connect, recorded};
use tokio::time::{Instant, timeout};

use crate::abilities::Module;
use crate::config::{Checked, ThingMagicConfig};
use crate::line::Line;
use crate::polling::Polling;
use crate::proto::command::{self, opcode};
use crate::proto::{Metadata, Reply, Status, record};
use crate::wire::{PATIENCE, Wire, no_frames};

/// The driver for ThingMagic modules.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThingMagic;

const EXAMPLE: &str = r#"address = "/dev/ttyUSB0"             # or "192.168.10.30:9761", a line over TCP
protocols = ["gen2"]                 # gen2, iso18000-6b
region = "prc"                       # na, eu3, prc, kr2, in, jp, au, nz
read_power_dbm = 27.0
"#;

impl Driver for ThingMagic {
    fn describe(&self) -> Description {
        Description {
            name: "thingmagic",
            summary: "ThingMagic UHF modules (M6e, Nano): serial line or TCP",
            schema: schema_of::<ThingMagicConfig>(),
            example: EXAMPLE,
        }
    }

    fn session(
        &self,
        settings: &Settings,
        reader: &ReaderSetup,
    ) -> Result<Box<dyn DynSession>, ConfigFaults> {
        let config = settings.parse::<ThingMagicConfig>()?.check()?;
        let (address, baud) = (config.address.clone(), config.baud);
        let connect = move || Line::open(address.clone(), baud);
        Ok(Box::new(ThingMagicSession::new(config, reader, recorded(connect, reader.recorder.clone()))))
    }

    fn resources(&self, settings: &Settings) -> Vec<String> {
        let config = settings.parse::<ThingMagicConfig>().ok().and_then(|config| config.check().ok());
        config.iter().map(|config| line_name(&config.address)).collect()
    }
}

/// One name for a line in all its forms: a device may have several names.
fn line_name(address: &str) -> String {
    if address.starts_with('/') {
        let device = std::fs::canonicalize(address).unwrap_or_else(|_| address.into());
        return format!("serial {}", device.display());
    }
    match address.parse::<SocketAddr>() {
        Ok(address) => format!("tcp {address}"),
        Err(_) => format!("tcp {}", address.to_ascii_lowercase()),
    }
}

/// A session over connections that the caller makes: to play what was recorded, and for tests in
/// simulated time.
///
/// # Errors
/// What is wrong with the options.
pub fn session_over(
    settings: &Settings,
    reader: &ReaderSetup,
    connect: impl Connect,
) -> Result<Box<dyn DynSession>, ConfigFaults> {
    let config = settings.parse::<ThingMagicConfig>()?.check()?;
    Ok(Box::new(ThingMagicSession::new(config, reader, recorded(connect, reader.recorder.clone()))))
}

/// How the inventory runs.
#[derive(Debug)]
enum Reading {
    /// It does not.
    Not,
    /// The module sends what it hears.
    Continuous,
    /// The module is asked for one search after another.
    Polling(Polling),
}

/// A session with one module.
pub(crate) struct ThingMagicSession<C: Connect> {
    config: Checked,
    antenna_ports: Vec<u16>,
    connect: C,
    open: Option<Module<C::Stream>>,
    reading: Reading,
    /// What the module complained of last, so that it is logged once.
    complaint: Option<Status>,
}

impl<C: Connect> fmt::Debug for ThingMagicSession<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThingMagicSession").field("config", &self.config).finish_non_exhaustive()
    }
}

impl<C: Connect> ThingMagicSession<C> {
    fn new(config: Checked, reader: &ReaderSetup, connect: C) -> Self {
        Self {
            config,
            antenna_ports: reader.antenna_ports.clone(),
            connect,
            open: None,
            reading: Reading::Not,
            complaint: None,
        }
    }

    /// A cycle over all protocols and what the module may be late by.
    fn silence(&self) -> Duration {
        let cycle = Duration::from_millis(u64::from(self.config.cycle_ms));
        // About once a second it says that no tag is there (§F).
        cycle * self.config.protocols.len().max(1) as u32 + Duration::from_secs(1) + PATIENCE
    }

    fn idle_module(&mut self) -> Option<&mut Module<C::Stream>> {
        if matches!(self.reading, Reading::Not) { self.open.as_mut() } else { None }
    }
}

impl<C: Connect> Session for ThingMagicSession<C> {
    async fn open(&mut self) -> Result<ReaderInfo> {
        const OP: &str = "open";
        let address = self.config.address.clone();
        let failed = |kind, detail: String| Error::new(kind, OP).with_detail(detail);
        let limit = self.config.connect_time_out;
        let stream = timeout(limit, self.connect.connect())
            .await
            .map_err(|_| failed(ErrorKind::Timeout, format!("{address} does not answer within {limit:?}")))?
            .map_err(|error| {
                failed(ErrorKind::Connect, format!("{address} cannot be reached")).with_source(error)
            })?;
        let mut wire = Wire::new(stream);
        // An earlier session may have left it reading. One that does not know how says so.
        let stopped = wire.ask(OP, &command::stop_reading(), Duration::from_secs(1)).await?;
        let reads_continuously = stopped != Err(Status::INVALID_OPCODE);
        let version = wire.must(OP, &command::plain(opcode::VERSION)).await?;
        let program = wire.must(OP, &command::plain(opcode::PROGRAM)).await?;
        if program.first().is_some_and(|program| program & 0b11 == 1) {
            wire.must(OP, &command::plain(opcode::BOOT_FIRMWARE)).await?;
        }
        if let Some(region) = self.config.region {
            wire.must(OP, &command::set_region(region.code())).await?;
        }
        if let Some(cdbm) = self.config.read_power_cdbm {
            wire.must(OP, &command::set_read_power(cdbm)).await?;
        }
        if reads_continuously {
            wire.must(OP, &command::read_filter_off()).await?;
        }
        let connected = wire.must(OP, &command::detect_antennas()).await?;
        let ports = listening_ports(&self.antenna_ports, &connected);
        let mut module = Module { wire, ports, reads_continuously };
        module.listen_on_all(OP).await?;
        let (model, firmware, protocols) = identity(&version);
        let info = ReaderInfo {
            model,
            firmware,
            serial: None,
            protocols,
            antenna_ports: module.ports.clone(),
            silence_limit: self.silence() + Duration::from_secs(1),
        };
        self.open = Some(module);
        Ok(info)
    }

    async fn start(&mut self) -> Result<()> {
        let module = self.open.as_mut().ok_or_else(|| not_open("start"))?;
        module.listen_on_all("start").await?;
        let (protocols, cycle_ms) = (&self.config.protocols, self.config.cycle_ms);
        self.reading = if module.reads_continuously {
            let start = command::start_reading(protocols, cycle_ms, Metadata::USED);
            module.wire.must("start", &start).await?;
            Reading::Continuous
        } else {
            Reading::Polling(Polling::start(&mut module.wire, protocols, cycle_ms))
        };
        self.complaint = None;
        Ok(())
    }

    async fn read(&mut self, buf: &mut ReadBuf) -> Result<()> {
        const OP: &str = "read";
        let deadline = Instant::now() + self.silence();
        let module = self.open.as_mut().ok_or_else(|| not_open(OP))?;
        match &mut self.reading {
            Reading::Not => return Err(not_open(OP)),
            Reading::Polling(polling) => return polling.read(&mut module.wire, buf).await,
            Reading::Continuous => {}
        }
        loop {
            if buf.is_full() {
                return Ok(());
            }
            let frame = module.wire.frames.next_frame().map_err(|error| no_frames(OP, error))?;
            match frame {
                None if !buf.is_empty() => return Ok(()),
                None => module.wire.receive(OP, deadline).await?,
                Some(Reply { opcode: opcode::READ_TAGS, status: 0, data }) => take_record(data, buf),
                Some(Reply { opcode: opcode::READ_TAGS, status, .. }) => match Status(status) {
                    Status::NO_TAGS => return Ok(()),
                    status @ (Status::TOO_HOT | Status::RETURN_LOSS) => {
                        if self.complaint != Some(status) {
                            tracing::warn!(%status, "the module complains and reads on");
                            self.complaint = Some(status);
                        }
                        return Ok(());
                    }
                    status => return Err(status.error(OP)),
                },
                // Its stream ended by itself, as when its buffer was full (§G, 0601).
                Some(Reply { opcode: opcode::CONTINUOUS, status, .. }) => {
                    return Err(Status(status).error(OP).with_retry(rfid_core::Retry::Reconnect));
                }
                Some(_) => {}
            }
        }
    }

    async fn stop(&mut self) -> Result<()> {
        let silence = self.silence();
        let Some(module) = self.open.as_mut() else { return Ok(()) };
        let last = match self.reading {
            Reading::Not => return Ok(()),
            // Records keep coming until the answer (§F).
            Reading::Continuous => command::stop_reading(),
            // The search that runs is answered first.
            Reading::Polling(_) => command::plain(opcode::VERSION),
        };
        let stopped = module.wire.ask("stop", &last, silence).await?;
        self.reading = Reading::Not;
        stopped.map(drop).map_err(|status| status.error("stop"))
    }

    async fn close(&mut self) -> Result<()> {
        let Some(mut module) = self.open.take() else { return Ok(()) };
        if matches!(std::mem::replace(&mut self.reading, Reading::Not), Reading::Continuous) {
            module.wire.queue(&command::stop_reading());
            // A module that does not take it any more is left all the same.
            let _ = timeout(Duration::from_millis(100), module.wire.send("close")).await;
        }
        module.wire.end().await;
        Ok(())
    }

    fn tune(&mut self) -> Option<&mut dyn Tune> {
        self.idle_module().map(|module| module as _)
    }

    fn gpio(&mut self) -> Option<&mut dyn Gpio> {
        self.idle_module().map(|module| module as _)
    }

    fn tag_access(&mut self) -> Option<&mut dyn TagAccess> {
        self.idle_module().map(|module| module as _)
    }
}

/// Takes the record out of a streamed frame: option, flags, metadata, kind of response, record.
fn take_record(data: &[u8], buf: &mut ReadBuf) {
    const TAG: u8 = 0x01;
    let [_, _, _, high, low, TAG, bytes @ ..] = data else { return };
    let metadata = Metadata(u16::from_be_bytes([*high, *low]));
    if let Err(fault) = record::decode(metadata, bytes, buf) {
        buf.add_lost(1);
        tracing::debug!(%fault, "a record is not one");
    }
}

/// Ports to listen on: those that are wanted and connected. A module that detects none of them
/// may be wrong, as many antennas look like none at direct current.
fn listening_ports(wanted: &[u16], detected: &[u8]) -> Vec<u16> {
    let (pairs, _) = detected.get(1..).unwrap_or_default().as_chunks::<2>();
    let connected: Vec<u16> =
        pairs.iter().filter(|[_, is_there]| *is_there != 0).map(|[port, _]| u16::from(*port)).collect();
    let mut ports = connected.clone();
    ports.retain(|port| wanted.is_empty() || wanted.contains(port));
    if let Some(missing) = wanted.iter().find(|port| !connected.contains(port)) {
        tracing::warn!(
            antenna_port = missing,
            ?connected,
            "no antenna is detected at a port that is listened to"
        );
    }
    match (ports.is_empty(), wanted.is_empty()) {
        (false, _) => ports,
        (true, false) => wanted.to_vec(),
        (true, true) => vec![1],
    }
}

/// Model, firmware and protocols out of the answer to the version (§C, 03).
fn identity(version: &[u8]) -> (String, String, Vec<AirProtocol>) {
    let word = |at: usize| {
        let bytes = version.get(at..at + 4).unwrap_or_default();
        bytes.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte))
    };
    let hex = |at: usize| {
        let bytes = version.get(at..at + 4).unwrap_or_default();
        bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(".")
    };
    let model = match version.get(4) {
        Some(0x00) => "M5e",
        Some(0x01) => "M5e-Compact",
        Some(0x02) => "M5e International",
        Some(0x03) => "M4e",
        Some(0x18) => "M6e",
        Some(0x19) => "M6e-I",
        Some(0x20) => "M6e Micro",
        Some(0x30) => "M6e Nano",
        _ => "module of an unknown kind",
    };
    let protocols = [AirProtocol::Iso18000_6b, AirProtocol::Gen2]
        .into_iter()
        .filter(|protocol| {
            record::protocol_code(*protocol).is_some_and(|code| word(16) >> (code - 1) & 1 != 0)
        })
        .collect();
    (format!("ThingMagic {model}"), format!("{} of {}", hex(12), hex(8)), protocols)
}

fn not_open(op: &'static str) -> Error {
    Error::new(ErrorKind::Internal, op).with_detail("the session is not open or does not read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_taken() {
        let settings = Settings::from_toml(ThingMagic.describe().example).unwrap();
        assert!(ThingMagic.session(&settings, &ReaderSetup::named("door")).is_ok());
    }

    #[test]
    fn a_nano_is_told_by_its_hardware() {
        let version = [
            [0x14, 0x12, 0x08, 0x00],
            [0x30, 0x00, 0x00, 0x02],
            [0x20, 0x16, 0x02, 0x26],
            [0x01, 0x05, 0x00, 0x2B],
            [0x00, 0x00, 0x00, 0x10],
        ]
        .concat();
        let (model, firmware, protocols) = identity(&version);
        assert_eq!(
            (model.as_str(), firmware.as_str()),
            ("ThingMagic M6e Nano", "01.05.00.2B of 20.16.02.26")
        );
        assert_eq!(protocols, [AirProtocol::Gen2]);
        assert_eq!(identity(&[]).2, []);
    }

    #[test]
    fn antennas_are_those_wanted_and_detected() {
        assert_eq!(listening_ports(&[], &[5, 1, 1, 2, 0, 3, 1]), [1, 3]);
        assert_eq!(listening_ports(&[3, 4], &[5, 1, 1, 3, 1, 4, 0]), [3]);
        assert_eq!(listening_ports(&[2], &[5, 1, 1, 2, 0]), [2]);
        assert_eq!(listening_ports(&[], &[]), [1]);
    }
}
