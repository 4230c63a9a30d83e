//! Administration: what those see and do who watch over people, over the parts of the host, and over the trail.
//!
//! * `people.rs`, `person.rs`: accounts, and requests for them.
//! * `rights.rs`: the matrix of who may do what.
//! * `readers.rs`, `listening.rs`: readers, and what an antenna hears just now.
//! * `host.rs`: pipelines, sinks, plugins, health and the configuration.
//! * `backups.rs`: backups of the store, asked for and made.
//! * `tokens.rs`, `policies.rs`: other systems, and the rules of the host.
//! * `trail.rs`: the audit trail.
//! * `setup.rs`, `invitation.rs`: how somebody comes to an account, before anybody knows them.
//! * `me.rs`: one's own sessions and password.

mod backups;
mod host;
mod invitation;
mod listening;
mod me;
mod people;
mod person;
mod policies;
mod readers;
mod rights;
mod setup;
mod stranger;
mod tokens;
mod trail;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use rfid_service::rights::{Action, Cell, Language as RightsLanguage, Matrix, Role};

use super::navigation;
use super::text::{Language, Text};
use super::viewer::{Refusal, Viewer};
use crate::api::Api;

/// The routes of administration.
pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/administration", get(first))
        .route("/administration/people", get(people::page).post(people::ask))
        .route("/administration/people/requests/{request}/{act}", post(people::decide))
        .route("/administration/people/{number}", get(person::page))
        .route("/administration/people/{number}/{act}", post(person::act))
        .route("/administration/rights", get(rights::page))
        .route("/administration/readers", get(readers::page))
        .route("/administration/readers/{reader}", get(readers::reader))
        .route("/administration/readers/{reader}/reads", get(listening::reads))
        .route("/administration/host", get(host::page))
        .route("/administration/host/changes", post(host::changes))
        .route("/administration/host/reload", post(host::reload))
        .route("/administration/backups", get(backups::page).post(backups::make))
        .route("/administration/backups/now", get(backups::now))
        .route("/administration/tokens", get(tokens::page))
        .route("/administration/policies", get(policies::page))
        .route("/administration/audit", get(trail::page).post(trail::filtered))
        .route("/administration/audit/verification", get(trail::verification).post(trail::verify))
        .route("/setup", get(setup::page).post(setup::set_up))
        .route("/setup/code", post(setup::code))
        .route("/invitation", get(invitation::page).post(invitation::accept))
        .route("/invitation/begin", post(invitation::begin))
        .route("/invitation/password", post(invitation::weigh))
        .route("/me", get(me::page))
        .route("/me/password", post(me::change_password))
        .route("/me/password/weigh", post(me::weigh))
        .route("/me/sessions/{session}/end", post(me::end_session))
}

/// To the first screen of administration on which somebody works.
async fn first(State(_): State<Api>, viewer: Viewer) -> Result<Response, Refusal> {
    match navigation::first_of(&viewer, "administration") {
        Some(path) => Ok(Redirect::to(&path).into_response()),
        None => Err(viewer.saying(StatusCode::FORBIDDEN, "problem-forbidden")),
    }
}

/// The language of the matrix.
fn rights_language(text: &Text) -> RightsLanguage {
    match text.language {
        Language::Chinese => RightsLanguage::Chinese,
        Language::English => RightsLanguage::English,
    }
}

fn role_said(text: &Text, role: Role) -> String {
    Matrix::get().role_called(role, rights_language(text)).to_owned()
}

fn roles_said<'r>(text: &Text, roles: impl IntoIterator<Item = &'r Role>) -> String {
    let said: Vec<String> = roles.into_iter().map(|role| role_said(text, *role)).collect();
    said.join(match text.language {
        Language::Chinese => "、",
        Language::English => ", ",
    })
}

/// What somebody's roles may do of an action, each as far as it goes.
fn cells(viewer: &Viewer, action: Action) -> impl Iterator<Item = Cell> {
    viewer.identified.roles.iter().filter_map(move |role| Matrix::get().cell(*role, action))
}

fn proposes(viewer: &Viewer, action: Action) -> bool {
    cells(viewer, action).any(|cell| cell.proposes)
}

fn approves(viewer: &Viewer, action: Action) -> bool {
    cells(viewer, action).any(|cell| cell.approves)
}

/// A span of time, as people say it.
fn span_said(text: &Text, span: std::time::Duration) -> String {
    let seconds = span.as_secs();
    let (count, key) = match seconds {
        0 => (0, "second"),
        // A single day is said in hours.
        172_800.. if seconds.is_multiple_of(86_400) => (seconds / 86_400, "day"),
        _ if seconds.is_multiple_of(3600) => (seconds / 3600, "hour"),
        _ if seconds.is_multiple_of(60) => (seconds / 60, "minute"),
        _ => (seconds, "second"),
    };
    match key {
        "day" => text.with("span-days", "n", count),
        "hour" => text.with("span-hours", "n", count),
        "minute" => text.with("span-minutes", "n", count),
        _ => text.with("span-seconds", "n", count),
    }
}

/// For how long something has gone on, roughly.
fn uptime_said(text: &Text, seconds: u64) -> String {
    let (count, key) = match seconds {
        172_800.. => (seconds / 86_400, "span-days"),
        7_200.. => (seconds / 3600, "span-hours"),
        120.. => (seconds / 60, "span-minutes"),
        _ => (seconds, "span-seconds"),
    };
    text.with(key, "n", count)
}

/// Counters with what they are called.
fn counts_said(text: &Text, counts: &[(String, u64)]) -> Vec<(String, u64)> {
    counts.iter().map(|(name, count)| (text.known("count", name), *count)).collect()
}

#[cfg(test)]
mod tests;
