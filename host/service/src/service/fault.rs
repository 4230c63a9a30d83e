//! Why something was not done.

use std::fmt;

use rfid_core::Error;

use super::requests::DeskFault;
use super::rule::Rule;
use crate::rights::Action;
use crate::store::{CommitFault, Origin};

/// Why something was not done, for the caller.
#[derive(Debug)]
pub enum Fault {
    /// There is none, or none that the caller may know of: the two are one answer.
    NotFound(&'static str),
    /// The caller may not do this at all.
    Forbidden(Action),
    /// The caller may do this, but has to say why.
    ReasonNeeded(Action),
    /// Nobody is logged in, or not any more.
    NoSession,
    /// Whoever wants in is not let in, for whatever reason.
    NotAccepted,
    /// The person has to prove again who it is.
    ProofNeeded,
    /// What was given is wrong, everything at once.
    Invalid(Vec<FieldFault>),
    /// The state of the record does not allow it.
    NotAllowed(String),
    /// The same, by a rule of issuing.
    Rule(Rule),
    /// Somebody else was faster; the record has this version now.
    Conflict {
        /// The version that it has; 0 if there is none.
        found: u32,
        /// Who was faster.
        by: Option<Box<Origin>>,
    },
    /// Another record has this.
    Taken(&'static str),
    /// The store cannot.
    Store(Error),
    /// A desk, or the card on it, refuses.
    Desk(DeskFault),
    /// What must be audited cannot be, so it is not done.
    Unaudited(Error),
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// The field, as in JSON and in CSV.
    pub field: &'static str,
    /// What is wrong and what is allowed, without what was given.
    pub what: String,
}

impl FieldFault {
    /// This field is wrong in this way.
    pub fn new(field: &'static str, what: impl Into<String>) -> Self {
        Self { field, what: what.into() }
    }
}

impl fmt::Display for FieldFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.what)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(what) => write!(f, "there is no such {what}"),
            Self::Forbidden(action) => write!(f, "this needs the right {}", action.name()),
            Self::ReasonNeeded(action) => write!(f, "{} needs a reason", action.name()),
            Self::NoSession => f.write_str("nobody is logged in"),
            Self::NotAccepted => f.write_str("this was not accepted"),
            Self::ProofNeeded => f.write_str("this needs your password or second factor once more"),
            Self::Invalid(faults) => {
                let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
                f.write_str(&faults.join("; "))
            }
            Self::NotAllowed(why) => f.write_str(why),
            Self::Rule(rule) => rule.fmt(f),
            Self::Conflict { found: 0, .. } => f.write_str("it is not there any more"),
            Self::Conflict { .. } => f.write_str("somebody else has changed it meanwhile; look again"),
            Self::Taken(field) => write!(f, "{field}: another one has this already"),
            Self::Store(error) | Self::Unaudited(error) => error.fmt(f),
            Self::Desk(DeskFault { error, .. }) => error.fmt(f),
        }
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) | Self::Unaudited(error) | Self::Desk(DeskFault { error, .. }) => Some(error),
            _ => None,
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<Rule> for Fault {
    fn from(rule: Rule) -> Self {
        Self::Rule(rule)
    }
}

impl From<CommitFault> for Fault {
    fn from(fault: CommitFault) -> Self {
        match fault {
            CommitFault::Conflict { found, .. } => Self::Conflict { found, by: None },
            CommitFault::Taken { field, .. } => Self::Taken(field),
            CommitFault::Store(error) => Self::Store(error),
        }
    }
}

/// Whether a text may stand in a field of at most `most` characters.
pub(super) fn check_text(field: &'static str, text: &str, most: usize, faults: &mut Vec<FieldFault>) {
    let length = text.chars().count();
    if length > most {
        faults.push(FieldFault::new(field, format!("has {length} characters; at most {most} are allowed")));
    }
    if text.chars().any(|c| c.is_control() && c != '\n') {
        faults.push(FieldFault::new(field, "has a control character in it"));
    }
}

/// The same for a text that must be there.
pub(super) fn check_name(field: &'static str, text: &str, most: usize, faults: &mut Vec<FieldFault>) {
    if text.trim().is_empty() {
        faults.push(FieldFault::new(field, "must not be empty"));
    }
    check_text(field, text, most, faults);
}
