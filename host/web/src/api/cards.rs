//! Cards.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post, put};
use rfid_core::{TagId, TagIdKind};
use rfid_service::record::CardState;
use rfid_service::rights::Action;
use rfid_service::service::Fault;
use rfid_service::service::view::CardView;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Answer, Api, Body, Needs, Route, id, json_answer, made_on, one, page, schema, written};
use crate::calling::Calling;
use crate::refused::Refused;
use rfid_door::Json;

/// Where a card goes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StateChange {
    /// The next state of its life.
    #[schemars(with = "String")]
    state: CardState,
}

/// What cards are searched by: what one bears, or the state. Both are in the body, because an address
/// goes into logs, and by its numbers a card can be followed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CardSearch {
    /// EPC of the card, in hexadecimal digits.
    #[serde(default)]
    epc_hex: Option<String>,
    /// UID of the card, in hexadecimal digits.
    #[serde(default)]
    uid_hex: Option<String>,
    /// State of the cards.
    #[serde(default)]
    state: Option<CardState>,
    /// `next_cursor` of the page before.
    #[serde(default)]
    cursor: Option<String>,
    /// Records on a page, 1 to 200.
    #[serde(default)]
    limit: Option<usize>,
}

pub(super) fn routes() -> Vec<Route> {
    let view = schema::<CardView> as fn() -> _;
    vec![
        Route {
            method: "get",
            path: "/api/v1/customers/{customer_number}/cards",
            id: "getCards",
            summary: "The cards of a customer, those that became valid last first",
            needs: Needs::Right(&[Action::SeeCards]),
            query: &[],
            if_match: false,
            body: None,
            answer: Answer::List("Card", view),
            handler: get(of_customer),
        },
        Route {
            method: "post",
            path: "/api/v1/cards/search",
            id: "searchCards",
            summary: "The card that bears this EPC or UID, or the cards in this state",
            needs: Needs::Right(&[Action::SeeCards]),
            query: &[],
            if_match: false,
            body: Some(Body::Json("CardSearch", schema::<CardSearch>)),
            answer: Answer::List("Card", view),
            handler: post(search),
        },
        Route {
            method: "get",
            path: "/api/v1/cards/{card_id}",
            id: "getCard",
            summary: "The card of this id",
            needs: Needs::Right(&[Action::SeeCards]),
            query: &[],
            if_match: false,
            body: None,
            answer: Answer::One(StatusCode::OK, "Card", view),
            handler: get(by_id),
        },
        Route {
            method: "put",
            path: "/api/v1/cards/{card_id}/state",
            id: "changeCardState",
            summary: "Blocks a card, at once: suspended, lost or revoked. Anything else is asked for by a request",
            needs: Needs::Right(&[Action::BlockCards]),
            query: &[],
            if_match: true,
            body: Some(Body::Json("CardStateChange", schema::<StateChange>)),
            answer: Answer::One(StatusCode::OK, "Card", view),
            handler: put(change_state),
        },
        Route {
            method: "post",
            path: "/api/v1/cards/{card_id}/destroyed",
            id: "confirmDestroyed",
            summary: "Confirms that a spoilt card was destroyed, by somebody who did not have it in hand",
            needs: Needs::Right(&[Action::DestroyCards]),
            query: &[],
            if_match: true,
            body: None,
            answer: Answer::One(StatusCode::OK, "Card", view),
            handler: post(destroyed),
        },
    ]
}

async fn of_customer(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(number): Path<String>,
) -> Result<Response, Refused> {
    let customer = api.service.customer_id_of_number(&caller, Action::SeeCards, &number).await?;
    let cards: Vec<CardView> =
        api.service.cards_of(&caller, customer).await?.iter().map(CardView::of).collect();
    Ok(json_answer(StatusCode::OK, &json!({ "items": cards })))
}

async fn search(
    State(api): State<Api>,
    Calling(caller): Calling,
    Json(search): Json<CardSearch>,
) -> Result<Response, Refused> {
    let CardSearch { epc_hex, uid_hex, state, cursor, limit } = search;
    let tag = |kind, text: &str| {
        TagId::from_hex(kind, text)
            .map_err(|fault| Refused::bad_request(format!("This is no number of a card: {fault}.")))
    };
    let tag = match (epc_hex, uid_hex, state) {
        (Some(epc), None, None) => tag(TagIdKind::Epc, &epc)?,
        (None, Some(uid), None) => tag(TagIdKind::Iso14443Uid, &uid)?,
        (None, None, Some(state)) => {
            let after = cursor.map(|cursor| api.cursors.open::<String>("cards", &cursor)).transpose()?;
            let after = after.map(|id_text| id(&id_text, "card")).transpose()?;
            let (found, next) = api.service.cards_in_state(&caller, state, after, page(limit)?).await?;
            let items: Vec<CardView> = found.iter().map(CardView::of).collect();
            let next = next.map(|id| api.cursors.seal("cards", &id.to_string())).transpose()?;
            return Ok(json_answer(StatusCode::OK, &json!({ "items": items, "next_cursor": next })));
        }
        _ => {
            return Err(Refused::bad_request("Search by epc_hex, by uid_hex or by state, one of the three."));
        }
    };
    let items = match api.service.card_of_tag(&caller, tag).await {
        Ok(card) => vec![CardView::of(&card)],
        Err(Fault::NotFound(_)) => Vec::new(),
        Err(fault) => return Err(fault.into()),
    };
    Ok(json_answer(StatusCode::OK, &json!({ "items": items })))
}

async fn by_id(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(text): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let card = api.service.card(&caller, id(&text, "card")?).await?;
    Ok(one(StatusCode::OK, &headers, card.version, &CardView::of(&card)))
}

async fn destroyed(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(text): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let expected = made_on(&headers)?;
    let card = api.service.confirm_destroyed(&caller, id(&text, "card")?, expected).await?;
    Ok(written(card.version, &CardView::of(&card)))
}

async fn change_state(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(text): Path<String>,
    headers: HeaderMap,
    Json(StateChange { state }): Json<StateChange>,
) -> Result<Response, Refused> {
    let expected = made_on(&headers)?;
    let card = api.service.change_card_state(&caller, id(&text, "card")?, expected, state).await?;
    Ok(written(card.version, &CardView::of(&card)))
}
