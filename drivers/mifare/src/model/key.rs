//! Keys of a sector.

use std::fmt;

use zeroize::Zeroizing;

/// A key of six bytes. It is wiped from memory when dropped and never printed.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; Key::LEN]>);

impl Key {
    /// Bytes of a key.
    pub const LEN: usize = 6;

    /// The key that cards leave the factory with.
    pub const TRANSPORT: [u8; Self::LEN] = [0xFF; Self::LEN];

    /// A key from its bytes.
    pub fn new(bytes: [u8; Self::LEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The key of a card as it comes from the factory.
    pub fn transport() -> Self {
        Self::new(Self::TRANSPORT)
    }

    /// The bytes, for whoever puts them on the wire.
    pub fn reveal(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// Whether everybody knows it (§4.5): it protects nothing and marks a card as not
    /// personalised.
    pub fn is_well_known(&self) -> bool {
        const KNOWN: [[u8; Key::LEN]; 5] = [
            Key::TRANSPORT,
            [0xA0, 0xA1, 0xA2, 0xA3, 0xA4, 0xA5],
            [0xB0, 0xB1, 0xB2, 0xB3, 0xB4, 0xB5],
            [0xD3, 0xF7, 0xD3, 0xF7, 0xD3, 0xF7],
            [0; Key::LEN],
        ];
        // Without leaving early: how long it takes tells nothing of the key.
        KNOWN.iter().fold(false, |known, other| known | self.equals(&Self::new(*other)))
    }

    /// Whether both are the same, in a time that tells nothing of either.
    pub fn equals(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0.iter()).fold(0, |difference, (one, two)| difference | (one ^ two)) == 0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Which of a sector's two keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeySlot {
    /// Key A: never readable.
    A,
    /// Key B: a key only where the access bits do not let it be read.
    B,
}

impl KeySlot {
    /// The command that authenticates with it (§3.4).
    pub const fn command(self) -> u8 {
        match self {
            Self::A => 0x60,
            Self::B => 0x61,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_printed() {
        let text = format!("{:?} {:#?}", Key::new([0xAB; 6]), Key::new([171; 6]));
        assert_eq!(text, "*** ***");
    }

    #[test]
    fn keys_that_everybody_knows_are_told() {
        assert!(Key::transport().is_well_known());
        assert!(Key::new([0xD3, 0xF7, 0xD3, 0xF7, 0xD3, 0xF7]).is_well_known());
        assert!(!Key::new([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE]).is_well_known());
    }
}
