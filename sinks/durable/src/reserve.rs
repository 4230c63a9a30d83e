//! Room that is kept for opening a database on a full disk.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What sled may write when it opens: a segment and a snapshot.
const NEEDED: u64 = 2 * 1024 * 1024;

/// What is kept for that, so that something is left for the first commits.
const BYTES: u64 = 2 * NEEDED;

/// How often room is looked for while there is none.
const LOOK_EVERY: Duration = Duration::from_secs(10);

const NAME: &str = "reserve";
/// Written under this name first: one that a crash left half made must not pass for whole.
const HALF_MADE: &str = "reserve.new";

/// sled writes when it opens. On a full disk that fails, and was seen to leave a database behind
/// that cannot be read any more; so there must be room before it is tried. A file in the
/// database's folder only takes room, and gives it up then.
#[derive(Debug)]
pub(crate) struct Reserve {
    folder: PathBuf,
    looked: Option<Instant>,
}

impl Reserve {
    /// The reserve in a database's folder; nothing is written.
    pub(crate) fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), looked: None }
    }

    /// Makes sure that there is room to open the database, by giving up what is kept if need be.
    ///
    /// # Errors
    /// There is too little room all the same.
    pub(crate) fn make_room(&self) -> io::Result<()> {
        let probed = self.probe();
        match probed {
            Err(error) if is_full(&error) && std::fs::remove_file(self.folder.join(NAME)).is_ok() => {
                tracing::error!(path = %self.folder.display(), "the disk is full; the store's reserve is given up");
                self.probe()
            }
            probed => probed,
        }
    }

    fn probe(&self) -> io::Result<()> {
        let path = self.folder.join(HALF_MADE);
        let probed = File::create(&path).and_then(|mut file| write_zeros(&mut file, NEEDED));
        let removed = std::fs::remove_file(&path);
        probed.and(removed)
    }

    /// Takes the room now and again, if it is not taken.
    pub(crate) fn look(&mut self) {
        if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
            self.looked = Some(Instant::now());
            self.take();
        }
    }

    /// Takes the room, if it is not taken and there is as much.
    pub(crate) fn take(&self) {
        let whole = self.folder.join(NAME);
        if std::fs::metadata(&whole).is_ok_and(|file| file.len() >= BYTES) {
            return;
        }
        let half_made = self.folder.join(HALF_MADE);
        if self.make(&half_made).and_then(|()| std::fs::rename(&half_made, whole)).is_err() {
            // Half a reserve would take what little room there is.
            let _ = std::fs::remove_file(&half_made);
        }
    }

    fn make(&self, half_made: &Path) -> io::Result<()> {
        let mut file = File::create(half_made)?;
        // Twice as much is tried: who takes the last room of a disk makes everybody else fail.
        write_zeros(&mut file, 2 * BYTES)?;
        file.set_len(BYTES)?;
        file.sync_all()
    }
}

fn write_zeros(file: &mut File, bytes: u64) -> io::Result<()> {
    let zeros = vec![0; 64 * 1024];
    for _ in 0..bytes / zeros.len() as u64 {
        file.write_all(&zeros)?;
    }
    Ok(())
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_and_stays_taken_while_there_is_other_room() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = folder.path().join(NAME);
        let room = Reserve::of(folder.path());
        std::fs::write(&reserve, "half of one").unwrap();
        room.make_room().unwrap();
        room.take();
        room.make_room().unwrap();
        assert_eq!(std::fs::metadata(&reserve).unwrap().len(), BYTES);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
