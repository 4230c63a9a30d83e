//! The customer card number in a sector, bound to the card by a signature (§5.1, §5.2).

use std::fmt;

use super::{BLOCK, Block, SecretKey, Sector, Uid};

/// Low half of the first byte: how the record is laid out.
const LAYOUT: u8 = 0x01;
const TYPE_NUMBER: u8 = 0x01;
const TYPE_TEXT: u8 = 0x02;
/// Bytes that the signature covers; it follows them.
const SIGNED: usize = 12;

/// A customer card number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum CustomerNumber {
    /// A number.
    Number(u64),
    /// Up to eight printable ASCII characters, zeros behind.
    Text([u8; 8]),
}

/// Some text cannot stand on a card as a customer number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotACustomerNumber;

impl fmt::Display for NotACustomerNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a customer number is a number below 2^64 without leading zeros, or up to 8 characters of printable ASCII")
    }
}

impl std::error::Error for NotACustomerNumber {}

impl std::str::FromStr for CustomerNumber {
    type Err = NotACustomerNumber;

    /// Digits that are not lost in a number are one; everything else is text.
    fn from_str(text: &str) -> Result<Self, NotACustomerNumber> {
        if let Ok(number) = text.parse::<u64>()
            && number.to_string() == text
        {
            return Ok(Self::Number(number));
        }
        let fits = (1..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        let mut bytes = [0; 8];
        bytes.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
        fits.then_some(Self::Text(bytes)).ok_or(NotACustomerNumber)
    }
}

impl fmt::Display for CustomerNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(bytes) => bytes
                .iter()
                .take_while(|byte| **byte != 0)
                .try_for_each(|byte| write!(f, "{}", char::from(*byte))),
        }
    }
}

impl fmt::Debug for CustomerNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which card and sector a record is bound to, and the key of its signature.
#[derive(Clone, Copy, Debug)]
pub struct Binding<'a> {
    /// Signs.
    pub key: &'a SecretKey,
    /// The card.
    pub uid: &'a Uid,
    /// The sector.
    pub sector: Sector,
}

/// What stands in one of the two slots of a sector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Version of the keys of this card, 0 to 15, so that secrets can be rolled.
    pub key_version: u8,
    /// One more at every write, in a circle of 256.
    pub sequence: u8,
    /// The customer card number.
    pub number: CustomerNumber,
}

impl Record {
    /// As it stands in a block.
    pub fn encode(&self, binding: Binding<'_>) -> Block {
        let (kind, number) = match self.number {
            CustomerNumber::Number(number) => (TYPE_NUMBER, number.to_be_bytes()),
            CustomerNumber::Text(text) => (TYPE_TEXT, text),
        };
        let mut block = [0; BLOCK];
        let head = [self.key_version << 4 | LAYOUT, self.sequence, kind];
        block.iter_mut().zip(head.into_iter().chain(number)).for_each(|(to, from)| *to = from);
        let signature = signature(&block, binding);
        block.iter_mut().skip(SIGNED).zip(signature).for_each(|(to, from)| *to = from);
        block
    }

    /// What stands in a block, if its signature fits this card and sector.
    pub fn decode(block: &Block, binding: Binding<'_>) -> Option<Self> {
        let [head, sequence, kind, n0, n1, n2, n3, n4, n5, n6, n7, _flags, ref signed @ ..] = *block;
        let expected = signature(block, binding);
        // In a time that tells nothing of the signature.
        if signed.iter().zip(expected).fold(0, |difference, (one, two)| difference | (one ^ two)) != 0 {
            return None;
        }
        let bytes = [n0, n1, n2, n3, n4, n5, n6, n7];
        let number = match kind {
            TYPE_NUMBER => CustomerNumber::Number(u64::from_be_bytes(bytes)),
            TYPE_TEXT => CustomerNumber::Text(bytes),
            _ => return None,
        };
        (head & 0x0F == LAYOUT).then_some(Self { key_version: head >> 4, sequence, number })
    }
}

fn signature(block: &Block, binding: Binding<'_>) -> [u8; BLOCK - SIGNED] {
    let mut message = binding.uid.bytes().to_vec();
    message.push(binding.sector.number());
    message.extend(block.iter().take(SIGNED));
    binding.key.mac(&message).first_chunk().copied().unwrap_or_default()
}

/// One of the two blocks that records are written to in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The first block of the sector.
    First,
    /// The second one.
    Second,
}

impl Slot {
    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    /// Its block in this sector.
    pub const fn block(self, sector: Sector) -> u8 {
        match self {
            Self::First => sector.first_block(),
            Self::Second => sector.first_block() + 1,
        }
    }
}

/// What both slots together say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing was ever written.
    Blank,
    /// The record that counts, and where it stands.
    Current(Slot, Record),
    /// Something stands there, and none of it is a record of this card.
    Foreign,
}

impl Content {
    /// Reads both slots. Of two records the later one counts: the one that is less than half a
    /// circle ahead.
    pub fn read(first: &Block, second: &Block, binding: Binding<'_>) -> Self {
        match (Record::decode(first, binding), Record::decode(second, binding)) {
            (Some(one), Some(two)) if two.sequence.wrapping_sub(one.sequence).wrapping_sub(1) < 127 => {
                Self::Current(Slot::Second, two)
            }
            (Some(one), _) => Self::Current(Slot::First, one),
            (None, Some(two)) => Self::Current(Slot::Second, two),
            (None, None) if *first == [0; BLOCK] && *second == [0; BLOCK] => Self::Blank,
            (None, None) => Self::Foreign,
        }
    }

    /// Where the next record goes and what its sequence number is: never over the one that counts.
    pub fn next(&self) -> (Slot, u8) {
        match self {
            Self::Current(slot, record) => (slot.other(), record.sequence.wrapping_add(1)),
            Self::Blank | Self::Foreign => (Slot::First, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> SecretKey {
        SecretKey::from_hex("2B7E151628AED2A6ABF7158809CF4F3C").unwrap()
    }

    fn uid() -> Uid {
        Uid::try_from([0xDE, 0xAD, 0xBE, 0xEF].as_slice()).unwrap()
    }

    const SECTOR: Sector = Sector::of_block(4);

    #[test]
    fn the_documented_record() {
        let (key, uid) = (key(), uid());
        let binding = Binding { key: &key, uid: &uid, sector: SECTOR };
        let record = Record { key_version: 0, sequence: 7, number: CustomerNumber::Number(1_234_567_890) };
        let block = record.encode(binding);
        assert_eq!(block, [1, 7, 1, 0, 0, 0, 0, 0x49, 0x96, 0x02, 0xD2, 0, 0x6D, 0x0A, 0x20, 0x8E]);
        assert_eq!(Record::decode(&block, binding), Some(record));
        let other = Uid::try_from([0xDE, 0xAD, 0xBE, 0xEE].as_slice()).unwrap();
        assert_eq!(
            Record::decode(&block, Binding { uid: &other, ..binding }),
            None,
            "copied to another card"
        );
        let elsewhere = Binding { sector: Sector::of_block(8), ..binding };
        assert_eq!(Record::decode(&block, elsewhere), None, "copied to another sector");
    }

    #[test]
    fn numbers_and_text() {
        let number = |text: &str| text.parse::<CustomerNumber>();
        assert_eq!(number("1234567890"), Ok(CustomerNumber::Number(1_234_567_890)));
        assert_eq!(number("007"), Ok(CustomerNumber::Text(*b"007\0\0\0\0\0")), "a leading zero is kept");
        assert_eq!(number("+7").map(|number| number.to_string()), Ok("+7".to_owned()));
        for text in ["", "123456789X", "A B", "Ä", "18446744073709551616"] {
            assert_eq!(number(text), Err(NotACustomerNumber), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_a_wrong_bit_is_noticed(
            key_version in 0u8..16, sequence: u8, text in "[!-~]{1,8}", bit in 0usize..128
        ) {
            let (key, uid) = (key(), uid());
            let binding = Binding { key: &key, uid: &uid, sector: SECTOR };
            let number: CustomerNumber = text.parse().unwrap();
            prop_assert_eq!(number.to_string(), text);
            let record = Record { key_version, sequence, number };
            let mut block = record.encode(binding);
            prop_assert_eq!(Record::decode(&block, binding), Some(record));
            block[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Record::decode(&block, binding), None);
        }

        #[test]
        fn writes_in_turn_always_leave_the_latest(writes in 1usize..600) {
            let (key, uid) = (key(), uid());
            let binding = Binding { key: &key, uid: &uid, sector: SECTOR };
            let mut slots = [[0; BLOCK]; 2];
            for write in 0..writes {
                let content = Content::read(&slots[0], &slots[1], binding);
                let (slot, sequence) = content.next();
                let number = CustomerNumber::Number(write as u64);
                slots[slot as usize] = Record { key_version: 0, sequence, number }.encode(binding);
            }
            let Content::Current(_, record) = Content::read(&slots[0], &slots[1], binding) else {
                return Err(TestCaseError::fail("nothing is current"));
            };
            prop_assert_eq!(record.number, CustomerNumber::Number(writes as u64 - 1));
        }
    }
}
