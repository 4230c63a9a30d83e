//! One read is a person, and five silent seconds are an exit.

use std::collections::BTreeMap;
use std::time::Duration;

use rfid_core::{ReadBuf, Stamp, TagId};

use super::{Rule, Statement, What};

/// What most programs do that take reads from a reader without a rule of their own: a table of
/// tags with the time of the last read. Some readers offer the same as their tag list: a tag is on
/// it from its first read on until it was not read for the *persist time* (Alien Technology,
/// *Reader Interface Guide, All Fixed Readers*, 2005, `PersistTime`). A second, which that guide
/// has for what is there at the moment, would say goodbye to everybody all the time; here it is
/// five.
#[derive(Debug)]
pub struct OneRead {
    lost_after: Duration,
    last_reads: BTreeMap<TagId, Duration>,
}

impl Default for OneRead {
    fn default() -> Self {
        Self { lost_after: Duration::from_secs(5), last_reads: BTreeMap::new() }
    }
}

impl Rule for OneRead {
    fn hear(&mut self, batch: &ReadBuf, said: &mut Vec<Statement>) {
        let at = batch.received().monotonic;
        for sighting in batch.iter() {
            let tag = sighting.id.to_owned();
            if self.last_reads.insert(tag, at).is_none() {
                said.push(Statement { tag, what: What::Arrived { revisit: false }, at });
            }
        }
    }

    fn pass(&mut self, now: Stamp, said: &mut Vec<Statement>) {
        let at = now.monotonic;
        self.last_reads.retain(|tag, last_read| {
            let is_here = at.saturating_sub(*last_read) < self.lost_after;
            if !is_here {
                said.push(Statement { tag: *tag, what: What::Departed, at });
            }
            is_here
        });
    }
}
