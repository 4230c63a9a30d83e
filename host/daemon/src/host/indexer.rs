//! Keeps the index of the ledger up to date.

use std::time::Duration;

use rfid_core::{Clock, LogLimit, SystemClock};
use rfid_sink_log::EventIndex;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::registry::Registry;

/// Nobody waits for the index: who looks something up has it brought up to date.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A task that indexes what is registered, as long as this lives.
pub(super) struct Indexer(JoinHandle<()>);

impl Indexer {
    pub(super) fn spawn(registry: &Registry) -> Self {
        Self(tokio::spawn(index(registry.index.clone(), registry.ledger.clone())))
    }
}

impl Drop for Indexer {
    fn drop(&mut self) {
        // What it has taken in is taken in.
        self.0.abort();
    }
}

async fn index(index: EventIndex, ledger: rfid_sink_log::EventLedger) {
    let (clock, mut failures) = (SystemClock::new(), LogLimit::default());
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // Without a log sink there is none, and none is to be made.
        if ledger.opened().is_none() {
            continue;
        }
        loop {
            match index.catch_up().await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    if let Some(unsaid) = failures.allow(clock.now().monotonic) {
                        tracing::warn!(
                            error = format!("{error:#}"),
                            "the index of the ledger lags behind; nothing is lost by that{unsaid}"
                        );
                    }
                    break;
                }
            }
        }
    }
}
