//! Copies of the embedded store, made while it runs.
//!
//! A backup is a folder: the ledger up to a number, the photos, the keys of persons, and `backup.json`, which
//! says how much there is and what it hashes to. The ledger is all of it: records as they are and everything
//! that ever happened to them, sealed as in the store; the index is made anew when the copy is opened.
//! What is appended while the copy is made is in the next one. The master secret is not in it: keep a
//! copy of that elsewhere, or nobody reads the backup.
//!
//! With the keys of persons it has those of everybody who was not erased when it was made. Who was erased
//! later is erased again when a host opens what was restored, by the list of erased persons that lies beside
//! the store and is not touched here.

mod runs;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use rfid_core::{Clock, Error, ErrorKind, Result, UtcTime};
use rfid_ledger::{Entry, Ledger, LedgerSettings, NewRecord, Reader};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use runs::{BackupOutcome, BackupRun, BackupRuns, RUNS};

use crate::audit::space::{Disk, SystemDisk};
use crate::durable_file;
use crate::hex::hex;
use crate::off_runtime::off_runtime;
use crate::store::embedded::{LEDGER, PERSONS, PHOTOS, put_in_place_of_secret};

const MANIFEST: &str = "backup.json";
/// Where a backup is copied to before it is put in its place.
const RESTORING: &str = "restoring";
const FORM: u32 = 2;
/// Of a time when there were no keys of persons.
const FORM_WITHOUT_PERSONS: u32 = 1;
/// Bytes that are appended with one sync.
const GROUP_BYTES: usize = 512 * 1024;
/// What has to be left on a disk besides what is copied to it: others write there as well.
const ROOM_BESIDES: u64 = 64 * 1024 * 1024;

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    form: u32,
    /// When it was begun.
    pub made_at: UtcTime,
    /// Entries of the ledger.
    pub entries: u64,
    /// SHA-256 over the length and the bytes of each, in hexadecimal digits.
    pub ledger_sha256: String,
    /// Files of photos.
    pub photo_files: u64,
    /// SHA-256 over the name and the bytes of each in the order of their names.
    pub photos_sha256: String,
    /// SHA-256 over the keys of persons; absent where there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persons_sha256: Option<String>,
}

/// How far a copy is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Entries of the ledger that are copied.
    pub entries: u64,
    /// Entries that there were when it was begun.
    pub of_entries: u64,
    /// Files of photos that are copied, which comes after the ledger. How many there are is not known before.
    pub photo_files: u64,
}

/// Goes on whatever is told: for who only looks on.
pub fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Asks whoever looks on whether to go on.
fn told(progress: &mut impl FnMut(Progress) -> ControlFlow<()>, how_far: Progress) -> Result<()> {
    match progress(how_far) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::new(ErrorKind::Cancelled, "copy").with_detail("it was stopped")),
    }
}

fn failed(op: &'static str, path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.display().to_string();
    move |error| Error::new(ErrorKind::Io, op).with_detail(path.clone()).with_source(error)
}

fn refused(op: &'static str, detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, op).with_detail(detail)
}

/// Copies the store of `data_dir`, which may be running, into `target`, which must be empty or not
/// there. `progress` is told how far it is and says whether to go on. What is appended from now on is not in
/// it; the last entries may be ones whose writers have no answer yet.
///
/// # Errors
/// `Config` where there is nothing to copy or the target is not empty, `Damaged` where the ledger
/// cannot be read, `Cancelled` where `progress` says so, `Io` also where there is no room for it.
pub async fn back_up(
    data_dir: &Path,
    target: &Path,
    clock: Arc<dyn Clock>,
    mut progress: impl FnMut(Progress) -> ControlFlow<()> + Send,
) -> Result<Manifest> {
    if !data_dir.join(LEDGER).is_dir() {
        return Err(refused("back up", format!("there is no customer service in {}", data_dir.display())));
    }
    must_be_empty("back up", target)?;
    must_have_room(data_dir, target).await?;
    let made_at = clock.now().utc;
    // First: whoever is erased while the rest is copied can be read with these, and is erased again.
    let persons_sha256 = copy_persons(data_dir, target).await?;
    let (entries, ledger_sha256) = copy_ledger(data_dir, target, clock, &mut progress).await?;
    let (photo_files, photos_sha256) = copy_photos(data_dir, target, entries, &mut progress).await?;
    let form = FORM;
    let manifest =
        Manifest { form, made_at, entries, ledger_sha256, photo_files, photos_sha256, persons_sha256 };
    let text = serde_json::to_vec_pretty(&manifest)
        .map_err(|error| Error::new(ErrorKind::Internal, "back up").with_source(error))?;
    let target = target.to_owned();
    // Last: a folder without it is no backup.
    off_runtime("back up", move || {
        write_durably(&target.join(MANIFEST), &text)?;
        sync_folder(&target)
    })
    .await?;
    Ok(manifest)
}

/// Puts a backup into `data_dir`, in which there must be no store. It is copied beside its place and
/// held against what the backup says of itself before it is put there, so that a restore which is
/// interrupted leaves no store.
///
/// # Errors
/// `Config` where there is a store already or no backup, `Damaged` where it is not what it says,
/// `Unsupported` where a newer version made it, `Cancelled` where `progress` says so, `Io`.
pub async fn restore(
    backup: &Path,
    data_dir: &Path,
    clock: Arc<dyn Clock>,
    mut progress: impl FnMut(Progress) -> ControlFlow<()> + Send,
) -> Result<Manifest> {
    let from = backup.to_owned();
    let manifest = off_runtime("restore", move || manifest_of(&from)).await?;
    if ![FORM, FORM_WITHOUT_PERSONS].contains(&manifest.form) {
        let detail = "a newer version made this backup; use that version, or a newer one";
        return Err(Error::new(ErrorKind::Unsupported, "restore").with_detail(detail));
    }
    for part in [LEDGER, PHOTOS, crate::store::embedded::INDEX] {
        must_be_empty("restore", &data_dir.join(part))?;
    }
    let beside = data_dir.join(RESTORING);
    remove(&beside).await?;
    let copied = async {
        let persons_sha256 = copy_persons(backup, &beside).await?;
        let (entries, ledger_sha256) = copy_ledger(backup, &beside, clock, &mut progress).await?;
        let (photo_files, photos_sha256) = copy_photos(backup, &beside, entries, &mut progress).await?;
        let (form, made_at) = (manifest.form, manifest.made_at);
        let copied =
            Manifest { form, made_at, entries, ledger_sha256, photo_files, photos_sha256, persons_sha256 };
        if copied == manifest {
            return Ok(());
        }
        let detail = "what is in the backup is not what it says of itself; nothing was restored";
        Err(Error::new(ErrorKind::Damaged, "restore").with_detail(detail))
    };
    if let Err(error) = copied.await {
        remove(&beside).await?;
        return Err(error);
    }
    let data_dir = data_dir.to_owned();
    off_runtime("restore", move || {
        let (from, to) = (beside.join(PERSONS), data_dir.join(PERSONS));
        if from.is_file() {
            put_in_place_of_secret(&from, &to).map_err(failed("restore", &to))?;
        }
        // The ledger last: without it there is no store.
        for part in [PHOTOS, LEDGER] {
            let (from, to) = (beside.join(part), data_dir.join(part));
            if from.is_dir() {
                // An empty folder may stand there.
                match fs::remove_dir(&to) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(failed("restore", &to)(error));
                    }
                    _ => {}
                }
                fs::rename(&from, &to).map_err(failed("restore", &to))?;
            }
            sync_folder(&data_dir)?;
        }
        fs::remove_dir(&beside).map_err(failed("restore", &beside))
    })
    .await?;
    Ok(manifest)
}

/// What a backup says of itself. Blocks.
///
/// # Errors
/// `Config` where there is no backup, `Damaged` where it cannot be read.
pub fn manifest_of(backup: &Path) -> Result<Manifest> {
    let path = backup.join(MANIFEST);
    let text = fs::read(&path).map_err(|_| {
        refused(
            "restore",
            format!(
                "there is no {MANIFEST} in {}: this is no backup, or one that was interrupted",
                backup.display()
            ),
        )
    })?;
    serde_json::from_slice(&text).map_err(|error| {
        Error::new(ErrorKind::Damaged, "restore").with_detail(path.display().to_string()).with_source(error)
    })
}

/// Removes what an interrupted restore left.
async fn remove(folder: &Path) -> Result<()> {
    let folder = folder.to_owned();
    off_runtime("restore", move || match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed("restore", &folder)(error)),
        _ => Ok(()),
    })
    .await
}

fn write_durably(path: &Path, bytes: &[u8]) -> Result<()> {
    durable_file::write(path, bytes).map_err(failed("copy", path))
}

fn sync_folder(folder: &Path) -> Result<()> {
    durable_file::sync_folder(folder).map_err(failed("copy", folder))
}

fn must_be_empty(op: &'static str, folder: &Path) -> Result<()> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(op, folder)(error)),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(refused(op, format!("{} is not empty", folder.display()))),
        },
    }
}

/// Bytes in the files of a folder and below. What goes meanwhile is not counted. Blocks.
///
/// # Errors
/// `Io`.
pub fn bytes_in(folder: &Path) -> Result<u64> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        entries => entries.map_err(failed("measure", folder))?,
    };
    let mut bytes = 0;
    for entry in entries {
        let entry = entry.map_err(failed("measure", folder))?;
        match entry.metadata() {
            Ok(about) if about.is_dir() => bytes += bytes_in(&entry.path())?,
            Ok(about) => bytes += about.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("measure", &entry.path())(error)),
        }
    }
    Ok(bytes)
}

/// A backup that does not fit is refused before it fills the disk, which may be the one that the host lives on.
async fn must_have_room(data_dir: &Path, target: &Path) -> Result<()> {
    let (data_dir, target) = (data_dir.to_owned(), target.to_owned());
    off_runtime("back up", move || {
        let needed = bytes_in(&data_dir.join(LEDGER))? + bytes_in(&data_dir.join(PHOTOS))?;
        // It may not be there yet; then what it will stand in is.
        let there = target.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
        let left = SystemDisk.room(there)?.left;
        if left >= needed.saturating_add(ROOM_BESIDES) {
            return Ok(());
        }
        let detail = format!(
            "up to {needed} bytes are to be copied, and {} has room for {left}, of which {ROOM_BESIDES} are left free; \
             make room there or name another folder",
            there.display()
        );
        Err(Error::new(ErrorKind::Io, "back up").with_detail(detail))
    })
    .await
}

async fn copy_ledger(
    from: &Path,
    to: &Path,
    clock: Arc<dyn Clock>,
    progress: &mut (impl FnMut(Progress) -> ControlFlow<()> + Send),
) -> Result<(u64, String)> {
    let settings = LedgerSettings { keep_for: None, reserve_bytes: 0, ..LedgerSettings::default() };
    let ledger = Ledger::open(to.join(LEDGER), settings.with_random_id(), clock).await?;
    let folder = from.join(LEDGER);
    // Copying up to what is there now ends, however quickly others write.
    let last = {
        let folder = folder.clone();
        off_runtime("copy", move || rfid_ledger::last_number(&folder)).await?
    };
    let copied = append_all(&ledger, Reader::new(folder, 0), last, progress).await;
    // Also where it failed: whoever removes the half of a copy finds nobody writing to it.
    ledger.close().await;
    copied
}

async fn append_all(
    ledger: &Ledger,
    mut reader: Reader,
    last: u64,
    progress: &mut (impl FnMut(Progress) -> ControlFlow<()> + Send),
) -> Result<(u64, String)> {
    let mut hash = Sha256::new();
    // A store keeps everything, so its numbers count its entries.
    let mut how_far = Progress { of_entries: last, ..Progress::default() };
    told(progress, how_far)?;
    loop {
        let (back, group) = off_runtime("copy", move || {
            let group = read_group(&mut reader, last)?;
            Ok((reader, group))
        })
        .await?;
        reader = back;
        if group.is_empty() {
            break;
        }
        for record in &group {
            hash.update((record.content.len() as u64).to_be_bytes());
            hash.update(&record.content);
        }
        how_far.entries += group.len() as u64;
        ledger.append(group).await?;
        told(progress, how_far)?;
    }
    Ok((how_far.entries, hex(&hash.finalize())))
}

/// Reads on, as much as is appended at once.
fn read_group(reader: &mut Reader, last: u64) -> Result<Vec<NewRecord>> {
    let (mut group, mut bytes) = (Vec::new(), 0);
    while bytes < GROUP_BYTES {
        match reader.next_entry()? {
            Some(Entry::Content(content)) if content.number > last => break,
            Some(Entry::Content(content)) => {
                bytes += content.bytes.len();
                group.push(NewRecord { id: [0; 16], content: content.bytes });
            }
            Some(Entry::Damage(damage)) => {
                let detail = format!(
                    "bytes {} to {} of {} cannot be read",
                    damage.from,
                    damage.to,
                    damage.path.display()
                );
                return Err(Error::new(ErrorKind::Damaged, "copy").with_detail(detail));
            }
            Some(Entry::Gap { .. } | Entry::Gone { .. }) => {
                return Err(Error::new(ErrorKind::Damaged, "copy").with_detail("the ledger has a gap"));
            }
            None => break,
        }
    }
    Ok(group)
}

/// Copies the keys of persons, where there are any.
async fn copy_persons(from: &Path, to: &Path) -> Result<Option<String>> {
    let (from, folder) = (from.join(PERSONS), to.to_owned());
    off_runtime("copy", move || {
        let bytes = match fs::read(&from) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(failed("copy", &from))?,
        };
        fs::create_dir_all(&folder).map_err(failed("copy", &folder))?;
        write_durably(&folder.join(PERSONS), &bytes)?;
        Ok(Some(hex(&Sha256::digest(&bytes))))
    })
    .await
}

/// Copies what is there, a folder of them at a time; a photo that goes meanwhile is not.
async fn copy_photos(
    from: &Path,
    to: &Path,
    entries: u64,
    progress: &mut (impl FnMut(Progress) -> ControlFlow<()> + Send),
) -> Result<(u64, String)> {
    let (from, to) = (from.join(PHOTOS), to.join(PHOTOS));
    let folders = {
        let (from, to) = (from.clone(), to.clone());
        off_runtime("copy", move || {
            fs::create_dir_all(&to).map_err(failed("copy", &to))?;
            names(&from)
        })
        .await?
    };
    let mut hash = Sha256::new();
    let mut how_far = Progress { entries, of_entries: entries, photo_files: 0 };
    for folder in folders {
        let (from, to) = (from.join(&folder), to.join(&folder));
        let (copied, back) = off_runtime("copy", move || copy_folder_of_photos(&from, &to, hash)).await?;
        hash = back;
        how_far.photo_files += copied;
        told(progress, how_far)?;
    }
    off_runtime("copy", move || sync_folder(&to)).await?;
    Ok((how_far.photo_files, hex(&hash.finalize())))
}

fn copy_folder_of_photos(from: &Path, to: &Path, mut hash: Sha256) -> Result<(u64, Sha256)> {
    fs::create_dir_all(to).map_err(failed("copy", to))?;
    let mut files = 0;
    // One with a dot is being written.
    for name in names(from)?.into_iter().filter(|name| !name.contains('.')) {
        let path = from.join(&name);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            bytes => bytes.map_err(failed("copy", &path))?,
        };
        write_durably(&to.join(&name), &bytes)?;
        hash.update(name.as_bytes());
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(&bytes);
        files += 1;
    }
    sync_folder(to)?;
    Ok((files, hash))
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed("copy", folder))?,
    };
    let name = |entry: std::io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> =
        entries.map(name).collect::<std::io::Result<_>>().map_err(failed("copy", folder))?;
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use rfid_core::SystemClock;
    use tempfile::TempDir;
    use zeroize::Zeroizing;

    use super::*;
    use crate::randomness::SystemRandomness;
    use crate::record::{Key, Kind, PhotoId, Visit, VisitId};
    use crate::seal::Keys;
    use crate::store::embedded::EmbeddedStore;
    use crate::store::suite::{customer, origin, visit};
    use crate::store::{Change, Commit, Photo, PhotoSize, Rows, Store};

    fn clock() -> Arc<dyn Clock> {
        Arc::new(SystemClock::new())
    }

    async fn open(folder: &Path) -> EmbeddedStore {
        let keys = Keys::new(&Zeroizing::new([7; 32]), &[]).unwrap();
        EmbeddedStore::open(folder, Rows::new(Arc::new(keys), Arc::new(SystemRandomness)), clock())
            .await
            .unwrap()
    }

    async fn put(store: &EmbeddedStore, number: u8) {
        let commit = Commit { origin: origin(1), changes: vec![Change::new(customer(number, number))] };
        store.commit(commit).await.unwrap();
    }

    fn visit_at(at: u64) -> Visit {
        Visit { id: VisitId::from_bytes(u128::from(at).to_be_bytes()), ..visit(1, 1, at, true) }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_backup_made_under_way_is_restored_with_its_history_and_photos() {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        let store = Arc::new(open(&at("data")).await);
        for number in 0..50 {
            put(&store, number).await;
        }
        let photo = Photo { large: vec![1; 70_000], small: vec![2; 10] };
        store.put_photo(PhotoId::from_bytes([5; 32]), customer(3, 3).id, photo.clone()).await.unwrap();
        // Somebody writes for as long as it takes.
        let busy = {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for at in 0.. {
                    let changes = vec![Change::new(visit_at(at))];
                    store.commit(Commit { origin: origin(1), changes }).await.unwrap();
                }
            })
        };
        let manifest = back_up(&at("data"), &at("backup"), clock(), go_on).await.unwrap();
        busy.abort();
        // Ended, not finished.
        assert!(busy.await.is_err());
        store.close().await;
        assert!(manifest.entries >= 50 && manifest.photo_files == 2);
        assert_eq!(restore(&at("backup"), &at("again"), clock(), go_on).await.unwrap(), manifest);
        let again = open(&at("again")).await;
        assert_eq!(again.count(Kind::Customer).await.unwrap(), 50);
        assert_eq!(again.count(Kind::Visit).await.unwrap(), manifest.entries - 50);
        assert_eq!(again.history(&Key::Customer(customer(3, 3).id), None, 5).await.unwrap().len(), 1);
        let found = again.photo(PhotoId::from_bytes([5; 32]), PhotoSize::Large).await.unwrap();
        assert_eq!(found, Some(photo.large));
        again.close().await;
        // Over a store there is no restoring, and no backup goes over another.
        let error = restore(&at("backup"), &at("again"), clock(), go_on).await.unwrap_err();
        assert!(error.to_string().contains("is not empty"), "{error}");
        assert!(back_up(&at("data"), &at("backup"), clock(), go_on).await.is_err());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_spoilt_backup_restores_nothing() {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        let store = open(&at("data")).await;
        for number in 0..20 {
            put(&store, number).await;
        }
        store.close().await;
        back_up(&at("data"), &at("backup"), clock(), go_on).await.unwrap();
        let segment = fs::read_dir(at("backup").join(LEDGER))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.metadata().unwrap().len() > 1000)
            .unwrap();
        let whole = fs::read(&segment).unwrap();
        for at_byte in [600, whole.len() / 2, whole.len() - 100] {
            let mut spoilt = whole.clone();
            spoilt[at_byte] ^= 1;
            fs::write(&segment, spoilt).unwrap();
            let error = restore(&at("backup"), &at("again"), clock(), go_on).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
            assert!(!at("again").join(LEDGER).exists() && !at("again").join(RESTORING).exists());
        }
        // One that was interrupted, and one that is tried again over what it left.
        fs::create_dir_all(at("again").join(RESTORING).join(LEDGER)).unwrap();
        fs::write(&segment, whole).unwrap();
        assert!(
            restore(&at("data"), &at("again"), clock(), go_on)
                .await
                .unwrap_err()
                .to_string()
                .contains("no backup")
        );
        restore(&at("backup"), &at("again"), clock(), go_on).await.unwrap();
    }
}
