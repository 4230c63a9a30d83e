//! Numbers in a row.
//!
//! Many digits are tested and converted eight at a time in a 64-bit word. Where a number ends is left
//! to branches: they are foreseen, since rows look alike, and a place that is computed would make each
//! field wait for the one before it.

const ONES: u64 = 0x0101_0101_0101_0101;
const TOP_BITS: u64 = 0x80 * ONES;

/// Powers of ten up to 10^9.
const POWERS: [u64; 10] =
    [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

/// Most decimal digits that always fit 64 bits.
const MOST_DIGITS: usize = 19;

/// A place in a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    row: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(row: &'a [u8]) -> Self {
        Self { row, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.row.len()
    }

    /// Whether a field ends here.
    pub(super) fn is_at_end_of_field(&self) -> bool {
        self.row.get(self.at).is_none_or(|byte| *byte == b'|')
    }

    /// Passes over this byte if it is the next.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let is_it = self.row.get(self.at) == Some(&byte);
        self.at += usize::from(is_it);
        is_it
    }

    /// A number of at most 19 digits, up to the first other byte.
    #[inline]
    pub(super) fn decimal(&mut self) -> Option<u64> {
        self.more_decimal(0, 0)
    }

    /// The same, cheaper where there are more than eight digits.
    #[inline]
    pub(super) fn long_decimal(&mut self) -> Option<u64> {
        match self.row.get(self.at..).unwrap_or_default().first_chunk().and_then(eight_decimal_digits) {
            Some(value) => {
                self.at += 8;
                self.more_decimal(value, 8)
            }
            None => self.decimal(),
        }
    }

    #[inline]
    fn more_decimal(&mut self, mut value: u64, mut digits: usize) -> Option<u64> {
        while let Some(byte) = self.row.get(self.at) {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            // Too many digits are refused below.
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
            digits += 1;
            self.at += 1;
        }
        (1..=MOST_DIGITS).contains(&digits).then_some(value)
    }

    /// A fraction of at most nine digits, in parts of 10^-9.
    #[inline]
    pub(super) fn billionths(&mut self) -> Option<u64> {
        let begin = self.at;
        let value = self.decimal()?;
        let missing = 9usize.checked_sub(self.at - begin)?;
        Some(value * POWERS.get(missing).copied().unwrap_or_default())
    }

    /// Bytes of an even number of digits of either case, up to the first other byte; how many
    /// bytes. The last four places of `bytes` are room to write in.
    #[inline]
    pub(super) fn hex<const ROOM: usize>(&mut self, bytes: &mut [u8; ROOM]) -> Option<usize> {
        let mut length = 0;
        loop {
            let (part, count) = hex_digits(self.word());
            bytes.get_mut(length..)?.first_chunk_mut().map(|place: &mut [u8; 4]| *place = part)?;
            if count < 8 {
                length += count / 2;
                self.at += count;
                return (length > 0 && count % 2 == 0 && length + 4 <= ROOM).then_some(length);
            }
            length += 4;
            self.at += 8;
        }
    }

    /// The next eight bytes, the first one lowest; zero behind the end.
    fn word(&self) -> u64 {
        let rest = self.row.get(self.at..).unwrap_or_default();
        if let Some(next) = rest.first_chunk() {
            return u64::from_le_bytes(*next);
        }
        let behind = 8 * (8 - rest.len()) as u32;
        match self.row.last_chunk() {
            Some(last) => u64::from_le_bytes(*last).checked_shr(behind).unwrap_or(0),
            None => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        }
    }
}

/// The number that eight decimal digits write.
#[inline(always)]
pub(super) fn eight_decimal_digits(digits: &[u8; 8]) -> Option<u64> {
    let values = u64::from_le_bytes(*digits) ^ (u64::from(b'0') * ONES);
    // No addition reaches the next byte, since its own top bit is left out.
    if (((values & !TOP_BITS) + 0x76 * ONES) | values) & TOP_BITS != 0 {
        return None;
    }
    // Neighbours join: eight digits, four numbers below 100, two below 10,000, one.
    let pairs = (values * 10 + (values >> 8)) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_FFFF_0000_FFFF;
    Some((fours * 10_000 + (fours >> 32)) & 0xFFFF_FFFF)
}

/// The bytes that the word's leading hexadecimal digits write, and how many digits there are.
#[inline(always)]
fn hex_digits(word: u64) -> ([u8; 4], usize) {
    let is_letter = (word >> 6) & ONES;
    let upper = word & !(is_letter << 5);
    let values = (word & (0x0F * ONES)) + is_letter * 9;
    // A byte is a digit if its value, written as a digit, is that byte again.
    let is_above_9 = ((values + 0x06 * ONES) >> 4) & ONES;
    let written = values + u64::from(b'0') * ONES + is_above_9 * (b'A' - b'9' - 1) as u64;
    let wrong = (written ^ upper) | (values & (0x10 * ONES));
    let bytes = (values << 4 | values >> 8) & 0x00FF_00FF_00FF_00FF;
    let pairs = (bytes | bytes >> 8) & 0x0000_FFFF_0000_FFFF;
    (((pairs | pairs >> 16) as u32).to_le_bytes(), (wrong.trailing_zeros() / 8) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Digit by digit gives the same.
        #[test]
        fn numbers_are_what_they_are_digit_by_digit(
            text in prop_oneof!["[0-9]{0,24}", "[0-9a-fA-F]{0,24}", ".{0,12}"],
            behind in proptest::collection::vec(any::<u8>(), 0..12),
        ) {
            let row = [text.as_bytes(), &behind].concat();
            let count = |is_it: fn(&u8) -> bool| row.iter().take_while(|byte| is_it(byte)).count();

            let digits = count(u8::is_ascii_digit);
            let expected = std::str::from_utf8(&row[..digits]).unwrap().parse::<u64>().ok();
            let expected = expected.filter(|_| digits <= MOST_DIGITS);
            for decimal in [Cursor::decimal, Cursor::long_decimal] {
                let mut cursor = Cursor::new(&row);
                prop_assert_eq!(decimal(&mut cursor), expected);
                prop_assert!(digits > MOST_DIGITS || cursor.at() == digits);
            }

            let digits = count(u8::is_ascii_hexdigit);
            let pairs = std::str::from_utf8(&row[..digits]).unwrap().as_bytes().chunks_exact(2);
            let expected: Vec<u8> =
                pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect();
            let (mut cursor, mut bytes) = (Cursor::new(&row), [0; 20]);
            let length = cursor.hex(&mut bytes);
            let is_number = digits > 0 && digits % 2 == 0 && digits <= 32;
            prop_assert_eq!(length.map(|length| bytes[..length].to_vec()), is_number.then_some(expected));
        }

        #[test]
        fn each_byte_is_a_digit_or_not(byte: u8, place in 0usize..8) {
            let mut word = *b"01234567";
            word[place] = byte;
            let number = std::str::from_utf8(&word).ok().filter(|_| byte.is_ascii_digit());
            prop_assert_eq!(eight_decimal_digits(&word), number.and_then(|text| text.parse().ok()));
            prop_assert_eq!(hex_digits(u64::from_le_bytes(word)).1, if byte.is_ascii_hexdigit() { 8 } else { place });
        }
    }
}
