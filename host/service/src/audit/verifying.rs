//! Whether a trail is what was written.

use std::path::Path;
use std::sync::mpsc;

use rfid_core::{Error, ErrorKind, Result, UtcTime};
use rfid_ledger::{Entry as LedgerEntry, Reader};

use super::anchors::Anchor;
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
    /// The first thing that is wrong, if anything is.
    pub fault: Option<Faulty>,
}

/// Something that is wrong with a trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faulty {
    /// The first record that is not what was written, or is not there.
    pub number: u64,
    /// What is wrong.
    pub what: String,
}

/// Goes through the trail of a folder, also while it is written, and compares it with anchors. Blocks.
/// Ends at the first thing that is wrong.
///
/// # Errors
/// `Config` where there is none; `Io` when a file cannot be read, `Unsupported` for one of a newer
/// version.
pub fn verify(folder: &Path, anchors: &[Anchor], mut progress: impl FnMut(u64)) -> Result<Verified> {
    if !folder.is_dir() {
        let detail = format!("there is no audit trail in {}", folder.display());
        return Err(Error::new(ErrorKind::Config, "verify").with_detail(detail));
    }
    // One thread reads and checks what the disk gives, the other hashes.
    let (portions, coming) = mpsc::sync_channel(WAITING);
    let (reader, outcome) = (Reader::new(folder, 0), mpsc::channel());
    let mut walk = Walk::new(anchors);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // Nobody listens any more where something is wrong already.
            let _ = outcome.0.send(read(reader, &portions));
        });
        for portion in coming {
            if !portion.into_iter().all(|entry| walk.take(entry)) {
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

fn read(mut reader: Reader, portions: &mpsc::SyncSender<Vec<LedgerEntry>>) -> Result<()> {
    loop {
        let mut portion = Vec::with_capacity(PORTION);
        while portion.len() < PORTION {
            match reader.next_entry()? {
                Some(entry) => portion.push(entry),
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
    head: Head,
    records: u64,
    agreeing: u64,
    until: Option<UtcTime>,
    fault: Option<Faulty>,
}

impl<'a> Walk<'a> {
    fn new(anchors: &'a [Anchor]) -> Self {
        Self { anchors, first: 0, head: Head::EMPTY, records: 0, agreeing: 0, until: None, fault: None }
    }

    /// Goes one on; false where something is wrong.
    fn take(&mut self, entry: LedgerEntry) -> bool {
        let fault = match entry {
            LedgerEntry::Content(content) => {
                let next = self.head.number + 1;
                if self.records == 0 {
                    self.first = content.number;
                } else if content.number != next {
                    return self.wrong(next, "is not there".to_owned());
                }
                match chain::split(&content.bytes) {
                    None => Some("is no record of an audit trail".to_owned()),
                    // What came before the first that is kept was kept long enough, and is not there to
                    // be compared; a trail that begins with number 1 has nothing before it.
                    Some((before, _))
                        if (self.records > 0 || content.number == 1) && before != self.head.hash =>
                    {
                        Some(
                            "does not bear the hash of the record before it: one of the two was changed"
                                .to_owned(),
                        )
                    }
                    Some(_) => {
                        self.head = Head { number: content.number, hash: Hash::of(&content.bytes) };
                        self.records += 1;
                        self.until = Some(content.time);
                        self.compare()
                    }
                }
                .map(|what| (content.number, what))
            }
            LedgerEntry::Gap { number, gap, .. } => {
                Some((number, format!("stands for {} records that are lost", gap.count())))
            }
            LedgerEntry::Damage(damage) => {
                let at = format!("{} from byte {} to {}", damage.path.display(), damage.from, damage.to);
                Some((damage.behind + 1, format!("cannot be read: {at} is damaged")))
            }
            LedgerEntry::Gone { .. } => None,
        };
        match fault {
            None => true,
            Some((number, what)) => self.wrong(number, what),
        }
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

    fn end(mut self) -> Verified {
        let behind = self.anchors.iter().filter(|anchor| anchor.head.number > self.head.number);
        if let (None, Some(anchor)) = (&self.fault, behind.min_by_key(|anchor| anchor.head.number)) {
            let what = format!(
                "is not there: the trail ends before it, and record {} was anchored at {}",
                anchor.head.number, anchor.at
            );
            self.wrong(self.head.number + 1, what);
        }
        let Self { first, head, records, agreeing, until, fault, .. } = self;
        Verified { first, head, records, anchors: agreeing, until, fault }
    }
}
