//! Access bits: who may do what in a sector (§3.3).

use std::fmt;

use super::KeySlot;

/// What is done to a block of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataOperation {
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Adding to a value.
    Increment,
    /// Taking from a value, and loading or storing one.
    Decrement,
}

/// What is done to a part of a trailer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrailerOperation {
    /// Writing key A, which nobody can read.
    WriteKeyA,
    /// Reading the access bits and the user byte.
    ReadAccess,
    /// Writing them.
    WriteAccess,
    /// Reading key B, which makes it data instead of a key.
    ReadKeyB,
    /// Writing key B.
    WriteKeyB,
}

/// Whom a condition lets do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Nobody,
    A,
    B,
    Either,
}

impl Who {
    const fn includes(self, slot: KeySlot) -> bool {
        matches!((self, slot), (Self::Either, _) | (Self::A, KeySlot::A) | (Self::B, KeySlot::B))
    }
}

/// Condition of a group of data blocks. The numbers are C1 C2 C3 as bits, C1 the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DataAccess {
    /// Either key does everything.
    Open = 0b000,
    /// Either key reads and takes from a value; nobody writes.
    ValueDown = 0b001,
    /// Either key reads; nobody writes.
    ReadOnly = 0b010,
    /// Key B reads and writes.
    KeyB = 0b011,
    /// Either key reads, key B writes.
    ReadWriteB = 0b100,
    /// Key B reads; nobody writes.
    ReadOnlyB = 0b101,
    /// Either key reads and takes from a value, key B writes and adds.
    Value = 0b110,
    /// Nobody does anything.
    Closed = 0b111,
}

impl DataAccess {
    /// All of them, by their bits.
    pub const ALL: [Self; 8] = [
        Self::Open,
        Self::ValueDown,
        Self::ReadOnly,
        Self::KeyB,
        Self::ReadWriteB,
        Self::ReadOnlyB,
        Self::Value,
        Self::Closed,
    ];

    /// Whether this key may do this.
    pub const fn allows(self, operation: DataOperation, slot: KeySlot) -> bool {
        use DataOperation::{Decrement, Increment, Read, Write};
        let who = match (self, operation) {
            (Self::Open, _)
            | (Self::ReadOnly | Self::ReadWriteB, Read)
            | (Self::Value | Self::ValueDown, Read | Decrement) => Who::Either,
            (Self::ReadWriteB, Write)
            | (Self::Value, Write | Increment)
            | (Self::KeyB, Read | Write)
            | (Self::ReadOnlyB, Read) => Who::B,
            _ => Who::Nobody,
        };
        who.includes(slot)
    }
}

/// Condition of a trailer. The numbers are C1 C2 C3 as bits, C1 the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TrailerAccess {
    /// Key A changes the keys, access bits are frozen, key B is data.
    KeyAFrozen = 0b000,
    /// As cards leave the factory: key A changes everything, key B is data.
    Transport = 0b001,
    /// Nothing can be changed, key B is data.
    DataFrozen = 0b010,
    /// Key B changes everything. The one to use.
    KeyB = 0b011,
    /// Key B changes the keys, access bits are frozen.
    KeyBFrozen = 0b100,
    /// Key B changes the access bits only.
    KeysFrozen = 0b101,
    /// Nothing can be changed.
    Frozen = 0b110,
    /// The same.
    FrozenToo = 0b111,
}

impl TrailerAccess {
    /// All of them, by their bits.
    pub const ALL: [Self; 8] = [
        Self::KeyAFrozen,
        Self::Transport,
        Self::DataFrozen,
        Self::KeyB,
        Self::KeyBFrozen,
        Self::KeysFrozen,
        Self::Frozen,
        Self::FrozenToo,
    ];

    /// Whether this key may do this.
    pub const fn allows(self, operation: TrailerOperation, slot: KeySlot) -> bool {
        use TrailerOperation::{ReadAccess, ReadKeyB, WriteAccess, WriteKeyA, WriteKeyB};
        let who = match (self, operation) {
            (Self::KeyAFrozen | Self::Transport, WriteKeyA | WriteKeyB)
            | (Self::Transport, WriteAccess)
            | (Self::KeyAFrozen | Self::Transport | Self::DataFrozen, ReadAccess | ReadKeyB) => Who::A,
            (Self::KeyB | Self::KeyBFrozen, WriteKeyA | WriteKeyB)
            | (Self::KeyB | Self::KeysFrozen, WriteAccess) => Who::B,
            (_, ReadAccess) => Who::Either,
            _ => Who::Nobody,
        };
        who.includes(slot)
    }

    /// Whether key B can be read and so opens nothing: the card takes it and then refuses
    /// everything.
    pub const fn key_b_is_data(self) -> bool {
        self.allows(TrailerOperation::ReadKeyB, KeySlot::A)
    }
}

/// The conditions of a whole sector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AccessBits {
    /// Of the three groups of data blocks.
    pub data: [DataAccess; 3],
    /// Of the trailer.
    pub trailer: TrailerAccess,
}

/// The two copies of the access bits differ: the card blocks such a sector for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopiesDiffer;

impl fmt::Display for CopiesDiffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the access bits and their inverted copy differ")
    }
}

impl std::error::Error for CopiesDiffer {}

impl AccessBits {
    /// As cards leave the factory.
    pub const TRANSPORT: Self = Self { data: [DataAccess::Open; 3], trailer: TrailerAccess::Transport };

    /// From bytes 6 to 8 of a trailer.
    ///
    /// # Errors
    /// The inverted copy does not fit.
    pub fn decode(bytes: [u8; 3]) -> Result<Self, CopiesDiffer> {
        let [low, middle, high] = bytes;
        let (c1, c2, c3) = (middle >> 4, high & 0x0F, high >> 4);
        let inverted = (low & 0x0F, low >> 4, middle & 0x0F);
        if inverted != (!c1 & 0x0F, !c2 & 0x0F, !c3 & 0x0F) {
            return Err(CopiesDiffer);
        }
        let bits = |group: u8| {
            let bit = |word: u8| usize::from(word >> group & 1);
            bit(c1) << 2 | bit(c2) << 1 | bit(c3)
        };
        // Three bits name one of eight.
        let data = |group| DataAccess::ALL.get(bits(group)).copied().unwrap_or(DataAccess::Closed);
        let trailer = TrailerAccess::ALL.get(bits(3)).copied().unwrap_or(TrailerAccess::Frozen);
        Ok(Self { data: [data(0), data(1), data(2)], trailer })
    }

    /// Bytes 6 to 8 of a trailer.
    pub fn encode(self) -> [u8; 3] {
        let [zero, one, two] = self.data.map(|access| access as u8);
        let groups = [zero, one, two, self.trailer as u8];
        let word =
            |bit: u8| (0u8..).zip(groups).fold(0, |word, (group, bits)| word | (bits >> bit & 1) << group);
        let (c1, c2, c3) = (word(2), word(1), word(0));
        [(!c2 & 0x0F) << 4 | (!c1 & 0x0F), c1 << 4 | (!c3 & 0x0F), c3 << 4 | c2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The tables of the document, letter by letter: data by read, write, increment, decrement;
    /// trailers by write A, read access, write access, read B, write B.
    const DATA: [(&str, [&str; 4]); 8] = [
        ("000", ["AB", "AB", "AB", "AB"]),
        ("010", ["AB", "-", "-", "-"]),
        ("100", ["AB", "B", "-", "-"]),
        ("110", ["AB", "B", "B", "AB"]),
        ("001", ["AB", "-", "-", "AB"]),
        ("011", ["B", "B", "-", "-"]),
        ("101", ["B", "-", "-", "-"]),
        ("111", ["-", "-", "-", "-"]),
    ];
    const TRAILER: [(&str, [&str; 5]); 8] = [
        ("000", ["A", "A", "-", "A", "A"]),
        ("010", ["-", "A", "-", "A", "-"]),
        ("100", ["B", "AB", "-", "-", "B"]),
        ("110", ["-", "AB", "-", "-", "-"]),
        ("001", ["A", "A", "A", "A", "A"]),
        ("011", ["B", "AB", "B", "-", "B"]),
        ("101", ["-", "AB", "B", "-", "-"]),
        ("111", ["-", "AB", "-", "-", "-"]),
    ];

    #[test]
    fn conditions_are_those_of_the_document() {
        use DataOperation::{Decrement, Increment, Read, Write};
        use TrailerOperation::{ReadAccess, ReadKeyB, WriteAccess, WriteKeyA, WriteKeyB};
        for (bits, row) in DATA {
            let access = DataAccess::ALL[usize::from_str_radix(bits, 2).unwrap()];
            assert_eq!(access as usize, usize::from_str_radix(bits, 2).unwrap());
            for (operation, who) in [Read, Write, Increment, Decrement].into_iter().zip(row) {
                assert_eq!(access.allows(operation, KeySlot::A), who.contains('A'), "{bits} {operation:?}");
                assert_eq!(access.allows(operation, KeySlot::B), who.contains('B'), "{bits} {operation:?}");
            }
        }
        let operations = [WriteKeyA, ReadAccess, WriteAccess, ReadKeyB, WriteKeyB];
        for (bits, row) in TRAILER {
            let access = TrailerAccess::ALL[usize::from_str_radix(bits, 2).unwrap()];
            assert_eq!(access as usize, usize::from_str_radix(bits, 2).unwrap());
            for (operation, who) in operations.into_iter().zip(row) {
                assert_eq!(access.allows(operation, KeySlot::A), who.contains('A'), "{bits} {operation:?}");
                assert_eq!(access.allows(operation, KeySlot::B), who.contains('B'), "{bits} {operation:?}");
            }
        }
    }

    #[test]
    fn the_words_that_cards_carry() {
        use DataAccess::{KeyB, Open, ReadOnly, ReadWriteB, Value};
        for (bytes, data, trailer) in [
            ([0xFF, 0x07, 0x80], [Open; 3], TrailerAccess::Transport),
            ([0x78, 0x77, 0x88], [ReadWriteB; 3], TrailerAccess::KeyB),
            ([0x7F, 0x07, 0x88], [Open; 3], TrailerAccess::KeyB),
            ([0x79, 0x67, 0x88], [Open, ReadWriteB, ReadWriteB], TrailerAccess::KeyB),
            ([0x38, 0x77, 0x8C], [ReadWriteB, ReadWriteB, Value], TrailerAccess::KeyB),
            ([0x0F, 0x00, 0xFF], [KeyB; 3], TrailerAccess::KeyB),
            ([0xF0, 0xFF, 0x00], [ReadWriteB; 3], TrailerAccess::KeyBFrozen),
            ([0x07, 0x8F, 0x0F], [ReadOnly; 3], TrailerAccess::Frozen),
        ] {
            assert_eq!(AccessBits { data, trailer }.encode(), bytes);
            assert_eq!(AccessBits::decode(bytes), Ok(AccessBits { data, trailer }));
        }
    }

    proptest! {
        #[test]
        fn only_words_whose_copies_agree_are_taken(bytes: [u8; 3]) {
            if let Ok(access) = AccessBits::decode(bytes) {
                prop_assert_eq!(access.encode(), bytes);
            }
        }

        #[test]
        fn one_wrong_bit_is_noticed(word in 0usize..4096, bit in 0usize..24) {
            let part = |shift: usize| word >> shift & 7;
            let data = [0, 3, 6].map(|shift| DataAccess::ALL[part(shift)]);
            let access = AccessBits { data, trailer: TrailerAccess::ALL[part(9)] };
            let mut bytes = access.encode();
            prop_assert_eq!(AccessBits::decode(bytes), Ok(access));
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(AccessBits::decode(bytes), Err(CopiesDiffer));
        }
    }
}
