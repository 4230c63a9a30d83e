//! The sled database and its second handle, on the thread that owns them.

use std::any::Any;
use std::fs::{DirBuilder, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rfid_core::{Error, ErrorKind, Result, Retry};
use sled::transaction::{ConflictableTransactionError, TransactionError};
use sled::{Transactional, Tree};

use crate::batch::{Batch, Write};
use crate::borrowed::Borrowed;
use crate::reserve::Reserve;
use crate::value::{unwrap, wrap};

/// Bytes written between two syncs at most. With more, a power cut was seen to damage records
/// that had been synced before.
const UNSYNCED_BYTES: usize = 64 * 1024;

/// Records in one sled batch at most. Larger ones make sled take gigabytes.
const BATCH_RECORDS: usize = 100;

const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// How often sled cleans up behind itself; its background thread does nothing else for us.
const CLEAN_EVERY_MS: u64 = 500;

/// An open database.
#[derive(Debug)]
pub(crate) struct Database {
    db: sled::Db,
    /// sled's own `flush` leaves data in the drive's cache; `fdatasync` on this does not.
    file: File,
    unsynced: usize,
    /// Where it is read only, because the disk takes nothing.
    borrowed: Option<Borrowed>,
}

/// How opening went.
pub(crate) struct Opened {
    pub(crate) database: Database,
    /// Where a damaged database was moved to.
    pub(crate) set_aside: Option<PathBuf>,
}

pub(crate) type Record = (Vec<u8>, Vec<u8>);

impl Database {
    /// Opens or creates the database. One that is damaged is moved aside and a new one begun.
    pub(crate) fn open(path: &Path) -> Result<Opened> {
        match Self::try_open(path) {
            Ok(database) => Ok(Opened { database, set_aside: None }),
            Err(error) if error.kind() == ErrorKind::Damaged => {
                let aside = set_aside(path)?;
                let (at, aside_path) = (path.display(), aside.display());
                let error = format!("{error:#}");
                tracing::error!(path = %at, %aside_path, error, "damaged store was set aside; a new one is begun");
                Ok(Opened { database: Self::try_open(path)?, set_aside: Some(aside) })
            }
            Err(error) if takes_nothing(&error) && path.join("db").exists() => {
                let database = Self::open_copy(path).map_err(|_| error)?;
                Ok(Opened { database, set_aside: None })
            }
            Err(error) => Err(error),
        }
    }

    fn try_open(path: &Path) -> Result<Self> {
        let is_new = !path.join("db").exists();
        folder_of_our_own().create(path).map_err(|error| io("open", path, error))?;
        Reserve::of(path).make_room().map_err(|error| io("open", path, error))?;
        let config =
            sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(Some(CLEAN_EVERY_MS));
        let db = guarded("open", || config.open().map_err(|error| sled_error("open", path, error)))?;
        let file = File::open(path.join("db")).map_err(|error| io("open", path, error))?;
        let mut database = Self { db, file, unsynced: 0, borrowed: None };
        if is_new {
            database.sync()?;
            // sled never syncs its configuration nor the names of its files.
            for name in ["conf", "."] {
                File::open(path.join(name))
                    .and_then(|file| file.sync_all())
                    .map_err(|error| io("open", path, error))?;
            }
            if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                File::open(parent)
                    .and_then(|file| file.sync_all())
                    .map_err(|error| io("open", path, error))?;
            }
        }
        Ok(database)
    }

    /// Opens a copy in memory. It is read only.
    fn open_copy(path: &Path) -> Result<Self> {
        let borrowed = Borrowed::of(path).map_err(|error| io("open", path, error))?;
        let folder = borrowed.folder();
        let config = sled::Config::new().path(folder).cache_capacity(CACHE_BYTES);
        let db = guarded("open", || config.open().map_err(|error| sled_error("open", folder, error)))?;
        let file = File::open(folder.join("db")).map_err(|error| io("open", folder, error))?;
        Ok(Self { db, file, unsynced: 0, borrowed: Some(borrowed) })
    }

    /// Writes a batch. It is durable after the next [`Database::sync`].
    ///
    /// Up to a hundred records are written all or not at all; more are written in order, in
    /// parts.
    pub(crate) fn write(&mut self, batch: &Batch) -> Result<()> {
        self.may_write()?;
        for part in batch.writes.chunks(BATCH_RECORDS) {
            let bytes: usize =
                part.iter().map(|write| write.key.len() + write.value.as_ref().map_or(0, Vec::len)).sum();
            if self.unsynced + bytes > UNSYNCED_BYTES {
                self.sync()?;
            }
            self.unsynced += bytes;
            self.write_part(part)?;
        }
        Ok(())
    }

    fn write_part(&self, part: &[Write]) -> Result<()> {
        let mut names: Vec<&str> = part.iter().map(|write| write.tree.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let trees: Vec<Tree> = names.iter().map(|name| self.tree(name)).collect::<Result<_>>()?;
        let place = |write: &Write| names.binary_search(&write.tree.as_str()).unwrap_or(0);
        guarded("commit", || {
            trees
                .as_slice()
                .transaction(|views| {
                    for write in part {
                        let Some(view) = views.get(place(write)) else { continue };
                        match &write.value {
                            Some(value) => view.insert(write.key.as_slice(), wrap(&write.key, value))?,
                            None => view.remove(write.key.as_slice())?,
                        };
                    }
                    Ok::<(), ConflictableTransactionError<()>>(())
                })
                .map_err(|error| match error {
                    TransactionError::Storage(error) => sled_error("commit", Path::new(""), error),
                    TransactionError::Abort(()) => Error::new(ErrorKind::Internal, "commit"),
                })
        })
    }

    /// Makes everything written so far survive a power cut.
    pub(crate) fn sync(&mut self) -> Result<()> {
        guarded("sync", || self.db.flush().map_err(|error| sled_error("sync", Path::new(""), error)))?;
        self.file.sync_data().map_err(|error| io("sync", Path::new(""), error))?;
        self.unsynced = 0;
        Ok(())
    }

    pub(crate) fn get(
        &self,
        tree: &str,
        keys: &[Vec<u8>],
        damaged: &AtomicU64,
    ) -> Result<Vec<Option<Vec<u8>>>> {
        let tree = self.tree(tree)?;
        guarded("get", || {
            keys.iter()
                .map(|key| {
                    let found = tree.get(key).map_err(|error| sled_error("get", Path::new(""), error))?;
                    Ok(found.and_then(|wrapped| checked(key, &wrapped, damaged)))
                })
                .collect()
        })
    }

    /// Records in the order of their keys, behind `after`, at most `limit`.
    pub(crate) fn scan(
        &self,
        tree: &str,
        after: Option<&[u8]>,
        limit: usize,
        damaged: &AtomicU64,
    ) -> Result<Vec<Record>> {
        use std::ops::Bound;
        let tree = self.tree(tree)?;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        guarded("scan", || {
            let mut records = Vec::new();
            for entry in tree.range::<&[u8], _>((from, Bound::Unbounded)) {
                let (key, wrapped) = entry.map_err(|error| sled_error("scan", Path::new(""), error))?;
                if let Some(value) = checked(&key, &wrapped, damaged) {
                    records.push((key.to_vec(), value));
                }
                if records.len() >= limit {
                    break;
                }
            }
            Ok(records)
        })
    }

    /// The record with the greatest key.
    pub(crate) fn last(&self, tree: &str, damaged: &AtomicU64) -> Result<Option<Record>> {
        let tree = self.tree(tree)?;
        guarded("last", || {
            for entry in tree.iter().rev() {
                let (key, wrapped) = entry.map_err(|error| sled_error("last", Path::new(""), error))?;
                if let Some(value) = checked(&key, &wrapped, damaged) {
                    return Ok(Some((key.to_vec(), value)));
                }
            }
            Ok(None)
        })
    }

    pub(crate) fn tree_names(&self) -> Vec<String> {
        let names = self.db.tree_names();
        names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    }

    fn may_write(&self) -> Result<()> {
        match &self.borrowed {
            None => Ok(()),
            Some(_) => Err(io("write", Path::new(""), std::io::ErrorKind::StorageFull.into())),
        }
    }

    pub(crate) fn drop_tree(&mut self, tree: &str) -> Result<()> {
        self.may_write()?;
        guarded("drop", || {
            self.db.drop_tree(tree).map_err(|error| sled_error("drop", Path::new(""), error))
        })?;
        self.sync()
    }

    fn tree(&self, name: &str) -> Result<Tree> {
        guarded("open", || self.db.open_tree(name).map_err(|error| sled_error("open", Path::new(""), error)))
    }
}

/// Makes folders that nobody else may look into: what is kept says who comes and goes.
fn folder_of_our_own() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

fn checked(key: &[u8], wrapped: &[u8], damaged: &AtomicU64) -> Option<Vec<u8>> {
    let value = unwrap(key, wrapped);
    if value.is_none() {
        damaged.fetch_add(1, Ordering::Relaxed);
        tracing::error!("a stored value fails its checksum and is treated as missing");
    }
    value.map(<[u8]>::to_vec)
}

/// sled panics on some kinds of damage, and of errors of the disk, instead of returning an error.
fn guarded<T>(op: &'static str, call: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|payload| {
        let said = said(&*payload);
        let kind = match said.contains("StorageFull") || said.contains("os error") {
            true => ErrorKind::Io,
            false => ErrorKind::Damaged,
        };
        Err(Error::new(kind, op).with_detail(format!("sled panicked: {said}")))
    })
}

/// Whether the disk can be read and not be written.
fn takes_nothing(error: &Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    source.is_some_and(|error| matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem))
}

fn said(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}

fn sled_error(op: &'static str, path: &Path, error: sled::Error) -> Error {
    match error {
        sled::Error::Io(error) if error.to_string().contains("could not acquire lock") => {
            Error::new(ErrorKind::Busy, op).with_detail(format!(
                "{} is in use by another process; stop the running rfid-host or give another --data-dir",
                path.display()
            ))
        }
        sled::Error::Io(error) => io(op, path, error),
        error @ sled::Error::Corruption { .. } => Error::new(ErrorKind::Damaged, op).with_source(error),
        // sled reports damage of its own structures as bugs of its own, too.
        error => Error::new(ErrorKind::Damaged, op).with_source(error),
    }
}

fn io(op: &'static str, path: &Path, error: std::io::Error) -> Error {
    let place = path.display().to_string();
    let detail = if place.is_empty() { "the disk fails".to_owned() } else { place };
    Error::new(ErrorKind::Io, op)
        .with_detail(detail)
        .with_source(error)
        .with_retry(Retry::After(Duration::from_secs(1)))
}

/// Moves a damaged database to a name that says when, beside the old one.
fn set_aside(path: &Path) -> Result<PathBuf> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut number = 0;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".damaged-{seconds}-{number}"));
        let aside = PathBuf::from(name);
        if aside.exists() {
            number += 1;
            continue;
        }
        std::fs::rename(path, &aside).map_err(|error| io("open", path, error))?;
        return Ok(aside);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(key: &[u8]) -> Batch {
        let mut batch = Batch::default();
        batch.put("a", key, *b"value");
        batch
    }

    #[test]
    fn a_copy_has_what_the_database_has_and_takes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = Database::open(folder.path()).unwrap().database;
        database.write(&batch(b"1")).unwrap();
        database.sync().unwrap();
        assert!(Database::open_copy(folder.path()).is_err(), "it is in use");
        drop(database);

        let mut copy = Database::open_copy(folder.path()).unwrap();
        let damaged = AtomicU64::new(0);
        assert_eq!(copy.get("a", &[b"1".to_vec()], &damaged).unwrap(), [Some(b"value".to_vec())]);
        let refused = copy.write(&batch(b"2")).unwrap_err();
        assert!(takes_nothing(&refused), "{refused:#}");
        assert_eq!(Database::open(folder.path()).map(drop).unwrap_err().kind(), ErrorKind::Busy);
        let memory = copy.borrowed.as_ref().unwrap().folder().to_owned();
        drop(copy);
        assert!(!memory.exists());
        Database::open(folder.path()).unwrap().database.write(&batch(b"2")).unwrap();
    }
}
