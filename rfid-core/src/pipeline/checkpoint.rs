//! What a pipeline keeps through a restart, and the port to where it is kept.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::error::Result;
use crate::event::Event;
use crate::name::Name;
use crate::presence::VisitCheckpoint;
use crate::tag_id::TagId;

/// Keeps a pipeline's state durably.
///
/// One task makes all calls: `load` once, then `save` again and again, then `close`.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait Checkpoints: Send {
    /// What an earlier run left.
    async fn load(&mut self) -> Result<Checkpoint>;

    /// Applies a change, all of it or nothing, and returns when it is durable. A change that could
    /// not be saved comes again, with what has come since.
    async fn save(&mut self, change: &CheckpointChange) -> Result<()>;

    /// Whether [`Checkpoints::load`] finds again what this sink has taken although it was not saved:
    /// its events as undelivered, and the visits as they left them (see [`VisitCheckpoint::after`]).
    /// Must always answer the same.
    ///
    /// Where such a sink stands first, or behind sinks that only add, its events pass on when it has
    /// taken them, and are saved up to a tenth of a second later, many at once.
    fn finds_again(&self, sink: &Name) -> bool {
        let _ = sink;
        false
    }

    /// Gives back what it holds, so that another run may load.
    async fn close(&mut self) {}
}

/// What an earlier run left.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// Visits that were not over.
    pub visits: Vec<VisitCheckpoint>,
    /// Events that may not have gone through all sinks, oldest first.
    pub undelivered: Vec<Event>,
}

/// What changed since the last one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CheckpointChange {
    /// Visits that began or changed, by tag; `None` for one that is over for good.
    pub visits: BTreeMap<TagId, Option<VisitCheckpoint>>,
    /// Events that are now on their way through the sinks. They follow those of the changes
    /// before, of which the oldest have arrived.
    pub undelivered: Vec<Event>,
    /// How many of the oldest that were kept as undelivered are no longer: they have been through
    /// all sinks.
    pub delivered: u64,
    /// Now and again all visits are given anew, spread over many changes. A round begins with this
    /// change: everything that is said of visits from here on belongs to it.
    pub begins_round: bool,
    /// A round ends with this change: what was said of visits before the round began is not needed
    /// any more.
    pub ends_round: bool,
}

impl CheckpointChange {
    /// Whether nothing is to be kept.
    pub fn is_empty(&self) -> bool {
        self.visits.is_empty() && self.undelivered.is_empty() && self.delivered == 0
    }

    /// Takes in a later change.
    pub(super) fn absorb(&mut self, later: Self) {
        self.begins_round |= later.begins_round;
        self.ends_round |= later.ends_round;
        self.visits.extend(later.visits);
        self.undelivered.extend(later.undelivered);
        self.delivered += later.delivered;
    }
}

/// Keeps nothing: after a restart everybody who is inside arrives anew.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCheckpoints;

#[async_trait]
impl Checkpoints for NoCheckpoints {
    async fn load(&mut self) -> Result<Checkpoint> {
        Ok(Checkpoint::default())
    }

    async fn save(&mut self, _: &CheckpointChange) -> Result<()> {
        Ok(())
    }
}
