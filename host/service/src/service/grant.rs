//! What a caller may do.
//!
//! Decided here, before the store is asked and on what it answers, and nowhere else: HTTP and
//! commands only say who is calling.

use std::collections::BTreeSet;

use rfid_core::Name;
use serde::{Deserialize, Serialize};

use super::Fault;

/// Something that a caller may be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Scope {
    /// See customers.
    #[serde(rename = "customers:read")]
    ReadCustomers,
    /// Open and change customers.
    #[serde(rename = "customers:write")]
    WriteCustomers,
    /// See cards.
    #[serde(rename = "cards:read")]
    ReadCards,
    /// Bind cards and take them through their lives.
    #[serde(rename = "cards:write")]
    WriteCards,
    /// See visits, also as they happen.
    #[serde(rename = "visits:read")]
    ReadVisits,
    /// Check in, greet, serve.
    #[serde(rename = "visits:write")]
    WriteVisits,
    /// See who works for the bank.
    #[serde(rename = "staff:read")]
    ReadStaff,
    /// Enter staff, and their duty.
    #[serde(rename = "staff:write")]
    WriteStaff,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::ReadCustomers,
        Self::WriteCustomers,
        Self::ReadCards,
        Self::WriteCards,
        Self::ReadVisits,
        Self::WriteVisits,
        Self::ReadStaff,
        Self::WriteStaff,
    ];

    /// The name, as in a configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadCustomers => "customers:read",
            Self::WriteCustomers => "customers:write",
            Self::ReadCards => "cards:read",
            Self::WriteCards => "cards:write",
            Self::ReadVisits => "visits:read",
            Self::WriteVisits => "visits:write",
            Self::ReadStaff => "staff:read",
            Self::WriteStaff => "staff:write",
        }
    }
}

/// What a caller may do, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    scopes: BTreeSet<Scope>,
    /// Absent for all branches.
    branches: Option<BTreeSet<Name>>,
}

impl Grant {
    /// Everything everywhere: the console of the host.
    pub fn everything() -> Self {
        Self { scopes: Scope::ALL.into(), branches: None }
    }

    /// These things in these branches; in all of them if none are named.
    pub fn new(scopes: impl IntoIterator<Item = Scope>, branches: Option<BTreeSet<Name>>) -> Self {
        Self { scopes: scopes.into_iter().collect(), branches }
    }

    /// Whether this may be done at all.
    ///
    /// # Errors
    /// `Forbidden`.
    pub fn allows(&self, scope: Scope) -> Result<(), Fault> {
        if self.scopes.contains(&scope) { Ok(()) } else { Err(Fault::Forbidden(scope)) }
    }

    /// Whether what belongs to a branch may be known of.
    pub fn sees(&self, branch: &str) -> bool {
        self.branches.as_ref().is_none_or(|branches| branches.contains(branch))
    }

    /// What belongs to a branch, as the caller may know of it: as if it were not there where not.
    pub(super) fn seen<T>(&self, branch: &str, what: &'static str, record: T) -> Result<T, Fault> {
        if self.sees(branch) { Ok(record) } else { Err(Fault::NotFound(what)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_has_one_name() {
        for scope in Scope::ALL {
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.name());
        }
    }

    #[test]
    fn nothing_is_allowed_that_was_not_granted() {
        let grant = Grant::new([Scope::ReadVisits], Some(["a".into()].into()));
        for scope in Scope::ALL {
            assert_eq!(grant.allows(scope).is_ok(), scope == Scope::ReadVisits);
        }
        assert!(grant.sees("a") && !grant.sees("b") && !grant.sees(""));
        assert!(Grant::new([], None).sees("b"));
    }
}
