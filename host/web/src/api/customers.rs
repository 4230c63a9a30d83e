//! Customers.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post, put};
use rfid_service::record::Personal;
use rfid_service::rights::Action;
use rfid_service::search::{Position, SearchFilter};
use rfid_service::service::view::CustomerView;
use rfid_service::service::{ConsentDraft, CustomerDraft};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Answer, Api, Body, Needs, Route, json_answer, made_on, one, page, schema, written};
use crate::calling::Calling;
use crate::refused::Refused;
use rfid_door::Json;

/// What customers are searched by: the ID number, wholly, or a text. Both are in the body, because an
/// address goes into logs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CustomerSearch {
    /// The whole ID number.
    #[serde(default)]
    id_number: Option<Personal<String>>,
    /// A part of the name, of its pinyin or initials, or of the employer.
    #[serde(default)]
    text: Option<Personal<String>>,
    /// Only customers of this branch.
    #[serde(default)]
    branch: Option<String>,
    /// Only customers of this VIP class.
    #[serde(default)]
    vip_class: Option<String>,
    /// Only those that are no longer customers, or only those that are.
    #[serde(default)]
    closed: Option<bool>,
    /// `next_cursor` of the page before.
    #[serde(default)]
    cursor: Option<String>,
    /// Records on a page, 1 to 200.
    #[serde(default)]
    limit: Option<usize>,
}

/// What a customer says about being recognised.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ConsentNote {
    /// What is said.
    consent: ConsentDraft,
}

/// An ID number.
#[derive(Serialize, JsonSchema)]
struct IdNumberView {
    /// In full.
    id_number: String,
}

pub(super) fn routes() -> Vec<Route> {
    let view = schema::<CustomerView> as fn() -> _;
    let draft = || Body::Json("CustomerDraft", schema::<CustomerDraft>);
    vec![
        Route {
            method: "get",
            path: "/api/v1/customers/{customer_number}",
            id: "getCustomer",
            summary: "The customer of this number",
            needs: Needs::Right(&[Action::SeeCustomers]),
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
            needs: Needs::Right(&[Action::ChangeCustomers]),
            query: &[],
            if_match: true,
            body: Some(draft()),
            answer: Answer::One(StatusCode::OK, "Customer", view),
            handler: put(change),
        },
        Route {
            method: "post",
            path: "/api/v1/customers",
            id: "openCustomer",
            summary: "Opens a customer",
            needs: Needs::Right(&[Action::ChangeCustomers]),
            query: &[],
            if_match: false,
            body: Some(draft()),
            answer: Answer::One(StatusCode::CREATED, "Customer", view),
            handler: post(open),
        },
        Route {
            method: "post",
            path: "/api/v1/customers/{customer_number}/id-number",
            id: "unmaskIdNumber",
            summary: "The ID number of a customer in full. Needs a reason, and a fresh proof of who it is",
            needs: Needs::Right(&[Action::UnmaskCustomers]),
            query: &[],
            if_match: false,
            body: None,
            answer: Answer::Plain(StatusCode::OK, "IdNumber", schema::<IdNumberView>),
            handler: post(unmask),
        },
        Route {
            method: "put",
            path: "/api/v1/customers/{customer_number}/consent",
            id: "noteConsent",
            summary: "Notes what a customer says about being recognised, at once",
            needs: Needs::Right(&[Action::NoteConsent]),
            query: &[],
            if_match: false,
            body: Some(Body::Json("ConsentNote", schema::<ConsentNote>)),
            answer: Answer::One(StatusCode::OK, "Customer", view),
            handler: put(consent),
        },
        Route {
            method: "post",
            path: "/api/v1/customers/search",
            id: "searchCustomers",
            summary: "Customers with this ID number, or with this text in their names or employers",
            needs: Needs::Right(&[Action::SearchCustomers]),
            query: &[],
            if_match: false,
            body: Some(Body::Json("CustomerSearch", schema::<CustomerSearch>)),
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

async fn unmask(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(number): Path<String>,
) -> Result<Response, Refused> {
    let id_number = api.service.unmasked_id_number(&caller, &number).await?;
    Ok(json_answer(StatusCode::OK, &IdNumberView { id_number: id_number.reveal().to_owned() }))
}

async fn consent(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(number): Path<String>,
    Json(ConsentNote { consent }): Json<ConsentNote>,
) -> Result<Response, Refused> {
    let customer = api.service.note_consent(&caller, &number, consent).await?;
    Ok(written(customer.version, &CustomerView::of(&customer)))
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
    let id = api.service.customer_id_of_number(&caller, Action::ChangeCustomers, &number).await?;
    let customer = api.service.change_customer(&caller, id, expected, draft).await?;
    Ok(written(customer.version, &CustomerView::whole(&customer)))
}

async fn open(
    State(api): State<Api>,
    Calling(caller): Calling,
    Json(draft): Json<CustomerDraft>,
) -> Result<Response, Refused> {
    let customer = api.service.open_customer(&caller, draft).await?;
    Ok(one(StatusCode::CREATED, &HeaderMap::new(), customer.version, &CustomerView::whole(&customer)))
}

async fn search(
    State(api): State<Api>,
    Calling(caller): Calling,
    Json(search): Json<CustomerSearch>,
) -> Result<Response, Refused> {
    let CustomerSearch { id_number, text, branch, vip_class, closed, cursor, limit } = search;
    let (found, next) = match (id_number, text) {
        (Some(number), None) => (api.service.customers_of_id_number(&caller, number.reveal()).await?, None),
        (None, Some(text)) => {
            let after =
                cursor.map(|cursor| api.cursors.open::<Position>("customers", &cursor)).transpose()?;
            let filter = SearchFilter {
                branch: branch.as_deref().map(Into::into),
                vip_class: vip_class.as_deref().map(Into::into),
                closed,
                ..SearchFilter::default()
            };
            let limit = page(limit)?;
            api.service.search_customers(&caller, text.reveal(), &filter, after, limit).await?
        }
        _ => return Err(Refused::bad_request("Search by id_number or by text, one of the two.")),
    };
    let items: Vec<CustomerView> = found.iter().map(CustomerView::of).collect();
    let next = next.map(|position| api.cursors.seal("customers", &position)).transpose()?;
    Ok(json_answer(StatusCode::OK, &json!({ "items": items, "next_cursor": next })))
}
