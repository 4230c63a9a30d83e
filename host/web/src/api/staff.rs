//! Branches, and people who work for the bank.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post, put};
use rfid_service::rights::Action;
use rfid_service::service::StaffDraft;
use rfid_service::service::view::{BranchView, DutyView, StaffView};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Answer, Api, Body, Needs, Route, json_answer, one, schema, written};
use crate::calling::Calling;
use crate::refused::Refused;
use rfid_door::Json;

/// Whether somebody is on duty.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OnDuty {
    /// True to begin, false to end.
    on_duty: bool,
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route {
            method: "get",
            path: "/api/v1/branches",
            id: "getBranches",
            summary: "All branches in the order of their codes",
            needs: Needs::Anything,
            query: &[],
            if_match: false,
            body: None,
            answer: Answer::List("Branch", schema::<BranchView>),
            handler: get(branches),
        },
        Route {
            method: "post",
            path: "/api/v1/staff",
            id: "addStaff",
            summary: "Enters a member of staff",
            needs: Needs::Right(&[Action::ChangeStaff]),
            query: &[],
            if_match: false,
            body: Some(Body::Json("StaffDraft", schema::<StaffDraft>)),
            answer: Answer::One(StatusCode::CREATED, "Staff", schema::<StaffView>),
            handler: post(add),
        },
        Route {
            method: "get",
            path: "/api/v1/staff/{staff_number}",
            id: "getStaff",
            summary: "The member of staff of this number",
            needs: Needs::Right(&[Action::SeeStaff]),
            query: &[],
            if_match: false,
            body: None,
            answer: Answer::One(StatusCode::OK, "Staff", schema::<StaffView>),
            handler: get(by_number),
        },
        Route {
            method: "put",
            path: "/api/v1/staff/{staff_number}/duty",
            id: "setDuty",
            summary: "Begins or ends somebody's duty",
            needs: Needs::Right(&[Action::SetDuty]),
            query: &[],
            if_match: false,
            body: Some(Body::Json("OnDuty", schema::<OnDuty>)),
            answer: Answer::One(StatusCode::OK, "Duty", schema::<DutyView>),
            handler: put(duty),
        },
    ]
}

async fn branches(State(api): State<Api>, Calling(caller): Calling) -> Result<Response, Refused> {
    let branches: Vec<BranchView> = api.service.branches(&caller).await?.iter().map(BranchView::of).collect();
    Ok(json_answer(StatusCode::OK, &json!({ "items": branches })))
}

async fn add(
    State(api): State<Api>,
    Calling(caller): Calling,
    Json(draft): Json<StaffDraft>,
) -> Result<Response, Refused> {
    let staff = api.service.add_staff(&caller, draft).await?;
    Ok(one(StatusCode::CREATED, &HeaderMap::new(), staff.version, &StaffView::of(&staff)))
}

async fn by_number(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(number): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let staff = api.service.staff_of_number(&caller, &number).await?;
    Ok(one(StatusCode::OK, &headers, staff.version, &StaffView::of(&staff)))
}

async fn duty(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(number): Path<String>,
    Json(OnDuty { on_duty }): Json<OnDuty>,
) -> Result<Response, Refused> {
    let duty = if on_duty {
        api.service.begin_duty(&caller, &number).await?
    } else {
        api.service.end_duty(&caller, &number).await?
    };
    Ok(written(duty.version, &DutyView::of(&duty)))
}
