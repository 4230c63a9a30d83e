//! Everything from one store into another: records, what ever happened to them, and photos.
//!
//! The journal of one is carried out anew on the other, so versions and histories are the same there.
//! What was moved before an interruption is recognised and not moved again. In the end both are read
//! from beginning to end and their sums compared.
//!
//! Of persons who were erased nothing is moved, because nothing can be read; that they are is.

use std::collections::{HashMap, HashSet};
use std::fmt;

use rfid_core::{Error, ErrorKind, Result};
use sha2::{Digest, Sha256};

use crate::record::{Customer, CustomerId, Key, Kind, PhotoId, Proposal, Record, Request};
use crate::store::{Change, Commit, CommitFault, Happened, Origin, Photo, PhotoSize, Store, Stored, Version};

/// Commits under way at once.
const AT_ONCE: usize = 64;
/// Records and photos that are read at once.
const PAGE: usize = 256;

/// How far a move is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many versions of records are in the other store.
    Moving(u64),
    /// So many photos are there.
    Photos(u64),
    /// So many versions and records of one of them were read again.
    Proving(u64),
}

/// What is in a store, to be held against another.
#[derive(Clone, PartialEq, Eq)]
pub struct Sum {
    /// How many records of each kind there are.
    pub records: Vec<(Kind, u64)>,
    /// Versions of records that there ever were.
    pub versions: u64,
    /// Photos.
    pub photos: u64,
    /// SHA-256 over all of it, in an order that both have.
    pub sha256: [u8; 32],
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.sha256 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {} {} {self}", self.records, self.versions, self.photos)
    }
}

/// Moves everything of `from` into `to`, which is empty or holds the beginning of the same. Nobody
/// writes to either meanwhile. Returns what both have in the end.
///
/// *Cancel safety*: what was moved stays; the same call goes on behind it.
///
/// # Errors
/// `Config` when `to` has something else; `Damaged` when what arrived is not what was sent; those of
/// the stores.
pub async fn move_all(
    from: &dyn Store,
    to: &dyn Store,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Sum> {
    let owners = move_versions(from, to, progress).await?;
    move_photos(from, to, &owners, progress).await?;
    for erasure in from.erasures().await? {
        to.shut(erasure.person).await?;
        if erasure.is_done {
            to.destroy_key(erasure.person).await?;
        }
    }
    let sent = sum(from, progress).await?;
    let arrived = sum(to, progress).await?;
    if sent != arrived {
        let detail = format!("what arrived is not what was sent: {sent:?} against {arrived:?}");
        return Err(Error::new(ErrorKind::Damaged, "move").with_detail(detail));
    }
    Ok(sent)
}

/// The version of a record that a change expects.
#[derive(Default)]
struct Removed(HashSet<Key>);

impl Removed {
    fn expected(&mut self, version: &Version) -> u32 {
        let was_removed = self.0.remove(&version.key);
        if version.record.is_none() {
            self.0.insert(version.key.clone());
        }
        if was_removed { 0 } else { version.version.saturating_sub(1) }
    }
}

/// Whose photos there are.
type Owners = HashMap<PhotoId, CustomerId>;

/// Notes whose photo a record names.
fn note_owner(owners: &mut Owners, record: Option<&Record>) {
    match record {
        Some(Record::Customer(Customer { id, photo: Some(photo), .. })) => {
            owners.insert(*photo, *id);
        }
        Some(Record::Request(Request { proposal: Proposal::Photo { customer, photo, .. }, .. })) => {
            owners.insert(*photo, *customer);
        }
        _ => {}
    }
}

async fn move_versions(
    from: &dyn Store,
    to: &dyn Store,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Owners> {
    let other = || {
        Error::new(ErrorKind::Config, "move")
            .with_detail("the store to move to has customers of its own already; move to an empty one")
    };
    let mut there = Versions::of(to).await?;
    let mut removed = Removed::default();
    let mut owners = Owners::new();
    let mut moved = 0;
    let mut waiting: Vec<Commit> = Vec::new();
    let mut coming = from.journal().await?;
    while let Some(happened) = coming.recv().await {
        let Happened { origin, changes } = happened?;
        // A portion of a load is many commits; what was one commit stays one.
        let size = if changes.len() > Commit::MOST { 1 } else { Commit::MOST };
        let mut fresh = Vec::new();
        for version in changes {
            let expected = removed.expected(&version);
            note_owner(&mut owners, version.record.as_ref());
            match there.next().await? {
                // Of an interrupted move.
                Some((by, same)) if by == origin && same == version => moved += 1,
                Some(_) => return Err(other()),
                None => fresh.push(match version.record {
                    Some(record) => Change::Put { record: Box::new(record), expected },
                    None => Change::Remove { key: version.key, expected },
                }),
            }
        }
        while !fresh.is_empty() {
            let rest = fresh.split_off(size.min(fresh.len()));
            waiting.push(Commit { origin: origin.clone(), changes: std::mem::replace(&mut fresh, rest) });
        }
        if waiting.len() >= AT_ONCE {
            moved += carry_out(to, std::mem::take(&mut waiting)).await?;
            progress(Progress::Moving(moved));
        }
    }
    moved += carry_out(to, waiting).await?;
    progress(Progress::Moving(moved));
    if there.next().await?.is_some() { Err(other()) } else { Ok(owners) }
}

async fn carry_out(to: &dyn Store, commits: Vec<Commit>) -> Result<u64> {
    let count = commits.iter().map(|commit| commit.changes.len() as u64).sum();
    for outcome in to.commit_all(commits).await {
        match outcome {
            Ok(_) => {}
            Err(CommitFault::Store(error)) => return Err(error),
            Err(fault) => {
                let detail = format!("the store to move to does not take what the other has: {fault}");
                return Err(Error::new(ErrorKind::Damaged, "move").with_detail(detail));
            }
        }
    }
    Ok(count)
}

/// The journal of a store, a version at a time.
struct Versions {
    coming: tokio::sync::mpsc::Receiver<Result<Happened>>,
    origin: Option<Origin>,
    open: std::vec::IntoIter<Version>,
}

impl Versions {
    async fn of(store: &dyn Store) -> Result<Self> {
        Ok(Self { coming: store.journal().await?, origin: None, open: Vec::new().into_iter() })
    }

    async fn next(&mut self) -> Result<Option<(Origin, Version)>> {
        loop {
            if let Some(found) = self.origin.clone().zip(self.open.next()) {
                return Ok(Some(found));
            }
            match self.coming.recv().await {
                Some(happened) => {
                    let Happened { origin, changes } = happened?;
                    self.origin = Some(origin);
                    self.open = changes.into_iter();
                }
                None => return Ok(None),
            }
        }
    }
}

async fn move_photos(
    from: &dyn Store,
    to: &dyn Store,
    owners: &Owners,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<()> {
    // One that no record names is forgotten by the host one day.
    let nobody = CustomerId::from_bytes([0; 16]);
    let (mut after, mut moved) = (None, 0);
    loop {
        let ids = from.photos(after, PAGE).await?;
        let Some(last) = ids.last() else { return Ok(()) };
        after = Some(*last);
        for id in ids {
            let of = owners.get(&id).copied().unwrap_or(nobody);
            to.put_photo(id, of, photo(from, id).await?).await?;
            moved += 1;
            progress(Progress::Photos(moved));
        }
    }
}

async fn photo(store: &dyn Store, id: PhotoId) -> Result<Photo> {
    let gone = || {
        Error::new(ErrorKind::Damaged, "move").with_detail(format!("photo {id} is listed and cannot be read"))
    };
    let large = store.photo(id, PhotoSize::Large).await?.ok_or_else(gone)?;
    let small = store.photo(id, PhotoSize::Small).await?.ok_or_else(gone)?;
    Ok(Photo { large, small })
}

/// Reads everything that a store has.
///
/// # Errors
/// Those of the store.
pub async fn sum(store: &dyn Store, progress: &mut (dyn FnMut(Progress) + Send)) -> Result<Sum> {
    let mut hash = Sha256::new();
    let mut read = 0;
    let mut records = Vec::new();
    for kind in Kind::ALL {
        let (mut after, mut count): (Option<Key>, u64) = (None, 0);
        loop {
            let page = store.scan(kind, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.record.key());
            for Stored { version, record } in &page {
                hash.update(version.to_le_bytes());
                add(&mut hash, record)?;
            }
            count += page.len() as u64;
            read += page.len() as u64;
            progress(Progress::Proving(read));
        }
        if count != store.count(kind).await? {
            let detail = format!("the store counts its records of kind {} wrongly", kind.name());
            return Err(Error::new(ErrorKind::Damaged, "move").with_detail(detail));
        }
        records.push((kind, count));
    }
    let mut versions = 0;
    // No two versions are the same, so what they add up to does not depend on how a store orders them.
    let mut added = [0u8; 32];
    let mut coming = store.journal().await?;
    while let Some(happened) = coming.recv().await {
        let Happened { origin, changes } = happened?;
        for version in changes {
            let mut one = Sha256::new();
            add(&mut one, &origin)?;
            one.update([version.key.kind() as u8]);
            one.update(version.version.to_le_bytes());
            one.update(version.key.to_bytes());
            add(&mut one, &version.record)?;
            added.iter_mut().zip(one.finalize()).for_each(|(sum, byte)| *sum ^= byte);
            versions += 1;
            if versions % PAGE as u64 == 0 {
                progress(Progress::Proving(read + versions));
            }
        }
    }
    hash.update(added);
    let (mut after, mut photos) = (None, 0);
    loop {
        let ids = store.photos(after, PAGE).await?;
        let Some(last) = ids.last() else { break };
        after = Some(*last);
        for id in ids {
            let Photo { large, small } = photo(store, id).await?;
            hash.update(id.to_bytes());
            for form in [large, small] {
                hash.update((form.len() as u64).to_le_bytes());
                hash.update(form);
            }
            photos += 1;
        }
    }
    Ok(Sum { records, versions, photos, sha256: hash.finalize().into() })
}

/// The length keeps what follows apart.
fn add(hash: &mut Sha256, what: &impl serde::Serialize) -> Result<()> {
    let json = serde_json::to_vec(what)
        .map(zeroize::Zeroizing::new)
        .map_err(|error| Error::new(ErrorKind::Internal, "encode").with_source(error))?;
    hash.update((json.len() as u64).to_le_bytes());
    hash.update(json.as_slice());
    Ok(())
}

#[cfg(test)]
mod tests;
