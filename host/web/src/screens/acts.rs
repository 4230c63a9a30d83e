//! What people do on the screens: greet, serve, hand over, see out, check in, see to an alarm, begin and end duty.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use rfid_service::record::{AlarmId, VisitId};
use rfid_service::service::{Fault, Service};
use serde::Deserialize;

use super::navigation::path_of;
use super::viewer::{Refusal, Sent, Viewer};
use super::{desk, lobby};
use crate::api::Api;

/// Marks between kinds of business that people write.
const BETWEEN: [char; 6] = ['、', ',', '，', ';', '；', '\n'];

#[derive(Deserialize)]
pub(super) struct ActForm {
    /// The screen that it comes from.
    #[serde(default)]
    screen: String,
    /// To whom it is handed over.
    #[serde(default)]
    staff_number: String,
    /// What was done.
    #[serde(default)]
    business: String,
}

#[derive(Deserialize)]
pub(super) struct CheckInForm {
    #[serde(default)]
    screen: String,
    customer_number: String,
}

#[derive(Deserialize)]
pub(super) struct ScreenForm {
    #[serde(default)]
    screen: String,
}

#[derive(Deserialize)]
pub(super) struct DutyForm {
    #[serde(default)]
    screen: String,
    on: String,
}

/// The screen as it is after something was done to a visit.
async fn after(api: &Api, viewer: Viewer, screen: &str, visit: VisitId) -> Result<Response, Refusal> {
    if !viewer.is_part {
        let query = if screen == "lobby" { String::new() } else { format!("?visit={visit}") };
        return Ok(Redirect::to(&format!("{}{query}", path_of(screen))).into_response());
    }
    match screen {
        "lobby" => lobby::board_of(api, &viewer, &lobby::BoardAsked::default()).await,
        _ => desk::current_after(api, &viewer, visit).await,
    }
}

pub(super) async fn in_visit(
    State(api): State<Api>,
    Path((visit, act)): Path<(String, String)>,
    Sent(viewer, form): Sent<ActForm>,
) -> Result<Response, Refusal> {
    let Ok(id) = visit.parse::<VisitId>() else { return Err(viewer.refusal(Fault::NotFound("visit"))) };
    let (service, caller): (&Service, _) = (api.service(), viewer.caller());
    let (outcome, not_allowed) = match act.as_str() {
        "greet" => (service.greet(caller, id, None).await.map(drop), "problem-greeted"),
        "serve" => (service.serve(caller, id, None).await.map(drop), "problem-not-possible"),
        "hand-over" => {
            let number = form.staff_number.trim();
            (service.serve(caller, id, Some(number)).await.map(drop), "problem-not-possible")
        }
        "done" => (done(service, &viewer, id, &form.business).await, "problem-not-possible"),
        _ => (Err(Fault::NotFound("act")), "problem-not-possible"),
    };
    match outcome {
        Ok(()) => after(&api, viewer, &form.screen, id).await,
        Err(fault) => Err(viewer.refusal_of(fault, not_allowed)),
    }
}

/// Notes what was done, and that the customer has left.
async fn done(service: &Service, viewer: &Viewer, id: VisitId, business: &str) -> Result<(), Fault> {
    let business: Vec<String> =
        business.split(BETWEEN).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).collect();
    if !business.is_empty() {
        service.note_business(viewer.caller(), id, business).await?;
    }
    service.depart(viewer.caller(), id).await.map(drop)
}

pub(super) async fn check_in(
    State(api): State<Api>,
    Sent(viewer, CheckInForm { screen, customer_number }): Sent<CheckInForm>,
) -> Result<Response, Refusal> {
    let (number, branch) = (customer_number.trim(), viewer.branch().clone());
    match api.service().check_in(viewer.caller(), number, &branch, None).await {
        Ok(visit) => after(&api, viewer, &screen, visit.record.id).await,
        Err(fault) => Err(viewer.refusal_of(fault, "problem-here-already")),
    }
}

pub(super) async fn acknowledge(
    State(api): State<Api>,
    Path(alarm): Path<String>,
    Sent(viewer, ScreenForm { screen }): Sent<ScreenForm>,
) -> Result<Response, Refusal> {
    let Ok(id) = alarm.parse::<AlarmId>() else { return Err(viewer.refusal(Fault::NotFound("alarm"))) };
    match api.service().acknowledge(viewer.caller(), id, None).await {
        Ok(_) => Ok(Redirect::to(&path_of(&screen)).into_response()),
        Err(fault) => Err(viewer.refusal_of(fault, "problem-alarm-seen")),
    }
}

pub(super) async fn duty(
    State(api): State<Api>,
    Sent(viewer, DutyForm { screen, on }): Sent<DutyForm>,
) -> Result<Response, Refusal> {
    let (service, caller) = (api.service(), viewer.caller());
    let number = viewer.identified.staff.record.number.as_str();
    let outcome = if on == "true" {
        service.begin_duty(caller, number).await.map(drop)
    } else {
        match service.end_duty(caller, number).await {
            // It is over already: by the other tab, or by the supervisor.
            Ok(_) | Err(Fault::NotAllowed(_)) => Ok(()),
            Err(fault) => Err(fault),
        }
    };
    outcome.map_err(|fault| viewer.refusal(fault))?;
    Ok(Redirect::to(&path_of(&screen)).into_response())
}
