//! Where a list goes on, as text that nobody can make up.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use rfid_core::UtcTime;
use rfid_service::record::{Key, Kind};
use rfid_service::store::Place;
use sha2::Sha256;

use crate::problem::Problem;

const MAC: usize = 8;
/// Longest cursor in characters.
const LONGEST: usize = 400;

/// Makes and reads cursors: a place in a list and an HMAC over it, as URL-safe Base64. A cursor of
/// one list is none of another, and one from before a restart is none, either.
#[derive(Clone)]
pub struct Cursors {
    keyed: Hmac<Sha256>,
}

impl Cursors {
    /// Cursors under this key, random for each start.
    pub fn new(key: [u8; 32]) -> Self {
        // HMAC-SHA-256 fills a shorter key with zeros to the length of a block (RFC 2104).
        let mut block = [0; 64];
        block.iter_mut().zip(key).for_each(|(to, from)| *to = from);
        Self { keyed: Hmac::new(&block.into()) }
    }

    /// The text of a place in the list of this name.
    pub fn write(&self, list: &str, place: &Place) -> String {
        let mut bytes = place.at.as_nanos().to_be_bytes().to_vec();
        bytes.push(place.key.kind() as u8);
        bytes.extend(place.key.to_bytes());
        let mac = self.mac(list, &bytes);
        bytes.extend(mac);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The place of a text.
    ///
    /// # Errors
    /// 400 for what is no cursor of this list.
    pub fn read(&self, list: &str, text: &str) -> Result<Place, Problem> {
        self.try_read(list, text).ok_or_else(|| {
            Problem::bad_request(
                "The cursor is not one of this list, or from before a restart: begin anew without it.",
            )
        })
    }

    fn try_read(&self, list: &str, text: &str) -> Option<Place> {
        let bytes = URL_SAFE_NO_PAD.decode(text.get(..LONGEST.min(text.len()))?).ok()?;
        let (place, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC)?)?;
        // Nothing secret hangs on how long comparing takes: a cursor is no right.
        if self.mac(list, place) != mac {
            return None;
        }
        let (at, key) = place.split_first_chunk::<8>()?;
        let (kind, key) = key.split_first()?;
        let key = Key::from_bytes(Kind::from_number(*kind)?, key)?;
        Some(Place { at: UtcTime::from_nanos(u64::from_be_bytes(*at)), key })
    }

    fn mac(&self, list: &str, bytes: &[u8]) -> Vec<u8> {
        let mut mac = self.keyed.clone();
        mac.update(list.as_bytes());
        mac.update(&[0]);
        mac.update(bytes);
        mac.finalize().into_bytes().iter().take(MAC).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rfid_service::record::VisitId;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_is_its_place_in_its_list(at in any::<u64>(), id in any::<[u8; 16]>(), flip in any::<(usize, u8)>()) {
            let cursors = Cursors::new([7; 32]);
            let place = Place { at: UtcTime::from_nanos(at), key: Key::Visit(VisitId::from_bytes(id)) };
            let text = cursors.write("visits", &place);
            prop_assert_eq!(cursors.read("visits", &text).unwrap(), place);
            prop_assert!(cursors.read("alarms", &text).is_err());
            prop_assert!(Cursors::new([8; 32]).read("visits", &text).is_err());
            let mut spoilt = text.clone().into_bytes();
            let place = flip.0 % spoilt.len();
            spoilt[place] = flip.1 & 0x7f;
            let spoilt = String::from_utf8(spoilt).unwrap();
            prop_assert!(spoilt == text || cursors.read("visits", &spoilt).is_err());
        }

        #[test]
        fn any_text_is_a_cursor_or_a_problem(text in ".{0,600}") {
            prop_assert!(Cursors::new([7; 32]).read("visits", &text).is_err());
        }
    }
}
