//! What the trail itself says of archives.

use std::path::Path;

use memchr::memmem::Finder;
use rfid_core::{Result, UtcTime};
use rfid_ledger::{Entry as LedgerEntry, Reader};

use super::{Archive, Manifest};
use crate::audit::chain;
use crate::audit::entry::Entry;
use crate::audit::{Hash, Outcome};
use crate::store::Actor;

/// That an archive is there, and what it holds is taken out.
pub(crate) const ARCHIVED: &str = "audit.archive";
/// That an archive is removed.
pub(crate) const REMOVED: &str = "audit.archive_remove";

/// What a record says of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// Number of the record.
    pub(crate) number: u64,
    pub(crate) at: UtcTime,
    pub(crate) is_removal: bool,
    pub(crate) file: String,
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// The hash of its last record.
    pub(crate) hash: Hash,
    pub(crate) sha256: Hash,
}

/// What is written down of an archive.
pub(super) fn entry(at: UtcTime, by: Actor, from: &str, action: &str, manifest: &Manifest) -> Entry {
    let Manifest { file, bytes, sha256, contents } = manifest;
    let mut entry = Entry::new(at, by, from, action);
    entry.object = Some(format!("archive {file}"));
    entry.count = Some((contents.last - contents.first).saturating_add(1));
    entry.facts = [
        ("file", file.clone()),
        ("first", contents.first.to_string()),
        ("last", contents.last.to_string()),
        ("from", contents.from.to_string()),
        ("until", contents.until.to_string()),
        ("before", contents.before.to_string()),
        ("hash", contents.hash.to_string()),
        ("sha256", sha256.to_string()),
        ("bytes", bytes.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    entry
}

/// Looks for what records say of archives.
pub(crate) struct Finding(Finder<'static>);

impl Finding {
    pub(crate) fn new() -> Self {
        // Both begin so; most records say neither, and need not be read for that to be seen.
        Self(Finder::new("\"action\":\"audit.archive"))
    }

    /// What a record says of an archive, if it does.
    pub(crate) fn note(&self, number: u64, bytes: &[u8]) -> Option<Note> {
        self.0.find(bytes)?;
        let entry = chain::decode(number, bytes).ok()?;
        let is_removal = match entry.action.as_str() {
            ARCHIVED => false,
            REMOVED => true,
            _ => return None,
        };
        if entry.outcome != Outcome::Done {
            return None;
        }
        let fact = |name: &str| entry.facts.get(name);
        Some(Note {
            number,
            at: entry.at,
            is_removal,
            file: fact("file")?.clone(),
            first: fact("first")?.parse().ok()?,
            last: fact("last")?.parse().ok()?,
            hash: fact("hash")?.parse().ok()?,
            sha256: fact("sha256")?.parse().ok()?,
        })
    }
}

/// Everything that the online part of a trail says of archives, the first first. Blocks.
pub(super) fn all(folder: &Path) -> Result<Vec<Note>> {
    let (finding, mut reader, mut found) = (Finding::new(), Reader::new(folder, 0), Vec::new());
    while let Some(entry) = reader.next_entry()? {
        if let LedgerEntry::Content(content) = entry {
            found.extend(finding.note(content.number, &content.bytes));
        }
    }
    Ok(found)
}

/// Whether these notes say so of an archive.
pub(super) fn say(notes: &[Note], is_removal: bool, archive: &Archive) -> bool {
    notes.iter().any(|note| note.is_removal == is_removal && note.file == archive.name)
}
