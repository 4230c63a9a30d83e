//! Customers (客户).

use std::fmt;
use std::str::FromStr;

use rfid_core::{Name, UtcTime};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{CustomerId, IdNumber, NotAnId, Number, Personal, StaffId};

/// A customer of the bank.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Customer {
    /// Its id.
    pub id: CustomerId,
    /// The bank's customer number.
    pub number: Number,
    /// Name.
    pub name: Personal<String>,
    /// ID number, if the bank gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_number: Option<IdNumber>,
    /// Employer; empty if not known.
    #[serde(default)]
    pub employer: Personal<String>,
    /// The photo, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photo: Option<PhotoId>,
    /// VIP class, in the bank's own words ("gold", "platinum").
    pub vip_class: Name,
    /// What the customer usually comes for (常办业务); empty if not known.
    #[serde(default)]
    pub usual_business: Personal<String>,
    /// The branch that the customer belongs to.
    pub branch: Name,
    /// Who looks after the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_manager: Option<StaffId>,
    /// Notes, at most [`Customer::LONGEST_NOTES`] characters. The customer may ask to read them.
    #[serde(default)]
    pub notes: Personal<String>,
    /// Whether the customer may be recognised.
    pub consent: Consent,
    /// Whether this is no longer a customer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closed: bool,
}

/// What is asked of a customer whose card is heard. Nothing of it says who that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The customer's id.
    pub id: CustomerId,
    /// VIP class.
    pub vip_class: Name,
    /// Who looks after the customer.
    pub account_manager: Option<StaffId>,
    /// Whether the customer agrees to be recognised.
    pub agrees: bool,
    /// Whether this is no longer a customer.
    pub closed: bool,
}

impl Bearer {
    /// That of a customer.
    pub fn of(customer: &Customer) -> Self {
        Self {
            id: customer.id,
            vip_class: customer.vip_class.clone(),
            account_manager: customer.account_manager,
            agrees: matches!(customer.consent, Consent::Given { .. }),
            closed: customer.closed,
        }
    }
}

impl CustomerId {
    /// Ids of customers begin with the time at which they were made; that of nobody never comes.
    const NEVER: [u8; 6] = [0xFF; 6];
    /// In the place of somebody of whom nothing is known any more, not even which other visits were theirs.
    pub const NOBODY: Self = Self::from_bytes([0xFF; 16]);

    /// An id in the place of somebody who is not to be known any more, made of random bytes.
    pub fn stand_in(random: [u8; 10]) -> Self {
        let mut bytes = [0; 16];
        let (time, rest) = bytes.split_at_mut(Self::NEVER.len());
        time.copy_from_slice(&Self::NEVER);
        rest.copy_from_slice(&random);
        Self::from_bytes(bytes)
    }

    /// Whether it is in the place of somebody, and no customer's.
    pub fn is_stand_in(self) -> bool {
        self.to_bytes().starts_with(&Self::NEVER)
    }
}

impl Customer {
    /// Most characters of a name, an employer or the usual business.
    pub const LONGEST_TEXT: usize = 200;
    /// Most characters of notes.
    pub const LONGEST_NOTES: usize = 500;

    /// Whether the customer may be announced at all.
    pub fn may_be_recognised(&self) -> bool {
        !self.closed && matches!(self.consent, Consent::Given { .. })
    }
}

/// What a customer has said about being recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state", deny_unknown_fields)]
pub enum Consent {
    /// Nobody has asked. The customer is not recognised.
    NotAsked,
    /// Agreed.
    Given {
        /// When.
        at: UtcTime,
    },
    /// Refused, or taken back. The card is treated as one that nobody knows.
    OptedOut {
        /// When.
        at: UtcTime,
    },
}

/// Id of a photo: the SHA-256 of its larger form as it is kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhotoId([u8; 32]);

impl PhotoId {
    /// The id with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Display for PhotoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PhotoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PhotoId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotAnId);
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            let pair = text.get(2 * at..2 * at + 2).ok_or(NotAnId)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| NotAnId)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for PhotoId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PhotoId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
