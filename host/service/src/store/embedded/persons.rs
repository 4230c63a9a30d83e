//! The keys of persons, in a file of their own that is small enough to be written anew each time.
//!
//! What was there before is overwritten where it lay, so that a key which was destroyed does not lie on
//! among the free blocks of the disk. A disk that writes elsewhere than where it is told (flash does) keeps
//! it for as long as it likes, sealed under the master secret.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rfid_core::{Error, ErrorKind, Result};

use crate::durable_file;
use crate::off_runtime::io_off_runtime;
use crate::seal::PersonKeys;
use crate::store::Rows;
use crate::store::erasing::KeyChange;

/// The file.
#[derive(Clone)]
pub(super) struct PersonFile(PathBuf);

impl PersonFile {
    /// Reads the keys of a data folder into `rows`; makes them where there are none.
    pub(super) async fn open(path: PathBuf, rows: &Rows) -> Result<Self> {
        let file = Self(path);
        let this = file.clone();
        let sealed = io_off_runtime("person keys", move || this.read()).await?;
        let keys = match sealed {
            Some(sealed) => rows.open_persons(&sealed)?,
            None => {
                let keys = rows.make_persons()?;
                file.write(rows, &keys).await?;
                keys
            }
        };
        rows.set_persons(keys);
        Ok(file)
    }

    /// Does something to the keys. What is durable before it is so in `rows`.
    pub(super) async fn change(&self, rows: &Rows, change: KeyChange) -> Result<()> {
        let keys = rows.persons().ok_or_else(|| Error::new(ErrorKind::Internal, "erase"))?;
        let Some(next) = change.apply(&keys) else { return Ok(()) };
        self.write(rows, &next).await?;
        rows.set_persons(next);
        Ok(())
    }

    async fn write(&self, rows: &Rows, keys: &PersonKeys) -> Result<()> {
        let (this, sealed) = (self.clone(), rows.seal_persons(keys)?);
        io_off_runtime("person keys", move || this.replace(&sealed)).await
    }

    fn unfinished(&self) -> PathBuf {
        self.0.with_extension("part")
    }

    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        // What an end of the host cut off was never told to anybody.
        overwrite_and_remove(&self.unfinished())?;
        match fs::read(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let unfinished = self.unfinished();
        durable_file::write(&unfinished, bytes)?;
        put_in_place_of_secret(&unfinished, &self.0)
    }
}

/// Moves a file to where another may be, whose bytes are written over. Blocks.
pub(crate) fn put_in_place_of_secret(from: &Path, to: &Path) -> io::Result<()> {
    let before = match OpenOptions::new().write(true).open(to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        opened => Some(opened?),
    };
    durable_file::put_in_place(from, to)?;
    before.map_or(Ok(()), overwrite)
}

fn overwrite_and_remove(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        opened => {
            overwrite(opened?)?;
            fs::remove_file(path)
        }
    }
}

/// Writes over all of a file.
fn overwrite(mut file: File) -> io::Result<()> {
    let len = file.metadata()?.len();
    io::copy(&mut io::Read::take(io::repeat(0), len), &mut file)?;
    file.sync_all()
}
