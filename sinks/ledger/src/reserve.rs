//! Space that is kept for the day on which the disk is full.

use std::io;
use std::path::PathBuf;

use crate::files::Files;

const NAME: &str = "reserve";
/// Written under this name first: one that a crash left half made must not pass for whole.
const HALF_MADE: &str = "reserve.new";

/// A file that only takes room, and gives it up when it is needed most.
#[derive(Debug)]
pub(crate) struct Reserve {
    folder: PathBuf,
    bytes: u64,
    is_there: bool,
}

impl Reserve {
    /// The reserve of a folder; nothing is written.
    pub(crate) fn of(folder: PathBuf, bytes: u64, files: &dyn Files) -> Self {
        let is_there = files.len(&folder.join(NAME)).is_ok_and(|len| len >= bytes);
        Self { folder, bytes, is_there }
    }

    /// Whether the room is still kept.
    pub(crate) fn is_there(&self) -> bool {
        self.is_there || self.bytes == 0
    }

    /// Gives up the room; whether there was any.
    pub(crate) fn give_up(&mut self, files: &dyn Files) -> bool {
        if !std::mem::take(&mut self.is_there) {
            return false;
        }
        files.remove(&self.folder.join(NAME)).is_ok()
    }

    /// Takes the room, if it is not taken.
    pub(crate) fn take(&mut self, files: &dyn Files) -> io::Result<()> {
        if self.is_there() {
            return Ok(());
        }
        let half_made = self.folder.join(HALF_MADE);
        // It may be left from an earlier try.
        let _ = files.remove(&half_made);
        let made = self.make(files, &half_made);
        if made.is_err() {
            // Half a reserve would take what little room there is.
            let _ = files.remove(&half_made);
        }
        made?;
        self.is_there = true;
        Ok(())
    }

    fn make(&self, files: &dyn Files, half_made: &std::path::Path) -> io::Result<()> {
        let mut file = files.create(half_made)?;
        // Twice as much is tried: who takes the last room of a disk makes everybody else fail.
        let mut left = self.bytes.saturating_mul(2);
        let mut noise = Noise(0x9E37_79B9_7F4A_7C15);
        while left > 0 {
            let portion = noise.portion(left.min(64 * 1024) as usize);
            file.write_all(&portion)?;
            left -= portion.len() as u64;
        }
        file.truncate(self.bytes)?;
        file.sync()?;
        files.rename(half_made, &self.folder.join(NAME))?;
        files.sync_folder(&self.folder)
    }
}

/// Bytes that no file system can store in less room.
struct Noise(u64);

impl Noise {
    fn portion(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            bytes.extend_from_slice(&self.0.to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }
}
