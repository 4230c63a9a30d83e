//! The outbox on the ledger's queue.

use std::path::PathBuf;

use async_trait::async_trait;
use rfid_core::Result;
use rfid_ledger::{Queue, QueueSettings};

use super::outbox::{OpenOutbox, Outbox};

/// Opens the queue of one webhook.
pub(crate) struct QueueOpener {
    pub(crate) folder: PathBuf,
    pub(crate) most_bytes: u64,
}

#[async_trait]
impl OpenOutbox for QueueOpener {
    async fn open(&self) -> Result<Box<dyn Outbox>> {
        let settings = QueueSettings { most_bytes: self.most_bytes, ..QueueSettings::default() };
        Ok(Box::new(Queue::open(&self.folder, settings).await?))
    }
}

#[async_trait]
impl Outbox for Queue {
    async fn push(&self, records: Vec<Vec<u8>>) -> Result<()> {
        Queue::push(self, records).await.map(drop)
    }

    async fn peek_after(&self, after: Option<u64>, limit: usize) -> Result<Vec<(u64, Vec<u8>)>> {
        match after {
            Some(after) => Queue::peek_after(self, after, limit).await,
            None => self.peek(limit).await,
        }
    }

    async fn done(&self, number: u64) -> Result<()> {
        Queue::done(self, number).await
    }

    fn len(&self) -> u64 {
        Queue::len(self)
    }

    fn bytes(&self) -> u64 {
        Queue::bytes(self)
    }

    async fn close(&self) {
        Queue::close(self).await;
    }
}
