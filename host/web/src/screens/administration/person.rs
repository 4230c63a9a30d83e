//! One account, and what may be done about it.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use rfid_service::record::{Account, AccountState, Staff};
use rfid_service::rights::Action;
use rfid_service::service::{Asked, Fault};
use rfid_service::store::Stored;
use serde::Deserialize;

use super::super::text::Text;
use super::super::viewer::{Frame, Refusal, Sent, Viewer, shown};
use super::people::{Due, RoleChoice, choices, chosen, grouped, unfit};
use super::{proposes, roles_said};
use crate::api::Api;

#[derive(Template)]
#[template(path = "administration/person.html")]
struct PersonPage {
    text: Text,
    frame: Frame,
    proof: String,
    said: Option<String>,
    number: String,
    name: String,
    branch: String,
    roles: String,
    state: &'static str,
    state_said: String,
    has_second_factor: bool,
    last_login: String,
    confirmed: String,
    due: Due,
    /// The version that the page shows.
    version: u32,
    is_me: bool,
    may_confirm: bool,
    may_ask: bool,
    may_reset: bool,
    /// Whether they let somebody set a new password at once.
    may_reset_now: bool,
    /// One half of a code, told this once.
    code: Option<String>,
    choices: Vec<RoleChoice>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct PersonAsked {
    done: String,
}

#[derive(Deserialize)]
pub(super) struct ActForm {
    #[serde(default)]
    version: String,
    #[serde(flatten)]
    fields: BTreeMap<String, String>,
}

/// What can be said to have been done here, by its name in an address.
const DONE: [&str; 5] = ["confirmed", "disabled", "sessions-ended", "roles-asked", "reset-asked"];

pub(super) async fn page(
    State(api): State<Api>,
    viewer: Viewer,
    Path(number): Path<String>,
    Query(asked): Query<PersonAsked>,
) -> Result<Response, Refusal> {
    let done = DONE.into_iter().find(|done| *done == asked.done);
    of(&api, &viewer, &number, done, None).await
}

async fn of(
    api: &Api,
    viewer: &Viewer,
    number: &str,
    done: Option<&'static str>,
    code: Option<String>,
) -> Result<Response, Refusal> {
    let text = &viewer.text;
    let page = async {
        let (staff, account): (Stored<Staff>, Stored<Account>) =
            api.service().account(viewer.caller(), number).await?;
        let (staff, version, account) = (staff.record, account.version, account.record);
        let is_me = viewer.identified.staff.record.id == staff.id;
        let moment = |at: Option<rfid_core::UtcTime>| at.map(|at| text.moment(at)).unwrap_or_default();
        Ok(PersonPage {
            frame: Frame::of(api, viewer, "administration/people").await?,
            proof: viewer.proof().to_owned(),
            said: done.map(|done| text.known("people-done", done)),
            number: staff.number.to_string(),
            name: staff.name.reveal().clone(),
            branch: staff.branch.to_string(),
            roles: roles_said(text, &account.roles),
            state: account.state.name(),
            state_said: text.known("people-state", account.state.name()),
            has_second_factor: account.second_factor.is_some(),
            last_login: moment(account.last_login),
            confirmed: moment(account.confirmed),
            due: Due::of(api, text, &account),
            version,
            is_me,
            may_confirm: viewer.may(Action::ConfirmAccounts) && account.state != AccountState::Disabled,
            may_ask: proposes(viewer, Action::RequestAccounts),
            may_reset: proposes(viewer, Action::ResetAccounts),
            may_reset_now: viewer.may(Action::ResetAccounts),
            code,
            choices: choices(text, &account.roles),
            text: text.clone(),
        })
    };
    page.await.map(|page| shown(&page)).map_err(|fault| viewer.refusal(fault))
}

pub(super) async fn act(
    State(api): State<Api>,
    Path((number, act)): Path<(String, String)>,
    Sent(viewer, form): Sent<ActForm>,
) -> Result<Response, Refusal> {
    let (service, caller) = (api.service(), viewer.caller());
    let outcome = match act.as_str() {
        "confirm" => {
            let Ok(version) = form.version.parse() else {
                return Err(viewer.saying(StatusCode::UNPROCESSABLE_ENTITY, "problem-invalid"));
            };
            service.confirm_account(caller, &number, version).await.map(|_| "confirmed")
        }
        "disable" => service.disable_account(caller, &number).await.map(|_| "disabled"),
        "end-sessions" => service.end_sessions_of(caller, &number).await.map(|_| "sessions-ended"),
        "roles" => {
            let roles = chosen(&form.fields);
            if let Some(problem) = unfit(&roles) {
                return Err(viewer.saying(StatusCode::UNPROCESSABLE_ENTITY, problem));
            }
            let asked = Asked::ChangeAccount { staff_number: number.clone(), roles };
            service.ask_for_account(caller, asked).await.map(|_| "roles-asked")
        }
        "reset" => {
            let asked = Asked::ResetAccount { staff_number: number.clone() };
            service.ask_for_account(caller, asked).await.map(|_| "reset-asked")
        }
        "reset-now" => {
            let reset = service.reset_account(caller, &number).await;
            let reset = reset.map_err(|fault| viewer.refusal_of(fault, "problem-reset-not-now"))?;
            let half = reset.code_half.map(|half| grouped(&half));
            return of(&api, &viewer, &number, Some("reset-now"), half).await;
        }
        _ => Err(Fault::NotFound("act")),
    };
    match outcome {
        Ok(done) if viewer.is_part => of(&api, &viewer, &number, Some(done), None).await,
        // Only of somebody who was reached is there something to go back to, so the number is one.
        Ok(done) => Ok(Redirect::to(&format!("/administration/people/{number}?done={done}")).into_response()),
        Err(fault) => Err(viewer.refusal_of(fault, "problem-account-not-now")),
    }
}
