//! Finding customers, and one with its cards.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use rfid_service::mask;
use rfid_service::record::{Card, CardState, ConsentDraft, Customer, CustomerId};
use rfid_service::rights::Action;
use rfid_service::service::{Fault, Sight};
use rfid_service::store::Stored;

use super::super::desk::{FindForm, found_by};
use super::super::text::Text;
use super::super::viewer::{Frame, Refusal, Sent, Viewer, shown};
use super::work::{Row, ends_of, proposes};
use crate::api::Api;

/// A customer as far as the one who looks sees it.
pub(super) struct CustomerView {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) number: String,
    pub(super) class_said: String,
    pub(super) consent_said: String,
    pub(super) is_closed: bool,
    pub(super) is_masked: bool,
    /// These only where the whole record is seen.
    pub(super) id_number: String,
    pub(super) employer: String,
    pub(super) usual_business: String,
    pub(super) notes: String,
    pub(super) photo: String,
}

impl CustomerView {
    pub(super) fn of(text: &Text, sight: &Sight<Customer>) -> Self {
        let (customer, is_masked) = (&sight.stored.record, sight.is_masked);
        let whole = |value: &str| if is_masked { String::new() } else { value.to_owned() };
        let name = customer.name.reveal();
        let consent = ConsentDraft::of(&customer.consent).name();
        let has_photo = customer.photo.is_some() && !is_masked;
        Self {
            id: customer.id.to_string(),
            name: if is_masked { mask::name(name) } else { name.clone() },
            number: customer.number.to_string(),
            class_said: text.known("class", &customer.vip_class),
            consent_said: text.of_issuing("consent", consent),
            is_closed: customer.closed,
            is_masked,
            id_number: customer
                .id_number
                .as_ref()
                .map(|number| mask::id_number(number.reveal()))
                .unwrap_or_default(),
            employer: whole(customer.employer.reveal()),
            usual_business: whole(customer.usual_business.reveal()),
            notes: whole(customer.notes.reveal()),
            photo: if has_photo { format!("/photos/customer/{}/large", customer.id) } else { String::new() },
        }
    }
}

/// A card of a customer.
pub(super) struct CardView {
    pub(super) id: String,
    pub(super) version: u32,
    pub(super) ends: String,
    pub(super) state: &'static str,
    pub(super) state_said: String,
    pub(super) valid_from: String,
    pub(super) valid_until: String,
    /// What can be done with it at once, each with what it is called.
    pub(super) blocks: Vec<(&'static str, String)>,
    pub(super) may_reenable: bool,
}

impl CardView {
    pub(super) fn of(viewer: &Viewer, card: &Stored<Card>) -> Self {
        let (text, state) = (&viewer.text, card.record.state);
        let blocking =
            [("lost", CardState::Lost), ("suspend", CardState::Suspended), ("revoke", CardState::Revoked)];
        let can = |next: CardState| {
            // A card that waits to be made is given up with its request.
            let is_made = !matches!(state, CardState::Requested | CardState::Approved | CardState::Issued);
            viewer.may(Action::BlockCards) && is_made && state.may_become(next)
        };
        let blocks = blocking.into_iter().filter(|(_, next)| can(*next));
        let is_blocked = matches!(state, CardState::Suspended | CardState::Lost);
        Self {
            id: card.record.id.to_string(),
            version: card.version,
            ends: ends_of(&card.record),
            state: state.name(),
            state_said: text.card_state(state),
            valid_from: card.record.valid_from.to_string(),
            valid_until: card.record.valid_until.to_string(),
            blocks: blocks.map(|(act, _)| (act, text.of_issuing("act", act))).collect(),
            may_reenable: is_blocked && viewer.caller().grant.proposes(Action::ReenableCards),
        }
    }
}

/// Whom a search found.
struct Found {
    id: String,
    name: String,
    number: String,
    class_said: String,
}

#[derive(Template)]
#[template(path = "issuing/found.html")]
struct FoundPart {
    text: Text,
    found: Vec<Found>,
}

#[derive(Template)]
#[template(path = "issuing/found_page.html")]
struct FoundPage {
    text: Text,
    frame: Frame,
    found: Vec<Found>,
}

#[derive(Template)]
#[template(path = "issuing/customer_page.html")]
struct CustomerPage {
    text: Text,
    frame: Frame,
    proof: String,
    customer: CustomerView,
    watermark: String,
    cards: Vec<CardView>,
    open: Vec<Row>,
    proposes: bool,
}

pub(super) async fn find(
    State(api): State<Api>,
    Sent(viewer, FindForm { text, reason }): Sent<FindForm>,
) -> Result<Response, Refusal> {
    let caller = viewer.because(&reason);
    let found = found_by(&api, &caller, text.trim()).await.map_err(|fault| viewer.refusal(fault))?;
    let found = found.iter().map(|sight| {
        let view = CustomerView::of(&viewer.text, sight);
        Found { id: view.id, name: view.name, number: view.number, class_said: view.class_said }
    });
    let (found, text): (Vec<Found>, _) = (found.collect(), viewer.text.clone());
    if viewer.is_part {
        return Ok(shown(&FoundPart { text, found }));
    }
    let frame = Frame::of(&api, &viewer, "issuing").await.map_err(|fault| viewer.refusal(fault))?;
    Ok(shown(&FoundPage { text, frame, found }))
}

pub(super) async fn page(
    State(api): State<Api>,
    viewer: Viewer,
    Path(customer): Path<String>,
) -> Result<Response, Refusal> {
    let page = async {
        let id: CustomerId = customer.parse().map_err(|_| Fault::NotFound("customer"))?;
        let (service, caller, text) = (api.service(), viewer.caller(), viewer.text.clone());
        let sight = service.customer(caller, id).await?;
        let cards = service.cards_of(caller, id).await?;
        let now = service.now();
        let open = service.cases_about(caller, id).await?;
        Ok(CustomerPage {
            frame: Frame::of(&api, &viewer, "issuing").await?,
            proof: viewer.proof().to_owned(),
            customer: CustomerView::of(&text, &sight),
            watermark: viewer.watermark(&api),
            cards: cards.iter().map(|card| CardView::of(&viewer, card)).collect(),
            open: open.iter().map(|case| Row::of(&text, case, now)).collect(),
            proposes: proposes(&viewer) && !sight.stored.record.closed,
            text,
        })
    };
    page.await.map(|page| shown(&page)).map_err(|fault| viewer.refusal(fault))
}
