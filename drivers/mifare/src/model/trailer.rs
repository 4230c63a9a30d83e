//! Trailers that leave a sector usable (§5.3).

use std::fmt;

use zeroize::Zeroizing;

use super::{AccessBits, BLOCK, Block, DataAccess, Key, TrailerAccess};

/// The user byte of a card as it comes from the factory.
const FACTORY_USER_BYTE: u8 = 0x69;

/// Two keys that protect a sector.
#[derive(Clone, Debug)]
pub struct KeyPair {
    a: Key,
    b: Key,
}

/// Why two keys protect nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeakKeys {
    /// Both are the same, so whoever reads can write.
    Same,
    /// Everybody knows one of them.
    WellKnown,
}

impl fmt::Display for WeakKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Same => "both keys of a sector are the same, so whoever reads could write",
            Self::WellKnown => "one of the keys is a factory key that everybody knows",
        })
    }
}

impl std::error::Error for WeakKeys {}

impl KeyPair {
    /// Key A reads, key B writes.
    ///
    /// # Errors
    /// They would protect nothing.
    pub fn new(a: Key, b: Key) -> Result<Self, WeakKeys> {
        if a.is_well_known() || b.is_well_known() {
            return Err(WeakKeys::WellKnown);
        }
        if a.equals(&b) {
            return Err(WeakKeys::Same);
        }
        Ok(Self { a, b })
    }

    /// Key A.
    pub fn a(&self) -> &Key {
        &self.a
    }

    /// Key B.
    pub fn b(&self) -> &Key {
        &self.b
    }
}

/// The last block of a sector, to be written.
///
/// There are two kinds only: that of the factory, and one whose keys are both keys and of which
/// key B may change everything. What nobody can take back has a name that says so.
#[derive(Clone, Debug)]
pub struct Trailer {
    key_a: Key,
    key_b: Key,
    access: AccessBits,
    user_byte: u8,
}

impl Trailer {
    /// As cards leave the factory: the transport key opens everything.
    pub fn factory() -> Self {
        Self {
            key_a: Key::transport(),
            key_b: Key::transport(),
            access: AccessBits::TRANSPORT,
            user_byte: FACTORY_USER_BYTE,
        }
    }

    /// Data under these conditions, and key B changes keys and conditions.
    pub fn keyed(keys: KeyPair, data: [DataAccess; 3]) -> Self {
        let KeyPair { a, b } = keys;
        let access = AccessBits { data, trailer: TrailerAccess::KeyB };
        Self { key_a: a, key_b: b, access, user_byte: FACTORY_USER_BYTE }
    }

    /// Lets nobody change the conditions of this sector ever again; keys can still be changed.
    #[must_use]
    pub fn permanently_freeze_conditions(mut self) -> Self {
        self.access.trailer = match self.access.trailer {
            TrailerAccess::Transport => TrailerAccess::KeyAFrozen,
            TrailerAccess::KeyB => TrailerAccess::KeyBFrozen,
            frozen => frozen,
        };
        self
    }

    /// Lets nobody change keys or conditions of this sector ever again.
    #[must_use]
    pub fn permanently_freeze(mut self) -> Self {
        self.access.trailer = TrailerAccess::Frozen;
        self
    }

    /// Its conditions.
    pub fn access(&self) -> AccessBits {
        self.access
    }

    /// As it stands in the block.
    pub fn encode(&self) -> Zeroizing<Block> {
        let mut block = Zeroizing::new([0; BLOCK]);
        let access = self.access.encode();
        let parts = self.key_a.reveal().iter().chain(&access).chain([&self.user_byte]);
        block.iter_mut().zip(parts.chain(self.key_b.reveal())).for_each(|(to, from)| *to = *from);
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DataOperation, KeySlot, TrailerOperation};
    use proptest::prelude::*;

    fn keys() -> KeyPair {
        KeyPair::new(Key::new([1; 6]), Key::new([2; 6])).unwrap()
    }

    #[test]
    fn keys_that_protect_nothing_make_no_pair() {
        let new = |a: [u8; 6], b: [u8; 6]| KeyPair::new(Key::new(a), Key::new(b)).map(drop);
        assert_eq!(new([1; 6], [1; 6]), Err(WeakKeys::Same));
        assert_eq!(new([1; 6], Key::TRANSPORT), Err(WeakKeys::WellKnown));
        assert_eq!(new([0; 6], [1; 6]), Err(WeakKeys::WellKnown));
    }

    #[test]
    fn the_documented_words() {
        let factory = Trailer::factory().encode();
        assert_eq!(factory[..], [[0xFF; 6].as_slice(), &[0xFF, 0x07, 0x80, 0x69], &[0xFF; 6]].concat());
        let keyed = Trailer::keyed(keys(), [DataAccess::ReadWriteB; 3]);
        assert_eq!(keyed.encode()[..], [[1; 6].as_slice(), &[0x78, 0x77, 0x88, 0x69], &[2; 6]].concat());
        let frozen = keyed.clone().permanently_freeze_conditions();
        assert_eq!(frozen.encode()[6..9], [0xF0, 0xFF, 0x00]);
        let read_only = Trailer::keyed(keys(), [DataAccess::ReadOnly; 3]).permanently_freeze();
        assert_eq!(read_only.encode()[6..9], [0x07, 0x8F, 0x0F]);
        let printed = format!("{keyed:?}");
        assert!(printed.contains("key_a: ***, key_b: ***"), "no byte of a key is printed: {printed}");
    }

    proptest! {
        #[test]
        fn a_trailer_that_is_not_made_permanent_can_always_be_changed(groups in [0usize..8, 0..8, 0..8]) {
            let data = groups.map(|bits| DataAccess::ALL[bits]);
            for trailer in [Trailer::keyed(keys(), data), Trailer::factory()] {
                let access = AccessBits::decode(trailer.encode()[6..9].try_into().unwrap()).unwrap();
                prop_assert_eq!(access, trailer.access());
                let rules = access.trailer;
                let changer = if rules.key_b_is_data() { KeySlot::A } else { KeySlot::B };
                for operation in
                    [TrailerOperation::WriteKeyA, TrailerOperation::WriteAccess, TrailerOperation::WriteKeyB]
                {
                    prop_assert!(rules.allows(operation, changer));
                }
                // Where key B is data, nothing asks for it.
                let needs_b = access.data.iter().any(|data| {
                    data.allows(DataOperation::Write, KeySlot::B) && !data.allows(DataOperation::Write, KeySlot::A)
                });
                prop_assert!(!(rules.key_b_is_data() && needs_b));
            }
        }
    }
}
