//! Whether a trail is what was written.

use std::path::Path;
use std::sync::mpsc;

use rfid_core::{Error, ErrorKind, Result, UtcTime};
use rfid_ledger::{Content, Entry as LedgerEntry, Reader};

use super::anchors::Anchor;
use super::archive::notes::{Finding, Note};
use super::archive::walking::{Found, Walking};
use super::archive::{Archives, Contents, Manifest};
use super::chain::{self, Hash, Head};

/// Records that one thread hands to the other at once, and such portions that wait.
const PORTION: usize = 1024;
const WAITING: usize = 4;

/// What is in a trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Number of the first record that is kept.
    pub first: u64,
    /// Where the chain ends.
    pub head: Head,
    /// Records.
    pub records: u64,
    /// Anchors that lie in the trail and agree with it.
    pub anchors: u64,
    /// When the last record was written.
    pub until: Option<UtcTime>,
    /// Archives that were gone through, where there are any.
    pub archives: Option<Archived>,
    /// Why the chain is not known from its beginning on, where the trail says it.
    pub known_from: Option<KnownFrom>,
    /// The first thing that is wrong, if anything is.
    pub fault: Option<Faulty>,
}

/// Archives that were gone through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Archived {
    /// How many.
    pub count: u64,
    /// Records in them.
    pub records: u64,
    /// Whether they were opened; otherwise their sums and manifests were held against each other.
    pub are_opened: bool,
}

/// Since when what came before is gone, which a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownFrom {
    /// Number of the record that says so.
    pub number: u64,
    /// When it was written.
    pub at: UtcTime,
    /// The archive that was removed.
    pub archive: String,
}

/// Something that is wrong with a trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faulty {
    /// The first record that is not what was written, or is not there.
    pub number: u64,
    /// What is wrong.
    pub what: String,
}

/// Goes through the trail of a folder, also while it is written, and compares it with anchors: what is online,
/// and its archives if there are any, which are one chain. Blocks. Ends at the first thing that is wrong.
///
/// # Errors
/// `Config` where there is none, or no folder of archives; `Io` when a file cannot be read, `Unsupported` for one
/// of a newer version.
pub fn verify(
    folder: &Path,
    archives: Option<&Archives>,
    anchors: &[Anchor],
    mut progress: impl FnMut(u64),
) -> Result<Verified> {
    let there = || match (archives, rfid_ledger::identity(folder)?) {
        (Some(archives), Some(id)) => archives.of(id),
        _ => Ok(Vec::new()),
    };
    loop {
        let before = there()?;
        let verified = go_through_once(folder, archives, anchors, &mut progress)?;
        // A host that archives meanwhile moves records from where they were still to be looked for to where
        // that was done already. It does so once a day, so the next try sees one or the other.
        if verified.fault.is_none() || before == there()? {
            return Ok(verified);
        }
    }
}

fn go_through_once(
    folder: &Path,
    archives: Option<&Archives>,
    anchors: &[Anchor],
    mut progress: impl FnMut(u64),
) -> Result<Verified> {
    if !folder.is_dir() {
        let detail = format!("there is no audit trail in {}", folder.display());
        return Err(Error::new(ErrorKind::Config, "verify").with_detail(detail));
    }
    // Before the archives are: what is taken out meanwhile is in one of them, or online still.
    let heads = rfid_ledger::segment_heads(folder)?;
    let archived = match (archives, rfid_ledger::identity(folder)?) {
        (Some(archives), Some(id)) => Some(Walking::new(archives, id)?),
        _ => None,
    };
    let mut walk = Walk::new(anchors, heads.first().map_or(u64::MAX, |head| head.first));
    walk.archived =
        archives.map(|archives| Archived { count: 0, records: 0, are_opened: archives.can_open() });
    // One thread reads and checks what the disk gives, the other hashes.
    let (portions, coming) = mpsc::sync_channel(WAITING);
    let (reader, outcome) = (Reader::new(folder, 0), mpsc::channel());
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // Nobody listens any more where something is wrong already.
            let _ = outcome.0.send(read(archived, reader, &portions));
        });
        for portion in coming {
            if !portion.into_iter().all(|item| walk.take(item)) {
                break;
            }
            progress(walk.head.number);
        }
    });
    match outcome.1.recv() {
        Ok(Err(error)) if walk.fault.is_none() => return Err(error),
        _ => {}
    }
    Ok(walk.end())
}

/// Where a record comes from.
enum Item {
    Archived(Found),
    Online(LedgerEntry),
}

fn read(
    mut archived: Option<Walking>,
    mut reader: Reader,
    portions: &mpsc::SyncSender<Vec<Item>>,
) -> Result<()> {
    loop {
        let mut portion = Vec::with_capacity(PORTION);
        while portion.len() < PORTION {
            if let Some(walking) = &mut archived {
                match walking.next()? {
                    Some(found) => portion.push(Item::Archived(found)),
                    None => archived = None,
                }
                continue;
            }
            match reader.next_entry()? {
                Some(entry) => portion.push(Item::Online(entry)),
                None => break,
            }
        }
        let is_last = portion.len() < PORTION;
        if portions.send(portion).is_err() || is_last {
            return Ok(());
        }
    }
}

struct Walk<'a> {
    anchors: &'a [Anchor],
    first: u64,
    /// The hash that the first record bears.
    before: Hash,
    head: Head,
    records: u64,
    agreeing: u64,
    until: Option<UtcTime>,
    archived: Option<Archived>,
    /// The archives that were gone through.
    manifests: Vec<Manifest>,
    /// From this number on the trail is online.
    online_from: u64,
    /// Hashes of archived records that are online, too: from that number on, or later where the archive begins.
    both: Vec<(u64, Hash)>,
    finding: Finding,
    notes: Vec<Note>,
    fault: Option<Faulty>,
}

impl<'a> Walk<'a> {
    fn new(anchors: &'a [Anchor], online_from: u64) -> Self {
        Self {
            anchors,
            first: 0,
            before: Hash::NONE,
            head: Head::EMPTY,
            records: 0,
            agreeing: 0,
            until: None,
            archived: None,
            manifests: Vec::new(),
            online_from,
            both: Vec::new(),
            finding: Finding::new(),
            notes: Vec::new(),
            fault: None,
        }
    }

    /// Goes one on; false where something is wrong.
    fn take(&mut self, item: Item) -> bool {
        let fault = match item {
            Item::Archived(Found::Begins(manifest)) => self.begins(*manifest),
            Item::Archived(Found::Record(content)) => self.archived_record(&content),
            Item::Archived(Found::Passed(contents)) => self.passed(&contents),
            Item::Archived(Found::Wrong(faulty)) => Some((faulty.number, faulty.what)),
            Item::Online(LedgerEntry::Content(content)) if content.number <= self.archived_through() => {
                self.is_the_same(&content)
            }
            Item::Online(LedgerEntry::Content(content)) => self.record(&content),
            Item::Online(LedgerEntry::Gap { number, gap, .. }) => {
                Some((number, format!("stands for {} records that are lost", gap.count())))
            }
            Item::Online(LedgerEntry::Damage(damage)) => {
                let at = format!("{} from byte {} to {}", damage.path.display(), damage.from, damage.to);
                Some((damage.behind + 1, format!("cannot be read: {at} is damaged")))
            }
            Item::Online(LedgerEntry::Gone { .. }) => None,
        };
        match fault {
            None => true,
            Some((number, what)) => self.wrong(number, what),
        }
    }

    fn archived_through(&self) -> u64 {
        self.manifests.last().map_or(0, |manifest| manifest.contents.last)
    }

    /// An archive has to go on from the one before it.
    fn begins(&mut self, manifest: Manifest) -> Option<(u64, String)> {
        let contents = &manifest.contents;
        let next = self.head.number + 1;
        let fault = match &contents.previous {
            _ if self.manifests.is_empty() => None,
            _ if contents.first < next => {
                let what = format!("is in more than one archive, the last of them {}", manifest.file);
                Some((contents.first, what))
            }
            Some(previous) if contents.first > next => Some((
                next,
                format!(
                    "is in no archive, nor are those up to {}: {previous} is missing",
                    contents.first - 1
                ),
            )),
            _ if contents.first > next || contents.before != self.head.hash => Some((
                next,
                format!("is not in {}, which does not go on from what is before it", manifest.file),
            )),
            _ => None,
        };
        if let Some(archived) = &mut self.archived {
            archived.count += 1;
        }
        self.manifests.push(manifest);
        fault
    }

    fn archived_record(&mut self, content: &Content) -> Option<(u64, String)> {
        if let Some(archived) = &mut self.archived {
            archived.records += 1;
        }
        let fault = self.record(content);
        if content.number >= self.online_from {
            self.both.push((content.number, self.head.hash));
        }
        let contents = self.manifests.last().map(|manifest| &manifest.contents)?;
        let is_other = content.number == contents.first && self.bears(content) != Some(contents.before)
            || content.number == contents.last && self.head.hash != contents.hash;
        fault.or_else(|| is_other.then(|| (content.number, "is another than its archive says".to_owned())))
    }

    fn bears(&self, content: &Content) -> Option<Hash> {
        chain::split(&content.bytes).map(|(before, _)| before)
    }

    /// What was not opened counts as what it says.
    fn passed(&mut self, contents: &Contents) -> Option<(u64, String)> {
        if self.records == 0 {
            (self.first, self.before) = (contents.first, contents.before);
        }
        let records = contents.last - contents.first + 1;
        self.records += records;
        if let Some(archived) = &mut self.archived {
            archived.records += records;
        }
        self.head = Head { number: contents.last, hash: contents.hash };
        self.until = Some(contents.until);
        self.compare().map(|what| (contents.last, what))
    }

    /// A record of which an archive has a copy, as a run leaves it that ended in the middle.
    fn is_the_same(&self, content: &Content) -> Option<(u64, String)> {
        let copy = self.both.binary_search_by_key(&content.number, |(number, _)| *number).ok();
        let (_, hash) = copy.and_then(|at| self.both.get(at))?;
        (*hash != Hash::of(&content.bytes))
            .then(|| (content.number, "is another online than in its archive".to_owned()))
    }

    fn record(&mut self, content: &Content) -> Option<(u64, String)> {
        let next = self.head.number + 1;
        let Some((before, _)) = chain::split(&content.bytes) else {
            return Some((content.number, "is no record of an audit trail".to_owned()));
        };
        if self.records == 0 {
            (self.first, self.before) = (content.number, before);
        } else if content.number != next {
            let is_behind_archives = next == self.archived_through() + 1 && !self.manifests.is_empty();
            return Some(match is_behind_archives {
                true => {
                    (next, format!("is in no archive, and the trail is online from {} on", content.number))
                }
                false => (next, "is not there".to_owned()),
            });
        }
        // What came before the first that is kept was kept long enough, and is not there to be compared; a
        // trail that begins with number 1 has nothing before it.
        if (self.records > 0 || content.number == 1) && before != self.head.hash {
            let what = "does not bear the hash of the record before it: one of the two was changed";
            return Some((content.number, what.to_owned()));
        }
        self.head = Head { number: content.number, hash: Hash::of(&content.bytes) };
        self.records += 1;
        self.until = Some(content.time);
        self.notes.extend(self.finding.note(content.number, &content.bytes));
        self.compare().map(|what| (content.number, what))
    }

    fn wrong(&mut self, number: u64, what: String) -> bool {
        self.fault = Some(Faulty { number, what });
        false
    }

    /// The head against anchors of its number.
    fn compare(&mut self) -> Option<String> {
        for anchor in self.anchors.iter().filter(|anchor| anchor.head.number == self.head.number) {
            if anchor.head.hash != self.head.hash {
                return Some(format!("is another than at {}, when it was anchored", anchor.at));
            }
            self.agreeing += 1;
        }
        None
    }

    /// Whether the archives that the trail tells of are there, as it tells of them.
    fn told_of(&self) -> Option<Faulty> {
        for note in self.notes.iter().filter(|note| !note.is_removal) {
            let of = format!("{}, which record {} tells of", note.file, note.number);
            match self.manifests.iter().find(|manifest| manifest.file == note.file) {
                Some(manifest) if (manifest.sha256, manifest.contents.hash) != (note.sha256, note.hash) => {
                    let what = format!("is in an archive that is not the one that was made: {of}");
                    return Some(Faulty { number: note.first, what });
                }
                Some(_) => {}
                // It was removed, or what it has was walked elsewhere: online, or in another archive.
                None if self.is_removed(&note.file) || self.first <= note.first => {}
                None => {
                    let what = format!("is not there, nor are those up to {}: {of}, is missing", note.last);
                    return Some(Faulty { number: note.first, what });
                }
            }
        }
        None
    }

    fn is_removed(&self, file: &str) -> bool {
        self.notes.iter().any(|note| note.is_removal && note.file == file)
    }

    /// Why the chain begins behind number 1, as far as the trail has to say it.
    fn beginning(&self) -> Result<Option<KnownFrom>, Faulty> {
        if self.first <= 1 {
            return Ok(None);
        }
        let ended = self.notes.iter().find(|note| note.is_removal && note.last == self.first - 1);
        if let Some(note) = ended.filter(|note| note.hash == self.before) {
            let (number, at, archive) = (note.number, note.at, note.file.clone());
            return Ok(Some(KnownFrom { number, at, archive }));
        }
        // Without a look into archives the trail is what is online, and begins where that begins.
        let previous = self.manifests.first().and_then(|manifest| manifest.contents.previous.as_ref());
        match previous {
            None => Ok(None),
            // What says so may be in an archive that was not opened.
            Some(_) if !self.archived.is_some_and(|archived| archived.are_opened) => Ok(None),
            Some(previous) => {
                let what = format!(
                    "is not there, nor is any before it: the archive {previous} is missing, and no record says that \
                     it was removed"
                );
                Err(Faulty { number: self.first - 1, what })
            }
        }
    }

    fn end(mut self) -> Verified {
        let behind = self.anchors.iter().filter(|anchor| anchor.head.number > self.head.number);
        if let (None, Some(anchor)) = (&self.fault, behind.min_by_key(|anchor| anchor.head.number)) {
            let what = format!(
                "is not there: the trail ends before it, and record {} was anchored at {}",
                anchor.head.number, anchor.at
            );
            self.wrong(self.head.number + 1, what);
        }
        let mut known_from = None;
        if self.fault.is_none() {
            match self.beginning() {
                Ok(known) => known_from = known,
                Err(faulty) => self.fault = Some(faulty),
            }
            if self.archived.is_some() {
                self.fault = self.fault.take().or_else(|| self.told_of());
            }
        }
        let Self { first, head, records, agreeing, until, archived, fault, .. } = self;
        Verified { first, head, records, anchors: agreeing, until, archives: archived, known_from, fault }
    }
}
