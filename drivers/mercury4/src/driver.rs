//! The driver: configuration in, sessions over TCP out.

use std::io;
use std::net::{IpAddr, SocketAddr};

use rfid_core::abilities::{Gpio, TagAccess, Tune};
use rfid_core::settings::schema_of;
use rfid_core::{
    ConfigFault, ConfigFaults, Description, Driver, DynSession, Error, ErrorKind, ReadBuf, ReaderInfo,
    ReaderSetup, Result, Session, Settings,
};
use rfid_driver_link::{Connect, recorded};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::abilities::Reader;
use crate::config::{Checked, Mercury4Config, Mode};
use crate::inventory::{Beginning, Inventory};
use crate::opening;
use crate::schedule::Window;
use crate::watch::{Subject, Watch};
use crate::wire::Wire;

/// The driver for ThingMagic Mercury 4 readers, and for Mercury 5, 6 and Astra as far as
/// they speak the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mercury4;

/// Antenna ports of the largest of these readers.
const MOST_ANTENNAS: u16 = 4;

const EXAMPLE: &str = r#"address = "192.168.10.20:8080"
protocols = ["gen2"]                 # gen2, iso18000-6b, epc0, epc1
mode = "poll"                        # or "autonomous"
time_out = "250ms"                   # length of one inventory round
"#;

impl Driver for Mercury4 {
    fn describe(&self) -> Description {
        Description {
            name: "mercury4",
            summary: "ThingMagic Mercury 4 UHF reader: RQL over TCP",
            schema: schema_of::<Mercury4Config>(),
            example: EXAMPLE,
        }
    }

    fn session(
        &self,
        settings: &Settings,
        reader: &ReaderSetup,
    ) -> Result<Box<dyn DynSession>, ConfigFaults> {
        let config = settings.parse::<Mercury4Config>()?.check()?;
        refuse_ports(&reader.antenna_ports)?;
        let address = (config.host.clone(), config.port);
        let connect = move || connect_tcp(address.clone());
        Ok(Box::new(Mercury4Session::new(config, reader, recorded(connect, reader.recorder.clone()))))
    }

    fn resources(&self, settings: &Settings) -> Vec<String> {
        let config = settings.parse::<Mercury4Config>().ok().and_then(|config| config.check().ok());
        config.iter().map(|config| tcp_address(&config.host, config.port)).collect()
    }
}

/// One name for an address in all its forms.
fn tcp_address(host: &str, port: u16) -> String {
    match host.parse::<IpAddr>() {
        Ok(address) => format!("tcp {}", SocketAddr::new(address, port)),
        Err(_) => format!("tcp {}:{port}", host.trim_end_matches('.').to_ascii_lowercase()),
    }
}

/// None of these readers has more antenna ports (mercury4-rql §7), and they pass over a port
/// that they do not have without a word.
fn refuse_ports(ports: &[u16]) -> Result<(), ConfigFaults> {
    let mut faults = ConfigFaults::default();
    for port in ports.iter().filter(|port| !(1..=MOST_ANTENNAS).contains(*port)) {
        let message = format!("the reader has no antenna port {port}; it has 1 to {MOST_ANTENNAS}");
        faults.push(ConfigFault::new(format!("/antennas/{port}"), message));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

async fn connect_tcp(address: (String, u16)) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // A statement is one small packet; it must not wait for an acknowledgement.
    stream.set_nodelay(true)?;
    Ok(stream)
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
    let config = settings.parse::<Mercury4Config>()?.check()?;
    Ok(Box::new(Mercury4Session::new(config, reader, recorded(connect, reader.recorder.clone()))))
}

/// A session with one reader.
#[derive(Debug)]
pub(crate) struct Mercury4Session<C: Connect> {
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
    window: Option<Window>,
    tells_antennas: bool,
    columns: Vec<crate::proto::Column>,
}

impl<C: Connect> Mercury4Session<C> {
    pub(crate) fn new(config: Checked, reader: &ReaderSetup, connect: C) -> Self {
        Self { config, antenna_ports: reader.antenna_ports.clone(), connect, open: None }
    }
}

impl<C: Connect> Session for Mercury4Session<C> {
    async fn open(&mut self) -> Result<ReaderInfo> {
        let address = format!("{}:{}", self.config.host, self.config.port);
        let failed = |kind, detail: String| Error::new(kind, "open").with_detail(detail);
        let stream = timeout(self.config.connect_time_out, self.connect.connect())
            .await
            .map_err(|_| {
                let limit = self.config.connect_time_out;
                failed(ErrorKind::Timeout, format!("{address} does not answer within {limit:?}"))
            })?
            .map_err(|error| {
                failed(ErrorKind::Connect, format!("{address} cannot be reached")).with_source(error)
            })?;
        let opened = opening::open(Wire::new(stream), &self.config, &self.antenna_ports).await?;
        let info = opened.info;
        self.open = Some(Open {
            reader: opened.reader,
            inventory: None,
            window: opened.window,
            tells_antennas: opened.tells_antennas,
            columns: opened.columns,
        });
        Ok(info)
    }

    async fn start(&mut self) -> Result<()> {
        let open = self.open.as_mut().ok_or_else(|| not_open("start"))?;
        let plan = crate::proto::Plan {
            columns: open.columns.clone(),
            protocols: self.config.protocols.clone(),
            antenna_ports: self.antenna_ports.clone(),
            time_out_ms: self.config.time_out_ms,
        };
        let mut watch = Watch::new(&self.antenna_ports);
        if self.config.mode == Mode::Poll {
            if open.tells_antennas {
                watch.add(Subject::Antennas, self.config.watch_antennas);
            }
            if let Some(every) = self.config.watch_inputs {
                watch.add(Subject::Inputs, every);
            }
        }
        let beginning = match (self.config.mode, self.config.schedule.zip(open.window)) {
            (Mode::Poll, _) => Beginning::Poll(watch),
            (Mode::Autonomous, None) => Beginning::Autonomous { repeat_ms: self.config.repeat_ms },
            (Mode::Autonomous, Some((schedule, window))) => {
                Beginning::Scheduled { repeat_ms: self.config.repeat_ms, schedule, window }
            }
        };
        open.inventory = Some(Inventory::start(&mut open.reader.wire, &plan, beginning).await?);
        Ok(())
    }

    async fn read(&mut self, buf: &mut ReadBuf) -> Result<()> {
        let open = self.open.as_mut().ok_or_else(|| not_open("read"))?;
        let inventory = open.inventory.as_mut().ok_or_else(|| not_open("read"))?;
        inventory.read(&mut open.reader.wire, buf).await
    }

    async fn stop(&mut self) -> Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        match open.inventory.take() {
            Some(inventory) => inventory.stop(&mut open.reader.wire).await,
            None => Ok(()),
        }
    }

    async fn close(&mut self) -> Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        if let Some(inventory) = open.inventory.take() {
            // A reader that does not answer any more is closed all the same.
            let _ = inventory.abandon(&mut open.reader.wire, Instant::now()).await;
        }
        open.reader.wire.end().await;
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

impl<C: Connect> Mercury4Session<C> {
    /// The reader, while no inventory runs: it is asked one thing at a time (§11).
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
        let settings = Settings::from_toml(Mercury4.describe().example).unwrap();
        assert!(Mercury4.session(&settings, &ReaderSetup::named("door")).is_ok());
    }
}
