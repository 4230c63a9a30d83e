//! One's own page: where one is logged in, and one's password.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use rfid_service::record::Personal;
use rfid_service::service::Fault;
use serde::Deserialize;

use super::super::text::Text;
use super::super::viewer::{Frame, Nothing, Refusal, Sent, Viewer, shown};
use super::invitation::weighed_part;
use super::roles_said;
use crate::api::Api;

struct OwnSession {
    alias: String,
    since: String,
    from: String,
    is_this: bool,
}

#[derive(Template)]
#[template(path = "administration/me.html")]
struct MePage {
    text: Text,
    frame: Frame,
    proof: String,
    said: Option<String>,
    roles: String,
    shortest: usize,
    sessions: Vec<OwnSession>,
}

#[derive(Deserialize)]
pub(super) struct PasswordForm {
    before: Personal<String>,
    after: Personal<String>,
    again: Personal<String>,
}

#[derive(Deserialize)]
pub(super) struct WeighForm {
    after: Personal<String>,
}

pub(super) async fn page(State(api): State<Api>, viewer: Viewer) -> Result<Response, Refusal> {
    of(&api, &viewer, None).await
}

async fn of(api: &Api, viewer: &Viewer, said: Option<String>) -> Result<Response, Refusal> {
    let frame = Frame::of(api, viewer, "me").await.map_err(|fault| viewer.refusal(fault))?;
    let this = viewer.caller().session.as_ref().map(|session| session.alias.clone());
    let sessions = api.service().own_sessions(viewer.caller()).into_iter().map(|session| OwnSession {
        is_this: Some(&session.alias) == this.as_ref(),
        since: viewer.text.moment(session.since),
        from: session.from,
        alias: session.alias,
    });
    let roles = &viewer.identified.roles;
    Ok(shown(&MePage {
        sessions: sessions.collect(),
        roles: roles_said(&viewer.text, roles),
        shortest: api.service().shortest_password(roles),
        proof: viewer.proof().to_owned(),
        text: viewer.text.clone(),
        frame,
        said,
    }))
}

pub(super) async fn change_password(
    State(api): State<Api>,
    Sent(viewer, PasswordForm { before, after, again }): Sent<PasswordForm>,
) -> Result<Response, Refusal> {
    if after.reveal() != again.reveal() {
        return Err(viewer.saying(StatusCode::UNPROCESSABLE_ENTITY, "problem-passwords-differ"));
    }
    match api.service().change_password(viewer.caller(), before, after).await {
        Ok(()) => of(&api, &viewer, Some(viewer.text.say("me-password-changed"))).await,
        Err(Fault::NotAccepted) => Err(viewer.saying(StatusCode::FORBIDDEN, "problem-password-before")),
        Err(Fault::Invalid(_)) => {
            Err(viewer.saying(StatusCode::UNPROCESSABLE_ENTITY, "problem-password-weak"))
        }
        Err(fault) => Err(viewer.refusal(fault)),
    }
}

pub(super) async fn weigh(
    State(api): State<Api>,
    Sent(viewer, WeighForm { after }): Sent<WeighForm>,
) -> Result<Response, Refusal> {
    let weak = api.service().weigh_password(viewer.caller(), &after).await;
    let weak = weak.map_err(|fault| viewer.refusal(fault))?;
    Ok(shown(&weighed_part(&viewer.text, weak.as_ref())))
}

pub(super) async fn end_session(
    State(api): State<Api>,
    Path(alias): Path<String>,
    Sent(viewer, Nothing {}): Sent<Nothing>,
) -> Result<Response, Refusal> {
    let is_this = viewer.caller().session.as_ref().is_some_and(|session| session.alias == alias);
    api.service().log_out(viewer.caller(), Some(&alias)).await.map_err(|fault| viewer.refusal(fault))?;
    match (is_this, viewer.is_part) {
        (false, true) => of(&api, &viewer, Some(viewer.text.say("me-session-ended"))).await,
        (false, false) => Ok(Redirect::to("/me").into_response()),
        (true, true) => Ok(([("hx-redirect", "/login")], StatusCode::NO_CONTENT).into_response()),
        (true, false) => Ok(Redirect::to("/login").into_response()),
    }
}
