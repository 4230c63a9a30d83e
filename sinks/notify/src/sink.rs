//! The sink in front of the hub.

use async_trait::async_trait;
use rfid_core::settings::schema_of;
use rfid_core::{ConfigFaults, Description, EventBatch, Name, Result, Settings, Sink, SinkKind};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::hub::Hub;

/// Publishes events on a hub.
#[derive(Clone, Debug)]
pub struct NotifySink {
    hub: Hub,
}

impl NotifySink {
    /// A sink before this hub.
    pub fn new(hub: Hub) -> Self {
        Self { hub }
    }
}

#[async_trait]
impl Sink for NotifySink {
    async fn open(&mut self) -> Result<()> {
        Ok(())
    }

    async fn deliver(&mut self, batch: &mut EventBatch) -> Result<()> {
        self.hub.publish(batch.events.iter().cloned());
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

/// Options of a notify sink: none yet.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NotifyConfig {}

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
            example: "# no options\n",
        }
    }

    fn sink(&self, settings: &Settings, _: &Name) -> Result<Box<dyn Sink>, ConfigFaults> {
        let NotifyConfig {} = settings.parse()?;
        Ok(Box::new(NotifySink::new(self.hub.clone())))
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
