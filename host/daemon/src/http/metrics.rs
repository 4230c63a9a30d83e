//! Counters in the form that Prometheus reads.
//!
//! `docs/metrics.md` lists them all. A test compares it with what the built binary gives, and prints
//! the line that is missing there.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType::{self, Counter, Gauge};
use prometheus_client::registry::Registry;
use rfid_core::ReaderState;
use rfid_durable::{Health, Store};

use super::counters::{LEDGER, PIPELINE, READER, SINK, get};
use super::view::{Antenna, ReaderView, View};

pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of the host as text.
pub(super) fn text(view: Arc<View>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(HostMetrics(view)));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

struct HostMetrics(Arc<View>);

impl fmt::Debug for HostMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostMetrics")
    }
}

impl Collector for HostMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let view = &self.0;
        let out = &mut encoder;

        let version = [(env!("CARGO_PKG_VERSION"), 1)];
        write(out, "rfid_host_info", "Always 1; which version runs", Gauge, "version", version.into_iter())?;
        let host = |value| [(view.host.as_str(), value)].into_iter();
        let uptime = view.started.elapsed().as_secs();
        write(
            out,
            "rfid_host_uptime_seconds",
            "Time since the host was started",
            Gauge,
            "host",
            host(uptime),
        )?;
        let ready = u64::from(view.reasons().is_empty());
        write(
            out,
            "rfid_host_ready",
            "Whether everything works, as /ready says",
            Gauge,
            "host",
            host(ready),
        )?;
        let is_up = |state: &ReaderState| u64::from(matches!(state, ReaderState::Reading { .. }));
        let up = view.readers.iter().map(|(name, reader)| (&**name, is_up(&reader.observer.state())));
        write(out, "rfid_reader_up", "Whether the inventory of the reader runs", Gauge, "reader", up)?;
        for (name, help, kind, value) in READER {
            let count = |reader: &ReaderView| get(value(reader.observer.counters()));
            let values = view.readers.iter().map(|(name, reader)| (&**name, count(reader)));
            write(out, name, help, kind, "reader", values)?;
        }
        self.antennas(out)?;
        for (name, help, kind, value) in PIPELINE {
            let counted = view
                .pipelines
                .iter()
                .filter_map(|(name, pipeline)| Some((&**name, get(value(pipeline.counters.as_ref()?)))));
            write(out, name, help, kind, "pipeline", counted)?;
        }
        let up = view.sinks.iter().map(|(name, sink)| (&**name, u64::from(sink.status.is_well())));
        write(
            out,
            "rfid_sink_up",
            "Whether the sink is open, its last delivery went well and nothing is owed to it",
            Gauge,
            "sink",
            up,
        )?;
        for (name, help, kind, value) in SINK {
            let values = view.sinks.iter().map(|(name, sink)| (&**name, get(value(&sink.status))));
            write(out, name, help, kind, "sink", values)?;
        }

        let stores = view.stores.opened();
        let is_well = |store: &Store| u64::from(store.health() == Health::Well);
        let well = stores.iter().map(|(name, store)| (name.as_str(), is_well(store)));
        write(
            out,
            "rfid_store_up",
            "Whether the last operation of the store went well",
            Gauge,
            "store",
            well,
        )?;
        let busy = stores.iter().map(|(name, store)| (name.as_str(), store.busy_for().as_secs()));
        let help = "How long the store has been at what it is doing";
        write(out, "rfid_store_busy_seconds", help, Gauge, "store", busy)?;
        let syncs = stores.iter().map(|(name, store)| (name.as_str(), store.syncs()));
        write(out, "rfid_store_syncs", "Syncs to the disk", Counter, "store", syncs)?;
        let damaged = stores.iter().map(|(name, store)| (name.as_str(), store.damaged_values()));
        write(
            out,
            "rfid_store_damaged_values",
            "Values that failed their checksum",
            Counter,
            "store",
            damaged,
        )?;

        let hub = view.hub.counts();
        let notices = [("published", hub.published), ("delivered", hub.delivered), ("missed", hub.missed)];
        write(
            out,
            "rfid_notices",
            "Notices by what became of them",
            Counter,
            "outcome",
            notices.into_iter(),
        )?;
        let subscribers = [("events", hub.subscribers)];
        write(out, "rfid_subscribers", "Subscriptions at present", Gauge, "kind", subscribers.into_iter())?;
        let lookups = [
            ("known", get(&view.lookups.known)),
            ("unknown", get(&view.lookups.unknown)),
            ("refused", get(&view.lookups.refused)),
        ];
        write(
            out,
            "rfid_lookups",
            "Events by whether their tag was known",
            Counter,
            "outcome",
            lookups.into_iter(),
        )?;
        let logs = [("written", get(&view.logs.written)), ("repeated", get(&view.logs.repeated))];
        let help = "Events by whether the log had them already";
        write(out, "rfid_logged_events", help, Counter, "outcome", logs.into_iter())?;
        self.ledger(out)?;
        self.service(out)?;
        super::webhooks::encode(out, &view.webhooks)
    }
}

impl HostMetrics {
    /// How the ledger is, if there is one.
    fn ledger(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let Some(ledger) = self.0.ledger.opened() else { return Ok(()) };
        let status = ledger.status();
        let of_host = |value| [(self.0.host.as_str(), value)].into_iter();
        for (name, help, kind, value) in LEDGER {
            write(out, name, help, kind, "host", of_host(get(value(status))))?;
        }
        let up = of_host(u64::from(status.error().is_none()));
        write(out, "rfid_ledger_up", "Whether the last append went well", Gauge, "host", up)?;
        let pending = of_host(self.0.pending_events());
        write(out, "rfid_ledger_pending_events", "Events that are not registered yet", Gauge, "host", pending)
    }

    /// How the customer service is and who came, where it runs.
    fn service(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let Some(service) = &self.0.service else { return Ok(()) };
        let up = [(self.0.host.as_str(), u64::from(self.0.service_complaint().is_none()))];
        let help = "Whether customers can be found and visits registered";
        write(out, "rfid_service_up", help, Gauge, "host", up.into_iter())?;
        self.audit(out)?;
        let branches = service.recognition().counters().by_branch();
        let help = "Arrivals by branch and by what was decided";
        {
            let mut arrivals = out.encode_descriptor("rfid_service_arrivals", help, None, Counter)?;
            for (branch, counted) in &branches {
                let refused = counted.refused.iter().map(|(reason, count)| (*reason, *count));
                let outcomes = [("recognised", counted.recognised), ("unknown", counted.unknown)];
                for (outcome, count) in outcomes.into_iter().chain(refused) {
                    let labels = [("branch", &**branch), ("outcome", outcome)];
                    let mut one = arrivals.encode_family(&labels)?;
                    one.encode_counter::<[(&str, &str); 1], _, u64>(&count, None)?;
                }
            }
        }
        let alarms = branches.iter().map(|(branch, counted)| (&**branch, counted.alarms));
        write(out, "rfid_service_alarms", "Suspicions that a card was copied", Counter, "branch", alarms)
    }

    /// How the audit trail is: its room, and what the central one lacks.
    fn audit(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let Some(service) = &self.0.service else { return Ok(()) };
        let (Some(trail), Some(watch)) = (service.trail(), service.watch()) else { return Ok(()) };
        let of_host = |value| [(self.0.host.as_str(), value)].into_iter();
        let help = "Number of the last record of the audit trail";
        write(out, "rfid_audit_last_record", help, Gauge, "host", of_host(trail.last()))?;
        if let Some((room, _)) = watch.space.seen() {
            let percent = of_host(u64::from(room.percent()));
            let help = "Hundredths of the disk of the audit trail that are used";
            write(out, "rfid_audit_disk_used_percent", help, Gauge, "host", percent)?;
        }
        let signed = watch.signing.as_ref().and_then(|signing| signing.last());
        let seconds = |at: Option<rfid_core::UtcTime>| at.map_or(0, |at| at.as_nanos() / 1_000_000_000);
        let signed = of_host(seconds(signed));
        let help = "When the end of the audit trail was last signed, in seconds since 1970; 0 for never";
        write(out, "rfid_audit_signed_timestamp_seconds", help, Gauge, "host", signed)?;
        let oldest = of_host(seconds(trail.oldest()));
        let help =
            "When the first record of the audit trail that is online was written, in seconds since 1970";
        write(out, "rfid_audit_oldest_timestamp_seconds", help, Gauge, "host", oldest)?;
        let archived = watch.archiving.as_ref().and_then(|archiving| archiving.last());
        let archived = of_host(seconds(archived.map(|(at, _)| at)));
        let help = "When old records of the audit trail last went into an archive, in seconds since 1970; 0 for never";
        write(out, "rfid_audit_archived_timestamp_seconds", help, Gauge, "host", archived)?;
        let failing = watch.archiving.as_ref().is_some_and(|archiving| archiving.complaint().is_some());
        let help = "Whether old records of the audit trail could not be archived at the last try";
        write(out, "rfid_audit_archiving_failing", help, Gauge, "host", of_host(u64::from(failing)))?;
        let lag = watch.copying.as_ref().map(|copying| copying.lag());
        let (records, since) = lag.map_or((0, 0), |lag| (lag.records, lag.since.as_secs()));
        let help = "Records that the central audit trail lacks; 0 where there is none";
        write(out, "rfid_audit_central_lacks", help, Gauge, "host", of_host(records))?;
        let help = "How long the central audit trail has lacked records";
        write(out, "rfid_audit_central_lag_seconds", help, Gauge, "host", of_host(since))
    }

    /// Which antennas are listened to, and what each has delivered.
    fn antennas(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        const LISTENING: &str = "rfid_antenna_listening";
        const READS: &str = "rfid_antenna_reads";
        let mut gauge =
            out.encode_descriptor(LISTENING, "Whether the antenna is known to listen", None, Gauge)?;
        for (reader, antenna) in self.all_antennas() {
            let labels = labels(reader, &antenna);
            gauge.encode_family(&labels)?.encode_gauge(&i64::from(antenna.listening))?;
        }
        let mut counter = out.encode_descriptor(READS, "Tag reads by the antenna", None, Counter)?;
        for (reader, antenna) in self.all_antennas() {
            let labels = labels(reader, &antenna);
            let mut one = counter.encode_family(&labels)?;
            one.encode_counter::<[(&str, &str); 1], _, u64>(&antenna.reads, None)?;
        }
        Ok(())
    }

    fn all_antennas(&self) -> impl Iterator<Item = (&str, Antenna<'_>)> {
        let readers = self.0.readers.iter();
        readers.flat_map(|(name, reader)| reader.antennas().map(move |antenna| (&**name, antenna)))
    }
}

/// A reader whose antennas are one zone has one line for all its ports.
fn labels<'a>(reader: &'a str, antenna: &Antenna<'a>) -> [(&'static str, String); 3] {
    let port = antenna.port.map_or_else(|| "all".to_owned(), |port| port.to_string());
    [("reader", reader.to_owned()), ("antenna", port), ("zone", antenna.zone.to_string())]
}

/// Writes one metric for several owners.
fn write<'a>(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    kind: MetricType,
    label: &'static str,
    values: impl Iterator<Item = (&'a str, u64)>,
) -> fmt::Result {
    let mut values = values.peekable();
    if values.peek().is_none() {
        return Ok(());
    }
    let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
    for (owner, value) in values {
        let labels = [(label, owner)];
        let mut one = metric.encode_family(&labels)?;
        match kind {
            Counter => one.encode_counter::<[(&str, &str); 1], _, u64>(&value, None)?,
            _ => one.encode_gauge(&i64::try_from(value).unwrap_or(i64::MAX))?,
        }
    }
    Ok(())
}
