//! The bodies of the fuzz targets, with random bytes.

use proptest::prelude::*;

#[path = "../../fuzz/hostile.rs"]
mod bodies;

/// Answers of a card and what is not quite one.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        Just(vec![0x32, 0x01, 0x06, 0x07]),
        Just(vec![0x01, 0x01, 0x00, 0x04, 0x08, 0x04, 0xDE, 0xAD, 0xBE, 0xEF]),
        prop::collection::vec(prop_oneof![Just(0x00), Just(0x14), any::<u8>()], 1..18),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_frames_or_noise(
        bytes in prop::collection::vec(prop_oneof![Just(0x00), Just(0xFF), Just(0xD5), any::<u8>()], 0..400),
    ) {
        bodies::frames(&bytes);
    }

    #[test]
    fn any_chip_leaves_a_coupler_whose_calls_end(
        choice: u8,
        pieces in prop::collection::vec(piece(), 0..24),
    ) {
        let mut script = vec![choice];
        for piece in pieces {
            script.push(piece.len() as u8);
            script.extend(piece);
        }
        bodies::coupler(&script);
    }

    #[test]
    fn any_host_is_answered_or_left(
        code in prop_oneof![any::<u8>(), Just(0x40), Just(0x4A), Just(0x32)],
        data in prop::collection::vec(prop_oneof![0u8..6, 0x60u8..0x62, any::<u8>()], 0..40),
    ) {
        let mut bytes = vec![code];
        bytes.extend(data);
        bodies::commands(&bytes);
    }
}
