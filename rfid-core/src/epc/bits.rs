//! Bits of any length, most significant first.

use std::fmt;

/// A run of bits, most significant first, in whole 16-bit words; what fills up the last word is
/// zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bits {
    bytes: Vec<u8>,
    len: usize,
}

impl Bits {
    /// Number of bits, without those that fill up the last word.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bits as the EPC bank holds them: whole 16-bit words.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds the low `count` bits of a value, at most 128.
    pub(super) fn put(&mut self, value: u128, count: usize) {
        for place in (0..count).rev() {
            let at = self.len / 8;
            if at == self.bytes.len() {
                self.bytes.extend([0, 0]);
            }
            let bit = u8::try_from(value >> place & 1).unwrap_or(0);
            if let Some(byte) = self.bytes.get_mut(at) {
                *byte |= bit << (7 - self.len % 8);
            }
            self.len += 1;
        }
    }
}

/// Capital hexadecimal digits of the whole words.
impl fmt::UpperHex for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

/// Takes bits off the front.
#[derive(Clone, Debug)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next `count` bits, at most 128; `None` if there are fewer.
    pub(super) fn take(&mut self, count: usize) -> Option<u128> {
        if count > self.bytes.len() * 8 - self.at {
            return None;
        }
        let mut value = 0;
        for at in self.at..self.at + count {
            let byte = self.bytes.get(at / 8)?;
            value = value << 1 | u128::from(byte >> (7 - at % 8) & 1);
        }
        self.at += count;
        Some(value)
    }

    /// The next bits as a number that fits a byte; for fields of at most eight bits.
    pub(super) fn take_u8(&mut self, count: usize) -> Option<u8> {
        self.take(count).and_then(|value| u8::try_from(value).ok())
    }

    /// What was taken so far.
    pub(super) fn taken(&self) -> Bits {
        let mut bits = Bits::default();
        let mut again = BitReader::new(self.bytes);
        let mut left = self.at;
        while left > 0 {
            let count = left.min(64);
            bits.put(again.take(count).unwrap_or(0), count);
            left -= count;
        }
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_put_is_taken(fields in proptest::collection::vec((any::<u128>(), 1usize..=128), 0..12)) {
            let fields: Vec<(u128, usize)> =
                fields.into_iter().map(|(value, count)| (value >> (128 - count), count)).collect();
            let mut bits = Bits::default();
            for (value, count) in &fields {
                bits.put(*value, *count);
            }
            prop_assert_eq!(bits.bytes().len() % 2, 0);
            let mut reader = BitReader::new(bits.bytes());
            for (value, count) in &fields {
                prop_assert_eq!(reader.take(*count), Some(*value));
            }
            prop_assert_eq!(reader.taken(), bits.clone());
            prop_assert_eq!(reader.take(bits.bytes().len() * 8 - bits.len() + 1), None);
        }
    }
}
