//! Visits: who is here, who was; greeted, served, gone.

use std::sync::Arc;
use std::time::Duration;

use rfid_core::{Name, UtcTime};

use super::fault::{Fault, FieldFault, check_name};
use super::grant::{May, Mode};
use super::rule::Rule;
use super::{Caller, Service, Sight};
use crate::recognition::Notice;
use crate::record::{
    Act, Alarm, AlarmId, CustomerId, Key, Kind, Outcome, Record, StaffId, Visit, VisitId, Way,
};
use crate::rights::{Action, Cell};
use crate::store::{Among, Listing, Place, Stored};

/// Kinds of business that one visit can have.
const MOST_BUSINESS: usize = 16;

/// Which visits are asked for, the latest first.
#[derive(Clone, Debug)]
pub struct VisitFilter {
    /// Of a customer; of everybody if absent.
    pub customer: Option<CustomerId>,
    /// In a branch; in all if absent.
    pub branch: Option<Name>,
    /// Only those that go on.
    pub open: bool,
    /// Not before this.
    pub from: UtcTime,
    /// Before this.
    pub until: UtcTime,
}

impl VisitFilter {
    /// All visits.
    pub const ALL: Self = Self {
        customer: None,
        branch: None,
        open: false,
        from: UtcTime::from_nanos(0),
        until: UtcTime::from_nanos(u64::MAX),
    };
}

impl Service {
    /// Visits, the latest first, behind `after`; at most `limit` of them, and where the list goes on.
    ///
    /// # Errors
    /// `Store`.
    pub async fn visits(
        &self,
        caller: &Caller,
        filter: &VisitFilter,
        after: Option<Place>,
        limit: usize,
    ) -> Result<(Vec<Sight<Visit>>, Option<Place>), Fault> {
        let action = self.sight_of(filter.customer.is_some(), filter.open, filter.from);
        let may = self.may(caller, action).await?;
        let (found, place) = self.visits_within(&may, filter, after, limit).await?;
        self.saw(caller, action.name(), None, filter.branch.as_deref(), found.len()).await?;
        Ok((found, place))
    }

    /// What it is to look at visits: at those that go on, at those of the day, or at more.
    pub(super) fn sight_of(&self, is_of_customer: bool, is_open: bool, from: UtcTime) -> Action {
        match (is_open, is_of_customer) {
            (true, _) => Action::SeeArrivals,
            (false, false) if from >= self.recognition.day_of(self.now()) => Action::ListVisits,
            _ => Action::SeeHistory,
        }
    }

    pub(super) async fn visits_within(
        &self,
        may: &May<'_>,
        filter: &VisitFilter,
        after: Option<Place>,
        limit: usize,
    ) -> Result<(Vec<Sight<Visit>>, Option<Place>), Fault> {
        let VisitFilter { customer, branch, open, from, until } = filter.clone();
        // The index with the fewest visits in it; what is left over is looked through.
        let among = match (customer, &branch, open) {
            (Some(customer), _, _) => Among::Of(Key::Customer(customer)),
            (None, Some(branch), true) => Among::OpenIn(branch.clone()),
            (None, Some(branch), false) => Among::Branch(branch.clone()),
            (None, None, true) => Among::Open,
            (None, None, false) => Among::All,
        };
        let listing = Listing { kind: Kind::Visit, among, from, until };
        let (mut found, mut place, now) = (Vec::new(), after, self.now());
        loop {
            let page = self.store.list(&listing, place.clone(), limit.max(1)).await?;
            let is_last = page.len() < limit.max(1);
            for stored in page {
                let Stored { version, record: Record::Visit(visit) } = stored else { continue };
                let is_wanted = branch.as_ref().is_none_or(|branch| visit.branch == *branch)
                    && (!open || visit.departed_at.is_none());
                place = Some(Place { at: visit.arrived_at, key: Key::Visit(visit.id) });
                let cell = may.of_visit(&visit).filter(|cell| is_within(*cell, &visit, now));
                if let Some(cell) = cell.filter(|_| is_wanted) {
                    found.push(Sight { stored: Stored { version, record: visit }, is_masked: cell.masked });
                }
                if found.len() >= limit {
                    return Ok((found, place));
                }
            }
            if is_last {
                return Ok((found, None));
            }
        }
    }

    /// The visit of this id.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn visit(&self, caller: &Caller, id: VisitId) -> Result<Sight<Visit>, Fault> {
        let found: Option<Stored<Visit>> = self.find(Key::Visit(id)).await?;
        let action = match &found {
            Some(Stored { record: visit, .. }) => {
                self.sight_of(false, visit.departed_at.is_none(), visit.arrived_at)
            }
            None => Action::SeeHistory,
        };
        let may = self.may(caller, action).await?;
        let now = self.now();
        let cell = found.as_ref().and_then(|visit| may.of_visit(&visit.record));
        match found.zip(cell).filter(|(visit, cell)| is_within(*cell, &visit.record, now)) {
            Some((stored, cell)) => {
                self.saw(caller, "visit.see", Some(&Key::Visit(id)), Some(&stored.record.branch), 1).await?;
                Ok(Sight { stored, is_masked: cell.masked })
            }
            None => Err(self.nothing(caller, action, "visit").await),
        }
    }

    /// Whether a caller is told of this, and if so, whether it is shortened.
    pub fn sees_notice(&self, caller: &Caller, notice: &Notice) -> Option<bool> {
        let may = caller.grant.may(Action::SeeArrivals, Mode::Do, caller.reason.is_some()).ok()?;
        let cell = match notice {
            Notice::Visit(visit) => may.of_visit(&visit.record),
            Notice::Alarm(alarm) => may.in_branch(&alarm.record.branch).filter(|cell| !cell.masked),
        };
        cell.map(|cell| cell.masked)
    }

    /// Who does something in a visit: a person for itself, another system for whom it names.
    async fn acting(&self, caller: &Caller, by: Option<&str>) -> Result<StaffId, Fault> {
        let named = match by {
            Some(number) => Some(self.any_staff_of_number(number).await?.record.id),
            None => None,
        };
        match (caller.grant.who(), named) {
            (Some(me), Some(other)) if me != other => {
                Err(Fault::NotAllowed("one acts for oneself: leave staff_number out".to_owned()))
            }
            (Some(me), _) => Ok(me),
            (None, Some(named)) => Ok(named),
            (None, None) => Err(Fault::Invalid(vec![FieldFault::new("staff_number", "say who does it")])),
        }
    }

    /// Enters the visit of a customer who came without a card.
    ///
    /// # Errors
    /// `NotFound`, `NotAllowed` where the customer is here already or is no longer one, `Rule` where the customer
    /// has not agreed to be recognised, `Store`.
    pub async fn check_in(
        &self,
        caller: &Caller,
        customer_number: &str,
        branch: &str,
        by: Option<&str>,
    ) -> Result<Stored<Visit>, Fault> {
        let may = self.may(caller, Action::ActInVisits).await?;
        let customer = self.reach_number(caller, &may, Action::ActInVisits, customer_number).await?.0.record;
        if may.in_branch(branch).is_none() || !self.has_open_branch(branch).await? {
            return Err(self.nothing(caller, Action::ActInVisits, "branch").await);
        }
        let by = self.acting(caller, by).await?;
        if customer.closed {
            return Err(Fault::NotAllowed("this is no longer a customer".to_owned()));
        }
        // A visit that a person writes down is on all screens of the hall, like any other.
        if !customer.may_be_recognised() {
            return Err(Rule::NoConsent.into());
        }
        let branch: Name = branch.into();
        let open = VisitFilter {
            customer: Some(customer.id),
            branch: Some(branch.clone()),
            open: true,
            ..VisitFilter::ALL
        };
        if let Some(here) = self.visits_within(&may, &open, None, 1).await?.0.pop() {
            return Err(Fault::NotAllowed(format!("the customer is here already: visit {}", here.record.id)));
        }
        let now = self.now();
        let visit = Visit {
            id: VisitId::from_bytes(self.new_id()?),
            customer: customer.id,
            vip_class: customer.vip_class,
            account_manager: customer.account_manager,
            card: None,
            branch,
            way: Way::ByHand { by },
            outcome: Outcome::Recognised,
            arrived_at: now,
            last_seen: now,
            revisits: 0,
            desk_read: None,
            greeted: None,
            served: None,
            business: Vec::new(),
            present: Vec::new(),
            departed_at: None,
        };
        self.put_visit(caller, "visit.check_in", visit, 0).await
    }

    /// Notes who greeted the customer. Whoever was first stays.
    ///
    /// # Errors
    /// `NotFound`, `NotAllowed`, `Store`.
    pub async fn greet(
        &self,
        caller: &Caller,
        id: VisitId,
        by: Option<&str>,
    ) -> Result<Stored<Visit>, Fault> {
        self.may(caller, Action::ActInVisits).await?;
        let (by, at) = (self.acting(caller, by).await?, self.now());
        self.change_visit(caller, "visit.greet", id, |visit| match visit.greeted {
            Some(Act { by: other, .. }) if other != by => {
                Err(Fault::NotAllowed("somebody else has greeted the customer already".to_owned()))
            }
            Some(_) => Ok(visit),
            None => Ok(Visit { greeted: Some(Act { by, at }), ..visit }),
        })
        .await
    }

    /// Notes who serves the customer. Handing over is doing it again for another, whom a person may name,
    /// too.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn serve(
        &self,
        caller: &Caller,
        id: VisitId,
        by: Option<&str>,
    ) -> Result<Stored<Visit>, Fault> {
        self.may(caller, Action::ActInVisits).await?;
        let by = match by {
            Some(number) => self.any_staff_of_number(number).await?.record.id,
            None => self.acting(caller, None).await?,
        };
        let at = self.now();
        self.change_visit(caller, "visit.serve", id, |visit| {
            Ok(Visit { served: Some(Act { by, at }), ..visit })
        })
        .await
    }

    /// Notes what was done.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`, `Store`.
    pub async fn note_business(
        &self,
        caller: &Caller,
        id: VisitId,
        business: Vec<String>,
    ) -> Result<Stored<Visit>, Fault> {
        let mut faults = Vec::new();
        if business.len() > MOST_BUSINESS {
            faults.push(FieldFault::new("business", format!("at most {MOST_BUSINESS} are allowed")));
        }
        for text in &business {
            check_name("business", text, 64, &mut faults);
        }
        if !faults.is_empty() {
            return Err(Fault::Invalid(faults));
        }
        let business: Vec<Name> = business.iter().map(|text| text.as_str().into()).collect();
        self.change_visit(caller, "visit.business", id, |visit| {
            Ok(Visit { business: business.clone(), ..visit })
        })
        .await
    }

    /// Notes that the customer has left, whatever readers say.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn depart(&self, caller: &Caller, id: VisitId) -> Result<Stored<Visit>, Fault> {
        let at = self.now();
        self.change_visit(caller, "visit.depart", id, |visit| {
            let departed_at = visit.departed_at.or(Some(at));
            Ok(Visit { departed_at, present: Vec::new(), ..visit })
        })
        .await
    }

    /// Alarms that nobody has seen to, the latest first.
    ///
    /// # Errors
    /// `Store`.
    pub async fn open_alarms(
        &self,
        caller: &Caller,
        branch: Option<Name>,
        limit: usize,
    ) -> Result<Vec<Stored<Alarm>>, Fault> {
        let may = self.may(caller, Action::SeeArrivals).await?;
        let among = branch.map_or(Among::Open, Among::OpenIn);
        let (from, until) = (VisitFilter::ALL.from, VisitFilter::ALL.until);
        let found = self.store.list(&Listing { kind: Kind::Alarm, among, from, until }, None, limit).await?;
        let alarms = found.into_iter().filter_map(Stored::typed);
        // Whoever sees arrivals shortened alone, as a display does, has nothing to do with whose card it is.
        let is_theirs =
            |alarm: &Stored<Alarm>| may.in_branch(&alarm.record.branch).is_some_and(|cell| !cell.masked);
        let alarms: Vec<Stored<Alarm>> = alarms.filter(is_theirs).collect();
        self.saw(caller, "alarm.list", None, None, alarms.len()).await?;
        Ok(alarms)
    }

    /// Notes that somebody has seen to an alarm.
    ///
    /// # Errors
    /// `NotFound`, `NotAllowed`, `Conflict`, `Store`.
    pub async fn acknowledge(
        &self,
        caller: &Caller,
        id: AlarmId,
        by: Option<&str>,
    ) -> Result<Stored<Alarm>, Fault> {
        let may = self.may(caller, Action::AcknowledgeAlarms).await?;
        let by = self.acting(caller, by).await?;
        let found: Option<Stored<Alarm>> = self.find(Key::Alarm(id)).await?;
        let reached = found.filter(|alarm| may.in_branch(&alarm.record.branch).is_some());
        let Some(alarm) = reached else {
            return Err(self.nothing(caller, Action::AcknowledgeAlarms, "alarm").await);
        };
        if alarm.record.acknowledged.is_some() {
            return Err(Fault::NotAllowed("somebody has seen to it already".to_owned()));
        }
        let acknowledged = Some(Act { by, at: self.now() });
        let alarm = self
            .put(caller, "alarm.acknowledge", Alarm { acknowledged, ..alarm.record }, alarm.version)
            .await?;
        self.tell(Notice::Alarm(Arc::new(alarm.clone())));
        Ok(alarm)
    }

    /// Changes a visit, again where a reader was faster: what it says and what people do are
    /// different fields.
    async fn change_visit(
        &self,
        caller: &Caller,
        action: &str,
        id: VisitId,
        change: impl Fn(Visit) -> Result<Visit, Fault>,
    ) -> Result<Stored<Visit>, Fault> {
        let may = self.may(caller, Action::ActInVisits).await?;
        loop {
            let found: Option<Stored<Visit>> = self.find(Key::Visit(id)).await?;
            let Some(before) = found.filter(|visit| may.of_visit(&visit.record).is_some()) else {
                return Err(self.nothing(caller, Action::ActInVisits, "visit").await);
            };
            let visit = change(before.record.clone())?;
            if visit == before.record {
                return Ok(before);
            }
            match self.put_visit(caller, action, visit, before.version).await {
                Err(Fault::Conflict { .. }) => {}
                outcome => return outcome,
            }
        }
    }

    async fn put_visit(
        &self,
        caller: &Caller,
        action: &str,
        visit: Visit,
        expected: u32,
    ) -> Result<Stored<Visit>, Fault> {
        let visit = self.put(caller, action, visit, expected).await?;
        self.tell(Notice::Visit(Arc::new(visit.clone())));
        Ok(visit)
    }
}

/// Days of a month, where it is counted how far back somebody may look.
const DAYS_OF_A_MONTH: u64 = 31;

/// Whether a visit is not too long ago for what somebody may see.
fn is_within(cell: Cell, visit: &Visit, now: UtcTime) -> bool {
    cell.months.is_none_or(|months| {
        let span = Duration::from_secs(u64::from(months) * DAYS_OF_A_MONTH * 24 * 3600);
        now.since(visit.arrived_at) <= span
    })
}
