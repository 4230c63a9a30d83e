//! Keys that stand behind all cards, and what is derived from them (§4.3).

use std::fmt;

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use zeroize::Zeroizing;

use super::{Key, KeySlot, Sector, Uid};

const BLOCK: usize = 16;

/// An AES key of 16 bytes that stands behind all cards. It is wiped from memory when dropped and
/// never printed.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<[u8; BLOCK]>);

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Some text is not a secret key; the text is not said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotASecretKey;

impl fmt::Display for NotASecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret key is 32 hexadecimal digits, as `openssl rand -hex 16` prints them")
    }
}

impl std::error::Error for NotASecretKey {}

impl SecretKey {
    /// A key from its bytes.
    pub fn new(bytes: [u8; BLOCK]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A key from 32 hexadecimal digits.
    ///
    /// # Errors
    /// The text is something else.
    pub fn from_hex(digits: &str) -> Result<Self, NotASecretKey> {
        let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
        if pairs.len() != BLOCK || !rest.is_empty() {
            return Err(NotASecretKey);
        }
        let mut bytes = Zeroizing::new([0; BLOCK]);
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            for digit in pair {
                let value = char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
                *byte = *byte << 4 | value.ok_or(NotASecretKey)?;
            }
        }
        Ok(Self(bytes))
    }

    /// Whether both are the same, in a time that tells nothing of either.
    pub fn equals(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0.iter()).fold(0, |difference, (one, two)| difference | (one ^ two)) == 0
    }

    /// AES-CMAC of a message (NIST SP 800-38B).
    pub fn mac(&self, message: &[u8]) -> Zeroizing<[u8; BLOCK]> {
        self.mac_over(message, message.len().next_multiple_of(BLOCK).max(BLOCK))
    }

    /// A key derived from this one for whatever the input tells apart, after AN10922 §2.2. The
    /// input has 1 to 31 bytes.
    ///
    /// Not a plain CMAC: a short input is padded to two blocks.
    fn derive(&self, input: &[u8]) -> Zeroizing<[u8; BLOCK]> {
        const AES_128: u8 = 0x01;
        let mut message = vec![AES_128];
        message.extend_from_slice(input);
        self.mac_over(&message, 2 * BLOCK)
    }

    /// The key of one sector of one card, by this project's rule (§4.3 of the document): for
    /// Mifare Classic, whose keys have six bytes, none was ever published.
    pub fn card_key(&self, uid: &Uid, sector: Sector, slot: KeySlot) -> Key {
        let tail = match slot {
            KeySlot::A => 0x0A,
            KeySlot::B => 0x0B,
        };
        let mut input = uid.bytes().to_vec();
        input.extend([b'M', b'1', sector.number(), tail]);
        let derived = self.derive(&input);
        Key::new(derived.first_chunk().copied().unwrap_or_default())
    }

    /// CMAC with the message padded to this many bytes, a multiple of the block; with no padding
    /// if it fills them.
    fn mac_over(&self, message: &[u8], padded: usize) -> Zeroizing<[u8; BLOCK]> {
        let cipher = Aes128::new((&*self.0).into());
        let encrypt = |block: &mut Zeroizing<[u8; BLOCK]>| cipher.encrypt_block((&mut **block).into());
        let mut whole = Zeroizing::new([0; BLOCK]);
        encrypt(&mut whole);
        let whole = doubled(&whole);
        let mut input = Zeroizing::new(message.to_vec());
        let mask = if input.len() == padded {
            whole
        } else {
            input.push(0x80);
            input.resize(padded, 0);
            doubled(&whole)
        };
        let mut state = Zeroizing::new([0; BLOCK]);
        let (blocks, _) = input.as_chunks::<BLOCK>();
        for (index, block) in blocks.iter().enumerate() {
            xor(&mut state, block);
            if index + 1 == blocks.len() {
                xor(&mut state, &mask);
            }
            encrypt(&mut state);
        }
        state
    }
}

fn xor(to: &mut [u8; BLOCK], from: &[u8; BLOCK]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to ^= from);
}

/// Twice a block in the field of 2 to the 128, in a time that tells nothing of it.
fn doubled(block: &[u8; BLOCK]) -> Zeroizing<[u8; BLOCK]> {
    let value = u128::from_be_bytes(*block);
    Zeroizing::new(((value << 1) ^ ((value >> 127) * 0x87)).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(digits: &str) -> Vec<u8> {
        let digits = digits.replace(' ', "");
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
    }

    fn key(digits: &str) -> SecretKey {
        SecretKey::from_hex(digits).unwrap()
    }

    #[test]
    fn cmac_vectors_of_rfc_4493() {
        let key = key("2b7e151628aed2a6abf7158809cf4f3c");
        let message =
            bytes("6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51 30c81c46a35ce411");
        for (len, mac) in [
            (0, "bb1d6929e95937287fa37d129b756746"),
            (16, "070a16b46b4d4144f79bdd9dd04a287c"),
            (40, "dfa66747de9ae63030ca32611497c827"),
        ] {
            assert_eq!(key.mac(&message[..len])[..], bytes(mac), "{len} bytes");
        }
    }

    #[test]
    fn derived_keys_are_the_published_ones() {
        for (master, input, derived) in [
            // AN10922 §2.2.1.
            (
                "00112233445566778899AABBCCDDEEFF",
                "04782E21801D80 3042F5 4E585020416275",
                "A8DD63A3B89D54B37CA802473FDA9175",
            ),
            // AN10957.
            ("F3F9377698707B688EAF84ABE39E3791", "04DEADBEEFFEED", "0BB408BAFF98B6EE9F2E1585777F6A51"),
            (
                "F3E7E19A69AC5A9B538D4F655CCECA1C",
                "042149BA294B80 130101 02 6F4346",
                "958E854C9F67C68D42F21FC7FFD760AB",
            ),
        ] {
            assert_eq!(key(master).derive(&bytes(input))[..], bytes(derived));
        }
    }

    #[test]
    fn a_short_input_is_not_padded_as_a_plain_cmac_does() {
        let key = key("F3F9377698707B688EAF84ABE39E3791");
        let plain = key.mac(&bytes("0104DEADBEEFFEED"));
        assert_eq!(plain[..], bytes("721E2C01E81AF85D815633969CEA2607"));
        assert_ne!(*plain, *key.derive(&bytes("04DEADBEEFFEED")));
    }

    #[test]
    fn card_keys_follow_the_projects_rule() {
        let master = key("00112233445566778899AABBCCDDEEFF");
        let sector = Sector::new(1).unwrap();
        let short = Uid::try_from([0xDE, 0xAD, 0xBE, 0xEF].as_slice()).unwrap();
        let long = Uid::try_from([4, 0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0xF6].as_slice()).unwrap();
        for (uid, slot, expected) in [
            (short, KeySlot::A, "0234CB702EDC"),
            (short, KeySlot::B, "86701383C4C0"),
            (long, KeySlot::A, "748F4C796678"),
        ] {
            assert_eq!(master.card_key(&uid, sector, slot).reveal()[..], bytes(expected));
        }
    }

    #[test]
    fn text_that_is_no_key_is_refused_without_being_said() {
        for text in ["", "00", "0011223344556677889900112233445g", "00112233445566778899AABBCCDDEEFF0"] {
            assert_eq!(SecretKey::from_hex(text).map(drop), Err(NotASecretKey));
        }
        assert_eq!(format!("{:?}", key("00112233445566778899AABBCCDDEEFF")), "***");
    }
}
