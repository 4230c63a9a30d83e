//! Break-glass: a right that somebody's roles do not give, lent for a few hours.
//!
//! It is asked for and approved by a request like others. Which rights can be lent stands in the matrix, none
//! of them approves anything. A lent right is used with a reason each time, stands beside everything that is
//! done meanwhile in the audit trail, and ends by itself: what counts is the time, and whoever has a stream
//! open under it loses that, too.

use std::sync::PoisonError;
use std::time::Duration;

use rfid_core::{Name, UtcTime};

use super::fault::{Fault, FieldFault, check_name};
use super::{Caller, Service};
use crate::audit::Entry;
use crate::record::{Account, AccountState, Key, Lent, Personal, Proposal, RequestId, Staff, StaffId};
use crate::rights::{Action, Matrix};
use crate::store::Stored;

/// A right is lent for so many minutes at least.
const SHORTEST: u16 = 5;

/// A right that is lent to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LentRight {
    /// To whom.
    pub staff: StaffId,
    /// What.
    pub lent: Lent,
}

impl Service {
    /// A request for an extra right, for who asks.
    pub(super) async fn break_glass_asked_for(
        &self,
        caller: &Caller,
        (right, minutes, reason): (String, u16, Personal<String>),
    ) -> Result<(Proposal, Name), Fault> {
        let Some(me) = caller.grant.who() else {
            return Err(Fault::NotAllowed("a person asks for a right, with a session".to_owned()));
        };
        let mut faults = Vec::new();
        let action = Action::from_name(&right).filter(|action| Matrix::get().may_be_lent(*action));
        if action.is_none() {
            let known: Vec<&str> = Matrix::get().lendable().map(Action::name).collect();
            faults.push(FieldFault::new("right", format!("is none that is lent: {}", known.join(", "))));
        }
        let most = self.longest_loan();
        if !(SHORTEST..=most).contains(&minutes) {
            faults.push(FieldFault::new("minutes", format!("{SHORTEST} to {most} are allowed")));
        }
        check_name("reason", reason.reveal(), Entry::LONGEST_REASON, &mut faults);
        if reason.reveal().contains('\n') {
            faults.push(FieldFault::new("reason", "has a line break in it"));
        }
        let Some(right) = action.filter(|_| faults.is_empty()) else { return Err(Fault::Invalid(faults)) };
        let staff: Stored<Staff> = self.get(Key::Staff(me), "member of staff").await?;
        Ok((Proposal::BreakGlass { staff: me, right, minutes, reason }, staff.record.branch))
    }

    /// The account that has the right from now on.
    pub(super) async fn account_with_right(
        &self,
        staff: StaffId,
        (right, minutes): (Action, u16),
        request: RequestId,
    ) -> Result<Stored<Account>, Fault> {
        let before: Stored<Account> = self.get(Key::Account(staff), "account").await?;
        if before.record.state != AccountState::Active {
            return Err(Fault::NotAllowed("the account of who asks cannot be used any more".to_owned()));
        }
        let since = self.now();
        if before.record.lent.as_ref().is_some_and(|lent| since < lent.until) {
            return Err(Fault::NotAllowed("another right is lent to this person already".to_owned()));
        }
        // The settings may have become stricter since it was asked for.
        let until = since.plus(Duration::from_secs(60 * u64::from(minutes.min(self.longest_loan()))));
        let epoch = before.record.epoch.wrapping_add(1);
        let lent = Some(Lent { right, since, until, request });
        Ok(Stored { version: before.version, record: Account { lent, epoch, ..before.record } })
    }

    fn longest_loan(&self) -> u16 {
        let minutes = self.accounts.settings.break_glass_at_most.as_secs() / 60;
        u16::try_from(minutes).unwrap_or(u16::MAX)
    }

    /// Takes rights back whose time is over, and looks who has one. Returns how many were taken back.
    ///
    /// Nobody could use them any more before this: it is written down by it.
    ///
    /// # Errors
    /// `Store`, `Unaudited`.
    pub async fn end_break_glass(&self) -> Result<usize, Fault> {
        let (now, mut ended, mut lent) = (self.now(), 0, Vec::new());
        for Stored { version, record } in self.all_accounts().await? {
            let Some(right) = record.lent.clone() else { continue };
            if now < right.until {
                lent.push(LentRight { staff: record.staff, lent: right });
                continue;
            }
            let (staff, epoch) = (record.staff, record.epoch.wrapping_add(1));
            let without = Account { lent: None, epoch, ..record };
            match self.put(&Caller::host(), "break_glass.end", without, version).await {
                Ok(_) => {
                    self.end_sessions(staff);
                    ended += 1;
                }
                // Another host was faster, or somebody changed the account just now.
                Err(Fault::Conflict { .. }) => {}
                Err(fault) => return Err(fault),
            }
        }
        *self.lent.write().unwrap_or_else(PoisonError::into_inner) = lent;
        Ok(ended)
    }

    /// Notes that a right was lent just now.
    pub(super) fn note_lent(&self, staff: StaffId, lent: Lent) {
        let right = lent.right.name();
        tracing::warn!(%staff, right, until = %lent.until, "an extra right is lent to somebody");
        self.lent.write().unwrap_or_else(PoisonError::into_inner).push(LentRight { staff, lent });
    }

    /// Rights that were lent when it was last looked, without asking the store.
    pub fn lent_rights(&self) -> Vec<LentRight> {
        let now = self.now();
        let lent = self.lent.read().unwrap_or_else(PoisonError::into_inner);
        lent.iter().filter(|right| now < right.lent.until).cloned().collect()
    }

    /// Rights that are lent, and to whom.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn break_glass(&self, caller: &Caller) -> Result<Vec<(Stored<Staff>, Lent)>, Fault> {
        self.may(caller, Action::SeeBreakGlass).await?;
        let (now, mut found) = (self.now(), Vec::new());
        for account in self.all_accounts().await? {
            let Some(lent) = account.record.lent.filter(|lent| now < lent.until) else { continue };
            let staff: Option<Stored<Staff>> = self.find(Key::Staff(account.record.staff)).await?;
            found.extend(staff.map(|staff| (staff, lent)));
        }
        self.saw(caller, "break_glass.list", None, None, found.len()).await?;
        Ok(found)
    }

    /// Whether the time of what was lent to a caller is not over.
    pub(super) fn has_what_was_lent(&self, until: Option<UtcTime>) -> bool {
        until.is_none_or(|until| self.now() < until)
    }
}

#[cfg(test)]
mod tests;
