//! How branches are at this moment, and the stream that tells which have changed.
//!
//! The stream names branches and nothing else; what a page shows of them is asked for in the session.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use rfid_core::{Name, ReaderState, UtcTime};
use rfid_service::recognition::Notice;
use rfid_service::service::{BranchStanding, Fault};
use serde_json::json;
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep, sleep_until};

use super::overview::Asked;
use crate::api::Api;
use crate::installation::ReaderCondition;
use crate::screens::viewer::{Refusal, Viewer};

/// Changes that come within this time are told together: a page is painted four times a second at most.
pub(super) const APART: Duration = Duration::from_millis(250);
/// Readers, and cards that nobody knows, tell nobody: they are looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A comment on an otherwise silent stream, so that proxies do not take it for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often it is looked whether the session goes on.
const SESSION_EVERY: Duration = Duration::from_secs(15);
/// Whoever waits for longer is in trouble.
const WAITS_LONG: Duration = Duration::from_secs(300);

/// How bad it is in a branch, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Trouble {
    /// Nothing is wrong.
    None,
    /// Somebody waits for long, or nobody is on duty for those who wait.
    Waiting,
    /// A reader or an antenna does not hear.
    Readers,
    /// A card may have been copied, and nobody has seen to it.
    Alarm,
}

impl Trouble {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Waiting => "waiting",
            Self::Readers => "readers",
            Self::Alarm => "alarm",
        }
    }
}

/// A reader of a branch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ReaderNow {
    pub(super) name: Name,
    pub(super) driver: String,
    /// The word of its state.
    pub(super) state: &'static str,
    /// Why it is down, as its driver says it; otherwise its model.
    pub(super) detail: String,
    pub(super) since: Option<UtcTime>,
    pub(super) is_well: bool,
    /// Port, zone, and whether it is heard through.
    pub(super) antennas: Vec<(Option<u16>, Name, bool)>,
}

impl ReaderNow {
    fn of(reader: ReaderCondition) -> Self {
        let is_well = reader.is_well();
        let (detail, since) = match &reader.state {
            ReaderState::Reading { model, since, .. } => (model.clone(), Some(*since)),
            ReaderState::Down { reason, since, .. } => (reason.clone(), Some(*since)),
            _ => (String::new(), None),
        };
        Self {
            state: reader.state.label(),
            name: reader.name,
            driver: reader.driver,
            detail,
            since,
            is_well,
            antennas: reader
                .antennas
                .into_iter()
                .map(|antenna| (antenna.port, antenna.zone, antenna.is_listening))
                .collect(),
        }
    }
}

/// A branch as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct BranchNow {
    pub(super) standing: BranchStanding,
    pub(super) readers: Vec<ReaderNow>,
    pub(super) trouble: Trouble,
}

/// All branches that somebody sees, in the order of their codes.
pub(super) async fn branches_now(api: &Api, viewer: &Viewer) -> Result<Vec<BranchNow>, Fault> {
    let standing = api.service().standing(viewer.caller()).await?;
    let mut readers: BTreeMap<Name, Vec<ReaderNow>> = BTreeMap::new();
    for reader in api.installation().map(|host| host.readers()).unwrap_or_default() {
        if let Some(branch) = reader.branch.clone() {
            readers.entry(branch).or_default().push(ReaderNow::of(reader));
        }
    }
    let now = api.service().now();
    let branch = |standing: BranchStanding| {
        let readers = readers.remove(&standing.code).unwrap_or_default();
        let trouble = trouble_of(&standing, &readers, now);
        BranchNow { standing, readers, trouble }
    };
    Ok(standing.into_iter().map(branch).collect())
}

fn trouble_of(standing: &BranchStanding, readers: &[ReaderNow], now: UtcTime) -> Trouble {
    let waits_long = standing.waits_since.is_some_and(|since| now.since(since) >= WAITS_LONG);
    if standing.alarms > 0 {
        Trouble::Alarm
    } else if readers.iter().any(|reader| !reader.is_well) {
        Trouble::Readers
    } else if waits_long || standing.waiting > 0 && standing.on_duty.is_empty() {
        Trouble::Waiting
    } else {
        Trouble::None
    }
}

/// What tells whether a page shows how things are.
pub(super) fn digest(branches: &[BranchNow]) -> u64 {
    let mut hasher = DefaultHasher::new();
    branches.hash(&mut hasher);
    hasher.finish()
}

/// Tells which of the branches of a page have changed since it was made, and from then on.
pub(super) async fn stream(
    State(api): State<Api>,
    viewer: Viewer,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    // Subscribed first, so that nothing falls between.
    let notices = api.service().recognition().notices().subscribe();
    let shown = branches_now(&api, &viewer).await.map_err(|fault| viewer.refusal(fault))?;
    let branches = shown.len();
    api.service()
        .looks_at_standing(viewer.caller(), branches)
        .await
        .map_err(|fault| viewer.refusal(fault))?;
    let shown = asked.arranged(shown);
    let is_behind = asked.seen != Some(digest(&shown));
    let now = Instant::now();
    let state = Looking {
        api,
        viewer,
        asked,
        notices,
        shown,
        is_behind,
        looked_at: now.checked_sub(APART).unwrap_or(now),
        session_at: now,
        is_over: false,
    };
    let events =
        stream::unfold(
            state,
            |mut state| async move { Some((Ok::<_, Infallible>(state.next().await?), state)) },
        );
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// Somebody who looks at branches.
struct Looking {
    api: Api,
    viewer: Viewer,
    asked: Asked,
    notices: broadcast::Receiver<Notice>,
    /// What the page shows, in its order.
    shown: Vec<BranchNow>,
    /// Whether the page shows something else from the beginning.
    is_behind: bool,
    /// When it was last looked how branches are.
    looked_at: Instant,
    session_at: Instant,
    is_over: bool,
}

impl Looking {
    /// The next thing to tell; `None` behind the end of it.
    async fn next(&mut self) -> Option<Event> {
        if std::mem::take(&mut self.is_behind) {
            self.looked_at = Instant::now();
            return Some(event("changed", &json!({ "all": true, "branches": [] })));
        }
        while !self.is_over {
            tokio::select! {
                // Whoever is too slow for single notices looks at everything anyway.
                heard = self.notices.recv() => if matches!(heard, Err(broadcast::error::RecvError::Closed)) {
                    return None;
                },
                () = sleep(LOOK_EVERY) => {}
            }
            sleep_until(self.looked_at + APART).await;
            self.looked_at = Instant::now();
            while !matches!(
                self.notices.try_recv(),
                Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed)
            ) {}
            if let Some(end) = self.end().await {
                self.is_over = true;
                return Some(end);
            }
            // While the store does not answer, what is shown stays.
            let Ok(now) = branches_now(&self.api, &self.viewer).await else { continue };
            let now = self.asked.arranged(now);
            let told = changes(&self.shown, &now);
            self.shown = now;
            if let Some(told) = told {
                return Some(event("changed", &told));
            }
        }
        None
    }

    /// Why it does not go on, if it does not.
    async fn end(&mut self) -> Option<Event> {
        let (service, caller) = (self.api.service(), self.viewer.caller());
        if !service.goes_on(caller) {
            return Some(event("ended", &json!({})));
        }
        if !service.still_looks(caller) {
            return Some(event("moved", &json!({})));
        }
        if self.session_at.elapsed() < SESSION_EVERY {
            return None;
        }
        self.session_at = Instant::now();
        (!service.still_is(caller).await).then(|| event("ended", &json!({})))
    }
}

/// What is told of a change; nothing where there is none. Where others are shown, or in another order, the page
/// asks for all of them.
fn changes(before: &[BranchNow], now: &[BranchNow]) -> Option<serde_json::Value> {
    let codes = |all: &[BranchNow]| all.iter().map(|one| one.standing.code.clone()).collect::<Vec<_>>();
    if codes(before) != codes(now) {
        return Some(json!({ "all": true, "branches": [] }));
    }
    let changed = before.iter().zip(now).filter(|(before, now)| before != now);
    let changed: Vec<&str> = changed.map(|(_, now)| now.standing.code.as_str()).collect();
    (!changed.is_empty()).then(|| json!({ "all": false, "branches": changed }))
}

fn event(kind: &str, data: &serde_json::Value) -> Event {
    Event::default().event(kind).data(data.to_string())
}
