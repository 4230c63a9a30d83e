//! The first start of a host: with the code of its console the first two administrators are made. Behind them
//! the door is closed.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use rfid_service::record::{Personal, StaffRole};
use rfid_service::rights::Role;
use rfid_service::service::{Fault, StaffDraft};
use serde::Deserialize;

use super::super::text::Text;
use super::super::viewer::{shown, text_of};
use super::invitation;
use super::role_said;
use super::stranger::Stranger;
use crate::api::Api;

#[derive(Template)]
#[template(path = "administration/setup.html")]
struct SetupPage {
    text: Text,
    /// Which of the two there is not yet.
    missing: Vec<String>,
    is_open: bool,
    problem: Option<String>,
}

#[derive(Template)]
#[template(path = "administration/setup_who.html")]
struct WhoPage {
    text: Text,
    code: String,
    roles: Vec<(&'static str, String)>,
    branches: Vec<(String, String)>,
    asked: WhoForm,
    problem: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct CodeForm {
    code: String,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct WhoForm {
    code: String,
    staff_number: String,
    name: Personal<String>,
    branch: String,
    role: String,
}

pub(super) async fn page(State(api): State<Api>, headers: HeaderMap) -> Response {
    let text = text_of(&headers, &api);
    first_step(&api, text, StatusCode::OK, None).await
}

async fn first_step(api: &Api, text: Text, status: StatusCode, problem: Option<&str>) -> Response {
    let Ok(missing) = api.service().missing_administrators().await else {
        return unreadable(&text);
    };
    if missing.is_empty() {
        return Redirect::to("/login").into_response();
    }
    let page = SetupPage {
        missing: missing.into_iter().map(|role| role_said(&text, role)).collect(),
        is_open: api.service().is_setup_open(),
        problem: problem.map(|key| text.say(key)),
        text,
    };
    (status, shown(&page)).into_response()
}

fn unreadable(text: &Text) -> Response {
    use super::super::viewer::Refusal;
    Refusal::to_stranger(StatusCode::SERVICE_UNAVAILABLE, "problem-store", text.clone(), false)
        .into_response()
}

pub(super) async fn code(
    State(api): State<Api>,
    Stranger { text, from, form: CodeForm { code } }: Stranger<CodeForm>,
) -> Response {
    let asked = WhoForm { code: code.trim().to_owned(), ..WhoForm::default() };
    second_step(&api, text, &from, asked, StatusCode::OK, None).await
}

async fn second_step(
    api: &Api,
    text: Text,
    from: &str,
    asked: WhoForm,
    status: StatusCode,
    problem: Option<&str>,
) -> Response {
    let found = async {
        let branches = api.service().branches_for_setup(from, &asked.code).await?;
        Ok((branches, api.service().missing_administrators().await?))
    };
    match found.await {
        Ok((branches, missing)) => {
            let branches = branches.into_iter().map(|branch| branch.record);
            let page = WhoPage {
                code: asked.code.clone(),
                roles: missing.into_iter().map(|role| (role.name(), role_said(&text, role))).collect(),
                branches: branches.map(|branch| (branch.code.to_string(), branch.name)).collect(),
                problem: problem.map(|key| text.say(key)),
                asked,
                text,
            };
            (status, shown(&page)).into_response()
        }
        Err(Fault::NotAccepted) => {
            first_step(api, text, StatusCode::UNAUTHORIZED, Some("problem-setup-code")).await
        }
        Err(fault) => {
            tracing::warn!(%fault, "the first accounts cannot be made");
            unreadable(&text)
        }
    }
}

pub(super) async fn set_up(
    State(api): State<Api>,
    Stranger { text, from, form }: Stranger<WhoForm>,
) -> Response {
    let role = [Role::SystemAdministrator, Role::SecurityAdministrator];
    let role = role.into_iter().find(|role| role.name() == form.role);
    let Some(role) = role else {
        let (status, problem) = (StatusCode::UNPROCESSABLE_ENTITY, Some("problem-invalid"));
        return second_step(&api, text, &from, form, status, problem).await;
    };
    let number = form.staff_number.trim().to_owned();
    let draft = StaffDraft {
        staff_number: number.clone(),
        name: Personal::new(form.name.reveal().trim().to_owned()),
        role: StaffRole::Other,
        branch: form.branch.clone(),
    };
    let (status, problem) = match api.service().set_up(&from, &form.code, draft, role).await {
        Ok(invited) => return invitation::enrol(&api, text, &from, &number, &invited).await,
        Err(Fault::NotAccepted) => {
            return first_step(&api, text, StatusCode::UNAUTHORIZED, Some("problem-setup-code")).await;
        }
        Err(Fault::Invalid(_)) => (StatusCode::UNPROCESSABLE_ENTITY, "problem-setup-invalid"),
        Err(Fault::Taken(_)) => (StatusCode::CONFLICT, "problem-setup-taken"),
        Err(Fault::NotAllowed(_) | Fault::Conflict { .. }) => (StatusCode::CONFLICT, "problem-setup-role"),
        Err(fault) => {
            tracing::warn!(%fault, "the first accounts cannot be made");
            return unreadable(&text);
        }
    };
    second_step(&api, text, &from, form, status, Some(problem)).await
}
