//! The visits of a day, as a table that goes on for as long as somebody scrolls.

use std::time::Duration;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::civil::{Date, Time};
use rfid_core::UtcTime;
use rfid_service::record::{Key, VisitId};
use rfid_service::rights::Action;
use rfid_service::service::{Fault, Guest, VisitFilter, VisitState};
use rfid_service::store::Place;
use serde::Deserialize;

use super::guests::GuestView;
use super::hall::Hall;
use super::text::Text;
use super::viewer::{Refusal, Viewer, shown};
use crate::api::Api;
use crate::percent::encoded;

/// Rows that come at once.
const ROWS: usize = 60;
/// Rows that a table keeps when it is refreshed; those behind them come again as somebody scrolls.
const MOST_KEPT: usize = 600;
/// Visits that are read at once.
const READ_AT_ONCE: usize = 200;
/// Visits that are looked through for one answer, where a filter leaves out many; the rest is asked for again.
const LOOKED_AT: usize = 2_000;

/// Which visits of which day.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DayAsked {
    /// As in `2026-11-29`; today if it is left out, or is none.
    pub(super) date: String,
    /// From this time of day on, as in `09:00`.
    pub(super) from: String,
    /// Until this time of day.
    pub(super) until: String,
    pub(super) class: String,
    pub(super) state: String,
    /// Behind this place in the day.
    behind: String,
    /// How many rows the table has that is refreshed.
    rows: String,
}

impl DayAsked {
    fn rows(&self) -> usize {
        self.rows.parse().unwrap_or(0).clamp(ROWS, MOST_KEPT)
    }

    /// What asks for the same behind a place.
    fn query_behind(&self, place: &Place) -> String {
        let Self { date, from, until, class, state, .. } = self;
        let filters = [("date", date), ("from", from), ("until", until), ("class", class), ("state", state)];
        let asked = filters.iter().filter(|(_, value)| !value.is_empty());
        let asked: String = asked.map(|(name, value)| format!("{name}={}&", encoded(value))).collect();
        format!("{asked}behind={}", text_of(place))
    }

    fn is_wanted(&self, guest: &Guest) -> bool {
        let visit = &guest.visit.record;
        // Of a card that was refused nothing is told, nor can it be found out by asking.
        let is_class =
            self.class.is_empty() || guest.customer.is_some() && visit.vip_class.as_str() == self.class;
        let is_state = self.state.is_empty() || VisitState::of(visit).name() == self.state;
        is_class && is_state
    }
}

/// A part of a day, and what can be asked of it.
pub(super) struct Day {
    pub(super) visits: Vec<GuestView>,
    pub(super) asked: DayAsked,
    pub(super) classes: Vec<(String, String)>,
    pub(super) states: Vec<(&'static str, String)>,
    /// What asks for the rows behind these, as in an address; empty where the day ends.
    pub(super) next: String,
}

impl Day {
    /// The place where it goes on.
    pub(super) fn behind(&self) -> &str {
        self.next.rsplit('=').next().unwrap_or_default()
    }
}

#[derive(Template)]
#[template(path = "day.html")]
struct DayPart {
    text: Text,
    day: Day,
}

#[derive(Template)]
#[template(path = "day_rows.html")]
struct MoreRows {
    text: Text,
    day: Day,
}

/// The table, or the rows behind those that are there.
pub(super) async fn day(
    State(api): State<Api>,
    viewer: Viewer,
    Query(asked): Query<DayAsked>,
) -> Result<Response, Refusal> {
    let goes_on = !asked.behind.is_empty();
    let part = async {
        let hall = Hall::of(&api, &viewer).await?;
        part_of(&api, &viewer, &hall, asked).await
    };
    let (day, text) = (part.await.map_err(|fault| viewer.refusal(fault))?, viewer.text.clone());
    Ok(if goes_on { shown(&MoreRows { text, day }) } else { shown(&DayPart { text, day }) })
}

/// The part of a day that is asked for.
pub(super) async fn part_of(api: &Api, viewer: &Viewer, hall: &Hall, asked: DayAsked) -> Result<Day, Fault> {
    let behind = place_of(&asked.behind);
    let (guests, next) = guests_of(api, viewer, &asked, behind, asked.rows()).await?;
    let (showing, text) = (hall.showing(viewer), &viewer.text);
    let mut classes: Vec<String> = api.service().vip_classes().iter().map(ToString::to_string).collect();
    if !asked.class.is_empty() && !classes.contains(&asked.class) {
        classes.push(asked.class.clone());
    }
    let next = next.map(|place| asked.query_behind(&place)).unwrap_or_default();
    Ok(Day {
        visits: guests.iter().map(|guest| showing.guest(guest)).collect(),
        asked,
        classes: classes.into_iter().map(|class| (class.clone(), text.known("class", &class))).collect(),
        states: VisitState::ALL.map(|state| (state.name(), text.known("state", state.name()))).to_vec(),
        next,
    })
}

/// The latest visits of today, whatever somebody filters by.
pub(super) async fn latest_of_today(api: &Api, viewer: &Viewer) -> Result<Vec<Guest>, Fault> {
    Ok(guests_of(api, viewer, &DayAsked::default(), None, READ_AT_ONCE).await?.0)
}

/// Visits of a day as somebody may see them, the latest first: those that go on in the branch, and those of the
/// day. `wanted` of them behind a place, and where it goes on.
async fn guests_of(
    api: &Api,
    viewer: &Viewer,
    asked: &DayAsked,
    behind: Option<Place>,
    wanted: usize,
) -> Result<(Vec<Guest>, Option<Place>), Fault> {
    let service = api.service();
    let (from, until) = span_of(&viewer.text, service.today(), asked);
    let is_today = from >= service.today();
    let of_day = VisitFilter { branch: Some(viewer.branch().clone()), from, until, ..VisitFilter::ALL };
    // Of a visit that is in both, the first says more.
    let mut lists = Vec::new();
    if is_today {
        lists.push(VisitFilter { open: true, ..of_day.clone() });
    }
    if viewer.may(if is_today { Action::ListVisits } else { Action::SeeHistory }) {
        lists.push(of_day);
    } else if !is_today {
        return Err(Fault::Forbidden(Action::SeeHistory));
    }
    let (mut guests, mut place, mut looked_at) = (Vec::new(), behind, 0);
    loop {
        let mut read: Vec<Guest> = Vec::new();
        // What is older than where a list was cut off may have something of that list before it.
        let mut cut: Option<Place> = None;
        for list in &lists {
            let (page, next) = service.guests(viewer.caller(), list, place.clone(), READ_AT_ONCE).await?;
            let is_there =
                |guest: &Guest| read.iter().any(|other| other.visit.record.id == guest.visit.record.id);
            let others: Vec<Guest> = page.into_iter().filter(|guest| !is_there(guest)).collect();
            read.extend(others);
            cut = match (cut, next) {
                (Some(one), Some(other)) => Some(if order(&one) > order(&other) { one } else { other }),
                (one, other) => one.or(other),
            };
        }
        read.sort_by_key(|guest| std::cmp::Reverse(order(&place_in(guest))));
        for guest in read {
            let at = place_in(&guest);
            if cut.as_ref().is_some_and(|cut| order(&at) < order(cut)) {
                break;
            }
            looked_at += 1;
            if asked.is_wanted(&guest) {
                guests.push(guest);
            }
            if guests.len() >= wanted {
                // Whether anything is left is found out by whoever goes on.
                return Ok((guests, Some(at)));
            }
        }
        match cut {
            None => return Ok((guests, None)),
            Some(cut) if looked_at >= LOOKED_AT => return Ok((guests, Some(cut))),
            Some(cut) => place = Some(cut),
        }
    }
}

fn place_in(guest: &Guest) -> Place {
    let visit = &guest.visit.record;
    Place { at: visit.arrived_at, key: Key::Visit(visit.id) }
}

fn order(place: &Place) -> (UtcTime, Key) {
    (place.at, place.key.clone())
}

/// A place as it stands in an address: it tells when somebody came, and not who.
fn text_of(place: &Place) -> String {
    match place.key {
        Key::Visit(id) => format!("{}.{id}", place.at.as_nanos()),
        _ => String::new(),
    }
}

/// What is no place is the beginning.
fn place_of(text: &str) -> Option<Place> {
    let (at, id) = text.split_once('.')?;
    let id: VisitId = id.parse().ok()?;
    Some(Place { at: UtcTime::from_nanos(at.parse().ok()?), key: Key::Visit(id) })
}

/// From when until when, by the clock of the bank.
fn span_of(text: &Text, today: UtcTime, asked: &DayAsked) -> (UtcTime, UtcTime) {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let whole = match asked.date.parse::<Date>() {
        Ok(date) => (
            text.at(date, Time::midnight()),
            date.tomorrow().ok().and_then(|next| text.at(next, Time::midnight())),
        ),
        Err(_) => (Some(today), Some(today.plus(DAY))),
    };
    let (from, until) = (whole.0.unwrap_or(today), whole.1.unwrap_or(today.plus(DAY)));
    let date = text.date(from);
    let moment = |said: &str| said.parse::<Time>().ok().and_then(|time| text.at(date?, time));
    // The minute that is named is in it.
    let until = moment(&asked.until).map_or(until, |at| at.plus(Duration::from_secs(60)));
    (moment(&asked.from).unwrap_or(from), until)
}
