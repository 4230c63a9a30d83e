//! The service centre (服务中心): all branches at a glance, one of them, what was, and what it comes to.
//!
//! * `overview.rs`: all branches, and one of them.
//! * `live.rs`: how branches are at this moment, and the stream that tells which have changed.
//! * `history.rs`: visits of the past.
//! * `reports.rs`, `chart.rs`: reports as pages, with charts.
//! * `exports.rs`: visits that are carried out as files.
//!
//! Whoever is central chooses one branch and says why; which one it is stands in the session, on the host, and
//! all screens and the stream of arrivals go by that.

mod chart;
mod exports;
mod history;
mod live;
mod overview;
mod reports;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use rfid_service::rights::Action;
use rfid_service::service::{Caller, Fault};
use serde::Deserialize;

use super::navigation;
use super::text::Text;
use super::viewer::{Nothing, Refusal, Sent, Viewer};
use crate::api::Api;

/// The routes of the centre.
pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/centre", get(overview::page))
        .route("/centre/tiles", get(overview::tiles))
        .route("/centre/stream", get(live::stream))
        .route("/centre/choose", post(choose))
        .route("/centre/leave", post(leave))
        .route("/centre/branches/{branch}", get(overview::branch))
        .route("/centre/branches/{branch}/now", get(overview::branch_now))
        .route("/centre/history", get(history::page).post(history::find))
        .route("/centre/reports", get(reports::list))
        .route("/centre/reports/{report}", get(reports::page))
        .route("/centre/exports", get(exports::page).post(exports::ask))
        .route("/centre/exports/list", get(exports::list))
        .route("/centre/exports/requests/{request}/{act}", post(exports::decide))
        .route("/centre/exports/files/{export}", post(exports::fetch))
}

/// A part of the centre, in its own bar.
struct Area {
    path: String,
    title: String,
    is_current: bool,
}

/// The parts that somebody may open. `current`: the one they look at.
fn areas(viewer: &Viewer, current: &str) -> Vec<Area> {
    let exports = viewer.may(Action::ExportVisits);
    let area = |path: &str, title: String, name: &str| Area {
        path: path.to_owned(),
        title,
        is_current: name == current,
    };
    let mut areas = vec![area("/centre", viewer.text.say("area-overview"), "overview")];
    if viewer.may(Action::SeeHistory) {
        areas.push(area("/centre/history", viewer.text.say("area-history"), "history"));
    }
    areas.push(area("/centre/reports", viewer.text.say("area-reports"), "reports"));
    if exports {
        areas.push(area("/centre/exports", viewer.text.say("area-exports"), "exports"));
    }
    areas
}

/// Refuses who has nothing to do in the centre.
fn may_enter(viewer: &Viewer) -> Result<(), Fault> {
    if viewer.may(Action::SeeReports) { Ok(()) } else { Err(Fault::Forbidden(Action::SeeReports)) }
}

/// A branch that somebody may name in a form, with its code and name.
type Named = (String, String);

/// The branches whose reports somebody sees.
async fn branches_of(api: &Api, viewer: &Viewer) -> Result<Vec<Named>, Fault> {
    let all = api.service().branches(viewer.caller()).await?.into_iter().map(|branch| branch.record);
    Ok(all.filter(|branch| !branch.closed).map(|branch| (branch.code.to_string(), branch.name)).collect())
}

/// What a branch is called, and all of them where none is meant. A code that is none of these stands for itself.
fn said_of_branch(text: &Text, branches: &[Named], code: Option<&str>) -> String {
    let Some(code) = code else { return text.say("branches-all") };
    let named = branches.iter().find(|(other, _)| other == code);
    named.map_or_else(|| code.to_owned(), |(_, name)| name.clone())
}

#[derive(Deserialize)]
struct ChooseForm {
    branch: String,
    #[serde(default)]
    reason: String,
    /// The screen on which it goes on.
    #[serde(default)]
    screen: String,
}

/// Looks at a branch from now on.
async fn choose(
    State(api): State<Api>,
    Sent(viewer, ChooseForm { branch, reason, screen }): Sent<ChooseForm>,
) -> Result<Response, Refusal> {
    // Each choice has its own reason: that of the branch before does not go on.
    let reason = Some(reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    let caller = Caller { reason, ..viewer.caller().clone() };
    api.service().choose_branch(&caller, branch.trim()).await.map_err(|fault| viewer.refusal(fault))?;
    Ok(viewer.leads_to(&navigation::path_of(&screen)))
}

/// Ends that.
async fn leave(State(api): State<Api>, Sent(viewer, Nothing {}): Sent<Nothing>) -> Result<Response, Refusal> {
    api.service().leave_branch(viewer.caller()).await.map_err(|fault| viewer.refusal(fault))?;
    Ok(viewer.leads_to("/centre"))
}

#[cfg(test)]
mod tests;
