//! A copy in memory of a database whose disk has no room for opening it.

use std::fs::{DirBuilder, File, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A larger database is not copied.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// Where there is room although a disk is full.
const MEMORY: &str = "/dev/shm";

/// A copy, removed when this is dropped. Keeps others away from the database meanwhile.
#[derive(Debug)]
pub(crate) struct Borrowed {
    folder: PathBuf,
    _lock: File,
}

impl Borrowed {
    /// Copies the database in this folder.
    pub(crate) fn of(database: &Path) -> io::Result<Self> {
        // sled locks the same file in the same way.
        let lock = File::open(database.join("db"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::other("could not acquire lock"),
            TryLockError::Error(error) => error,
        })?;
        let mut name = DefaultHasher::new();
        std::path::absolute(database)?.hash(&mut name);
        // The same for each run, so that what one that was killed left behind is found.
        let folder = Path::new(MEMORY).join(format!("rfid-host-{:016x}", name.finish()));
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        // Who is inside is nobody's business.
        DirBuilder::new().mode(0o700).create(&folder)?;
        let borrowed = Self { folder, _lock: lock };
        let mut left = MOST_BYTES;
        for entry in std::fs::read_dir(database)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            let name = entry.file_name();
            if !metadata.is_file() || name.to_string_lossy().starts_with("reserve") {
                continue;
            }
            left = left.checked_sub(metadata.len()).ok_or(io::ErrorKind::FileTooLarge)?;
            std::fs::copy(entry.path(), borrowed.folder.join(name))?;
        }
        Ok(borrowed)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        // Left behind, it is found by the next.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
