//! Whoever works in the centre looks at one branch at a time: which one, and why, stands in the session.

use super::super::fault::{Fault, FieldFault};
use super::super::grant::{Grant, Mode};
use super::super::{Caller, Service};
use super::Identified;
use crate::account::session::Acting;
use crate::audit::Entry;
use crate::rights::Action;

impl Service {
    /// Lets the session of a caller look at another branch from now on, as far as the caller's rights go
    /// there: until [`Service::leave_branch`], another choice, or the end of the session. The reason of the
    /// caller stands in the trail beside everything that is looked at.
    ///
    /// # Errors
    /// `Forbidden`, `ReasonNeeded`; `NotFound` for a branch that is not the caller's to see; `Invalid` for the
    /// reason; `NoSession`; `Unaudited`.
    pub async fn choose_branch(&self, caller: &Caller, code: &str) -> Result<(), Fault> {
        let (Some(me), Some(session)) = (caller.grant.who(), &caller.session) else {
            return Err(Fault::NoSession);
        };
        let reason = caller.reason.clone().unwrap_or_default();
        let is_line =
            reason.chars().count() <= Entry::LONGEST_REASON && !reason.chars().any(char::is_control);
        if !is_line {
            let what = format!("is one line of at most {} characters", Entry::LONGEST_REASON);
            return Err(Fault::Invalid(vec![FieldFault::new("reason", what)]));
        }
        // The rights of the person, not those that are left while another branch is looked at.
        let whole = self.whole_caller(caller).await?;
        let may = self.may(&whole, Action::SeeArrivals).await?;
        if may.in_branch(code).is_none() || !self.has_open_branch(code).await? {
            return Err(self.nothing(&whole, Action::SeeArrivals, "branch").await);
        }
        self.did(&whole, "branch.choose", |entry| entry.branch = Some(code.into())).await?;
        let acting = Acting { branch: code.into(), reason };
        match self.accounts.sessions.act(me, &session.alias, Some(acting)) {
            true => Ok(()),
            false => Err(Fault::NoSession),
        }
    }

    /// Ends that. Allowed twice.
    ///
    /// # Errors
    /// `NoSession`, `Unaudited`.
    pub async fn leave_branch(&self, caller: &Caller) -> Result<(), Fault> {
        let (Some(me), Some(session)) = (caller.grant.who(), &caller.session) else {
            return Err(Fault::NoSession);
        };
        let Some(branch) = session.acting.clone() else { return Ok(()) };
        self.did(caller, "branch.leave", |entry| entry.branch = Some(branch)).await?;
        match self.accounts.sessions.act(me, &session.alias, None) {
            true => Ok(()),
            false => Err(Fault::NoSession),
        }
    }

    /// Whether the session of a caller still looks at the branch that it looked at when the caller was
    /// identified. Whoever has none looks at their own.
    pub fn still_looks(&self, caller: &Caller) -> bool {
        let (Some(me), Some(mark)) = (caller.grant.who(), &caller.session) else { return true };
        // Many look on who have no choice: nothing is looked up for them.
        let chooses =
            caller.grant.may(Action::SeeArrivals, Mode::Do, true).is_ok_and(|may| may.is_everywhere());
        if mark.acting.is_none() && !chooses {
            return true;
        }
        self.accounts.sessions.acting(me, &mark.alias) == mark.acting
    }

    /// Whether somebody may look at branches that are not theirs, and if so, whether only with a reason.
    pub fn chooses_branches(&self, who: &Identified) -> Option<bool> {
        let staff = &who.staff.record;
        let grant = Grant::of_roles(who.roles.iter().copied(), staff.branch.clone(), staff.id);
        let with = |has_reason| {
            grant.may(Action::SeeArrivals, Mode::Do, has_reason).is_ok_and(|may| may.is_everywhere())
        };
        with(true).then(|| !with(false))
    }
}

#[cfg(test)]
mod tests;
