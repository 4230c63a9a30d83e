//! What is done through the service, in the audit trail.

use std::collections::BTreeMap;
use std::sync::Arc;

use rfid_core::UtcTime;

use super::fault::Fault;
use super::grant::{May, Mode, NotMay};
use super::{Caller, Service};
use crate::audit::space::Fullness;
use crate::audit::{self, Entry, Outcome, Trail};
use crate::record::{Key, Proposal, Record, Request};
use crate::rights::Action;
use crate::store::{Actor, CommitFault};

/// An act whose record is durable.
pub(super) struct Act {
    number: u64,
    entry: Entry,
}

impl Caller {
    /// The beginning of what the trail says of something that this caller does.
    pub(super) fn entry(&self, at: UtcTime, action: &str) -> Entry {
        let entry = Entry::new(at, self.actor.clone(), self.from.clone(), action);
        let session = self.session.as_ref().map(|session| session.alias.clone());
        let lent = self.grant.lent().map(|lent| ("break_glass".to_owned(), lent.request.to_string()));
        Entry { session, reason: self.reason.clone(), facts: lent.into_iter().collect(), ..entry }
    }
}

impl Service {
    /// What a caller may do of an action by itself.
    ///
    /// # Errors
    /// `Forbidden`, `ReasonNeeded`; `Unaudited` while the trail cannot be written.
    pub(crate) async fn may<'c>(&self, caller: &'c Caller, action: Action) -> Result<May<'c>, Fault> {
        self.may_as(caller, action, Mode::Do).await
    }

    /// The same for asking and for approving.
    pub(super) async fn may_as<'c>(
        &self,
        caller: &'c Caller,
        action: Action,
        mode: Mode,
    ) -> Result<May<'c>, Fault> {
        self.trail.as_ref().map_or(Ok(()), |trail| trail.is_well()).map_err(Fault::Unaudited)?;
        let fault = match caller.grant.may(action, mode, caller.reason.is_some()) {
            Ok(may) => return Ok(may),
            Err(NotMay::NotAtAll) => Fault::Forbidden(action),
            Err(NotMay::WithoutReason) => Fault::ReasonNeeded(action),
        };
        self.note_refusal(caller, action.name(), None, &fault.to_string()).await?;
        Err(fault)
    }

    /// What is not there, or not for this caller: the same answer for both, and the same record.
    pub(crate) async fn nothing(&self, caller: &Caller, action: Action, what: &'static str) -> Fault {
        let refused = self.note_refusal(caller, action.name(), None, "not there, or not theirs").await;
        refused.err().unwrap_or(Fault::NotFound(what))
    }

    pub(super) async fn note_refusal(
        &self,
        caller: &Caller,
        action: &str,
        object: Option<&Key>,
        rule: &str,
    ) -> Result<(), Fault> {
        let entry = Entry {
            outcome: Outcome::Refused,
            rule: Some(rule.to_owned()),
            object: object.map(ToString::to_string),
            ..caller.entry(self.now(), action)
        };
        self.note(entry).await
    }

    /// Notes that something was looked at.
    pub(super) async fn saw(
        &self,
        caller: &Caller,
        action: &str,
        object: Option<&Key>,
        branch: Option<&str>,
        count: usize,
    ) -> Result<(), Fault> {
        let entry = Entry {
            object: object.map(ToString::to_string),
            branch: branch.map(Into::into),
            count: (object.is_none()).then_some(count as u64),
            ..caller.entry(self.now(), action)
        };
        self.note(entry).await
    }

    /// Notes that somebody searched: by what, and for what only as a mark.
    pub(super) async fn searched(
        &self,
        caller: &Caller,
        action: &str,
        by: &str,
        text: &str,
        count: usize,
    ) -> Result<(), Fault> {
        let Some(trail) = &self.trail else { return Ok(()) };
        let facts = [("by".to_owned(), by.to_owned()), ("for".to_owned(), trail.mark(text.as_bytes()))];
        let mut entry = Entry { count: Some(count as u64), ..caller.entry(self.now(), action) };
        entry.facts.extend(facts);
        self.note(entry).await
    }

    async fn note(&self, entry: Entry) -> Result<(), Fault> {
        match &self.trail {
            Some(trail) => trail.note(entry).await.map_err(Fault::Unaudited),
            None => Ok(()),
        }
    }

    /// Notes something that is no change of a record, durably.
    pub(crate) async fn did(
        &self,
        caller: &Caller,
        action: &str,
        with: impl FnOnce(&mut Entry) + Send,
    ) -> Result<(), Fault> {
        let Some(trail) = &self.trail else { return Ok(()) };
        let mut entry = caller.entry(self.now(), action);
        with(&mut entry);
        trail.act(entry).await.map(drop).map_err(Fault::Unaudited)
    }

    /// Notes something that this host did by itself, durably.
    ///
    /// # Errors
    /// `Unaudited`.
    pub async fn note_by_host(&self, action: &str, from: &str) -> Result<(), Fault> {
        let host = Caller { actor: Actor::Host, from: from.to_owned(), ..Caller::console() };
        self.did(&host, action, |_| {}).await
    }

    /// Looks how much room the trail has, and writes into it where that is another than before.
    ///
    /// # Errors
    /// `Store` where it cannot be told; `Unaudited`.
    pub async fn look_at_space(&self) -> Result<(), Fault> {
        let Some(watch) = &self.watch else { return Ok(()) };
        let Some((room, fullness)) = watch.space.look().await? else { return Ok(()) };
        let percent = room.percent();
        match fullness {
            Fullness::Fine => tracing::info!(percent, "the disk of the audit trail has room again"),
            Fullness::Warning => tracing::warn!(percent, "the disk of the audit trail fills up"),
            Fullness::Alarm => {
                tracing::error!(
                    percent,
                    "the disk of the audit trail is almost full: soon nothing is done any more"
                );
            }
            Fullness::Full => {
                tracing::error!(
                    percent,
                    "the disk of the audit trail is full: nothing is done that must be audited"
                );
            }
        }
        let host = Caller { actor: Actor::Host, from: "host".to_owned(), ..Caller::console() };
        self.did(&host, "audit.space", |entry| {
            entry.facts.insert("percent".to_owned(), percent.to_string());
            entry.facts.insert("state".to_owned(), fullness.name().to_owned());
        })
        .await
    }

    /// Writes that a record is about to be written in place of version `expected`; nothing is done
    /// before this is durable.
    pub(super) async fn begin_act(
        &self,
        caller: &Caller,
        action: &str,
        at: UtcTime,
        record: &Record,
        expected: u32,
    ) -> Result<Option<Act>, Fault> {
        let Some(trail) = &self.trail else { return Ok(None) };
        let key = record.key();
        let before = match expected {
            0 => None,
            _ => self.store.get(std::slice::from_ref(&key)).await?.pop().flatten(),
        };
        let mut entry = Entry {
            branch: branch_of(record),
            object: Some(key.to_string()),
            version: Some(expected + 1),
            fields: audit::changed_fields(trail, before.as_ref().map(|before| &before.record), Some(record)),
            ..caller.entry(at, action)
        };
        entry.facts.extend(facts_of(record));
        let number = trail.act(entry.clone()).await.map_err(Fault::Unaudited)?;
        Ok(Some(Act { number, entry }))
    }

    /// Writes that it did not happen, where that is known.
    pub(super) async fn take_back(&self, act: Option<Act>, fault: &CommitFault) {
        let (Some(trail), Some(Act { number, entry })) = (&self.trail, act) else { return };
        let why = match fault {
            CommitFault::Conflict { .. } => "somebody else was faster",
            CommitFault::Taken { .. } => "another one has this already",
            // It may have happened: the next start of the host looks.
            CommitFault::Store(_) => return,
        };
        if let Err(error) = trail.undone(number, entry, why).await {
            tracing::error!(
                error = format!("{error:#}"),
                "that something did not happen is written at the next start"
            );
        }
    }

    /// Looks whether the last acts of the trail happened, which an end of the host may have cut off, and
    /// writes of those that did not. Returns how many.
    ///
    /// # Errors
    /// `Store`, `Unaudited`.
    pub async fn settle_trail(&self) -> Result<usize, Fault> {
        let Some(trail) = self.trail.as_ref().map(Arc::clone) else { return Ok(0) };
        let mut undone = 0;
        for act in trail.unsettled().await.map_err(Fault::Unaudited)? {
            if !self.has_happened(&act.entry).await? {
                let why = "the host ended before it was done";
                trail.undone(act.number, act.entry, why).await.map_err(Fault::Unaudited)?;
                undone += 1;
            }
        }
        Ok(undone)
    }

    async fn has_happened(&self, entry: &Entry) -> Result<bool, Fault> {
        let key = entry.object.as_deref().and_then(|text| text.parse::<Key>().ok());
        let (Some(key), Some(version)) = (key, entry.version) else { return Ok(true) };
        let past = self.store.history(&key, version.checked_add(1), 1).await?.pop();
        Ok(past.is_some_and(|past| {
            past.version == version && past.origin.at == entry.at && past.origin.by == entry.by
        }))
    }

    /// The trail, where there is one.
    pub fn trail(&self) -> Option<&Arc<Trail>> {
        self.trail.as_ref()
    }
}

/// What the trail says of a record besides the names of its fields: of what is carried out of the service
/// everything but what is in it, and which right is lent to whom.
fn facts_of(record: &Record) -> BTreeMap<String, String> {
    let (content, export) = match record {
        Record::Export(export) => (&export.content, Some(export)),
        Record::Request(Request { proposal: Proposal::ExportVisits { content, .. }, .. }) => (content, None),
        Record::Request(Request {
            proposal: Proposal::BreakGlass { staff, right, minutes, reason }, ..
        }) => {
            let facts = [
                ("right", right.name().to_owned()),
                ("minutes", minutes.to_string()),
                ("asked_by", staff.to_string()),
                ("why", reason.reveal().clone()),
            ];
            return facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        }
        _ => return BTreeMap::new(),
    };
    let branch = content.branch.as_deref().unwrap_or("all");
    let mut facts = vec![
        ("visits", format!("{branch}, {} to {}", content.from, content.to)),
        ("format", content.format.name().to_owned()),
        ("unmasked", content.unmasked.to_string()),
        ("purpose", content.purpose.name().to_owned()),
        ("rows", content.rows.to_string()),
    ];
    if let Some(export) = export {
        facts.push(("asked_by", export.asker.to_string()));
        facts.extend(export.approved_by.iter().map(|by| ("approved_by", by.name())));
        facts.extend(export.failure.iter().map(|why| ("failure", why.clone())));
        if let Some(made) = &export.made {
            facts.push(("rows", made.rows.to_string()));
            facts.push(("sha256", made.sha256.clone()));
        }
    }
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// To which branch a record belongs.
fn branch_of(record: &Record) -> Option<rfid_core::Name> {
    match record {
        Record::Branch(branch) => Some(branch.code.clone()),
        Record::Customer(customer) => Some(customer.branch.clone()),
        Record::Staff(staff) => Some(staff.branch.clone()),
        Record::Card(_) => None,
        timed => timed.timed().map(|timed| timed.branch),
    }
}
