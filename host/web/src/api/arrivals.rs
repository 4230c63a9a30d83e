//! Visits and alarms as they happen, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::{StreamExt, stream};
use rfid_core::Name;
use rfid_service::recognition::Notice;
use rfid_service::rights::Action;
use rfid_service::service::view::{AlarmView, VisitView};
use rfid_service::service::{Caller, Service, Sight, VisitFilter};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Interval, MissedTickBehavior};

use super::{Answer, Api, Asked, LARGEST_PAGE, Needs, Route};
use crate::calling::LookingOn;
use crate::refused::Refused;

/// A comment on an otherwise silent stream, so that proxies do not take it for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often it is looked whether the session of who looks on goes on.
const LOOK_EVERY: Duration = Duration::from_secs(15);

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ArrivalQuery {
    branch: Option<String>,
}

pub(super) fn routes() -> Vec<Route> {
    vec![Route {
        method: "get",
        path: "/api/v1/arrivals",
        id: "streamArrivals",
        summary: "Who is here, and then visits and alarms as they happen",
        needs: Needs::Right(&[Action::SeeArrivals]),
        query: &[("branch", "code of a branch")],
        if_match: false,
        body: None,
        answer: Answer::Stream(
            "Events `visit` and `alarm`, each with the whole record; first the visits that go on. \
             `missed` says that the client was too slow: begin anew. `ended` says that the session is over, and \
             `moved` that it looks at another branch by now.",
        ),
        handler: get(arrivals),
    }]
}

/// First the visits that go on, then what is written. Whoever was cut off begins anew and misses
/// nothing: what has a version that is known already is a repeat.
async fn arrivals(
    extract::State(api): extract::State<Api>,
    LookingOn(caller): LookingOn,
    Asked(query): Asked<ArrivalQuery>,
) -> Result<Response, Refused> {
    let branch: Option<Name> = query.branch.as_deref().map(Into::into);
    // Subscribed first, so that nothing falls between.
    let notices = api.service.recognition().notices().subscribe();
    let filter = VisitFilter { branch: branch.clone(), open: true, ..VisitFilter::ALL };
    let mut here = Vec::new();
    let mut after = None;
    loop {
        let (page, next) = api.service.visits(&caller, &filter, after, LARGEST_PAGE).await?;
        here.extend(page.iter().map(|visit| event("visit", &VisitView::seen(visit))));
        match next {
            Some(place) => after = Some(place),
            None => break,
        }
    }
    let service = Arc::clone(&api.service);
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let state = State { notices, service, caller, branch, looks, is_over: false };
    let news = stream::unfold(state, |mut state| async move { Some((Ok(state.next().await?), state)) });
    let events = stream::iter(here.into_iter().map(Ok::<_, Infallible>)).chain(news);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// A subscriber that is told.
struct State {
    notices: broadcast::Receiver<Notice>,
    service: Arc<Service>,
    caller: Caller,
    branch: Option<Name>,
    /// When it is looked whether the caller may still look on.
    looks: Interval,
    is_over: bool,
}

impl State {
    /// The next thing to tell; `None` behind the word that the subscriber was too slow, and when the
    /// session is over.
    async fn next(&mut self) -> Option<Event> {
        while !self.is_over {
            let heard = tokio::select! {
                heard = self.notices.recv() => Some(heard),
                _ = self.looks.tick() => None,
            };
            if heard.is_none() && !self.service.still_is(&self.caller).await {
                self.is_over = true;
                return Some(event("ended", &json!({ "detail": "The session is over." })));
            }
            // What comes after that is of a branch that is not looked at any more.
            if !self.service.still_looks(&self.caller) {
                self.is_over = true;
                return Some(event("moved", &json!({ "detail": "The session looks at another branch." })));
            }
            match heard {
                None => {}
                Some(Ok(notice)) => {
                    if let Some(event) = self.shown(&notice) {
                        return Some(event);
                    }
                }
                Some(Err(RecvError::Lagged(missed))) => {
                    self.is_over = true;
                    return Some(event("missed", &json!({ "events": missed })));
                }
                Some(Err(RecvError::Closed)) => return None,
            }
        }
        None
    }

    fn shown(&self, notice: &Notice) -> Option<Event> {
        let branch = match notice {
            Notice::Visit(visit) => &visit.record.branch,
            Notice::Alarm(alarm) => &alarm.record.branch,
        };
        let is_wanted = self.branch.as_ref().is_none_or(|wanted| wanted == branch);
        let is_masked = self.service.sees_notice(&self.caller, notice).filter(|_| is_wanted)?;
        Some(match notice {
            Notice::Visit(visit) => {
                let sight = Sight { stored: (**visit).clone(), is_masked };
                event("visit", &VisitView::seen(&sight))
            }
            Notice::Alarm(alarm) => event("alarm", &AlarmView::of(alarm)),
        })
    }
}

fn event(kind: &str, record: &impl Serialize) -> Event {
    let data = serde_json::to_string(record).unwrap_or_default();
    Event::default().event(kind).data(data)
}
