//! Confirming accounts: every so often each supervisor says of their people who still needs one, and who
//! nobody says it of has none any more.

use super::super::fault::Fault;
use super::super::{Caller, Service};
use crate::record::{Account, AccountState, Staff};
use crate::rights::Action;
use crate::store::{Actor, Stored};
use std::collections::BTreeSet;

/// What came of a look at all accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reviewed {
    /// Accounts of which it was said that somebody has to confirm them.
    pub warned: usize,
    /// Accounts that nobody confirmed in time.
    pub lapsed: usize,
}

impl Service {
    /// Confirms that somebody still needs the account that the caller saw in version `expected`.
    ///
    /// # Errors
    /// `NotFound`; `NotAllowed` for one's own, and for one that cannot be used; `Conflict`; `Store`.
    pub async fn confirm_account(
        &self,
        caller: &Caller,
        number: &str,
        expected: u32,
    ) -> Result<(Stored<Staff>, Stored<Account>), Fault> {
        let may = self.may(caller, Action::ConfirmAccounts).await?;
        let found = self.account_of_number(number).await?;
        let reached = found.filter(|(staff, _)| may.of_staff(&staff.record).is_some());
        let Some((staff, account)) = reached else {
            return Err(self.nothing(caller, Action::ConfirmAccounts, "account").await);
        };
        if caller.grant.who() == Some(staff.record.id) {
            return Err(Fault::NotAllowed("nobody confirms an account of their own".to_owned()));
        }
        if account.record.state == AccountState::Disabled {
            return Err(Fault::NotAllowed("it is disabled: ask for a new invitation".to_owned()));
        }
        let confirmed = Account { confirmed: Some(self.now()), warned: None, ..account.record };
        let confirmed = self.put(caller, "account.confirm", confirmed, expected).await?;
        Ok((staff, confirmed))
    }

    /// Warns of accounts that nobody has confirmed for long, and disables those of which it was warned long
    /// enough ago. A warning comes first, however long the host was away.
    ///
    /// # Errors
    /// `Store`, `Unaudited`.
    pub async fn review_accounts(&self) -> Result<Reviewed, Fault> {
        let settings = &self.accounts.settings;
        let host = Caller { actor: Actor::Host, from: "host".to_owned(), ..Caller::console() };
        let mut reviewed = Reviewed::default();
        for Stored { version, record } in self.all_accounts().await? {
            let since = record.confirmed.unwrap_or(record.since).max(record.since);
            let is_due = self.now().since(since) > settings.confirmed_every;
            if record.state != AccountState::Active || !is_due {
                continue;
            }
            let staff = record.staff;
            let outcome = match record.warned {
                None => {
                    let warned = Account { warned: Some(self.now()), ..record };
                    self.put(&host, "account.warn", warned, version).await.map(|_| reviewed.warned += 1)
                }
                Some(at) if self.now().since(at) > settings.lapses_after_warning => {
                    // A bank that nobody administers could not make it usable again.
                    if let Err(fault) = self.is_not_the_last(&record, &BTreeSet::new()).await {
                        tracing::warn!(%fault, %staff, "an account that nobody confirmed stays");
                        continue;
                    }
                    let epoch = record.epoch.wrapping_add(1);
                    let lapsed = Account { state: AccountState::Disabled, epoch, ..record };
                    let lapsed = self.put(&host, "account.lapse", lapsed, version).await;
                    lapsed.map(|_| {
                        self.end_sessions(staff);
                        reviewed.lapsed += 1;
                    })
                }
                Some(_) => continue,
            };
            match outcome {
                // It was confirmed, or used, just now: the next look sees it.
                Ok(()) | Err(Fault::Conflict { .. }) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(reviewed)
    }
}
