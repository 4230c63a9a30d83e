//! What HTTP may see of the host: states and counters, nothing that can be changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rfid_core::pipeline::{PipelineCounters, SinkStatus};
use rfid_core::supervisor::ReaderCounters;
use rfid_core::{Name, Pipeline, ReaderState, SinkHandle, Supervisor};
use rfid_durable::{Health, Stores};
use rfid_sink_log::LogCounters;
use rfid_sink_lookup::LookupCounters;
use rfid_sink_notify::Hub;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::registry::Registry;

/// States and counters of a running host.
pub(crate) struct View {
    pub(super) host: String,
    pub(super) started: Instant,
    stopping: AtomicBool,
    pub(super) readers: Vec<(Name, watch::Receiver<ReaderState>, Arc<ReaderCounters>)>,
    pub(super) pipelines: Vec<(Name, Arc<PipelineCounters>)>,
    pub(super) sinks: Vec<(Name, Arc<SinkStatus>)>,
    pub(super) stores: Stores,
    pub(super) hub: Hub,
    pub(super) lookups: Arc<LookupCounters>,
    pub(super) logs: Arc<LogCounters>,
}

impl View {
    pub(crate) fn new(
        host: &str,
        registry: &Registry,
        readers: &[Supervisor],
        pipelines: &[Pipeline],
        sinks: &[SinkHandle],
    ) -> Self {
        let reader = |reader: &Supervisor| {
            (reader.name().clone(), reader.state().clone(), Arc::clone(reader.counters()))
        };
        Self {
            host: host.to_owned(),
            started: Instant::now(),
            stopping: AtomicBool::new(false),
            readers: readers.iter().map(reader).collect(),
            pipelines: pipelines
                .iter()
                .map(|pipeline| (pipeline.name().clone(), Arc::clone(pipeline.counters())))
                .collect(),
            sinks: sinks.iter().map(|sink| (sink.name().clone(), Arc::clone(sink.status()))).collect(),
            stores: registry.stores.clone(),
            hub: registry.hub.clone(),
            lookups: Arc::clone(&registry.lookups),
            logs: Arc::clone(&registry.logs),
        }
    }

    pub(super) fn begin_stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether everything works, and if not, why.
    pub(super) fn readiness(&self) -> (bool, Value) {
        let mut reasons = Vec::new();
        if self.stopping.load(Ordering::Relaxed) {
            reasons.push("the host is stopping".to_owned());
        }
        let mut readers = Map::new();
        for (name, state, _) in &self.readers {
            let state = state.borrow().clone();
            if let ReaderState::Down { reason, .. } = &state {
                reasons.push(format!("reader {name} is down: {reason}"));
            } else if !matches!(state, ReaderState::Reading { .. }) {
                reasons.push(format!("reader {name} is {}", state.label()));
            }
            readers.insert(name.to_string(), reader_json(&state));
        }
        let mut sinks = Map::new();
        for (name, status) in &self.sinks {
            let error = status.last_error();
            if let Some(error) = &error {
                reasons.push(format!("sink {name} fails: {error}"));
            } else if !status.is_well() {
                reasons.push(format!("sink {name} is not open yet"));
            }
            sinks.insert(name.to_string(), json!({ "well": status.is_well(), "error": error }));
        }
        let mut stores = Map::new();
        for (name, store) in self.stores.opened() {
            let error = match store.health() {
                Health::Well => None,
                Health::Degraded(error) => Some(error),
            };
            if let Some(error) = &error {
                reasons.push(format!("store {name} fails: {error}"));
            }
            let set_aside = store.set_aside().map(|path| path.display().to_string());
            stores.insert(
                name,
                json!({ "well": error.is_none(), "error": error, "damaged_store_set_aside": set_aside }),
            );
        }
        let ready = reasons.is_empty();
        (
            ready,
            json!({ "ready": ready, "reasons": reasons, "readers": readers, "sinks": sinks, "stores": stores }),
        )
    }
}

fn reader_json(state: &ReaderState) -> Value {
    let label = state.label();
    match state {
        ReaderState::Reading { model, firmware, since } => {
            json!({ "state": label, "model": model, "firmware": firmware, "since": since })
        }
        ReaderState::Down { reason, kind, since } => {
            json!({ "state": label, "reason": reason, "kind": kind.label(), "since": since })
        }
        ReaderState::Connecting | ReaderState::Stopped => json!({ "state": label }),
    }
}
