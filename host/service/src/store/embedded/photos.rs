//! Photos: one file for each form, named by what is in it, sealed.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rfid_core::Result;

use crate::durable_file;
use crate::off_runtime::io_off_runtime;
use crate::record::{CustomerId, PhotoId};
use crate::store::{Photo, PhotoSize, Rows};

/// Counts files that are being written.
static UNFINISHED: AtomicU64 = AtomicU64::new(0);

/// The folder of photos. Files lie in folders named by the first two digits of their ids.
#[derive(Clone)]
pub(super) struct Photos {
    folder: Arc<Path>,
    rows: Rows,
}

impl Photos {
    pub(super) async fn open(folder: PathBuf, rows: Rows) -> Result<Self> {
        let made = folder.clone();
        io_off_runtime("open", move || private_folder(&made)).await?;
        Ok(Self { folder: folder.into(), rows })
    }

    pub(super) async fn put(&self, id: PhotoId, of: CustomerId, photo: Photo) -> Result<()> {
        let large = self.rows.seal_photo(id, of, PhotoSize::Large, &photo.large)?;
        let small = self.rows.seal_photo(id, of, PhotoSize::Small, &photo.small)?;
        let photos = self.clone();
        // The large one last: a photo is there when it is.
        io_off_runtime("put photo", move || {
            photos.write(id, PhotoSize::Small, &small)?;
            photos.write(id, PhotoSize::Large, &large)
        })
        .await
    }

    pub(super) async fn get(&self, id: PhotoId, size: PhotoSize) -> Result<Option<Vec<u8>>> {
        let path = self.path(id, size);
        let bytes = io_off_runtime("get photo", move || match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        })
        .await?;
        let Some(bytes) = bytes else { return Ok(None) };
        Ok(self.rows.open_photo(id, size, &bytes)?.map(|photo| photo.to_vec()))
    }

    pub(super) async fn list(&self, after: Option<PhotoId>, limit: usize) -> Result<Vec<PhotoId>> {
        let folder = Arc::clone(&self.folder);
        io_off_runtime("list photos", move || {
            let mut folders = names(&folder)?;
            folders.sort();
            let mut found = Vec::new();
            for name in folders {
                let files = names(&folder.join(&name))?;
                let ids =
                    files.iter().filter_map(|file| file.strip_suffix(suffix(PhotoSize::Large))?.parse().ok());
                let mut ids: Vec<PhotoId> = ids.filter(|id| after.is_none_or(|after| *id > after)).collect();
                ids.sort();
                found.extend(ids);
                if found.len() >= limit {
                    break;
                }
            }
            found.truncate(limit);
            Ok(found)
        })
        .await
    }

    pub(super) async fn remove(&self, id: PhotoId) -> Result<()> {
        let paths = [PhotoSize::Large, PhotoSize::Small].map(|size| self.path(id, size));
        io_off_runtime("remove photo", move || {
            paths.iter().try_for_each(|path| durable_file::remove_for_good(path))
        })
        .await
    }

    fn path(&self, id: PhotoId, size: PhotoSize) -> PathBuf {
        let name = id.to_string();
        self.folder.join(name.get(..2).unwrap_or_default()).join(format!("{name}{}", suffix(size)))
    }

    /// Writes a file wholly or not at all.
    fn write(&self, id: PhotoId, size: PhotoSize, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(id, size);
        let folder = path.parent().unwrap_or(&self.folder);
        private_folder(folder)?;
        // Two may write the same photo at once.
        let unfinished = path.with_extension(format!("part{}", UNFINISHED.fetch_add(1, Ordering::Relaxed)));
        durable_file::write(&unfinished, bytes)?;
        durable_file::put_in_place(&unfinished, &path)?;
        durable_file::sync_folder(&self.folder)
    }
}

const fn suffix(size: PhotoSize) -> &'static str {
    match size {
        PhotoSize::Large => "-large",
        PhotoSize::Small => "-small",
    }
}

/// A folder that nobody else may look into.
fn private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}
