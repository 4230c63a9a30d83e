//! What the log says of one reader.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep_until;

use super::ReaderState;
use crate::driver::ReaderInfo;
use crate::error::{Error, ErrorKind};
use crate::lines::Lines;
use crate::name::Name;

/// Tells how a reader is: a line for each change, and a sum where it changes too fast to be read.
pub(super) struct Told {
    reader: Name,
    lines: Lines,
}

impl Told {
    pub(super) fn new(reader: Name) -> Self {
        Self { reader, lines: Lines::default() }
    }

    pub(super) fn reading(&mut self, info: &ReaderInfo) {
        let ReaderInfo { model, firmware, .. } = info;
        if let Some(unsaid) = self.lines.allow() {
            tracing::info!(reader = %self.reader, model, firmware, "reader is reading{unsaid}");
        }
    }

    /// It did not work, after which state, and how long it takes to the next try.
    pub(super) fn down(&mut self, error: &Error, reason: &str, before: &ReaderState, wait: Duration) {
        let reader = &self.reader;
        let what = match before {
            ReaderState::Down { reason: before, .. } if before == reason => {
                tracing::debug!(%reader, reason, ?wait, "reader is still down");
                return;
            }
            _ if error.kind() == ErrorKind::Panicked => "the driver panicked; a new session is made",
            ReaderState::Down { .. } => "reader is down for another reason",
            _ => "reader is down; it is tried again and again",
        };
        match self.lines.allow() {
            None => {}
            Some(unsaid) if error.kind() == ErrorKind::Panicked => {
                tracing::error!(%reader, reason, "{what}{unsaid}");
            }
            Some(unsaid) => tracing::warn!(%reader, reason, "{what}{unsaid}"),
        }
    }

    /// Says how the reader is when lines were held back and nothing has been said since. Never
    /// ends.
    pub(super) async fn sum_up(&mut self, state: &watch::Sender<ReaderState>) -> Infallible {
        loop {
            match self.lines.due() {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
            let Some(unsaid) = self.lines.settle() else { continue };
            let (reader, state) = (&self.reader, state.borrow());
            match &*state {
                ReaderState::Reading { .. } => tracing::info!(%reader, "reader is reading{unsaid}"),
                ReaderState::Down { reason, .. } => {
                    tracing::warn!(%reader, reason, "reader is down{unsaid}");
                }
                ReaderState::Connecting | ReaderState::Stopped => {
                    tracing::info!(%reader, state = state.label(), "reader{unsaid}");
                }
            }
        }
    }
}
