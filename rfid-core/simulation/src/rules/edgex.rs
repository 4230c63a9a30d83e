//! The rule of Intel's RSP and of EdgeX.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rfid_core::{ReadBuf, Stamp, TagId, UtcTime};

use super::{Rule, Statement, What};

/// Values in the ring of an antenna (`tagStatsWindowSize`).
const RING: usize = 20;

/// Arrived, moved and departed as in EdgeX's *app-rfid-llrp-inventory*
/// (`internal/inventory/tagprocessor.go`, `mobilityprofile.go`, `circularbuffer.go`), which took
/// them over from the *Intel RSP Controller*; figures are the defaults of its `config.go`.
///
/// One read is an arrival. Each antenna has a ring of the last 20 signal strengths, however old
/// they are, averaged as decibels. A tag moves when the mean of the new antenna, of two values at
/// least, exceeds that of the old one by an offset, which is 6 dB and sinks by 0.008 dB a
/// millisecond once the old antenna has been silent for 500 ms. A tag that was not read for 600 s
/// has departed, which is looked for every 30 s. All of it counts on the wall clock, as there; the
/// reader's clock is set right by the host's (`AdjustLastReadOnByOrigin`).
#[derive(Debug)]
pub struct EdgeX {
    threshold_db: f64,
    holdoff: Duration,
    slope_db_per_ms: f64,
    departed_threshold: Duration,
    check_interval: Duration,
    next_check: Duration,
    tags: BTreeMap<TagId, Tag>,
}

#[derive(Debug, Default)]
struct Tag {
    is_present: bool,
    last_read: UtcTime,
    location: u16,
    /// By antenna port.
    stats: BTreeMap<u16, Stats>,
}

#[derive(Debug, Default)]
struct Stats {
    last_read: UtcTime,
    rssi_dbm: VecDeque<f64>,
}

impl Stats {
    fn add(&mut self, rssi_cdbm: Option<i16>, at: UtcTime) {
        self.last_read = self.last_read.max(at);
        let Some(rssi) = rssi_cdbm else { return };
        if self.rssi_dbm.len() == RING {
            self.rssi_dbm.pop_front();
        }
        self.rssi_dbm.push_back(f64::from(rssi) / 100.0);
    }

    fn mean(&self) -> f64 {
        self.rssi_dbm.iter().sum::<f64>() / self.rssi_dbm.len() as f64
    }
}

impl Default for EdgeX {
    fn default() -> Self {
        let check_interval = Duration::from_secs(30);
        Self {
            threshold_db: 6.0,
            holdoff: Duration::from_millis(500),
            slope_db_per_ms: -0.008,
            departed_threshold: Duration::from_secs(600),
            check_interval,
            next_check: check_interval,
            tags: BTreeMap::new(),
        }
    }
}

impl EdgeX {
    fn offset_db(&self, now: UtcTime, last_read: UtcTime) -> f64 {
        let beyond = now.since(last_read).saturating_sub(self.holdoff);
        self.threshold_db + self.slope_db_per_ms * beyond.as_millis() as f64
    }

    /// Whether a tag that is at one antenna is rather at that of the read.
    fn is_rather_at(&self, port: u16, tag: &Tag, now: UtcTime) -> bool {
        let (Some(there), here) = (tag.stats.get(&port), tag.stats.get(&tag.location)) else { return false };
        match here {
            Some(here) if !here.rssi_dbm.is_empty() => {
                there.rssi_dbm.len() >= 2 && there.mean() > here.mean() + self.offset_db(now, here.last_read)
            }
            _ => true,
        }
    }
}

impl Rule for EdgeX {
    fn hear(&mut self, batch: &ReadBuf, said: &mut Vec<Statement>) {
        let Stamp { monotonic: at, utc: now } = batch.received();
        for sighting in batch.iter() {
            let id = sighting.id.to_owned();
            let port = sighting.read.antenna_port().unwrap_or(0);
            let mut tag = self.tags.remove(&id).unwrap_or_default();
            tag.last_read = tag.last_read.max(now);
            tag.stats.entry(port).or_default().add(sighting.read.rssi_cdbm(), now);
            if !tag.is_present {
                tag.is_present = true;
                tag.location = port;
                said.push(Statement { tag: id, what: What::Arrived { revisit: false }, at });
            } else if tag.location != port && self.is_rather_at(port, &tag, now) {
                tag.location = port;
                said.push(Statement { tag: id, what: What::Moved, at });
            }
            self.tags.insert(id, tag);
        }
    }

    fn pass(&mut self, now: Stamp, said: &mut Vec<Statement>) {
        if now.monotonic < self.next_check {
            return;
        }
        self.next_check = now.monotonic + self.check_interval;
        for (id, tag) in &mut self.tags {
            if tag.is_present && now.utc.since(tag.last_read) > self.departed_threshold {
                tag.is_present = false;
                tag.stats.clear();
                said.push(Statement { tag: *id, what: What::Departed, at: now.monotonic });
            }
        }
    }
}
