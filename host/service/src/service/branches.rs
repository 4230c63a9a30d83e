//! Branches, as the configuration names them.

use rfid_core::Name;

use super::fault::Fault;
use super::{Caller, Service};
use crate::record::{Branch, Key, Kind, Position, Record};
use crate::store::Stored;

/// A branch of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct BranchDraft {
    /// Its code.
    pub code: Name,
    /// Its name.
    pub name: String,
    /// Where it lies.
    pub position: Option<Position>,
}

impl Service {
    /// Makes the branches of the store those of the configuration. One that is not there any more is
    /// closed; its records stay. Returns how many changed.
    ///
    /// # Errors
    /// `Store`.
    pub async fn take_branches(&self, caller: &Caller, drafts: &[BranchDraft]) -> Result<usize, Fault> {
        let known = self.branches(caller).await?;
        let mut changed = 0;
        for BranchDraft { code, name, position } in drafts {
            self.recognition.counters().begin(code);
            let branch =
                Branch { code: code.clone(), name: name.clone(), position: *position, closed: false };
            let before = known.iter().find(|stored| stored.record.code == *code);
            if before.is_none_or(|before| before.record != branch) {
                self.put(caller, "branch.write", branch, before.map_or(0, |before| before.version)).await?;
                changed += 1;
            }
        }
        let is_gone = |stored: &&Stored<Branch>| {
            !stored.record.closed && !drafts.iter().any(|draft| draft.code == stored.record.code)
        };
        for Stored { version, record } in known.iter().filter(is_gone) {
            self.put(caller, "branch.close", Branch { closed: true, ..record.clone() }, *version).await?;
            changed += 1;
        }
        Ok(changed)
    }

    /// All branches in the order of their codes, closed ones included.
    ///
    /// # Errors
    /// `Store`.
    pub async fn branches(&self, caller: &Caller) -> Result<Vec<Stored<Branch>>, Fault> {
        let mut branches: Vec<Stored<Branch>> = Vec::new();
        loop {
            let after = branches.last().map(|stored| Key::Branch(stored.record.code.clone()));
            let page = self.store.scan(Kind::Branch, after.as_ref(), 256).await?;
            if page.is_empty() {
                branches.retain(|stored| caller.grant.reaches(&stored.record.code));
                return Ok(branches);
            }
            branches.extend(page.into_iter().filter_map(|stored| match stored.record {
                Record::Branch(record) => Some(Stored { version: stored.version, record }),
                _ => None,
            }));
        }
    }

    /// Whether there is a branch of this code that is open.
    pub(crate) async fn has_open_branch(&self, code: &str) -> Result<bool, Fault> {
        let found: Option<Stored<Branch>> = self.find(Key::Branch(code.into())).await?;
        Ok(found.is_some_and(|branch| !branch.record.closed))
    }

    /// The branch of this code, unless it is closed.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn branch(&self, caller: &Caller, code: &str) -> Result<Stored<Branch>, Fault> {
        let branch: Stored<Branch> = self.get(Key::Branch(code.into()), "branch").await?;
        let is_seen = !branch.record.closed && caller.grant.reaches(code);
        if is_seen { Ok(branch) } else { Err(Fault::NotFound("branch")) }
    }
}
