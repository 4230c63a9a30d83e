//! The lobby manager's handheld (PDA客户端): who came last fills the screen, and nobody covers another.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use rfid_service::rights::Action;
use rfid_service::search;
use rfid_service::service::{Fault, Guest, VisitFilter, VisitState};
use serde::Deserialize;

use super::guests::{GuestView, Showing};
use super::hall::{AlarmView, Hall};
use super::text::Text;
use super::viewer::{Frame, Refusal, Sent, Viewer, shown};
use crate::api::Api;

/// Visits that go on and are shown.
const MOST: usize = 100;
/// Visits of the day that are shown of whoever has left.
const MOST_LEFT: usize = 5;
/// Visits of the day that are read at once to find these, and how often.
const AT_ONCE: usize = 200;
const PAGES_OF_A_DAY: usize = 10;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct BoardAsked {
    /// The visit that fills the screen, because somebody chose it.
    main: Option<String>,
    /// The visit that fills it for as long as nobody has greeted the customer.
    keep: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct FindForm {
    text: String,
}

/// What the handheld shows.
struct Board {
    /// Who fills the screen.
    main: Option<GuestView>,
    /// Others who wait to be greeted, the latest first.
    waiting: Vec<GuestView>,
    /// Those who are here and were greeted.
    here: Vec<GuestView>,
    /// Cards that were refused.
    refused: Vec<GuestView>,
    alarms: Vec<AlarmView>,
    watermark: String,
}

#[derive(Template)]
#[template(path = "lobby.html")]
struct LobbyPage {
    text: Text,
    frame: Frame,
    proof: String,
    board: Board,
    can_greet: bool,
}

#[derive(Template)]
#[template(path = "board.html")]
struct BoardPart {
    text: Text,
    proof: String,
    board: Board,
    can_greet: bool,
}

#[derive(Template)]
#[template(path = "present.html")]
struct PresentPart {
    text: Text,
    found: Vec<GuestView>,
    /// Who was here today and has left, shortened.
    left: Vec<GuestView>,
    proof: String,
    /// What was looked for, where it could be a customer's number.
    number: String,
}

#[derive(Template)]
#[template(path = "present_page.html")]
struct PresentPage {
    text: Text,
    found: Vec<GuestView>,
    left: Vec<GuestView>,
    proof: String,
    number: String,
}

pub(super) async fn page(
    State(api): State<Api>,
    viewer: Viewer,
    Query(asked): Query<BoardAsked>,
) -> Result<Response, Refusal> {
    let page = async {
        Ok(LobbyPage {
            frame: Frame::of(&api, &viewer, "lobby").await?,
            proof: viewer.proof().to_owned(),
            board: board_with(&api, &viewer, &asked).await?,
            can_greet: viewer.may(Action::ActInVisits),
            text: viewer.text.clone(),
        })
    };
    page.await.map(|page| shown(&page)).map_err(|fault| viewer.refusal(fault))
}

pub(super) async fn board(
    State(api): State<Api>,
    viewer: Viewer,
    Query(asked): Query<BoardAsked>,
) -> Result<Response, Refusal> {
    board_of(&api, &viewer, &asked).await
}

/// The part of the page that changes.
pub(super) async fn board_of(api: &Api, viewer: &Viewer, asked: &BoardAsked) -> Result<Response, Refusal> {
    let board = board_with(api, viewer, asked).await.map_err(|fault| viewer.refusal(fault))?;
    Ok(shown(&BoardPart {
        text: viewer.text.clone(),
        proof: viewer.proof().to_owned(),
        board,
        can_greet: viewer.may(Action::ActInVisits),
    }))
}

async fn present(api: &Api, viewer: &Viewer) -> Result<Vec<Guest>, Fault> {
    let open = VisitFilter { branch: Some(viewer.branch().clone()), open: true, ..VisitFilter::ALL };
    Ok(api.service().guests(viewer.caller(), &open, None, MOST).await?.0)
}

async fn board_with(api: &Api, viewer: &Viewer, asked: &BoardAsked) -> Result<Board, Fault> {
    let hall = Hall::of(api, viewer).await?;
    let guests = present(api, viewer).await?;
    let showing = hall.showing(viewer);
    let mut board = Board {
        main: None,
        waiting: Vec::new(),
        here: Vec::new(),
        refused: Vec::new(),
        alarms: Vec::new(),
        watermark: viewer.watermark(api),
    };
    for guest in &guests {
        let view = showing.guest(guest);
        match VisitState::of(&guest.visit.record) {
            VisitState::Refused => board.refused.push(view),
            _ if asked.main.as_ref() == Some(&view.visit) => board.main = Some(view),
            VisitState::Waiting if asked.keep.as_ref() == Some(&view.visit) => board.main = Some(view),
            VisitState::Waiting => board.waiting.push(view),
            _ => board.here.push(view),
        }
    }
    if board.main.is_none() && !board.waiting.is_empty() {
        board.main = Some(board.waiting.remove(0));
    }
    board.alarms = hall.alarms;
    Ok(board)
}

/// Finds somebody among those who are here, by name, ways to type it, or number, and among those who were here
/// today by what is shown of these; who is not here is checked in by the number.
pub(super) async fn find(
    State(api): State<Api>,
    Sent(viewer, FindForm { text: wanted }): Sent<FindForm>,
) -> Result<Response, Refusal> {
    let wanted = wanted.trim().to_owned();
    let found = async {
        let hall = Hall::of(&api, &viewer).await?;
        let showing = hall.showing(&viewer);
        let guests = present(&api, &viewer).await?;
        let found = guests.iter().map(|guest| showing.guest(guest)).filter(|view| is_meant(view, &wanted));
        let found: Vec<GuestView> = found.collect();
        let left = match found.is_empty() {
            true => left_today(&api, &viewer, &showing, &wanted).await?,
            false => Vec::new(),
        };
        Ok((found, left))
    };
    let (found, left) = found.await.map_err(|fault| viewer.refusal(fault))?;
    let is_number =
        found.is_empty() && !wanted.is_empty() && wanted.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let number = if is_number { wanted } else { String::new() };
    let (text, proof) = (viewer.text.clone(), viewer.proof().to_owned());
    Ok(if viewer.is_part {
        shown(&PresentPart { text, found, left, proof, number })
    } else {
        shown(&PresentPage { text, found, left, proof, number })
    })
}

/// Whether somebody is meant, by what is shown: of a shortened name nothing is found that does not stand there.
fn is_meant(view: &GuestView, wanted: &str) -> bool {
    !view.number.is_empty()
        && (view.number.eq_ignore_ascii_case(wanted) || search::is_meant(&view.name, wanted))
}

/// Who was here today and has left: a lobby manager sees the visits of the day, shortened.
async fn left_today(
    api: &Api,
    viewer: &Viewer,
    showing: &Showing<'_>,
    wanted: &str,
) -> Result<Vec<GuestView>, Fault> {
    if !viewer.may(Action::ListVisits) || wanted.is_empty() {
        return Ok(Vec::new());
    }
    let (service, mut left, mut place) = (api.service(), Vec::new(), None);
    let today =
        VisitFilter { branch: Some(viewer.branch().clone()), from: service.today(), ..VisitFilter::ALL };
    for _ in 0..PAGES_OF_A_DAY {
        let (guests, next) = service.guests(viewer.caller(), &today, place, AT_ONCE).await?;
        let gone = guests.iter().filter(|guest| guest.visit.record.departed_at.is_some());
        left.extend(gone.map(|guest| showing.guest(guest)).filter(|view| is_meant(view, wanted)));
        place = next;
        if place.is_none() || left.len() >= MOST_LEFT {
            break;
        }
    }
    left.truncate(MOST_LEFT);
    Ok(left)
}
