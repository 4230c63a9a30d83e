//! The outbox on the ledger's queue. (stub)
use super::outbox::{OpenOutbox, Outbox};
use async_trait::async_trait;
use rfid_core::{Error, ErrorKind, Result};
use std::path::PathBuf;

pub(crate) struct QueueOpener {
    pub(crate) folder: PathBuf,
    pub(crate) most_bytes: u64,
}

#[async_trait]
impl OpenOutbox for QueueOpener {
    async fn open(&self) -> Result<Box<dyn Outbox>> {
        let _ = (&self.folder, self.most_bytes);
        Err(Error::new(ErrorKind::Io, "open"))
    }
}
