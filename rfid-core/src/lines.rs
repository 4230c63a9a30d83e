//! A limit on log lines, for tasks on the runtime's clock.

use tokio::time::Instant;

use crate::log_limit::{LogLimit, Unsaid};

/// A [`LogLimit`] whose time is the runtime's.
#[derive(Debug)]
pub(crate) struct Lines {
    limit: LogLimit,
    began: Instant,
}

impl Default for Lines {
    fn default() -> Self {
        Self { limit: LogLimit::default(), began: Instant::now() }
    }
}

impl Lines {
    /// As [`LogLimit::allow`].
    pub(crate) fn allow(&mut self) -> Option<Unsaid> {
        self.limit.allow(self.began.elapsed())
    }

    /// As [`LogLimit::settle`].
    pub(crate) fn settle(&mut self) -> Option<Unsaid> {
        self.limit.settle(self.began.elapsed())
    }

    /// As [`LogLimit::due`].
    pub(crate) fn due(&self) -> Option<Instant> {
        self.limit.due().map(|due| self.began + due)
    }
}
