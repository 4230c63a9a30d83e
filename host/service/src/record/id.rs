//! Ids of records.

use std::fmt;
use std::str::FromStr;

use rfid_core::EventId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Some text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnId;

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id is 32 hexadecimal digits")
    }
}

impl std::error::Error for NotAnId {}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        ///
        /// As text: 32 lower-case hexadecimal digits. It says when the record was made and nothing
        /// about anybody, so it may stand in addresses and logs.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// The id with these big-endian bytes; random ones make a new id.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(u128::from_be_bytes(bytes))
            }

            /// The id as big-endian bytes, which sort as the ids do.
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0.to_be_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
                is_hex.then(|| u128::from_str_radix(text, 16).ok()).flatten().map(Self).ok_or(NotAnId)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// Id of a customer: the service's own, unlike the bank's customer number.
    CustomerId
    /// Id of a card, unlike the numbers that the card bears.
    CardId
    /// Id of a visit: that of the arrival that began it, so that the same arrival begins it once.
    VisitId
    /// Id of a member of staff.
    StaffId
    /// Id of a period on duty.
    DutyId
    /// Id of an alarm: that of the event that raised it.
    AlarmId
    /// The id of a request.
    RequestId
    /// The id of an export.
    ExportId
}

impl From<EventId> for VisitId {
    fn from(id: EventId) -> Self {
        Self::from_bytes(id.to_bytes())
    }
}

impl From<EventId> for AlarmId {
    fn from(id: EventId) -> Self {
        Self::from_bytes(id.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_text() {
        let id = CustomerId::from_bytes(*b"0123456789abcdef");
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "0", "+0123456789abcdef0123456789abcde", "0123456789abcdef0123456789abcdeg"] {
            assert_eq!(text.parse::<CustomerId>(), Err(NotAnId), "{text:?}");
        }
    }
}
