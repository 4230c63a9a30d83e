//! Cards: asked for, lost, suspended, revoked, made usable again, destroyed.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::ToSpan;
use rfid_service::record::{CardDraft, CardId, CardState, CustomerId, LocalDate, Request};
use rfid_service::rights::Action;
use rfid_service::service::{Asked, Fault, FieldFault};
use rfid_service::store::Stored;
use serde::Deserialize;

use super::super::text::Text;
use super::super::viewer::{Frame, Refusal, Sent, Viewer, shown};
use super::customer::{CardView, CustomerView};
use crate::api::Api;

/// Years for which a card is usually valid.
const USUAL_YEARS: i64 = 3;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct CardForm {
    valid_from: String,
    valid_until: String,
    /// Id of the card in whose place it comes.
    replaces: String,
    /// Whether it may be used in the branch of the customer alone.
    here_only: String,
    /// Whether it is submitted at once.
    submit: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ActForm {
    /// The version that it was made on.
    seen: String,
}

/// The form.
struct AskView {
    valid_from: String,
    valid_until: String,
    here_only: bool,
    /// Cards in whose place it may come, each with what it is and whether it is chosen.
    others: Vec<(String, String, bool)>,
    fault: String,
    must_replace: bool,
}

#[derive(Template)]
#[template(path = "issuing/card_page.html")]
struct CardPage {
    text: Text,
    frame: Frame,
    proof: String,
    customer: CustomerView,
    ask: AskView,
}

#[derive(Template)]
#[template(path = "issuing/card_form.html")]
struct CardPart {
    text: Text,
    proof: String,
    customer: CustomerView,
    ask: AskView,
}

pub(super) async fn asking(
    State(api): State<Api>,
    viewer: Viewer,
    Path(customer): Path<String>,
) -> Result<Response, Refusal> {
    if !viewer.caller().grant.proposes(Action::RequestCards) {
        return Err(viewer.refusal(Fault::Forbidden(Action::RequestCards)));
    }
    answer(&api, &viewer, &customer, None, &[]).await
}

pub(super) async fn ask(
    State(api): State<Api>,
    Path(customer): Path<String>,
    Sent(viewer, form): Sent<CardForm>,
) -> Result<Response, Refusal> {
    let asked = async {
        let id: CustomerId = customer.parse().map_err(|_| Fault::NotFound("customer"))?;
        let (service, caller) = (api.service(), viewer.caller());
        let sight = service.customer(caller, id).await?;
        let day = |field: &'static str, text: &str| {
            text.trim()
                .parse::<LocalDate>()
                .map_err(|what| Fault::Invalid(vec![FieldFault::new(field, what)]))
        };
        let here = sight.stored.record.branch.to_string();
        let draft = CardDraft {
            epc_hex: None,
            uid_hex: None,
            valid_from: day("valid_from", &form.valid_from)?,
            valid_until: day("valid_until", &form.valid_until)?,
            branches: (!form.here_only.is_empty()).then(|| vec![here]),
        };
        let replaces = Some(form.replaces.clone()).filter(|id| !id.is_empty());
        let customer_number = sight.stored.record.number.to_string().into();
        let drafted =
            service.draft_request(caller, Asked::IssueCard { customer_number, draft, replaces }).await?;
        match form.submit.is_empty() {
            true => Ok(drafted),
            false => service.submit_request(caller, drafted.record.id, drafted.version).await,
        }
    };
    let outcome: Result<Stored<Request>, Fault> = asked.await;
    match outcome {
        Ok(request) => Ok(viewer.leads_to(&format!("/issuing/request/{}", request.record.id))),
        Err(Fault::Invalid(faults)) => answer(&api, &viewer, &customer, Some(form), &faults).await,
        Err(fault) => Err(viewer.refusal(fault)),
    }
}

async fn answer(
    api: &Api,
    viewer: &Viewer,
    customer: &str,
    form: Option<CardForm>,
    faults: &[FieldFault],
) -> Result<Response, Refusal> {
    let page = async {
        let id: CustomerId = customer.parse().map_err(|_| Fault::NotFound("customer"))?;
        let (service, caller, text) = (api.service(), viewer.caller(), &viewer.text);
        let sight = service.customer(caller, id).await?;
        let cards = service.cards_of(caller, id).await?;
        let can_be_replaced =
            |card: &&Stored<rfid_service::record::Card>| card.record.state.may_become(CardState::Replaced);
        let active = cards.iter().find(|card| card.record.state == CardState::Active);
        let today = text.date(service.now()).unwrap_or_default();
        let until = today.checked_add(USUAL_YEARS.years()).unwrap_or(today);
        let form = form.unwrap_or_else(|| CardForm {
            valid_from: today.to_string(),
            valid_until: until.to_string(),
            // Whoever has an active card gets another one in its place.
            replaces: active.map(|card| card.record.id.to_string()).unwrap_or_default(),
            ..CardForm::default()
        });
        let others = cards.iter().filter(can_be_replaced).map(|card| {
            let view = CardView::of(viewer, card);
            let said = format!("{} · {}", view.ends, view.state_said);
            (view.id.clone(), said, view.id == form.replaces)
        });
        let ask = AskView {
            others: others.collect(),
            valid_from: form.valid_from,
            valid_until: form.valid_until,
            here_only: !form.here_only.is_empty(),
            fault: faults.first().map(|fault| text.field_fault(fault.field)).unwrap_or_default(),
            must_replace: active.is_some(),
        };
        Ok((CustomerView::of(text, &sight), ask))
    };
    let (customer, ask) = page.await.map_err(|fault| viewer.refusal(fault))?;
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let (text, proof) = (viewer.text.clone(), viewer.proof().to_owned());
    if viewer.is_part {
        return Ok((status, shown(&CardPart { text, proof, customer, ask })).into_response());
    }
    let frame = Frame::of(api, viewer, "issuing").await.map_err(|fault| viewer.refusal(fault))?;
    Ok((status, shown(&CardPage { text, frame, proof, customer, ask })).into_response())
}

/// Blocks a card, asks that it be made usable again, or confirms that it was destroyed.
pub(super) async fn act(
    State(api): State<Api>,
    Path((card, act)): Path<(String, String)>,
    Sent(viewer, form): Sent<ActForm>,
) -> Result<Response, Refusal> {
    let (service, caller) = (api.service(), viewer.caller());
    let done = async {
        let id: CardId = card.parse().map_err(|_| Fault::NotFound("card"))?;
        let seen = form.seen.parse().unwrap_or(0);
        let next = match act.as_str() {
            "lost" => CardState::Lost,
            "suspend" => CardState::Suspended,
            "revoke" => CardState::Revoked,
            "destroyed" => {
                service.confirm_destroyed(caller, id, seen).await?;
                return Ok("/issuing".to_owned());
            }
            "reenable" => {
                let drafted =
                    service.draft_request(caller, Asked::ReenableCard { card_id: card.clone() }).await?;
                let request = service.submit_request(caller, drafted.record.id, drafted.version).await?;
                return Ok(format!("/issuing/request/{}", request.record.id));
            }
            _ => return Err(Fault::NotFound("act")),
        };
        let card = service.change_card_state(caller, id, seen, next).await?;
        Ok(format!("/issuing/customer/{}", card.record.customer))
    };
    match done.await {
        Ok(path) => Ok(viewer.leads_to(&path)),
        Err(fault) => Err(viewer.refusal(fault)),
    }
}
