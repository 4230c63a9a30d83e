//! A sink outside the tree: counts arrivals by zone.
//!
//! It depends on `rfid-core` alone, and passes the suite that every sink in the tree passes:
//! `cargo run -p rfid-examples --example sink_outside` runs it.

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;
use rfid_core::{EventBatch, EventId, EventKind, Name, Result, Sink};

/// Counts each arrival once, however often it is delivered.
#[derive(Default)]
struct Turnstile {
    seen: HashSet<EventId>,
    arrivals: BTreeMap<Name, u64>,
}

#[async_trait]
impl Sink for Turnstile {
    async fn open(&mut self) -> Result<()> {
        Ok(())
    }

    async fn deliver(&mut self, batch: &mut EventBatch) -> Result<()> {
        for event in &batch.events {
            // Delivery is at least once: a batch whose delivery failed comes again.
            if event.kind == EventKind::Arrived && self.seen.insert(event.event_id) {
                *self.arrivals.entry(event.zone.clone()).or_default() += 1;
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        for (zone, count) in &self.arrivals {
            println!("{zone}: {count}");
        }
        self.arrivals.clear();
        Ok(())
    }
}

#[tokio::main]
async fn main() {
    rfid_conformance::sink::check(|| Box::new(Turnstile::default())).await.assert_passed(0);
}
