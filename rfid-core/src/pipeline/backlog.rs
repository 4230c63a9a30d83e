//! The port to where a sink's backlog is kept.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::event::Event;
use crate::sink::Loss;

/// What is owed to a sink that did not work when its turn came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are events")]
pub enum Owed {
    /// An event that has passed on without it.
    Event(Event),
    /// Word of events that it will never get.
    Lost(Loss),
}

/// Keeps what is owed to one sink durably: first in, first out.
///
/// One task makes all calls: `open` first, again after it has failed; then the others in any
/// order; `close` at the end.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait Backlog: Send {
    /// Looks for what an earlier run left, and makes nothing where there is nothing.
    async fn open(&mut self) -> Result<()>;

    /// How many there are. Zero before it is open.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds to the end, all of it or nothing, and returns when it is durable. `Busy` when there is
    /// no room.
    async fn push(&mut self, owed: &[Owed]) -> Result<()>;

    /// The oldest, with their numbers, at most `limit`; one at least if there is one. They stay.
    async fn peek(&mut self, limit: usize) -> Result<Vec<(u64, Owed)>>;

    /// Removes everything up to and including this number. After a crash the latest may be there
    /// again.
    async fn done(&mut self, number: u64) -> Result<()>;

    /// Ends it. Allowed in every state.
    async fn close(&mut self);
}
