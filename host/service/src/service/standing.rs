//! How things stand in all branches at this moment, counted: who is inside, who waits, what went wrong.
//!
//! Names nobody who is a customer. It is read once from the store, and from then on kept up with what is
//! written, so that many may look at it often; whoever falls behind what is written reads it anew.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use rfid_core::{Name, UtcTime};
use tokio::sync::Mutex;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use super::fault::Fault;
use super::history::VisitState;
use super::{Caller, Service};
use crate::recognition::{Notice, local_day};
use crate::record::{Alarm, AlarmId, Branch, Duty, Key, Kind, Outcome, Staff, StaffRole, Visit, VisitId};
use crate::rights::Action;
use crate::store::{Among, By, Figures, Listing, Stored, TallyAsk};

/// Branches and duties tell nobody when they change; they are read again after so long.
const READ_AGAIN: Duration = Duration::from_secs(5);

/// How things stand in one branch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BranchStanding {
    /// Its code.
    pub code: Name,
    /// Its name.
    pub name: String,
    /// Customers who are inside, by VIP class.
    pub inside: BTreeMap<Name, u64>,
    /// How many of them nobody has greeted.
    pub waiting: u64,
    /// How many were greeted and are not served.
    pub greeted: u64,
    /// How many are served.
    pub served: u64,
    /// Since when the one of them waits who waits longest.
    pub waits_since: Option<UtcTime>,
    /// Cards that were refused today.
    pub refused: u64,
    /// Tags that this host did not know today: since it was started, if that was today.
    pub unknown: u64,
    /// Alarms that nobody has seen to.
    pub alarms: u64,
    /// Names of the lobby managers and account managers who are on duty, in the order of their staff numbers.
    pub on_duty: Vec<String>,
}

impl BranchStanding {
    /// Customers who are inside.
    pub fn inside(&self) -> u64 {
        self.inside.values().sum()
    }
}

/// A visit of a recognised customer that goes on.
#[derive(Debug)]
struct Inside {
    version: u32,
    branch: Name,
    class: Name,
    state: VisitState,
    arrived_at: UtcTime,
}

/// What is kept up.
#[derive(Debug)]
struct Kept {
    notices: Receiver<Notice>,
    /// The day on which refused cards are counted.
    day: UtcTime,
    inside: HashMap<VisitId, Inside>,
    /// Visits that ended meanwhile, with the version that said so: an earlier one may be heard of later.
    over: HashMap<VisitId, u32>,
    alarms: HashMap<AlarmId, Name>,
    refused: BTreeMap<Name, u64>,
    /// Branches whose refused cards have to be counted again.
    recount: BTreeSet<Name>,
    branches: Vec<Branch>,
    on_duty: BTreeMap<Name, Vec<String>>,
    read_at: Duration,
}

/// How things stand; nothing until somebody asks.
#[derive(Debug, Default)]
pub(super) struct Standing(Mutex<Option<Kept>>);

impl Service {
    /// How things stand in all branches that a caller sees reports of, in the order of their codes.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn standing(&self, caller: &Caller) -> Result<Vec<BranchStanding>, Fault> {
        let may = self.may(caller, Action::SeeReports).await?;
        let mut all = self.standing_of_all().await?;
        all.retain(|branch| may.in_branch(&branch.code).is_some());
        Ok(all)
    }

    /// Notes in the trail that somebody looks at how things stand from now on.
    ///
    /// # Errors
    /// `Unaudited`.
    pub async fn looks_at_standing(&self, caller: &Caller, branches: usize) -> Result<(), Fault> {
        self.saw(caller, "standing.see", None, None, branches).await
    }

    async fn standing_of_all(&self) -> Result<Vec<BranchStanding>, Fault> {
        let mut guard = self.standing.0.lock().await;
        let today = self.today();
        let is_good = guard.as_mut().is_some_and(|kept| kept.day == today && kept.catch_up(today));
        if !is_good {
            *guard = None;
        }
        let kept = match guard.as_mut() {
            Some(kept) => kept,
            None => guard.insert(self.read_standing(today).await?),
        };
        if !kept.recount.is_empty() {
            let branches = std::mem::take(&mut kept.recount);
            let counted = self.refused_today(today, Some(branches.clone())).await;
            let counted = counted.inspect_err(|_| kept.recount.clone_from(&branches))?;
            for branch in branches {
                let count = counted.get(&branch).copied().unwrap_or(0);
                kept.refused.insert(branch, count);
            }
        }
        if self.monotonic().saturating_sub(kept.read_at) >= READ_AGAIN {
            kept.branches = self.open_branches().await?;
            kept.on_duty = self.names_on_duty().await?;
            kept.read_at = self.monotonic();
        }
        let day = local_day(self.now(), &self.recognition.settings().zone);
        Ok(kept.counted(&self.recognition.counters().unknown_on(day)))
    }

    /// Everything from the store. What is written meanwhile is heard of afterwards.
    async fn read_standing(&self, today: UtcTime) -> Result<Kept, Fault> {
        let mut kept = Kept {
            notices: self.recognition.notices().subscribe(),
            day: today,
            inside: HashMap::new(),
            over: HashMap::new(),
            alarms: HashMap::new(),
            refused: self.refused_today(today, None).await?,
            recount: BTreeSet::new(),
            branches: self.open_branches().await?,
            on_duty: self.names_on_duty().await?,
            read_at: self.monotonic(),
        };
        let visits: Vec<Stored<Visit>> = self.all_of(&Listing::ever(Kind::Visit, Among::Open)).await?;
        visits.iter().for_each(|visit| kept.visit(visit, today));
        let alarms: Vec<Stored<Alarm>> = self.all_of(&Listing::ever(Kind::Alarm, Among::Open)).await?;
        alarms.iter().for_each(|alarm| kept.alarm(&alarm.record));
        // Who was refused and has not left was counted with the day.
        kept.recount.clear();
        Ok(kept)
    }

    async fn open_branches(&self) -> Result<Vec<Branch>, Fault> {
        let branches = self.branches(&Caller::console()).await?.into_iter().map(|branch| branch.record);
        Ok(branches.filter(|branch| !branch.closed).collect())
    }

    /// Cards that were refused today, by branch.
    async fn refused_today(
        &self,
        today: UtcTime,
        branches: Option<BTreeSet<Name>>,
    ) -> Result<BTreeMap<Name, u64>, Fault> {
        let edges = vec![today, UtcTime::from_nanos(u64::MAX)];
        let by = [By::Branch, By::Outcome].into();
        let ask = TallyAsk { edges, labels: Vec::new(), branches, by, figures: Figures::Visits };
        let mut refused = BTreeMap::new();
        for (key, tally) in self.store.tally(&ask).await? {
            if let (Some(branch), Some(_)) = (key.branch, key.refusal) {
                *refused.entry(branch).or_default() += tally.visits;
            }
        }
        Ok(refused)
    }

    /// Who meets customers and is on duty, by branch.
    async fn names_on_duty(&self) -> Result<BTreeMap<Name, Vec<String>>, Fault> {
        let duties: Vec<Stored<Duty>> = self.all_of(&Listing::ever(Kind::Duty, Among::Open)).await?;
        let keys: Vec<Key> = duties.iter().map(|duty| Key::Staff(duty.record.staff)).collect();
        let found = self.store.get(&keys).await?;
        let mut people: Vec<(Name, Staff)> = duties
            .into_iter()
            .zip(found)
            .filter_map(|(duty, staff)| Some((duty.record.branch, staff?.typed::<Staff>()?.record)))
            .filter(|(_, staff)| !staff.left)
            .filter(|(_, staff)| matches!(staff.role, StaffRole::LobbyManager | StaffRole::AccountManager))
            .collect();
        people.sort_by(|one, other| one.1.number.as_str().cmp(other.1.number.as_str()));
        let mut names: BTreeMap<Name, Vec<String>> = BTreeMap::new();
        for (branch, staff) in people {
            names.entry(branch).or_default().push(staff.name.reveal().clone());
        }
        Ok(names)
    }
}

impl Kept {
    /// Takes in what was written since. Returns whether it heard of everything.
    fn catch_up(&mut self, today: UtcTime) -> bool {
        loop {
            match self.notices.try_recv() {
                Ok(Notice::Visit(visit)) => self.visit(&visit, today),
                Ok(Notice::Alarm(alarm)) => self.alarm(&alarm.record),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Lagged(_) | TryRecvError::Closed) => return false,
            }
        }
    }

    fn visit(&mut self, Stored { version, record: visit }: &Stored<Visit>, today: UtcTime) {
        if let Outcome::Refused(_) = visit.outcome {
            if visit.arrived_at >= today {
                self.recount.insert(visit.branch.clone());
            }
            return;
        }
        // Two who write at once may be heard in another order than they wrote in.
        let known =
            self.inside.get(&visit.id).map(|known| known.version).max(self.over.get(&visit.id).copied());
        if known.is_some_and(|known| known >= *version) {
            return;
        }
        if visit.departed_at.is_some() {
            self.inside.remove(&visit.id);
            self.over.insert(visit.id, *version);
            return;
        }
        self.over.remove(&visit.id);
        let inside = Inside {
            version: *version,
            branch: visit.branch.clone(),
            class: visit.vip_class.clone(),
            state: VisitState::of(visit),
            arrived_at: visit.arrived_at,
        };
        self.inside.insert(visit.id, inside);
    }

    fn alarm(&mut self, alarm: &Alarm) {
        match alarm.acknowledged {
            None => self.alarms.insert(alarm.id, alarm.branch.clone()),
            Some(_) => self.alarms.remove(&alarm.id),
        };
    }

    fn counted(&self, unknown: &BTreeMap<Name, u64>) -> Vec<BranchStanding> {
        let mut all: BTreeMap<&Name, BranchStanding> = BTreeMap::new();
        for Branch { code, name, .. } in &self.branches {
            let standing = BranchStanding {
                code: code.clone(),
                name: name.clone(),
                refused: self.refused.get(code).copied().unwrap_or(0),
                unknown: unknown.get(code).copied().unwrap_or(0),
                on_duty: self.on_duty.get(code).cloned().unwrap_or_default(),
                inside: BTreeMap::new(),
                waiting: 0,
                greeted: 0,
                served: 0,
                waits_since: None,
                alarms: 0,
            };
            all.insert(code, standing);
        }
        for inside in self.inside.values() {
            let Some(branch) = all.get_mut(&inside.branch) else { continue };
            *branch.inside.entry(inside.class.clone()).or_default() += 1;
            match inside.state {
                VisitState::Waiting => {
                    branch.waiting += 1;
                    let since = branch.waits_since.map_or(inside.arrived_at, |at| at.min(inside.arrived_at));
                    branch.waits_since = Some(since);
                }
                VisitState::Greeted => branch.greeted += 1,
                VisitState::Served => branch.served += 1,
                // They are not inside.
                VisitState::Left | VisitState::Refused => {}
            }
        }
        for branch in self.alarms.values() {
            if let Some(standing) = all.get_mut(branch) {
                standing.alarms += 1;
            }
        }
        all.into_values().collect()
    }
}

#[cfg(test)]
mod tests;
