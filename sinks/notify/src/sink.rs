//! The sink in front of the hub.

use std::time::Duration;

use async_trait::async_trait;
use rfid_core::settings::schema_of;
use rfid_core::{
    ConfigFaults, Description, DurationText, Event, EventBatch, Name, Result, Settings, Sink, SinkKind,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hub::Hub;
use crate::notice::{LATE_AFTER, Notice};

/// Publishes events on a hub.
#[derive(Clone, Debug)]
pub struct NotifySink {
    hub: Hub,
    late_after: Duration,
}

impl NotifySink {
    /// A sink before this hub.
    pub fn new(hub: Hub) -> Self {
        Self { hub, late_after: LATE_AFTER }
    }

    /// Sets how old an event may be before it is late; without this, 120 s.
    pub fn late_after(mut self, late_after: Duration) -> Self {
        self.late_after = late_after;
        self
    }
}

#[async_trait]
impl Sink for NotifySink {
    async fn open(&mut self) -> Result<()> {
        Ok(())
    }

    async fn deliver(&mut self, batch: &mut EventBatch) -> Result<()> {
        let notice = |event: &Event| Notice::new(event.clone()).late_after(self.late_after);
        self.hub.publish_notices(batch.events.iter().map(notice));
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        // The hub is shared; whoever made it closes it.
        Ok(())
    }
}

/// Options of a notify sink.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct NotifyConfig {
    /// How old an event may be when a subscriber gets it. An older one is sent as `late`, and
    /// nobody announces it as new.
    late_after: DurationText,
}

impl Default for NotifyConfig {
    fn default() -> Self {
        Self { late_after: DurationText(LATE_AFTER) }
    }
}

/// Makes notify sinks: `type = "notify"`. All of them publish on one hub.
#[derive(Clone, Debug)]
pub struct NotifyKind {
    hub: Hub,
}

impl NotifyKind {
    /// Sinks before this hub.
    pub fn new(hub: Hub) -> Self {
        Self { hub }
    }
}

impl SinkKind for NotifyKind {
    fn describe(&self) -> Description {
        Description {
            name: "notify",
            summary: "tells whoever subscribes: /api/v1/events",
            schema: schema_of::<NotifyConfig>(),
            example: "late_after = \"120s\"         # what is older is not announced as new\n",
        }
    }

    fn sink(&self, settings: &Settings, _: &Name) -> Result<Box<dyn Sink>, ConfigFaults> {
        let NotifyConfig { late_after } = settings.parse()?;
        Ok(Box::new(NotifySink::new(self.hub.clone()).late_after(late_after.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn passes_the_suite() {
        let kind = NotifyKind::new(Hub::new());
        let make = || kind.sink(&Settings::default(), &Name::from("screens")).unwrap();
        rfid_conformance::sink::check(make).await.assert_passed(0);
    }
}
