//! What somebody learns who has every byte of a host and its master secret, for tests of what must not be
//! there any more.

use aes_gcm::aead::Aead;

use super::persons::PersonKeys;
use super::{FORM, HEAD, KEY_ID, Keys, NONCE, Nonce, persons};
use crate::record::CustomerId;

/// Longest text that is looked at.
const LOOKED_AT: usize = 4096;

/// Whatever was sealed anywhere in these bytes, opened as far as keys are at hand: of what is not known how
/// long it is the beginning. Its place and whether it is whole do not matter to whoever steals it.
pub(crate) fn looted(keys: &Keys, persons: &PersonKeys, bytes: &[u8]) -> Vec<Vec<u8>> {
    let id = keys.current_id();
    let mut found = Vec::new();
    for at in 0..bytes.len() {
        let rest = &bytes[at..];
        let is_sealed = matches!(rest.first(), Some(&(FORM | persons::FORM))) && rest[1..].starts_with(&id);
        if !is_sealed {
            continue;
        }
        let (head, cipher) = if rest[0] == FORM {
            (HEAD, Some(keys.ring().current.cipher.clone()))
        } else {
            let named = 1 + KEY_ID + 4;
            let person = rest.get(named..named + 16).and_then(|bytes| bytes.try_into().ok());
            let person = person.map(CustomerId::from_bytes);
            (named + 16 + NONCE, person.and_then(|person| persons.cipher(person.into()).unwrap()))
        };
        let (Some(cipher), Some(text)) = (cipher, rest.get(head..)) else { continue };
        let nonce: [u8; NONCE] = rest[head - NONCE..head].try_into().unwrap();
        // A stream cipher at heart: what seals opens as well, if nobody asks whether it is whole.
        let text = &text[..text.len().min(LOOKED_AT)];
        let mut opened = cipher.encrypt(&Nonce::from(nonce), text).unwrap();
        opened.truncate(text.len());
        found.push(opened);
    }
    found
}
