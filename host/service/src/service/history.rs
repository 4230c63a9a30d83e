//! Visits of any branch and span, looked through to the last.

use rfid_core::{Name, UtcTime};

use super::fault::Fault;
use super::guests::Guest;
use super::{Caller, Service, Sight, VisitFilter};
use crate::record::{Outcome, StaffId, Visit};
use crate::store::Place;

/// Visits that are read at once.
const READ_AT_ONCE: usize = 512;
/// Visits that are looked through for one page: a filter that fits few of them goes on with the next.
const LOOKED_AT: usize = 20_000;

/// How far a visit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VisitState {
    /// Nobody has greeted the customer.
    Waiting,
    /// Somebody has, and nobody serves yet.
    Greeted,
    /// Somebody serves.
    Served,
    /// The customer is gone.
    Left,
    /// The card was refused.
    Refused,
}

impl VisitState {
    /// All of them, in the order in which they come.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Greeted, Self::Served, Self::Left, Self::Refused];

    /// That of a visit.
    pub fn of(visit: &Visit) -> Self {
        match visit.outcome {
            Outcome::Refused(_) => Self::Refused,
            Outcome::Recognised if visit.departed_at.is_some() => Self::Left,
            Outcome::Recognised if visit.served.is_some() => Self::Served,
            Outcome::Recognised if visit.greeted.is_some() => Self::Greeted,
            Outcome::Recognised => Self::Waiting,
        }
    }

    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Greeted => "greeted",
            Self::Served => "served",
            Self::Left => "left",
            Self::Refused => "refused",
        }
    }

    /// That of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// Which visits of the past are asked for, the latest first.
#[derive(Clone, Debug)]
pub struct HistoryFilter {
    /// In a branch; in all if absent.
    pub branch: Option<Name>,
    /// Not before this.
    pub from: UtcTime,
    /// Before this.
    pub until: UtcTime,
    /// Of customers of this class.
    pub class: Option<Name>,
    /// As far as this.
    pub state: Option<VisitState>,
    /// Of customers whom this member of staff looks after, or greeted or served.
    pub manager: Option<StaffId>,
    /// Recognised, or refused for this reason.
    pub outcome: Option<Outcome>,
}

impl HistoryFilter {
    fn fits(&self, visit: &Visit) -> bool {
        // Of a card that was refused nothing is told, nor can it be found out by asking.
        let is_known = visit.outcome == Outcome::Recognised;
        let attends = |id: StaffId| {
            let acts = visit.greeted.iter().chain(&visit.served);
            visit.account_manager == Some(id) || acts.into_iter().any(|act| act.by == id)
        };
        self.class.as_ref().is_none_or(|class| is_known && visit.vip_class == *class)
            && self.manager.is_none_or(|id| is_known && attends(id))
            && self.state.is_none_or(|state| VisitState::of(visit) == state)
            && self.outcome.is_none_or(|outcome| visit.outcome == outcome)
    }
}

impl Service {
    /// Visits that fit, each with whom it is of, behind `after`; at most `limit` of them, and where the list
    /// goes on. A page may hold fewer though it goes on.
    ///
    /// # Errors
    /// `Forbidden`, `ReasonNeeded`, `Store`.
    pub async fn history(
        &self,
        caller: &Caller,
        filter: &HistoryFilter,
        after: Option<Place>,
        limit: usize,
    ) -> Result<(Vec<Guest>, Option<Place>), Fault> {
        let HistoryFilter { branch, from, until, .. } = filter.clone();
        let visits = VisitFilter { branch: branch.clone(), from, until, ..VisitFilter::ALL };
        let action = self.sight_of(false, false, from);
        let may = self.may(caller, action).await?;
        let (mut found, mut place, mut looked_at) = (Vec::<Sight<Visit>>::new(), after, 0);
        loop {
            let (page, next) = self.visits_within(&may, &visits, place.clone(), READ_AT_ONCE).await?;
            looked_at += page.len();
            place = next;
            for sight in page {
                if !filter.fits(&sight.record) {
                    continue;
                }
                found.push(sight);
                if found.len() == limit {
                    break;
                }
            }
            if let Some(last) = found.last().filter(|_| found.len() == limit) {
                let at = last.record.arrived_at;
                place = Some(Place { at, key: crate::record::Key::Visit(last.record.id) });
            }
            if found.len() == limit || place.is_none() || looked_at >= LOOKED_AT {
                break;
            }
        }
        self.saw(caller, action.name(), None, branch.as_deref(), found.len()).await?;
        Ok((self.with_customers(caller, found).await?, place))
    }
}

#[cfg(test)]
mod tests;
