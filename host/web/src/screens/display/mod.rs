//! A display: a screen on a wall or a desk that shows who has come, shortened, and that nobody sits at.
//!
//! It is a device and no person. The code of its invitation is typed once, at `/display/pair`; from then on the
//! machine has a key in a cookie and lets itself in, for a day at a time. It sees what the row DS of the matrix of
//! rights says, and has no forms.

use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::{Form, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use rfid_service::mask;
use rfid_service::record::{Outcome, Way};
use rfid_service::rights::{Action, Role};
use rfid_service::service::{Fault, Guest, VisitFilter};
use serde::Deserialize;

use super::text::Text;
use super::viewer::{Frame, Refusal, Viewer, shown, text_of};
use crate::api::Api;
use crate::calling;

#[cfg(test)]
mod tests;

/// Who came longer ago is not shown any more, nor sent.
const SHOWN_FOR: Duration = Duration::from_secs(120);
/// Customers that fit on it, in letters that are read from eight metres; of others it says how many there are.
const MOST: usize = 4;
/// Seconds after which a display that was refused tries again.
const AGAIN_S: &str = "10";
/// Visits that are looked through for them.
const LOOKED_AT: usize = 100;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/display", get(page))
        .route("/display/board", get(board))
        .route("/display/pair", get(pair_page).post(pair))
}

/// What it shows of a customer: nothing that is not in here is sent.
struct Arrival {
    visit: String,
    /// Shortened.
    name: String,
    class: String,
    class_said: String,
    place: String,
    arrived: String,
    arrived_ms: u64,
}

struct Board {
    arrivals: Vec<Arrival>,
    /// Others who came within the same time.
    more: usize,
}

#[derive(Template)]
#[template(path = "display/display.html")]
struct DisplayPage {
    text: Text,
    frame: Frame,
    board: Board,
    clock: String,
    /// Name of the time zone of the bank, by which its clock goes on.
    zone: String,
}

#[derive(Template)]
#[template(path = "display/arrivals.html")]
struct ArrivalsPart {
    text: Text,
    board: Board,
}

#[derive(Template)]
#[template(path = "display/pair.html")]
struct PairPage {
    text: Text,
    number: String,
    problem: Option<String>,
}

#[derive(Deserialize)]
struct PairForm {
    number: String,
    code: String,
}

/// Whoever asks for the page, in a session or not.
struct Asking {
    viewer: Result<Viewer, Refusal>,
    /// The key of the display that the browser is.
    key: Option<String>,
}

impl FromRequestParts<Api> for Asking {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Self::Rejection> {
        let key = calling::display_key(&parts.headers);
        Ok(Self { viewer: Viewer::from_request_parts(parts, api).await, key })
    }
}

/// The page; whoever has the key of a display and no session any more begins one with it.
async fn page(State(api): State<Api>, calling::Address(from): calling::Address, asking: Asking) -> Response {
    match page_for(&api, &from, asking).await {
        Ok(response) => response,
        // Nobody is there to try again.
        Err(refusal) => ([(header::REFRESH, AGAIN_S)], refusal).into_response(),
    }
}

async fn page_for(api: &Api, from: &str, asking: Asking) -> Result<Response, Refusal> {
    let viewer = match asking.viewer {
        Ok(viewer) => viewer,
        Err(refusal) if !refusal.is_over() => return Err(refusal),
        Err(refusal) => {
            let Some(key) = asking.key else { return Ok(Redirect::to("/display/pair").into_response()) };
            if api.admit_stranger(from).is_err() {
                return Err(refusal.of_key(StatusCode::TOO_MANY_REQUESTS, "problem-too-often"));
            }
            return match api.service().log_in_display(from, &key).await {
                Ok(begun) => Ok(in_session(&begun.keys.token)),
                Err(Fault::NotAccepted) => Ok(Redirect::to("/display/pair").into_response()),
                Err(fault) => {
                    tracing::warn!(%fault, "a display cannot be let in");
                    Err(refusal.of_key(StatusCode::SERVICE_UNAVAILABLE, "problem-store"))
                }
            };
        }
    };
    let page = async {
        let board = board_of(api, &viewer).await?;
        let frame = Frame::of(api, &viewer, "display").await?;
        let clock = viewer.text.clock(api.service().now());
        let zone = api.service().zone().iana_name().unwrap_or_default().to_owned();
        Ok(DisplayPage { text: viewer.text.clone(), frame, board, clock, zone })
    };
    page.await.map(|page| shown(&page)).map_err(|fault| viewer.refusal(fault))
}

/// To the display, in the session of this reference.
fn in_session(token: &str) -> Response {
    let mut response = Redirect::to("/display").into_response();
    if let Some(cookie) = calling::begins(token) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The part of the page that changes.
async fn board(State(api): State<Api>, viewer: Viewer) -> Result<Response, Refusal> {
    let board = board_of(&api, &viewer).await.map_err(|fault| viewer.refusal(fault))?;
    Ok(shown(&ArrivalsPart { text: viewer.text.clone(), board }))
}

async fn board_of(api: &Api, viewer: &Viewer) -> Result<Board, Fault> {
    // People have screens of their own.
    if !viewer.caller().grant.holds(Role::Display) {
        return Err(Fault::Forbidden(Action::SeeArrivals));
    }
    let service = api.service();
    let filter = VisitFilter {
        branch: Some(viewer.branch().clone()),
        open: true,
        from: service.now().minus(SHOWN_FOR).plus(Duration::from_nanos(1)),
        ..VisitFilter::ALL
    };
    let (guests, _) = service.guests(viewer.caller(), &filter, None, LOOKED_AT).await?;
    let mut arrivals: Vec<Arrival> =
        guests.iter().filter_map(|guest| arrival_of(&viewer.text, guest)).collect();
    let more = arrivals.len().saturating_sub(MOST);
    arrivals.truncate(MOST);
    Ok(Board { arrivals, more })
}

fn arrival_of(text: &Text, guest: &Guest) -> Option<Arrival> {
    let visit = &guest.visit.record;
    let (customer, _) = guest.customer.as_ref().filter(|_| visit.outcome == Outcome::Recognised)?;
    let class = &customer.record.vip_class;
    Some(Arrival {
        visit: visit.id.to_string(),
        name: mask::name(customer.record.name.reveal()),
        class: class.to_string(),
        class_said: text.known("class", class),
        place: match &visit.way {
            Way::Heard { zone, .. } => text.known("zone", zone),
            Way::ByHand { .. } => text.say("by-hand"),
        },
        arrived: text.clock(visit.arrived_at),
        arrived_ms: visit.arrived_at.as_nanos() / 1_000_000,
    })
}

async fn pair_page(State(api): State<Api>, headers: HeaderMap) -> Response {
    shown(&PairPage { text: text_of(&headers, &api), number: String::new(), problem: None })
}

/// Makes the machine the display of a number, with the code of its invitation.
async fn pair(
    State(api): State<Api>,
    calling::Address(from): calling::Address,
    headers: HeaderMap,
    form: Result<Form<PairForm>, axum::extract::rejection::FormRejection>,
) -> Response {
    let text = text_of(&headers, &api);
    let again = |status: StatusCode, key: &str, number: String| {
        let problem = Some(text.say(key));
        (status, shown(&PairPage { text: text.clone(), number, problem })).into_response()
    };
    let Ok(Form(PairForm { number, code })) = form else {
        return again(StatusCode::UNPROCESSABLE_ENTITY, "problem-invalid", String::new());
    };
    if calling::is_from_here(&headers).is_err() {
        return again(StatusCode::FORBIDDEN, "problem-not-from-here", String::new());
    }
    if api.admit_stranger(&from).is_err() {
        return again(StatusCode::TOO_MANY_REQUESTS, "problem-too-often", number);
    }
    let paired = async {
        let key = api.service().pair_display(&from, number.trim(), &code).await?;
        let begun = api.service().log_in_display(&from, &key).await?;
        Ok((key, begun.keys.token))
    };
    match paired.await {
        Ok((key, token)) => {
            let mut response = in_session(&token);
            if let Some(cookie) = calling::keeps_display_key(&key) {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Err(Fault::NotAccepted) => again(StatusCode::UNAUTHORIZED, "problem-not-paired", number),
        Err(fault) => {
            tracing::warn!(%fault, "a display cannot be set up");
            again(StatusCode::SERVICE_UNAVAILABLE, "problem-store", number)
        }
    }
}
