//! Value blocks (§3.5).

use super::Block;

/// A number in a block, kept three times, and the address that travels with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueBlock {
    /// The number.
    pub value: i32,
    /// A block number of the owner's choice, often that of the block itself.
    pub address: u8,
}

impl ValueBlock {
    /// As it stands in the block.
    pub fn encode(self) -> Block {
        let ([v0, v1, v2, v3], [n0, n1, n2, n3]) = (self.value.to_le_bytes(), (!self.value).to_le_bytes());
        let (a, n) = (self.address, !self.address);
        [v0, v1, v2, v3, n0, n1, n2, n3, v0, v1, v2, v3, a, n, a, n]
    }

    /// What stands in a block, if all copies agree: anything else is no value block.
    pub fn decode(block: &Block) -> Option<Self> {
        let [v0, v1, v2, v3, _, _, _, _, _, _, _, _, address, ..] = *block;
        let read = Self { value: i32::from_le_bytes([v0, v1, v2, v3]), address };
        (read.encode() == *block).then_some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_documented_examples() {
        let block = ValueBlock { value: 1_234_567, address: 17 }.encode();
        assert_eq!(
            block,
            [0x87, 0xD6, 0x12, 0, 0x78, 0x29, 0xED, 0xFF, 0x87, 0xD6, 0x12, 0, 0x11, 0xEE, 0x11, 0xEE]
        );
        let minus_one = ValueBlock { value: -1, address: 4 }.encode();
        assert_eq!(minus_one, [0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 4, 0xFB, 4, 0xFB]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_one_wrong_bit_is_noticed(value: i32, address: u8, bit in 0usize..128) {
            let written = ValueBlock { value, address };
            let mut block = written.encode();
            prop_assert_eq!(ValueBlock::decode(&block), Some(written));
            block[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(ValueBlock::decode(&block), None);
        }
    }
}
