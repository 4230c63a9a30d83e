//! Archives: what was in a trail online for long enough, sealed in files elsewhere.
//!
//! An archive is a file of whole segments of one trail ([`mod@format`]), sealed under the master secret, and
//! beside it a [`Manifest`] that says in clear what is in it: which numbers, from when to when, the hash that
//! its first record bears and that of its last, and the SHA-256 of the file. Its name says trail and numbers.
//! Archives and what is online are one chain, which [`super::verify`] walks.
//!
//! What is taken out goes these steps, each of them durable before the next ([`Step`]): the archive is written
//! beside its place, read back and held against what is online, put in its place, described by its manifest,
//! noted in the trail (`audit.archive`), and then the segments are removed. So whenever the process ends there
//! is both, or the archive, and never neither; the next run goes on where that one ended.
//!
//! Archives that were kept long enough are removed one at a time, which the trail says before
//! (`audit.archive_remove`): so verifying knows from where on the chain is known, and why not from earlier.
//!
//! * `format.rs`: the bytes of an archive.
//! * `folder.rs`: the files of a folder of archives.
//! * `planning.rs`: what may be taken out.
//! * `making.rs`: taking it out.
//! * `removing.rs`: the end of an archive.
//! * `notes.rs`: what the trail says of archives.
//! * `walking.rs`: the records of archives, for whoever goes through a chain.

mod folder;
pub mod format;
mod making;
pub(super) mod notes;
mod planning;
mod removing;
pub(super) mod walking;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rfid_core::{Error, ErrorKind, Result, UtcTime};
use serde::{Deserialize, Serialize};

use super::Hash;
use crate::off_runtime::off_runtime;
use crate::seal::Keys;
use crate::store::Actor;

pub use folder::{Archive, Manifest};
pub use planning::{Planned, is_due, plan};
pub use walking::ArchivedRecords;

/// Records at the end of a trail that are never taken out: a start looks among them for what was under way.
pub const KEPT_ONLINE: u64 = 256;

/// What an archive holds, as its file and its manifest say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    /// What the trail is called: the host, and which trail of it, as in anchors.
    pub trail: String,
    /// What the trail was given when it was begun, in hexadecimal digits.
    pub id: String,
    /// Name of the archive before this one; nothing where the trail had none.
    pub previous: Option<String>,
    /// Number of the first record.
    pub first: u64,
    /// Number of the last one.
    pub last: u64,
    /// When the first was written.
    pub from: UtcTime,
    /// When the last was written.
    pub until: UtcTime,
    /// The hash that the first bears: that of the record before it.
    pub before: Hash,
    /// The hash of the last.
    pub hash: Hash,
    /// When the archive was made.
    pub made_at: UtcTime,
}

/// The archives of a folder.
#[derive(Clone, Debug)]
pub struct Archives {
    folder: PathBuf,
    /// To look into them; without, only their manifests and sums are held against each other.
    keys: Option<Arc<Keys>>,
}

impl Archives {
    /// Those of this folder, which must be there: one that is made where a disk is missing would be on another.
    pub fn new(folder: impl Into<PathBuf>, keys: Option<Arc<Keys>>) -> Self {
        Self { folder: folder.into(), keys }
    }

    /// Those of another folder, with the same keys.
    #[must_use]
    pub fn moved_to(self, folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), ..self }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether they are opened.
    pub fn can_open(&self) -> bool {
        self.keys.is_some()
    }

    /// The archives of a trail with this id, the oldest first. Blocks.
    ///
    /// # Errors
    /// `Config` where the folder is not there; `Io`.
    pub fn of(&self, id: [u8; 16]) -> Result<Vec<Archive>> {
        folder::list(&self.folder, &crate::hex::hex(&id))
    }

    /// When the latest archive of a trail was made, and its name.
    ///
    /// # Errors
    /// As [`Archives::of`]; `Damaged` where it does not say so.
    pub async fn latest(&self, id: [u8; 16]) -> Result<Option<(UtcTime, String)>> {
        let looking = self.clone();
        off_runtime("archive", move || {
            let latest = looking.of(id)?.into_iter().next_back();
            latest.map(|archive| Ok((archive.open()?.contents().made_at, archive.name))).transpose()
        })
        .await
    }
}

/// Who has records taken out, and which.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What the trail is called, as in anchors.
    pub trail: String,
    /// Older records than this.
    pub before: UtcTime,
    /// None behind this number, as the central table has none of them yet.
    pub at_most: u64,
    /// Who.
    pub by: Actor,
    /// From where.
    pub from: String,
}

/// How far a run has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The archive is written beside its place.
    Written,
    /// It was read back.
    ReadBack,
    /// It is in its place.
    Placed,
    /// Its manifest is beside it.
    Described,
    /// The trail says that it is there.
    Noted,
    /// What it holds is not online any more.
    Removed,
    /// The trail says that an archive is removed.
    RemovalNoted,
    /// Its manifest is gone.
    Undescribed,
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.display().to_string();
    move |error| Error::new(ErrorKind::Io, "archive").with_detail(path.clone()).with_source(error)
}

fn damaged(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::Damaged, "archive").with_detail(detail)
}

#[cfg(test)]
mod format_tests;
#[cfg(test)]
mod tests;
