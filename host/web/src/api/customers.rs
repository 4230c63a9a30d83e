//! Customers.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post, put};
use rfid_service::record::Personal;
use rfid_service::service::view::CustomerView;
use rfid_service::service::{CustomerDraft, Scope};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Answer, Api, Calling, Route, json_answer, made_on, one, schema};
use crate::refused::Refused;
use rfid_door::Json;

/// What customers are searched by. Equality only, and in the body: an ID number must not stand in an
/// address, which goes into logs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CustomerSearch {
    /// The whole ID number.
    id_number: Personal<String>,
}

pub(super) fn routes() -> Vec<Route> {
    let view = schema::<CustomerView> as fn() -> _;
    let draft = ("CustomerDraft", schema::<CustomerDraft> as fn() -> _);
    vec![
        Route {
            method: "get",
            path: "/api/v1/customers/{customer_number}",
            id: "getCustomer",
            summary: "The customer of this number",
            scope: Scope::ReadCustomers,
            query: &[],
            if_match: false,
            body: None,
            answer: Answer::One(StatusCode::OK, "Customer", view),
            handler: get(by_number),
        },
        Route {
            method: "put",
            path: "/api/v1/customers/{customer_number}",
            id: "changeCustomer",
            summary: "Writes a customer anew, wholly",
            scope: Scope::WriteCustomers,
            query: &[],
            if_match: true,
            body: Some(draft),
            answer: Answer::One(StatusCode::OK, "Customer", view),
            handler: put(change),
        },
        Route {
            method: "post",
            path: "/api/v1/customers",
            id: "openCustomer",
            summary: "Opens a customer",
            scope: Scope::WriteCustomers,
            query: &[],
            if_match: false,
            body: Some(draft),
            answer: Answer::One(StatusCode::CREATED, "Customer", view),
            handler: post(open),
        },
        Route {
            method: "post",
            path: "/api/v1/customers/search",
            id: "searchCustomers",
            summary: "Customers with this ID number",
            scope: Scope::ReadCustomers,
            query: &[],
            if_match: false,
            body: Some(("CustomerSearch", schema::<CustomerSearch>)),
            answer: Answer::List("Customer", view),
            handler: post(search),
        },
    ]
}

async fn by_number(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(number): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let customer = api.service.customer_of_number(&caller, &number).await?;
    Ok(one(StatusCode::OK, &headers, customer.version, &CustomerView::of(&customer)))
}

async fn change(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(number): Path<String>,
    headers: HeaderMap,
    Json(draft): Json<CustomerDraft>,
) -> Result<Response, Refused> {
    let expected = made_on(&headers)?;
    // Writing is a right of its own: it finds the customer without the right to read.
    let id = api.service.customer_id_of_number(&caller, &number).await?;
    let customer = api.service.change_customer(&caller, id, expected, draft).await?;
    Ok(one(StatusCode::OK, &HeaderMap::new(), customer.version, &CustomerView::of(&customer)))
}

async fn open(
    State(api): State<Api>,
    Calling(caller): Calling,
    Json(draft): Json<CustomerDraft>,
) -> Result<Response, Refused> {
    let customer = api.service.open_customer(&caller, draft).await?;
    Ok(one(StatusCode::CREATED, &HeaderMap::new(), customer.version, &CustomerView::of(&customer)))
}

async fn search(
    State(api): State<Api>,
    Calling(caller): Calling,
    Json(search): Json<CustomerSearch>,
) -> Result<Response, Refused> {
    let found = api.service.customers_of_id_number(&caller, search.id_number.reveal()).await?;
    let items: Vec<CustomerView> = found.iter().map(CustomerView::of).collect();
    Ok(json_answer(StatusCode::OK, &json!({ "items": items })))
}
