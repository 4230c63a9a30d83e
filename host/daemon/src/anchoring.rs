//! What keeps the audit trail provable while a host runs: its end is written elsewhere, and signed; a copy
//! goes to where those of all hosts are; its disk is watched.

use std::sync::Arc;

use rfid_core::{Clock, Result, UtcTime};
use rfid_service::audit::anchors::{self, Anchor};
use rfid_service::audit::archive::Archives;
use rfid_service::audit::signatures::PublicKey;
use rfid_service::audit::space::{SpaceWatch, SystemDisk};
use rfid_service::audit::{ArchivingState, Copying, Head, SigningState, Trail, Watch};
use rfid_service::seal::Keys;
use rfid_service::store::Store;

use crate::config::AuditConfig;
use crate::signing;

/// Writes the end of the trail elsewhere, again and again.
#[derive(Clone)]
pub(crate) struct Anchors {
    pub(crate) trail: Arc<Trail>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Of which trail.
    pub(crate) of: String,
    pub(crate) config: AuditConfig,
    pub(crate) key: Option<PublicKey>,
    pub(crate) watch: Arc<Watch>,
}

impl Anchors {
    /// Does so until it is ended.
    pub(crate) async fn keep(self) {
        let mut ticks = tokio::time::interval(self.config.every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last = None;
        loop {
            ticks.tick().await;
            match self.trail.head().await {
                Ok(head) => {
                    let anchor = self.anchor(head);
                    match self.signed(&anchor).await {
                        Some(signed) => self.add(signed).await,
                        None if last == Some(head) => {}
                        None => self.add(anchor).await,
                    }
                    last = Some(head);
                }
                Err(error) => {
                    tracing::error!(error = format!("{error:#}"), "the end of the audit trail is not known")
                }
            }
        }
    }

    pub(crate) fn anchor(&self, head: Head) -> Anchor {
        Anchor { trail: self.of.clone(), at: self.clock.now().utc, head, signature: None }
    }

    /// The same with a signature, where one is due. What cannot be signed is anchored without, and tried
    /// again with the next.
    async fn signed(&self, anchor: &Anchor) -> Option<Anchor> {
        let (config, state) = (self.config.signing.as_ref()?, self.watch.signing.as_ref()?);
        if state.last().is_some_and(|last| anchor.at.since(last) < config.every) {
            return None;
        }
        match signing::sign(config, self.key.as_ref(), anchor.clone()).await {
            Ok(signed) => Some(signed),
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the end of the audit trail cannot be signed");
                state.failed(format!("{error:#}"));
                None
            }
        }
    }

    pub(crate) async fn add(&self, anchor: Anchor) {
        let (head, is_signed) = (anchor.head, anchor.signature.is_some());
        // Whoever keeps the log elsewhere keeps the end of the trail with it.
        tracing::info!(number = head.number, hash = %head.hash, is_signed, "the audit trail ends here");
        let at = anchor.at;
        let mut is_kept = true;
        for path in &self.config.anchors {
            let (path, anchor) = (path.clone(), anchor.clone());
            let added = tokio::task::spawn_blocking(move || anchors::add(&path, &anchor)).await;
            is_kept &= matches!(added, Ok(Ok(())));
            match added {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::error!(
                        error = format!("{error:#}"),
                        "the end of the audit trail cannot be written elsewhere"
                    );
                }
                Err(error) => {
                    tracing::error!(%error, "the end of the audit trail cannot be written elsewhere")
                }
            }
        }
        match &self.watch.signing {
            Some(state) if is_signed && is_kept => state.signed(at),
            Some(state) if is_signed => state.failed("a file of anchors cannot be written".to_owned()),
            _ => {}
        }
    }
}

/// What is watched of a trail that is called `of`.
pub(crate) async fn watch_of(
    config: &AuditConfig,
    of: &str,
    store: &Arc<dyn Store>,
    trail: &Arc<Trail>,
    keys: &Arc<Keys>,
    clock: &Arc<dyn Clock>,
) -> Result<Watch> {
    let mut could_change = Vec::new();
    let copying = match store.central_trail() {
        None => None,
        Some(central) => {
            could_change = central.could_change().await?;
            if !could_change.is_empty() {
                tracing::warn!(
                    by = could_change.join(", "),
                    "this host could change the central audit trail: let another role own its table, and grant this \
                     one no more than to read and to add"
                );
            }
            let (trail, clock) = (Arc::clone(trail), Arc::clone(clock));
            Some(Copying::new(trail, central, of, config.table_within, clock))
        }
    };
    let space = SpaceWatch::new(trail.folder(), Arc::new(SystemDisk), config.space);
    let signing = match &config.signing {
        None => None,
        Some(_) => Some(SigningState::new(last_signed(config, of)?)),
    };
    let archiving = match &config.archiving {
        None => None,
        Some(config) => {
            let archives = Archives::new(&config.folder, Some(Arc::clone(keys)));
            // A disk that is not there is no reason not to recognise anybody; it is told all the same.
            let latest = archives.latest(trail.id()).await.ok().flatten();
            Some(ArchivingState::new(archives, latest))
        }
    };
    Ok(Watch { copying, could_change, space, signing, archiving })
}

/// When the last signed anchor of a trail was made, that is in all files.
fn last_signed(config: &AuditConfig, of: &str) -> Result<Option<UtcTime>> {
    let mut last = None;
    for (at, path) in config.anchors.iter().enumerate() {
        let signed = anchors::read(path, of)?.into_iter().filter(|anchor| anchor.signature.is_some());
        let newest = signed.map(|anchor| anchor.at).max();
        last = if at == 0 { newest } else { last.min(newest) };
    }
    Ok(last)
}
