//! The number by which a card answers to the field (§3.1).

use std::fmt;

/// A UID of 4, 7 or 10 bytes in the order of the air, UID0 first.
///
/// It is sent in clear and can be put on another card: a UID names a card and proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid {
    len: u8,
    bytes: [u8; 10],
}

/// Some bytes are not a UID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAUid {
    /// How many there were.
    pub len: usize,
}

impl fmt::Display for NotAUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a UID has 4, 7 or 10 bytes, not {}", self.len)
    }
}

impl std::error::Error for NotAUid {}

impl Uid {
    /// The bytes, UID0 first.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Whether the card made it up when it was powered, and will make up another the next time:
    /// such a UID is no identity and is neither counted nor stored.
    pub fn is_random(&self) -> bool {
        matches!(self.bytes(), [0x08, _, _, _])
    }

    /// The four bytes that an authentication takes: the last four (§2.6).
    pub fn authentication_bytes(&self) -> [u8; 4] {
        self.bytes().last_chunk().copied().unwrap_or_default()
    }
}

impl TryFrom<&[u8]> for Uid {
    type Error = NotAUid;

    fn try_from(bytes: &[u8]) -> Result<Self, NotAUid> {
        let mut uid = Self { len: 0, bytes: [0; 10] };
        let fault = NotAUid { len: bytes.len() };
        if !matches!(bytes.len(), 4 | 7 | 10) {
            return Err(fault);
        }
        uid.bytes.get_mut(..bytes.len()).ok_or(fault)?.copy_from_slice(bytes);
        uid.len = u8::try_from(bytes.len()).map_err(|_| fault)?;
        Ok(uid)
    }
}

/// Upper-case hexadecimal digits.
impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes().iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(bytes: &[u8]) -> Uid {
        Uid::try_from(bytes).unwrap()
    }

    #[test]
    fn lengths_that_exist_are_taken_and_others_refused() {
        for len in 0..=12usize {
            let bytes: Vec<u8> = (1..).take(len).collect();
            match Uid::try_from(bytes.as_slice()) {
                Ok(uid) => assert_eq!((uid.bytes(), matches!(len, 4 | 7 | 10)), (&bytes[..], true)),
                Err(fault) => assert_eq!((fault.len, matches!(len, 4 | 7 | 10)), (len, false)),
            }
        }
    }

    #[test]
    fn a_made_up_uid_is_known_by_its_first_byte() {
        assert!(uid(&[0x08, 1, 2, 3]).is_random());
        assert!(!uid(&[0x04, 1, 2, 3]).is_random());
        assert!(!uid(&[0x08, 1, 2, 3, 4, 5, 6]).is_random(), "seven bytes are always the card's own");
    }

    #[test]
    fn the_end_of_the_uid_authenticates() {
        assert_eq!(uid(&[0xDE, 0xAD, 0xBE, 0xEF]).authentication_bytes(), [0xDE, 0xAD, 0xBE, 0xEF]);
        let long = uid(&[0x04, 0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0xF6]);
        assert_eq!(long.authentication_bytes(), [0xC3, 0xD4, 0xE5, 0xF6]);
        assert_eq!(long.to_string(), "04A1B2C3D4E5F6");
    }
}
