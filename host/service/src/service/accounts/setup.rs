//! The first two accounts, which nobody can ask for and nobody approve.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use zeroize::Zeroizing;

use super::super::fault::Fault;
use super::super::{Caller, Grant, Service, StaffDraft};
use super::WRONG_CODES;
use crate::account::code;
use crate::record::{Branch, Record};
use crate::rights::Role;
use crate::store::{Actor, Stored};

/// The door by which the first two accounts are made.
#[derive(Debug)]
pub(super) struct Setup {
    code_hash: String,
    until: Duration,
    wrong: u32,
}

impl Setup {
    fn is_open(&self, now: Duration) -> bool {
        now <= self.until && self.wrong < WRONG_CODES
    }
}

impl Service {
    /// Opens the door by which the first system administrator and the first security administrator are
    /// made, if there are none. Returns the code, which belongs on the console.
    ///
    /// # Errors
    /// `Store`.
    pub async fn open_setup(&self) -> Result<Option<Zeroizing<String>>, Fault> {
        if self.missing_administrators().await?.is_empty() {
            return Ok(None);
        }
        let code = Zeroizing::new(format!(
            "{}{}",
            *code::half(self.randomness.as_ref())?,
            *code::half(self.randomness.as_ref())?
        ));
        let until = self.monotonic() + self.accounts.settings.setup_for;
        let setup = Setup { code_hash: code::hash(&code), until, wrong: 0 };
        *self.accounts.setup.lock().unwrap_or_else(PoisonError::into_inner) = Some(setup);
        Ok(Some(code))
    }

    /// Which of the first two administrators there is not. Once there are both it is not looked again: the
    /// last of a power cannot go.
    ///
    /// # Errors
    /// `Store`.
    pub async fn missing_administrators(&self) -> Result<Vec<Role>, Fault> {
        if self.accounts.is_administered.load(Ordering::Relaxed) {
            return Ok(Vec::new());
        }
        let mut missing = vec![Role::SystemAdministrator, Role::SecurityAdministrator];
        let accounts = self.all_accounts().await?;
        missing.retain(|role| !accounts.iter().any(|account| account.record.roles.contains(role)));
        self.accounts.is_administered.store(missing.is_empty(), Ordering::Relaxed);
        Ok(missing)
    }

    /// Whether the door by which the first two accounts are made stands open.
    pub fn is_setup_open(&self) -> bool {
        let now = self.monotonic();
        let setup = self.accounts.setup.lock().unwrap_or_else(PoisonError::into_inner);
        setup.as_ref().is_some_and(|open| open.is_open(now))
    }

    /// The branches in which the first two may work, told to whoever has the code of the console.
    ///
    /// # Errors
    /// `NotAccepted` for a wrong code, or where the door is closed; `Store`.
    pub async fn branches_for_setup(&self, from: &str, code: &str) -> Result<Vec<Stored<Branch>>, Fault> {
        self.admit_setup(from, code).await?;
        let mut branches = self.branches(&Caller::console()).await?;
        branches.retain(|branch| !branch.record.closed);
        Ok(branches)
    }

    async fn admit_setup(&self, from: &str, code: &str) -> Result<(), Fault> {
        if self.is_setup_code(code) {
            return Ok(());
        }
        let caller = Caller::new(Actor::Host, from, Grant::of_token([], None));
        self.note_refusal(&caller, "account.set_up", None, "no such code").await?;
        Err(Fault::NotAccepted)
    }

    /// Makes one of the first two accounts with the code of the console. Returns the code of its
    /// invitation.
    ///
    /// # Errors
    /// `NotAccepted` for a wrong code, or where the door is closed; `Invalid`; `NotAllowed` for a role
    /// that somebody has already, or that is not one of the two.
    pub async fn set_up(
        &self,
        from: &str,
        code: &str,
        draft: StaffDraft,
        role: Role,
    ) -> Result<Zeroizing<String>, Fault> {
        self.admit_setup(from, code).await?;
        let invited = self.first_account(from, draft, role).await?;
        if self.missing_administrators().await?.is_empty() {
            *self.accounts.setup.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        Ok(invited)
    }

    /// The same at the console of the host, without a code.
    ///
    /// # Errors
    /// As [`Service::set_up`].
    pub async fn first_account(
        &self,
        from: &str,
        draft: StaffDraft,
        role: Role,
    ) -> Result<Zeroizing<String>, Fault> {
        if !self.missing_administrators().await?.contains(&role) {
            let why = "this makes the first system administrator and the first security administrator; others \
                       are asked for, and somebody else approves";
            return Err(Fault::NotAllowed(why.to_owned()));
        }
        let caller = Caller { from: from.to_owned(), ..Caller::console() };
        let staff = self.staff_of_draft(draft).await?;
        let (invitation, [first, second]) = self.invitation()?;
        let account = self.new_account(staff.id, BTreeSet::from([role]), invitation);
        let others = vec![Stored { version: 0, record: Record::from(staff) }];
        self.put_with(&caller, "account.set_up", account, 0, others).await?;
        Ok(Zeroizing::new(format!("{}{}", *first, *second)))
    }

    pub(super) fn is_setup_code(&self, code: &str) -> bool {
        let now = self.monotonic();
        let mut setup = self.accounts.setup.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = setup.as_mut().filter(|open| open.is_open(now)) else { return false };
        let is_it = open.code_hash == code::hash(code);
        if !is_it {
            open.wrong += 1;
        }
        is_it
    }
}
