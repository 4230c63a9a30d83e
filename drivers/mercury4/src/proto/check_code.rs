//! The 16-bit check code that stands with every tag id (mercury4-rql §4.2).
//!
//! All four protocols use the polynomial 0x1021, most significant bit first. The code of an EPC
//! Class 1 tag is proven by two printed examples; those of Gen2 and ISO 18000-6B follow from
//! their air protocols and no client of the vendor's verifies them; that of Class 0 is unknown. What
//! follows from a code that does not fit is in `doubt.rs`.

use rfid_core::AirProtocol;

/// CRC-16 with polynomial 0x1021, most significant bit first, without final inversion.
pub const fn crc16(initial: u16, mut bytes: &[u8]) -> u16 {
    let mut crc = initial;
    while let [byte, behind @ ..] = bytes {
        crc = (crc << 8) ^ TABLE[((crc >> 8) as u8 ^ *byte) as usize];
        bytes = behind;
    }
    crc
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

/// What the control word of a Gen2 tag may say besides the length of its EPC and be a usual one: nothing,
/// that the tag has user memory, that there is an extended word, or both.
const USUAL_MARKS: [u16; 4] = [0, 0x0400, 0x0200, 0x0600];

/// Whether this code, which stood with the id, is the one that the rule gives; `None` where no rule is
/// known.
///
/// For Gen2 it is enough that a usual control word gives it. One that fits none of them may still be that
/// of a tag with an unusual word.
pub fn fits(protocol: AirProtocol, id: &[u8], code: u16) -> Option<bool> {
    match protocol {
        AirProtocol::Gen2 => {
            let length = u16::try_from(id.len() / 2).ok()? << 11;
            Some(USUAL_MARKS.iter().any(|mark| gen2(length | mark, id) == code))
        }
        _ => of(protocol, id).map(|right| right == code),
    }
}

/// The same of a Gen2 tag with 96 bits, in a sixth of the time: what each byte adds does not depend on the
/// others, so that no byte waits for the one before it.
#[inline(always)]
pub(super) fn fits_96_bits(id: &[u8; 12], code: u16) -> bool {
    let added = id.iter().zip(&ADDED).fold(0, |sum, (byte, added)| sum ^ added[usize::from(*byte)]);
    // Of an EPC of zeros, this would be the code.
    CODES_OF_ZERO.contains(&(added ^ code))
}

/// What a byte adds to the code at each of twelve places.
const ADDED: [[u16; 256]; 12] = {
    let mut added = [TABLE; 12];
    let mut place = 11;
    while place > 0 {
        place -= 1;
        let mut byte = 0;
        while byte < 256 {
            let behind = added[place + 1][byte];
            added[place][byte] = (behind << 8) ^ TABLE[(behind >> 8) as usize];
            byte += 1;
        }
    }
    added
};

/// The codes of an EPC of 96 zeros, for each of [`USUAL_MARKS`].
const CODES_OF_ZERO: [u16; 4] = {
    let mut codes = [0; 4];
    let mut index = 0;
    while index < codes.len() {
        codes[index] = gen2((6 << 11) | USUAL_MARKS[index], &[0; 12]);
        index += 1;
    }
    codes
};

const fn gen2(control_word: u16, id: &[u8]) -> u16 {
    !crc16(crc16(0xFFFF, &control_word.to_be_bytes()), id)
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
            Some(gen2(words << 11, id))
        }
        AirProtocol::Iso18000_6b => Some(!crc16(0xFFFF, id)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    #[test]
    fn a_control_word_that_says_more_fits_if_it_is_a_usual_one() {
        let epc = [0x30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        for (word, is_usual) in [(0x3000, true), (0x3400, true), (0x3600, true), (0x3100, false)] {
            let code = gen2(word, &epc);
            assert_eq!(fits(AirProtocol::Gen2, &epc, code), Some(is_usual), "{word:04X}");
            assert_eq!(fits_96_bits(&epc, code), is_usual, "{word:04X}");
        }
        assert_eq!(fits(AirProtocol::Epc0, &epc, 0), None);
    }

    proptest! {
        #[test]
        fn the_short_way_for_96_bits_is_the_same(id: [u8; 12], code: u16, mark in 0usize..4) {
            for code in [code, gen2(0x3000 | USUAL_MARKS[mark], &id)] {
                prop_assert_eq!(Some(fits_96_bits(&id, code)), fits(AirProtocol::Gen2, &id, code));
            }
        }

        #[test]
        fn one_flipped_bit_never_fits(id: [u8; 12], bit in 0usize..112) {
            let code = gen2(0x3000, &id);
            let (mut id, mut spoilt) = (id, code);
            match id.get_mut(bit / 8) {
                Some(byte) => *byte ^= 1 << (bit % 8),
                None => spoilt ^= 1 << (bit - 96),
            }
            prop_assert!(!fits_96_bits(&id, spoilt));
        }
    }
}
