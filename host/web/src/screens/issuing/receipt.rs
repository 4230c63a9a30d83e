//! What is printed when a card is handed over: a page of its own, for the customer and for the file.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use rfid_service::mask;
use rfid_service::record::{Proposal, RequestState};
use rfid_service::service::Fault;

use super::super::text::Text;
use super::super::viewer::{Frame, Refusal, Viewer, shown};
use super::case::case_at;
use super::work::{ends_of, has_receipt, whom};
use crate::api::Api;

#[derive(Template)]
#[template(path = "issuing/receipt.html")]
struct Receipt {
    text: Text,
    frame: Frame,
    /// Id of the request.
    id: String,
    bank: String,
    name: String,
    number: String,
    class_said: String,
    ends: String,
    valid_until: String,
    /// Last digits of the card in whose place it came.
    replaces: String,
    handed_over: String,
    asked_by: String,
    reviewed_by: String,
    encoded_by: String,
    handed_by: String,
}

pub(super) async fn page(
    State(api): State<Api>,
    viewer: Viewer,
    Path(request): Path<String>,
) -> Result<Response, Refusal> {
    let receipt = async {
        let (service, caller, text) = (api.service(), viewer.caller(), viewer.text.clone());
        let case = case_at(&api, &viewer, &request).await?;
        let (Some(card), true) = (&case.card, has_receipt(&case)) else {
            return Err(Fault::NotFound("receipt"));
        };
        let past = service.past_of(&case).await?;
        let mut names = [String::new(), String::new(), String::new(), String::new()];
        let states =
            [RequestState::Submitted, RequestState::Approved, RequestState::Encoded, RequestState::Done];
        for (name, state) in names.iter_mut().zip(states) {
            // The last time counts: what was spoilt was done again. An approval is the first.
            let mut steps = past.iter().filter(|step| step.state == state && !step.spoilt);
            let step = if state == RequestState::Approved { steps.next() } else { steps.next_back() };
            if let Some(step) = step {
                *name = match service.name_in(caller, &case, &step.by).await? {
                    Some(name) => name.reveal().clone(),
                    None => text.who(&case, &step.by),
                };
            }
        }
        let [asked_by, reviewed_by, encoded_by, handed_by] = names;
        let handed_over = past.last().map(|step| text.moment(step.at)).unwrap_or_default();
        let replaces = match &case.request.record.proposal {
            Proposal::IssueCard { replaces: Some(old), .. } => {
                service.card(caller, *old).await.map(|card| ends_of(&card.record)).unwrap_or_default()
            }
            _ => String::new(),
        };
        let (number, name) = whom(&case);
        let class = case.customer.as_ref().map(|customer| customer.stored.record.vip_class.clone());
        Ok(Receipt {
            frame: Frame::of(&api, &viewer, "issuing").await?,
            id: case.request.record.id.to_string(),
            bank: service.bank_name().to_owned(),
            name: mask::name(&name),
            number,
            class_said: class.map(|class| text.known("class", &class)).unwrap_or_default(),
            ends: ends_of(&card.record),
            valid_until: card.record.valid_until.to_string(),
            replaces,
            handed_over,
            asked_by,
            reviewed_by,
            encoded_by,
            handed_by,
            text,
        })
    };
    receipt.await.map(|receipt| shown(&receipt)).map_err(|fault| viewer.refusal(fault))
}
