//! What a PC/SC reader says of a card (§1.3). It is the reader's opinion.

use super::CardKind;

/// Application identifier of the PC/SC workgroup, under which storage cards are named.
const WORKGROUP: [u8; 8] = [0x80, 0x4F, 0x0C, 0xA0, 0x00, 0x00, 0x03, 0x06];

/// The kind of card that an ATR names; `None` if it is not one.
pub fn kind_of_atr(atr: &[u8]) -> Option<CardKind> {
    let (historical, interfaces) = historical_bytes(atr)?;
    // 80 4F 0C, the identifier, the standard and the card's name (PC/SC part 3).
    if let Some([_standard, high, low, ..]) = historical.strip_prefix(&WORKGROUP) {
        return Some(match (high, low) {
            (0x00, 0x01 | 0x36 | 0x38) => CardKind::Classic1K,
            (0x00, 0x02 | 0x37 | 0x39) => CardKind::Classic4K,
            (0x00, 0x26) => CardKind::Mini,
            (0x00, 0x03 | 0x3A | 0x3D) => CardKind::Ultralight,
            // No name, but the SAK (ACS).
            (0xFF, sak) => CardKind::of_sak(*sak),
            _ => CardKind::Other,
        });
    }
    // What a reader makes of an ISO 14443-4 card: T=0 and T=1 announced, no other interface bytes.
    Some(if interfaces == [0x80, 0x01] { CardKind::Part4 } else { CardKind::Other })
}

/// The historical bytes and all interface bytes of an ATR whose structure and check byte are in
/// order (ISO 7816-3 §8.2).
fn historical_bytes(atr: &[u8]) -> Option<(&[u8], Vec<u8>)> {
    let [0x3B | 0x3F, format, rest @ ..] = atr else { return None };
    let count = usize::from(format & 0x0F);
    let (mut presence, mut rest, mut has_check, mut interfaces) = (format >> 4, rest, false, Vec::new());
    while presence != 0 {
        let here = presence.count_ones() as usize;
        let (bytes, behind) = rest.split_at_checked(here)?;
        interfaces.extend_from_slice(bytes);
        let next = if presence & 0x08 != 0 { *bytes.last()? } else { 0 };
        has_check |= next & 0x0F != 0;
        (presence, rest) = (next >> 4, behind);
    }
    let (historical, rest) = rest.split_at_checked(count)?;
    let is_whole = if has_check {
        rest.len() == 1 && atr.iter().skip(1).fold(0, |sum, byte| sum ^ byte) == 0
    } else {
        rest.is_empty()
    };
    is_whole.then_some((historical, interfaces))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn storage(high: u8, low: u8, check: u8) -> Vec<u8> {
        let head = [0x3B, 0x8F, 0x80, 0x01];
        [head.as_slice(), &WORKGROUP, &[0x03, high, low, 0, 0, 0, 0, check]].concat()
    }

    #[test]
    fn the_documented_examples() {
        for (high, low, check, kind) in [
            (0x00, 0x01, 0x6A, CardKind::Classic1K),
            (0x00, 0x02, 0x69, CardKind::Classic4K),
            (0x00, 0x03, 0x68, CardKind::Ultralight),
            (0x00, 0x26, 0x4D, CardKind::Mini),
            (0x00, 0x36, 0x5D, CardKind::Classic1K),
            (0x00, 0x37, 0x5C, CardKind::Classic4K),
            (0xFF, 0x88, 0x1C, CardKind::Classic1K),
        ] {
            assert_eq!(kind_of_atr(&storage(high, low, check)), Some(kind), "{high:02X}{low:02X}");
        }
        assert_eq!(kind_of_atr(&[0x3B, 0x81, 0x80, 0x01, 0x80, 0x80]), Some(CardKind::Part4));
        // A contact card.
        assert_eq!(kind_of_atr(&[0x3B, 0x02, 0x14, 0x50]), Some(CardKind::Other));
    }

    #[test]
    fn a_wrong_check_byte_is_no_atr() {
        assert_eq!(kind_of_atr(&storage(0, 1, 0x6B)), None);
        assert_eq!(kind_of_atr(&[]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_atr_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            kind_of_atr(&bytes);
        }

        #[test]
        fn a_damaged_atr_is_noticed(at in 1usize..20, bit in 0u32..8) {
            let mut atr = storage(0, 1, 0x6A);
            atr[at] ^= 1 << bit;
            prop_assert_eq!(kind_of_atr(&atr), None);
        }
    }
}
