//! The options of a module in the configuration file.

use std::time::Duration;

use rfid_core::{AirProtocol, ConfigFault, ConfigFaults, DurationText};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::proto::record::protocol_code;

/// Rate at which the modules leave the factory.
const USUAL_BAUD: u32 = 115_200;

/// Options of one module.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ThingMagicConfig {
    /// Where the module is: a serial device as in "/dev/serial/by-id/…", or HOST:PORT of whatever
    /// carries its line over TCP.
    #[schemars(length(min = 1))]
    pub address: String,
    /// Rate of a serial line in baud; 115200 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baud: Option<u32>,
    /// Air protocols to listen with, in turn.
    #[serde(default = "default_protocols")]
    #[schemars(length(min = 1))]
    pub protocols: Vec<Protocol>,
    /// Whose radio rules the module keeps; its own setting if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// Transmit power for reading in dBm; the module's own setting if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_power_dbm: Option<f32>,
    /// Length of one search for each protocol: 10ms to 60s.
    #[serde(default = "default_cycle")]
    pub cycle: DurationText,
    /// How long a connection may take to be made.
    #[serde(default = "default_connect_time_out")]
    pub connect_time_out: DurationText,
}

/// An air protocol of the modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Protocol {
    /// EPC Class 1 Generation 2.
    #[serde(rename = "gen2")]
    Gen2,
    /// ISO/IEC 18000-6 type B.
    #[serde(rename = "iso18000-6b")]
    Iso18000_6b,
}

impl From<Protocol> for AirProtocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Gen2 => Self::Gen2,
            Protocol::Iso18000_6b => Self::Iso18000_6b,
        }
    }
}

/// Radio rules (§C, 97).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Region {
    /// North America.
    Na,
    /// Europe, as most later modules have it.
    Eu3,
    /// China.
    Prc,
    /// Korea.
    Kr2,
    /// India.
    In,
    /// Japan.
    Jp,
    /// Australia.
    Au,
    /// New Zealand.
    Nz,
}

impl Region {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Na => 0x01,
            Self::In => 0x04,
            Self::Jp => 0x05,
            Self::Prc => 0x06,
            Self::Eu3 => 0x08,
            Self::Kr2 => 0x09,
            Self::Au => 0x0B,
            Self::Nz => 0x0C,
        }
    }
}

fn default_protocols() -> Vec<Protocol> {
    vec![Protocol::Gen2]
}

fn default_cycle() -> DurationText {
    DurationText(Duration::from_millis(250))
}

fn default_connect_time_out() -> DurationText {
    DurationText(Duration::from_secs(5))
}

/// What the driver makes of the options.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub(crate) address: String,
    pub(crate) baud: u32,
    /// The modules' codes.
    pub(crate) protocols: Vec<u8>,
    pub(crate) region: Option<Region>,
    pub(crate) read_power_cdbm: Option<i16>,
    pub(crate) cycle_ms: u16,
    pub(crate) connect_time_out: Duration,
}

impl ThingMagicConfig {
    /// Everything that is wrong with the options and that their schema cannot say.
    pub(crate) fn check(&self) -> Result<Checked, ConfigFaults> {
        let mut faults = ConfigFaults::default();
        let has_port = self.address.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty()
                && !host.contains(char::is_whitespace)
                && port.parse::<u16>().is_ok_and(|port| port > 0)
        });
        if !self.address.starts_with('/') && !has_port {
            faults.push(ConfigFault::new(
                "/address",
                format!("\"{}\" is neither a device, as in \"/dev/ttyUSB0\", nor HOST:PORT", self.address),
            ));
        }
        if self.protocols.is_empty() {
            faults.push(ConfigFault::new("/protocols", "at least one protocol is needed"));
        }
        let baud = self.baud.unwrap_or(USUAL_BAUD);
        if self.baud.is_some() && has_port && !self.address.starts_with('/') {
            faults.push(ConfigFault::new("/baud", "has an effect only on a serial line, not over TCP"));
        }
        if !(9_600..=921_600).contains(&baud) {
            faults.push(ConfigFault::new("/baud", "9600 to 921600 are allowed"));
        }
        let cycle_ms = u16::try_from(self.cycle.0.as_millis()).unwrap_or(u16::MAX);
        if !(10..=60_000).contains(&cycle_ms) {
            faults.push(ConfigFault::new(
                "/cycle",
                format!("\"{}\" is not allowed; write 10ms to 60s", self.cycle),
            ));
        }
        if self.read_power_dbm.is_some_and(|dbm| !(-20.0..=40.0).contains(&dbm)) {
            faults.push(ConfigFault::new("/read_power_dbm", "-20 to 40 are allowed"));
        }
        if self.connect_time_out.0.is_zero() {
            faults.push(ConfigFault::new("/connect_time_out", "must be longer than zero"));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Checked {
            address: self.address.clone(),
            baud,
            protocols: self
                .protocols
                .iter()
                .filter_map(|protocol| protocol_code((*protocol).into()))
                .collect(),
            region: self.region,
            read_power_cdbm: self.read_power_dbm.map(|dbm| (dbm * 100.0).round() as i16),
            cycle_ms,
            connect_time_out: self.connect_time_out.0,
        })
    }
}
