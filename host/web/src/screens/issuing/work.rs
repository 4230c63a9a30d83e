//! All work of the issuing desk at a glance, and that there is news.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use rfid_core::UtcTime;
use rfid_core::epc::Epc;
use rfid_service::mask;
use rfid_service::record::{Hand, Proposal, RequestState};
use rfid_service::rights::{Action, Role};
use rfid_service::service::{Caller, Case, Fault, RequestFilter, Service};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::super::text::Text;
use super::super::viewer::{Frame, Refusal, Viewer, shown};
use crate::api::Api;

/// Requests that go on, and such that are over, that are shown.
const MOST_OPEN: usize = 200;
const MOST_OVER: usize = 100;
/// Cards that wait to be destroyed that are shown.
const MOST_SPOILT: usize = 50;
/// What was refused or lapsed stays so long.
const REFUSED_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
/// What is about to lapse is marked so long before.
const SOON: Duration = Duration::from_secs(12 * 3600);
/// Between two words that there is news.
const GATHER: Duration = Duration::from_millis(300);
/// How often it is looked whether the session of who looks on goes on.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// A comment on an otherwise silent stream, so that proxies do not take it for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A request in a list.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) kind_said: String,
    pub(super) state: &'static str,
    pub(super) state_said: String,
    pub(super) number: String,
    /// Shortened, as the bank writes names in lists.
    pub(super) name: String,
    pub(super) by: String,
    pub(super) at: String,
    pub(super) age: String,
    pub(super) next: String,
    pub(super) lapses: String,
    pub(super) is_late: bool,
    pub(super) note: String,
    pub(super) has_receipt: bool,
}

impl Row {
    pub(super) fn of(text: &Text, case: &Case, now: UtcTime) -> Self {
        let request = &case.request.record;
        let state = request.state;
        let (number, name) = whom(case);
        let since = match (&request.decided, &request.submitted) {
            (Some(signature), _) | (None, Some(signature)) => signature.at,
            (None, None) => request.drafted_at,
        };
        let by = request.submitted.as_ref().map(|signature| &signature.by).or(request.hands.first());
        let soon = now.plus(SOON);
        Self {
            id: request.id.to_string(),
            kind_said: text.request_kind(request.proposal.kind()),
            state: state.name(),
            state_said: text.request_state(state),
            number,
            name: mask::name(&name),
            by: by.map(|hand| text.who(case, hand)).unwrap_or_default(),
            at: text.moment(since),
            age: text.age(since, now),
            next: if state.is_open() { text.of_issuing("next", state.name()) } else { String::new() },
            lapses: case.lapses_at.map(|until| text.left(until, now)).unwrap_or_default(),
            is_late: case.lapses_at.is_some_and(|until| until < soon),
            note: request.note.as_ref().map(|note| note.reveal().clone()).unwrap_or_default(),
            has_receipt: has_receipt(case),
        }
    }
}

/// Number and name of whom a case is about, as its content says.
pub(super) fn whom(case: &Case) -> (String, String) {
    let of_record = || {
        let customer = &case.customer.as_ref()?.stored.record;
        Some((customer.number.to_string(), customer.name.reveal().clone()))
    };
    match &case.request.record.proposal {
        Proposal::OpenCustomer { draft, .. } => {
            (draft.customer_number.reveal().clone(), draft.name.reveal().clone())
        }
        _ => of_record().unwrap_or_default(),
    }
}

/// Whether there is a receipt of it: a card was handed over.
pub(super) fn has_receipt(case: &Case) -> bool {
    let request = &case.request.record;
    request.state == RequestState::Done && matches!(request.proposal, Proposal::IssueCard { .. })
}

/// A heap of work.
struct Heap {
    key: &'static str,
    title: String,
    empty: String,
    rows: Vec<Row>,
}

/// A card that waits to be destroyed.
struct Spoilt {
    id: String,
    version: u32,
    ends: String,
    at: String,
    age: String,
    may_confirm: bool,
}

struct Work {
    heaps: Vec<Heap>,
    spoilt: Vec<Spoilt>,
    /// Whether spoilt cards are any business of theirs.
    destroys: bool,
    is_cut: bool,
}

#[derive(Template)]
#[template(path = "issuing/work_page.html")]
struct WorkPage {
    text: Text,
    frame: Frame,
    proof: String,
    work: Work,
    may_open: bool,
    may_find: bool,
    needs_reason: bool,
}

#[derive(Template)]
#[template(path = "issuing/work.html")]
struct WorkPart {
    text: Text,
    proof: String,
    work: Work,
}

pub(super) async fn page(State(api): State<Api>, viewer: Viewer) -> Result<Response, Refusal> {
    let page = async {
        let roles = &viewer.identified.roles;
        let finds = viewer.may(Action::SearchCustomers);
        Ok(WorkPage {
            frame: Frame::of(&api, &viewer, "issuing").await?,
            proof: viewer.proof().to_owned(),
            work: work_of(&api, &viewer).await?,
            may_open: proposes(&viewer),
            may_find: finds,
            // Whoever works with customers looks for these; others say why.
            needs_reason: finds
                && !roles.contains(&Role::AccountManager)
                && !roles.contains(&Role::IssuingClerk),
            text: viewer.text.clone(),
        })
    };
    page.await.map(|page| shown(&page)).map_err(|fault| viewer.refusal(fault))
}

pub(super) async fn part(State(api): State<Api>, viewer: Viewer) -> Result<Response, Refusal> {
    let work = work_of(&api, &viewer).await.map_err(|fault| viewer.refusal(fault))?;
    Ok(shown(&WorkPart { text: viewer.text.clone(), proof: viewer.proof().to_owned(), work }))
}

/// Whether somebody writes customers and asks for cards.
pub(super) fn proposes(viewer: &Viewer) -> bool {
    viewer.caller().grant.proposes(Action::ChangeCustomers)
}

async fn work_of(api: &Api, viewer: &Viewer) -> Result<Work, Fault> {
    let (service, caller, text) = (api.service(), viewer.caller(), &viewer.text);
    let now = service.now();
    let branch = Service::branch_of_cases(caller, viewer.branch());
    let filter = |open| RequestFilter { branch: branch.clone(), open };
    let open = service.cases(caller, &filter(true), MOST_OPEN).await?;
    let mut over = service.cases(caller, &filter(false), MOST_OVER).await?;
    let today = service.today();
    over.retain(|case| {
        let request = &case.request.record;
        let decided = request.decided.as_ref().map_or(request.drafted_at, |signature| signature.at);
        match request.state {
            RequestState::Refused | RequestState::Lapsed => now.since(decided) <= REFUSED_FOR,
            RequestState::Done => decided >= today,
            _ => false,
        }
    });
    let is_cut = open.len() == MOST_OPEN;
    let me = Hand::of(&caller.actor);
    let heap = |key: &'static str, cases: &[Case], is_in: &dyn Fn(&Case) -> bool| Heap {
        key,
        title: text.of_issuing("heap", key),
        empty: text.of_issuing("empty", key),
        rows: cases.iter().filter(|case| is_in(case)).map(|case| Row::of(text, case, now)).collect(),
    };
    let is = |state| move |case: &Case| case.request.record.state == state;
    let mut heaps = vec![
        heap("submitted", &open, &is(RequestState::Submitted)),
        heap("approved", &open, &is(RequestState::Approved)),
        heap("encoded", &open, &is(RequestState::Encoded)),
        heap("refused", &over, &|case| case.request.record.state != RequestState::Done),
        heap("done", &over, &is(RequestState::Done)),
    ];
    if proposes(viewer) {
        let mine = |case: &Case| {
            case.request.record.state == RequestState::Draft && case.request.record.hands.contains(&me)
        };
        heaps.insert(0, heap("draft", &open, &mine));
    }
    let spoilt = service.spoilt_cards(caller, MOST_SPOILT).await?;
    let spoilt = spoilt.into_iter().map(|(card, may_confirm)| {
        let at =
            card.record.plastic.as_ref().and_then(|plastic| plastic.spoilt.as_ref()).map(|spoilt| spoilt.at);
        Spoilt {
            id: card.record.id.to_string(),
            version: card.version,
            ends: ends_of(&card.record),
            at: at.map(|at| text.moment(at)).unwrap_or_default(),
            age: at.map(|at| text.age(at, now)).unwrap_or_default(),
            may_confirm,
        }
    });
    Ok(Work { heaps, spoilt: spoilt.collect(), destroys: viewer.may(Action::DestroyCards), is_cut })
}

/// The last four digits of a card's number, as they may be shown: of the number in it, for the EPC that bears it
/// ends in zeros; of whatever a factory wrote where it is none of ours.
pub(super) fn ends_of(card: &rfid_service::record::Card) -> String {
    let number = card.epc.and_then(|epc| Epc::decode(epc.bytes()).ok()).map(|epc| epc.parts().concat());
    let plain = || card.epc.or(card.uid).map(|tag| tag.hex());
    let digits = number.filter(|number| number.is_ascii()).or_else(plain).unwrap_or_default();
    let from = digits.len().saturating_sub(4);
    digits.get(from..).unwrap_or_default().to_owned()
}

/// Says that there is news, and not what; ends with the session.
pub(super) async fn news(State(api): State<Api>, viewer: Viewer) -> Result<Response, Refusal> {
    if !Service::issues(viewer.caller()) {
        return Err(viewer.refusal(Fault::Forbidden(Action::RequestCards)));
    }
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let service = Arc::clone(api.service());
    let written = service.written();
    let caller = viewer.identified.caller;
    let follower = Follower { service, caller, written, looks, is_over: false };
    let news = stream::unfold(follower, |mut follower| async move {
        let word = follower.next().await?;
        Some((Ok::<_, Infallible>(Event::default().event(word).data("-")), follower))
    });
    Ok(Sse::new(news).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// Somebody who is told that there is news.
struct Follower {
    service: Arc<Service>,
    caller: Caller,
    written: watch::Receiver<u64>,
    looks: tokio::time::Interval,
    is_over: bool,
}

impl Follower {
    /// The next word; nothing behind the word that the session is over.
    async fn next(&mut self) -> Option<&'static str> {
        while !self.is_over {
            tokio::select! {
                changed = self.written.changed() => {
                    changed.ok()?;
                    // What comes together is told once.
                    tokio::time::sleep(GATHER).await;
                    self.written.mark_unchanged();
                    return Some("news");
                }
                _ = self.looks.tick() => {
                    if !self.service.still_is(&self.caller).await {
                        self.is_over = true;
                        return Some("ended");
                    }
                }
            }
        }
        None
    }
}
