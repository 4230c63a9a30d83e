//! Reading the audit trail, as far as each may.

use std::collections::BTreeMap;

use rfid_core::{Name, UtcTime};

use super::fault::Fault;
use super::{Caller, Service};
use crate::audit::{Entry, Outcome, Recorded};
use crate::record::{Key, Number, Staff, StaffId};
use crate::rights::{Action, Role};
use crate::store::{Actor, Stored};

/// Records of the trail that are read at once, and looked through for one page.
const READ_AT_ONCE: usize = 256;
const LOOKED_AT: usize = 10_000;

/// Which records of the trail are asked for. What is left out does not matter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrailFilter {
    /// By whom: a staff number, the name of a system, `host` or `console`.
    pub by: Option<String>,
    /// What was done: the beginning of its name, as in `account.`.
    pub action: Option<String>,
    /// To what: kind and id.
    pub object: Option<String>,
    /// In which branch.
    pub branch: Option<Name>,
    /// What came of it.
    pub outcome: Option<Outcome>,
    /// From when on.
    pub from: Option<UtcTime>,
    /// Until before when.
    pub until: Option<UtcTime>,
}

impl TrailFilter {
    fn fits(&self, entry: &Entry, by: Option<&Actor>) -> bool {
        let is_by = self.by.is_none() || by.is_some_and(|by| *by == entry.by);
        is_by
            && self.action.as_deref().is_none_or(|action| entry.action.starts_with(action))
            && self.object.as_deref().is_none_or(|object| entry.object.as_deref() == Some(object))
            && self.branch.as_ref().is_none_or(|branch| entry.branch.as_ref() == Some(branch))
            && self.outcome.is_none_or(|outcome| entry.outcome == outcome)
            && self.from.is_none_or(|from| entry.at >= from)
            && self.until.is_none_or(|until| entry.at < until)
    }
}

impl Service {
    /// Records of the trail before number `before`, the latest first, as far as the caller may read them;
    /// at most `limit` of them, and where the list goes on.
    ///
    /// # Errors
    /// `Forbidden`; `NotFound` where there is no trail; `Store`.
    pub async fn audit_trail(
        &self,
        caller: &Caller,
        before: Option<u64>,
        limit: usize,
    ) -> Result<(Vec<Recorded>, Option<u64>), Fault> {
        self.audit_trail_of(caller, &TrailFilter::default(), before, limit).await
    }

    /// The same, of those that fit. Few may be found among many: then the list goes on although it is short.
    ///
    /// # Errors
    /// As [`Service::audit_trail`].
    pub async fn audit_trail_of(
        &self,
        caller: &Caller,
        filter: &TrailFilter,
        before: Option<u64>,
        limit: usize,
    ) -> Result<(Vec<Recorded>, Option<u64>), Fault> {
        let may = self.may(caller, Action::ReadAudit).await?;
        let trail = self.trail.as_ref().ok_or(Fault::NotFound("audit trail"))?;
        // Whoever supervises others does not watch over themselves.
        let reads_all = caller.grant.holds(Role::Auditor) || caller.grant.who().is_none();
        let by = match &filter.by {
            Some(name) => self.actor_of(name).await?,
            None => None,
        };
        let (mut found, mut behind, mut looked_at) = (Vec::new(), before, 0);
        while found.len() < limit && looked_at < LOOKED_AT {
            let page = trail.latest(behind, READ_AT_ONCE).await?;
            let Some(last) = page.last() else {
                behind = None;
                break;
            };
            looked_at += page.len();
            behind = Some(last.number);
            for recorded in page {
                let is_theirs = reads_all
                    || recorded.entry.by != caller.actor
                        && recorded
                            .entry
                            .branch
                            .as_ref()
                            .is_some_and(|branch| may.in_branch(branch).is_some());
                if is_theirs && filter.fits(&recorded.entry, by.as_ref()) {
                    behind = Some(recorded.number);
                    found.push(recorded);
                }
                if found.len() == limit {
                    break;
                }
            }
        }
        self.saw(caller, "audit.read", None, None, found.len()).await?;
        Ok((found, behind.filter(|number| *number > 1)))
    }

    /// Who is meant by a name in a filter; nobody where there is no such one, which then fits nothing.
    async fn actor_of(&self, name: &str) -> Result<Option<Actor>, Fault> {
        match name {
            "host" => return Ok(Some(Actor::Host)),
            "console" => return Ok(Some(Actor::Console)),
            _ => {}
        }
        if name.parse::<Number>().is_ok() {
            match self.any_staff_of_number(name).await {
                Ok(staff) => return Ok(Some(Actor::Staff(staff.record.id))),
                Err(Fault::NotFound(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(Some(Actor::Machine(name.to_owned())))
    }

    /// The staff numbers of those who did what a page of the trail says, and of those to whom it was done: the
    /// trail itself names ids alone. Nothing else of them is told.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn staff_numbers_of(
        &self,
        caller: &Caller,
        page: &[Recorded],
    ) -> Result<BTreeMap<StaffId, Number>, Fault> {
        self.may(caller, Action::ReadAudit).await?;
        let mut keys: Vec<Key> = page
            .iter()
            .flat_map(|recorded| {
                let by = match &recorded.entry.by {
                    Actor::Staff(id) => Some(Key::Staff(*id)),
                    _ => None,
                };
                let object = recorded.entry.object.as_deref().and_then(|object| object.parse().ok());
                let object = match object {
                    Some(Key::Staff(id) | Key::Account(id)) => Some(Key::Staff(id)),
                    _ => None,
                };
                [by, object]
            })
            .flatten()
            .collect();
        keys.sort();
        keys.dedup();
        let found = self.store.get(&keys).await?.into_iter().flatten().filter_map(Stored::typed::<Staff>);
        Ok(found.map(|staff| (staff.record.id, staff.record.number)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::bank::Bank;

    #[tokio::test]
    async fn the_trail_is_filtered_by_who_what_when_and_what_came_of_it() {
        let bank = Bank::new().await;
        let service = &bank.service;
        let auditor = bank.person("AU1", &[Role::Auditor]).await;
        bank.wait(std::time::Duration::from_secs(60));
        let security = bank.person("SE1", &[Role::SecurityAdministrator]).await;
        let later = service.now();
        let _ = service.audit_trail(&security, None, 1).await.unwrap_err();
        service.accounts(&security).await.unwrap();
        let of = async |filter: TrailFilter| {
            let (found, _) = service.audit_trail_of(&auditor, &filter, None, 100).await.unwrap();
            found.into_iter().map(|recorded| recorded.entry.action).collect::<Vec<_>>()
        };
        // What is only looked at is written within a second; the end of the trail waits for it.
        service.trail().unwrap().head().await.unwrap();
        let by = Some("SE1".to_owned());
        let by_security = of(TrailFilter { by: by.clone(), ..TrailFilter::default() }).await;
        assert_eq!(by_security, ["account.list", "audit.read", "session.begin"]);
        let filter =
            TrailFilter { by: by.clone(), action: Some("account.".to_owned()), ..Default::default() };
        assert_eq!(of(filter).await, ["account.list"]);
        let filter = TrailFilter { by, outcome: Some(Outcome::Refused), ..Default::default() };
        assert_eq!(of(filter).await, ["audit.read"]);
        let filter = TrailFilter { from: Some(later), by: Some("AU1".to_owned()), ..Default::default() };
        assert!(of(filter).await.iter().all(|action| action == "audit.read"));
        let filter =
            TrailFilter { until: Some(later), action: Some("session".to_owned()), ..Default::default() };
        assert_eq!(of(filter).await, ["session.begin"]);
        for filter in [
            TrailFilter { by: Some("nobody".to_owned()), ..Default::default() },
            TrailFilter { branch: Some("nowhere".into()), ..Default::default() },
            TrailFilter { object: Some("card:1".to_owned()), ..Default::default() },
        ] {
            assert_eq!(of(filter).await, Vec::<String>::new());
        }
        let (page, _) = service.audit_trail(&auditor, None, 100).await.unwrap();
        let numbers = service.staff_numbers_of(&auditor, &page).await.unwrap();
        let mut numbers: Vec<String> = numbers.values().map(ToString::to_string).collect();
        numbers.sort();
        assert_eq!(numbers, ["AU1", "SE1"]);
        assert!(matches!(service.staff_numbers_of(&security, &page).await, Err(Fault::Forbidden(_))));
    }
}
