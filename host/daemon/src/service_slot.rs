//! Where sinks find the customer service.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use rfid_core::{Error, ErrorKind, Event, Record, Result};
use rfid_service::recognition::Recognition;
use rfid_service::service::Service;
use rfid_sink_lookup::Directory;

/// The place where sinks find the service, once it runs.
#[derive(Clone, Default)]
pub(crate) struct ServiceSlot(Arc<OnceLock<Arc<Service>>>);

impl ServiceSlot {
    fn recognition(&self) -> Result<&Arc<Recognition>> {
        let service = self.0.get().ok_or_else(|| {
            Error::new(ErrorKind::Config, "find")
                .with_detail("the customer service does not run in this host")
        })?;
        Ok(service.recognition())
    }

    /// Puts the service there. A host has one for as long as it runs.
    pub(crate) fn fill(&self, service: Arc<Service>) {
        let _ = self.0.set(service);
    }

    /// The service, if it runs.
    pub(crate) fn get(&self) -> Option<&Arc<Service>> {
        self.0.get()
    }
}

#[async_trait]
impl Directory for ServiceSlot {
    async fn open(&self) -> Result<()> {
        self.recognition()?.open().await
    }

    async fn find(&self, events: &[Event]) -> Result<Vec<Option<Record>>> {
        self.recognition()?.find(events).await
    }

    fn registers(&self) -> bool {
        true
    }
}
