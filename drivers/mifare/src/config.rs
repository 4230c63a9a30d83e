//! The options of a pad in the configuration file.

use std::time::Duration;

use rfid_core::{ConfigFault, ConfigFaults, DurationText, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::desk::{ReadingKeys, WritingKeys};
use crate::model::{SecretKey, Sector};
use crate::pn532::{Options, SerialPort, USUAL_BAUD};

/// Options of one pad.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MifareConfig {
    /// What reaches the cards.
    pub transport: Transport,
    /// With `pcsc`: part of the reader's name, as `pcsc_scan` prints it, without the numbers at
    /// its end, which change with the order of plugging. May be left out where there is one reader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader: Option<String>,
    /// With `pn532`: the serial device, as in "/dev/serial/by-id/…".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// With `pn532`: rate of the serial line in baud; 115200 if left out, as the chip has it after
    /// every reset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baud: Option<u32>,
    /// With `pn532`: time from one search of an empty pad to the next, 20ms to 1s; 100ms if left
    /// out. A pad on which a card lies is searched half as often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll_interval: Option<DurationText>,
    /// How often a card that lies there is reported: 50ms to 10s. The silence after which presence
    /// takes it for departed should be at least four times as long.
    #[serde(default = "default_repeat")]
    pub repeat: DurationText,
    /// Sector of the customer number: 1 to 39.
    #[serde(default = "default_sector")]
    #[schemars(range(min = 1, max = 39))]
    pub sector: u8,
    /// Secret from which key A of each card is derived: 32 hexadecimal digits. With it and
    /// `record_secret`, events say whether a card carries a record that was signed for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_secret: Option<Secret>,
    /// Secret that signs records: 32 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_secret: Option<Secret>,
    /// Secret from which key B of each card is derived: 32 hexadecimal digits. It belongs to the
    /// issuing desk only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_secret: Option<Secret>,
    /// Which version of the secrets new records name: 0 to 15.
    #[serde(default)]
    #[schemars(range(max = 15))]
    pub key_version: u8,
}

/// A way to reach cards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// A reader of the PC/SC service.
    Pcsc,
    /// A PN532 on a serial line.
    Pn532,
}

fn default_repeat() -> DurationText {
    DurationText(Duration::from_millis(250))
}

fn default_sector() -> u8 {
    1
}

/// What the driver makes of the options.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub(crate) way: Way,
    pub(crate) repeat: Duration,
    pub(crate) reading: Option<ReadingKeys>,
    pub(crate) writing: Option<WritingKeys>,
}

/// A transport with what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Pcsc { reader: Option<String> },
    Pn532 { port: SerialPort, options: Options },
}

impl MifareConfig {
    /// Everything that is wrong with the options and that their schema cannot say.
    pub(crate) fn check(&self) -> Result<Checked, ConfigFaults> {
        let mut faults = ConfigFaults::default();
        let mut refuse = |path: &str, message: &str| faults.push(ConfigFault::new(path, message));
        let way = match self.transport {
            Transport::Pcsc => {
                for (path, is_given) in [
                    ("/port", self.port.is_some()),
                    ("/baud", self.baud.is_some()),
                    ("/poll_interval", self.poll_interval.is_some()),
                ] {
                    if is_given {
                        refuse(path, "has an effect only with transport = \"pn532\"");
                    }
                }
                Way::Pcsc { reader: self.reader.clone() }
            }
            Transport::Pn532 => {
                if self.port.is_none() {
                    refuse("/port", "is needed: the serial device of the PN532");
                }
                if self.reader.is_some() {
                    refuse("/reader", "has an effect only with transport = \"pcsc\"");
                }
                let baud = self.baud.unwrap_or(USUAL_BAUD);
                if !(9_600..=921_600).contains(&baud) {
                    refuse("/baud", "9600 to 921600 are allowed");
                }
                let usual = Options::default();
                let poll_interval = self.poll_interval.map_or(usual.poll_interval, |interval| interval.0);
                if !(Duration::from_millis(20)..=Duration::from_secs(1)).contains(&poll_interval) {
                    refuse("/poll_interval", "20ms to 1s are allowed");
                }
                let path = self.port.clone().unwrap_or_default().into();
                Way::Pn532 { port: SerialPort { path, baud }, options: Options { poll_interval } }
            }
        };
        if !(Duration::from_millis(50)..=Duration::from_secs(10)).contains(&self.repeat.0) {
            refuse("/repeat", "50ms to 10s are allowed");
        }
        let sector = Sector::new(self.sector).filter(|sector| sector.number() > 0);
        if sector.is_none() {
            refuse("/sector", "1 to 39 are allowed; sector 0 belongs to the card");
        }
        if self.key_version > 15 {
            refuse("/key_version", "0 to 15 are allowed");
        }
        let mut key = |path: &str, secret: &Option<Secret>| {
            let key = SecretKey::from_hex(secret.as_ref()?.reveal());
            key.map_err(|fault| refuse(path, &fault.to_string())).ok()
        };
        let reading = key("/read_secret", &self.read_secret);
        let signing = key("/record_secret", &self.record_secret);
        let writing = key("/write_secret", &self.write_secret);
        if self.read_secret.is_some() != self.record_secret.is_some() {
            let missing = if self.read_secret.is_some() { "/record_secret" } else { "/read_secret" };
            refuse(missing, "is needed too: a record is read with one secret and proved with the other");
        }
        if self.write_secret.is_some() && self.read_secret.is_none() {
            refuse("/write_secret", "has an effect only with read_secret and record_secret");
        }
        let same = |one: &Option<SecretKey>, other: &Option<SecretKey>| {
            one.as_ref().zip(other.as_ref()).is_some_and(|(one, other)| one.equals(other))
        };
        if same(&reading, &writing) || same(&reading, &signing) || same(&writing, &signing) {
            refuse("/read_secret", "the secrets must differ: whoever reads cards could else write them");
        }
        match sector {
            Some(sector) if faults.is_empty() => Ok(Checked {
                way,
                repeat: self.repeat.0,
                reading: reading.zip(signing).map(|(reading, signing)| ReadingKeys {
                    reading,
                    signing,
                    sector,
                }),
                writing: writing.map(|writing| WritingKeys { writing, version: self.key_version }),
            }),
            _ => Err(faults),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rfid_core::Settings;

    fn faults(text: &str) -> Vec<String> {
        let config: MifareConfig = Settings::from_toml(text).unwrap().parse().unwrap();
        match config.check() {
            Ok(_) => Vec::new(),
            Err(faults) => faults.into_iter().map(|fault| fault.path).collect(),
        }
    }

    const KEYS: &str = "transport = \"pcsc\"\nread_secret = \"11111111111111111111111111111111\"\n";

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        assert_eq!(faults("transport = \"pcsc\""), [""; 0]);
        assert_eq!(faults("transport = \"pn532\""), ["/port"]);
        assert_eq!(faults("transport = \"pn532\"\nport = \"/dev/ttyS0\""), [""; 0]);
        let line = "port = \"/dev/ttyS0\"\nbaud = 300\npoll_interval = \"2s\"";
        assert_eq!(faults(&format!("transport = \"pn532\"\n{line}")), ["/baud", "/poll_interval"]);
        assert_eq!(faults(&format!("transport = \"pcsc\"\n{line}")), ["/port", "/baud", "/poll_interval"]);
        let all = "transport = \"pcsc\"\nport = \"/dev/ttyS0\"\nrepeat = \"1ms\"\nsector = 0\nkey_version = 16\nwrite_secret = \"secret\"";
        assert_eq!(
            faults(all),
            ["/port", "/repeat", "/sector", "/key_version", "/write_secret", "/write_secret"]
        );
    }

    #[test]
    fn secrets_come_together_and_differ() {
        assert_eq!(faults(KEYS), ["/record_secret"]);
        let same = format!("{KEYS}record_secret = \"11111111111111111111111111111111\"");
        assert_eq!(faults(&same), ["/read_secret"]);
        assert_eq!(faults(&format!("{KEYS}record_secret = \"22222222222222222222222222222222\"")), [""; 0]);
    }

    #[test]
    fn no_secret_is_printed() {
        let text = format!("{KEYS}record_secret = \"22222222222222222222222222222222\"");
        let config: MifareConfig = Settings::from_toml(&text).unwrap().parse().unwrap();
        let printed = format!("{config:?} {:?}", config.check().unwrap());
        assert!(!printed.contains("1111") && !printed.contains("17") && !printed.contains("34"), "{printed}");
    }
}
