//! An event, as the ledger, a subscriber, a file or a receiver has it.

use rfid_core::UtcTime;
use serde_json::Value;

/// What an event says, as far as it can be compared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fact {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) card: String,
    pub(crate) reader: String,
    pub(crate) zone: String,
    pub(crate) time: UtcTime,
    pub(crate) sequence: Option<u64>,
    pub(crate) unconfirmed: bool,
    /// What the reader's own clock said.
    pub(crate) reader_time: Option<UtcTime>,
}

impl Fact {
    /// Out of an event's JSON.
    pub(crate) fn read(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            id: text("event_id")?,
            kind: text("type")?,
            card: text("epc_hex").or_else(|| text("uid_hex"))?,
            reader: text("reader")?,
            zone: text("zone")?,
            time: text("time")?.parse().ok()?,
            sequence: value.get("sequence").and_then(Value::as_u64),
            unconfirmed: value
                .get("unconfirmed_by")
                .and_then(Value::as_array)
                .is_some_and(|sinks| !sinks.is_empty()),
            reader_time: text("reader_time").and_then(|time| time.parse().ok()),
        })
    }

    /// Whether both tell of the same in the same words.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        (&self.id, &self.kind, &self.card, &self.reader, &self.zone, self.time)
            == (&other.id, &other.kind, &other.card, &other.reader, &other.zone, other.time)
    }
}
