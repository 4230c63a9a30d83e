//! The options of a Mercury 4 in the configuration file.

use std::collections::BTreeSet;
use std::time::Duration;

use rfid_core::{AirProtocol, ConfigFault, ConfigFaults, DurationText};
use rfid_driver_link::host_and_port;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::proto::RqlProtocol;
use crate::schedule::Schedule;

/// Port on which the reader takes RQL (mercury4-rql §1).
const RQL_PORT: u16 = 8080;

/// How often antennas are asked for where nothing else is said.
const WATCH_ANTENNAS: Duration = Duration::from_secs(30);

/// Options of one reader.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mercury4Config {
    /// Where the reader is: host name or IP address, with a port if it is not 8080. An IPv6
    /// address with a port stands in brackets.
    #[schemars(length(min = 1))]
    pub address: String,
    /// Air protocols to listen with, in turn.
    #[serde(default = "default_protocols")]
    #[schemars(length(min = 1))]
    pub protocols: Vec<Protocol>,
    /// Whether each round is asked for, or the reader reports by itself. Polling leaves nothing
    /// behind on the reader when the link dies.
    #[serde(default)]
    pub mode: Mode,
    /// How long one round listens: 1ms to 65535ms.
    #[serde(default = "default_time_out")]
    pub time_out: DurationText,
    /// Time from the start of one round to the start of the next in autonomous mode. Rounds
    /// follow one another without a pause if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<DurationText>,
    /// When autonomous mode runs, by the reader's own clock: BEGIN or BEGIN/END, as in
    /// "2026-11-24T08:00:00Z/2026-11-24T18:00:00Z". At once and without an end if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Transmit power for reading in dBm, set when the session is opened. The reader's own
    /// setting if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_power_dbm: Option<f32>,
    /// How often the inputs are asked for while polling; never if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch_inputs: Option<DurationText>,
    /// How often a reader that can tell is asked while polling which antennas are connected.
    /// Every 30s if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch_antennas: Option<DurationText>,
    /// How long a connection may take to be made.
    #[serde(default = "default_connect_time_out")]
    pub connect_time_out: DurationText,
}

/// An air protocol of the Mercury 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Protocol {
    /// EPC Class 1 Generation 2.
    #[serde(rename = "gen2")]
    Gen2,
    /// ISO/IEC 18000-6 type B.
    #[serde(rename = "iso18000-6b")]
    Iso18000_6b,
    /// EPC Class 0.
    #[serde(rename = "epc0")]
    Epc0,
    /// EPC Class 1 Generation 1.
    #[serde(rename = "epc1")]
    Epc1,
}

impl From<Protocol> for AirProtocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Gen2 => Self::Gen2,
            Protocol::Iso18000_6b => Self::Iso18000_6b,
            Protocol::Epc0 => Self::Epc0,
            Protocol::Epc1 => Self::Epc1,
        }
    }
}

/// Who begins a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The driver, by a query.
    #[default]
    Poll,
    /// The reader, by a cursor.
    Autonomous,
}

fn default_protocols() -> Vec<Protocol> {
    vec![Protocol::Gen2]
}

fn default_time_out() -> DurationText {
    DurationText(Duration::from_millis(250))
}

fn default_connect_time_out() -> DurationText {
    DurationText(Duration::from_secs(5))
}

/// What the driver makes of the options.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) protocols: Vec<RqlProtocol>,
    pub(crate) mode: Mode,
    pub(crate) time_out_ms: u16,
    pub(crate) repeat_ms: u16,
    pub(crate) schedule: Option<Schedule>,
    pub(crate) read_power_cdbm: Option<i16>,
    pub(crate) watch_inputs: Option<Duration>,
    pub(crate) watch_antennas: Duration,
    pub(crate) connect_time_out: Duration,
}

impl Mercury4Config {
    /// Everything that is wrong with the options and that their schema cannot say.
    pub(crate) fn check(&self) -> Result<Checked, ConfigFaults> {
        let mut faults = ConfigFaults::default();
        let (host, port) = host_and_port(&self.address, RQL_PORT).unwrap_or_else(|| {
            faults.push(ConfigFault::new(
                "/address",
                format!("\"{}\" is not an address; write HOST, HOST:PORT or [IPV6]:PORT", self.address),
            ));
            (String::new(), 0)
        });
        let mut seen = BTreeSet::new();
        for (index, protocol) in self.protocols.iter().enumerate() {
            if !seen.insert(*protocol) {
                faults
                    .push(ConfigFault::new(format!("/protocols/{index}"), "this protocol stands here twice"));
            }
        }
        if self.protocols.is_empty() {
            faults.push(ConfigFault::new("/protocols", "at least one protocol is needed"));
        }
        let mut millis = |path: &str, span: DurationText| match u16::try_from(span.0.as_millis()) {
            Ok(millis) if millis > 0 => millis,
            _ => {
                faults
                    .push(ConfigFault::new(path, format!("\"{span}\" is not allowed; write 1ms to 65535ms")));
                0
            }
        };
        let time_out_ms = millis("/time_out", self.time_out);
        let repeat_ms = self.repeat.map_or(0, |repeat| millis("/repeat", repeat));
        if self.repeat.is_some() && self.mode == Mode::Poll {
            faults.push(ConfigFault::new("/repeat", "has an effect only with mode = \"autonomous\""));
        }
        let schedule = self.schedule.as_deref().and_then(Schedule::parse);
        if self.schedule.is_some() && schedule.is_none() {
            faults.push(ConfigFault::new(
                "/schedule",
                "write BEGIN or BEGIN/END, as in \"2026-11-24T08:00:00Z/2026-11-24T18:00:00Z\", the end behind the begin",
            ));
        }
        if self.schedule.is_some() && self.mode == Mode::Poll {
            faults.push(ConfigFault::new("/schedule", "has an effect only with mode = \"autonomous\""));
        }
        if self.watch_inputs.is_some() && self.mode == Mode::Autonomous {
            faults.push(ConfigFault::new("/watch_inputs", "has an effect only with mode = \"poll\""));
        }
        if self.watch_antennas.is_some() && self.mode == Mode::Autonomous {
            faults.push(ConfigFault::new("/watch_antennas", "has an effect only with mode = \"poll\""));
        }
        if self.watch_antennas.is_some_and(|every| every.0.is_zero()) {
            faults.push(ConfigFault::new("/watch_antennas", "must be longer than zero"));
        }
        // The reader's own range is narrower and known when it is open.
        if self.read_power_dbm.is_some_and(|dbm| !(0.0..=40.0).contains(&dbm)) {
            faults.push(ConfigFault::new("/read_power_dbm", "0 to 40 are allowed"));
        }
        if self.connect_time_out.0.is_zero() {
            faults.push(ConfigFault::new("/connect_time_out", "must be longer than zero"));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Checked {
            host,
            port,
            protocols: self
                .protocols
                .iter()
                .filter_map(|protocol| RqlProtocol::of((*protocol).into()))
                .collect(),
            mode: self.mode,
            time_out_ms,
            repeat_ms,
            schedule,
            read_power_cdbm: self.read_power_dbm.map(|dbm| (dbm * 100.0).round() as i16),
            watch_inputs: self.watch_inputs.map(Into::into),
            watch_antennas: self.watch_antennas.map_or(WATCH_ANTENNAS, Into::into),
            connect_time_out: self.connect_time_out.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Mercury4Config {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn addresses_in_all_their_forms() {
        for (address, host, port) in [
            ("192.168.10.20", "192.168.10.20", 8080),
            ("192.168.10.20:8081", "192.168.10.20", 8081),
            ("door-1.branch.example", "door-1.branch.example", 8080),
            ("fe80::1", "fe80::1", 8080),
            ("[fe80::1]", "fe80::1", 8080),
            ("[fe80::1]:9000", "fe80::1", 9000),
        ] {
            assert_eq!(host_and_port(address, RQL_PORT), Some((host.to_owned(), port)), "{address}");
        }
        for address in
            ["", ":8080", "host:", "host:0", "host:99999", "host:port", "a b", "[fe80::1", "[::1]8080"]
        {
            assert_eq!(host_and_port(address, RQL_PORT), None, "{address}");
        }
    }

    #[test]
    fn all_faults_come_at_once_with_their_places() {
        let faults = config(
            "address = \"a b\"\nprotocols = [\"gen2\", \"gen2\"]\ntime_out = \"70s\"\nrepeat = \"1s\"",
        )
        .check()
        .unwrap_err();
        let places: Vec<String> = faults.into_iter().map(|fault| fault.path).collect();
        assert_eq!(places, ["/address", "/protocols/1", "/time_out", "/repeat"]);
    }

    #[test]
    fn defaults_are_those_of_the_reader() {
        let checked = config("address = \"reader\"").check().unwrap();
        assert_eq!((checked.port, checked.time_out_ms, checked.mode), (8080, 250, Mode::Poll));
        assert_eq!(checked.protocols.len(), 1);
    }
}
