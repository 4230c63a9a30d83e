//! What a pipeline counts. Every loss and every merge shows here.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::presence::PresenceCounts;

/// Counts of one pipeline since it was started. All only grow, but `unkept`, `tracked`,
/// `present` and `set_aside`.
#[derive(Debug, Default)]
pub struct PipelineCounters {
    /// Sightings that reached presence, merged ones with their count.
    pub sightings: AtomicU64,
    /// Batches that reached presence.
    pub batches: AtomicU64,
    /// Sightings that were merged into others because the line behind was slow.
    pub merged: AtomicU64,
    /// Sightings dropped because too many different tags were waiting.
    pub shed: AtomicU64,
    /// Sightings that readers or drivers reported as lost.
    pub lost: AtomicU64,
    /// Glimpses that were not confirmed.
    pub unconfirmed: AtomicU64,
    /// Reads by antennas that belong to no zone.
    pub without_zone: AtomicU64,
    /// Reads of tags beyond the limit on tracked tags.
    pub over_limit: AtomicU64,
    /// Glimpses that newer ones pushed out before their time was over.
    pub crowded_out: AtomicU64,
    /// Reads whose check code did not fit.
    pub check_failed: AtomicU64,
    /// Reads of tags that made up their ids, which name nobody.
    pub no_identity: AtomicU64,
    /// Reads of a length that no tag has.
    pub impossible_length: AtomicU64,
    /// Reads with a header that no scheme has, where that matters.
    pub unknown_header: AtomicU64,
    /// Events given.
    pub events: AtomicU64,
    /// Events that passed a sink which had not done its duty.
    pub unconfirmed_events: AtomicU64,
    /// Checkpoints that could not be written.
    pub checkpoint_failures: AtomicU64,
    /// Visits and events that wait because the checkpoint cannot be written.
    pub unkept: AtomicU64,
    /// Tags tracked at present.
    pub tracked: AtomicU64,
    /// Tags that count as present.
    pub present: AtomicU64,
    /// Tags that are here and set aside.
    pub set_aside: AtomicU64,
}

impl PipelineCounters {
    /// Takes over what presence has counted.
    pub(super) fn publish(&self, counts: PresenceCounts) {
        set(&self.sightings, counts.sightings);
        set(&self.unconfirmed, counts.unconfirmed);
        set(&self.without_zone, counts.without_zone);
        set(&self.over_limit, counts.over_limit);
        set(&self.tracked, counts.tracked);
        set(&self.present, counts.present);
        set(&self.set_aside, counts.set_aside);
        set(&self.crowded_out, counts.crowded_out);
        set(&self.check_failed, counts.check_failed);
        set(&self.no_identity, counts.no_identity);
        set(&self.impossible_length, counts.impossible_length);
        set(&self.unknown_header, counts.unknown_header);
    }
}

/// Adds to a counter. Counters carry no other data with them, so no ordering is needed.
pub(crate) fn add(counter: &AtomicU64, more: u64) {
    if more > 0 {
        counter.fetch_add(more, Ordering::Relaxed);
    }
}

/// Sets a counter that somebody else has counted.
pub(crate) fn set(counter: &AtomicU64, value: u64) {
    counter.store(value, Ordering::Relaxed);
}
