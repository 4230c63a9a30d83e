//! Cutting the reader's byte stream into lines.

use bytes::{Buf, BytesMut};

/// Longest line that is taken, in bytes without its end.
///
/// The longest row that the document knows, all columns with a 62-byte EPC, has under 250.
pub const LONGEST_LINE: usize = 4096;

/// Bytes received and not yet taken, cut at line feeds.
///
/// Lines end in LF (§1). A CR in front of it is taken off: no source shows one, and a proxy or a
/// terminal server may add it. How the bytes are split over packets makes no difference.
#[derive(Debug, Default)]
pub struct Lines {
    bytes: BytesMut,
    /// Bytes at the front that belong to lines that were handed out.
    taken: usize,
    /// Bytes behind `taken` that are known to hold no line feed; the next one may be one.
    scanned: usize,
}

/// More than [`LONGEST_LINE`] bytes without a line feed: the other side does not speak RQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineTooLong;

impl std::fmt::Display for LineTooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "more than {LONGEST_LINE} bytes without a line feed; this is not RQL")
    }
}

impl std::error::Error for LineTooLong {}

impl Lines {
    /// Where received bytes are added: room for `room` bytes, those of a line that has begun among
    /// them. Only a line that leaves less than half of it makes the memory grow.
    pub fn space(&mut self, room: usize) -> &mut BytesMut {
        self.bytes.advance(std::mem::take(&mut self.taken));
        let begun = self.bytes.len();
        let more = room.saturating_sub(begun).max(room / 2);
        if !self.bytes.try_reclaim(more) {
            // Growing in place would double what was there, taken bytes included.
            let mut larger = BytesMut::with_capacity(begun + more);
            larger.extend_from_slice(&self.bytes);
            self.bytes = larger;
        }
        &mut self.bytes
    }

    /// Adds received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.space(0).extend_from_slice(bytes);
    }

    /// The next whole line, without its end; `None` until more bytes come.
    ///
    /// # Errors
    /// [`LineTooLong`]; the bytes stay, so every further call says the same.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, LineTooLong> {
        if !self.has_line()? {
            return Ok(None);
        }
        let end = self.taken + std::mem::take(&mut self.scanned);
        let line = self.bytes.get(std::mem::replace(&mut self.taken, end + 1)..end).unwrap_or_default();
        Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)))
    }

    /// Whether a whole line is there.
    ///
    /// # Errors
    /// As [`Lines::next_line`].
    pub fn has_line(&mut self) -> Result<bool, LineTooLong> {
        let unseen = self.bytes.get(self.taken + self.scanned..).unwrap_or_default();
        let ahead = memchr::memchr(b'\n', unseen);
        self.scanned += ahead.unwrap_or(unseen.len());
        if self.scanned > LONGEST_LINE { Err(LineTooLong) } else { Ok(ahead.is_some()) }
    }

    /// What was received and not taken.
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }

    /// Takes whole lines of this many bytes off what was received.
    pub(super) fn skip(&mut self, bytes: usize) {
        if bytes > 0 {
            (self.taken, self.scanned) = (self.taken + bytes, 0);
        }
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        (self.taken, self.scanned) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(lines: &mut Lines) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        while let Ok(Some(line)) = lines.next_line() {
            found.push(line.to_vec());
        }
        found
    }

    #[test]
    fn a_line_without_an_end_is_refused_in_the_end() {
        let mut lines = Lines::default();
        for _ in 0..=LONGEST_LINE {
            assert_eq!(lines.next_line(), Ok(None));
            lines.push(b"x");
        }
        assert_eq!(lines.next_line(), Err(LineTooLong));
        lines.push(b"\n");
        assert_eq!(lines.next_line(), Err(LineTooLong));
    }

    proptest! {
        #[test]
        fn splitting_makes_no_difference(
            text in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200),
            cuts in proptest::collection::vec(0usize..200, 0..20),
        ) {
            let mut whole = Lines::default();
            whole.push(&text);
            let expected = all(&mut whole);

            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.push(text.len());
            cuts.sort_unstable();
            let (mut split, mut found, mut from) = (Lines::default(), Vec::new(), 0);
            for cut in cuts {
                split.push(&text[from..cut]);
                from = cut;
                found.extend(all(&mut split));
            }
            prop_assert_eq!(found, expected);
        }
    }
}
