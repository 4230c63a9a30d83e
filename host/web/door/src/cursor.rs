//! Positions in a list that a client hands back to get the next page.
//!
//! A cursor carries a position and a code of authentication over it, so that nobody can make one
//! up or carry one from one query to another. It is not secret: a position holds keys and
//! numbers, never anything personal, because cursors travel in addresses and into logs.
//!
//! ```
//! use rfid_door::cursor::Cursors;
//!
//! let cursors = Cursors::new([7; 32]);
//! let next = cursors.seal("visits of branch 3", &(1_700_000_000_u64, 42_u32))?;
//! let position: (u64, u32) = cursors.open("visits of branch 3", &next)?;
//! assert_eq!(position, (1_700_000_000, 42));
//! assert!(cursors.open::<(u64, u32)>("visits of branch 4", &next).is_err());
//! # Ok::<(), rfid_door::cursor::BadCursor>(())
//! ```

use std::fmt;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;

use crate::problem::Problem;

/// Bytes of a cursor's text. Longer ones are none of ours.
const MOST_TEXT: usize = 1024;
/// Bytes of HMAC-SHA-256 that are kept: forging one takes 2^128 tries.
const CODE: usize = 16;

/// Makes cursors and knows them again.
///
/// A key that is made anew at each start ends all paging that is under way then; hosts that answer
/// for each other need the same one.
#[derive(Clone)]
pub struct Cursors {
    keyed: Hmac<Sha256>,
}

impl Cursors {
    /// With 32 random bytes that nobody else knows.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        // HMAC takes a key of any length; one of a block's length is used as it is.
        let mut block = [0; 64];
        block[..key.len()].copy_from_slice(&key);
        Self { keyed: Hmac::new(&block.into()) }
    }

    /// A cursor at `position` of `query`: a text that is the same for the same list in the same
    /// order and with the same filter only. The text does not become part of the cursor.
    ///
    /// # Errors
    ///
    /// The position cannot be written as JSON or is too large; it then is not a key.
    pub fn seal(&self, query: &str, position: &impl Serialize) -> Result<String, BadCursor> {
        let mut bytes = serde_json::to_vec(position).map_err(|_| BadCursor)?;
        let code = self.over(query, &bytes).finalize().into_bytes();
        bytes.extend(code.iter().take(CODE));
        let text = URL_SAFE_NO_PAD.encode(bytes);
        if text.len() > MOST_TEXT { Err(BadCursor) } else { Ok(text) }
    }

    /// The position that was sealed for this query.
    ///
    /// # Errors
    ///
    /// The text is no cursor, or one of another query or another key.
    pub fn open<T: DeserializeOwned>(&self, query: &str, text: &str) -> Result<T, BadCursor> {
        if text.len() > MOST_TEXT {
            return Err(BadCursor);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadCursor)?;
        let (position, code) =
            bytes.len().checked_sub(CODE).and_then(|at| bytes.split_at_checked(at)).ok_or(BadCursor)?;
        self.over(query, position).verify_truncated_left(code).map_err(|_| BadCursor)?;
        serde_json::from_slice(position).map_err(|_| BadCursor)
    }

    fn over(&self, query: &str, position: &[u8]) -> Hmac<Sha256> {
        let mut code = self.keyed.clone();
        // With its length, so that no end of the one can pass for the beginning of the other.
        code.update(&(query.len() as u64).to_be_bytes());
        code.update(query.as_bytes());
        code.update(position);
        code
    }
}

impl fmt::Debug for Cursors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Cursors(***)")
    }
}

/// A text that is not a cursor of this query. Why, is nobody's business.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BadCursor;

impl fmt::Display for BadCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the cursor is not one of this query: begin again with the first page")
    }
}

impl std::error::Error for BadCursor {}

impl From<BadCursor> for Problem {
    fn from(_: BadCursor) -> Self {
        Self::new(StatusCode::BAD_REQUEST)
            .title("Not a cursor of this query")
            .detail("Begin again with the first page; hand cursors back unchanged, with the same filter.")
    }
}

impl IntoResponse for BadCursor {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_is_of_its_key_and_its_query() {
        let ours = Cursors::new([1; 32]);
        let text = ours.seal("a", &"position").unwrap();
        assert_eq!(ours.open::<String>("a", &text).unwrap(), "position");
        assert_eq!(ours.open::<String>("b", &text), Err(BadCursor));
        assert_eq!(Cursors::new([2; 32]).open::<String>("a", &text), Err(BadCursor));
        // Another type than was sealed is a mistake of ours and still no panic.
        assert_eq!(ours.open::<u64>("a", &text), Err(BadCursor));
        assert_eq!(format!("{ours:?}"), "Cursors(***)");
    }

    #[test]
    fn a_query_does_not_run_into_its_position() {
        let ours = Cursors::new([1; 32]);
        let text = ours.seal("a", &12).unwrap();
        let moved = URL_SAFE_NO_PAD.decode(&text).unwrap();
        assert_eq!(ours.open::<u64>("a1", &URL_SAFE_NO_PAD.encode(&moved[1..])), Err(BadCursor));
    }

    #[test]
    fn a_position_that_is_no_key_is_refused_in_both_directions() {
        let ours = Cursors::new([1; 32]);
        assert_eq!(ours.seal("a", &"x".repeat(2000)), Err(BadCursor));
        assert_eq!(ours.open::<String>("a", &"A".repeat(2000)), Err(BadCursor));
    }

    proptest! {
        #[test]
        fn any_position_comes_back(position: (u64, i32, Option<u8>), query: String) {
            let ours = Cursors::new([1; 32]);
            let text = ours.seal(&query, &position).unwrap();
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
            prop_assert_eq!(ours.open::<(u64, i32, Option<u8>)>(&query, &text), Ok(position));
        }

        #[test]
        fn a_changed_cursor_is_refused(position: u64, at: prop::sample::Index, flip in 1..=255_u8) {
            let ours = Cursors::new([1; 32]);
            let mut bytes = URL_SAFE_NO_PAD.decode(ours.seal("q", &position).unwrap()).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert_eq!(ours.open::<u64>("q", &URL_SAFE_NO_PAD.encode(bytes)), Err(BadCursor));
        }

        #[test]
        fn any_text_is_refused_and_never_panics(text: String) {
            prop_assert_eq!(Cursors::new([1; 32]).open::<u64>("q", &text), Err(BadCursor));
        }
    }
}
