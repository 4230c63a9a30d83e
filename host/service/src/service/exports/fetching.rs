//! Giving out the file of an export, once, to who asked for it.

use rfid_core::{Error, ErrorKind};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::super::fault::{Fault, FieldFault};
use super::super::{Caller, Service};
use super::asking::refused;
use super::making::remove;
use super::sealed::{self, FileKey};
use crate::hex::hex;
use crate::off_runtime::io_off_runtime;
use crate::record::{Export, ExportId, ExportState, Key};
use crate::rights::Action;
use crate::store::Stored;

/// The file of an export.
pub struct FetchedExport {
    /// The export.
    pub export: Stored<Export>,
    /// What was made.
    pub file: Zeroizing<Vec<u8>>,
}

impl Service {
    /// The file of an export, for who asked for it and has its key: once. That it was fetched is in the
    /// trail before it is given out, and then it is gone from this host.
    ///
    /// # Errors
    /// `Forbidden`; `NotFound` where somebody else asked; `NotAllowed` where it is not made yet, or was
    /// fetched, or its time is over; `Invalid` for the key; `Store` where the file cannot be read.
    pub async fn fetch_export(
        &self,
        caller: &Caller,
        id: ExportId,
        key: &str,
    ) -> Result<FetchedExport, Fault> {
        self.may_know_exports(caller).await?;
        let exports = self.kept_exports()?;
        let found: Option<Stored<Export>> = self.find(Key::Export(id)).await?;
        let is_theirs = |export: &Stored<Export>| {
            caller.session.is_some() && caller.grant.who() == Some(export.record.asker)
        };
        let Some(export) = found.filter(is_theirs) else {
            return Err(self.nothing(caller, Action::ExportVisits, "export").await);
        };
        match export.record.state {
            ExportState::Pending => return refused("it is not made yet: look again in a while"),
            ExportState::Fetched => return refused("it was fetched already, which can be done once"),
            ExportState::Expired => return refused("nobody fetched it in time, and it is gone"),
            ExportState::Failed => return refused("it was not made"),
            ExportState::Ready if self.is_over(exports, &export.record) => {
                return refused("nobody fetched it in time, and it is gone");
            }
            ExportState::Ready => {}
        }
        if export.record.host != exports.host {
            return Err(Fault::NotAllowed(format!("it lies on the host {}: ask there", export.record.host)));
        }
        let Some(key) = FileKey::from_text(key).filter(|key| key.hash() == export.record.key_hash) else {
            self.note_refusal(caller, "export.fetch", Some(&Key::Export(id)), "another key").await?;
            return Err(Fault::Invalid(vec![FieldFault::new("key", "does not open this export")]));
        };
        // The semaphore is never closed.
        let _opening = exports.opening.acquire().await;
        let folder = exports.folder.clone();
        let sealed = io_off_runtime("export", move || sealed::read(&folder, id)).await;
        let sealed = match sealed {
            Ok(sealed) => sealed,
            // Another request of the same person may have been faster.
            Err(error) => return Err(self.gone_meanwhile(id).await.unwrap_or(Fault::Store(error))),
        };
        let expected = export.record.made.as_ref().map(|made| made.sha256.clone());
        let opened = tokio::task::spawn_blocking(move || {
            let plain = key.open(id, &sealed)?;
            let is_it = Some(hex(&Sha256::digest(&*plain))) == expected;
            let damaged = || Error::new(ErrorKind::Damaged, "export").with_detail("its hash is another");
            is_it.then_some(plain).ok_or_else(damaged)
        });
        let file =
            opened.await.map_err(|error| Error::new(ErrorKind::Internal, "export").with_source(error))??;
        let fetched = Export { state: ExportState::Fetched, fetched_at: Some(self.now()), ..export.record };
        let export = match self.put(caller, "export.fetch", fetched, export.version).await {
            Ok(export) => export,
            Err(Fault::Conflict { .. }) => return refused("it was fetched already, which can be done once"),
            Err(fault) => return Err(fault),
        };
        // Whoever gets it has it; what is left is sealed, and the next look removes it.
        if let Err(error) = remove(exports, id).await {
            tracing::warn!(error = format!("{error:#}"), export = %id, "a fetched export is still on the disk");
        }
        Ok(FetchedExport { export, file })
    }

    async fn gone_meanwhile(&self, id: ExportId) -> Option<Fault> {
        let export: Stored<Export> = self.find(Key::Export(id)).await.ok().flatten()?;
        let is_ready = export.record.state == ExportState::Ready;
        (!is_ready).then(|| Fault::NotAllowed("it was fetched already, which can be done once".to_owned()))
    }
}
