//! A disk of which any call may fail.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::files::{AppendFile, Disk, Files};

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Done,
    /// Fails before anything happened.
    Refused,
    /// A write ends in the middle; anything else is done and reported as failed all the same.
    Halfway,
    /// As `Halfway`, for want of room.
    Full,
}

/// The fates of the calls to come; when they are used up, everything goes well.
#[derive(Clone, Debug, Default)]
pub(crate) struct FaultyDisk(Arc<Mutex<VecDeque<Fate>>>);

impl FaultyDisk {
    pub(crate) fn of(fates: impl IntoIterator<Item = Fate>) -> Self {
        Self(Arc::new(Mutex::new(fates.into_iter().collect())))
    }

    pub(crate) fn heal(&self) {
        self.0.lock().unwrap().clear();
    }

    fn fate(&self) -> Fate {
        self.0.lock().unwrap().pop_front().unwrap_or(Fate::Done)
    }

    fn call<T>(&self, call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.fate() {
            Fate::Done => call(),
            Fate::Refused => Err(failed(Fate::Refused)),
            fate => call().and(Err(failed(fate))),
        }
    }
}

fn failed(fate: Fate) -> io::Error {
    match fate {
        Fate::Full => io::Error::from(io::ErrorKind::StorageFull),
        _ => io::Error::other("played by the test"),
    }
}

impl Files for FaultyDisk {
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.call(|| Disk.make_folder(path))
    }

    // What fails in looking fails in opening; that is tried again as a whole.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        Disk.list(folder)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        let file = self.call(|| Disk.create(path))?;
        Ok(Box::new(FaultyFile { disk: self.clone(), file }))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        let file = self.call(|| Disk.append(path))?;
        Ok(Box::new(FaultyFile { disk: self.clone(), file }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Disk.read(path)
    }

    fn read_part(&self, path: &Path, from: u64, most: usize) -> io::Result<Vec<u8>> {
        Disk.read_part(path, from, most)
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        Disk.len(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call(|| Disk.remove(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(|| Disk.rename(from, to))
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.call(|| Disk.sync_folder(folder))
    }
}

#[derive(Debug)]
struct FaultyFile {
    disk: FaultyDisk,
    file: Box<dyn AppendFile>,
}

impl AppendFile for FaultyFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.disk.fate() {
            Fate::Done => self.file.write_all(bytes),
            Fate::Refused => Err(failed(Fate::Refused)),
            fate => {
                self.file.write_all(&bytes[..bytes.len() / 2])?;
                Err(failed(fate))
            }
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.call(|| Ok(()))
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let Self { disk, file } = self;
        disk.call(|| file.truncate(len))
    }
}
