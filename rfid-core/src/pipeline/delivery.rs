//! What passes between the handle of a sink and its task.

use tokio::sync::oneshot;

use crate::event::Event;
use crate::name::Name;

/// Deliveries that wait for one sink at most; each is one pipeline's batch.
pub(super) const WAITING_DELIVERIES: usize = 64;

/// How much time a sink has. Only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pace {
    /// As much as its policy says.
    Usual,
    /// The host is stopping.
    Hurry,
    /// Nothing more comes.
    Close,
}

/// A batch for a sink, and where it goes back to.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) events: Vec<Event>,
    pub(super) back: oneshot::Sender<Vec<Event>>,
}

/// Notes on events that they passed on without this sink.
pub(super) fn mark(mut events: Vec<Event>, sink: &Name) -> Vec<Event> {
    for event in &mut events {
        event.unconfirmed_by.push(sink.clone());
    }
    events
}
