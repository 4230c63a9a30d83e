//! Messages in whatever pieces they come.

use proptest::prelude::*;
use rfid_llrp::{FaultKind, Frames, Header, Version, first_frame};

use crate::worked_examples::{EXAMPLES, bytes};

fn all() -> Vec<Vec<u8>> {
    EXAMPLES.iter().map(|(_, hex)| bytes(hex)).collect()
}

fn cut(frames: &mut Frames) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Some(frame) = frames.next_frame().unwrap() {
        messages.push(frame.bytes.to_vec());
    }
    messages
}

#[test]
fn every_message_may_be_split_at_every_octet() {
    for message in all() {
        for at in 0..=message.len() {
            let (front, back) = message.split_at(at);
            let mut frames = Frames::default();
            frames.push(front);
            let mut messages = cut(&mut frames);
            assert_eq!(messages.len(), usize::from(at == message.len()));
            frames.push(back);
            messages.extend(cut(&mut frames));
            assert_eq!(messages, std::slice::from_ref(&message));
        }
    }
}

#[test]
fn octets_one_by_one_and_all_messages_in_one_piece_are_the_same() {
    let stream = all().concat();
    let (mut one_by_one, mut messages) = (Frames::default(), Vec::new());
    for octet in &stream {
        one_by_one.push(&[*octet]);
        messages.extend(cut(&mut one_by_one));
    }
    assert_eq!(messages, all());
    let mut at_once = Frames::default();
    at_once.push(&stream);
    assert_eq!(cut(&mut at_once), all());
}

#[test]
fn lengths_that_lie_end_the_stream_before_anything_is_kept_for_them() {
    let header = |length: u32| Header { version: Version::V1_0_1, number: 61, length, id: 1 }.to_bytes();
    for (length, kind) in [
        (0, FaultKind::BadLength(0)),
        (9, FaultKind::BadLength(9)),
        (u32::MAX, FaultKind::TooLong { length: u32::MAX, limit: 4 << 20 }),
        ((4 << 20) + 1, FaultKind::TooLong { length: (4 << 20) + 1, limit: 4 << 20 }),
    ] {
        let mut frames = Frames::default();
        frames.push(&header(length));
        let fault = frames.next_frame().unwrap_err();
        assert_eq!((fault.offset, fault.kind), (2, kind));
        assert_eq!(frames.next_frame().unwrap_err(), fault, "the stream stays lost");
    }
    assert_eq!(first_frame(&header(4 << 20), 4 << 20), Ok(None), "the longest that is taken");
    let mut frames = Frames::up_to(20);
    frames.push(&header(21));
    assert_eq!(frames.next_frame().unwrap_err().kind, FaultKind::TooLong { length: 21, limit: 20 });
}

#[test]
fn versions_that_nobody_knows_are_refused() {
    for version in [0u8, 3, 7] {
        let mut header = Header { version: Version::V1_1, number: 62, length: 10, id: 1 }.to_bytes();
        header[0] = version << 2;
        assert_eq!(first_frame(&header, 100).unwrap_err().kind, FaultKind::UnknownVersion(version));
    }
}

proptest! {
    #[test]
    fn any_cuts_give_the_same_messages(cuts in prop::collection::vec(1usize..90, 1..200)) {
        let stream = all().concat();
        let (mut rest, mut frames, mut messages) = (stream.as_slice(), Frames::default(), Vec::new());
        for length in cuts.into_iter().cycle() {
            let (piece, behind) = rest.split_at(length.min(rest.len()));
            frames.push(piece);
            messages.extend(cut(&mut frames));
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(messages, all());
    }
}
