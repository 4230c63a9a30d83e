//! Where notices wait on the disk: a port, and what is written there.

use async_trait::async_trait;
use rfid_core::{Event, Result, UtcTime};
use serde::{Deserialize, Serialize};

/// A durable first-in-first-out queue.
#[async_trait]
pub(crate) trait Outbox: Send + Sync {
    /// Appends, all or nothing, durable on return. `Busy` if it is full.
    async fn push(&self, records: Vec<Vec<u8>>) -> Result<()>;
    /// The oldest records behind this number, with their numbers; not removed.
    async fn peek_after(&self, after: Option<u64>, limit: usize) -> Result<Vec<(u64, Vec<u8>)>>;
    /// Everything up to and including this number is done.
    async fn done(&self, number: u64) -> Result<()>;
    /// Records that are not done.
    fn len(&self) -> u64;
    /// Bytes on the disk.
    fn bytes(&self) -> u64;
    /// Writes what is known and ends.
    async fn close(&self);
}

/// Opens an outbox.
#[async_trait]
pub(crate) trait OpenOutbox: Send + Sync {
    async fn open(&self) -> Result<Box<dyn Outbox>>;
}

/// One notice in an outbox. The envelope is made when it is sent, since only then it is known
/// whether it is late.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// When it was taken over from the line.
    pub(crate) accepted: UtcTime,
    pub(crate) event: Event,
}

impl Record {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        // Nothing in an event can fail to become JSON: its maps have text keys.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// What was written, if it was written by this program.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_takes_less_than_two_kibibytes() {
        let record = Record { accepted: UtcTime::from_nanos(1), event: Event::sample() };
        let bytes = record.to_bytes();
        assert!(bytes.len() < 1_024, "{} bytes", bytes.len());
        assert_eq!(Record::from_bytes(&bytes), Some(record));
        assert_eq!(Record::from_bytes(b"{\"event\":7}"), None);
    }
}
