//! Visits of the past, in any branch: what is looked for, and why, goes in forms and never into an address.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::civil::{Date, Time};
use rfid_core::UtcTime;
use rfid_service::record::{Key, Outcome, Refusal as CardRefusal, VisitId};
use rfid_service::rights::Action;
use rfid_service::service::{Fault, HistoryFilter, VisitState};
use rfid_service::store::Place;
use serde::Deserialize;

use super::{Area, Named, areas, branches_of, said_of_branch};
use crate::api::Api;
use crate::screens::guests::{GuestView, Showing};
use crate::screens::text::Text;
use crate::screens::viewer::{Frame, Refusal, Sent, Viewer, shown};

/// Visits on a page.
const PAGE: usize = 100;
/// What a cursor is of.
const CURSOR: &str = "centre-history";

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Opened {
    branch: String,
}

/// What is looked for.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    branch: String,
    from: String,
    to: String,
    class: String,
    state: String,
    manager: String,
    /// `recognised`, or why a card was refused.
    outcome: String,
    reason: String,
    /// Where the page before ended.
    cursor: String,
}

/// A visit with where it was.
struct Row {
    branch: String,
    guest: GuestView,
}

/// Visits that were found.
struct Found {
    rows: Vec<Row>,
    /// Where it goes on; empty if it does not.
    next: String,
    /// Whether nothing was shown before it.
    is_first: bool,
}

#[derive(Template)]
#[template(path = "centre/history.html")]
struct HistoryPage {
    text: Text,
    frame: Frame,
    areas: Vec<Area>,
    asked: Asked,
    branches: Vec<Named>,
    states: Vec<(&'static str, String)>,
    outcomes: Vec<(&'static str, String)>,
    needs_reason: bool,
    found: Option<Found>,
    branch_said: String,
    printed: String,
}

#[derive(Template)]
#[template(path = "centre/found_visits.html")]
struct FoundPart {
    text: Text,
    frame: Frame,
    asked: Asked,
    found: Found,
    branch_said: String,
    printed: String,
}

pub(super) async fn page(
    State(api): State<Api>,
    viewer: Viewer,
    Query(Opened { branch }): Query<Opened>,
) -> Result<Response, Refusal> {
    let page = async {
        may_look(&viewer)?;
        let today = viewer.text.date(api.service().now()).unwrap_or_default().to_string();
        let asked = Asked { branch, from: today.clone(), to: today, ..Asked::default() };
        page_of(&api, &viewer, asked, None).await
    };
    page.await.map(|page| shown(&page)).map_err(|fault| viewer.refusal(fault))
}

pub(super) async fn find(
    State(api): State<Api>,
    Sent(viewer, asked): Sent<Asked>,
) -> Result<Response, Refusal> {
    let answer = async {
        may_look(&viewer)?;
        let branches = branches_of(&api, &viewer).await?;
        let found = found_by(&api, &viewer, &asked, &branches).await?;
        if !viewer.is_part {
            return Ok(shown(&page_of(&api, &viewer, asked, Some(found)).await?));
        }
        let (branch_said, printed) = said_of(&api, &viewer, &asked, &branches);
        let frame = Frame::of(&api, &viewer, "centre").await?;
        Ok(shown(&FoundPart { text: viewer.text.clone(), frame, asked, found, branch_said, printed }))
    };
    answer.await.map_err(|fault| viewer.refusal(fault))
}

fn may_look(viewer: &Viewer) -> Result<(), Fault> {
    super::may_enter(viewer)?;
    if viewer.may(Action::SeeHistory) { Ok(()) } else { Err(Fault::Forbidden(Action::SeeHistory)) }
}

async fn page_of(
    api: &Api,
    viewer: &Viewer,
    asked: Asked,
    found: Option<Found>,
) -> Result<HistoryPage, Fault> {
    let text = viewer.text.clone();
    let branches = branches_of(api, viewer).await?;
    let mut outcomes = vec![("recognised", text.say("outcome-recognised"))];
    outcomes.extend(CardRefusal::ALL.iter().map(|why| (why.name(), text.known("refusal", why.name()))));
    let (branch_said, printed) = said_of(api, viewer, &asked, &branches);
    Ok(HistoryPage {
        frame: Frame::of(api, viewer, "centre").await?,
        areas: areas(viewer, "history"),
        states: VisitState::ALL.map(|state| (state.name(), text.known("state", state.name()))).to_vec(),
        outcomes,
        // Whoever looks at a branch has said why.
        needs_reason: viewer.caller().reason.is_none()
            && viewer.caller().grant.needs_reason(Action::SeeHistory),
        found,
        asked,
        branches,
        branch_said,
        printed,
        text,
    })
}

/// Of which branch it is, and when it is printed, for the head of what is printed.
fn said_of(api: &Api, viewer: &Viewer, asked: &Asked, branches: &[Named]) -> (String, String) {
    let (text, now) = (&viewer.text, api.service().now());
    let asked = Some(asked.branch.as_str()).filter(|code| !code.is_empty());
    (said_of_branch(text, branches, asked), text.moment(now))
}

async fn found_by(api: &Api, viewer: &Viewer, asked: &Asked, branches: &[Named]) -> Result<Found, Fault> {
    let service = api.service();
    let caller = viewer.because(&asked.reason);
    let filter = filter_of(api, viewer, asked).await?;
    let after = match asked.cursor.as_str() {
        "" => None,
        cursor => {
            let opened = api.cursors().open::<(UtcTime, VisitId)>(CURSOR, cursor);
            let (at, id) = opened.map_err(|_| Fault::Invalid(Vec::new()))?;
            Some(Place { at, key: Key::Visit(id) })
        }
    };
    let is_first = after.is_none();
    let (guests, next) = service.history(&caller, &filter, after, PAGE).await?;
    let next = match next {
        Some(Place { at, key: Key::Visit(id) }) => api.cursors().seal(CURSOR, &(at, id)).unwrap_or_default(),
        _ => String::new(),
    };
    let rows = guests.iter().map(|guest| {
        let code = &guest.visit.record.branch;
        let showing = Showing { text: &viewer.text, branch: code, suspects: &[] };
        Row {
            branch: said_of_branch(&viewer.text, branches, Some(code.as_str())),
            guest: showing.guest(guest),
        }
    });
    Ok(Found { rows: rows.collect(), next, is_first })
}

async fn filter_of(api: &Api, viewer: &Viewer, asked: &Asked) -> Result<HistoryFilter, Fault> {
    let invalid = || Fault::Invalid(Vec::new());
    let text = &viewer.text;
    let edge = |said: &str, is_end: bool| -> Result<Option<UtcTime>, Fault> {
        if said.trim().is_empty() {
            return Ok(None);
        }
        let date = said.trim().parse::<Date>().map_err(|_| invalid())?;
        let date = if is_end { date.tomorrow().map_err(|_| invalid())? } else { date };
        text.at(date, Time::midnight()).map(Some).ok_or_else(invalid)
    };
    let from = edge(&asked.from, false)?.unwrap_or_default();
    let until = edge(&asked.to, true)?.unwrap_or(UtcTime::from_nanos(u64::MAX));
    let outcome = match asked.outcome.as_str() {
        "" => None,
        "recognised" => Some(Outcome::Recognised),
        why => {
            let refusal =
                CardRefusal::ALL.iter().find(|refusal| refusal.name() == why).ok_or_else(invalid)?;
            Some(Outcome::Refused(*refusal))
        }
    };
    let state = match asked.state.as_str() {
        "" => None,
        state => Some(VisitState::from_name(state).ok_or_else(invalid)?),
    };
    let some = |said: &str| Some(said.trim().to_owned()).filter(|said| !said.is_empty());
    let manager = match some(&asked.manager) {
        Some(number) => Some(api.service().staff_of_number(viewer.caller(), &number).await?.record.id),
        None => None,
    };
    Ok(HistoryFilter {
        branch: some(&asked.branch).map(|branch| branch.as_str().into()),
        from,
        until,
        class: some(&asked.class).map(|class| class.as_str().into()),
        state,
        manager,
        outcome,
    })
}
