//! The driver: configuration in, sessions over either transport out.

use rfid_core::settings::schema_of;
use rfid_core::{ConfigFault, ConfigFaults, Description, Driver, DynSession, ReaderSetup, Result, Settings};

use crate::config::{Checked, MifareConfig, Way};
use crate::coupler::Coupler;
use crate::pn532::Pn532;
use crate::session::MifareSession;

/// The driver for Mifare cards on a pad.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mifare;

#[cfg(feature = "pcsc")]
const EXAMPLE: &str = r#"transport = "pcsc"                   # or "pn532" with port = "/dev/ttyUSB0"
reader = "ACR1252"                   # part of the reader's name
# read_secret = "file:read.key"      # with these two, events say whether a card is authentic
# record_secret = "file:record.key"
"#;

#[cfg(not(feature = "pcsc"))]
const EXAMPLE: &str = r#"transport = "pn532"
port = "/dev/ttyUSB0"                # better a name of /dev/serial/by-id, which stays
# read_secret = "file:read.key"      # with these two, events say whether a card is authentic
# record_secret = "file:record.key"
"#;

impl Driver for Mifare {
    fn describe(&self) -> Description {
        Description {
            name: "mifare",
            summary: "Mifare cards at 13.56 MHz on a pad: PC/SC reader or PN532",
            schema: schema_of::<MifareConfig>(),
            example: EXAMPLE,
        }
    }

    fn session(
        &self,
        settings: &Settings,
        reader: &ReaderSetup,
    ) -> Result<Box<dyn DynSession>, ConfigFaults> {
        let config = settings.parse::<MifareConfig>()?.check()?;
        let coupler = coupler(&config.way)?;
        session(config, reader, coupler)
    }

    fn resources(&self, settings: &Settings) -> Vec<String> {
        let config = settings.parse::<MifareConfig>().ok().and_then(|config| config.check().ok());
        let name = |config: Checked| match config.way {
            Way::Pcsc { reader } => format!("pcsc {}", reader.unwrap_or_default()),
            Way::Pn532 { port, .. } => {
                let device = std::fs::canonicalize(&port.path).unwrap_or(port.path);
                format!("serial {}", device.display())
            }
        };
        config.into_iter().map(name).collect()
    }
}

/// A session over a coupler that the caller has: for tests with a simulated pad.
///
/// # Errors
/// What is wrong with the options.
pub fn session_over(
    settings: &Settings,
    reader: &ReaderSetup,
    coupler: impl Coupler + 'static,
) -> Result<Box<dyn DynSession>, ConfigFaults> {
    session(settings.parse::<MifareConfig>()?.check()?, reader, Box::new(coupler))
}

fn session(
    config: Checked,
    reader: &ReaderSetup,
    coupler: Box<dyn Coupler>,
) -> Result<Box<dyn DynSession>, ConfigFaults> {
    let mut faults = ConfigFaults::default();
    for port in reader.antenna_ports.iter().filter(|port| **port != 1) {
        let message = format!("a pad has no antenna port {port}; it has 1");
        faults.push(ConfigFault::new(format!("/antennas/{port}"), message));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(Box::new(MifareSession::new(config, coupler)))
}

fn coupler(way: &Way) -> Result<Box<dyn Coupler>, ConfigFaults> {
    match way {
        #[cfg(feature = "pcsc")]
        Way::Pcsc { reader } => Ok(Box::new(crate::pcsc::PcscCoupler::new(reader.clone()))),
        #[cfg(not(feature = "pcsc"))]
        Way::Pcsc { .. } => Err(ConfigFault::new("/transport", "\"pcsc\" is not in this build").into()),
        Way::Pn532 { port, options } => Ok(Box::new(Pn532::new(port.clone(), *options))),
    }
}
