//! Taking records out of a trail into an archive.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rfid_core::{Error, ErrorKind, Result, UtcTime};
use rfid_ledger::{Content, Entry as LedgerEntry, Reader};

use super::format::ArchiveWriter;
use super::notes::{self, ARCHIVED, Note};
use super::{
    Archive, Archives, Ask, Contents, KEPT_ONLINE, Manifest, Planned, Step, damaged, failed, folder,
};
use crate::audit::chain::{self, Hash};
use crate::audit::{Head, Trail};
use crate::hex::hex;
use crate::off_runtime::off_runtime;
use crate::randomness::Randomness;
use crate::seal::Keys;

/// Told of each step when it is done; a test lets the process end there.
pub(super) type Told<'a> = &'a (dyn Fn(Step) -> Result<()> + Send + Sync);

impl Trail {
    /// Takes old records out into archives, and goes on where an earlier run ended in the middle. Returns the
    /// archives that came of it.
    ///
    /// # Errors
    /// `Config` where the folder is not there; `Damaged` where the trail, or an archive that it should go on
    /// from, is not what was written; `Io`. What was not finished is gone on with by the next run.
    pub async fn archive(
        &self,
        archives: &Archives,
        ask: &Ask,
        randomness: Arc<dyn Randomness>,
    ) -> Result<Vec<Manifest>> {
        self.archive_told(archives, ask, randomness, &|_| Ok(())).await
    }

    pub(super) async fn archive_told(
        &self,
        archives: &Archives,
        ask: &Ask,
        randomness: Arc<dyn Randomness>,
        told: Told<'_>,
    ) -> Result<Vec<Manifest>> {
        let work = Work {
            trail: self.folder().to_owned(),
            folder: archives.folder.clone(),
            id: hex(&self.id()),
            keys: Arc::clone(self.keys()),
        };
        let mut made = Vec::new();
        // What waits is written first: what is read from here on is on the disk.
        self.head().await?;
        for placed in work.clone().unfinished().await? {
            made.push(self.finish(placed, ask, told).await?);
        }
        let at_most = ask.at_most.min(self.last().saturating_sub(KEPT_ONLINE));
        let (trail, before) = (work.trail.clone(), ask.before);
        let planned = off_runtime("archive", move || super::plan(&trail, before, at_most)).await?;
        if planned.is_empty() {
            return Ok(made);
        }
        let trail = work.trail.clone();
        let notes = Arc::new(off_runtime("archive", move || notes::all(&trail)).await?);
        for one in planned {
            let (made_at, trail) = (self.now(), ask.trail.clone());
            let (looking, told_of) = (work.clone(), Arc::clone(&notes));
            let contents =
                off_runtime("archive", move || looking.contents(&one, trail, made_at, &told_of)).await?;
            let writing = work.clone();
            let archive = Archive::at(&work.folder, &work.id, contents.first, contents.last);
            let (to, kept, random) = (archive.clone(), contents.clone(), Arc::clone(&randomness));
            off_runtime("archive", move || writing.write(&to, &kept, random.as_ref())).await?;
            told(Step::Written)?;
            let (half_made, reading) = (folder::half_made(archive.path()), work.clone());
            let manifest = off_runtime("archive", move || reading.read_back(&half_made, &contents)).await?;
            let manifest = Manifest { file: archive.name.clone(), ..manifest };
            told(Step::ReadBack)?;
            let to = archive.clone();
            off_runtime("archive", move || folder::put_in_place(&folder::half_made(to.path()), to.path()))
                .await?;
            told(Step::Placed)?;
            let is_noted = notes::say(&notes, false, &archive);
            made.push(self.finish(Placed { archive, manifest, is_noted }, ask, told).await?);
        }
        Ok(made)
    }

    /// What is left to do when an archive is in its place and was read back.
    async fn finish(&self, placed: Placed, ask: &Ask, told: Told<'_>) -> Result<Manifest> {
        let Placed { archive, manifest, is_noted } = placed;
        let (to, kept) = (archive.clone(), manifest.clone());
        off_runtime("archive", move || match to.manifest()? {
            Some(_) => Ok(()),
            None => to.describe(&kept),
        })
        .await?;
        told(Step::Described)?;
        if !is_noted {
            self.act(notes::entry(self.now(), ask.by.clone(), &ask.from, ARCHIVED, &manifest)).await?;
        }
        told(Step::Noted)?;
        self.take_out_through(archive.last).await?;
        tracing::info!(
            archive = %archive.path().display(),
            first = archive.first,
            last = archive.last,
            "old records of the audit trail are in an archive"
        );
        told(Step::Removed)?;
        Ok(manifest)
    }
}

/// An archive that is in its place and was read back.
struct Placed {
    archive: Archive,
    manifest: Manifest,
    /// Whether the trail says already that it is there.
    is_noted: bool,
}

/// What is known of both sides.
#[derive(Clone)]
struct Work {
    /// Folder of the trail.
    trail: PathBuf,
    /// Folder of the archives.
    folder: PathBuf,
    id: String,
    keys: Arc<Keys>,
}

impl Work {
    /// Archives in their place of which something is online still, each read back: a run ended before it
    /// had removed that.
    async fn unfinished(self) -> Result<Vec<Placed>> {
        off_runtime("archive", move || {
            folder::clean(&self.folder, &self.id)?;
            let heads = rfid_ledger::segment_heads(&self.trail)?;
            let first = heads.first().map_or(u64::MAX, |head| head.first);
            let (mut found, mut next) = (Vec::new(), first);
            for archive in folder::list(&self.folder, &self.id)? {
                if archive.last < first {
                    continue;
                }
                // What goes online is everything up to its end, so nothing before it may be in no archive.
                if archive.first > next {
                    let detail = format!(
                        "{} holds none of the records {next} to {}, which are online: nothing is taken out until \
                         it lies elsewhere",
                        archive.path().display(),
                        archive.first - 1
                    );
                    return Err(damaged(detail));
                }
                next = archive.last.saturating_add(1);
                let contents = archive.open()?.contents().clone();
                let manifest = self.read_back(archive.path(), &contents).map_err(|error| {
                    let detail = format!(
                        "{} is an archive of an earlier run and not what is online; nothing of it was removed \
                         there: move it elsewhere and look why",
                        archive.path().display()
                    );
                    Error::new(error.kind(), "archive").with_detail(detail).with_source(error)
                })?;
                found.push((archive.clone(), Manifest { file: archive.name, ..manifest }));
            }
            if found.is_empty() {
                return Ok(Vec::new());
            }
            let notes = notes::all(&self.trail)?;
            let placed = |(archive, manifest)| Placed {
                is_noted: notes::say(&notes, false, &archive),
                archive,
                manifest,
            };
            Ok(found.into_iter().map(placed).collect())
        })
        .await
    }

    /// What an archive of these numbers would hold, if the chain is whole there.
    fn contents(
        &self,
        planned: &Planned,
        trail: String,
        made_at: UtcTime,
        notes: &[Note],
    ) -> Result<Contents> {
        let (mut before, mut head, mut times) = (None, Head::EMPTY, (UtcTime::default(), UtcTime::default()));
        self.each_online(planned.first, planned.last, |content| {
            let (bears, _) = chain::split(&content.bytes).ok_or_else(|| broken(content.number))?;
            if before.is_some() && bears != head.hash {
                return Err(broken(content.number));
            }
            if before.is_none() {
                (before, times.0) = (Some(bears), content.time);
            }
            (head, times.1) = (Head { number: content.number, hash: Hash::of(&content.bytes) }, content.time);
            Ok(())
        })?;
        let before = before.ok_or_else(|| broken(planned.first))?;
        let previous = self.previous(planned.first, before, notes)?;
        let (first, last, id) = (planned.first, planned.last, self.id.clone());
        let (from, until) = times;
        Ok(Contents { trail, id, previous, first, last, from, until, before, hash: head.hash, made_at })
    }

    /// Name of the archive that ends before this number, which bears the hash that its last record must have.
    /// The trail tells of it in `notes`, if it was not made in this run.
    fn previous(&self, first: u64, before: Hash, notes: &[Note]) -> Result<Option<String>> {
        let there = folder::list(&self.folder, &self.id)?.into_iter().rfind(|other| other.last < first);
        let noted = notes.iter().filter(|note| note.last < first).max_by_key(|note| note.last);
        let name = match (there, noted) {
            (Some(archive), noted) if noted.as_ref().is_none_or(|note| note.last <= archive.last) => {
                let contents = archive.open()?.contents().clone();
                if contents.last + 1 != first || contents.hash != before {
                    let detail = format!("{} does not end where the trail begins", archive.path().display());
                    return Err(damaged(detail));
                }
                Some(archive.name)
            }
            // It may be kept elsewhere; that it is missing verifying says.
            (_, Some(Note { file, .. })) => Some(file.clone()),
            _ => None,
        };
        Ok(name)
    }

    fn write(&self, archive: &Archive, contents: &Contents, randomness: &dyn Randomness) -> Result<()> {
        let path = folder::half_made(archive.path());
        let out = BufWriter::new(folder::begin(&path)?);
        let mut writer = ArchiveWriter::new(out, contents, &self.keys, randomness)?;
        self.each_online(contents.first, contents.last, |content| writer.add(content.time, &content.bytes))?;
        let (mut out, ..) = writer.end()?;
        let ended = out.flush().and_then(|()| out.get_ref().sync_all());
        ended.map_err(failed(&path))
    }

    /// Reads an archive as it lies on the disk and holds it against what it is to hold, and against everything
    /// of it that is online still. What comes back has no name yet.
    fn read_back(&self, path: &Path, contents: &Contents) -> Result<Manifest> {
        let file = File::open(path).map_err(failed(path))?;
        // What was just written is in memory; what counts is what the disk has. Where the system does not do
        // that, it is read from memory.
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        let mut reader = super::format::ArchiveReader::new(std::io::BufReader::new(file))?;
        if reader.contents() != contents || contents.id != self.id {
            return Err(damaged("the archive says something else of itself"));
        }
        let mut online = Online::new(&self.trail, contents.first);
        let mut head = Head { number: contents.first - 1, hash: contents.before };
        while let Some(record) = reader.next_record(&self.keys)? {
            let (bears, _) = chain::split(&record.bytes).ok_or_else(|| broken(record.number))?;
            if bears != head.hash {
                return Err(broken(record.number));
            }
            head = Head { number: record.number, hash: Hash::of(&record.bytes) };
            match online.at(record.number)? {
                Some(own) if own.bytes != record.bytes || own.time != record.time => {
                    return Err(damaged(format!("record {} is another online", record.number)));
                }
                _ => {}
            }
        }
        if head.hash != contents.hash {
            return Err(damaged("the archive ends with another record than it says"));
        }
        let (bytes, sha256) = reader.sum()?;
        Ok(Manifest { file: String::new(), bytes, sha256, contents: contents.clone() })
    }

    /// Each record of these numbers, of which none may be missing.
    fn each_online(&self, first: u64, last: u64, mut take: impl FnMut(Content) -> Result<()>) -> Result<()> {
        let mut online = Online::new(&self.trail, first);
        for number in first..=last {
            take(online.at(number)?.ok_or_else(|| broken(number))?)?;
        }
        Ok(())
    }
}

fn broken(number: u64) -> Error {
    Error::new(ErrorKind::Damaged, "archive").with_detail(format!(
        "the audit trail is not whole at record {number}, so nothing is taken out of it; `rfid-host audit verify` \
         says more"
    ))
}

/// The records of a trail on the disk, asked for one after the other.
struct Online {
    reader: Reader,
    /// The next one.
    next: Option<Content>,
}

impl Online {
    fn new(folder: &Path, first: u64) -> Self {
        Self { reader: Reader::new(folder, first.saturating_sub(1)), next: None }
    }

    /// That of this number, which is higher than the one before; nothing where it is not there.
    fn at(&mut self, number: u64) -> Result<Option<Content>> {
        while self.next.as_ref().is_none_or(|next| next.number < number) {
            match self.reader.next_entry()? {
                Some(LedgerEntry::Content(content)) => self.next = Some(content),
                // What cannot be read leaves a hole, at which a record is missing.
                Some(_) => {}
                None => return Ok(None),
            }
        }
        Ok(self.next.take_if(|next| next.number == number))
    }
}
