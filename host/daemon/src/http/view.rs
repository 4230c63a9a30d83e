//! What HTTP may see of the parts that run: states and counters, nothing that can be changed.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use rfid_core::pipeline::{PipelineCounters, SinkStatus};
use rfid_core::presence::ZoneMap;
use rfid_core::supervisor::Observer;
use rfid_core::{Listening, Name, ReaderState};
use rfid_durable::{Health, Store, Stores};
use rfid_loader::{Place, Plugin};
use rfid_service::audit::Lag;
use rfid_service::recognition::BranchCounters;
use rfid_service::record::Lent;
use rfid_service::service::{LentRight, Service};
use rfid_service::store::StoreHealth;
use rfid_sink_log::{EventIndex, EventLedger, LogCounters};
use rfid_sink_lookup::LookupCounters;
use rfid_sink_notify::{Hub, Webhooks};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::counters::{Metric, PIPELINE, READER, SINK, get};
use super::webhooks;
use crate::config::{Config, ReaderConfig};
use crate::registry::Registry;
use crate::running::{PipelineTap, Running};

/// States and counters of the parts of a running host.
pub(crate) struct View {
    pub(super) host: String,
    pub(super) started: Instant,
    pub(super) readers: BTreeMap<Name, ReaderView>,
    pub(super) pipelines: BTreeMap<Name, PipelineView>,
    pub(super) sinks: BTreeMap<Name, SinkView>,
    pub(super) plugins: Vec<PluginView>,
    pub(super) stores: Stores,
    pub(super) ledger: EventLedger,
    pub(super) index: EventIndex,
    pub(super) hub: Hub,
    pub(super) lookups: Arc<LookupCounters>,
    pub(super) logs: Arc<LogCounters>,
    pub(super) webhooks: Webhooks,
    /// The customer service, where it runs.
    pub(super) service: Option<Arc<Service>>,
}

/// One reader.
pub(super) struct ReaderView {
    pub(super) config: ReaderConfig,
    pub(super) driver: &'static str,
    pub(super) observer: Observer,
}

/// One plugin that parts are taken from.
pub(super) struct PluginView {
    pub(super) place: Place,
    pub(super) plugin: Plugin,
    /// Readers and sinks.
    pub(super) used_by: Vec<Name>,
}

/// One pipeline. What does not run could not be started.
pub(super) struct PipelineView {
    pub(super) readers: Vec<Name>,
    pub(super) sinks: Vec<Name>,
    pub(super) counters: Option<Arc<PipelineCounters>>,
    pub(super) tap: PipelineTap,
}

/// One sink.
pub(super) struct SinkView {
    pub(super) kind: String,
    pub(super) status: Arc<SinkStatus>,
}

impl View {
    pub(crate) fn new(config: &Config, registry: &Registry, running: &Running, started: Instant) -> Self {
        let reader = |(name, supervisor): (&Name, &rfid_core::Supervisor)| {
            let config = config.reader(name)?;
            let view = ReaderView {
                driver: config.driver.describe().name,
                config: config.clone(),
                observer: supervisor.observer(),
            };
            Some((name.clone(), view))
        };
        let pipelines = config.pipelines.iter().map(|pipeline| {
            let running_one = running.pipelines.get(&pipeline.name);
            let view = PipelineView {
                readers: pipeline.readers.clone(),
                sinks: pipeline.sinks.clone(),
                counters: running_one.map(|pipeline| Arc::clone(pipeline.counters())),
                tap: running.taps.get(&pipeline.name).cloned().unwrap_or_default(),
            };
            (pipeline.name.clone(), view)
        });
        let sinks = config.sinks.iter().filter_map(|sink| {
            let status = Arc::clone(running.sinks.get(&sink.name)?.status());
            Some((sink.name.clone(), SinkView { kind: sink.kind.clone(), status }))
        });
        Self {
            host: config.host.name.clone(),
            started,
            readers: running.readers.iter().filter_map(reader).collect(),
            pipelines: pipelines.collect(),
            sinks: sinks.collect(),
            plugins: plugins_of(config, registry),
            stores: registry.stores.clone(),
            ledger: registry.ledger.clone(),
            index: registry.index.clone(),
            hub: registry.hub.clone(),
            lookups: Arc::clone(&registry.lookups),
            logs: Arc::clone(&registry.logs),
            webhooks: registry.webhooks.clone(),
            service: registry.service.get().cloned(),
        }
    }

    /// Why the host is not ready; nothing if it is.
    pub(super) fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        for (name, reader) in &self.readers {
            match reader.observer.state() {
                ReaderState::Reading { .. } => {}
                ReaderState::Down { reason, .. } => reasons.push(format!("reader {name} is down: {reason}")),
                state => reasons.push(format!("reader {name} is {}", state.label())),
            }
        }
        for (name, pipeline) in &self.pipelines {
            if pipeline.counters.is_none() {
                reasons.push(format!("pipeline {name} could not be started; the log says why"));
            }
        }
        reasons.extend(self.unkept());
        for (name, sink) in &self.sinks {
            if let Some(complaint) = sink.status.complaint() {
                reasons.push(format!("sink {name} {complaint}"));
            }
        }
        for (name, store) in self.stores.opened() {
            if let Health::Degraded(error) = store.health() {
                reasons.push(format!("store {name} fails: {error}"));
            }
        }
        reasons.extend(self.service_complaint());
        reasons
    }

    /// What is not as it should be although the host does its work.
    pub(super) fn degraded(&self) -> Vec<String> {
        let mut degraded = webhooks::degraded(&self.webhooks);
        degraded.extend(self.ailing());
        degraded
    }

    /// Which plugins are lost too often to get well by themselves. A reader of one is up between two losses,
    /// so that it may look well at any moment.
    pub(super) fn ailing(&self) -> impl Iterator<Item = String> {
        self.plugins.iter().flat_map(|PluginView { place, plugin, used_by }| {
            let ailing = plugin.ailing().into_iter();
            // What was lost for a part that is configured no longer is past.
            let ailing = ailing.filter(|(name, _)| used_by.iter().any(|user| user.as_str() == name));
            ailing.map(|(name, times)| {
                format!(
                    "plugin {} ({}) of {name} was lost {times} times within the hour",
                    plugin.id(),
                    place.file
                )
            })
        })
    }

    /// Which pipelines cannot write down who is inside.
    pub(super) fn unkept(&self) -> impl Iterator<Item = String> {
        self.pipelines.iter().filter_map(|(name, pipeline)| {
            let waiting = get(&pipeline.counters.as_ref()?.unkept);
            (waiting > 0).then(|| {
                format!(
                    "presence of pipeline {name} cannot be written down ({waiting} waiting); the log says why"
                )
            })
        })
    }

    /// What is wrong with the store of the customer service, or with its audit trail.
    pub(super) fn service_complaint(&self) -> Option<String> {
        let service = self.service.as_ref()?;
        let own = match service.store().health() {
            StoreHealth::Well => service.trail()?.is_well().err().map(|error| format!("{error:#}")),
            StoreHealth::Degraded(why) => Some(why),
        };
        let watched = service.watch().map(|watch| watch.complaints()).unwrap_or_default();
        let all: Vec<String> = own.into_iter().chain(watched).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// How the audit trail is: its room, how far it goes back, what the central one lacks, when its end was
    /// last signed, and the last archive.
    fn audit_state(&self) -> Value {
        let Some((trail, watch)) = self.service.as_ref().and_then(|it| Some((it.trail()?, it.watch()?)))
        else {
            return Value::Null;
        };
        let space = watch.space.seen().map(|(room, fullness)| {
            json!({ "used_percent": room.percent(), "state": fullness.name(), "bytes_left": room.left })
        });
        let central = watch.copying.as_ref().map(|copying| {
            let Lag { records, since, error } = copying.lag();
            json!({
                "lacks": records,
                "for_seconds": since.as_secs(),
                "error": error,
                "could_be_changed_as": watch.could_change,
            })
        });
        let signed = watch.signing.as_ref().map(|signing| json!({ "last": signing.last() }));
        let archives = watch.archiving.as_ref().map(|archiving| {
            let (made, name) = archiving.last().unzip();
            json!({
                "last": made, "last_name": name, "looked": archiving.looked(), "error": archiving.complaint(),
            })
        });
        json!({
            "last": trail.last(), "oldest": trail.oldest(), "space": space, "central": central, "signed": signed,
            "archives": archives,
        })
    }

    /// One line for each reader: how it is and since when.
    pub(super) fn reader_states(&self) -> Value {
        map(self.readers.iter().map(|(name, reader)| (name, state_json(&reader.observer.state()))))
    }

    pub(super) fn sink_states(&self) -> Value {
        map(self.sinks.iter().map(|(name, sink)| (name, self.with_webhooks(name, sink.state()))))
    }

    fn with_webhooks(&self, sink: &str, mut state: Value) -> Value {
        if let Some(webhooks) = webhooks::states(&self.webhooks, sink) {
            state["webhooks"] = webhooks;
        }
        state
    }

    pub(super) fn store_states(&self) -> Value {
        let stores = self.stores.opened();
        map(stores.iter().map(|(name, store)| (name, store_json(store))))
    }

    /// How the ledger is; nothing without a log sink.
    pub(super) fn ledger_state(&self) -> Value {
        let Some(ledger) = self.ledger.opened() else { return Value::Null };
        let (status, error) = (ledger.status(), ledger.status().error());
        json!({
            "well": error.is_none(),
            "error": error,
            "first_sequence": get(&status.first),
            "last_sequence": get(&status.last),
            "bytes": get(&status.bytes),
            "segments": get(&status.segments),
            "gaps": get(&status.gaps),
            "lost": get(&status.lost),
            "reserve_bytes": get(&status.reserve),
            "pending_events": self.pending_events(),
        })
    }

    /// How the customer service is, and what it has counted by branch; nothing where it does not run.
    fn service_state(&self) -> Value {
        let Some(service) = &self.service else { return Value::Null };
        let error = self.service_complaint();
        let lent: Vec<Value> = service
            .lent_rights()
            .into_iter()
            .map(|LentRight { staff, lent: Lent { right, until, request, .. } }| {
                json!({
                    "staff_id": staff.to_string(),
                    "right": right.name(),
                    "until": until,
                    "request_id": request.to_string(),
                })
            })
            .collect();
        let branches = service.recognition().counters().by_branch();
        let counted = branches.iter().map(|(branch, counted)| {
            let BranchCounters { recognised, refused, unknown, unknown_of_day: _, alarms } = counted;
            (
                branch,
                json!({ "recognised": recognised, "refused": refused, "unknown": unknown, "alarms": alarms }),
            )
        });
        json!({
            "well": error.is_none(), "error": error, "arrivals": map(counted), "audit": self.audit_state(),
            "break_glass": lent,
        })
    }

    /// Readers of the pipelines that publish their events.
    pub(super) fn published_readers(&self) -> HashSet<Name> {
        let publishes = |sink: &Name| self.sinks.get(sink).is_some_and(|sink| sink.kind == "notify");
        let publishing = self.pipelines.values().filter(|pipeline| pipeline.sinks.iter().any(publishes));
        publishing.flat_map(|pipeline| pipeline.readers.iter().cloned()).collect()
    }

    /// Events that are on the screens and not yet in the ledger.
    pub(super) fn pending_events(&self) -> u64 {
        let logs = self.sinks.values().filter(|sink| sink.kind == "log");
        logs.map(|sink| get(&sink.status.waiting) + get(&sink.status.backlog)).sum()
    }

    /// Everything about everything, for people who look on.
    pub(super) fn status(&self) -> Value {
        let hub = self.hub.counts();
        json!({
            "host": self.host,
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_s": self.started.elapsed().as_secs(),
            "readers": map(self.readers.iter().map(|(name, reader)| (name, reader.status()))),
            "pipelines": map(self.pipelines.iter().map(|(name, pipeline)| (name, pipeline.status()))),
            "sinks": map(self.sinks.iter().map(|(name, sink)| (name, self.with_webhooks(name, sink.status())))),
            "stores": self.store_states(),
            "ledger": self.ledger_state(),
            "service": self.service_state(),
            "subscribers": hub.subscribers,
            "notices": { "published": hub.published, "delivered": hub.delivered, "missed": hub.missed },
        })
    }
}

/// The plugins that parts of a configuration are taken from. Each was loaded when it was checked, and what was
/// loaded once is not read again.
fn plugins_of(config: &Config, registry: &Registry) -> Vec<PluginView> {
    let readers = config.readers.iter().map(|reader| (&reader.setup.reader, &reader.plugin));
    let sinks = config.sinks.iter().map(|sink| (&sink.name, &sink.plugin));
    let mut plugins: Vec<PluginView> = Vec::new();
    for (name, source) in readers.chain(sinks) {
        let Some(source) = source else { continue };
        if let Some(known) = plugins.iter_mut().find(|known| known.place == source.place) {
            known.used_by.push(name.clone());
        } else if let Ok(plugin) = registry.load(source) {
            let place = source.place.clone();
            plugins.push(PluginView { place, plugin, used_by: vec![name.clone()] });
        }
    }
    plugins.sort_by(|one, other| one.place.file.cmp(&other.place.file));
    plugins
}

impl ReaderView {
    fn status(&self) -> Value {
        let mut status = state_json(&self.observer.state());
        let more = json!({
            "driver": self.driver,
            "branch": self.config.place.branch,
            "antennas": self.antennas().map(|antenna| antenna.status()).collect::<Vec<_>>(),
        });
        if let (Value::Object(status), Value::Object(more)) = (&mut status, more) {
            status.extend(more);
        }
        with_counts(status, &READER, self.observer.counters())
    }

    /// The antennas that belong to zones, or the reader as a whole.
    pub(super) fn antennas(&self) -> impl Iterator<Item = Antenna<'_>> {
        let listening = self.observer.listening();
        let counters = self.observer.counters();
        let ports: Vec<(Option<u16>, &Name)> = match &self.config.place.zones {
            ZoneMap::Whole(zone) => vec![(None, zone)],
            ZoneMap::ByPort(ports) => ports.iter().map(|(port, zone)| (Some(*port), zone)).collect(),
        };
        ports.into_iter().map(move |(port, zone)| Antenna {
            port,
            zone,
            listening: match (&listening, port) {
                (Listening::None, _) => false,
                (Listening::All, _) => true,
                (Listening::Ports(ports), None) => !ports.is_empty(),
                (Listening::Ports(ports), Some(port)) => ports.contains(&port),
            },
            reads: port.map_or_else(|| get(&counters.reads), |port| counters.reads_by_port(port)),
        })
    }
}

/// One antenna, or a reader whose antennas are one zone.
pub(super) struct Antenna<'a> {
    /// `None`: all ports of the reader.
    pub(super) port: Option<u16>,
    pub(super) zone: &'a Name,
    pub(super) listening: bool,
    pub(super) reads: u64,
}

impl Antenna<'_> {
    fn status(&self) -> Value {
        json!({ "port": self.port, "zone": self.zone, "listening": self.listening, "reads": self.reads })
    }
}

impl PipelineView {
    fn status(&self) -> Value {
        let status =
            json!({ "readers": self.readers, "sinks": self.sinks, "running": self.counters.is_some() });
        match &self.counters {
            Some(counters) => with_counts(status, &PIPELINE, counters),
            None => status,
        }
    }
}

impl SinkView {
    fn status(&self) -> Value {
        let mut status = self.state();
        if let Value::Object(status) = &mut status {
            status.insert("type".to_owned(), self.kind.as_str().into());
        }
        with_counts(status, &SINK, &self.status)
    }

    fn state(&self) -> Value {
        json!({
            "well": self.status.is_well(),
            "error": self.status.last_error(),
            "failing_since": self.status.failing_since(),
            "backlog": get(&self.status.backlog),
        })
    }
}

/// Adds what is counted, under the names of the metrics without what they have in common.
fn with_counts<T>(mut status: Value, metrics: &[Metric<T>], counters: &T) -> Value {
    if let Value::Object(status) = &mut status {
        for (name, _, _, value) in metrics {
            status.insert(short_name(name).to_owned(), get(value(counters)).into());
        }
    }
    status
}

/// The name of a metric without what it has in common with others of its kind.
pub(super) fn short_name(metric: &str) -> &str {
    metric.splitn(3, '_').last().unwrap_or(metric)
}

fn map<N: ToString>(entries: impl Iterator<Item = (N, Value)>) -> Value {
    Value::Object(entries.map(|(name, value)| (name.to_string(), value)).collect::<Map<_, _>>())
}

fn store_json(store: &Store) -> Value {
    let error = match store.health() {
        Health::Well => None,
        Health::Degraded(error) => Some(error),
    };
    let set_aside = store.set_aside().map(|path| path.display().to_string());
    json!({ "well": error.is_none(), "error": error, "damaged_store_set_aside": set_aside })
}

fn state_json(state: &ReaderState) -> Value {
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
