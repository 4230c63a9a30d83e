//! The bodies of the fuzz targets, with random bytes.

use proptest::prelude::*;

#[path = "../../fuzz/hostile.rs"]
mod bodies;

proptest! {
    #[test]
    fn any_bytes_are_frames_or_noise(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        bodies::frames(&bytes);
    }

    #[test]
    fn any_module_leaves_a_session_that_ends_or_reads(
        choice: u8,
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..16),
    ) {
        let mut script = vec![choice];
        for piece in pieces {
            script.push(piece.len() as u8);
            script.extend(piece);
        }
        bodies::session(&script);
    }

    #[test]
    fn any_client_is_answered_or_left(
        opcode in prop_oneof![any::<u8>(), 0x22u8..0x30, 0x91u8..0x9B],
        data in prop::collection::vec(prop_oneof![0u8..6, any::<u8>()], 0..40),
    ) {
        let mut bytes = vec![opcode];
        bytes.extend(data);
        bodies::commands(&bytes);
    }
}
