//! Tag smoothing of the Application Level Events standard.

use std::collections::BTreeMap;
use std::time::Duration;

use rfid_core::{ReadBuf, Stamp, TagId};

use super::{Rule, Statement, What};

/// Tag smoothing of a logical reader: *EPCglobal Application Level Events (ALE) 1.1.1*, with the
/// properties `GlimpsedTimeout`, `ObservedCountThreshold`, `ObservedTimeThreshold` and
/// `LostTimeout`; the states come from the *EPCglobal Reader Protocol 1.1*.
///
/// A tag is glimpsed at its first read; it is observed after so many reads or so much time
/// between the first and the last, and forgotten if a glimpse is not followed by another read in
/// time; it is lost when it was not read for the time-out. What counts is the time since the last
/// read, also for a glimpse, as `TagSmoothingHandler` of the open implementation
/// `havis.middleware.ale` has it.
///
/// The standard recommends no figures. These serve it best here: the same confirmation as ours,
/// and half as long again until a tag is lost.
#[derive(Debug)]
pub struct Ale {
    glimpsed_timeout: Duration,
    observed_count_threshold: u32,
    observed_time_threshold: Duration,
    lost_timeout: Duration,
    tags: BTreeMap<TagId, Smoothed>,
}

#[derive(Debug)]
struct Smoothed {
    is_observed: bool,
    count: u32,
    first: Duration,
    last: Duration,
}

impl Default for Ale {
    fn default() -> Self {
        Self {
            glimpsed_timeout: Duration::from_secs(2),
            observed_count_threshold: 3,
            observed_time_threshold: Duration::from_millis(300),
            lost_timeout: Duration::from_secs(30),
            tags: BTreeMap::new(),
        }
    }
}

impl Rule for Ale {
    fn hear(&mut self, batch: &ReadBuf, said: &mut Vec<Statement>) {
        let at = batch.received().monotonic;
        for sighting in batch.iter() {
            let tag = sighting.id.to_owned();
            let new = Smoothed { is_observed: false, count: 0, first: at, last: at };
            let smoothed = self.tags.entry(tag).or_insert(new);
            smoothed.count += u32::from(sighting.read.count());
            smoothed.last = at;
            let is_observed = smoothed.count >= self.observed_count_threshold
                || smoothed.last - smoothed.first >= self.observed_time_threshold;
            if is_observed && !smoothed.is_observed {
                smoothed.is_observed = true;
                said.push(Statement { tag, what: What::Arrived { revisit: false }, at });
            }
        }
    }

    fn pass(&mut self, now: Stamp, said: &mut Vec<Statement>) {
        let at = now.monotonic;
        self.tags.retain(|tag, smoothed| {
            let timeout = if smoothed.is_observed { self.lost_timeout } else { self.glimpsed_timeout };
            let is_kept = at.saturating_sub(smoothed.last) <= timeout;
            if smoothed.is_observed && !is_kept {
                said.push(Statement { tag: *tag, what: What::Departed, at });
            }
            is_kept
        });
    }
}
