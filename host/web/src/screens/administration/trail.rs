//! The audit trail as a page: who did what, and whether it is what was written.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::civil::{Date, Time};
use rfid_core::UtcTime;
use rfid_service::audit::{Outcome, Recorded};
use rfid_service::record::Key;
use rfid_service::rights::Action;
use rfid_service::service::{Fault, TrailFilter};
use rfid_service::store::Actor;
use serde::Deserialize;

use super::super::text::Text;
use super::super::viewer::{Frame, Nothing, Refusal, Sent, Viewer, shown};
use crate::api::Api;

/// Records on a page.
const PAGE: usize = 50;
/// Anchors that are shown.
const ANCHORS: usize = 5;

/// Which records are asked for, as a form says it. What a form sends stands in no address.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct TrailForm {
    by: String,
    action: String,
    object: String,
    branch: String,
    outcome: String,
    from: String,
    until: String,
    /// Where to go on.
    before: String,
}

struct RecordRow {
    number: u64,
    at: String,
    by: String,
    from: String,
    action: String,
    outcome: &'static str,
    outcome_said: String,
    object: String,
    branch: String,
    /// The rule, the reason and what else there is to say.
    more: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "administration/audit.html")]
struct TrailPage {
    text: Text,
    frame: Frame,
    proof: String,
    asked: TrailForm,
    branches: Vec<(String, String)>,
    outcomes: Vec<(&'static str, String)>,
    records: Vec<RecordRow>,
    next: Option<u64>,
    may_verify: bool,
    verification: Option<VerificationView>,
    anchors: Vec<(String, u64, String)>,
}

/// A verification as the page shows it.
struct VerificationView {
    began: String,
    is_over: bool,
    reached: u64,
    last: u64,
    records: u64,
    head: String,
    /// How many anchors agree, of how many.
    agreeing: u64,
    anchors: usize,
    /// The first record that is not what was written, and what is wrong with it.
    first_bad: Option<(u64, String)>,
    /// Why it could not be ended.
    failure: String,
}

#[derive(Template)]
#[template(path = "administration/verification.html")]
struct VerificationPart {
    text: Text,
    verification: Option<VerificationView>,
}

pub(super) async fn page(State(api): State<Api>, viewer: Viewer) -> Result<Response, Refusal> {
    of(&api, &viewer, TrailForm::default()).await
}

pub(super) async fn filtered(
    State(api): State<Api>,
    Sent(viewer, form): Sent<TrailForm>,
) -> Result<Response, Refusal> {
    of(&api, &viewer, form).await
}

async fn of(api: &Api, viewer: &Viewer, asked: TrailForm) -> Result<Response, Refusal> {
    let (text, service, caller) = (&viewer.text, api.service(), viewer.caller());
    let page = async {
        let before = asked.before.parse().ok();
        let (found, next) = service.audit_trail_of(caller, &filter(text, &asked), before, PAGE).await?;
        let numbers = service.staff_numbers_of(caller, &found).await?;
        let number_of = |id| numbers.get(&id).map(ToString::to_string);
        let records = found.into_iter().map(|recorded| row(text, recorded, &number_of)).collect();
        let may_verify = viewer.may(Action::VerifyAudit);
        let (mut verification, mut anchors) = (None, Vec::new());
        if may_verify {
            verification = verification_of(api, viewer).await?;
            let latest = service.anchors(caller, ANCHORS).await?.into_iter();
            anchors = latest
                .map(|anchor| (text.second(anchor.at), anchor.head.number, anchor.head.hash.to_string()))
                .collect();
        }
        let branches = service.branches(caller).await?.into_iter().map(|branch| branch.record);
        Ok(TrailPage {
            frame: Frame::of(api, viewer, "administration/audit").await?,
            proof: viewer.proof().to_owned(),
            branches: branches.map(|branch| (branch.code.to_string(), branch.name)).collect(),
            outcomes: OUTCOMES.map(|(name, _)| (name, text.known("trail-outcome", name))).into(),
            asked,
            records,
            next,
            may_verify,
            verification,
            anchors,
            text: text.clone(),
        })
    };
    page.await.map(|page| shown(&page)).map_err(|fault| viewer.refusal(fault))
}

/// What can come of something, by its name.
const OUTCOMES: [(&str, Outcome); 3] =
    [("done", Outcome::Done), ("refused", Outcome::Refused), ("not-done", Outcome::NotDone)];

fn filter(text: &Text, asked: &TrailForm) -> TrailFilter {
    let said = |field: &str| Some(field.trim().to_owned()).filter(|field| !field.is_empty());
    let midnight = |date: Date| text.at(date, Time::midnight());
    let date = |field: &str| field.parse::<Date>().ok();
    TrailFilter {
        by: said(&asked.by),
        action: said(&asked.action),
        object: said(&asked.object),
        branch: said(&asked.branch).map(|branch| branch.as_str().into()),
        outcome: OUTCOMES.into_iter().find(|(name, _)| *name == asked.outcome).map(|(_, outcome)| outcome),
        from: date(&asked.from).and_then(midnight),
        // The day that is named is in it.
        until: date(&asked.until).and_then(|date| midnight(date.tomorrow().ok()?)),
    }
}

fn row(
    text: &Text,
    Recorded { number, entry }: Recorded,
    number_of: &impl Fn(rfid_service::record::StaffId) -> Option<String>,
) -> RecordRow {
    let by = match &entry.by {
        Actor::Staff(id) => number_of(*id).unwrap_or_else(|| id.to_string()),
        Actor::Machine(name) => name.clone(),
        Actor::Host => text.say("trail-by-host"),
        Actor::Console => text.say("trail-by-console"),
    };
    // Of people who work here the number says more than an id.
    let object = entry.object.clone().unwrap_or_default();
    let object = match object.parse() {
        Ok(Key::Staff(id) | Key::Account(id)) => match number_of(id) {
            Some(number) => format!("{} {number}", object.split_once(' ').map_or("", |(kind, _)| kind)),
            None => object,
        },
        _ => object,
    };
    let (outcome, _) = OUTCOMES.into_iter().find(|(_, other)| *other == entry.outcome).unwrap_or(OUTCOMES[0]);
    let mut more = Vec::new();
    more.extend(entry.rule.map(|rule| (text.say("trail-rule"), rule)));
    more.extend(entry.reason.map(|reason| (text.say("reason"), reason)));
    more.extend(entry.count.map(|count| (text.say("trail-count"), count.to_string())));
    more.extend(entry.follows.map(|number| (text.say("trail-follows"), number.to_string())));
    if !entry.fields.is_empty() {
        let fields: Vec<&str> = entry.fields.keys().map(String::as_str).collect();
        more.push((text.say("trail-fields"), fields.join(", ")));
    }
    more.extend(entry.facts);
    RecordRow {
        number,
        at: text.second(entry.at),
        by,
        from: entry.from,
        action: entry.action,
        outcome,
        outcome_said: text.known("trail-outcome", outcome),
        object,
        branch: entry.branch.map(|branch| branch.to_string()).unwrap_or_default(),
        more,
    }
}

async fn verification_of(api: &Api, viewer: &Viewer) -> Result<Option<VerificationView>, Fault> {
    let Some(seen) = api.service().verification(viewer.caller()).await? else { return Ok(None) };
    let moment = |at: UtcTime| viewer.text.second(at);
    let mut view = VerificationView {
        began: moment(seen.began),
        is_over: seen.outcome.is_some(),
        reached: seen.reached,
        last: seen.last.max(seen.reached),
        records: 0,
        head: String::new(),
        agreeing: 0,
        anchors: seen.anchors,
        first_bad: None,
        failure: String::new(),
    };
    match seen.outcome {
        None => {}
        Some(Err(why)) => view.failure = why,
        Some(Ok(verified)) => {
            view.records = verified.records;
            view.head = verified.head.hash.to_string();
            view.agreeing = verified.anchors;
            view.first_bad = verified.fault.map(|fault| (fault.number, fault.what));
        }
    }
    Ok(Some(view))
}

/// Begins to go through the trail.
pub(super) async fn verify(
    State(api): State<Api>,
    Sent(viewer, Nothing {}): Sent<Nothing>,
) -> Result<Response, Refusal> {
    let begun = api.service().begin_verification(viewer.caller()).await;
    begun.map_err(|fault| viewer.refusal(fault))?;
    if viewer.is_part {
        return part(&api, &viewer).await;
    }
    Ok(Redirect::to("/administration/audit").into_response())
}

/// How far it is.
pub(super) async fn verification(State(api): State<Api>, viewer: Viewer) -> Result<Response, Refusal> {
    part(&api, &viewer).await
}

async fn part(api: &Api, viewer: &Viewer) -> Result<Response, Refusal> {
    let verification = verification_of(api, viewer).await.map_err(|fault| viewer.refusal(fault))?;
    Ok(shown(&VerificationPart { text: viewer.text.clone(), verification }))
}
