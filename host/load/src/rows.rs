//! Tags as a Mercury 4 writes them.

use std::fmt::Write;

use rfid_core::{AirProtocol, TagId, TagIdKind};
use rfid_driver_mercury4::proto::check_code;

/// What the EPC of every tag here begins with, in hexadecimal digits; its number follows.
pub const EPC_BEGINS: &str = "2D00000000000000";

/// Bytes of a row with its line feed.
pub const ROW_BYTES: usize = 63;

/// The EPC of tag number `number`.
pub fn epc(number: u32) -> [u8; 12] {
    let mut epc = [0; 12];
    epc[0] = 0x2D;
    epc[8..].copy_from_slice(&number.to_be_bytes());
    epc
}

/// The id of tag number `number`.
pub fn tag(number: u32) -> TagId {
    TagId::new(TagIdKind::Epc, &epc(number)).unwrap_or_else(|_| unreachable!("twelve bytes are an id"))
}

/// Appends one read of tag number `number`: [`ROW_BYTES`] bytes.
pub fn row(number: u32, text: &mut String) {
    let code = check_code::of(AirProtocol::Gen2, &epc(number)).unwrap_or_default();
    // Writing to a string does not fail.
    let _ = writeln!(text, "12|1|0x{EPC_BEGINS}{number:08X}{code:04X}|1|914750|1101973245.003590");
}

/// A reply of one inventory round: a row for each of these tags and the empty line.
pub fn reply(tags: impl IntoIterator<Item = u32>) -> String {
    let mut text = String::new();
    for number in tags {
        row(number, &mut text);
    }
    text.push('\n');
    text
}

/// The number of the tag whose EPC stands in this text.
pub(crate) fn number_in(text: &str) -> Option<u32> {
    let at = text.find(EPC_BEGINS)? + EPC_BEGINS.len();
    u32::from_str_radix(text.get(at..at + 8)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_its_length_and_its_number() {
        for number in [0, 1, 0x0001_E240, u32::MAX] {
            let mut text = String::new();
            row(number, &mut text);
            assert_eq!((text.len(), number_in(&text)), (ROW_BYTES, Some(number)));
        }
    }
}
