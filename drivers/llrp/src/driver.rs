//! The driver: configuration in, sessions over TCP out.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rfid_core::abilities::{Gpio, TagAccess, Tune};
use rfid_core::settings::schema_of;
use rfid_core::{
    ConfigFault, ConfigFaults, Description, Driver, DynSession, Error, ErrorKind, ReadBuf, ReaderInfo,
    ReaderSetup, Result, Session, Settings,
};
use rfid_driver_link::{Connect, recorded};
use tokio::time::{sleep, timeout};

use crate::abilities::Reader;
use crate::config::{Checked, LlrpConfig, ProtocolVersion};
use crate::inventory::{self, Inventory};
use crate::line::Line;
use crate::opening;
use crate::wire::Wire;

/// The driver for readers of any maker that speak LLRP.
#[derive(Clone, Copy, Debug, Default)]
pub struct Llrp;

/// How long opening and starting may take in all, answers that come late one after another
/// included.
const WHOLE: Duration = Duration::from_secs(40);

/// How soon to try again with a reader that has another client.
const ONCE_MORE: Duration = Duration::from_secs(1);

const EXAMPLE: &str = r#"address = "192.168.10.40"            # port 5084
session = 1                          # 0 to 3; 1 tells who is there now
power_dbm = 27.0                     # the reader's nearest below
"#;

impl Driver for Llrp {
    fn describe(&self) -> Description {
        Description {
            name: "llrp",
            summary: "UHF readers that speak LLRP: Impinj, Zebra, Alien and others",
            schema: schema_of::<LlrpConfig>(),
            example: EXAMPLE,
        }
    }

    fn session(
        &self,
        settings: &Settings,
        reader: &ReaderSetup,
    ) -> Result<Box<dyn DynSession>, ConfigFaults> {
        let config = settings.parse::<LlrpConfig>()?.check()?;
        refuse_ports(&reader.antenna_ports)?;
        let connect = Line::new(&config.host, config.port, config.listen);
        Ok(Box::new(LlrpSession::new(config, reader, recorded(connect, reader.recorder.clone()))))
    }

    fn resources(&self, settings: &Settings) -> Vec<String> {
        let config = settings.parse::<LlrpConfig>().ok().and_then(|config| config.check().ok());
        config
            .iter()
            .map(|config| match config.listen {
                Some(listen) => tcp_address(&listen.ip().to_string(), listen.port()),
                None => tcp_address(&config.host, config.port),
            })
            .collect()
    }
}

/// One name for an address in all its forms.
fn tcp_address(host: &str, port: u16) -> String {
    match host.parse::<IpAddr>() {
        Ok(address) => format!("tcp {}", SocketAddr::new(address, port)),
        Err(_) => format!("tcp {}:{port}", host.trim_end_matches('.').to_ascii_lowercase()),
    }
}

/// How many ports a reader has it says when it is open; that they are counted from 1 is known.
fn refuse_ports(ports: &[u16]) -> Result<(), ConfigFaults> {
    let mut faults = ConfigFaults::default();
    if ports.contains(&0) {
        faults.push(ConfigFault::new("/antennas/0", "antenna ports are counted from 1"));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
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
    let config = settings.parse::<LlrpConfig>()?.check()?;
    Ok(Box::new(LlrpSession::new(config, reader, recorded(connect, reader.recorder.clone()))))
}

/// A session with one reader.
#[derive(Debug)]
pub(crate) struct LlrpSession<C: Connect> {
    config: Checked,
    antenna_ports: Vec<u16>,
    connect: C,
    open: Option<Open<C::Stream>>,
}

/// What there is while the connection stands.
#[derive(Debug)]
struct Open<S> {
    reader: Reader<S>,
    inventory: Option<Inventory>,
    /// Something may be left on the reader, also of an inventory that did not start.
    is_set_up: bool,
    listening: Vec<u16>,
}

impl<C: Connect> LlrpSession<C> {
    pub(crate) fn new(config: Checked, reader: &ReaderSetup, connect: C) -> Self {
        Self { config, antenna_ports: reader.antenna_ports.clone(), connect, open: None }
    }

    /// A connection that stands, by the reader's own word.
    async fn connected(&mut self) -> Result<Wire<C::Stream>> {
        let failed = |kind, detail: String| Error::new(kind, "open").with_detail(detail);
        let (limit, host, port) = (self.config.connect_time_out, &self.config.host, self.config.port);
        let late = || match self.config.listen {
            Some(listen) => format!("{host} has not connected to {listen} within {limit:?}"),
            None => format!("{host}:{port} does not answer within {limit:?}"),
        };
        let unreachable = || match self.config.listen {
            Some(listen) => format!("no connection of {host} can be taken at {listen}"),
            None => format!("{host}:{port} cannot be reached"),
        };
        let stream = timeout(limit, self.connect.connect())
            .await
            .map_err(|_| failed(ErrorKind::Timeout, late()))?
            .map_err(|error| failed(ErrorKind::Connect, unreachable()).with_source(error))?;
        let mut wire = Wire::new(stream);
        opening::greeted(&mut wire).await?;
        wire.set_limit(WHOLE);
        Ok(wire)
    }

    /// The same, tried twice where the reader has another client. That may be a connection of ours
    /// that broke: the reader tells it of the newcomer, and so finds that it is gone (§7.1).
    async fn admitted(&mut self) -> Result<Wire<C::Stream>> {
        match self.connected().await {
            Err(error) if error.kind() == ErrorKind::Busy => {
                sleep(ONCE_MORE).await;
                self.connected().await
            }
            connected => connected,
        }
    }

    /// A connection in the version that the configuration asks for, or in 1.0.1. Readers are known
    /// that go when they are asked for another one; they are not asked again (§7.2).
    async fn agreed(&mut self) -> Result<Wire<C::Stream>> {
        let mut wire = self.admitted().await?;
        if self.config.version == ProtocolVersion::V1_0_1 {
            return Ok(wire);
        }
        match opening::negotiated(&mut wire).await {
            Ok(()) => Ok(wire),
            Err(error) => {
                tracing::warn!(%error, "the reader takes no question for its version; it is spoken to in LLRP 1.0.1");
                wire.end().await;
                self.admitted().await
            }
        }
    }
}

impl<C: Connect> Session for LlrpSession<C> {
    async fn open(&mut self) -> Result<ReaderInfo> {
        let wire = self.agreed().await?;
        let opened = opening::open(wire, &self.config, &self.antenna_ports).await?;
        let info = opened.info;
        self.open = Some(Open {
            reader: opened.reader,
            inventory: None,
            is_set_up: false,
            listening: info.antenna_ports.clone(),
        });
        Ok(info)
    }

    async fn start(&mut self) -> Result<()> {
        let open = self.open.as_mut().ok_or_else(|| not_open("start"))?;
        open.reader.wire.set_limit(WHOLE);
        open.is_set_up = true;
        let started =
            Inventory::start(&mut open.reader, &self.config, &self.antenna_ports, &open.listening).await?;
        open.inventory = Some(started);
        Ok(())
    }

    async fn read(&mut self, buf: &mut ReadBuf) -> Result<()> {
        let open = self.open.as_mut().ok_or_else(|| not_open("read"))?;
        let inventory = open.inventory.as_mut().ok_or_else(|| not_open("read"))?;
        inventory.read(&mut open.reader, buf).await
    }

    async fn stop(&mut self) -> Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let Some(inventory) = open.inventory.take() else { return Ok(()) };
        open.reader.wire.set_limit(WHOLE);
        inventory.stop(&mut open.reader).await?;
        open.is_set_up = false;
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        inventory::leave(open.reader, open.is_set_up).await;
        Ok(())
    }

    fn tune(&mut self) -> Option<&mut dyn Tune> {
        self.idle_reader().map(|reader| reader as _)
    }

    fn gpio(&mut self) -> Option<&mut dyn Gpio> {
        self.idle_reader().map(|reader| reader as _)
    }

    fn tag_access(&mut self) -> Option<&mut dyn TagAccess> {
        self.idle_reader().map(|reader| reader as _)
    }
}

impl<C: Connect> LlrpSession<C> {
    /// The reader, while no inventory runs: many a reader has room for one ROSpec only.
    fn idle_reader(&mut self) -> Option<&mut Reader<C::Stream>> {
        let open = self.open.as_mut()?;
        open.inventory.is_none().then_some(&mut open.reader)
    }
}

fn not_open(op: &'static str) -> Error {
    Error::new(ErrorKind::Internal, op).with_detail("the session is not open or its inventory does not run")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_taken() {
        let settings = Settings::from_toml(Llrp.describe().example).unwrap();
        assert!(Llrp.session(&settings, &ReaderSetup::named("door")).is_ok());
    }

    #[test]
    fn a_reader_has_one_name() {
        let named = |address: &str| {
            Llrp.resources(&Settings::from_toml(&format!("address = \"{address}\"")).unwrap())
        };
        assert_eq!(named("192.168.10.40"), ["tcp 192.168.10.40:5084"]);
        assert_eq!(named("Speedway.Branch.example."), named("speedway.branch.example:5084"));
    }
}
