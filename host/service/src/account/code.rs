//! Codes that are used once: typed by people, so without letters that look like others.

use rfid_core::Result;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::hex::hex;
use crate::randomness::{self, Randomness};

/// Thirty-two letters and digits, none of which is taken for another.
const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// Letters of a half: 60 bits.
const HALF: usize = 12;

/// Half a code.
///
/// # Errors
/// `Io` without random bytes.
pub fn half(randomness: &dyn Randomness) -> Result<Zeroizing<String>> {
    let bytes: [u8; HALF] = randomness::bytes(randomness)?;
    let letter = |byte: &u8| LETTERS.get(usize::from(byte & 31)).copied().map_or('A', char::from);
    Ok(Zeroizing::new(bytes.iter().map(letter).collect()))
}

/// The hash of a code as it is kept, whatever spaces and dashes it was typed with.
pub fn hash(code: &str) -> String {
    let plain: Zeroizing<String> = code
        .chars()
        .filter(|c| c.is_ascii_alphanumeric())
        .map(|c| c.to_ascii_uppercase())
        .collect::<String>()
        .into();
    hex(&Sha256::digest(plain.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::randomness::SystemRandomness;

    #[test]
    fn a_code_is_the_same_however_it_is_typed() {
        let code = half(&SystemRandomness).unwrap();
        assert_eq!(code.len(), HALF);
        let typed = format!(" {}-{} ", code[..4].to_lowercase(), &code[4..]);
        assert_eq!(hash(&typed), hash(&code));
        assert_ne!(hash(&half(&SystemRandomness).unwrap()), hash(&code));
    }
}
