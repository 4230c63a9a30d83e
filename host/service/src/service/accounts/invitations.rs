//! Invitations: how somebody comes to a password and a second factor.

use std::collections::BTreeSet;

use rfid_core::Result as CoreResult;
use zeroize::Zeroizing;

use super::super::fault::Fault;
use super::super::{Caller, Grant, Service};
use super::WRONG_CODES;
use crate::account::password::Weak;
use crate::account::{code, second_factor};
use crate::record::{Account, AccountState, Invitation, Personal, Staff, StaffId};
use crate::rights::{Matrix, Role};
use crate::store::{Actor, Stored};

/// Who was invited, as far as the page says it on which they accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invited {
    /// As what.
    pub roles: BTreeSet<Role>,
    /// Whether they need a second factor.
    pub needs_second_factor: bool,
    /// Fewest characters of their password.
    pub shortest_password: usize,
}

impl Service {
    /// What it takes to accept an invitation.
    ///
    /// # Errors
    /// `NotAccepted` for a wrong or late code.
    pub async fn invitation_of(&self, from: &str, number: &str, code: &str) -> Result<Invited, Fault> {
        let roles = self.invited(from, number, code).await?.1.record.roles;
        Ok(Invited {
            needs_second_factor: roles.iter().any(|role| Matrix::get().needs_second_factor(*role)),
            shortest_password: self.shortest_password(&roles),
            roles,
        })
    }

    /// What is wrong with a password that somebody who was invited thinks of.
    ///
    /// # Errors
    /// `NotAccepted` for a wrong or late code.
    pub async fn weigh_password_of_invited(
        &self,
        from: &str,
        (number, code): (&str, &str),
        password: &Personal<String>,
    ) -> Result<Option<Weak>, Fault> {
        let (staff, account) = self.invited(from, number, code).await?;
        Ok(self.weak(password, &staff.record, &account.record.roles))
    }

    /// Gives somebody who was invited the secret of a second factor, as an address that an authenticator
    /// takes in. Asked for again, it is another.
    ///
    /// # Errors
    /// `NotAccepted` for a wrong or late code.
    pub async fn offer_second_factor(
        &self,
        from: &str,
        number: &str,
        code: &str,
        host: &str,
    ) -> Result<Personal<String>, Fault> {
        let (staff, account) = self.invited_person(from, number, code).await?;
        let secret = second_factor::new_secret(self.randomness.as_ref())?;
        let address = second_factor::address(&secret, host, &staff.record.number.to_string());
        let caller = Caller::new(Actor::Staff(staff.record.id), from, Grant::of_token([], None));
        let offered = Account { second_factor: Some(secret), last_step: 0, ..account.record };
        self.put(&caller, "account.second_factor", offered, account.version).await?;
        Ok(address)
    }

    /// Lets somebody who was invited set a password; with a second factor the digits of now, too.
    ///
    /// # Errors
    /// `NotAccepted` for a wrong or late code, or digits that are not those of now; `Invalid` for a
    /// password that is not good enough.
    pub async fn accept_invitation(
        &self,
        from: &str,
        number: &str,
        code: &str,
        password: Personal<String>,
        digits: Option<&str>,
    ) -> Result<(), Fault> {
        let (staff, account) = self.invited_person(from, number, code).await?;
        self.check_password(&password, &staff.record, &account.record.roles)?;
        let Some(last_step) = self.step(&account.record, digits)? else {
            self.note_failure(number).await?;
            return Err(Fault::NotAccepted);
        };
        let kept = self.trier()?.hash(password, self.randomness.as_ref()).await?;
        let caller = Caller::new(Actor::Staff(staff.record.id), from, Grant::of_token([], None));
        let accepted = Account {
            state: AccountState::Active,
            invitation: None,
            password: Some(kept),
            last_step,
            since: self.now(),
            epoch: account.record.epoch.wrapping_add(1),
            ..account.record
        };
        self.put(&caller, "account.accept", accepted, account.version).await?;
        self.forget_failures(number).await?;
        Ok(())
    }

    /// The same, and not that of a machine, which has no password.
    async fn invited_person(
        &self,
        from: &str,
        number: &str,
        code: &str,
    ) -> Result<(Stored<Staff>, Stored<Account>), Fault> {
        let invited = self.invited(from, number, code).await?;
        if invited.1.record.is_display() { Err(Fault::NotAccepted) } else { Ok(invited) }
    }

    /// Whose invitation this is.
    pub(super) async fn invited(
        &self,
        from: &str,
        number: &str,
        code: &str,
    ) -> Result<(Stored<Staff>, Stored<Account>), Fault> {
        let found = self.account_of_number(number).await?;
        let now = self.now();
        let fits = |account: &Account| {
            account.state == AccountState::Invited
                && account.invitation.as_ref().is_some_and(|invitation| {
                    invitation.until > now && invitation.code_hash == code::hash(code)
                })
        };
        let failures = self.failures_of(number).await?;
        let is_open = !failures.is_locked(now) && failures.count < WRONG_CODES;
        if let Some(invited) = found.filter(|(_, account)| is_open && fits(&account.record)) {
            return Ok(invited);
        }
        self.note_failure(number).await?;
        let caller = Caller::new(Actor::Host, from, Grant::of_token([], None));
        self.note_refusal(&caller, "account.accept", None, "no such invitation").await?;
        Err(Fault::NotAccepted)
    }

    /// A new invitation of an account, and the code that goes with it, in two halves.
    pub(in crate::service) fn invitation(&self) -> CoreResult<(Invitation, [Zeroizing<String>; 2])> {
        let halves = [code::half(self.randomness.as_ref())?, code::half(self.randomness.as_ref())?];
        let whole = Zeroizing::new(format!("{}{}", *halves[0], *halves[1]));
        let until = self.now().plus(self.accounts.settings.invited_for);
        Ok((Invitation { code_hash: code::hash(&whole), until }, halves))
    }

    /// An account that waits for its person to set a password.
    pub(in crate::service) fn new_account(
        &self,
        staff: StaffId,
        roles: BTreeSet<Role>,
        invitation: Invitation,
    ) -> Account {
        Account {
            staff,
            roles,
            state: AccountState::Invited,
            invitation: Some(invitation),
            password: None,
            second_factor: None,
            device: None,
            last_step: 0,
            confirmed: None,
            warned: None,
            since: self.now(),
            last_login: None,
            lent: None,
            epoch: 0,
        }
    }
}
