//! A place behind a pipeline's sinks where one can look on.

use async_trait::async_trait;
use rfid_core::{Event, EventBatch, Name, Result, Sink, SinkHandle};
use tokio::sync::broadcast;

/// Events that somebody who looks on may lag behind before some are missed.
const TAPPED_EVENTS: usize = 1024;

/// Hands copies of a pipeline's events to whoever looks on, as they are behind the last sink.
#[derive(Clone, Debug)]
pub(crate) struct PipelineTap(broadcast::Sender<Event>);

impl Default for PipelineTap {
    fn default() -> Self {
        Self(broadcast::Sender::new(TAPPED_EVENTS))
    }
}

impl PipelineTap {
    /// The end of the chain.
    pub(crate) fn sink(&self) -> SinkHandle {
        SinkHandle::spawn(Name::from("tap"), Box::new(self.clone()))
    }

    /// Events from now on. One who is too slow misses some and is told how many.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }
}

#[async_trait]
impl Sink for PipelineTap {
    async fn open(&mut self) -> Result<()> {
        Ok(())
    }

    async fn deliver(&mut self, batch: &mut EventBatch) -> Result<()> {
        if self.0.receiver_count() > 0 {
            for event in &batch.events {
                // Whoever listened may be gone by now.
                let _ = self.0.send(event.clone());
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        Ok(())
    }
}
