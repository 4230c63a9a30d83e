//! The 16-bit check code that stands with every tag id (mercury4-rql §4.2).
//!
//! All four protocols use the polynomial 0x1021, most significant bit first. The code of an EPC
//! Class 1 tag is proven by two printed examples; those of Gen2 and ISO 18000-6B follow from
//! their air protocols and no client of the vendor's verifies them; that of Class 0 is unknown.

use rfid_core::AirProtocol;

/// CRC-16 with polynomial 0x1021, most significant bit first, without final inversion.
pub fn crc16(initial: u16, bytes: &[u8]) -> u16 {
    bytes.iter().fold(initial, |crc, byte| {
        let index = usize::from((crc >> 8) ^ u16::from(*byte));
        (crc << 8) ^ TABLE.get(index).copied().unwrap_or_default()
    })
}

const TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < table.len() {
        let mut crc = (index as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

/// Whether the check code stands before the id (EPC Class 1) or behind it (the others).
pub const fn stands_first(protocol: AirProtocol) -> bool {
    matches!(protocol, AirProtocol::Epc1)
}

/// The check code of an id, where the rule is known: not for Class 0.
///
/// For Gen2 the protocol control word is not part of the row; the code is that of a tag whose
/// word says nothing but the length of the EPC.
pub fn of(protocol: AirProtocol, id: &[u8]) -> Option<u16> {
    match protocol {
        AirProtocol::Epc1 => Some(crc16(0x1D0F, id)),
        AirProtocol::Gen2 => {
            let words = u16::try_from(id.len() / 2).ok()?;
            Some(!crc16(crc16(0xFFFF, &(words << 11).to_be_bytes()), id))
        }
        AirProtocol::Iso18000_6b => Some(!crc16(0xFFFF, id)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_and_computed_examples_of_section_4_2() {
        let epc1 = |id: &[u8]| of(AirProtocol::Epc1, id);
        assert_eq!(epc1(&0x1234_5678_90AB_CDEF_u64.to_be_bytes()), Some(0xCE85));
        assert_eq!(epc1(&0x1111_1111_1111_1111_u64.to_be_bytes()), Some(0xCE79));
        assert_eq!(epc1(&0x0123_4567_89AB_CDEF_u64.to_be_bytes()), Some(0x486C));
        let long = [0x12, 0x34, 0x56, 0x78, 0x90, 0xAB, 0xCD, 0xEF, 0x12, 0x34, 0x56, 0x78];
        assert_eq!(epc1(&long), Some(0x7578));

        let epc = [0x30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        assert_eq!(of(AirProtocol::Gen2, &epc), Some(0x447C));
        let uid = 0xE004_0000_AABB_CCDD_u64.to_be_bytes();
        assert_eq!(of(AirProtocol::Iso18000_6b, &uid), Some(0xBA04));
        assert_eq!(of(AirProtocol::Epc0, &uid), None);
    }
}
