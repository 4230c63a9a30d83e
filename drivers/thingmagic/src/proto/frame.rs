//! Frames and their check code (§B).

use bytes::{Buf, BytesMut};

/// First byte of every frame.
const START: u8 = 0xFF;

/// Most data bytes of a frame from the module that are believed. A length above it is taken for
/// one of the bytes FF that wake a module up (§A).
const LONGEST_DATA: usize = 0xFA;

/// Bytes around the data of a reply: start, length, operation, status and check code.
const AROUND: usize = 7;

/// Frames with a wrong check code, one after another, after which the line is given up.
const MOST_BAD_FRAMES: u32 = 16;

/// The check code over everything behind the start byte.
///
/// Each bit of the message enters at the low end of the register and nothing is flushed behind
/// it, so this is not the usual CCITT code of the same polynomial.
pub fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc: u16, byte| {
        let out = TABLE.get(usize::from(crc >> 8)).copied().unwrap_or_default();
        (crc << 8 | u16::from(*byte)) ^ out
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

/// A frame from the host to the module. Data beyond 250 bytes do not fit and are cut off, which
/// no command here comes near.
pub fn command(opcode: u8, data: &[u8]) -> Vec<u8> {
    let data = data.get(..250).unwrap_or(data);
    let mut frame = vec![START, data.len() as u8, opcode];
    frame.extend_from_slice(data);
    seal(frame)
}

/// A frame from the module to the host.
pub fn reply(opcode: u8, status: u16, data: &[u8]) -> Vec<u8> {
    let data = data.get(..LONGEST_DATA).unwrap_or(data);
    let mut frame = vec![START, data.len() as u8, opcode];
    frame.extend(status.to_be_bytes());
    frame.extend_from_slice(data);
    seal(frame)
}

fn seal(mut frame: Vec<u8>) -> Vec<u8> {
    let code = crc(frame.get(1..).unwrap_or_default());
    frame.extend(code.to_be_bytes());
    frame
}

/// What the module said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    /// Operation that it answers; 22 for what comes unasked while it reads.
    pub opcode: u8,
    /// Zero for success; see [`Status`](super::Status).
    pub status: u16,
    /// The rest.
    pub data: &'a [u8],
}

/// Bytes received and not yet taken, cut into frames.
///
/// What is not a frame is skipped: noise on the line, wake-up bytes, the rest of a frame whose
/// beginning was lost.
#[derive(Debug, Default)]
pub struct Frames {
    bytes: BytesMut,
    /// Bytes at the front that belong to the frame handed out last.
    taken: usize,
    bad: u32,
}

/// Too many wrong check codes: the other side does not speak this protocol, or at another rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoFrames;

impl std::fmt::Display for NoFrames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{MOST_BAD_FRAMES} frames with a wrong check code one after another")
    }
}

impl std::error::Error for NoFrames {}

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

    /// Whether there are bytes that no frame has taken: behind a [`Frames::next_frame`] that found none, the beginning
    /// of one.
    pub fn has_begun(&self) -> bool {
        self.bytes.len() > self.taken
    }

    /// Takes the beginning of a frame for none: the next one is looked for behind its first byte.
    pub fn pass_over_start(&mut self) {
        self.bytes.advance(std::mem::take(&mut self.taken));
        self.bytes.advance(self.bytes.len().min(1));
    }

    /// The next whole frame; `None` until more bytes come.
    ///
    /// # Errors
    /// [`NoFrames`]; further calls go on behind the bad frames.
    pub fn next_frame(&mut self) -> Result<Option<Reply<'_>>, NoFrames> {
        if !self.has_frame()? {
            return Ok(None);
        }
        let frame = self.bytes.get(..self.taken).unwrap_or_default();
        let [_, _, opcode, high, low, data @ .., _, _] = frame else { return Ok(None) };
        Ok(Some(Reply { opcode: *opcode, status: u16::from_be_bytes([*high, *low]), data }))
    }

    /// Finds the next frame and notes its length.
    fn has_frame(&mut self) -> Result<bool, NoFrames> {
        self.bytes.advance(std::mem::take(&mut self.taken));
        loop {
            let skip = memchr::memchr(START, &self.bytes).unwrap_or(self.bytes.len());
            self.bytes.advance(skip);
            let Some(len) = self.bytes.get(1).map(|len| usize::from(*len)) else { return Ok(false) };
            if len > LONGEST_DATA {
                self.bytes.advance(1);
                continue;
            }
            let Some(frame) = self.bytes.get(..len + AROUND) else { return Ok(false) };
            let (said, code) = frame.split_at(len + AROUND - 2);
            if crc(said.get(1..).unwrap_or_default()).to_be_bytes() == code {
                self.bad = 0;
                self.taken = len + AROUND;
                return Ok(true);
            }
            self.bytes.advance(1);
            self.bad += 1;
            if self.bad >= MOST_BAD_FRAMES {
                self.bad = 0;
                return Err(NoFrames);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_check_codes_of_section_b() {
        for (frame, code) in [
            ([0x00, 0x03].as_slice(), 0x1D0C),
            (&[0x00, 0x04], 0x1D0B),
            (&[0x00, 0x2A], 0x1D25),
            (&[0x00, 0x72], 0x1D7D),
            (&[0x01, 0x97, 0x0D], 0x4BB0),
            (&[0x02, 0x93, 0x00, 0x05], 0x517D),
            (&[0x02, 0x91, 0x01, 0x01], 0x703B),
            (&[0x02, 0x92, 0x07, 0xD0], 0x4689),
            (&[0x03, 0x9A, 0x01, 0x0C, 0x00], 0xA35D),
            (&[0x03, 0x2F, 0x00, 0x00, 0x02], 0x5E86),
        ] {
            assert_eq!(crc(frame), code, "{frame:02X?}");
        }
    }

    #[test]
    fn wake_up_bytes_and_noise_are_skipped() {
        let mut frames = Frames::default();
        frames.push(&[0xFF; 16]);
        frames.push(&[0x12, 0xFF, 0x03, 0x55]);
        frames.push(&reply(0x22, 0x0400, &[]));
        frames.push(&reply(0x03, 0, &[1, 2]));
        // Noise that looks like the beginning of a frame waits for as many bytes as it announces.
        assert_eq!(frames.next_frame(), Ok(None));
        frames.push(&reply(0x66, 0, &[]));
        assert_eq!(frames.next_frame(), Ok(Some(Reply { opcode: 0x22, status: 0x0400, data: &[] })));
        assert_eq!(frames.next_frame(), Ok(Some(Reply { opcode: 0x03, status: 0, data: &[1, 2] })));
        assert_eq!(frames.next_frame(), Ok(Some(Reply { opcode: 0x66, status: 0, data: &[] })));
        assert_eq!(frames.next_frame(), Ok(None));
    }

    #[test]
    fn a_line_without_frames_is_given_up() {
        let mut frames = Frames::default();
        frames.push(&[0xFF, 0x00].repeat(200));
        assert_eq!(frames.next_frame(), Err(NoFrames));
    }

    proptest! {
        #[test]
        fn splitting_makes_no_difference_and_nothing_panics(
            pieces in proptest::collection::vec(prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..40),
                (any::<u8>(), any::<u16>(), proptest::collection::vec(any::<u8>(), 0..60))
                    .prop_map(|(opcode, status, data)| reply(opcode, status, &data)),
            ], 0..8),
            step in 1usize..20,
        ) {
            let bytes = pieces.concat();
            let all = |step: usize| {
                let mut frames = Frames::default();
                let mut found = Vec::new();
                for piece in bytes.chunks(step) {
                    frames.push(piece);
                    while let Ok(Some(frame)) = frames.next_frame() {
                        found.push((frame.opcode, frame.status, frame.data.to_vec()));
                    }
                }
                found
            };
            prop_assert_eq!(all(step), all(bytes.len().max(1)));
        }
    }
}
