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

/// Answers of a PC/SC reader and what is not quite one.
fn answer() -> impl Strategy<Value = Vec<u8>> {
    let status = prop_oneof![
        4 => Just([0x90, 0x00]),
        1 => Just([0x63, 0x00]),
        1 => Just([0x6A, 0x81]),
        1 => (0x00u8..=0xFF).prop_map(|length| [0x61, length]),
        1 => any::<[u8; 2]>(),
    ];
    let length = prop_oneof![4 => Just(0usize), 1 => Just(4), 1 => Just(7), 1 => Just(10), 2 => Just(16), 1 => 0usize..40];
    let data = length.prop_flat_map(|length| prop::collection::vec(any::<u8>(), length));
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..3),
        1 => Just(vec![0xC0, 0x03, 0x00, 0x90, 0x00, 0x90, 0x00]),
        1 => any::<u8>().prop_map(|error| vec![0xC0, 0x03, error, 0x90, 0x00, 0x90, 0x00]),
        8 => (data, status).prop_map(|(data, status)| [data.as_slice(), &status].concat()),
    ]
}

/// ATRs of storage cards with some of it changed, and anything.
fn atr() -> impl Strategy<Value = Vec<u8>> {
    let storage = [0x3B, 0x8F, 0x80, 0x01, 0x80, 0x4F, 0x0C, 0xA0, 0, 0, 0x03, 0x06, 0x03, 0, 1, 0, 0, 0, 0];
    let changed = (prop::collection::vec((0..storage.len(), any::<u8>()), 0..3), 0..=storage.len());
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        changed.prop_map(move |(changes, length)| {
            let mut atr = storage.to_vec();
            changes.into_iter().for_each(|(at, byte)| atr[at] = byte);
            atr.truncate(length);
            atr
        }),
    ]
}

/// Pieces with their lengths before them.
fn script(pieces: Vec<Vec<u8>>) -> Vec<u8> {
    pieces.into_iter().flat_map(|piece| [vec![piece.len() as u8], piece].concat()).collect()
}

proptest! {
    #[test]
    fn any_pcsc_reader_shows_no_card_and_opens_no_sector_without_saying_so(
        pieces in prop::collection::vec(answer(), 0..40),
    ) {
        bodies::answers(&script(pieces));
    }

    #[test]
    fn any_atr_is_one_or_not(bytes in atr()) {
        bodies::atr(&bytes);
    }

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
        bodies::coupler(&[vec![choice], script(pieces)].concat());
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
