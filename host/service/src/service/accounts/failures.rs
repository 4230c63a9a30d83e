//! Tries to log in that failed, and how long nobody is looked at after them.

use super::super::Service;
use super::super::fault::Fault;
use crate::account::failures::{Failures, LockRule, Tried};

impl Service {
    /// What is remembered of a staff number, whether or not anybody has it.
    pub(super) async fn failures_of(&self, number: &str) -> Result<Failures, Fault> {
        Ok(self.store.failures(Tried::of(number)).await?.unwrap_or_default())
    }

    pub(super) async fn is_locked(&self, number: &str) -> Result<bool, Fault> {
        Ok(self.failures_of(number).await?.is_locked(self.now()))
    }

    /// Notes a failure. Returns how many there were, and whether nobody is looked at for a while.
    pub(super) async fn note_failure(&self, number: &str) -> Result<(u32, bool), Fault> {
        let (now, rule) = (self.now(), LockRule::of(&self.accounts.settings));
        let failures = self.store.note_failure(Tried::of(number), now, rule).await?;
        Ok((failures.count, failures.is_locked(now)))
    }

    pub(super) async fn forget_failures(&self, number: &str) -> Result<u32, Fault> {
        Ok(self.store.forget_failures(Tried::of(number)).await?)
    }
}
