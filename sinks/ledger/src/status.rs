//! How a ledger is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::writer::Writer;

/// How a ledger is, and what it has counted since it was opened.
#[derive(Debug, Default)]
pub struct LedgerStatus {
    /// The highest number that is durable.
    pub last: AtomicU64,
    /// Number of the first record that is kept.
    pub first: AtomicU64,
    /// Bytes of all segments.
    pub bytes: AtomicU64,
    /// Segments.
    pub segments: AtomicU64,
    /// Syncs to the disk.
    pub syncs: AtomicU64,
    /// Gaps written.
    pub gaps: AtomicU64,
    /// Things that these gaps stand for.
    pub lost: AtomicU64,
    /// Bytes that are kept free for the day on which the disk is full.
    pub reserve: AtomicU64,
    id: OnceLock<[u8; 16]>,
    error: Mutex<Option<String>>,
}

impl LedgerStatus {
    /// Identity of the ledger.
    pub(crate) fn id(&self) -> [u8; 16] {
        self.id.get().copied().unwrap_or_default()
    }

    /// What is wrong, while something is.
    pub fn error(&self) -> Option<String> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn note(&self, writer: &Writer) {
        for (counter, value) in [
            (&self.last, writer.last()),
            (&self.first, writer.first()),
            (&self.bytes, writer.bytes()),
            (&self.segments, writer.segment_count()),
            (&self.syncs, writer.syncs),
            (&self.reserve, writer.reserve()),
        ] {
            counter.store(value, Ordering::Release);
        }
        self.id.get_or_init(|| writer.ledger());
    }

    pub(crate) fn note_outcome<T>(&self, outcome: &std::io::Result<T>) {
        let error = outcome.as_ref().err().map(ToString::to_string);
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}
