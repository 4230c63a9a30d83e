//! The air protocols that readers speak with tags.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An air protocol, by the names that configuration, events and log lines use.
///
/// The numbers are those of the plugin boundary and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[repr(u8)]
pub enum AirProtocol {
    /// EPC Class 1 Generation 2 (ISO/IEC 18000-63), UHF.
    #[serde(rename = "gen2")]
    Gen2 = 1,
    /// ISO/IEC 18000-6 type B, UHF.
    #[serde(rename = "iso18000-6b")]
    Iso18000_6b = 2,
    /// EPC Class 0, UHF.
    #[serde(rename = "epc0")]
    Epc0 = 3,
    /// EPC Class 1 Generation 1, UHF.
    #[serde(rename = "epc1")]
    Epc1 = 4,
    /// ISO/IEC 14443 type A, 13.56 MHz (Mifare).
    #[serde(rename = "iso14443a")]
    Iso14443a = 5,
    /// ISO/IEC 15693, 13.56 MHz.
    #[serde(rename = "iso15693")]
    Iso15693 = 6,
}

impl AirProtocol {
    const ALL: [Self; 6] =
        [Self::Gen2, Self::Iso18000_6b, Self::Epc0, Self::Epc1, Self::Iso14443a, Self::Iso15693];

    /// The protocol with this number on the plugin boundary, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| *protocol as u8 == number)
    }

    /// The name in configuration and events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gen2 => "gen2",
            Self::Iso18000_6b => "iso18000-6b",
            Self::Epc0 => "epc0",
            Self::Epc1 => "epc1",
            Self::Iso14443a => "iso14443a",
            Self::Iso15693 => "iso15693",
        }
    }
}

impl fmt::Display for AirProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_in_json_and_display() {
        for protocol in AirProtocol::ALL {
            assert_eq!(serde_json::to_value(protocol).unwrap(), protocol.to_string());
            assert_eq!(AirProtocol::from_number(protocol as u8), Some(protocol));
        }
        assert_eq!(AirProtocol::from_number(0), None);
    }
}
