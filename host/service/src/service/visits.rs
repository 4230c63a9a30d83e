//! Visits: who is here, who was; greeted, served, gone.

use std::sync::Arc;

use rfid_core::{Name, UtcTime};

use super::fault::{Fault, FieldFault, check_name};
use super::{Caller, Scope, Service};
use crate::recognition::Notice;
use crate::record::{Act, Alarm, AlarmId, CustomerId, Key, Kind, Outcome, Record, Visit, VisitId, Way};
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
    ) -> Result<(Vec<Stored<Visit>>, Option<Place>), Fault> {
        caller.grant.allows(Scope::ReadVisits)?;
        self.any_visits(caller, filter, after, limit).await
    }

    async fn any_visits(
        &self,
        caller: &Caller,
        filter: &VisitFilter,
        after: Option<Place>,
        limit: usize,
    ) -> Result<(Vec<Stored<Visit>>, Option<Place>), Fault> {
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
        let mut found: Vec<Stored<Visit>> = Vec::new();
        let mut place = after;
        loop {
            let page = self.store.list(&listing, place.clone(), limit.max(1)).await?;
            let is_last = page.len() < limit.max(1);
            for stored in page {
                let Stored { version, record: Record::Visit(visit) } = stored else { continue };
                let is_wanted = branch.as_ref().is_none_or(|branch| visit.branch == *branch)
                    && (!open || visit.departed_at.is_none())
                    && caller.grant.sees(&visit.branch);
                place = Some(Place { at: visit.arrived_at, key: Key::Visit(visit.id) });
                if is_wanted {
                    found.push(Stored { version, record: visit });
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
    pub async fn visit(&self, caller: &Caller, id: VisitId) -> Result<Stored<Visit>, Fault> {
        caller.grant.allows(Scope::ReadVisits)?;
        self.any_visit(caller, id).await
    }

    async fn any_visit(&self, caller: &Caller, id: VisitId) -> Result<Stored<Visit>, Fault> {
        let visit: Stored<Visit> = self.get(Key::Visit(id), "visit").await?;
        caller.grant.seen(&visit.record.branch.clone(), "visit", visit)
    }

    /// Enters the visit of a customer who came without a card.
    ///
    /// # Errors
    /// `NotFound`, `NotAllowed` where the customer is here already or is no longer one, `Store`.
    pub async fn check_in(
        &self,
        caller: &Caller,
        customer_number: &str,
        branch: &str,
        by: &str,
    ) -> Result<Stored<Visit>, Fault> {
        caller.grant.allows(Scope::WriteVisits)?;
        let customer = self.any_customer_of_number(caller, customer_number).await?.record;
        self.branch(caller, branch).await?;
        let by = self.any_staff_of_number(by).await?.record.id;
        if customer.closed {
            return Err(Fault::NotAllowed("this is no longer a customer".to_owned()));
        }
        let branch: Name = branch.into();
        let open = VisitFilter {
            customer: Some(customer.id),
            branch: Some(branch.clone()),
            open: true,
            ..VisitFilter::ALL
        };
        if let Some(here) = self.any_visits(caller, &open, None, 1).await?.0.pop() {
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
        self.put_visit(caller, visit, 0).await
    }

    /// Notes who greeted the customer. Whoever was first stays.
    ///
    /// # Errors
    /// `NotFound`, `NotAllowed`, `Store`.
    pub async fn greet(&self, caller: &Caller, id: VisitId, by: &str) -> Result<Stored<Visit>, Fault> {
        caller.grant.allows(Scope::WriteVisits)?;
        let (by, at) = (self.any_staff_of_number(by).await?.record.id, self.now());
        self.change_visit(caller, id, |visit| match visit.greeted {
            Some(Act { by: other, .. }) if other != by => {
                Err(Fault::NotAllowed("somebody else has greeted the customer already".to_owned()))
            }
            Some(_) => Ok(visit),
            None => Ok(Visit { greeted: Some(Act { by, at }), ..visit }),
        })
        .await
    }

    /// Notes who serves the customer. Handing over is doing it again for another.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn serve(&self, caller: &Caller, id: VisitId, by: &str) -> Result<Stored<Visit>, Fault> {
        caller.grant.allows(Scope::WriteVisits)?;
        let (by, at) = (self.any_staff_of_number(by).await?.record.id, self.now());
        self.change_visit(caller, id, |visit| Ok(Visit { served: Some(Act { by, at }), ..visit })).await
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
        caller.grant.allows(Scope::WriteVisits)?;
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
        self.change_visit(caller, id, |visit| Ok(Visit { business: business.clone(), ..visit })).await
    }

    /// Notes that the customer has left, whatever readers say.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn depart(&self, caller: &Caller, id: VisitId) -> Result<Stored<Visit>, Fault> {
        caller.grant.allows(Scope::WriteVisits)?;
        let at = self.now();
        self.change_visit(caller, id, |visit| {
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
        caller.grant.allows(Scope::ReadVisits)?;
        let among = branch.map_or(Among::Open, Among::OpenIn);
        let (from, until) = (VisitFilter::ALL.from, VisitFilter::ALL.until);
        let found = self.store.list(&Listing { kind: Kind::Alarm, among, from, until }, None, limit).await?;
        let alarms = found.into_iter().filter_map(Stored::typed);
        Ok(alarms.filter(|alarm: &Stored<Alarm>| caller.grant.sees(&alarm.record.branch)).collect())
    }

    /// Notes that somebody has seen to an alarm.
    ///
    /// # Errors
    /// `NotFound`, `NotAllowed`, `Conflict`, `Store`.
    pub async fn acknowledge(&self, caller: &Caller, id: AlarmId, by: &str) -> Result<Stored<Alarm>, Fault> {
        caller.grant.allows(Scope::WriteVisits)?;
        let by = self.any_staff_of_number(by).await?.record.id;
        let alarm: Stored<Alarm> = self.get(Key::Alarm(id), "alarm").await?;
        let alarm = caller.grant.seen(&alarm.record.branch.clone(), "alarm", alarm)?;
        if alarm.record.acknowledged.is_some() {
            return Err(Fault::NotAllowed("somebody has seen to it already".to_owned()));
        }
        let acknowledged = Some(Act { by, at: self.now() });
        let alarm = self.put(caller, Alarm { acknowledged, ..alarm.record }, alarm.version).await?;
        self.tell(Notice::Alarm(Arc::new(alarm.clone())));
        Ok(alarm)
    }

    /// Changes a visit, again where a reader was faster: what it says and what people do are
    /// different fields.
    async fn change_visit(
        &self,
        caller: &Caller,
        id: VisitId,
        change: impl Fn(Visit) -> Result<Visit, Fault>,
    ) -> Result<Stored<Visit>, Fault> {
        loop {
            let before = self.any_visit(caller, id).await?;
            let visit = change(before.record.clone())?;
            if visit == before.record {
                return Ok(before);
            }
            match self.put_visit(caller, visit, before.version).await {
                Err(Fault::Conflict { .. }) => {}
                outcome => return outcome,
            }
        }
    }

    async fn put_visit(&self, caller: &Caller, visit: Visit, expected: u32) -> Result<Stored<Visit>, Fault> {
        let visit = self.put(caller, visit, expected).await?;
        self.tell(Notice::Visit(Arc::new(visit.clone())));
        Ok(visit)
    }
}
