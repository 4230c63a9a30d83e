//! What each profile says about itself (§3.3 to §3.7, §7).

use std::collections::BTreeMap;
use std::time::Duration;

use rfid_core::{AirProtocol, UtcTime};

use super::Scenario;
use super::statement::{Condition, Operator, Value};

/// Which reader is emulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// A Mercury 4 of 2005: no `params`, no `firmware`, no signal strength.
    ///
    /// Whether a real one has those tables is not known (§10); that it answers
    /// `Unknown table` is the strict reading.
    #[default]
    M4,
    /// A Mercury 5: firmware 2.x with `params` and `firmware`.
    Mercury5,
    /// An Astra: firmware 4.x, two antennas, Gen2 only, signal strength in `lqi`.
    Astra,
}

impl std::str::FromStr for Profile {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "m4" => Ok(Self::M4),
            "mercury5" => Ok(Self::Mercury5),
            "astra" => Ok(Self::Astra),
            _ => Err(format!("\"{name}\" is not a profile; there are m4, mercury5 and astra")),
        }
    }
}

impl Profile {
    /// The `version` setting. That of the Mercury 4 is the one that a source prints; for the
    /// others no source prints more than the first digits, so the rest says what it is.
    const fn version(self) -> &'static str {
        match self {
            Self::M4 => "2.3.14 (2005-11-23T14:22:53-05:00 Tesla )",
            Self::Mercury5 => "2.4.22 (emulated)",
            Self::Astra => "4.1.17 (emulated)",
        }
    }

    pub(super) const fn protocols(self) -> &'static [AirProtocol] {
        match self {
            Self::M4 => &[AirProtocol::Epc0, AirProtocol::Epc1, AirProtocol::Gen2, AirProtocol::Iso18000_6b],
            Self::Mercury5 => &[AirProtocol::Gen2, AirProtocol::Iso18000_6b],
            Self::Astra => &[AirProtocol::Gen2],
        }
    }

    const fn has_params(self) -> bool {
        !matches!(self, Self::M4)
    }

    pub(super) const fn has_signal_strength(self) -> bool {
        matches!(self, Self::Astra)
    }

    pub(super) const fn antennas(self) -> u16 {
        match self {
            Self::Astra => 2,
            _ => 4,
        }
    }

    const fn outputs(self) -> u32 {
        match self {
            Self::M4 => 0x1C,
            _ => 0x5C,
        }
    }

    /// Whether a successful UPDATE of a tag is answered with a row, as the manuals of 2005 print;
    /// the vendor's later clients saw an empty line (§9, 20 to 23).
    pub(super) const fn answers_updates_with_rows(self) -> bool {
        matches!(self, Self::M4)
    }

    /// How many empty frames end autonomous mode: one by the manual (§5.3), two where the
    /// vendor's later clients wait for a second one.
    pub(super) const fn frames_after_auto_off(self) -> usize {
        match self {
            Self::M4 => 1,
            _ => 2,
        }
    }
}

/// When something is asked, and what the world is like then.
pub(super) struct Moment<'a> {
    pub(super) utc: UtcTime,
    pub(super) elapsed: Duration,
    pub(super) scenario: &'a Scenario,
}

/// Values that can be asked for and some that can be set.
#[derive(Debug)]
pub(super) struct Tables {
    profile: Profile,
    saved_settings: BTreeMap<&'static str, String>,
    /// The outputs of the `io` register.
    io: u32,
}

/// Table names that hold single values rather than tags.
const SCALAR_TABLES: [&str; 5] = ["settings", "saved_settings", "params", "firmware", "io"];

impl Tables {
    pub(super) fn new(profile: Profile) -> Self {
        let mut saved_settings = BTreeMap::from([
            ("hostname", "mercury4".to_owned()),
            ("iface", "dhcp".to_owned()),
            ("dhcpcd", "-t 15".to_owned()),
            ("ip_address", "127.0.0.1".to_owned()),
            ("netmask", "255.0.0.0".to_owned()),
            ("gateway", String::new()),
            ("ntp_servers", String::new()),
            ("primary_dns", String::new()),
            ("secondary_dns", String::new()),
            ("domain_name", String::new()),
        ]);
        match profile {
            Profile::M4 => saved_settings.insert("uhf_power_centidbm", "3250".to_owned()),
            Profile::Mercury5 => saved_settings.insert("tx_power", "3250".to_owned()),
            Profile::Astra => {
                for port in ["ant1_read_tx_power_centidBm", "ant2_read_tx_power_centidBm"] {
                    saved_settings.insert(port, "3000".to_owned());
                }
                saved_settings.insert("tx_power", "3000".to_owned())
            }
        };
        Self { profile, saved_settings, io: 0 }
    }

    /// Whether a table of this name holds single values.
    pub(super) fn is_scalar(table: &str) -> bool {
        SCALAR_TABLES.contains(&table)
    }

    /// Values of a row.
    ///
    /// # Errors
    /// The text of the reader's error message.
    pub(super) fn select(
        &self,
        table: &str,
        columns: &[String],
        condition: Option<&Condition>,
        moment: &Moment<'_>,
    ) -> Result<Vec<String>, String> {
        let value = |column: &String| match table {
            "settings" => self.setting(column, moment.utc).ok_or("Unknown setting"),
            "saved_settings" => self.saved_settings.get(column.as_str()).cloned().ok_or("Unknown setting"),
            "io" if column == "data" => Ok(format!("0x{:08x}", self.register(moment) & mask(condition))),
            "io" => Err("Unknown field"),
            // An unknown name is an empty value: the vendor's clients rest on it (§3.5).
            "params" if self.profile.has_params() => Ok(self.param(column, moment)),
            "firmware" if self.profile.has_params() && column == "rql_version" => {
                Ok("rql Built 2011-02-16T16:54:39-0500".to_owned())
            }
            "firmware" if self.profile.has_params() => Ok(String::new()),
            _ => Err("Unknown table"),
        };
        columns.iter().map(|column| value(column).map_err(str::to_owned)).collect()
    }

    /// Sets values, powers with this deviation.
    ///
    /// # Errors
    /// The text of the reader's error message.
    pub(super) fn update(
        &mut self,
        table: &str,
        items: &[(String, Value)],
        condition: Option<&Condition>,
        power_off_by: i16,
    ) -> Result<(), String> {
        for (column, value) in items {
            match table {
                "saved_settings" => {
                    let setting = self.saved_settings.get_mut(column.as_str()).ok_or("Unknown setting")?;
                    *setting = match value {
                        Value::Text(text) => text.clone(),
                        Value::Number(number) => number.to_string(),
                        Value::Hex(digits) => format!("0x{digits}"),
                    };
                    if column.contains("power")
                        && let Ok(power) = setting.parse::<i16>()
                    {
                        *setting = power.saturating_add(power_off_by).to_string();
                    }
                }
                "io" if column == "data" => {
                    let data = value.number().ok_or("Invalid argument")?;
                    let changes = mask(condition) & self.profile.outputs();
                    self.io = (self.io & !changes) | (data as u32 & changes);
                }
                "params" if self.profile.has_params() => {}
                "settings" | "firmware" => return Err("Unknown field".to_owned()),
                _ => return Err("Unknown table".to_owned()),
            }
        }
        Ok(())
    }

    fn setting(&self, column: &str, now: UtcTime) -> Option<String> {
        match column {
            "version" => Some(self.profile.version().to_owned()),
            "supported_protocols" => {
                let names: Vec<&str> = self
                    .profile
                    .protocols()
                    .iter()
                    .filter_map(|protocol| crate::proto::RqlProtocol::of(*protocol))
                    .map(|protocol| protocol.name)
                    .collect();
                Some(names.join(" "))
            }
            "current_time" => Some(current_time(now)),
            _ => None,
        }
    }

    /// Inputs from the scenario, outputs as they were set.
    fn register(&self, moment: &Moment<'_>) -> u32 {
        // Input 0 is high as in the document's example, unless the scenario moves it.
        let usual = if moment.scenario.moves_input(0) { 0 } else { 0x02 };
        let bits = moment.scenario.high_inputs(moment.elapsed).map(|pin| if pin == 0 { 0x02 } else { 0x20 });
        bits.fold(self.io | usual, |register, bit| register | bit)
    }

    fn param(&self, column: &str, moment: &Moment<'_>) -> String {
        let antennas = 1..=self.profile.antennas();
        match column {
            "pib_model" => match self.profile {
                Profile::Mercury5 => "Mercury5".to_owned(),
                // Astra firmware before "Pinwheel" answers with an empty value (§6.5).
                _ => String::new(),
            },
            "reader_available_antennas" => self.profile.antennas().to_string(),
            "reader_connected_antennas" => {
                // A port without an antenna is written with an X in front (§3.5).
                let is_off = |port: &u16| moment.scenario.is_off(*port, moment.elapsed);
                let word = |port: u16| format!("{}{port}", if is_off(&port) { "X" } else { "" });
                antennas.map(word).collect::<Vec<_>>().join(" ")
            }
            power if power.ends_with("_tx_power_centidBm") => {
                self.saved_settings.get(power).cloned().unwrap_or_default()
            }
            "reader_serial" => "EMULATED1".to_owned(),
            _ => String::new(),
        }
    }
}

/// The bits that a WHERE clause names; all without one.
fn mask(condition: Option<&Condition>) -> u32 {
    match condition {
        Some(Condition::Compare { column, operator: Operator::Equal, value }) if column == "mask" => {
            value.number().unwrap_or(u64::from(u32::MAX)) as u32
        }
        _ => u32::MAX,
    }
}

/// `2008-08-11T14:00:00.123456`: UTC, six digits, no letter for the zone (§3.3).
fn current_time(now: UtcTime) -> String {
    let whole = UtcTime::from_nanos(now.as_nanos() / 1_000_000_000 * 1_000_000_000);
    let micros = now.as_nanos() % 1_000_000_000 / 1000;
    format!("{}.{micros:06}", whole.to_string().trim_end_matches('Z'))
}
