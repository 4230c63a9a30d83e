//! The one task that writes.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::try_join_all;
use rfid_core::{Error, ErrorKind, Result};
use rfid_ledger::{Entry as LedgerEntry, Ledger, NewRecord};
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::entry::Entry;
use super::index::{Batches, Leads, LedgerPlace};
use super::persons::PersonFile;
use super::reading::{Index, Present, owner_of};
use super::replay::{self, Counts};
use super::seen::Seen;
use crate::off_runtime::off_runtime;
use crate::record::{Key, Kind, Record};
use crate::seal::Blind;
use crate::store::asking::{self, Answer, WaitingCommit};
use crate::store::erasing::KeyChange;
use crate::store::plan::{self, PlannedChange, Row, Written};
use crate::store::{Commit, CommitFault, Origin};

/// Commits that share a sync.
const GROUP: usize = 64;
/// How often it is looked whether the index is where the ledger is, while nobody writes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Bytes of changes in one portion of a load in the ledger.
const PORTION_BYTES: usize = 256 * 1024;

pub(super) enum Request {
    Commit(WaitingCommit),
    Load {
        origin: Origin,
        /// Portions, and `None` behind the last.
        portions: mpsc::Receiver<Option<Vec<Record>>>,
        answer: Answer<u64>,
    },
    Keys {
        change: KeyChange,
        answer: oneshot::Sender<Result<()>>,
    },
    Close,
}

impl From<WaitingCommit> for Request {
    fn from(asked: WaitingCommit) -> Self {
        Self::Commit(asked)
    }
}

pub(super) struct Writer {
    index: Index,
    ledger: Ledger,
    persons: PersonFile,
    /// The number up to which the index should have the ledger.
    applied: u64,
}

impl Writer {
    /// Writes to an index that has all of the ledger that counts, up to this number.
    pub(super) fn new(index: Index, ledger: Ledger, persons: PersonFile, applied: u64) -> Self {
        Self { index, ledger, persons, applied }
    }

    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut next = None;
        loop {
            let request = match next.take() {
                Some(request) => request,
                None => match timeout(LOOK_EVERY, requests.recv()).await {
                    Ok(Some(request)) => request,
                    Ok(None) => break,
                    // Also where nobody writes: an index that was lost finds nobody's card.
                    Err(_) => {
                        if let Err(error) = self.mend().await {
                            tracing::error!(
                                error = format!("{error:#}"),
                                "the index of customers and visits fails"
                            );
                        }
                        continue;
                    }
                },
            };
            match request {
                Request::Close => {
                    requests.close();
                }
                Request::Load { origin, portions, answer } => {
                    let outcome = self.load(origin, portions).await;
                    // Whoever asked may have gone away, and then the load was given up.
                    if let Some(outcome) = outcome {
                        let _ = answer.send(outcome);
                    }
                }
                Request::Keys { change, answer } => {
                    // Whoever asked may have gone away; it has happened all the same.
                    let _ = answer.send(self.change_keys(change).await);
                }
                Request::Commit(asked) => {
                    let mut group = vec![asked];
                    while group.len() < GROUP {
                        match requests.try_recv() {
                            Ok(Request::Commit(asked)) => group.push(asked),
                            Ok(other) => {
                                next = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.write(group).await;
                }
            }
            replay::note_damage(&self.index).await;
        }
    }

    /// Brings the index to where the ledger is, if it is not: a write of it failed, or its file was
    /// damaged while it was open and a new one begun.
    async fn mend(&mut self) -> Result<()> {
        if replay::last_applied(&self.index).await? == self.applied {
            return Ok(());
        }
        tracing::warn!("the index of customers and visits is behind its ledger; what it lacks is applied");
        replay::catch_up(&self.index, &self.ledger).await?;
        self.applied = replay::last_applied(&self.index).await?;
        Ok(())
    }

    async fn change_keys(&mut self, change: KeyChange) -> Result<()> {
        // What the index lacks is read from the ledger, for which it has to be readable.
        self.mend().await?;
        let changed = self.persons.change(self.index.rows(), change).await;
        // What can be read no more is not read from memory either.
        self.index.forget_what_was_read();
        changed
    }

    /// Carries out what may happen of a group of commits, with one sync.
    async fn write(&mut self, group: Vec<WaitingCommit>) {
        let (commits, answers) = group.into_iter().map(|asked| (asked.commit, asked.answer)).unzip();
        asking::tell(answers, self.plan_and_write(commits).await);
    }

    async fn plan_and_write(&mut self, commits: Vec<Commit>) -> Result<Vec<Result<Vec<u32>, CommitFault>>> {
        self.mend().await?;
        let damaged = self.index.sled().damaged_values();
        let mut plan = self.index.plan(&commits).await?;
        if self.index.sled().damaged_values() > damaged {
            let detail =
                "a record that this is about is damaged in the index; a restart makes the index anew";
            return Err(Error::new(ErrorKind::Damaged, "commit").with_detail(detail));
        }
        let mut outcomes = Vec::new();
        let mut planned = Vec::new();
        for commit in commits {
            match plan.commit(commit) {
                Ok(commit) => {
                    outcomes.push(Ok(commit.versions()));
                    planned.push(commit);
                }
                Err(fault) => outcomes.push(Err(fault)),
            }
        }
        if planned.is_empty() {
            return Ok(outcomes);
        }
        let mut entries = Vec::new();
        for commit in &planned {
            let changes = commit.changes.iter().map(|change| change.written.clone()).collect();
            let content = Entry::Commit(commit.origin.clone(), changes).encode()?;
            entries.push(NewRecord { id: [0; 16], content });
        }
        let appended = self.ledger.append(entries).await?;
        // From here on it has happened, whatever becomes of the index.
        self.applied = appended.last().map_or(self.applied, |appended| appended.number);
        let mut counts = Counts::read(&self.index).await?;
        let written = planned.iter().flat_map(|commit| &commit.changes);
        self.index.remembered().writing(written.map(|change| change.written.key.clone()));
        let mut batches = Vec::new();
        for (commit, appended) in planned.iter().zip(appended) {
            let mut parts = Batches::default();
            let leads = commit.changes.iter().map(|PlannedChange { written, before, after }| {
                Leads::new(self.index.rows(), before.as_ref(), written, after.as_ref())
            });
            let at = LedgerPlace { number: appended.number, load: None };
            replay::write(&mut parts, &mut counts, leads.collect(), at);
            batches.extend(parts.end().into_iter().map(|batch| self.index.sled().commit(batch)));
        }
        // They reach the index in this order and share a sync.
        try_join_all(batches).await?;
        self.index.remembered().written();
        for commit in &planned {
            let changes = commit.changes.iter();
            self.index.bearers().written(
                changes.clone().map(|PlannedChange { written, after, .. }| {
                    (&written.key, written.version, after.as_ref())
                }),
            );
            self.index.latest().written(changes.map(|PlannedChange { written, before, after }| {
                (written.version, before.as_ref().map(|(record, _)| record), after.as_ref())
            }));
        }
        Ok(outcomes)
    }

    /// Takes in a load; nothing where whoever asked has given it up.
    async fn load(
        &mut self,
        origin: Origin,
        mut portions: mpsc::Receiver<Option<Vec<Record>>>,
    ) -> Option<Result<u64, CommitFault>> {
        let begin = match self.append(&Entry::LoadBegins(origin)).await {
            Ok(number) => number,
            Err(error) => return Some(Err(error.into())),
        };
        let mut loading = Loading { begin, ..Loading::default() };
        while let Some(portion) = portions.recv().await? {
            if let Err(fault) = self.take_portion(&mut loading, portion).await {
                return Some(Err(fault));
            }
        }
        self.applied = match self.append(&Entry::LoadEnds).await {
            Ok(number) => number,
            Err(error) => return Some(Err(error.into())),
        };
        let applied = replay::apply_load(&self.index, &self.ledger, begin, loading.count).await;
        Some(applied.map(|()| loading.count).map_err(CommitFault::Store))
    }

    async fn take_portion(&self, loading: &mut Loading, portion: Vec<Record>) -> Result<(), CommitFault> {
        let mut present = Present::default();
        present.read(&self.index, portion.iter().map(Record::key).collect()).await?;
        let mut hidden = Vec::new();
        for record in &portion {
            for unique in record.uniques() {
                hidden.extend(
                    self.index.rows().hidden(&unique).into_iter().map(|blind| (blind, unique.field())),
                );
            }
        }
        let blinds = hidden.iter().map(|(blind, _)| blind.to_bytes().to_vec()).collect();
        let owners = self.index.owners(blinds).await?;
        for ((_, field), owner) in hidden.iter().zip(owners) {
            if let Some((by, _)) = owner.as_deref().and_then(owner_of) {
                return Err(CommitFault::Taken { field, by });
            }
        }
        let (mut changes, mut bytes) = (Vec::new(), 0);
        for record in portion {
            let key = record.key();
            if let Some(person) = record.person().filter(|person| self.index.rows().is_shut(*person)) {
                return Err(CommitFault::Conflict { key: Key::Customer(person), found: 0 });
            }
            let row = present.row(&key);
            if let Some(Row { version, content: Some(_) }) = row {
                return Err(CommitFault::Conflict { key, found: *version });
            }
            let version = row.map_or(0, |row| row.version) + 1;
            if !loading.keys.entry(key.kind()).or_default().insert(id_of(&key)) {
                return Err(CommitFault::Conflict { key, found: version });
            }
            let encoded = plan::encoded(self.index.rows(), &record)?;
            for unique in record.uniques() {
                let blind = self.index.rows().hide_beside(&encoded, &unique);
                if !loading.uniques.insert(blind.to_bytes()) {
                    let by = self.loaded_with(loading.begin, blind).await?.unwrap_or(key);
                    return Err(CommitFault::Taken { field: unique.field(), by });
                }
            }
            loading.count += 1;
            let written = Written { key, version, bytes: Some(encoded) };
            bytes += written.len();
            changes.push(written);
            if bytes >= PORTION_BYTES {
                self.append(&Entry::LoadPortion(std::mem::take(&mut changes))).await?;
                bytes = 0;
            }
        }
        if !changes.is_empty() {
            self.append(&Entry::LoadPortion(changes)).await?;
        }
        Ok(())
    }

    /// The record of the load that began at this number to which this is unique.
    async fn loaded_with(&self, begin: u64, unique: Blind) -> Result<Option<Key>> {
        let (index, ledger) = (self.index.clone(), self.ledger.clone());
        let look = move || {
            let mut reader = ledger.read(begin);
            while let Some(entry) = reader.next_entry()? {
                let LedgerEntry::Content(content) = entry else { continue };
                let Entry::LoadPortion(changes) = Entry::decode(&content.bytes)? else { continue };
                for Written { key, bytes, .. } in changes {
                    let Some(bytes) = bytes else { continue };
                    let Some(record) = index.rows().decode_kept(&key, &bytes)? else { continue };
                    if plan::blinds(index.rows(), &record, &bytes).contains(&unique) {
                        return Ok(Some(key));
                    }
                }
            }
            // In the portion that is not in the ledger yet.
            Ok(None)
        };
        off_runtime("load", look).await
    }

    async fn append(&self, entry: &Entry) -> Result<u64> {
        let appended = self.ledger.append(vec![NewRecord { id: [0; 16], content: entry.encode()? }]).await?;
        Ok(appended.first().map_or(0, |appended| appended.number))
    }
}

/// A load under way.
#[derive(Default)]
struct Loading {
    /// Its number in the ledger.
    begin: u64,
    keys: HashMap<Kind, Seen>,
    /// What is unique to its records, hidden.
    uniques: Seen,
    count: u64,
}

/// The id of a record; of a branch, which has a code instead, the beginning of its SHA-256.
fn id_of(key: &Key) -> [u8; 16] {
    let bytes = key.to_bytes();
    bytes.as_slice().try_into().ok().filter(|_| key.kind() != Kind::Branch).unwrap_or_else(|| {
        let mut id = [0; 16];
        id.iter_mut().zip(Sha256::digest(&bytes)).for_each(|(to, from)| *to = from);
        id
    })
}
