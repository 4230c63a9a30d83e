//! Changes, and who made them.

use std::fmt;

use async_trait::async_trait;
use rfid_core::{Error, Result, UtcTime};
use serde::{Deserialize, Serialize};

use crate::record::{CustomerId, Key, Record, StaffId};

/// Who made a change, when, and from where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Who.
    pub by: Actor,
    /// When.
    pub at: UtcTime,
    /// From where: an address, or `console`.
    pub from: String,
}

/// Who can make a change.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// This host by itself, because of something that a reader heard or because time has passed.
    Host,
    /// Somebody who works for the bank.
    Staff(StaffId),
    /// Another system, by the name of its token.
    Machine(String),
    /// Somebody at the command line of the host.
    Console,
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Writes a record.
    Put {
        /// The record as it shall be.
        record: Box<Record>,
        /// The version that it has now; 0 if there is none yet.
        expected: u32,
    },
    /// Removes a record, which is there. What is unique to it may be taken by another.
    Remove {
        /// Which.
        key: Key,
        /// The version that it has now.
        expected: u32,
    },
}

impl Change {
    /// A record that is new.
    pub fn new(record: impl Into<Record>) -> Self {
        Self::Put { record: Box::new(record.into()), expected: 0 }
    }

    /// Which record.
    pub fn key(&self) -> Key {
        match self {
            Self::Put { record, .. } => record.key(),
            Self::Remove { key, .. } => key.clone(),
        }
    }

    /// The customer of whom it writes something.
    pub fn person(&self) -> Option<CustomerId> {
        match self {
            Self::Put { record, .. } => record.person(),
            Self::Remove { .. } => None,
        }
    }

    /// The version that it expects.
    pub const fn expected(&self) -> u32 {
        match self {
            Self::Put { expected, .. } | Self::Remove { expected, .. } => *expected,
        }
    }
}

/// Changes that happen together or not at all. Each is of another record.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// Who makes them.
    pub origin: Origin,
    /// The changes, at most [`Commit::MOST`].
    pub changes: Vec<Change>,
}

impl Commit {
    /// Most changes of one commit.
    pub const MOST: usize = 8;
}

/// Why a commit did not happen.
#[derive(Debug)]
pub enum CommitFault {
    /// Somebody else was faster: a record is not in the version that the change expects.
    Conflict {
        /// Which record.
        key: Key,
        /// The version that it has; 0 if there is none.
        found: u32,
    },
    /// Another record has what must be unique.
    Taken {
        /// Which field.
        field: &'static str,
        /// Whose it is.
        by: Key,
    },
    /// The store cannot.
    Store(Error),
}

impl fmt::Display for CommitFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict { key, found: 0 } => write!(f, "{key} is not there any more"),
            Self::Conflict { key, .. } => write!(f, "{key} was changed by somebody else meanwhile"),
            Self::Taken { field, by } => write!(f, "{field} is already that of {by}"),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CommitFault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Error> for CommitFault {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// Something that happened to a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    /// The version that came of it; of a removal, the one that would have.
    pub version: u32,
    /// Who did it.
    pub origin: Origin,
    /// The record before, if there was one.
    pub before: Option<Record>,
    /// The record after, unless it was removed.
    pub after: Option<Record>,
}

impl Past {
    /// What happened, from versions in a row, the latest first, each with who made it and the record that
    /// came of it; at most `limit` of them, if there is one more, which holds what was before the last.
    pub(super) fn from_versions(versions: Vec<(u32, Origin, Option<Record>)>, limit: usize) -> Vec<Self> {
        let befores: Vec<Option<Record>> =
            versions.iter().skip(1).map(|(_, _, record)| record.clone()).chain([None]).collect();
        let past = versions.into_iter().zip(befores).take(limit);
        past.map(|((version, origin, after), before)| Self { version, origin, before, after }).collect()
    }
}

/// Changes that happened together, as the journal of a store tells them.
#[derive(Clone, Debug, PartialEq)]
pub struct Happened {
    /// Who made them.
    pub origin: Origin,
    /// What came of them, in the order of the keys. Where they came by a load, there may be more than
    /// a commit has; those are in the order in which they came.
    pub changes: Vec<Version>,
}

/// A version of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// Of which record.
    pub key: Key,
    /// Its number; of a removal, the one that would have come of it.
    pub version: u32,
    /// The record, unless it was removed.
    pub record: Option<Record>,
}

/// Gives many new records, a portion at a time.
#[async_trait]
pub trait Supply: Send {
    /// The next portion, at most a few hundred; `None` when that was all.
    ///
    /// # Errors
    /// Whatever is wrong; then nothing of it is kept.
    async fn next(&mut self) -> Result<Option<Vec<Record>>>;
}
