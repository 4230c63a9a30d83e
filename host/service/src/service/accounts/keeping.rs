//! Looking after accounts: who has one, and who has none any more.

use std::collections::BTreeSet;

use super::super::fault::Fault;
use super::super::{Caller, Service};
use crate::record::{Account, AccountState, Key, Kind, Staff, StaffId};
use crate::rights::{Action, Role};
use crate::store::Stored;

/// Accounts that are read at once.
const PAGE: usize = 256;

impl Service {
    /// All accounts that the caller looks after, each with whose it is.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn accounts(&self, caller: &Caller) -> Result<Vec<(Stored<Staff>, Stored<Account>)>, Fault> {
        let may = self.may(caller, Action::LockAccounts).await?;
        let mut found = Vec::new();
        for account in self.all_accounts().await? {
            let staff: Option<Stored<Staff>> = self.find(Key::Staff(account.record.staff)).await?;
            found.extend(
                staff.filter(|staff| may.of_staff(&staff.record).is_some()).map(|staff| (staff, account)),
            );
        }
        self.saw(caller, "account.list", None, None, found.len()).await?;
        Ok(found)
    }

    /// Whether the caller may see tokens of other systems.
    ///
    /// # Errors
    /// `Forbidden`.
    pub async fn may_see_clients(&self, caller: &Caller) -> Result<(), Fault> {
        self.may(caller, Action::SeeClients).await?;
        self.saw(caller, "client.list", None, None, 1).await
    }

    /// Disables an account and ends its sessions, at once.
    ///
    /// # Errors
    /// `NotFound`; `NotAllowed` for one's own, and for the last of a power; `Conflict`; `Store`.
    pub async fn disable_account(
        &self,
        caller: &Caller,
        number: &str,
    ) -> Result<(Stored<Staff>, Stored<Account>), Fault> {
        let (staff, account) = self.account_looked_after(caller, number).await?;
        self.is_not_the_last(&account.record, &BTreeSet::new()).await?;
        let Account { epoch, .. } = account.record;
        let disabled = Account {
            state: AccountState::Disabled,
            invitation: None,
            epoch: epoch.wrapping_add(1),
            ..account.record
        };
        let disabled = self.put(caller, "account.disable", disabled, account.version).await?;
        self.accounts.sessions.end(staff.record.id, None);
        Ok((staff, disabled))
    }

    /// Ends all sessions of somebody, on every host; they may log in again.
    ///
    /// # Errors
    /// `NotFound`; `NotAllowed` for one's own, which one ends oneself; `Conflict`; `Store`.
    pub async fn end_sessions_of(
        &self,
        caller: &Caller,
        number: &str,
    ) -> Result<(Stored<Staff>, Stored<Account>), Fault> {
        let (staff, account) = self.account_looked_after(caller, number).await?;
        let epoch = account.record.epoch.wrapping_add(1);
        let ended = Account { epoch, ..account.record };
        let ended = self.put(caller, "account.end_sessions", ended, account.version).await?;
        self.accounts.sessions.end(staff.record.id, None);
        Ok((staff, ended))
    }

    /// The account of somebody whom the caller looks after, or of the caller.
    pub(in crate::service) async fn account_within(
        &self,
        caller: &Caller,
        number: &str,
    ) -> Result<(Stored<Staff>, Stored<Account>), Fault> {
        let may = self.may(caller, Action::LockAccounts).await?;
        let found = self.account_of_number(number).await?;
        match found.filter(|(staff, _)| may.of_staff(&staff.record).is_some()) {
            Some(found) => Ok(found),
            None => Err(self.nothing(caller, Action::LockAccounts, "account").await),
        }
    }

    /// Somebody else's account that the caller may lock.
    async fn account_looked_after(
        &self,
        caller: &Caller,
        number: &str,
    ) -> Result<(Stored<Staff>, Stored<Account>), Fault> {
        let (staff, account) = self.account_within(caller, number).await?;
        if caller.grant.who() == Some(staff.record.id) {
            return Err(Fault::NotAllowed("nobody changes an account of their own".to_owned()));
        }
        Ok((staff, account))
    }

    /// Whether somebody else holds each power that this account would no longer have.
    pub(in crate::service) async fn is_not_the_last(
        &self,
        account: &Account,
        keeps: &BTreeSet<Role>,
    ) -> Result<(), Fault> {
        let lost = account.roles.difference(keeps).filter(|role| {
            matches!(role, Role::SystemAdministrator | Role::SecurityAdministrator | Role::Auditor)
        });
        let accounts = self.all_accounts().await?;
        for role in lost {
            let has = |other: &&Stored<Account>| {
                other.record.staff != account.staff
                    && other.record.state == AccountState::Active
                    && other.record.roles.contains(role)
            };
            if account.state == AccountState::Active && accounts.iter().find(has).is_none() {
                let why = format!("nobody else is {}: make another one first", role.name());
                return Err(Fault::NotAllowed(why));
            }
        }
        Ok(())
    }

    /// Ends the sessions of somebody whose powers have changed.
    pub(in crate::service) fn end_sessions(&self, staff: StaffId) {
        self.accounts.sessions.end(staff, None);
    }

    /// All accounts that there are.
    pub(in crate::service) async fn all_accounts(&self) -> Result<Vec<Stored<Account>>, Fault> {
        let mut accounts: Vec<Stored<Account>> = Vec::new();
        loop {
            let after = accounts.last().map(|stored| Key::Account(stored.record.staff));
            let page = self.store.scan(Kind::Account, after.as_ref(), PAGE).await?;
            if page.is_empty() {
                return Ok(accounts);
            }
            accounts.extend(page.into_iter().filter_map(Stored::typed));
        }
    }
}
