//! Accounts: how somebody who works for the bank logs in, and as what.

use std::collections::BTreeSet;

use rfid_core::UtcTime;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Personal, RequestId, StaffId};
use crate::hex::hex;
use crate::rights::{Action, Role};

/// The account of a member of staff: each has one at most, and nobody else uses it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Whose.
    pub staff: StaffId,
    /// As what.
    pub roles: BTreeSet<Role>,
    /// Whether it can be used.
    pub state: AccountState,
    /// What lets the person set a password, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation: Option<Invitation>,
    /// What a password is compared with, in the form of PHC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Personal<String>>,
    /// The secret of the second factor, in base 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_factor: Option<Personal<String>>,
    /// The machine that is let in by a key, where it is a display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
    /// The last step of the second factor that was used: none is taken twice.
    #[serde(default)]
    pub last_step: u64,
    /// When it was opened, or made usable again.
    pub since: UtcTime,
    /// When somebody last logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_login: Option<UtcTime>,
    /// When somebody last confirmed that the person needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<UtcTime>,
    /// Since when it is said that somebody has to confirm that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warned: Option<UtcTime>,
    /// A right that the roles do not give, for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lent: Option<Lent>,
    /// Sessions of an earlier number are over: it grows with every change of power.
    #[serde(default)]
    pub epoch: u32,
}

/// A right that is lent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lent {
    /// Which.
    pub right: Action,
    /// Since when.
    pub since: UtcTime,
    /// Until when.
    pub until: UtcTime,
    /// By which request.
    pub request: RequestId,
}

/// Whether an account can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    /// The person has not set a password yet.
    Invited,
    /// It can be used.
    Active,
    /// Nobody logs in.
    Disabled,
}

impl AccountState {
    /// The name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }
}

/// A machine that is let in without a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// SHA-256 of its key, in hexadecimal digits. The key is random, so it needs no more.
    pub key_hash: String,
    /// The address from which it is let in.
    pub from: String,
    /// Since when.
    pub since: UtcTime,
}

impl Device {
    /// The hash of a key as it is kept.
    pub fn hash(key: &str) -> String {
        hex(&Sha256::digest(key.as_bytes()))
    }
}

/// What lets somebody set a password, once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    /// SHA-256 of the code, in hexadecimal digits. The code is random, so it needs no more.
    pub code_hash: String,
    /// Until when it can be used.
    pub until: UtcTime,
}
