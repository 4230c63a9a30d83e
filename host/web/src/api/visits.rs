//! Visits and alarms.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use rfid_core::UtcTime;
use rfid_service::record::{Key, VisitId};
use rfid_service::rights::Action;
use rfid_service::service::VisitFilter;
use rfid_service::service::view::{AlarmView, VisitView};
use rfid_service::store::Place;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{
    Answer, Api, Asked, Body, LARGEST_PAGE, Needs, Route, id, json_answer, one, page, schema, time, written,
};
use crate::calling::Calling;
use crate::refused::Refused;
use rfid_door::Json;

/// Which visits, in a query.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct VisitQuery {
    branch: Option<String>,
    customer_id: Option<String>,
    open: bool,
    from: Option<String>,
    until: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// Which alarms, in a query.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AlarmQuery {
    branch: Option<String>,
}

/// A customer who came without a card.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CheckIn {
    /// The bank's customer number.
    customer_number: String,
    /// Code of the branch.
    branch: String,
    /// Staff number of who enters it; a person who has logged in enters it for themselves.
    #[serde(default)]
    staff_number: Option<String>,
}

/// Who does something.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct By {
    /// Staff number; a person who has logged in leaves it out, but to hand over to another.
    #[serde(default)]
    staff_number: Option<String>,
}

/// What was done in a visit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Business {
    /// In the bank's own words.
    business: Vec<String>,
}

/// What visits a caller sees depends on which: those that go on, of the day, or of before.
const SEEING: Needs = Needs::Right(&[Action::SeeArrivals, Action::ListVisits, Action::SeeHistory]);

const FILTERS: &[(&str, &str)] = &[
    ("branch", "code of a branch"),
    ("customer_id", "id of a customer"),
    ("open", "true for visits that go on"),
    ("from", "arrivals from this time on, as in 2026-11-29T09:00:00+08:00"),
    ("until", "arrivals before this time"),
    ("cursor", "next_cursor of the page before"),
    ("limit", "records on a page, 1 to 200"),
];

pub(super) fn routes() -> Vec<Route> {
    let view = schema::<VisitView> as fn() -> _;
    let write = |path, id, summary, body, status, handler| Route {
        method: "post",
        path,
        id,
        summary,
        needs: Needs::Right(&[Action::ActInVisits]),
        query: &[],
        if_match: false,
        body,
        answer: Answer::One(status, "Visit", view),
        handler,
    };
    let by = || Some(Body::Json("By", schema::<By>));
    vec![
        Route {
            method: "get",
            path: "/api/v1/visits",
            id: "getVisits",
            summary: "Visits, the latest first",
            needs: SEEING,
            query: FILTERS,
            if_match: false,
            body: None,
            answer: Answer::List("Visit", view),
            handler: get(list),
        },
        write(
            "/api/v1/visits",
            "checkIn",
            "Enters the visit of a customer who came without a card",
            Some(Body::Json("CheckIn", schema::<CheckIn>)),
            StatusCode::CREATED,
            post(check_in),
        ),
        Route {
            method: "get",
            path: "/api/v1/visits/{visit_id}",
            id: "getVisit",
            summary: "The visit of this id",
            needs: SEEING,
            query: &[],
            if_match: false,
            body: None,
            answer: Answer::One(StatusCode::OK, "Visit", view),
            handler: get(by_id),
        },
        write(
            "/api/v1/visits/{visit_id}/greet",
            "greet",
            "Notes who greeted the customer",
            by(),
            StatusCode::OK,
            post(greet),
        ),
        write(
            "/api/v1/visits/{visit_id}/serve",
            "serve",
            "Notes who serves the customer; for another, hands over",
            by(),
            StatusCode::OK,
            post(serve),
        ),
        write(
            "/api/v1/visits/{visit_id}/business",
            "noteBusiness",
            "Notes what was done",
            Some(Body::Json("Business", schema::<Business>)),
            StatusCode::OK,
            post(business),
        ),
        write(
            "/api/v1/visits/{visit_id}/depart",
            "depart",
            "Notes that the customer has left, whatever readers say",
            None,
            StatusCode::OK,
            post(depart),
        ),
        Route {
            method: "get",
            path: "/api/v1/alarms",
            id: "getAlarms",
            summary: "Suspicions that a card was copied which nobody has seen to",
            needs: Needs::Right(&[Action::SeeArrivals]),
            query: &[("branch", "code of a branch")],
            if_match: false,
            body: None,
            answer: Answer::List("Alarm", schema::<AlarmView>),
            handler: get(alarms),
        },
        Route {
            method: "post",
            path: "/api/v1/alarms/{alarm_id}/acknowledge",
            id: "acknowledgeAlarm",
            summary: "Notes who has seen to an alarm",
            needs: Needs::Right(&[Action::AcknowledgeAlarms]),
            query: &[],
            if_match: false,
            body: by(),
            answer: Answer::One(StatusCode::OK, "Alarm", schema::<AlarmView>),
            handler: post(acknowledge),
        },
    ]
}

async fn list(
    State(api): State<Api>,
    Calling(caller): Calling,
    Asked(query): Asked<VisitQuery>,
) -> Result<Response, Refused> {
    let mut filter = VisitFilter { open: query.open, ..VisitFilter::ALL };
    filter.branch = query.branch.as_deref().map(Into::into);
    if let Some(text) = &query.customer_id {
        filter.customer = Some(id(text, "customer")?);
    }
    if let Some(text) = &query.from {
        filter.from = time("from", text)?;
    }
    if let Some(text) = &query.until {
        filter.until = time("until", text)?;
    }
    let after = match query.cursor.as_deref() {
        None => None,
        Some(cursor) => {
            let (at, id): (UtcTime, VisitId) = api.cursors.open("visits", cursor)?;
            Some(Place { at, key: Key::Visit(id) })
        }
    };
    let (visits, next) = api.service.visits(&caller, &filter, after, page(query.limit)?).await?;
    let items: Vec<VisitView> = visits.iter().map(VisitView::seen).collect();
    let next = match next {
        Some(Place { at, key: Key::Visit(id) }) => Some(api.cursors.seal("visits", &(at, id))?),
        _ => None,
    };
    Ok(json_answer(StatusCode::OK, &json!({ "items": items, "next_cursor": next })))
}

async fn check_in(
    State(api): State<Api>,
    Calling(caller): Calling,
    Json(CheckIn { customer_number, branch, staff_number }): Json<CheckIn>,
) -> Result<Response, Refused> {
    let visit = api.service.check_in(&caller, &customer_number, &branch, staff_number.as_deref()).await?;
    Ok(one(StatusCode::CREATED, &HeaderMap::new(), visit.version, &VisitView::of(&visit)))
}

async fn by_id(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(text): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let visit = api.service.visit(&caller, id(&text, "visit")?).await?;
    Ok(one(StatusCode::OK, &headers, visit.version, &VisitView::seen(&visit)))
}

async fn greet(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(text): Path<String>,
    Json(by): Json<By>,
) -> Result<Response, Refused> {
    let visit = api.service.greet(&caller, id(&text, "visit")?, by.staff_number.as_deref()).await?;
    Ok(written(visit.version, &VisitView::of(&visit)))
}

async fn serve(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(text): Path<String>,
    Json(by): Json<By>,
) -> Result<Response, Refused> {
    let visit = api.service.serve(&caller, id(&text, "visit")?, by.staff_number.as_deref()).await?;
    Ok(written(visit.version, &VisitView::of(&visit)))
}

async fn business(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(text): Path<String>,
    Json(Business { business }): Json<Business>,
) -> Result<Response, Refused> {
    let visit = api.service.note_business(&caller, id(&text, "visit")?, business).await?;
    Ok(written(visit.version, &VisitView::of(&visit)))
}

async fn depart(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(text): Path<String>,
) -> Result<Response, Refused> {
    let visit = api.service.depart(&caller, id(&text, "visit")?).await?;
    Ok(written(visit.version, &VisitView::of(&visit)))
}

async fn alarms(
    State(api): State<Api>,
    Calling(caller): Calling,
    Asked(query): Asked<AlarmQuery>,
) -> Result<Response, Refused> {
    let branch = query.branch.as_deref().map(Into::into);
    let alarms = api.service.open_alarms(&caller, branch, LARGEST_PAGE).await?;
    let items: Vec<AlarmView> = alarms.iter().map(AlarmView::of).collect();
    Ok(json_answer(StatusCode::OK, &json!({ "items": items })))
}

async fn acknowledge(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(text): Path<String>,
    Json(by): Json<By>,
) -> Result<Response, Refused> {
    let alarm = api.service.acknowledge(&caller, id(&text, "alarm")?, by.staff_number.as_deref()).await?;
    Ok(written(alarm.version, &AlarmView::of(&alarm)))
}
