//! What those who watch over a host see of it, and do to it. How its parts are is not the service's to know:
//! here stands who may, and what of it is in the trail.

use std::collections::BTreeMap;

use rfid_core::{Name, UtcTime};

use super::exports::ExportSettings;
use super::fault::Fault;
use super::requests::IssuingSettings;
use super::retention::RetentionSettings;
use super::{Caller, Service};
use crate::account::AccountSettings;
use crate::audit::{Entry, Outcome};
use crate::rights::Action;

/// The name in the trail of a run of retention.
const RETENTION: &str = "retention.run";
/// Records of the trail that are looked through for runs of retention.
const LOOKED_THROUGH: usize = 20_000;

/// How far somebody sees what belongs to branches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overseen {
    branches: Option<Vec<Name>>,
}

impl Overseen {
    /// Whether everything is seen, also what is of no branch.
    pub fn is_all(&self) -> bool {
        self.branches.is_none()
    }

    /// Whether what stands in this branch is seen.
    pub fn has(&self, branch: Option<&Name>) -> bool {
        let Some(own) = &self.branches else { return true };
        branch.is_some_and(|branch| own.contains(branch))
    }
}

/// The rules by which this host keeps accounts, data and exports. They stand in the configuration.
#[derive(Clone, Debug)]
pub struct Policies {
    /// Passwords, sessions, locking.
    pub accounts: AccountSettings,
    /// How long what is kept.
    pub retention: RetentionSettings,
    /// How much is exported.
    pub exports: Option<ExportSettings>,
    /// How cards are issued.
    pub issuing: IssuingSettings,
}

/// A run that took out what was kept for long enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionRun {
    /// When.
    pub at: UtcTime,
    /// What it did, under the names of the trail.
    pub facts: BTreeMap<String, String>,
}

impl Service {
    /// How far the caller sees the parts of the host, or how it is, by one of these rights. That they looked
    /// at `what` is in the trail.
    ///
    /// # Errors
    /// `Forbidden`; `Unaudited`.
    pub async fn oversee(&self, caller: &Caller, action: Action, what: &str) -> Result<Overseen, Fault> {
        let may = self.may(caller, action).await?;
        // No branch is called by nothing: only who sees all of them sees that.
        let overseen = match may.in_branch("") {
            Some(_) => Overseen { branches: None },
            None => {
                let branches = self.branches(caller).await?.into_iter().map(|branch| branch.record.code);
                Overseen { branches: Some(branches.filter(|code| may.in_branch(code).is_some()).collect()) }
            }
        };
        self.looked_at(caller, action, what).await?;
        Ok(overseen)
    }

    /// Lets the caller hear what a reader reads from now on.
    ///
    /// # Errors
    /// `Forbidden`; `Unaudited`.
    pub async fn may_listen(&self, caller: &Caller, reader: &Name) -> Result<(), Fault> {
        self.may(caller, Action::ListenToReaders).await?;
        self.looked_at(caller, Action::ListenToReaders, reader).await
    }

    async fn looked_at(&self, caller: &Caller, action: Action, what: &str) -> Result<(), Fault> {
        let Some(trail) = &self.trail else { return Ok(()) };
        let mut entry = caller.entry(self.now(), action.name());
        entry.facts.insert("of".to_owned(), what.to_owned());
        trail.note(entry).await.map_err(Fault::Unaudited)
    }

    /// Looks what a reload would change, which `work` finds out.
    ///
    /// # Errors
    /// `Forbidden`; `Unaudited`.
    pub async fn look_at_configuration<T>(
        &self,
        caller: &Caller,
        work: impl Future<Output = T> + Send,
    ) -> Result<T, Fault> {
        self.may(caller, Action::ReloadConfiguration).await?;
        self.looked_at(caller, Action::ReloadConfiguration, "difference").await?;
        Ok(work.await)
    }

    /// Has the configuration read anew by `work`, which says why it was refused. It is in the trail before,
    /// and that it did not happen after.
    ///
    /// # Errors
    /// `Forbidden`; `ProofNeeded`; `Unaudited`.
    pub async fn reload_configuration<T>(
        &self,
        caller: &Caller,
        work: impl Future<Output = Result<T, String>> + Send,
    ) -> Result<Result<T, String>, Fault> {
        self.may(caller, Action::ReloadConfiguration).await?;
        caller.is_proved()?;
        let entry = caller.entry(self.now(), Action::ReloadConfiguration.name());
        let number = match &self.trail {
            Some(trail) => Some((trail, trail.act(entry.clone()).await.map_err(Fault::Unaudited)?)),
            None => None,
        };
        let outcome = work.await;
        if let (Err(why), Some((trail, number))) = (&outcome, number) {
            trail.undone(number, entry, why).await.map_err(Fault::Unaudited)?;
        }
        Ok(outcome)
    }

    /// The rules of this host.
    ///
    /// # Errors
    /// `Forbidden`; `Unaudited`.
    pub async fn policies(&self, caller: &Caller) -> Result<Policies, Fault> {
        self.may(caller, Action::SeePolicies).await?;
        self.looked_at(caller, Action::SeePolicies, "policies").await?;
        Ok(Policies {
            accounts: self.accounts.settings.clone(),
            retention: self.retention.clone(),
            exports: self.export_settings(),
            issuing: self.issuing.clone(),
        })
    }

    /// The latest runs of retention, the latest first, as the trail tells of them.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn retention_runs(&self, caller: &Caller, limit: usize) -> Result<Vec<RetentionRun>, Fault> {
        self.may(caller, Action::SeePolicies).await?;
        let Some(trail) = &self.trail else { return Ok(Vec::new()) };
        let (mut runs, mut before, mut looked_at) = (Vec::new(), None, 0);
        while runs.len() < limit && looked_at < LOOKED_THROUGH {
            let page = trail.latest(before, 512).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.number);
            looked_at += page.len();
            let found = page.into_iter().map(|recorded| recorded.entry).filter(is_done(RETENTION));
            runs.extend(found.map(|entry| RetentionRun { at: entry.at, facts: entry.facts }));
        }
        runs.truncate(limit);
        Ok(runs)
    }
}

/// Whether an entry says that something of this name was done.
pub(super) fn is_done(action: &'static str) -> impl Fn(&Entry) -> bool {
    move |entry| entry.action == action && entry.outcome == Outcome::Done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rights::Role;
    use crate::service::bank::Bank;

    #[tokio::test]
    async fn a_branch_oversees_its_own_and_the_centre_what_is_of_no_branch() {
        let bank = Bank::new().await;
        let supervisor = bank.person("BS1", &[Role::BranchSupervisor]).await;
        let system = bank.person("SA1", &[Role::SystemAdministrator]).await;
        let security = bank.person("SE1", &[Role::SecurityAdministrator]).await;
        let (a, b): (Name, Name) = ("a".into(), "b".into());
        let see = Action::SeeInstallation;
        let seen = bank.service.oversee(&supervisor, see, "readers").await.unwrap();
        assert!(seen.has(Some(&a)) && !seen.has(Some(&b)) && !seen.has(None) && !seen.is_all());
        let seen = bank.service.oversee(&system, see, "readers").await.unwrap();
        assert!(seen.has(Some(&b)) && seen.has(None) && seen.is_all());
        let refused = bank.service.oversee(&security, see, "readers").await;
        assert!(matches!(refused, Err(Fault::Forbidden(Action::SeeInstallation))));
        assert!(matches!(bank.service.may_listen(&supervisor, &a).await, Err(Fault::Forbidden(_))));
        bank.service.may_listen(&system, &"door".into()).await.unwrap();
        let told = bank.told().await;
        assert!(told.iter().any(|recorded| recorded.entry.action == "readers.listen"
            && recorded.entry.facts.get("of").is_some_and(|of| of == "door")));
    }

    #[tokio::test]
    async fn a_reload_is_in_the_trail_before_and_what_was_refused_is_taken_back() {
        let bank = Bank::new().await;
        let system = bank.person("SA1", &[Role::SystemAdministrator]).await;
        let done = bank.service.reload_configuration(&system, async { Ok::<_, String>(1) }).await.unwrap();
        assert_eq!(done, Ok(1));
        let refused = async { Err::<(), _>("branch.toml:3: no such driver".to_owned()) };
        assert!(bank.service.reload_configuration(&system, refused).await.unwrap().is_err());
        let told = bank.told().await;
        let of_reloads: Vec<Outcome> = told
            .iter()
            .filter(|recorded| recorded.entry.action == "configuration.reload")
            .map(|recorded| recorded.entry.outcome)
            .collect();
        assert_eq!(of_reloads, [Outcome::Done, Outcome::Done, Outcome::NotDone]);
        // Later than a while ago a password is asked for, and nothing is done before.
        bank.wait(std::time::Duration::from_secs(600));
        let caller = Caller {
            session: Some(super::super::SessionMark { alias: "x".into(), is_proved: false, acting: None }),
            ..system
        };
        let never = async { panic!("it was done") };
        let refused = bank.service.reload_configuration::<()>(&caller, never).await;
        assert!(matches!(refused, Err(Fault::ProofNeeded)));
    }

    #[tokio::test]
    async fn rules_and_runs_of_retention_are_told_to_security_alone() {
        let bank = Bank::new().await;
        let security = bank.person("SE1", &[Role::SecurityAdministrator]).await;
        bank.service.keep_no_longer(None).await.unwrap();
        let policies = bank.service.policies(&security).await.unwrap();
        assert_eq!(policies.retention.visits_months, 13);
        let runs = bank.service.retention_runs(&security, 5).await.unwrap();
        assert!(runs.len() == 1 && runs[0].facts.contains_key("visits"), "{runs:?}");
        let system = bank.person("SA1", &[Role::SystemAdministrator]).await;
        assert!(matches!(bank.service.policies(&system).await, Err(Fault::Forbidden(_))));
        assert!(matches!(bank.service.retention_runs(&system, 1).await, Err(Fault::Forbidden(_))));
    }
}
