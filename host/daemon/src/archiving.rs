//! Old records of the audit trail go into archives, once a day, and archives that are old go.
//!
//! A host does so with its own trail, which nobody else may write, and with that of the commands, which it
//! opens for as long and only when there is something to do: a command at that moment is told that the trail
//! is in use.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rfid_core::{Clock, ErrorKind, Result, UtcTime};
use rfid_service::audit::archive::{Archives, Ask, Manifest, is_due};
use rfid_service::audit::{CentralTrail, Copying, Trail, Watch};
use rfid_service::randomness::SystemRandomness;
use rfid_service::seal::Keys;
use rfid_service::store::Actor;

use crate::config::ArchivingConfig;

/// How often it is looked whether a day is over; what failed is tried again as often.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// The first look waits until a start is over.
const FIRST_LOOK: Duration = Duration::from_secs(10);
const RUN_EVERY: Duration = Duration::from_secs(24 * 3600);

/// Takes old records out while a host runs.
pub(crate) struct Archiver {
    pub(crate) trail: Arc<Trail>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) clock: Arc<dyn Clock>,
    /// What the trail is called.
    pub(crate) of: String,
    /// Folder of the trail of the commands, and what that is called.
    pub(crate) console: PathBuf,
    pub(crate) console_of: String,
    /// Where the trails of all hosts are, if anywhere.
    pub(crate) central: Option<Arc<dyn CentralTrail>>,
    /// Where archives go, if there are any.
    pub(crate) config: Option<ArchivingConfig>,
    pub(crate) watch: Arc<Watch>,
}

impl Archiver {
    /// Does so until it is ended.
    pub(crate) async fn keep(self) {
        tokio::time::sleep(FIRST_LOOK).await;
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.trail.look_for_oldest().await {
                tracing::warn!(error = format!("{error:#}"), "how old the audit trail is is not known");
            }
            let (Some(config), Some(state)) = (&self.config, &self.watch.archiving) else { continue };
            let now = self.clock.now().utc;
            if state.looked().is_some_and(|looked| now.since(looked) < RUN_EVERY) {
                continue;
            }
            match self.run(config, state.archives(), now).await {
                Ok(last) => {
                    state.ran(now, last.map(|manifest| (manifest.contents.made_at, manifest.file)));
                }
                Err(error) => {
                    tracing::error!(
                        error = format!("{error:#}"),
                        "old records of the audit trail cannot be archived"
                    );
                    state.failed(format!("{error:#}"));
                }
            }
        }
    }

    /// Both trails; returns the last archive of the host's own.
    async fn run(
        &self,
        config: &ArchivingConfig,
        archives: &Archives,
        now: UtcTime,
    ) -> Result<Option<Manifest>> {
        // What the central table does not have yet is still needed here.
        let at_most = self.watch.copying.as_ref().map_or(u64::MAX, Copying::copied);
        let ask = Ask {
            trail: self.of.clone(),
            before: now.minus(config.online_for),
            at_most,
            by: Actor::Host,
            from: "host".to_owned(),
        };
        let remove_before = config.archives_for.map(|kept| now.minus(kept));
        let made = self.trail.archive(archives, &ask, Arc::new(SystemRandomness)).await?;
        remove(&self.trail, archives, remove_before, &ask).await?;
        self.console(archives, &Ask { trail: self.console_of.clone(), ..ask }, remove_before).await?;
        Ok(made.into_iter().next_back())
    }

    async fn console(&self, archives: &Archives, ask: &Ask, remove_before: Option<UtcTime>) -> Result<()> {
        if !is_due(&self.console, archives, ask.before, remove_before).await? {
            return Ok(());
        }
        let trail = Trail::open(&self.console, Arc::clone(&self.keys), Arc::clone(&self.clock)).await;
        let trail = match trail {
            // A command runs; tomorrow is early enough.
            Err(error) if error.kind() == ErrorKind::Busy => return Ok(()),
            trail => Arc::new(trail?),
        };
        let central = self.central.clone().map(|central| (central, Arc::clone(&self.clock)));
        archive_once(&trail, central, archives, ask, remove_before).await.map(drop)
    }
}

/// Removes the oldest archive, where it is old enough.
async fn remove(
    trail: &Trail,
    archives: &Archives,
    before: Option<UtcTime>,
    ask: &Ask,
) -> Result<Option<Manifest>> {
    match before {
        Some(before) => trail.remove_old_archive(archives, before, ask.by.clone(), &ask.from).await,
        None => Ok(None),
    }
}

/// What a run has done.
pub(crate) struct Ran {
    pub(crate) made: Vec<Manifest>,
    pub(crate) removed: Option<Manifest>,
}

/// A run with a trail that is open for this alone, and closed then. The central table gets what it lacks
/// before and after.
pub(crate) async fn archive_once(
    trail: &Arc<Trail>,
    central: Option<(Arc<dyn CentralTrail>, Arc<dyn Clock>)>,
    archives: &Archives,
    ask: &Ask,
    remove_before: Option<UtcTime>,
) -> Result<Ran> {
    let copying = central.map(|(central, clock)| {
        Copying::new(Arc::clone(trail), central, ask.trail.as_str(), Duration::ZERO, clock)
    });
    let outcome = async {
        let mut ask = ask.clone();
        if let Some(copying) = &copying {
            copying.catch_up().await?;
            ask.at_most = ask.at_most.min(copying.copied());
        }
        let made = trail.archive(archives, &ask, Arc::new(SystemRandomness)).await?;
        let removed = remove(trail, archives, remove_before, &ask).await?;
        if let Some(copying) = &copying
            && let Err(error) = copying.catch_up().await
        {
            tracing::warn!(error = format!("{error:#}"), "the central audit trail lacks the last records");
        }
        Ok(Ran { made, removed })
    }
    .await;
    trail.close().await;
    outcome
}
