//! Who came, may the card be used here, and the visit that it makes.
//!
//! [`Recognition`] is the directory behind `source = "service"` of the lookup sink. For each event it
//! finds the card and its customer, decides, registers the visit, and gives the event a record for
//! those after it on the line: the outcome and ids, and nothing personal. The line ends in logs,
//! files and webhooks, where a name must not be; whoever may see it asks the service by the id.
//!
//! | key | when |
//! |---|---|
//! | `outcome` | `recognised` or `refused` |
//! | `reason` | of a refusal, as [`Refusal::name`](crate::record::Refusal::name) |
//! | `visit_id`, `card_id` | always |
//! | `customer_id`, `vip_class` | of somebody who is recognised |
//!
//! A tag that is on no card, and the card of somebody who does not want to be recognised, get no
//! record and leave no visit; they are counted, and nobody can tell one from the other.

mod counters;
mod decision;
mod travel;
mod visits;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use jiff::tz::TimeZone;
use rfid_core::{Clock, Error, ErrorKind, Event, EventKind, Name, Record as Noted, Result, TagId, UtcTime};
use rfid_sink_lookup::Directory;
use tokio::sync::broadcast;

use crate::record::{
    Alarm, AlarmId, AlarmKind, Bearer, Card, CustomerId, Key, Kind, Outcome, Position, Record, Visit,
};
use crate::store::{Actor, Among, Change, Commit, CommitFault, Holder, Listing, Origin, Store, Stored};

pub use counters::{BranchCounters, Counters, Glimpses};
pub use decision::{decide, local_day, start_of_day};

/// Tries to write a visit that somebody else is writing, too.
const TRIES: usize = 8;
/// Between two sightings of somebody who is there that are written.
const SIGHTINGS_APART: Duration = Duration::from_secs(60);
/// What is told and not yet heard by a subscriber; one who is further behind is told so.
const WAITING_NOTICES: usize = 1024;

/// How recognition works.
#[derive(Clone, Debug)]
pub struct RecognitionSettings {
    /// Where the days of cards begin and end.
    pub zone: TimeZone,
    /// A sighting this long after a departure continues the visit.
    pub revisit_within: Duration,
    /// A visit without any sighting for so long is over, whatever the readers say.
    pub ends_without_sighting: Duration,
    /// So far the clock of a host may be from the time, where several write to one store.
    pub clocks_within: Duration,
}

impl Default for RecognitionSettings {
    /// Days of China, ten minutes, twelve hours, five seconds.
    fn default() -> Self {
        Self {
            zone: TimeZone::get("Asia/Shanghai").unwrap_or(TimeZone::fixed(jiff::tz::offset(8))),
            revisit_within: Duration::from_secs(600),
            ends_without_sighting: Duration::from_secs(12 * 3_600),
            clocks_within: Duration::from_secs(5),
        }
    }
}

/// Something that was written, for whoever shows it.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// A visit is new or has changed.
    Visit(Arc<Stored<Visit>>),
    /// An alarm is new or has changed.
    Alarm(Arc<Stored<Alarm>>),
}

/// Recognises cards and registers visits.
pub struct Recognition {
    store: Arc<dyn Store>,
    settings: RecognitionSettings,
    counters: Counters,
    notices: broadcast::Sender<Notice>,
    clock: Arc<dyn Clock>,
}

impl Recognition {
    /// Recognition over this store.
    pub fn new(store: Arc<dyn Store>, settings: RecognitionSettings, clock: Arc<dyn Clock>) -> Self {
        let notices = broadcast::Sender::new(WAITING_NOTICES);
        Self { store, settings, counters: Counters::default(), notices, clock }
    }

    /// What was counted, by branch.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What is written from now on.
    pub fn notices(&self) -> &broadcast::Sender<Notice> {
        &self.notices
    }

    /// When the local day of a time began.
    pub(crate) fn day_of(&self, at: UtcTime) -> UtcTime {
        start_of_day(local_day(at, &self.settings.zone), &self.settings.zone)
    }

    /// How it works.
    pub fn settings(&self) -> &RecognitionSettings {
        &self.settings
    }

    /// Ends visits that have had no sighting for too long: a reader that is gone tells of no
    /// departure. Returns how many.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn end_forgotten(&self) -> Result<usize> {
        let until = self.clock.now().utc.minus(self.settings.ends_without_sighting);
        let listing = Listing { kind: Kind::Visit, among: Among::Open, from: UtcTime::from_nanos(0), until };
        let mut ended = 0;
        for stored in self.store.list(&listing, None, 1000).await? {
            let Stored { version, record: Record::Visit(visit) } = stored else { continue };
            if visit.last_seen >= until {
                continue;
            }
            let over = Visit { departed_at: Some(visit.last_seen), present: Vec::new(), ..visit };
            let put = Change::Put { record: Box::new(over.into()), expected: version };
            match self.store.commit(Commit { origin: self.origin(), changes: vec![put] }).await {
                Ok(_) => ended += 1,
                // It was seen meanwhile.
                Err(CommitFault::Conflict { .. }) => {}
                Err(CommitFault::Store(error)) => return Err(error),
                Err(fault) => return Err(unexpected(&fault)),
            }
        }
        Ok(ended)
    }

    fn origin(&self) -> Origin {
        Origin { by: Actor::Host, at: self.clock.now().utc, from: "reader".to_owned() }
    }

    /// What is noted on an event, and the visit that it is part of. `latest` are the latest visits of the
    /// customer, if they were just asked for.
    async fn take(
        &self,
        event: &Event,
        branch: &Name,
        holder: &Holder,
        mut latest: Option<Arc<[Stored<Visit>]>>,
    ) -> Result<Option<Noted>> {
        let (card, customer) = (&holder.card.record, &holder.customer.record);
        let day = local_day(event.time, &self.settings.zone);
        let outcome = decide(card, customer, branch, day, event.authentic);
        if event.kind == EventKind::Arrived {
            self.counters.note(branch, outcome, day);
        }
        let Some(outcome) = outcome else { return Ok(None) };
        for _ in 0..TRIES {
            let known = match latest.take() {
                Some(latest) => latest,
                None => self.store.visits_of(&[customer.id]).await?.pop().unwrap_or_default(),
            };
            let here = known.iter().rev().find(|stored| {
                stored.record.branch == *branch
                    && visits::belongs(&stored.record, event, card.id, outcome, self.settings.revisit_within)
            });
            let visit = match here {
                Some(here) => visits::go_on(&here.record, event, outcome),
                // Nobody knows of its arrival: it was never registered, or long ago.
                None if event.kind == EventKind::Departed => return Ok(None),
                None => visits::begin(event, branch, card, customer, outcome),
            };
            let mut changes = Vec::new();
            // A departure is written with the sighting that it goes by, whenever that was.
            let step =
                if event.kind == EventKind::Departed { Duration::from_nanos(1) } else { SIGHTINGS_APART };
            if here.is_none_or(|here| !visits::says_the_same(&visit, &here.record, step)) {
                let expected = here.map_or(0, |here| here.version);
                changes.push(Change::Put { record: Box::new(visit.clone().into()), expected });
            }
            if event.kind == EventKind::Arrived {
                changes.extend(self.alarm(event, branch, card, &known).await?.map(Change::new));
            }
            if changes.is_empty() {
                return Ok(Some(noted(&visit, card, customer)));
            }
            match self.store.commit(Commit { origin: self.origin(), changes: changes.clone() }).await {
                Ok(versions) => {
                    self.tell(changes, versions, branch);
                    return Ok(Some(noted(&visit, card, customer)));
                }
                // Erased since the card was looked up: from now on it is nobody's.
                Err(CommitFault::Conflict { key: Key::Customer(_), .. }) => return Ok(None),
                // Somebody greets the customer at the same moment: their word is in the visit then.
                Err(CommitFault::Conflict { .. }) => {}
                Err(CommitFault::Store(error)) => return Err(error),
                Err(fault) => return Err(unexpected(&fault)),
            }
        }
        Err(Error::new(ErrorKind::Busy, "register").with_detail("a visit is written by too many at once"))
    }

    fn tell(&self, changes: Vec<Change>, versions: Vec<u32>, branch: &Name) {
        for (change, version) in changes.into_iter().zip(versions) {
            let Change::Put { record, .. } = change else { continue };
            let notice = match *record {
                Record::Visit(record) => Notice::Visit(Arc::new(Stored { version, record })),
                Record::Alarm(record) => {
                    self.counters.note_alarm(branch);
                    Notice::Alarm(Arc::new(Stored { version, record }))
                }
                _ => continue,
            };
            // Nobody may be listening.
            let _ = self.notices.send(notice);
        }
    }

    /// The suspicion that an arrival raises, unless it has raised it already.
    async fn alarm(
        &self,
        event: &Event,
        branch: &Name,
        card: &Card,
        known: &[Stored<Visit>],
    ) -> Result<Option<Alarm>> {
        let kind = match self.elsewhere(event, branch, card, known).await? {
            _ if event.authentic == Some(false) => AlarmKind::NotAuthentic,
            Some(kind) => kind,
            None => return Ok(None),
        };
        let id = AlarmId::from(event.event_id);
        let is_known = self.store.get(&[Key::Alarm(id)]).await?.iter().any(Option::is_some);
        let alarm =
            Alarm { id, card: card.id, branch: branch.clone(), at: event.time, kind, acknowledged: None };
        Ok((!is_known).then_some(alarm))
    }

    /// Whether the card was heard in another branch from which nobody can be here yet.
    async fn elsewhere(
        &self,
        event: &Event,
        branch: &Name,
        card: &Card,
        known: &[Stored<Visit>],
    ) -> Result<Option<AlarmKind>> {
        let other = known.iter().map(|stored| &stored.record).find(|visit| {
            visit.branch != *branch && visit.card == Some(card.id) && visit.arrived_at <= event.time
        });
        let Some(other) = other else { return Ok(None) };
        let apart = event.first_seen.since(other.last_seen);
        let here = self.position(branch).await?;
        let takes = travel::takes(self.position(&other.branch).await?, here);
        // Each may have been heard by a host whose clock is ahead or behind.
        let at_most = apart.saturating_add(self.settings.clocks_within.saturating_mul(2));
        Ok((at_most < takes).then(|| AlarmKind::ImpossibleTravel {
            other_visit: other.id,
            other_branch: other.branch.clone(),
            apart_ms: u64::try_from(apart.as_millis()).unwrap_or(u64::MAX),
            takes_ms: u64::try_from(takes.as_millis()).unwrap_or(u64::MAX),
        }))
    }

    async fn position(&self, branch: &Name) -> Result<Option<Position>> {
        let found = self.store.get(&[Key::Branch(branch.clone())]).await?.pop().flatten();
        Ok(found.and_then(|stored| match stored.record {
            Record::Branch(branch) => branch.position,
            _ => None,
        }))
    }

    /// The events of one customer, in order. Each may make another visit the latest.
    async fn take_all(
        &self,
        events: Vec<(usize, &Event, &Name)>,
        holder: &Holder,
        latest: Arc<[Stored<Visit>]>,
    ) -> Result<Vec<(usize, Option<Noted>)>> {
        let mut latest = Some(latest);
        let mut noted = Vec::with_capacity(events.len());
        for (at, event, branch) in events {
            noted.push((at, self.take(event, branch, holder, latest.take()).await?));
        }
        Ok(noted)
    }
}

/// What those after recognition on the line get to know.
fn noted(visit: &Visit, card: &Card, customer: &Bearer) -> Noted {
    let mut noted = Noted::new();
    let mut put = |key: &str, value: String| noted.insert(key.to_owned(), value.into());
    match visit.outcome {
        Outcome::Recognised => {
            put("outcome", "recognised".to_owned());
            put("customer_id", customer.id.to_string());
            put("vip_class", visit.vip_class.to_string());
        }
        Outcome::Refused(refusal) => {
            put("outcome", "refused".to_owned());
            put("reason", refusal.name().to_owned());
        }
    }
    put("visit_id", visit.id.to_string());
    put("card_id", card.id.to_string());
    noted
}

fn unexpected(fault: &CommitFault) -> Error {
    Error::new(ErrorKind::Internal, "register").with_detail(fault.to_string())
}

#[async_trait]
impl Directory for Recognition {
    async fn open(&self) -> Result<()> {
        // The first question makes the store ready for those that follow.
        self.store.holders(&[]).await?;
        match self.store.health() {
            crate::store::StoreHealth::Well => Ok(()),
            // It may be well again when it is asked.
            crate::store::StoreHealth::Degraded(_) => self.store.count(Kind::Branch).await.map(drop),
        }
    }

    async fn find(&self, events: &[Event]) -> Result<Vec<Option<Noted>>> {
        let tags: Vec<TagId> = events.iter().map(|event| event.tag).collect();
        let holders = self.store.holders(&tags).await?;
        let mut by_customer: BTreeMap<CustomerId, (Vec<(usize, &Event, &Name)>, &Holder)> = BTreeMap::new();
        for (at, (event, holder)) in events.iter().zip(&holders).enumerate() {
            match (holder, &event.branch) {
                (Some(holder), Some(branch)) => {
                    let customer = holder.customer.record.id;
                    by_customer
                        .entry(customer)
                        .or_insert_with(|| (Vec::new(), holder))
                        .0
                        .push((at, event, branch));
                }
                (None, Some(branch)) if event.kind == EventKind::Arrived => {
                    self.counters.note(branch, None, local_day(event.time, &self.settings.zone));
                }
                _ => {}
            }
        }
        let mut noted = vec![None; events.len()];
        if by_customer.is_empty() {
            return Ok(noted);
        }
        let customers: Vec<CustomerId> = by_customer.keys().copied().collect();
        let latest = self.store.visits_of(&customers).await?;
        let all = by_customer
            .into_values()
            .zip(latest)
            .map(|((events, holder), latest)| self.take_all(events, holder, latest));
        for (at, record) in try_join_all(all).await?.into_iter().flatten() {
            if let Some(place) = noted.get_mut(at) {
                *place = record;
            }
        }
        Ok(noted)
    }

    fn registers(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
