//! Looking on at one reader or one pipeline, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;

use axum::response::sse::Event;
use futures_util::{Stream, StreamExt, stream};
use rfid_core::{ReadBuf, Sighting};
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::board::Board;
use crate::sighting;

/// The reads of a reader from now on, or `None` if there is no such reader. A reader that is
/// restarted is followed.
pub(super) fn reads(
    board: &Arc<Board>,
    name: &str,
) -> Option<impl Stream<Item = Result<Event, Infallible>> + use<>> {
    let subscribe = {
        let (board, name) = (Arc::clone(board), name.to_owned());
        move || Some(board.view().readers.get(name.as_str())?.observer.tap())
    };
    let name = name.to_owned();
    let events = move |batch: Arc<ReadBuf>| {
        let read = |sighting: Sighting<'_>| {
            Event::default().event("read").data(read_json(&name, &sighting).to_string())
        };
        stream::iter(batch.iter().map(read).collect::<Vec<_>>())
    };
    Some(
        follow(subscribe()?, subscribe)
            .flat_map(move |tapped| match tapped {
                Tapped::Item(batch) => events(batch).left_stream(),
                Tapped::Missed(count) => stream::iter([missed(count)]).right_stream(),
            })
            .map(Ok),
    )
}

/// The events of a pipeline from now on, or `None` if there is no such pipeline.
pub(super) fn events(
    board: &Arc<Board>,
    name: &str,
) -> Option<impl Stream<Item = Result<Event, Infallible>> + use<>> {
    let subscribe = {
        let (board, name) = (Arc::clone(board), name.to_owned());
        move || Some(board.view().pipelines.get(name.as_str())?.tap.subscribe())
    };
    Some(follow(subscribe()?, subscribe).map(|tapped| {
        Ok(match tapped {
            Tapped::Item(event) => {
                let data = serde_json::to_string(&event).unwrap_or_default();
                Event::default().id(event.event_id.to_string()).event(event.kind.name()).data(data)
            }
            Tapped::Missed(count) => missed(count),
        })
    }))
}

enum Tapped<T> {
    Item(T),
    Missed(u64),
}

/// What comes from a tap; when its part is replaced, from the tap of the part that took its place.
fn follow<T: Clone>(
    receiver: Receiver<T>,
    again: impl Fn() -> Option<Receiver<T>>,
) -> impl Stream<Item = Tapped<T>> {
    stream::unfold((receiver, again), |(mut receiver, again)| async {
        loop {
            match receiver.recv().await {
                Ok(item) => return Some((Tapped::Item(item), (receiver, again))),
                Err(RecvError::Lagged(count)) => return Some((Tapped::Missed(count), (receiver, again))),
                Err(RecvError::Closed) => receiver = again()?,
            }
        }
    })
}

fn missed(count: u64) -> Event {
    Event::default().event("missed").data(json!({ "count": count }).to_string())
}

fn read_json(reader: &str, sighting: &Sighting<'_>) -> Value {
    let Sighting { read, id, last, .. } = *sighting;
    let count = u64::from(read.count());
    let (port, rssi) = (read.antenna_port(), read.rssi_cdbm());
    let mut read = sighting::json(&id.to_owned(), port, rssi, count, last.utc, read.has_random_id());
    read["reader"] = reader.into();
    read
}
