//! The reader's own time.

use std::time::Duration;

use rfid_llrp::parameter::{Timestamp, UTCTimestamp, Uptime};

/// A clock that counts from the reader's start, and may know what that is in the calendar.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReaderClock {
    /// Microseconds since 1970 at the emulator's start.
    utc_at_zero: Option<u64>,
    /// Time of the emulator at the reader's last start.
    started: Duration,
}

impl ReaderClock {
    pub(super) fn new(utc_at_zero: Option<u64>) -> Self {
        Self { utc_at_zero, started: Duration::ZERO }
    }

    /// The reader was started anew.
    pub(super) fn restart(&mut self, at: Duration) {
        self.started = at;
    }

    pub(super) fn has_utc(&self) -> bool {
        self.utc_at_zero.is_some()
    }

    /// A time as this reader reports it.
    pub(super) fn microseconds(&self, at: Duration) -> u64 {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        match self.utc_at_zero {
            Some(utc) => utc.saturating_add(micros(at)),
            None => micros(at.saturating_sub(self.started)),
        }
    }

    /// When a time of the calendar comes; at once if it has passed.
    pub(super) fn moment_of(&self, utc: u64) -> Duration {
        Duration::from_micros(utc.saturating_sub(self.utc_at_zero.unwrap_or(utc)))
    }

    pub(super) fn timestamp(&self, at: Duration) -> Timestamp {
        let microseconds = self.microseconds(at);
        if self.has_utc() { UTCTimestamp { microseconds }.into() } else { Uptime { microseconds }.into() }
    }
}
