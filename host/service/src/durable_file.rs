//! Files that are there wholly or not at all, also after a power cut, and for the user of the host alone. All of
//! it blocks.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A file that nothing was written to yet.
pub(crate) fn begin(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Writes the bytes of a file at which nobody looks yet. Its name is on the disk when its folder was synced.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = begin(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Moves a file that was synced to where another may be.
pub(crate) fn put_in_place(half_made: &Path, path: &Path) -> io::Result<()> {
    fs::rename(half_made, path)?;
    sync_folder_of(path)
}

/// Writes a file beside its place, with the extension `part`, and puts it there.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    write(&part, bytes)?;
    put_in_place(&part, path)
}

/// Removes a file. Allowed twice.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The same, so that it is not there again after a power cut.
pub(crate) fn remove_for_good(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_folder_of(path),
    }
}

/// Lets the names in a folder survive a power cut.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    sync_folder(folder.unwrap_or(Path::new(".")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_read_by_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept.json");
        for text in ["a longer one", "another"] {
            replace(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        for _ in 0..2 {
            remove(&path).unwrap();
            remove_for_good(&path).unwrap();
        }
        replace(&path, b"there again").unwrap();
        remove_for_good(&path).unwrap();
        assert!(!path.exists());
        assert!(replace(&folder.path().join("nowhere").join("kept.json"), b"").is_err());
    }
}
