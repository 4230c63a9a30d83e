//! The bytes of a record: the hash of the record before it, and what it says as JSON.

use std::fmt;
use std::str::FromStr;

use rfid_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::Entry;

const HASH: usize = 32;

/// The SHA-256 of a record.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash([u8; HASH]);

impl Hash {
    /// What the first record bears.
    pub const NONE: Self = Self([0; HASH]);

    /// The hash of a record with these bytes.
    pub fn of(record: &[u8]) -> Self {
        Self(Sha256::digest(record).into())
    }

    /// One that was reckoned elsewhere.
    pub(super) const fn from_bytes(bytes: [u8; HASH]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "a hash is 64 hexadecimal digits";
        let mut bytes = [0; HASH];
        if text.len() != 2 * HASH || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(WRONG);
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            let pair = text.get(2 * at..2 * at + 2).ok_or(WRONG)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| WRONG)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Where a chain ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Number of the last record; 0 if there is none.
    pub number: u64,
    /// Its hash.
    pub hash: Hash,
}

impl Head {
    /// That of a chain without a record.
    pub const EMPTY: Self = Self { number: 0, hash: Hash::NONE };
}

/// The bytes of a record behind the one with this hash.
pub(super) fn encode(before: Hash, entry: &Entry) -> Result<Vec<u8>> {
    let mut bytes = before.0.to_vec();
    serde_json::to_writer(&mut bytes, entry)
        .map_err(|error| Error::new(ErrorKind::Internal, "audit").with_source(error))?;
    Ok(bytes)
}

/// The hash that a record bears, and its JSON.
pub(super) fn split(bytes: &[u8]) -> Option<(Hash, &[u8])> {
    let (hash, json) = bytes.split_at_checked(HASH)?;
    Some((Hash(hash.try_into().ok()?), json))
}

/// What a record says.
pub(super) fn decode(number: u64, bytes: &[u8]) -> Result<Entry> {
    let damaged = || {
        Error::new(ErrorKind::Damaged, "audit")
            .with_detail(format!("record {number} of the audit trail cannot be read"))
    };
    let (_, json) = split(bytes).ok_or_else(damaged)?;
    serde_json::from_slice(json).map_err(|_| damaged())
}
