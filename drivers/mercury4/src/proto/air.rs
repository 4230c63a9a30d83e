//! Names and codes of air protocols in RQL.

use rfid_core::AirProtocol;

/// An air protocol as RQL names and numbers it (mercury4-rql §4.4).
///
/// A name stands in a `WHERE protocol_id='…'`, a code in the `protocol_id` column of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RqlProtocol {
    /// The air protocol.
    pub air: AirProtocol,
    /// Upper-case name between quotes.
    pub name: &'static str,
    /// Code in rows.
    pub code: u8,
}

/// The four air protocols of a Mercury 4.
pub const PROTOCOLS: [RqlProtocol; 4] = [
    RqlProtocol { air: AirProtocol::Gen2, name: "GEN2", code: 12 },
    RqlProtocol { air: AirProtocol::Iso18000_6b, name: "ISO18000-6B", code: 8 },
    RqlProtocol { air: AirProtocol::Epc0, name: "EPC0", code: 9 },
    RqlProtocol { air: AirProtocol::Epc1, name: "EPC1", code: 1 },
];

impl RqlProtocol {
    /// The RQL form of an air protocol, if RQL has one.
    pub fn of(air: AirProtocol) -> Option<Self> {
        PROTOCOLS.into_iter().find(|protocol| protocol.air == air)
    }

    /// The protocol with this code in a row.
    pub fn by_code(code: u8) -> Option<Self> {
        PROTOCOLS.iter().find(|protocol| protocol.code == code).copied()
    }

    /// The protocol with this name. `CC915` is what the firmware of 2004 calls EPC Class 1, and
    /// `ISO 18000-6B` what one client in the field sends.
    pub fn by_name(name: &str) -> Option<Self> {
        let name = match name {
            "CC915" => "EPC1",
            "ISO 18000-6B" => "ISO18000-6B",
            name => name,
        };
        PROTOCOLS.into_iter().find(|protocol| protocol.name == name)
    }
}
