//! The bytes of an entry of the ledger.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | form, 1 |
//! | 1 | 1 commit, 2 beginning of a load, 3 portion of a load, 4 end of a load |
//! | 2 | length of the origin |
//! | | origin, as JSON; empty but for a commit and the beginning of a load |
//! | | changes, one behind the other |
//!
//! A change:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | kind of the record |
//! | 1 | length of its key |
//! | | its key |
//! | 4 | its version |
//! | 4 | length of its bytes; FF FF FF FF of a removal |
//! | | its bytes, as [`Rows::encode`](crate::store::Rows::encode) makes them |
//!
//! Numbers are little-endian.

use rfid_core::{Error, ErrorKind, Result};

use crate::record::{Key, Kind};
use crate::store::Origin;
use crate::store::plan::Written;

const FORM: u8 = 1;
const REMOVED: u32 = u32::MAX;

/// What an entry is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Entry {
    /// Changes that happened together.
    Commit(Origin, Vec<Written>),
    /// Portions follow, which count when the end is there.
    LoadBegins(Origin),
    /// A part of a load.
    LoadPortion(Vec<Written>),
    /// The load is complete.
    LoadEnds,
}

impl Written {
    /// How long it is in an entry.
    pub(super) fn len(&self) -> usize {
        10 + self.key.to_bytes().len() + self.bytes.as_ref().map_or(0, Vec::len)
    }
}

impl Entry {
    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        let (what, origin, changes): (u8, Option<&Origin>, &[Written]) = match self {
            Self::Commit(origin, changes) => (1, Some(origin), changes),
            Self::LoadBegins(origin) => (2, Some(origin), &[]),
            Self::LoadPortion(changes) => (3, None, changes),
            Self::LoadEnds => (4, None, &[]),
        };
        let too_long = || Error::new(ErrorKind::Internal, "encode").with_detail("an entry is too long");
        let origin = match origin {
            None => Vec::new(),
            Some(origin) => serde_json::to_vec(origin)
                .map_err(|error| Error::new(ErrorKind::Internal, "encode").with_source(error))?,
        };
        let mut bytes = vec![FORM, what];
        bytes.extend(u16::try_from(origin.len()).map_err(|_| too_long())?.to_le_bytes());
        bytes.extend(origin);
        for Written { key, version, bytes: content } in changes {
            let place = key.to_bytes();
            bytes.push(key.kind() as u8);
            bytes.push(u8::try_from(place.len()).map_err(|_| too_long())?);
            bytes.extend(place);
            bytes.extend(version.to_le_bytes());
            match content {
                None => bytes.extend(REMOVED.to_le_bytes()),
                Some(content) => {
                    let len = u32::try_from(content.len()).ok().filter(|len| *len != REMOVED);
                    bytes.extend(len.ok_or_else(too_long)?.to_le_bytes());
                    bytes.extend(content);
                }
            }
        }
        Ok(bytes)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let damaged =
            || Error::new(ErrorKind::Damaged, "decode").with_detail("an entry of the ledger is none");
        let mut rest = Bytes(bytes);
        if rest.byte() != Some(FORM) {
            return Err(Error::new(ErrorKind::Unsupported, "decode")
                .with_detail("a newer version wrote this ledger; use that version, or a newer one"));
        }
        let what = rest.byte().ok_or_else(damaged)?;
        let origin_len = rest.array().map(u16::from_le_bytes).ok_or_else(damaged)?;
        let origin_json = rest.take(origin_len.into()).ok_or_else(damaged)?;
        let origin = || serde_json::from_slice::<Origin>(origin_json).map_err(|_| damaged());
        let mut changes = Vec::new();
        while !rest.0.is_empty() {
            changes.push(rest.change().ok_or_else(damaged)?);
        }
        match (what, changes.is_empty()) {
            (1, _) => Ok(Self::Commit(origin()?, changes)),
            (2, true) => Ok(Self::LoadBegins(origin()?)),
            (3, _) => Ok(Self::LoadPortion(changes)),
            (4, true) => Ok(Self::LoadEnds),
            _ => Err(damaged()),
        }
    }
}

/// Bytes that are not read yet.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn change(&mut self) -> Option<Written> {
        let kind = Kind::from_number(self.byte()?)?;
        let len = self.byte()?;
        let key = Key::from_bytes(kind, self.take(len.into())?)?;
        let version = u32::from_le_bytes(self.array()?);
        let bytes = match u32::from_le_bytes(self.array()?) {
            REMOVED => None,
            len => Some(self.take(usize::try_from(len).ok()?)?.to_vec()),
        };
        Some(Written { key, version, bytes })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rfid_core::UtcTime;

    use super::*;
    use crate::record::CardId;
    use crate::store::Actor;

    fn changes() -> impl Strategy<Value = Vec<Written>> {
        let key = prop_oneof![
            "[a-z]{1,40}".prop_map(|code| Key::Branch(code.as_str().into())),
            any::<[u8; 16]>().prop_map(|id| Key::Card(CardId::from_bytes(id))),
        ];
        let written =
            (key, any::<u32>(), proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)))
                .prop_map(|(key, version, bytes)| Written { key, version, bytes });
        proptest::collection::vec(written, 0..5)
    }

    proptest! {
        #[test]
        fn an_entry_is_its_bytes(changes in changes(), from in ".{0,20}", at in any::<u64>()) {
            let origin = Origin { by: Actor::Host, at: UtcTime::from_nanos(at), from };
            let entries = [
                Entry::Commit(origin.clone(), changes.clone()),
                Entry::LoadBegins(origin),
                Entry::LoadPortion(changes.clone()),
                Entry::LoadEnds,
            ];
            for entry in entries {
                let bytes = entry.encode().unwrap();
                prop_assert_eq!(&Entry::decode(&bytes).unwrap(), &entry);
                let len: usize = changes.iter().map(Written::len).sum();
                prop_assert!(matches!(entry, Entry::LoadBegins(_) | Entry::LoadEnds) || bytes.len() >= 4 + len);
                for cut in 0..bytes.len() {
                    // A cut between two changes is an entry again; the ledger knows how long it was.
                    let _ = Entry::decode(&bytes[..cut]);
                }
            }
        }

        #[test]
        fn any_bytes_are_an_entry_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Entry::decode(&bytes);
            let mut bytes = bytes;
            bytes.splice(0..0, [FORM, 1, 0, 0]);
            let _ = Entry::decode(&bytes);
        }
    }
}
