//! What a pipeline keeps through a restart, and the port to where it is kept.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::error::Result;
use crate::event::Event;
use crate::presence::VisitCheckpoint;
use crate::tag_id::TagId;

/// Keeps a pipeline's state durably.
///
/// One task makes all calls: `load` once, then `save` again and again.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait Checkpoints: Send {
    /// What an earlier run left.
    async fn load(&mut self) -> Result<Checkpoint>;

    /// Applies a change, all of it or nothing, and returns when it is durable. A change that could
    /// not be saved comes again, with what has come since.
    async fn save(&mut self, change: &CheckpointChange) -> Result<()>;
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
}

impl CheckpointChange {
    /// Takes in a later change.
    pub(super) fn absorb(&mut self, later: Self) {
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
