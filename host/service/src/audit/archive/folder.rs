//! The files of a folder of archives: an archive, its manifest beside it, and what a run left half made.

use std::fs::{self, File};
use std::io::{BufReader, ErrorKind as IoErrorKind, Read};
use std::path::{Path, PathBuf};

use rfid_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::format::{ArchiveReader, MOST_HEAD};
use super::{Contents, damaged, failed};
use crate::audit::Hash;
use crate::durable_file;

const PREFIX: &str = "audit-";
const ARCHIVE: &str = ".v1.archive";
const MANIFEST: &str = ".v1.json";
/// What is not in its place yet ends so.
const HALF_MADE: &str = ".new";

/// What stands beside an archive, in clear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name of the file.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: Hash,
    /// What it holds.
    pub contents: Contents,
}

/// An archive in a folder, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    path: PathBuf,
    /// Name of the file.
    pub name: String,
    /// Number of the first record, as the name says.
    pub first: u64,
    /// Number of the last one, as the name says.
    pub last: u64,
}

impl Archive {
    /// Where that of these numbers lies.
    pub(super) fn at(folder: &Path, id: &str, first: u64, last: u64) -> Self {
        let name = format!("{PREFIX}{id}-{first:012}-{last:012}{ARCHIVE}");
        Self { path: folder.join(&name), name, first, last }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn manifest_path(&self) -> PathBuf {
        let stem = self.name.strip_suffix(ARCHIVE).unwrap_or(&self.name);
        self.path.with_file_name(format!("{stem}{MANIFEST}"))
    }

    /// Opens it, and reads what it says of itself. Blocks.
    pub(super) fn open(&self) -> Result<ArchiveReader<BufReader<File>>> {
        let file = File::open(&self.path).map_err(failed(&self.path))?;
        ArchiveReader::new(BufReader::new(file)).map_err(|error| self.named(error))
    }

    /// What its manifest says; nothing where there is none. Blocks.
    ///
    /// # Errors
    /// `Damaged` where that is no manifest; `Io`.
    pub fn manifest(&self) -> Result<Option<Manifest>> {
        let path = self.manifest_path();
        let file = match File::open(&path) {
            Err(error) if error.kind() == IoErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed(&path))?,
        };
        let mut text = Vec::new();
        file.take(2 * MOST_HEAD as u64).read_to_end(&mut text).map_err(failed(&path))?;
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|_| damaged(format!("{}: this is no manifest of an archive", path.display())))
    }

    /// Writes it down durably.
    pub(super) fn describe(&self, manifest: &Manifest) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(manifest)
            .map_err(|error| Error::new(ErrorKind::Internal, "archive").with_source(error))?;
        text.push(b'\n');
        let path = self.manifest_path();
        let half_made = half_made(&path);
        durable_file::write(&half_made, &text).map_err(failed(&half_made))?;
        put_in_place(&half_made, &path)
    }

    /// Takes what describes it away, and later itself.
    pub(super) fn remove_manifest(&self) -> Result<()> {
        remove(&self.manifest_path())
    }

    pub(super) fn remove(&self) -> Result<()> {
        remove(&self.path)
    }

    /// An error that says of which archive it is.
    pub(super) fn named(&self, error: Error) -> Error {
        let kind = error.kind();
        Error::new(kind, "archive").with_detail(self.path.display().to_string()).with_source(error)
    }
}

/// The same under a name at which nobody looks for it.
pub(super) fn half_made(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(HALF_MADE);
    PathBuf::from(name)
}

/// A file for the user of the host alone, which nothing was written to yet.
pub(super) fn begin(path: &Path) -> Result<File> {
    durable_file::begin(path).map_err(failed(path))
}

pub(super) fn put_in_place(half_made: &Path, path: &Path) -> Result<()> {
    durable_file::put_in_place(half_made, path).map_err(failed(path))
}

fn remove(path: &Path) -> Result<()> {
    durable_file::remove_for_good(path).map_err(failed(path))
}

/// The archives of a trail, in the order of their numbers.
pub(super) fn list(folder: &Path, id: &str) -> Result<Vec<Archive>> {
    let mut found = Vec::new();
    for name in names(folder)? {
        let Some((first, last)) = numbers(&name, id) else { continue };
        found.push(Archive { path: folder.join(&name), name, first, last });
    }
    found.sort_by_key(|archive| (archive.first, archive.last));
    Ok(found)
}

/// Removes what a run that ended in the middle left half made of a trail.
pub(super) fn clean(folder: &Path, id: &str) -> Result<()> {
    let of = format!("{PREFIX}{id}-");
    for name in names(folder)? {
        if name.starts_with(&of) && name.ends_with(HALF_MADE) {
            remove(&folder.join(name))?;
        }
    }
    Ok(())
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).map_err(|error| match error.kind() {
        IoErrorKind::NotFound => Error::new(ErrorKind::Config, "archive").with_detail(format!(
            "there is no folder of archives {}: it is not made here, for its disk may be missing",
            folder.display()
        )),
        _ => failed(folder)(error),
    })?;
    let name = |entry: std::io::Result<fs::DirEntry>| {
        Ok(entry.map_err(failed(folder))?.file_name().to_string_lossy().into_owned())
    };
    entries.map(name).collect()
}

fn numbers(name: &str, id: &str) -> Option<(u64, u64)> {
    let numbers = name.strip_prefix(PREFIX)?.strip_prefix(id)?.strip_prefix('-')?.strip_suffix(ARCHIVE)?;
    let (first, last) = numbers.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}
