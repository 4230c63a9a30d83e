//! Who was erased, in a file beside the store: ids alone, one a line.
//!
//! A store that is restored is of a time at which somebody may not have been erased yet. So the list is not
//! in it, and is applied again to whatever store is opened beside it.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rfid_core::{Error, ErrorKind, Result};

use crate::off_runtime::off_runtime;
use crate::record::CustomerId;

/// The file's name in a data folder.
const FILE: &str = "erased-persons";

/// The list.
#[derive(Debug)]
pub struct ErasedList(PathBuf);

impl ErasedList {
    /// That of a data folder.
    pub fn in_folder(data_dir: &Path) -> Self {
        Self(data_dir.join(FILE))
    }

    /// Everybody in it.
    ///
    /// # Errors
    /// `Damaged` where a line is no id; `Io`.
    pub async fn persons(&self) -> Result<BTreeSet<CustomerId>> {
        let path = self.0.clone();
        self.blocking(move || read(&path)).await
    }

    /// Puts somebody in, durably. Allowed twice.
    ///
    /// # Errors
    /// As [`ErasedList::persons`].
    pub async fn add(&self, person: CustomerId) -> Result<()> {
        self.add_all(BTreeSet::from([person])).await
    }

    /// The same with many.
    ///
    /// # Errors
    /// As [`ErasedList::persons`].
    pub async fn add_all(&self, persons: BTreeSet<CustomerId>) -> Result<()> {
        let path = self.0.clone();
        self.blocking(move || {
            let there = read(&path)?;
            let news: String = persons.difference(&there).map(|person| format!("{person}\n")).collect();
            if news.is_empty() {
                return Ok(());
            }
            let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
            file.write_all(news.as_bytes())?;
            file.sync_all()?;
            File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let path = self.0.clone();
        let failed = move |error: io::Error| {
            let kind = match error.kind() {
                io::ErrorKind::InvalidData => ErrorKind::Damaged,
                _ => ErrorKind::Io,
            };
            Error::new(kind, "erase").with_detail(path.display().to_string()).with_source(error)
        };
        off_runtime("erase", move || work().map_err(failed)).await
    }
}

fn read(path: &Path) -> io::Result<BTreeSet<CustomerId>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        text => text?,
    };
    let wrong = |number: usize| {
        io::Error::new(io::ErrorKind::InvalidData, format!("line {} is not an id of a person", number + 1))
    };
    text.lines().enumerate().map(|(number, line)| line.trim().parse().map_err(|_| wrong(number))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_list_keeps_each_once_and_says_which_line_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let list = ErasedList::in_folder(folder.path());
        assert!(list.persons().await.unwrap().is_empty());
        let (one, other) = (CustomerId::from_bytes([1; 16]), CustomerId::from_bytes([2; 16]));
        for person in [other, one, other] {
            list.add(person).await.unwrap();
        }
        assert_eq!(list.persons().await.unwrap(), BTreeSet::from([one, other]));
        assert_eq!(fs::read_to_string(folder.path().join(FILE)).unwrap().lines().count(), 2);
        fs::write(folder.path().join(FILE), format!("{one}\nsomebody\n")).unwrap();
        let error = list.persons().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged);
        assert!(format!("{error:#}").contains("line 2"), "{error:#}");
    }
}
