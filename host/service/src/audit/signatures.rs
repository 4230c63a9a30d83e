//! Signatures of anchors: Ed25519, made by somebody else with a key that the service cannot read.
//!
//! What is signed is the line of the anchor without its signature ([`Anchor::statement`]), so that it can be
//! checked without this program, too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rfid_core::{Error, ErrorKind, Result};
use ring::signature::{ED25519, UnparsedPublicKey};

use super::anchors::Anchor;

/// Bytes of a signature, and of a key.
const SIGNATURE: usize = 64;
const KEY: usize = 32;
/// What stands before the key in a `SubjectPublicKeyInfo` of Ed25519 (RFC 8410).
const INFO: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The public half of the key under which anchors are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; KEY]);

impl PublicKey {
    /// Reads one as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    /// `Config` where it is none.
    pub fn from_pem(text: &str) -> Result<Self> {
        let wrong = || {
            Error::new(ErrorKind::Config, "public key").with_detail(
                "this is no public key of Ed25519 in PEM, as `openssl pkey -in KEY -pubout` prints it",
            )
        };
        let (_, rest) = text.split_once("-----BEGIN PUBLIC KEY-----").ok_or_else(wrong)?;
        let (inner, _) = rest.split_once("-----END PUBLIC KEY-----").ok_or_else(wrong)?;
        let inner: String = inner.split_whitespace().collect();
        let der = STANDARD.decode(inner).map_err(|_| wrong())?;
        let key = der.strip_prefix(&INFO).ok_or_else(wrong)?;
        Ok(Self(key.try_into().map_err(|_| wrong())?))
    }

    /// Whether the signature that an anchor bears is of this key and of this anchor.
    pub fn has_signed(&self, anchor: &Anchor) -> bool {
        let Some(signature) = anchor.signature.as_deref().and_then(|text| STANDARD.decode(text).ok()) else {
            return false;
        };
        UnparsedPublicKey::new(&ED25519, self.0).verify(&anchor.statement(), &signature).is_ok()
    }
}

/// The signature that a program has printed, as it stands in an anchor: 64 bytes, or these in hexadecimal
/// digits or base 64, in one line or several.
///
/// # Errors
/// `Protocol` where it is none.
pub fn read_signature(printed: &[u8]) -> Result<String> {
    if printed.len() == SIGNATURE {
        return Ok(STANDARD.encode(printed));
    }
    let text: Option<String> =
        std::str::from_utf8(printed).ok().map(|text| text.split_whitespace().collect());
    let bytes = text.and_then(|text| match text.len() {
        len if len == 2 * SIGNATURE => from_hex(&text),
        _ => STANDARD.decode(text).ok(),
    });
    match bytes.filter(|bytes| bytes.len() == SIGNATURE) {
        Some(bytes) => Ok(STANDARD.encode(bytes)),
        None => {
            let detail =
                format!("the program printed {} bytes that are no signature of Ed25519", printed.len());
            Err(Error::new(ErrorKind::Protocol, "sign").with_detail(detail))
        }
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    Some(digits?.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

#[cfg(test)]
mod tests {
    use rfid_core::UtcTime;
    use ring::signature::{Ed25519KeyPair, KeyPair};

    use super::*;
    use crate::audit::{Hash, Head};

    fn anchor(number: u64) -> Anchor {
        let head = Head { number, hash: Hash::of(b"record") };
        Anchor { trail: "hubin audit".to_owned(), at: UtcTime::from_nanos(7), head, signature: None }
    }

    fn pem(key: &[u8]) -> String {
        let text = STANDARD.encode([&INFO[..], key].concat());
        format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
    }

    #[test]
    fn a_signature_counts_for_its_anchor_and_its_key() {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let other = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap();
        let key = |pair: &Ed25519KeyPair| PublicKey::from_pem(&pem(pair.public_key().as_ref())).unwrap();
        let mut signed = anchor(3);
        assert!(!key(&pair).has_signed(&signed));
        signed.signature = Some(read_signature(pair.sign(&signed.statement()).as_ref()).unwrap());
        assert!(key(&pair).has_signed(&signed) && !key(&other).has_signed(&signed));
        let moved = Anchor { signature: signed.signature.clone(), ..anchor(4) };
        assert!(!key(&pair).has_signed(&moved));
        for text in ["", "AAAA", "not base 64!"] {
            assert!(!key(&pair).has_signed(&Anchor { signature: Some(text.to_owned()), ..anchor(3) }));
        }
    }

    #[test]
    fn a_signature_is_taken_as_programs_print_it() {
        let bytes: Vec<u8> = (0..64).map(|at| at * 3).collect();
        let kept = STANDARD.encode(&bytes);
        let hex = crate::hex::hex(&bytes);
        let lines = format!("{}\n{}\n", &kept[..40], &kept[40..]);
        for printed in
            [bytes.clone(), hex.clone().into_bytes(), hex.to_uppercase().into_bytes(), lines.into_bytes()]
        {
            assert_eq!(read_signature(&printed).unwrap(), kept);
        }
        for printed in [&b""[..], &bytes[..63], b"error: no key\n", &[b'g'; 128], &[0xff; 128]] {
            assert_eq!(read_signature(printed).unwrap_err().kind(), ErrorKind::Protocol);
        }
    }

    #[test]
    fn a_key_of_another_kind_is_refused() {
        let key = [9; 32];
        assert!(PublicKey::from_pem(&pem(&key)).is_ok());
        for text in [
            String::new(),
            pem(&key[1..]),
            pem(&key).replace("PUBLIC", "PRIVATE"),
            "-----BEGIN PUBLIC KEY-----\n***\n-----END PUBLIC KEY-----".to_owned(),
        ] {
            assert_eq!(PublicKey::from_pem(&text).unwrap_err().kind(), ErrorKind::Config, "{text}");
        }
    }
}
