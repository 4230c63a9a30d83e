//! The account manager's PC (PC客户端): who is current, who came last, and the day.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use rfid_service::record::{CustomerId, IdNumber, StaffId, Visit, VisitId};
use rfid_service::rights::{Action, Role};
use rfid_service::search::SearchFilter;
use rfid_service::service::{Caller, Extent, Fault, Guest, Sight, VisitState};
use serde::Deserialize;

use super::day::{self, Day, DayAsked};
use super::guests::{GuestView, Showing, said_of_consent};
use super::hall::{AlarmView, Hall};
use super::text::Text;
use super::viewer::{Frame, Refusal, Sent, Viewer, shown};
use crate::api::Api;

/// Customers in the brief history.
const RECENT: usize = 6;
/// Earlier visits of the customer who is current.
const EARLIER: usize = 5;
/// Customers that a search shows.
const FOUND: usize = 12;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// The visit that is current.
    visit: Option<String>,
    #[serde(flatten)]
    day: DayAsked,
}

#[derive(Deserialize)]
pub(super) struct FindForm {
    pub(super) text: String,
    #[serde(default)]
    pub(super) reason: String,
}

/// What the page shows of who is current.
struct Current {
    guest: Option<GuestView>,
    earlier: Vec<GuestView>,
    colleagues: Vec<(String, String)>,
    watermark: String,
    /// Whether they who look may do something.
    can_act: bool,
}

/// Whom a search found.
struct Found {
    id: String,
    name: String,
    number: String,
    class_said: String,
    employer: String,
    /// That the customer is not to be recognised; empty of one who agrees to it.
    no_consent: String,
    is_masked: bool,
}

#[derive(Template)]
#[template(path = "desk.html")]
struct DeskPage {
    text: Text,
    frame: Frame,
    proof: String,
    current: Current,
    recent: Vec<GuestView>,
    day: Day,
    screen: &'static str,
    alarms: Vec<AlarmView>,
    needs_reason: bool,
}

#[derive(Template)]
#[template(path = "current.html")]
struct CurrentPart {
    text: Text,
    proof: String,
    current: Current,
}

#[derive(Template)]
#[template(path = "recent.html")]
struct RecentPart {
    text: Text,
    recent: Vec<GuestView>,
}

#[derive(Template)]
#[template(path = "alarms.html")]
struct AlarmsPart {
    text: Text,
    proof: String,
    screen: &'static str,
    alarms: Vec<AlarmView>,
}

#[derive(Template)]
#[template(path = "found.html")]
struct FoundPart {
    text: Text,
    found: Vec<Found>,
}

#[derive(Template)]
#[template(path = "found_page.html")]
struct FoundPage {
    text: Text,
    found: Vec<Found>,
}

pub(super) async fn page(
    State(api): State<Api>,
    viewer: Viewer,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let page = async {
        let hall = Hall::of(&api, &viewer).await?;
        let today = day::latest_of_today(&api, &viewer).await?;
        let chosen = match asked.visit.as_deref().and_then(|id| id.parse::<VisitId>().ok()) {
            Some(id) => match api.service().guest(viewer.caller(), id).await {
                Ok(guest) => Some(guest),
                // Somebody else's customer who has left: the rest of the page is still theirs.
                Err(Fault::NotFound(_)) => None,
                Err(fault) => return Err(fault),
            },
            None => attended_by(viewer.identified.staff.record.id, &today).cloned(),
        };
        let day = day::part_of(&api, &viewer, &hall, asked.day.clone()).await?;
        let recent = recent_of(&hall.showing(&viewer), &today);
        let current = current_with(&api, &viewer, &hall, chosen).await?;
        let roles = &viewer.identified.roles;
        Ok(DeskPage {
            frame: Frame::of(&api, &viewer, "desk").await?,
            proof: viewer.proof().to_owned(),
            current,
            recent,
            day,
            screen: "desk",
            alarms: hall.alarms,
            // Whoever has customers of their own looks for these; others say why.
            needs_reason: roles.contains(&Role::BranchSupervisor) && !roles.contains(&Role::AccountManager),
            text: viewer.text.clone(),
        })
    };
    page.await.map(|page| shown(&page)).map_err(|fault| viewer.refusal(fault))
}

/// Whom somebody attended to last and who is still here; otherwise whoever came last and waits.
fn attended_by(me: StaffId, today: &[Guest]) -> Option<&Guest> {
    let acted_at = |guest: &&Guest| {
        let Visit { greeted, served, .. } = &guest.visit.record;
        greeted.iter().chain(served).filter(|act| act.by == me).map(|act| act.at).max()
    };
    let is_known = |guest: &&Guest| guest.customer.is_some() && guest.visit.record.departed_at.is_none();
    let mine = today.iter().filter(is_known).filter(|guest| acted_at(guest).is_some()).max_by_key(acted_at);
    mine.or_else(|| today.iter().find(|guest| VisitState::of(&guest.visit.record) == VisitState::Waiting))
}

pub(super) async fn current(
    State(api): State<Api>,
    viewer: Viewer,
    Path(visit): Path<String>,
) -> Result<Response, Refusal> {
    match visit.parse() {
        Ok(id) => current_of(&api, &viewer, id).await,
        Err(_) => Err(viewer.refusal(Fault::NotFound("visit"))),
    }
}

/// The part of the page that shows who is current.
pub(super) async fn current_of(api: &Api, viewer: &Viewer, id: VisitId) -> Result<Response, Refusal> {
    let part = async {
        let hall = Hall::of(api, viewer).await?;
        let guest = api.service().guest(viewer.caller(), id).await?;
        let current = current_with(api, viewer, &hall, Some(guest)).await?;
        Ok(CurrentPart { text: viewer.text.clone(), proof: viewer.proof().to_owned(), current })
    };
    part.await.map(|part| shown(&part)).map_err(|fault| viewer.refusal(fault))
}

/// The same after something was done: of somebody else's customer who has left there is nothing to be seen.
pub(super) async fn current_after(api: &Api, viewer: &Viewer, id: VisitId) -> Result<Response, Refusal> {
    match api.service().guest(viewer.caller(), id).await {
        Err(Fault::NotFound(_)) => {
            let (watermark, proof) = (viewer.watermark(api), viewer.proof().to_owned());
            let can_act = viewer.may(Action::ActInVisits);
            let current =
                Current { guest: None, earlier: Vec::new(), colleagues: Vec::new(), watermark, can_act };
            Ok(shown(&CurrentPart { text: viewer.text.clone(), proof, current }))
        }
        Err(fault) => Err(viewer.refusal(fault)),
        Ok(_) => current_of(api, viewer, id).await,
    }
}

async fn current_with(
    api: &Api,
    viewer: &Viewer,
    hall: &Hall,
    guest: Option<Guest>,
) -> Result<Current, Fault> {
    let showing = hall.showing(viewer);
    let watermark = viewer.watermark(api);
    let can_act = viewer.may(Action::ActInVisits);
    let mut current =
        Current { guest: None, earlier: Vec::new(), colleagues: Vec::new(), watermark, can_act };
    let Some(guest) = guest else { return Ok(current) };
    let earlier = api.service().earlier_visits(viewer.caller(), &guest, EARLIER).await?;
    current.earlier = earlier.iter().map(|guest| showing.guest(guest)).collect();
    current.guest = Some(showing.guest(&guest));
    if !can_act {
        return Ok(current);
    }
    let me = viewer.identified.staff.record.id;
    let colleagues = api.service().colleagues(viewer.caller(), viewer.branch()).await?;
    let others = colleagues.iter().map(|staff| &staff.record).filter(|staff| staff.id != me);
    current.colleagues =
        others.map(|staff| (staff.number.to_string(), staff.name.reveal().clone())).collect();
    Ok(current)
}

pub(super) async fn customer(
    State(api): State<Api>,
    viewer: Viewer,
    Path(customer): Path<String>,
) -> Result<Response, Refusal> {
    let part = async {
        let id: CustomerId = customer.parse().map_err(|_| Fault::NotFound("customer"))?;
        let hall = Hall::of(&api, &viewer).await?;
        let Sight { stored, is_masked } = api.service().customer(viewer.caller(), id).await?;
        let extent = if is_masked { Extent::Shortened } else { Extent::Whole };
        let guest = Some(hall.showing(&viewer).absent(&stored, extent));
        let watermark = viewer.watermark(&api);
        let can_act = viewer.may(Action::ActInVisits);
        let current = Current { guest, earlier: Vec::new(), colleagues: Vec::new(), watermark, can_act };
        Ok(CurrentPart { text: viewer.text.clone(), proof: viewer.proof().to_owned(), current })
    };
    part.await.map(|part| shown(&part)).map_err(|fault| viewer.refusal(fault))
}

pub(super) async fn recent(State(api): State<Api>, viewer: Viewer) -> Result<Response, Refusal> {
    let part = async {
        let hall = Hall::of(&api, &viewer).await?;
        let today = day::latest_of_today(&api, &viewer).await?;
        let recent = recent_of(&hall.showing(&viewer), &today);
        Ok(RecentPart { text: viewer.text.clone(), recent })
    };
    part.await.map(|part| shown(&part)).map_err(|fault| viewer.refusal(fault))
}

pub(super) async fn alarms(State(api): State<Api>, viewer: Viewer) -> Result<Response, Refusal> {
    let hall = Hall::of(&api, &viewer).await.map_err(|fault| viewer.refusal(fault))?;
    let (text, proof) = (viewer.text.clone(), viewer.proof().to_owned());
    Ok(shown(&AlarmsPart { text, proof, screen: "desk", alarms: hall.alarms }))
}

/// Finds customers by number, ID number, or name.
pub(super) async fn find(
    State(api): State<Api>,
    Sent(viewer, FindForm { text, reason }): Sent<FindForm>,
) -> Result<Response, Refusal> {
    let caller = viewer.because(&reason);
    let found = found_by(&api, &caller, text.trim()).await.map_err(|fault| viewer.refusal(fault))?;
    let found = found.iter().map(|Sight { stored, is_masked }| {
        let customer = &stored.record;
        let name = customer.name.reveal();
        Found {
            id: customer.id.to_string(),
            name: if *is_masked { rfid_service::mask::name(name) } else { name.clone() },
            number: customer.number.to_string(),
            class_said: viewer.text.known("class", &customer.vip_class),
            employer: if *is_masked { String::new() } else { customer.employer.reveal().clone() },
            no_consent: said_of_consent(&viewer.text, "no-consent", customer),
            is_masked: *is_masked,
        }
    });
    let (found, text): (Vec<Found>, _) = (found.collect(), viewer.text.clone());
    Ok(if viewer.is_part { shown(&FoundPart { text, found }) } else { shown(&FoundPage { text, found }) })
}

type Customers = Vec<Sight<rfid_service::record::Customer>>;

pub(super) async fn found_by(api: &Api, caller: &Caller, text: &str) -> Result<Customers, Fault> {
    let service = api.service();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    if text.parse::<IdNumber>().is_ok() {
        return service.customers_of_id_number(caller, text).await;
    }
    match service.customer_id_of_number(caller, Action::SearchCustomers, text).await {
        Ok(id) => return Ok(vec![service.customer(caller, id).await?]),
        Err(Fault::NotFound(_)) => {}
        Err(fault) => return Err(fault),
    }
    let filter = SearchFilter { closed: Some(false), ..SearchFilter::default() };
    Ok(service.search_customers(caller, text, &filter, None, FOUND).await?.0)
}

fn recent_of(showing: &Showing<'_>, today: &[Guest]) -> Vec<GuestView> {
    let known = today.iter().filter(|guest| guest.customer.is_some());
    known.take(RECENT).map(|guest| showing.guest(guest)).collect()
}
