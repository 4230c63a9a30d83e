//! The statements that the driver sends (§2, §11).

use std::fmt::{self, Write};

use super::air::RqlProtocol;
use rfid_core::AirProtocol;

/// Ends whatever an earlier client left running (§6.2).
pub const QUIET: &str = "SET AUTO=OFF; RESET";

/// Asks for the version. Every firmware answers it and nothing else looks like the answer, so it
/// also marks the place in the stream up to which everything has been answered (§6.2).
pub const MARKER: &str = "SELECT version FROM settings";

/// A column of `tag_id` (§3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Code of the air protocol.
    ProtocolId,
    /// Antenna port, from 1.
    AntennaId,
    /// Reads of this tag within the query.
    ReadCount,
    /// Tag id with its check code.
    Id,
    /// Carrier in kHz.
    Frequency,
    /// Microseconds since the start of the query.
    DspMicros,
    /// Unix time of the read, seconds and microseconds.
    Timestamp,
    /// Signal strength in dBm; Astra and Mercury 6 only.
    Lqi,
}

impl Column {
    /// Without these a row says nothing.
    pub const NEEDED: [Self; 3] = [Self::ProtocolId, Self::AntennaId, Self::Id];

    /// What is asked for where the reader has it. `dspmicros` is not: `timestamp` says the same.
    pub const WELCOME: [Self; 4] = [Self::ReadCount, Self::Frequency, Self::Timestamp, Self::Lqi];

    /// Those of both that a Mercury 4 has: all but the signal.
    pub const OF_MERCURY_4: [Self; 6] =
        [Self::ProtocolId, Self::AntennaId, Self::Id, Self::ReadCount, Self::Frequency, Self::Timestamp];

    /// The name in a statement.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProtocolId => "protocol_id",
            Self::AntennaId => "antenna_id",
            Self::ReadCount => "read_count",
            Self::Id => "id",
            Self::Frequency => "frequency",
            Self::DspMicros => "dspmicros",
            Self::Timestamp => "timestamp",
            Self::Lqi => "lqi",
        }
    }
}

/// What one inventory round asks for.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Columns of each row, in this order.
    pub columns: Vec<Column>,
    /// Air protocols; at least one.
    pub protocols: Vec<RqlProtocol>,
    /// Antenna ports; empty for all that there are.
    pub antenna_ports: Vec<u16>,
    /// Length of the round in milliseconds, 1 to 65,535.
    pub time_out_ms: u16,
}

impl fmt::Display for Plan {
    /// The SELECT statement without its semicolon.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SELECT ")?;
        list(f, ",", &self.columns, |f, column| f.write_str(column.name()))?;
        f.write_str(" FROM tag_id WHERE ")?;
        any_of(f, &self.protocols, |f, protocol| match protocol.air {
            // Class 0 gives ghosts that are read once (§5.1).
            AirProtocol::Epc0 => write!(f, "(protocol_id='{}' AND read_count>1)", protocol.name),
            _ => write!(f, "protocol_id='{}'", protocol.name),
        })?;
        if !self.antenna_ports.is_empty() {
            f.write_str(" AND ")?;
            any_of(f, &self.antenna_ports, |f, port| write!(f, "antenna_id={port}"))?;
        }
        write!(f, " SET time_out={}", self.time_out_ms)
    }
}

fn any_of<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    write_one: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    if let [one] = items {
        return write_one(f, one);
    }
    f.write_char('(')?;
    list(f, " OR ", items, write_one)?;
    f.write_char(')')
}

fn list<T>(
    f: &mut fmt::Formatter<'_>,
    between: &str,
    items: &[T],
    write_one: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        write_one(f, item)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(protocols: &[&str], antenna_ports: &[u16]) -> Plan {
        Plan {
            columns: vec![Column::ProtocolId, Column::Id],
            protocols: protocols.iter().map(|name| RqlProtocol::by_name(name).unwrap()).collect(),
            antenna_ports: antenna_ports.to_vec(),
            time_out_ms: 250,
        }
    }

    #[test]
    fn a_round_over_several_protocols_and_antennas() {
        assert_eq!(
            plan(&["GEN2", "EPC1"], &[1, 2]).to_string(),
            "SELECT protocol_id,id FROM tag_id WHERE (protocol_id='GEN2' OR protocol_id='EPC1') \
             AND (antenna_id=1 OR antenna_id=2) SET time_out=250"
        );
    }

    #[test]
    fn one_protocol_and_all_antennas() {
        assert_eq!(
            plan(&["ISO18000-6B"], &[]).to_string(),
            "SELECT protocol_id,id FROM tag_id WHERE protocol_id='ISO18000-6B' SET time_out=250"
        );
    }

    #[test]
    fn ghosts_of_class_0_are_left_out_and_class_1_is_not_filtered() {
        assert_eq!(
            plan(&["EPC1", "EPC0"], &[4]).to_string(),
            "SELECT protocol_id,id FROM tag_id WHERE (protocol_id='EPC1' OR (protocol_id='EPC0' AND \
             read_count>1)) AND antenna_id=4 SET time_out=250"
        );
    }
}
