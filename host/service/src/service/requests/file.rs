//! The file of a person who asks for it: everything that the service knows, and who looked at it.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::fault::Fault;
use super::super::view::{CardView, CustomerView, VisitView};
use super::super::{Caller, Service};
use crate::audit::Recorded;
use crate::record::{Account, Customer, Hand, Key, Kind, Proposal, Request, RequestId, RequestState, Visit};
use crate::rights::{Action, Role};
use crate::store::{Actor, Among, Listing, Stored};

/// How long an approved file can be fetched.
const FETCHED_WITHIN: Duration = Duration::from_secs(24 * 3600);

impl Service {
    /// The file of a person, which one asked for and another approved, for either of the two, within a day.
    ///
    /// # Errors
    /// `NotFound`; `NotAllowed` where it is not approved, or was for too long; `Store`.
    pub async fn person_file(&self, caller: &Caller, id: RequestId) -> Result<Value, Fault> {
        if !caller.grant.knows(Action::MakeFiles) {
            self.may(caller, Action::MakeFiles).await?;
        }
        let found: Option<Stored<Request>> = self.find(Key::Request(id)).await?;
        let me = Hand::of(&caller.actor);
        let is_theirs = |request: &Stored<Request>| {
            let Request { submitted, decided, .. } = &request.record;
            [submitted, decided].into_iter().flatten().any(|signature| signature.by == me)
        };
        let Some(request) = found.filter(is_theirs) else {
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
        let visits: Vec<Stored<Visit>> =
            self.all_of(&Listing::ever(Kind::Visit, Among::Of(key.clone()))).await?;
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

    /// What was done, when, and by whom: by the role, because those who work for the bank are persons, too.
    async fn acts(&self, recorded: Vec<Recorded>) -> Result<Vec<Value>, Fault> {
        let mut acts = Vec::with_capacity(recorded.len());
        for Recorded { entry, .. } in recorded {
            let by = match &entry.by {
                Actor::Host => vec!["host".to_owned()],
                Actor::Console => vec!["console".to_owned()],
                Actor::Machine(name) => vec![format!("system {name}")],
                Actor::Staff(id) => {
                    let account: Option<Stored<Account>> = self.find(Key::Account(*id)).await?;
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
