//! The end of an archive that was kept for long enough.

use rfid_core::{Result, UtcTime};

use super::making::Told;
use super::notes::{self, REMOVED};
use super::{Archives, Manifest, Step};
use crate::audit::Trail;
use crate::hex::hex;
use crate::off_runtime::off_runtime;
use crate::store::Actor;

impl Trail {
    /// Removes the oldest archive if everything in it was written before this time; the trail says so before.
    /// One at most for each call, so that a clock that is years ahead does not empty the folder. Returns which.
    ///
    /// # Errors
    /// `Config` where the folder is not there; `Damaged` where the archive does not say what it holds; `Io`.
    pub async fn remove_old_archive(
        &self,
        archives: &Archives,
        before: UtcTime,
        by: Actor,
        from: &str,
    ) -> Result<Option<Manifest>> {
        self.remove_old_archive_told(archives, before, by, from, &|_| Ok(())).await
    }

    pub(super) async fn remove_old_archive_told(
        &self,
        archives: &Archives,
        before: UtcTime,
        by: Actor,
        from: &str,
        told: Told<'_>,
    ) -> Result<Option<Manifest>> {
        let (looking, id, trail) = (archives.clone(), hex(&self.id()), self.folder().to_owned());
        let oldest = off_runtime("archive", move || {
            let Some(oldest) = super::folder::list(&looking.folder, &id)?.into_iter().next() else {
                return Ok(None);
            };
            let (mut manifest, reader) = (oldest.manifest()?, oldest.open()?);
            if reader.contents().until >= before {
                return Ok(None);
            }
            // Of what is online still nothing is removed: a run has not finished yet.
            let heads = rfid_ledger::segment_heads(&trail)?;
            if heads.first().is_none_or(|head| head.first <= reader.contents().last) {
                return Ok(None);
            }
            if manifest.is_none() {
                let contents = reader.contents().clone();
                let (bytes, sha256) = reader.sum()?;
                manifest = Some(Manifest { file: oldest.name.clone(), bytes, sha256, contents });
            }
            let is_noted = notes::say(&notes::all(&trail)?, true, &oldest);
            Ok(manifest.map(|manifest| (oldest, manifest, is_noted)))
        })
        .await?;
        let Some((archive, manifest, is_noted)) = oldest else { return Ok(None) };
        if !is_noted {
            self.act(notes::entry(self.now(), by, from, REMOVED, &manifest)).await?;
        }
        told(Step::RemovalNoted)?;
        // Without its manifest it counts as none any more.
        let going = archive.clone();
        off_runtime("archive", move || going.remove_manifest()).await?;
        told(Step::Undescribed)?;
        off_runtime("archive", move || archive.remove()).await?;
        tracing::info!(
            archive = manifest.file,
            last = manifest.contents.last,
            "an archive of the audit trail that was kept long enough is removed"
        );
        Ok(Some(manifest))
    }
}
