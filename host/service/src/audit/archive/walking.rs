//! The records of archives, for whoever goes through a chain.

use std::collections::VecDeque;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::Arc;

use rfid_core::{ErrorKind, Result};
use rfid_ledger::Content;

use super::format::ArchiveReader;
use super::{Archive, Archives, Contents, Manifest};
use crate::audit::Faulty;
use crate::seal::Keys;

/// What is found in archives, one after the other.
#[derive(Debug)]
pub(crate) enum Found {
    /// An archive begins, which says this of itself.
    Begins(Box<Manifest>),
    /// A record of it.
    Record(Content),
    /// It was gone past without being opened.
    Passed(Box<Contents>),
    /// It is not what was written.
    Wrong(Faulty),
}

/// Goes through the archives of a trail.
pub(crate) struct Walking {
    folder: PathBuf,
    keys: Option<Arc<Keys>>,
    coming: VecDeque<Archive>,
    open: Option<Open>,
}

struct Open {
    archive: Archive,
    manifest: Manifest,
    reader: ArchiveReader<BufReader<File>>,
}

impl Walking {
    pub(crate) fn new(archives: &Archives, id: [u8; 16]) -> Result<Self> {
        let (folder, keys) = (archives.folder.clone(), archives.keys.clone());
        Ok(Self { folder, keys, coming: archives.of(id)?.into(), open: None })
    }

    /// The next that is found; nothing behind the last archive, or behind something wrong.
    ///
    /// # Errors
    /// `Io` when a file cannot be read; `Unsupported` for one of another version.
    pub(crate) fn next(&mut self) -> Result<Option<Found>> {
        loop {
            let Some(open) = &mut self.open else {
                let Some(archive) = self.coming.pop_front() else { return Ok(None) };
                return match self.begin(&archive) {
                    Ok(Some(begins)) => Ok(Some(begins)),
                    Ok(None) => continue,
                    Err(error) => self.wrong(&archive, error),
                };
            };
            let record = match &self.keys {
                Some(keys) => open.reader.next_record(keys),
                None => Ok(None),
            };
            let archive = open.archive.clone();
            match record {
                Ok(Some(record)) => return Ok(Some(Found::Record(record))),
                Err(error) => return self.wrong(&archive, error),
                Ok(None) => {}
            }
            let Some(Open { manifest, reader, .. }) = self.open.take() else { return Ok(None) };
            let (bytes, sha256) = reader.sum()?;
            if (bytes, sha256) != (manifest.bytes, manifest.sha256) {
                return Ok(self.fault(&archive, "is another file than its manifest says (SHA-256)"));
            }
            if self.keys.is_none() {
                return Ok(Some(Found::Passed(Box::new(manifest.contents))));
            }
        }
    }

    /// Opens an archive. One without a manifest is none yet, or none any more.
    fn begin(&mut self, archive: &Archive) -> Result<Option<Found>> {
        let Some(manifest) = archive.manifest()? else { return Ok(None) };
        let reader = archive.open()?;
        let contents = reader.contents();
        let told = Archive::at(&self.folder, &contents.id, contents.first, contents.last).name;
        if manifest.file != archive.name || told != archive.name {
            let what =
                format!("says of itself that it holds records {} to {}", contents.first, contents.last);
            return Ok(self.fault(archive, &what));
        }
        if *contents != manifest.contents {
            return Ok(self.fault(archive, "holds something else than its manifest says"));
        }
        let begins = Found::Begins(Box::new(manifest.clone()));
        self.open = Some(Open { archive: archive.clone(), manifest, reader });
        Ok(Some(begins))
    }

    /// What cannot be read because it is not what was written is found; what cannot be read is an error.
    fn wrong(&mut self, archive: &Archive, error: rfid_core::Error) -> Result<Option<Found>> {
        match error.kind() {
            ErrorKind::Damaged | ErrorKind::Denied => {
                let said = format!("{error:#}");
                Ok(self.fault(archive, &format!("cannot be read: {said}")))
            }
            _ => Err(archive.named(error)),
        }
    }

    fn fault(&mut self, archive: &Archive, what: &str) -> Option<Found> {
        self.open = None;
        self.coming.clear();
        let what = format!("is in the archive {}, which {what}", archive.name);
        Some(Found::Wrong(Faulty { number: archive.first, what }))
    }
}

/// The records of a trail that are in archives, the first first, for whoever wants to see them.
pub struct ArchivedRecords(Walking);

impl Archives {
    /// The records of the archives of a trail with this id. Blocks.
    ///
    /// # Errors
    /// As [`Archives::of`]; `Config` without keys.
    pub fn records(&self, id: [u8; 16]) -> Result<ArchivedRecords> {
        if !self.can_open() {
            let detail = "archives are sealed under the master secret of the host, which is not at hand";
            return Err(rfid_core::Error::new(ErrorKind::Config, "archive").with_detail(detail));
        }
        Walking::new(self, id).map(ArchivedRecords)
    }
}

impl ArchivedRecords {
    /// The next one; nothing behind the last. Blocks.
    ///
    /// # Errors
    /// `Damaged` where an archive is not what was written; `Io`.
    pub fn next_record(&mut self) -> Result<Option<Content>> {
        loop {
            match self.0.next()? {
                None => return Ok(None),
                Some(Found::Record(record)) => return Ok(Some(record)),
                Some(Found::Wrong(Faulty { number, what })) => {
                    return Err(super::damaged(format!("record {number} {what}")));
                }
                Some(Found::Begins(_) | Found::Passed(_)) => {}
            }
        }
    }
}
