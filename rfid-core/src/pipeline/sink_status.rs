//! What a sink counts, and how it is.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::UtcTime;
use crate::pipeline::OnFailure;

/// What a sink counts, and how it is.
#[derive(Debug, Default)]
pub struct SinkStatus {
    /// Events that the sink has done its duty for, also those that came late.
    pub delivered: AtomicU64,
    /// Deliveries that were tried again.
    pub retries: AtomicU64,
    /// Events that passed on although the sink had not done its duty.
    pub passed_on: AtomicU64,
    /// Those of them that went into the backlog.
    pub spilled: AtomicU64,
    /// Events in the backlog at present.
    pub backlog: AtomicU64,
    /// Events that could be kept nowhere and that the sink will never get.
    pub lost: AtomicU64,
    /// Events handed to the sink and not yet back.
    pub waiting: AtomicU64,
    pub(super) open: AtomicBool,
    pub(super) on_failure: OnFailure,
    failing: Mutex<Option<Failing>>,
    backlog_error: Mutex<Option<String>>,
}

#[derive(Clone, Debug)]
struct Failing {
    since: UtcTime,
    error: String,
}

impl SinkStatus {
    pub(super) fn new(on_failure: OnFailure) -> Self {
        Self { on_failure, ..Self::default() }
    }

    /// Whether the sink is open, its last delivery went well, and nothing is owed to it.
    pub fn is_well(&self) -> bool {
        self.open.load(Ordering::Relaxed)
            && self.backlog.load(Ordering::Relaxed) == 0
            && self.failing().is_none()
            && self.backlog_error().is_none()
    }

    /// What is wrong, while something is.
    pub fn last_error(&self) -> Option<String> {
        self.failing().as_ref().map(|failing| failing.error.clone())
    }

    /// Since when something is wrong, while something is.
    pub fn failing_since(&self) -> Option<UtcTime> {
        self.failing().as_ref().map(|failing| failing.since)
    }

    /// What is wrong with the place where the sink's backlog is kept, while something is.
    pub fn backlog_error(&self) -> Option<String> {
        self.backlog_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is wrong and what that means, as one line, while the sink is not well.
    pub fn complaint(&self) -> Option<String> {
        let backlog = self.backlog.load(Ordering::Relaxed);
        let failing = self.failing().clone();
        let meaning = match self.on_failure {
            _ if backlog > 0 => format!("{backlog} events wait and are marked unregistered"),
            OnFailure::Retry => "its events wait, and everything behind it".to_owned(),
            OnFailure::Pass => "its events pass on without it, marked".to_owned(),
            OnFailure::Spill => "its events will wait, marked unregistered".to_owned(),
        };
        let complaint = match failing {
            Some(Failing { since, error }) => Some(format!("fails since {since}: {error}; {meaning}")),
            None if backlog > 0 => Some(format!("catches up: {meaning}")),
            None if !self.open.load(Ordering::Relaxed) => Some("is not open yet".to_owned()),
            None => None,
        };
        let of_backlog = self.backlog_error().map(|error| format!("cannot keep events on disk: {error}"));
        match (complaint, of_backlog) {
            (Some(complaint), Some(of_backlog)) => Some(format!("{complaint}; it {of_backlog}")),
            (complaint, of_backlog) => complaint.or(of_backlog),
        }
    }

    pub(super) fn note_backlog(&self, error: Option<String>) {
        *self.backlog_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    pub(super) fn note_well(&self) {
        *self.failing() = None;
    }

    pub(super) fn note_failure(&self, error: String, now: UtcTime) {
        let mut failing = self.failing();
        let since = failing.as_ref().map_or(now, |failing| failing.since);
        *failing = Some(Failing { since, error });
    }

    /// Whole after every statement, so a panic elsewhere does not spoil it.
    fn failing(&self) -> MutexGuard<'_, Option<Failing>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
