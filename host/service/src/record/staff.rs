//! People who work for the bank, and when they are on duty.

use std::collections::BTreeSet;

use rfid_core::{Name, UtcTime};
use serde::{Deserialize, Serialize};

use super::{DutyId, Number, Personal, StaffId};
use crate::rights::Role;

/// Somebody who works for the bank.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Staff {
    /// Its id.
    pub id: StaffId,
    /// The bank's staff number.
    pub number: Number,
    /// Name.
    pub name: Personal<String>,
    /// What the person does.
    pub role: StaffRole,
    /// Where the person works.
    pub branch: Name,
    /// Whether the person has left.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left: bool,
}

/// What somebody does for customers. What somebody may do on the screens is another matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum StaffRole {
    /// Greets in the hall (大堂经理).
    LobbyManager,
    /// Looks after certain customers (客户经理).
    AccountManager,
    /// Opens customers and issues cards.
    IssuingClerk,
    /// Something else.
    Other,
}

impl StaffRole {
    /// As in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LobbyManager => "lobby_manager",
            Self::AccountManager => "account_manager",
            Self::IssuingClerk => "issuing_clerk",
            Self::Other => "other",
        }
    }

    /// What somebody with these roles does.
    pub fn of(roles: &BTreeSet<Role>) -> Self {
        match roles.first() {
            Some(Role::LobbyManager) => Self::LobbyManager,
            Some(Role::AccountManager) => Self::AccountManager,
            Some(Role::IssuingClerk) => Self::IssuingClerk,
            _ => Self::Other,
        }
    }
}

/// A period on duty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duty {
    /// Its id.
    pub id: DutyId,
    /// Who.
    pub staff: StaffId,
    /// Where.
    pub branch: Name,
    /// Since when.
    pub from: UtcTime,
    /// Until when, once it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<UtcTime>,
}
