//! Sessions when the host starts anew: whoever was logged in still is, unless it has been too long.

use std::time::Duration;

use super::super::Service;
use super::super::fault::Fault;
use crate::account::kept::SessionFile;

/// So often what goes on is written. A host that is killed forgets that a session was used since, and ends it
/// so much earlier; what somebody ended is written at once.
const WRITTEN_EVERY: Duration = Duration::from_secs(10);

impl Service {
    /// The same, and its sessions outlast its end in this file.
    #[must_use]
    pub fn with_session_file(mut self, file: SessionFile) -> Self {
        self.accounts.file = Some(file);
        self
    }

    /// Takes over sessions of an earlier run. Whose account was changed meanwhile, or cannot be used any more, is
    /// found out when the session is used. Returns how many go on.
    ///
    /// # Errors
    /// Where the file cannot be read, or was sealed under another master secret: then everybody logs in anew.
    pub async fn take_over_sessions(&self) -> rfid_core::Result<usize> {
        let Some(file) = &self.accounts.file else { return Ok(0) };
        let (kept, ended) = file.read(self.now()).await?;
        Ok(self.accounts.sessions.take_over(kept, ended, self.monotonic(), &self.accounts.settings))
    }

    /// Writes again and again which sessions go on, for as long as it runs.
    pub async fn keep_sessions(&self) {
        let mut ticks = tokio::time::interval(WRITTEN_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(fault) = self.save_sessions().await {
                tracing::warn!(%fault, "which sessions go on is not written; whoever is logged in is asked anew \
                                        when the host starts anew");
            }
        }
    }

    /// Writes which sessions go on.
    ///
    /// # Errors
    /// `Store`.
    pub async fn save_sessions(&self) -> Result<(), Fault> {
        let Some(file) = &self.accounts.file else { return Ok(()) };
        let sessions = &self.accounts.sessions;
        let kept = || sessions.kept(self.monotonic(), &self.accounts.settings);
        Ok(file.write(|| sessions.changes(), kept, self.now()).await?)
    }
}
