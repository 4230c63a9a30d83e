//! Frames (§2.2).

use bytes::{Buf, BytesMut};

/// First byte of what a frame carries, from the host to the chip.
pub const TO_CHIP: u8 = 0xD4;

/// First byte of what a frame carries, from the chip to the host.
pub const FROM_CHIP: u8 = 0xD5;

/// Most bytes that a frame carries, the one that tells the direction included.
pub const MOST_PAYLOAD: usize = 265;

/// A command has come, or is not to go on.
pub const ACK: [u8; 6] = [0x00, 0x00, 0xFF, 0x00, 0xFF, 0x00];

/// The chip is to say its last answer again.
pub const NACK: [u8; 6] = [0x00, 0x00, 0xFF, 0xFF, 0x00, 0x00];

/// The chip does not understand a command.
pub const ERROR: [u8; 8] = [0x00, 0x00, 0xFF, 0x01, 0xFF, ERROR_CODE, 0x81, 0x00];

/// What an error frame carries.
const ERROR_CODE: u8 = 0x7F;

/// What begins a frame. Any number of zeros may stand before and behind it.
const START: [u8; 2] = [0x00, 0xFF];

/// A frame that carries this. Bytes beyond [`MOST_PAYLOAD`] do not fit and are cut off, which no
/// command here comes near.
pub fn encode(payload: &[u8]) -> Vec<u8> {
    match u8::try_from(payload.len()) {
        Ok(len) => enclose(&[len, len.wrapping_neg()], payload),
        Err(_) => encode_extended(payload),
    }
}

/// The same in the form for long payloads, which short ones may have too.
pub fn encode_extended(payload: &[u8]) -> Vec<u8> {
    let payload = payload.get(..MOST_PAYLOAD).unwrap_or(payload);
    let [high, low] = (payload.len() as u16).to_be_bytes();
    enclose(&[0xFF, 0xFF, high, low, complement(&[high, low])], payload)
}

/// In one piece of the right size, so that no copy of a key is left behind by growing.
fn enclose(length: &[u8], payload: &[u8]) -> Vec<u8> {
    [&[0x00], &START[..], length, payload, &[complement(payload), 0x00]].concat()
}

/// What makes the sum zero.
fn complement(bytes: &[u8]) -> u8 {
    sum(bytes).wrapping_neg()
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// What one side said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// See [`ACK`].
    Ack,
    /// See [`NACK`].
    Nack,
    /// See [`ERROR`].
    Error,
    /// A frame whose contents do not fit its check byte, or what looked like one.
    Damaged,
    /// A command or an answer, with the byte of its direction.
    Payload(&'a [u8]),
}

/// Bytes received and not yet taken, cut into frames.
///
/// What is not a frame is skipped: noise, wake-up bytes, the rest of a frame whose beginning was
/// lost. Inside a damaged frame is searched on, since noise may have looked like its beginning.
#[derive(Debug, Default)]
pub struct Frames {
    bytes: BytesMut,
    /// Bytes at the front that belong to the frame handed out last.
    taken: usize,
}

/// What stands at a start code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// Only more bytes can tell.
    Unfinished,
    Nothing,
    Ack,
    Nack,
    Damaged,
    Payload {
        from: usize,
        len: usize,
    },
}

impl Frames {
    /// Where received bytes are added, with room for at least `room` more.
    pub fn space(&mut self, room: usize) -> &mut BytesMut {
        self.bytes.advance(std::mem::take(&mut self.taken));
        self.bytes.reserve(room);
        &mut self.bytes
    }

    /// Adds received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.space(bytes.len()).extend_from_slice(bytes);
    }

    /// The next whole frame; `None` until more bytes come.
    pub fn next_frame(&mut self) -> Option<Frame<'_>> {
        match self.find() {
            Found::Unfinished | Found::Nothing => None,
            Found::Ack => Some(Frame::Ack),
            Found::Nack => Some(Frame::Nack),
            Found::Damaged => Some(Frame::Damaged),
            Found::Payload { from, len } => match self.bytes.get(from..from + len)? {
                [ERROR_CODE] => Some(Frame::Error),
                payload => Some(Frame::Payload(payload)),
            },
        }
    }

    /// Whether a frame has begun that did not end; if so, it is taken for noise, and what looks like
    /// a frame behind its beginning comes next.
    pub fn give_up_unfinished(&mut self) -> bool {
        let is_unfinished = self.find() == Found::Unfinished && self.bytes.starts_with(&START);
        if is_unfinished {
            self.bytes.advance(1);
        }
        is_unfinished
    }

    /// Goes to the next frame and notes how long it is.
    fn find(&mut self) -> Found {
        self.bytes.advance(std::mem::take(&mut self.taken));
        loop {
            let Some(start) = self.bytes.windows(START.len()).position(|bytes| bytes == START) else {
                let kept = usize::from(self.bytes.ends_with(&START[..1]));
                self.bytes.advance(self.bytes.len() - kept);
                return Found::Unfinished;
            };
            self.bytes.advance(start);
            let found = look_at(&self.bytes);
            self.taken = match found {
                Found::Unfinished => 0,
                Found::Nothing => {
                    self.bytes.advance(1);
                    continue;
                }
                Found::Damaged => 1,
                Found::Ack | Found::Nack => 4,
                Found::Payload { from, len } => from + len + 1,
            };
            return found;
        }
    }
}

/// What stands behind the start code with which the bytes begin.
fn look_at(bytes: &[u8]) -> Found {
    match *bytes {
        [_, _, 0x00, 0xFF, ..] => Found::Ack,
        [_, _, 0xFF, 0x00, ..] => Found::Nack,
        [_, _, 0xFF, 0xFF, high, low, check, ..] if sum(&[high, low, check]) == 0 => {
            payload(bytes, 7, usize::from(u16::from_be_bytes([high, low])))
        }
        [_, _, 0xFF, 0xFF, _, _, _, ..] => Found::Nothing,
        [_, _, 0xFF, 0xFF, ..] => Found::Unfinished,
        [_, _, len, check, ..] if sum(&[len, check]) == 0 => payload(bytes, 4, usize::from(len)),
        [_, _, _, _, ..] => Found::Nothing,
        _ => Found::Unfinished,
    }
}

fn payload(bytes: &[u8], from: usize, len: usize) -> Found {
    let may_begin_with = |first: &u8| match *first {
        TO_CHIP | FROM_CHIP => true,
        ERROR_CODE => len == 1,
        _ => false,
    };
    if !(1..=MOST_PAYLOAD).contains(&len) || !bytes.get(from).is_none_or(may_begin_with) {
        return Found::Nothing;
    }
    match bytes.get(from..from + len + 1) {
        None => Found::Unfinished,
        Some(with_check) if sum(with_check) == 0 => Found::Payload { from, len },
        Some(_) => Found::Damaged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A frame that outlives its buffer.
    #[derive(Clone, Debug, PartialEq, Eq)]
    enum Said {
        Ack,
        Nack,
        Error,
        Damaged,
        Payload(Vec<u8>),
    }

    impl Said {
        fn encode(&self) -> Vec<u8> {
            match self {
                Self::Ack => ACK.to_vec(),
                Self::Nack => NACK.to_vec(),
                Self::Error => ERROR.to_vec(),
                Self::Damaged => Vec::new(),
                Self::Payload(payload) => encode(payload),
            }
        }
    }

    fn said(frames: &mut Frames) -> Vec<Said> {
        let mut all = Vec::new();
        while let Some(frame) = frames.next_frame() {
            all.push(match frame {
                Frame::Ack => Said::Ack,
                Frame::Nack => Said::Nack,
                Frame::Error => Said::Error,
                Frame::Damaged => Said::Damaged,
                Frame::Payload(payload) => Said::Payload(payload.to_vec()),
            });
        }
        all
    }

    fn said_in_steps(bytes: &[u8], step: usize) -> Vec<Said> {
        let mut frames = Frames::default();
        bytes
            .chunks(step)
            .flat_map(|piece| {
                frames.push(piece);
                said(&mut frames)
            })
            .collect()
    }

    #[test]
    fn the_documented_frames() {
        assert_eq!(encode(&[0xD4, 0x14, 0x01]), [0x00, 0x00, 0xFF, 0x03, 0xFD, 0xD4, 0x14, 0x01, 0x17, 0x00]);
        assert_eq!(encode(&[ERROR_CODE]), ERROR);
        let dialogue = [
            &ACK[..],
            &[0x00, 0x00, 0xFF, 0x03, 0xFD, 0xD5, 0x41, 0x14, 0xD6, 0x00],
            &[0x00, 0x00, 0xFF, 0x02, 0xFE, 0xD5, 0x15, 0x16, 0x00],
        ]
        .concat();
        let payload = |bytes: &[u8]| Said::Payload(bytes.to_vec());
        let expected = [Said::Ack, payload(&[0xD5, 0x41, 0x14]), payload(&[0xD5, 0x15])];
        assert_eq!(said_in_steps(&dialogue, 100), expected);
    }

    #[test]
    fn zeros_around_a_frame_may_be_many_or_none() {
        let bare = &encode(&[0xD5, 0x15])[1..8];
        let mut frames = Frames::default();
        for around in [0, 1, 50] {
            frames.push(&vec![0x00; around]);
            frames.push(bare);
            frames.push(&vec![0x00; around]);
            assert_eq!(said(&mut frames), [Said::Payload(vec![0xD5, 0x15])], "{around}");
        }
    }

    #[test]
    fn a_frame_that_never_ends_hides_the_next_only_until_it_is_given_up() {
        let mut frames = Frames::default();
        frames.push(&[0x00, 0xFF, 0x40, 0xC0, 0xD5, 0x41]);
        frames.push(&encode(&[0xD5, 0x15]));
        assert_eq!(frames.next_frame(), None);
        assert!(frames.give_up_unfinished());
        assert_eq!(said(&mut frames), [Said::Payload(vec![0xD5, 0x15])]);
        assert!(!frames.give_up_unfinished());
    }

    #[test]
    fn a_damaged_frame_is_told_and_what_it_hides_is_found() {
        let mut bytes = encode(&[0xD5, 0x41, 0x00, 0x00, 0xFF, 0x00, 0x17]);
        let len = bytes.len();
        bytes[len - 3] ^= 1;
        bytes.extend(encode(&[0xD5, 0x15]));
        assert_eq!(said_in_steps(&bytes, 100), [Said::Damaged, Said::Payload(vec![0xD5, 0x15])]);
    }

    /// What carries data, in either direction.
    fn payloads() -> impl Strategy<Value = Vec<u8>> {
        (prop_oneof![Just(TO_CHIP), Just(FROM_CHIP)], prop::collection::vec(any::<u8>(), 0..MOST_PAYLOAD))
            .prop_map(|(direction, data)| [vec![direction], data].concat())
    }

    fn any_said() -> impl Strategy<Value = Said> {
        prop_oneof![Just(Said::Ack), Just(Said::Nack), Just(Said::Error), payloads().prop_map(Said::Payload),]
    }

    /// Noise made of what frames are made of.
    fn noise() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![Just(0x00), Just(0xFF), Just(FROM_CHIP), 0u8..4, any::<u8>()];
        prop::collection::vec(byte, 0..30)
    }

    fn noise_without_frames() -> impl Strategy<Value = Vec<u8>> {
        noise().prop_filter("it announces a frame", |noise| !announces_a_frame(noise))
    }

    /// Whether noise announces a frame, in which the next one may get lost, together with the zeros
    /// with which the frame before it ends and the one behind it begins.
    fn announces_a_frame(noise: &[u8]) -> bool {
        let bytes = [&[0x00], noise, &[0x00]].concat();
        bytes.windows(4).any(|bytes| match *bytes {
            [0x00, 0xFF, 0x00, 0xFF] | [0x00, 0xFF, 0xFF, 0x00 | 0xFF] => true,
            [0x00, 0xFF, len, check] => len != 0 && sum(&[len, check]) == 0,
            _ => false,
        })
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(payload in payloads()) {
            let expected = [Said::Payload(payload.clone())];
            prop_assert_eq!(&said_in_steps(&encode(&payload), usize::MAX)[..], &expected);
            prop_assert_eq!(&said_in_steps(&encode_extended(&payload), usize::MAX)[..], &expected);
        }

        #[test]
        fn noise_between_frames_loses_none(
            pieces in prop::collection::vec((noise_without_frames(), any_said()), 0..8),
            step in 1usize..40,
        ) {
            let bytes: Vec<u8> =
                pieces.iter().flat_map(|(noise, said)| [noise.clone(), said.encode()].concat()).collect();
            let expected: Vec<Said> = pieces.into_iter().map(|(_, said)| said).collect();
            prop_assert_eq!(said_in_steps(&bytes, step), expected);
        }

        #[test]
        fn after_any_noise_and_enough_zeros_the_next_frame_is_found(
            noise in noise(),
            payload in payloads(),
            step in 1usize..40,
        ) {
            let bytes = [noise, vec![0x00; MOST_PAYLOAD + 1], encode(&payload)].concat();
            prop_assert_eq!(said_in_steps(&bytes, step).pop(), Some(Said::Payload(payload)));
        }

        #[test]
        fn splitting_makes_no_difference_and_nothing_panics(
            pieces in prop::collection::vec(prop_oneof![noise(), any_said().prop_map(|said| said.encode())], 0..8),
            step in 1usize..20,
        ) {
            let bytes = pieces.concat();
            prop_assert_eq!(said_in_steps(&bytes, step), said_in_steps(&bytes, usize::MAX));
        }
    }
}
