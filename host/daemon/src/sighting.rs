//! How a sighting looks as JSON, wherever it is shown.

use rfid_core::{TagId, TagIdKind, UtcTime};
use serde_json::{Value, json};

/// One object with the tag, the antenna, the signal, the count, the time, and whether the tag made
/// its id up.
pub(crate) fn json(
    tag: &TagId,
    antenna_port: Option<u16>,
    peak_rssi_cdbm: Option<i16>,
    read_count: u64,
    last_seen: UtcTime,
    random_id: bool,
) -> Value {
    let hex = if tag.kind() == TagIdKind::Epc { "epc_hex" } else { "uid_hex" };
    json!({
        hex: tag.hex(),
        "antenna_port": antenna_port,
        "peak_rssi_cdbm": peak_rssi_cdbm,
        "read_count": read_count,
        "last_seen": last_seen.to_string(),
        "random_id": random_id,
    })
}
