//! What a tag says it is: an EPC, a UID or a TID, as bytes without anything around them.

use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The numbering space that a tag id belongs to.
///
/// Two ids with the same bytes and different kinds are different tags. The numeric values are
/// those of the plugin boundary and of stored data, and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum TagIdKind {
    /// EPC of a UHF tag, without PC word and check code. 1 to 62 bytes.
    Epc = 1,
    /// UID of an ISO/IEC 14443 card (Mifare and others). 4, 7 or 10 bytes.
    Iso14443Uid = 2,
    /// UID of an ISO/IEC 15693 tag. 8 bytes.
    Iso15693Uid = 3,
    /// TID bank of a Gen2 tag, when a reader reports nothing else.
    Tid = 4,
    /// 64-bit id of an ISO/IEC 18000-6 type B tag. 8 bytes.
    Iso18000_6bUid = 5,
}

impl TagIdKind {
    /// The kind with this number on the plugin boundary, if there is one.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Epc),
            2 => Some(Self::Iso14443Uid),
            3 => Some(Self::Iso15693Uid),
            4 => Some(Self::Tid),
            5 => Some(Self::Iso18000_6bUid),
            _ => None,
        }
    }

    /// Short lower-case name, used in text forms of a [`TagId`]: `epc`, `uid`, …
    pub const fn label(self) -> &'static str {
        match self {
            Self::Epc => "epc",
            Self::Iso14443Uid => "uid",
            Self::Iso15693Uid => "uid15693",
            Self::Tid => "tid",
            Self::Iso18000_6bUid => "uid6b",
        }
    }

    fn from_label(label: &str) -> Option<Self> {
        [Self::Epc, Self::Iso14443Uid, Self::Iso15693Uid, Self::Tid, Self::Iso18000_6bUid]
            .into_iter()
            .find(|kind| kind.label() == label)
    }

    /// Whether the id is called an EPC (`epc_hex`) rather than a UID (`uid_hex`) outside.
    pub const fn is_epc(self) -> bool {
        matches!(self, Self::Epc)
    }
}

/// An owned tag id: kind and 1 to 62 bytes, `Copy`, without a heap allocation.
///
/// 62 bytes hold the longest EPC that a PC word can announce (31 words, EPC Tag Data Standard
/// 1.13 §15.2.1).
///
/// Its text form is `epc:3034257BF7194E4000001A85` or `uid:04A2B3C4`; [`TagId::hex`] gives the
/// digits alone.
#[derive(Clone, Copy)]
pub struct TagId {
    kind: TagIdKind,
    len: u8,
    bytes: [u8; TagId::MAX_LEN],
}

/// Why some bytes or some text are not a tag id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagIdFault {
    /// No bytes at all.
    Empty,
    /// More than [`TagId::MAX_LEN`] bytes.
    TooLong,
    /// An odd number of hexadecimal digits.
    OddDigits,
    /// Something that is not a hexadecimal digit, at this position.
    NotHex(usize),
    /// A kind before the colon that is not known.
    UnknownKind,
}

impl fmt::Display for TagIdFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a tag id has at least one byte"),
            Self::TooLong => write!(f, "a tag id has at most {} bytes", TagId::MAX_LEN),
            Self::OddDigits => f.write_str("hexadecimal digits come in pairs"),
            Self::NotHex(at) => write!(f, "character {} is not a hexadecimal digit", at + 1),
            Self::UnknownKind => {
                f.write_str("the kind before the colon is one of epc, uid, uid15693, tid, uid6b")
            }
        }
    }
}

impl std::error::Error for TagIdFault {}

impl TagId {
    /// Longest id in bytes.
    pub const MAX_LEN: usize = 62;

    /// An id from its bytes, most significant first.
    pub fn new(kind: TagIdKind, bytes: &[u8]) -> Result<Self, TagIdFault> {
        if bytes.is_empty() {
            return Err(TagIdFault::Empty);
        }
        let mut id = Self { kind, len: 0, bytes: [0; Self::MAX_LEN] };
        id.bytes.get_mut(..bytes.len()).ok_or(TagIdFault::TooLong)?.copy_from_slice(bytes);
        id.len = u8::try_from(bytes.len()).map_err(|_| TagIdFault::TooLong)?;
        Ok(id)
    }

    /// An id from hexadecimal digits of either case, without prefix or blanks.
    pub fn from_hex(kind: TagIdKind, digits: &str) -> Result<Self, TagIdFault> {
        let (pairs, odd) = digits.as_bytes().as_chunks::<2>();
        if !odd.is_empty() {
            return Err(TagIdFault::OddDigits);
        }
        let mut bytes = [0; Self::MAX_LEN];
        let bytes = bytes.get_mut(..pairs.len()).ok_or(TagIdFault::TooLong)?;
        for (index, (byte, [high, low])) in bytes.iter_mut().zip(pairs).enumerate() {
            let digit = |digit: u8, at: usize| {
                char::from(digit)
                    .to_digit(16)
                    .and_then(|value| u8::try_from(value).ok())
                    .ok_or(TagIdFault::NotHex(at))
            };
            *byte = (digit(*high, index * 2)? << 4) | digit(*low, index * 2 + 1)?;
        }
        Self::new(kind, bytes)
    }

    /// The numbering space.
    pub const fn kind(&self) -> TagIdKind {
        self.kind
    }

    /// The bytes, most significant first.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Borrowed form, as the read path carries it.
    pub fn as_ref(&self) -> TagIdRef<'_> {
        TagIdRef { kind: self.kind, bytes: self.bytes() }
    }

    /// The bytes as upper-case hexadecimal digits.
    pub fn hex(&self) -> String {
        let mut text = String::with_capacity(self.bytes().len() * 2);
        for byte in self.bytes() {
            for nibble in [byte >> 4, byte & 0x0F] {
                text.extend(char::from_digit(u32::from(nibble), 16).map(|c| c.to_ascii_uppercase()));
            }
        }
        text
    }
}

impl PartialEq for TagId {
    fn eq(&self, other: &Self) -> bool {
        self.as_ref() == other.as_ref()
    }
}

impl Eq for TagId {}

impl Hash for TagId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_ref().hash(state);
    }
}

impl PartialOrd for TagId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TagId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.kind, self.bytes()).cmp(&(other.kind, other.bytes()))
    }
}

impl fmt::Display for TagId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.label(), self.hex())
    }
}

impl fmt::Debug for TagId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for TagId {
    type Err = TagIdFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (label, digits) = text.split_once(':').ok_or(TagIdFault::UnknownKind)?;
        Self::from_hex(TagIdKind::from_label(label).ok_or(TagIdFault::UnknownKind)?, digits)
    }
}

impl Serialize for TagId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TagId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A tag id borrowed from a batch of reads: what the hot path hashes and compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TagIdRef<'a> {
    /// The numbering space.
    pub kind: TagIdKind,
    /// The bytes, most significant first; 1 to [`TagId::MAX_LEN`].
    pub bytes: &'a [u8],
}

impl TagIdRef<'_> {
    /// An owned copy. Bytes beyond [`TagId::MAX_LEN`] cannot occur in a batch and are cut off.
    pub fn to_owned(self) -> TagId {
        let mut id = TagId { kind: self.kind, len: 0, bytes: [0; TagId::MAX_LEN] };
        for (to, from) in id.bytes.iter_mut().zip(self.bytes) {
            *to = *from;
            id.len += 1;
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_form_names_kind_and_digits() {
        let epc = TagId::from_hex(TagIdKind::Epc, "3034257bf7194e4000001a85").unwrap();
        assert_eq!(epc.to_string(), "epc:3034257BF7194E4000001A85");
        assert_eq!("epc:3034257BF7194E4000001A85".parse::<TagId>().unwrap(), epc);
    }

    #[test]
    fn same_bytes_of_another_kind_are_another_tag() {
        let bytes = [0xE0, 4, 1, 2, 3, 4, 5, 6];
        assert_ne!(
            TagId::new(TagIdKind::Iso18000_6bUid, &bytes).unwrap(),
            TagId::new(TagIdKind::Iso15693Uid, &bytes).unwrap()
        );
    }

    #[test]
    fn faults_say_what_is_wrong() {
        assert_eq!(TagId::from_hex(TagIdKind::Epc, "").unwrap_err(), TagIdFault::Empty);
        assert_eq!(TagId::from_hex(TagIdKind::Epc, "123").unwrap_err(), TagIdFault::OddDigits);
        assert_eq!(TagId::from_hex(TagIdKind::Epc, "12G4").unwrap_err(), TagIdFault::NotHex(2));
        assert_eq!(TagId::new(TagIdKind::Epc, &[0; 63]).unwrap_err(), TagIdFault::TooLong);
        assert_eq!("nfc:00".parse::<TagId>().unwrap_err(), TagIdFault::UnknownKind);
    }

    proptest! {
        #[test]
        fn text_round_trip(bytes in proptest::collection::vec(any::<u8>(), 1..=62), kind in 1u8..=5) {
            let id = TagId::new(TagIdKind::from_number(kind).unwrap(), &bytes).unwrap();
            prop_assert_eq!(id.bytes(), &bytes[..]);
            prop_assert_eq!(id.to_string().parse::<TagId>().unwrap(), id);
            prop_assert_eq!(id.as_ref().to_owned(), id);
        }

        #[test]
        fn any_text_is_an_id_or_a_fault(text in "\\PC*") {
            let _ = text.parse::<TagId>();
        }
    }
}
