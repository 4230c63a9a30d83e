//! One request to see whether a receiver takes it, past the outbox.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rfid_core::{Clock, ConfigFaults, Event, EventId, Name, Settings};
use serde_json::Value;

use super::config::check;
use super::http::HttpTransport;
use super::transport::{Answer, Post, Transport};
use crate::notice::Notice;
use crate::sink::NotifyConfig;

/// `type` of the CloudEvent that a trial sends: nobody has arrived.
const TRIAL: &str = "rfid.test";

/// How a trial ended.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The webhook.
    pub name: Name,
    /// Scheme, host and path of its URL.
    pub url: String,
    /// The receiver's status, or what went wrong.
    pub outcome: Result<u16, String>,
    /// How long it took.
    pub took: Duration,
}

/// Sends one signed event of the type `rfid.test` to each webhook of a notify sink's settings, or
/// to the one named, whatever events it asks for, and waits for the answers.
///
/// # Errors
/// Everything that is wrong with the settings.
pub async fn try_webhooks(
    settings: &Settings,
    only: Option<&str>,
    clock: Arc<dyn Clock>,
) -> Result<Vec<Trial>, ConfigFaults> {
    let config: NotifyConfig = settings.parse()?;
    let mut trials = Vec::new();
    for webhook in check(config.webhooks)? {
        if only.is_some_and(|only| only != webhook.name.as_str()) {
            continue;
        }
        let start = clock.now();
        let (id, body) = sample(clock.as_ref());
        let post = Post::signed(&webhook.key, id, body, start.utc);
        let outcome = match HttpTransport::new(&webhook, Arc::clone(&clock)).post(post).await {
            Answer::Taken { status } => Ok(status),
            Answer::Refused { why, .. } => Err(why),
            Answer::Failed(failure) => Err(failure.why),
        };
        let url = webhook.shown_url();
        trials.push(Trial { name: webhook.name, url, outcome, took: clock.now().since(start) });
    }
    Ok(trials)
}

/// Id and body of an event that happened just now to nobody.
fn sample(clock: &dyn Clock) -> (String, Bytes) {
    let now = clock.now().utc;
    let sample = Event::sample();
    let event_id = EventId::derive("test", &sample.tag, now, 0);
    let event = Event {
        event_id,
        time: now,
        first_seen: now,
        last_seen: now,
        reader_time: None,
        dwell_ms: 0,
        ..sample
    };
    let body = Notice::new(event).json().clone();
    let body = match serde_json::from_slice::<Value>(&body) {
        Ok(mut envelope) => {
            envelope["type"] = TRIAL.into();
            envelope.to_string().into()
        }
        Err(_) => body,
    };
    (event_id.to_string(), body)
}
