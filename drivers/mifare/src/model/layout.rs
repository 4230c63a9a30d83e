//! Sectors and blocks (§3.2).

/// First sector with 16 blocks instead of 4, and its first block.
const FIRST_BIG: u8 = 32;
const FIRST_BLOCK_OF_BIG: u8 = 128;

/// A sector of a card, by its number: 0 to 39.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sector(u8);

impl Sector {
    /// Most sectors that a card has.
    pub const MOST: u8 = 40;

    /// The sector with this number, if cards have one.
    pub const fn new(number: u8) -> Option<Self> {
        if number < Self::MOST { Some(Self(number)) } else { None }
    }

    /// The sector of a block.
    pub const fn of_block(block: u8) -> Self {
        if block < FIRST_BLOCK_OF_BIG {
            Self(block / 4)
        } else {
            Self(FIRST_BIG + (block - FIRST_BLOCK_OF_BIG) / 16)
        }
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Number of its first block.
    pub const fn first_block(self) -> u8 {
        if self.0 < FIRST_BIG { self.0 * 4 } else { FIRST_BLOCK_OF_BIG + (self.0 - FIRST_BIG) * 16 }
    }

    /// How many blocks it has, the trailer included.
    pub const fn blocks(self) -> u8 {
        if self.0 < FIRST_BIG { 4 } else { 16 }
    }

    /// Number of its last block, which holds keys and access bits.
    pub const fn trailer(self) -> u8 {
        self.first_block() + (self.blocks() - 1)
    }

    /// Numbers of the blocks before the trailer.
    pub fn data_blocks(self) -> impl Iterator<Item = u8> {
        self.first_block()..self.trailer()
    }

    /// Which of its four groups of access bits speaks of this block: 0 to 2 for data, 3 for the
    /// trailer. In a big sector five data blocks share a group.
    pub const fn group_of(block: u8) -> usize {
        let sector = Self::of_block(block);
        let within = block - sector.first_block();
        (if sector.blocks() == 4 { within } else { within / 5 }) as usize
    }
}

/// Whether a block is the trailer of its sector.
pub const fn is_trailer(block: u8) -> bool {
    Sector::of_block(block).trailer() == block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_lies_in_one_sector_and_one_group() {
        let mut next = 0u16;
        for number in 0..Sector::MOST {
            let sector = Sector::new(number).unwrap();
            assert_eq!(u16::from(sector.first_block()), next);
            for block in sector.first_block()..=sector.trailer() {
                assert_eq!(Sector::of_block(block), sector);
                assert_eq!(is_trailer(block), block == sector.trailer());
                assert_eq!(Sector::group_of(block) == 3, is_trailer(block));
                next += 1;
            }
        }
        assert_eq!(next, 256);
        assert_eq!(Sector::new(40), None);
    }

    #[test]
    fn the_documented_trailers_are_trailers() {
        for block in [3, 7, 127, 143, 159, 255] {
            assert!(is_trailer(block), "{block}");
        }
        assert_eq!((Sector::group_of(132), Sector::group_of(133), Sector::group_of(142)), (0, 1, 2));
    }
}
