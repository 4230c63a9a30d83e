//! The file of a person who asks for it: everything that the service knows, and who looked at it.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::fault::Fault;
use super::super::view::{CardView, CustomerView, VisitView};
use super::super::{Caller, Service};
use crate::audit::Recorded;
use crate::record::{Account, Customer, Hand, Key, Kind, Proposal, Request, RequestId, RequestState, Visit};
use crate::rights::{Action, Role};
use crate::store::{Actor, Among, Listing, Place, Stored};

/// How long an approved file can be fetched.
const FETCHED_WITHIN: Duration = Duration::from_secs(24 * 3600);
/// Visits that are read at once.
const PAGE: usize = 512;

impl Service {
    /// The file of a person, which one asked for and another approved, for either of the two, within a day.
    ///
    /// # Errors
    /// `NotFound`; `NotAllowed` where it is not approved, or was for too long; `Store`.
    pub async fn person_file(&self, caller: &Caller, id: RequestId) -> Result<Value, Fault> {
        if !caller.grant.knows(Action::MakeFiles) {
            self.may(caller, Action::MakeFiles).await?;
        }
        let found = self.store.get(&[Key::Request(id)]).await?.pop().flatten().and_then(Stored::typed);
        let me = Hand::of(&caller.actor);
        let is_theirs = |request: &Stored<Request>| {
            let Request { submitted, decided, .. } = &request.record;
            [submitted, decided].into_iter().flatten().any(|signature| signature.by == me)
        };
        let Some(request): Option<Stored<Request>> = found.filter(is_theirs) else {
            return Err(self.nothing(caller, Action::MakeFiles, "request").await);
        };
        let Proposal::PersonFile { customer } = &request.record.proposal else {
            return Err(Fault::NotAllowed("this request is not about the file of a person".to_owned()));
        };
        let is_fresh = request.record.decided.as_ref().is_some_and(|decided| {
            request.record.state == RequestState::Done && self.now().since(decided.at) <= FETCHED_WITHIN
        });
        if !is_fresh {
            return Err(Fault::NotAllowed("it is not approved, or was for longer than a day".to_owned()));
        }
        let customer: Stored<Customer> = self.get(Key::Customer(*customer), "customer").await?;
        let key = Key::Customer(customer.record.id);
        let branch = customer.record.branch.clone();
        self.did(caller, "customer.file", |entry| {
            entry.object = Some(key.to_string());
            entry.branch = Some(branch);
        })
        .await?;
        let visits = self.visits_of(&key).await?;
        let cards = self.store.cards_of(customer.record.id).await?;
        let seen = match &self.trail {
            Some(trail) => trail.about(&key.to_string()).await.map_err(Fault::Unaudited)?,
            None => Vec::new(),
        };
        let mut record = serde_json::to_value(CustomerView::whole(&customer)).unwrap_or_default();
        if let Value::Object(fields) = &mut record {
            let Customer { id_number, notes, .. } = &customer.record;
            fields.insert("id_number".to_owned(), json!(id_number.as_ref().map(|number| number.reveal())));
            fields.insert("notes".to_owned(), json!(notes.reveal()));
        }
        Ok(json!({
            "made_at": self.now(),
            "customer": record,
            "cards": cards.iter().map(CardView::of).collect::<Vec<_>>(),
            "visits": visits.iter().map(VisitView::of).collect::<Vec<_>>(),
            "acts": self.acts(seen).await?,
        }))
    }

    async fn visits_of(&self, key: &Key) -> Result<Vec<Stored<Visit>>, Fault> {
        let (from, until) = (rfid_core::UtcTime::from_nanos(0), rfid_core::UtcTime::from_nanos(u64::MAX));
        let listing = Listing { kind: Kind::Visit, among: Among::Of(key.clone()), from, until };
        let (mut visits, mut after) = (Vec::new(), None);
        loop {
            let page = self.store.list(&listing, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(visits) };
            after = last.record.timed().map(|timed| Place { at: timed.at, key: last.record.key() });
            visits.extend(page.into_iter().filter_map(Stored::typed));
        }
    }

    /// What was done, when, and by whom: by the role, because those who work for the bank are persons, too.
    async fn acts(&self, recorded: Vec<Recorded>) -> Result<Vec<Value>, Fault> {
        let mut acts = Vec::with_capacity(recorded.len());
        for Recorded { entry, .. } in recorded {
            let by = match &entry.by {
                Actor::Host => vec!["host".to_owned()],
                Actor::Console => vec!["console".to_owned()],
                Actor::Machine(name) => vec![format!("system {name}")],
                Actor::Staff(id) => {
                    let account = self.store.get(&[Key::Account(*id)]).await?.pop().flatten();
                    let account = account.and_then(Stored::typed::<Account>);
                    let names = |account: Stored<Account>| -> Vec<String> {
                        account.record.roles.into_iter().map(|role: Role| role.name().to_owned()).collect()
                    };
                    account.map_or_else(Vec::new, names)
                }
            };
            acts.push(json!({ "at": entry.at, "action": entry.action, "by": by, "outcome": entry.outcome }));
        }
        Ok(acts)
    }
}
