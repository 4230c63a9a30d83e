//! Queries of tags: which protocols and antennas they switch on, which rows they let through,
//! and how a row is written (§2, §4).

use std::io::Write;

use rfid_core::{AirProtocol, UtcTime};

use super::statement::{Condition, Operator, Select, Value};
use super::tables::Profile;
use crate::proto::{Column, RqlProtocol, check_code};
use rfid_emulated_field::Heard;

/// Longest time that a query may take (§5.1).
const LONGEST_MS: u64 = 65_535;
/// Time of a query that names none (§5.1).
const USUAL_MS: u64 = 250;

/// Columns that switch protocols and antennas on; the others filter rows.
const INSTRUCTIONS: [&str; 2] = ["protocol_id", "antenna_id"];

/// A query of `tag_id` that is in order.
#[derive(Clone, Debug)]
pub(super) struct TagQuery {
    columns: Vec<Column>,
    condition: Option<Condition>,
    pub(super) time_out_ms: u64,
}

impl TagQuery {
    /// Checks a query.
    ///
    /// # Errors
    /// The text of the reader's error message.
    pub(super) fn new(select: &Select, profile: Profile) -> Result<Self, String> {
        let columns = select.columns.iter().map(|name| column(name, profile)).collect::<Result<_, _>>()?;
        let time_out_ms = select.time_out_ms.unwrap_or(USUAL_MS);
        if !(1..=LONGEST_MS).contains(&time_out_ms) {
            return Err("time_out value out of range".to_owned());
        }
        if let Some(condition) = &select.condition {
            check(condition)?;
        }
        Ok(Self { columns, condition: select.condition.clone(), time_out_ms })
    }

    /// Whether a tag was asked for.
    pub(super) fn wants(&self, heard: &Heard) -> bool {
        self.condition.as_ref().is_none_or(|condition| holds(condition, heard))
    }

    /// Writes the tag's row.
    pub(super) fn write_row(&self, heard: &Heard, query_start: UtcTime, out: &mut Vec<u8>) {
        for (index, column) in self.columns.iter().enumerate() {
            if index > 0 {
                out.push(b'|');
            }
            // Writing to a vector does not fail.
            let _ = match column {
                Column::ProtocolId => {
                    write!(out, "{}", RqlProtocol::of(heard.protocol).map_or(0, |protocol| protocol.code))
                }
                Column::AntennaId => write!(out, "{}", heard.antenna),
                Column::ReadCount => write!(out, "{}", heard.reads),
                Column::Frequency => write!(out, "{}", heard.frequency_khz),
                Column::DspMicros => write!(out, "{}", heard.offset.as_micros()),
                Column::Lqi => write!(out, "{}", heard.rssi_dbm),
                Column::Timestamp => {
                    let micros = query_start.plus(heard.offset).as_nanos() / 1000;
                    write!(out, "{}.{:06}", micros / 1_000_000, micros % 1_000_000)
                }
                Column::Id => {
                    write_id(heard.protocol, heard.id.bytes(), out);
                    Ok(())
                }
            };
        }
        out.push(b'\n');
    }
}

fn column(name: &str, profile: Profile) -> Result<Column, String> {
    let known = [
        Column::ProtocolId,
        Column::AntennaId,
        Column::ReadCount,
        Column::Id,
        Column::Frequency,
        Column::DspMicros,
        Column::Timestamp,
        Column::Lqi,
    ];
    known
        .into_iter()
        .find(|column| column.name() == name)
        .filter(|column| *column != Column::Lqi || profile.has_signal_strength())
        .ok_or_else(|| format!("Unknown {name}"))
}

/// Names of protocols in a condition must be known; what stands on the wrong side is not.
fn check(condition: &Condition) -> Result<(), String> {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => parts.iter().try_for_each(check),
        Condition::Not(inner) => check(inner),
        Condition::Compare { column, value: Value::Text(name), .. } if column == "protocol_id" => {
            RqlProtocol::by_name(name).map(drop).ok_or_else(|| "Unknown protocol".to_owned())
        }
        Condition::Compare { value: Value::Text(_), .. } => {
            Err("Only protocol_id can be used with a string in a WHERE clause".to_owned())
        }
        Condition::Compare { .. } => Ok(()),
    }
}

fn holds(condition: &Condition, heard: &Heard) -> bool {
    match condition {
        Condition::All(parts) => holds_all(parts, heard),
        Condition::Any(parts) => parts.iter().any(|part| holds(part, heard)),
        Condition::Not(inner) => !holds(inner, heard),
        Condition::Compare { column, operator, value } => compare(column, *operator, value, heard),
    }
}

/// AND, but with several conditions on one instruction column acting as OR: a real Mercury 4
/// was seen to do so (§2).
fn holds_all(parts: &[Condition], heard: &Heard) -> bool {
    let is_about = |part: &Condition, name: &str| matches!(part, Condition::Compare { column, operator: Operator::Equal, .. } if column == name);
    let instructed = INSTRUCTIONS.iter().all(|name| {
        let mut about = parts.iter().filter(|part| is_about(part, name)).peekable();
        about.peek().is_none() || about.any(|part| holds(part, heard))
    });
    let is_instruction = |part: &Condition| INSTRUCTIONS.iter().any(|name| is_about(part, name));
    instructed && parts.iter().filter(|part| !is_instruction(part)).all(|part| holds(part, heard))
}

fn compare(column: &str, operator: Operator, value: &Value, heard: &Heard) -> bool {
    let ordering = match (column, value) {
        ("protocol_id", Value::Text(name)) => {
            let same = RqlProtocol::by_name(name).is_some_and(|protocol| protocol.air == heard.protocol);
            return same == (operator == Operator::Equal);
        }
        ("id", Value::Hex(digits)) => {
            let id = heard.id.hex();
            // Ids of different lengths are never equal, and compare as numbers do.
            (id.len(), id.as_str()).cmp(&(digits.len(), digits.as_str()))
        }
        (column, value) => {
            let known = match column {
                "protocol_id" => RqlProtocol::of(heard.protocol).map(|protocol| u64::from(protocol.code)),
                "antenna_id" => Some(u64::from(heard.antenna)),
                "read_count" => Some(heard.reads),
                // Filters of later firmware are let through.
                _ => return true,
            };
            match (known, value.number()) {
                (Some(known), Some(value)) => known.cmp(&value),
                _ => return false,
            }
        }
    };
    match operator {
        Operator::Equal => ordering.is_eq(),
        Operator::NotEqual => ordering.is_ne(),
        Operator::Less => ordering.is_lt(),
        Operator::LessOrEqual => ordering.is_le(),
        Operator::Greater => ordering.is_gt(),
        Operator::GreaterOrEqual => ordering.is_ge(),
    }
}

/// The id with its check code, where the protocol has it (§4.2).
///
/// How the code of Class 0 is made is not known; it is made as that of ISO 18000-6B here.
pub(super) fn write_id(protocol: AirProtocol, id: &[u8], out: &mut Vec<u8>) {
    let code = check_code::of(protocol, id)
        .or_else(|| check_code::of(AirProtocol::Iso18000_6b, id))
        .unwrap_or_default()
        .to_be_bytes();
    out.extend_from_slice(b"0x");
    let (before, behind): (&[u8], &[u8]) =
        if check_code::stands_first(protocol) { (&code, id) } else { (id, &code) };
    for byte in before.iter().chain(behind) {
        for nibble in [byte >> 4, byte & 0x0F] {
            out.push(if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 });
        }
    }
}
