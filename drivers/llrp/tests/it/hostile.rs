//! The body of the fuzz target, with random bytes.

use proptest::prelude::*;

#[path = "../../fuzz/hostile.rs"]
mod bodies;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_reader_leaves_a_session_that_ends_or_reads(
        choice: u8,
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..24),
    ) {
        let mut script = vec![choice];
        for piece in pieces {
            script.push(piece.len() as u8);
            script.extend(piece);
        }
        bodies::session(&script);
    }
}
