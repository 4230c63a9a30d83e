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
    /// The protocol with this number on the plugin boundary, if there is one.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Gen2),
            2 => Some(Self::Iso18000_6b),
            3 => Some(Self::Epc0),
            4 => Some(Self::Epc1),
            5 => Some(Self::Iso14443a),
            6 => Some(Self::Iso15693),
            _ => None,
        }
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
        let all: Vec<AirProtocol> = (0..=u8::MAX).filter_map(AirProtocol::from_number).collect();
        assert_eq!(all.iter().map(|protocol| *protocol as u8).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        for protocol in all {
            assert_eq!(serde_json::to_value(protocol).unwrap(), protocol.to_string());
        }
    }
}
