//! Events as they happen, as server-sent events; what a subscriber missed comes from the ledger.

use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;

use axum::response::sse::Event as Sent;
use futures_util::{Stream, stream};
use rfid_core::{Error, ErrorKind, Event, EventId, Name, Result, UtcTime};
use rfid_sink_log::{EventReader, Recorded};
use rfid_sink_notify::{Delivery, Hub, Notice, Subscription, TooManySubscribers};
use serde_json::json;

use super::view::View;

/// Events read from the ledger in one go.
const AT_ONCE: usize = 256;

/// Ids of replayed events that are remembered, to know them when the hub has them, too. It keeps
/// no more notices.
const REMEMBERED: usize = 10_000;

/// What happens from now on; with `after`, what has happened since that event, too. That comes
/// from the hub as far as it goes back, and from the ledger otherwise.
pub(super) async fn events(
    view: Arc<View>,
    after: Option<EventId>,
) -> Result<impl Stream<Item = Result<Sent, Infallible>>, TooManySubscribers> {
    let mut subscription = view.hub.subscribe(after)?;
    let mut replay = None;
    if let Some(after) = after.filter(|_| subscription.has_lost_track()) {
        match Replay::behind(&view, after).await {
            Ok(Some(found)) => {
                subscription.find_track();
                replay = Some(found);
            }
            // The hub says that something is missing, and not how much.
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "a subscriber's events cannot be replayed");
            }
        }
    }
    let feed = Feed { hub: view.hub.clone(), subscription, replay };
    Ok(stream::unfold(feed, async |mut feed| Some((Ok(feed.next().await?), feed))))
}

/// What one subscriber gets.
struct Feed {
    hub: Hub,
    subscription: Subscription,
    /// Where it gets what the hub does not have (any more).
    replay: Option<Replay>,
}

impl Feed {
    async fn next(&mut self) -> Option<Sent> {
        loop {
            if let Some(replay) = &mut self.replay
                && let Some(event) = replay.next().await
            {
                return Some(sent(&Notice::new(event), self.hub.now()));
            }
            let delivery = match self.subscription.try_next() {
                Some(delivery) => delivery,
                None => {
                    if let Some(replay) = &mut self.replay {
                        replay.has_met_the_hub();
                    }
                    self.subscription.next().await
                }
            };
            match (delivery, &mut self.replay) {
                (Delivery::Notice(notice), Some(replay)) if replay.has_given(&notice) => {}
                (Delivery::Notice(notice), _) => return Some(sent(&notice, self.hub.now())),
                // What was published is in the ledger.
                (Delivery::Missed { .. }, Some(replay)) => replay.go_on(),
                (Delivery::Missed { count }, None) => {
                    return Some(Sent::default().event("missed").data(json!({ "count": count }).to_string()));
                }
                (Delivery::Closed, _) => return None,
            }
        }
    }
}

fn sent(notice: &Notice, now: UtcTime) -> Sent {
    Sent::default()
        .id(notice.event().event_id.to_string())
        .event(notice.kind_at(now))
        .data(String::from_utf8_lossy(&notice.json_at(now)))
}

/// Events out of the ledger, of the readers whose events are published.
struct Replay {
    reader: Option<EventReader>,
    readers: HashSet<Name>,
    ready: VecDeque<Event>,
    /// Whether the ledger may have more.
    is_behind: bool,
    given: VecDeque<EventId>,
    known: HashSet<EventId>,
}

impl Replay {
    /// Behind this event, if the ledger has it.
    async fn behind(view: &View, after: EventId) -> Result<Option<Self>> {
        let Some(ledger) = view.ledger.opened() else { return Ok(None) };
        let Some(number) = view.index.number_of(after).await? else { return Ok(None) };
        Ok(Some(Self {
            reader: Some(EventReader::of(ledger, number)),
            readers: view.published_readers(),
            ready: VecDeque::new(),
            is_behind: true,
            given: VecDeque::new(),
            known: HashSet::new(),
        }))
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.remember(event.event_id);
                return Some(event);
            }
            if !self.is_behind {
                return None;
            }
            if let Err(error) = self.read().await {
                tracing::warn!(error = format!("{error:#}"), "a part of a replay is left out");
            }
        }
    }

    async fn read(&mut self) -> Result<()> {
        let Some(reader) = self.reader.take() else {
            self.is_behind = false;
            return Ok(());
        };
        let read = tokio::task::spawn_blocking(move || read(reader)).await;
        let (reader, events, outcome) =
            read.map_err(|error| Error::new(ErrorKind::Panicked, "replay").with_source(error))?;
        self.reader = Some(reader);
        self.is_behind = matches!(&outcome, Ok(true)) || is_one_record(&outcome);
        self.ready.extend(events.into_iter().filter(|event| self.readers.contains(&event.reader)));
        outcome.map(drop)
    }

    fn remember(&mut self, id: EventId) {
        if self.known.insert(id) {
            self.given.push_back(id);
        }
        if self.given.len() > REMEMBERED
            && let Some(oldest) = self.given.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    fn has_given(&self, notice: &Notice) -> bool {
        self.known.contains(&notice.event().event_id)
    }

    /// What the hub had, the subscriber has; it is new from here on.
    fn has_met_the_hub(&mut self) {
        self.given = VecDeque::new();
        self.known = HashSet::new();
    }

    fn go_on(&mut self) {
        self.is_behind = true;
    }
}

/// Whether reading goes on behind what cannot be read.
fn is_one_record(outcome: &Result<bool>) -> bool {
    outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::Damaged)
}

/// Reads on; whether there may be more.
fn read(mut reader: EventReader) -> (EventReader, Vec<Event>, Result<bool>) {
    let mut events = Vec::new();
    while events.len() < AT_ONCE {
        match reader.next_recorded() {
            Ok(Some(Recorded::Event(event))) => events.push(*event),
            Ok(Some(Recorded::Other(_))) => {}
            Ok(None) => return (reader, events, Ok(false)),
            Err(error) => return (reader, events, Err(error)),
        }
    }
    (reader, events, Ok(true))
}
