//! What is counted: name, help and place of each counter.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::metrics::MetricType::{self, Counter, Gauge};
use rfid_core::pipeline::{PipelineCounters, SinkStatus};
use rfid_core::supervisor::ReaderCounters;
use rfid_ledger::LedgerStatus;
use rfid_sink_notify::WebhookStatus;

/// Name, help, and where the value stands.
pub(super) type Metric<T> = (&'static str, &'static str, MetricType, fn(&T) -> &AtomicU64);

pub(super) const READER: [Metric<ReaderCounters>; 5] = [
    ("rfid_reader_reads", "Tag reads delivered by the reader", Counter, |counters| &counters.reads),
    ("rfid_reader_batches", "Batches of tag reads delivered by the reader", Counter, |counters| {
        &counters.batches
    }),
    ("rfid_reader_connects", "Sessions that came to read", Counter, |counters| &counters.connects),
    ("rfid_reader_failures", "Sessions that failed or could not be opened", Counter, |counters| {
        &counters.failures
    }),
    ("rfid_reader_lost_reads", "Reads that the reader or its driver lost", Counter, |counters| {
        &counters.lost
    }),
];

pub(super) const PIPELINE: [Metric<PipelineCounters>; 20] = [
    ("rfid_pipeline_sightings", "Sightings that reached presence", Counter, |counters| &counters.sightings),
    ("rfid_pipeline_batches", "Batches that reached presence", Counter, |counters| &counters.batches),
    ("rfid_pipeline_merged", "Sightings merged under overload", Counter, |counters| &counters.merged),
    ("rfid_pipeline_shed", "Sightings dropped under overload", Counter, |counters| &counters.shed),
    ("rfid_pipeline_lost", "Sightings that readers reported as lost", Counter, |counters| &counters.lost),
    ("rfid_pipeline_unconfirmed", "Glimpses that were not confirmed", Counter, |counters| {
        &counters.unconfirmed
    }),
    ("rfid_pipeline_crowded_out", "Glimpses that newer ones pushed out too early", Counter, |counters| {
        &counters.crowded_out
    }),
    (
        "rfid_pipeline_check_failed",
        "Reads whose check code did not fit: rows that were spoilt on their way",
        Counter,
        |counters| &counters.check_failed,
    ),
    ("rfid_pipeline_no_identity", "Reads of tags that make up their ids", Counter, |counters| {
        &counters.no_identity
    }),
    ("rfid_pipeline_impossible_length", "Reads of a length that no tag has", Counter, |counters| {
        &counters.impossible_length
    }),
    ("rfid_pipeline_unknown_header", "Reads with a header that no scheme has", Counter, |counters| {
        &counters.unknown_header
    }),
    ("rfid_pipeline_without_zone", "Reads by antennas without a zone", Counter, |counters| {
        &counters.without_zone
    }),
    ("rfid_pipeline_over_limit", "Reads of tags over the limit", Counter, |counters| &counters.over_limit),
    ("rfid_pipeline_events", "Events given", Counter, |counters| &counters.events),
    ("rfid_pipeline_unconfirmed_events", "Events that passed a failing sink", Counter, |counters| {
        &counters.unconfirmed_events
    }),
    ("rfid_pipeline_checkpoint_failures", "Checkpoints that could not be written", Counter, |counters| {
        &counters.checkpoint_failures
    }),
    ("rfid_pipeline_unkept", "Visits and events that the checkpoint waits for", Gauge, |counters| {
        &counters.unkept
    }),
    ("rfid_pipeline_tracked_tags", "Tags tracked at present", Gauge, |counters| &counters.tracked),
    ("rfid_pipeline_present_tags", "Tags that count as present", Gauge, |counters| &counters.present),
    ("rfid_pipeline_set_aside_tags", "Tags that are here and set aside", Gauge, |counters| {
        &counters.set_aside
    }),
];

pub(super) const SINK: [Metric<SinkStatus>; 7] = [
    ("rfid_sink_delivered", "Events that the sink has done its duty for", Counter, |status| {
        &status.delivered
    }),
    ("rfid_sink_retries", "Deliveries that were tried again", Counter, |status| &status.retries),
    ("rfid_sink_passed_on", "Events that passed on although the sink failed", Counter, |status| {
        &status.passed_on
    }),
    ("rfid_sink_spilled", "Events that went into the sink's backlog", Counter, |status| &status.spilled),
    ("rfid_sink_backlog", "Events in the sink's backlog", Gauge, |status| &status.backlog),
    ("rfid_sink_lost", "Events that the sink will never get", Counter, |status| &status.lost),
    ("rfid_sink_waiting", "Events handed to the sink and not yet back", Gauge, |status| &status.waiting),
];

/// Of the ledger of the data folder: name, help, kind, and where the value is.
pub(super) const LEDGER: [Metric<LedgerStatus>; 8] = [
    ("rfid_ledger_first_sequence", "The oldest number that is kept", Gauge, |status| &status.first),
    ("rfid_ledger_last_sequence", "The highest number that is durable", Gauge, |status| &status.last),
    ("rfid_ledger_bytes", "Bytes of all segments", Gauge, |status| &status.bytes),
    ("rfid_ledger_segments", "Segment files", Gauge, |status| &status.segments),
    ("rfid_ledger_reserve_bytes", "Bytes kept for a full disk", Gauge, |status| &status.reserve),
    ("rfid_ledger_syncs", "Syncs to the disk", Counter, |status| &status.syncs),
    ("rfid_ledger_gaps", "Gap records written", Counter, |status| &status.gaps),
    ("rfid_ledger_lost", "Events that gap records stand for", Counter, |status| &status.lost),
];

/// Labelled with sink and webhook.
pub(super) const WEBHOOK: [Metric<WebhookStatus>; 6] = [
    ("rfid_webhook_delivered", "Events that the receiver has taken", Counter, |status| &status.delivered),
    ("rfid_webhook_retries", "Tries that failed and are repeated", Counter, |status| &status.retries),
    ("rfid_webhook_dead_letters", "Events given up and written to the dead letters", Counter, |status| {
        &status.dead_letters
    }),
    ("rfid_webhook_dropped", "Events lost for want of room on the disk and in memory", Counter, |status| {
        &status.dropped
    }),
    ("rfid_webhook_waiting", "Events that wait for the receiver or are under way", Gauge, |status| {
        &status.waiting
    }),
    ("rfid_webhook_waiting_bytes", "Bytes of events that wait for the receiver", Gauge, |status| {
        &status.waiting_bytes
    }),
];

pub(super) fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
