//! The sink in front of the hub and the webhooks.

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rfid_core::settings::schema_of;
use rfid_core::{
    Clock, ConfigFaults, Description, DurationText, Event, EventBatch, Name, Result, Settings, Sink, SinkKind,
};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::task::JoinSet;

use crate::hub::Hub;
use crate::notice::{LATE_AFTER, Notice};
use crate::webhook::{HttpTransport, Running, Surroundings, Webhook, WebhookConfig, Webhooks, check};

/// Publishes events on a hub, and hands them to webhooks.
pub struct NotifySink {
    hub: Hub,
    late_after: Duration,
    planned: Option<Planned>,
    running: Vec<Running>,
}

/// The webhooks of a sink before it is opened.
struct Planned {
    sink: Name,
    webhooks: Vec<Webhook>,
    surroundings: Surroundings,
}

impl NotifySink {
    /// A sink before this hub, without webhooks.
    pub fn new(hub: Hub) -> Self {
        Self { hub, late_after: LATE_AFTER, planned: None, running: Vec::new() }
    }

    /// Sets how old an event may be before it is late; without this, 120 s.
    pub fn late_after(mut self, late_after: Duration) -> Self {
        self.late_after = late_after;
        self
    }
}

#[async_trait]
impl Sink for NotifySink {
    async fn probe(&mut self) -> Result<()> {
        let Some(Planned { webhooks, surroundings, .. }) = &self.planned else { return Ok(()) };
        for webhook in webhooks {
            HttpTransport::new(webhook, Arc::clone(&surroundings.clock)).probe().await?;
        }
        Ok(())
    }

    async fn open(&mut self) -> Result<()> {
        if let (Some(Planned { sink, webhooks, surroundings }), true) =
            (&self.planned, self.running.is_empty())
        {
            let seeds = RandomState::new();
            let start = |webhook: &Webhook| {
                let seed = seeds.hash_one(webhook.name.as_str());
                Running::start(sink, webhook, surroundings, seed)
            };
            self.running = webhooks.iter().map(start).collect();
        }
        Ok(())
    }

    async fn deliver(&mut self, batch: &mut EventBatch) -> Result<()> {
        // Screens first: they wait for no disk.
        let notice = |event: &Event| Notice::new(event.clone()).late_after(self.late_after);
        self.hub.publish_notices(batch.events.iter().map(notice));
        let mut keeping = Vec::with_capacity(self.running.len());
        for webhook in &self.running {
            keeping.push(webhook.keep(&batch.events).await);
        }
        for webhook in keeping {
            webhook.kept().await;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        // What was delivered is in the outboxes.
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        // The hub is shared; whoever made it closes it.
        let mut closing = JoinSet::new();
        for webhook in self.running.drain(..) {
            closing.spawn(webhook.close());
        }
        while closing.join_next().await.is_some() {}
        Ok(())
    }
}

/// Options of a notify sink.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NotifyConfig {
    /// How old an event may be when a subscriber gets it. An older one is sent as `late`, and
    /// nobody announces it as new.
    #[serde(default = "late_after")]
    pub(crate) late_after: DurationText,
    /// Receivers that each event is posted to, signed, until they take it.
    #[serde(default)]
    pub(crate) webhooks: Vec<WebhookConfig>,
}

fn late_after() -> DurationText {
    DurationText(LATE_AFTER)
}

/// Makes notify sinks: `type = "notify"`. All of them publish on one hub.
#[derive(Clone)]
pub struct NotifyKind {
    hub: Hub,
    surroundings: Surroundings,
}

impl NotifyKind {
    /// Sinks before this hub, whose webhooks keep what waits in this data folder.
    pub fn new(hub: Hub, data_dir: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        let (data_dir, running) = (data_dir.into(), Webhooks::default());
        Self { hub, surroundings: Surroundings { data_dir, clock, running, late_after: LATE_AFTER } }
    }

    /// The webhooks of all sinks of this kind that run.
    pub fn webhooks(&self) -> &Webhooks {
        &self.surroundings.running
    }
}

impl SinkKind for NotifyKind {
    fn describe(&self) -> Description {
        Description {
            name: "notify",
            summary: "tells whoever subscribes (/api/v1/events), and posts to webhooks",
            schema: schema_of::<NotifyConfig>(),
            example: EXAMPLE,
        }
    }

    fn sink(&self, settings: &Settings, name: &Name) -> Result<Box<dyn Sink>, ConfigFaults> {
        let config: NotifyConfig = settings.parse()?;
        let late_after = config.late_after.0;
        let surroundings = Surroundings { late_after, ..self.surroundings.clone() };
        let planned = Planned { sink: name.clone(), webhooks: check(config.webhooks)?, surroundings };
        let sink = NotifySink::new(self.hub.clone()).late_after(late_after);
        Ok(Box::new(NotifySink { planned: Some(planned), ..sink }))
    }
}

const EXAMPLE: &str = r#"late_after = "120s"         # what is older is not announced as new
# [[sinks.my_sink.webhooks]]          # one of these for each receiver
# url = "https://hooks.example.com/rfid"
# secret = "env:HOOK_SECRET"          # signs each request; see docs/webhooks.md
# events = ["arrived", "departed"]    # all if left out
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn passes_the_suite() {
        let folder = tempfile::tempdir().unwrap();
        let kind = NotifyKind::new(Hub::new(), folder.path(), Arc::new(rfid_core::SystemClock::new()));
        let make = || kind.sink(&Settings::default(), &Name::from("screens")).unwrap();
        rfid_conformance::sink::check(make).await.assert_passed(0);
    }
}
