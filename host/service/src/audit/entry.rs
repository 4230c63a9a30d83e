//! What a record of the trail says.

use std::collections::BTreeMap;

use rfid_core::{Name, UtcTime};
use serde::{Deserialize, Serialize};

use crate::store::Actor;

/// What somebody did, or was refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// When.
    pub at: UtcTime,
    /// Who.
    pub by: Actor,
    /// From where: an address, or `console`.
    pub from: String,
    /// What the session is called; it is not what opens it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// What was done, as in `customer.change`.
    pub action: String,
    /// What came of it.
    pub outcome: Outcome,
    /// In which branch, where it belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<Name>,
    /// To what it was done: kind and id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The version of the object that comes of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Of a refusal the rule, of what did not happen why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The reason that was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Fields that change, each with what stands for its value before and after.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, [String; 2]>,
    /// To how many things it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// What else there is to say: a kind of search, the hash of a file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// The number of the record that this one takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<u64>,
}

/// What came of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done, unless a later record takes it back.
    Done,
    /// It was refused.
    Refused,
    /// It did not happen, although a record said that it would.
    NotDone,
}

impl Entry {
    /// Longest reason, in characters.
    pub const LONGEST_REASON: usize = 200;

    /// Something that this one does now, about nothing in particular yet.
    pub fn new(at: UtcTime, by: Actor, from: impl Into<String>, action: impl Into<String>) -> Self {
        Self {
            at,
            by,
            from: from.into(),
            session: None,
            action: action.into(),
            outcome: Outcome::Done,
            branch: None,
            object: None,
            version: None,
            rule: None,
            reason: None,
            fields: BTreeMap::new(),
            count: None,
            facts: BTreeMap::new(),
            follows: None,
        }
    }
}
