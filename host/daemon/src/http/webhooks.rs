//! How the webhooks are, for people and for Prometheus.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType::{Counter, Gauge};
use rfid_sink_notify::{RunningWebhook, Webhooks};
use serde_json::{Value, json};

use super::counters::{WEBHOOK, get};

pub(super) fn encode(out: &mut DescriptorEncoder, webhooks: &Webhooks) -> fmt::Result {
    let running = webhooks.running();
    if running.is_empty() {
        return Ok(());
    }
    let labels = |webhook: &RunningWebhook| {
        [("sink", webhook.sink.to_string()), ("webhook", webhook.name.to_string())]
    };
    let help = "1 if the receiver answered the last time it was asked";
    let mut up = out.encode_descriptor("rfid_webhook_up", help, None, Gauge)?;
    for webhook in &running {
        up.encode_family(&labels(webhook))?.encode_gauge(&i64::from(webhook.status.is_up()))?;
    }
    for (name, help, kind, value) in WEBHOOK {
        let mut metric = out.encode_descriptor(name, help, None, kind)?;
        for webhook in &running {
            let (labels, value) = (labels(webhook), get(value(&webhook.status)));
            let mut one = metric.encode_family(&labels)?;
            match kind {
                Counter => one.encode_counter::<[(&str, &str); 1], _, u64>(&value, None)?,
                _ => one.encode_gauge(&i64::try_from(value).unwrap_or(i64::MAX))?,
            }
        }
    }
    Ok(())
}

/// What is not as it should be, one sentence for each webhook.
///
/// It does not make the host unready: what a webhook waits for is a receiver elsewhere, which no
/// restart of this host brings back, and nobody else waits for it.
pub(super) fn degraded(webhooks: &Webhooks) -> Vec<String> {
    let said = |webhook: &RunningWebhook| {
        webhook
            .status
            .trouble()
            .map(|trouble| format!("webhook {}/{}: {trouble}", webhook.sink, webhook.name))
    };
    webhooks.running().iter().filter_map(said).collect()
}

/// The webhooks of one sink by name; nothing if it has none.
pub(super) fn states(webhooks: &Webhooks, sink: &str) -> Option<Value> {
    let mut states = serde_json::Map::new();
    for webhook in webhooks.running().iter().filter(|webhook| webhook.sink.as_str() == sink) {
        let status = &webhook.status;
        let state = json!({
            "up": status.is_up(),
            "down_since": status.down().map(|(since, _)| since),
            "waiting": get(&status.waiting),
            "waiting_bytes": get(&status.waiting_bytes),
            "delivered": get(&status.delivered),
            "retries": get(&status.retries),
            "dead_letters": get(&status.dead_letters),
            "dropped": get(&status.dropped),
            "trouble": status.trouble(),
        });
        states.insert(webhook.name.to_string(), state);
    }
    (!states.is_empty()).then_some(Value::Object(states))
}
