//! Whether a file may be loaded, and the very bytes that were looked at.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};
use sha2::{Digest, Sha256};

/// Largest plugin that is read.
const LARGEST: u64 = 512 * 1024 * 1024;

/// A plugin's bytes in memory that nobody can change any more, neither the one who wrote the
/// file nor the plugin itself.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) memory: OwnedFd,
    pub(crate) sha256: Sha256Text,
    pub(crate) path: PathBuf,
    /// Libraries that it brings along by their names, each behind those that it needs itself.
    pub(crate) brings: Vec<(String, Sealed)>,
}

impl Sealed {
    /// The sums of the libraries that it brings along.
    pub(crate) fn library_sums(&self) -> BTreeMap<String, Sha256Text> {
        self.brings.iter().map(|(name, library)| (name.clone(), library.sha256)).collect()
    }
}

/// The SHA-256 of a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sha256Text([u8; 32]);

impl Sha256Text {
    /// From 64 hexadecimal digits.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("\"{text}\" is not a SHA-256: 64 hexadecimal digits, as sha256sum prints them");
        let (pairs, odd) = text.as_bytes().as_chunks::<2>();
        let mut sum = [0; 32];
        if pairs.len() != sum.len() || !odd.is_empty() {
            return Err(wrong());
        }
        for (byte, [high, low]) in sum.iter_mut().zip(pairs) {
            let digit = |digit: u8| char::from(digit).to_digit(16).ok_or_else(wrong);
            *byte = (digit(*high)? << 4 | digit(*low)?) as u8;
        }
        Ok(Self(sum))
    }

    fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Sha256Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads a library of this folder into sealed memory, and gives the bytes as well, if nobody could have put
/// it there who must not.
///
/// The folder and the file belong to root or to the user of this process, nobody else may write to
/// them, and neither is a link. With `pinned`, the file has this sum.
///
/// *Errors*: a sentence that says what is wrong and what to do.
pub(crate) fn read(
    folder: &Path,
    file: &str,
    pinned: Option<Sha256Text>,
) -> Result<(Sealed, Vec<u8>), String> {
    let name = file_name(file)?;
    let path = folder.join(name);
    let folder_fd = open(rustix::fs::CWD, folder, OFlags::DIRECTORY)
        .map_err(|error| cannot_open(folder, error, "the folder of plugins (plugin_dir in [host])"))?;
    refuse_written_by_others(&metadata(&folder_fd, folder)?, folder)?;
    let opened = open(&folder_fd, Path::new(name), OFlags::empty())
        .map_err(|error| cannot_open(&path, error, "the plugin"))?;
    let about = metadata(&opened, &path)?;
    if !about.is_file() {
        return Err(format!("{} is not a file", path.display()));
    }
    refuse_written_by_others(&about, &path)?;
    if about.len() > LARGEST {
        return Err(format!("{} has {} bytes; at most {LARGEST} are loaded", path.display(), about.len()));
    }
    let mut bytes = Vec::new();
    File::from(opened)
        .take(LARGEST)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let sha256 = Sha256Text::of(&bytes);
    if let Some(pinned) = pinned.filter(|pinned| *pinned != sha256) {
        return Err(format!(
            "{} has the SHA-256 {sha256} and the configuration asks for {pinned}; if it was replaced on purpose, write the new one",
            path.display()
        ));
    }
    let memory =
        seal(&bytes).map_err(|error| format!("cannot keep {} in memory: {error}", path.display()))?;
    Ok((Sealed { memory, sha256, path, brings: Vec::new() }, bytes))
}

/// A name without a way to another folder.
fn file_name(file: &str) -> Result<&OsStr, String> {
    let mut parts = Path::new(file).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(name)), None) if name == file => Ok(name),
        _ => Err(format!("\"{file}\" is not the name of a file in plugin_dir, as in \"libacme.so\"")),
    }
}

fn open(beside: impl std::os::fd::AsFd, path: &Path, more: OFlags) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | more;
    Ok(rustix::fs::openat(beside, path, flags, Mode::empty())?)
}

fn cannot_open(path: &Path, error: io::Error, what: &str) -> String {
    let path = path.display();
    match rustix::io::Errno::from_io_error(&error) {
        Some(rustix::io::Errno::LOOP) => {
            format!("{path} is a link; put the file itself there, so that nobody can turn it elsewhere")
        }
        Some(rustix::io::Errno::NOENT) => format!("there is no {path}, {what}"),
        _ => format!("cannot open {path}, {what}: {error}"),
    }
}

fn metadata(file: &OwnedFd, path: &Path) -> Result<Metadata, String> {
    let about = file.try_clone().map(File::from).and_then(|file| file.metadata());
    about.map_err(|error| format!("cannot look at {}: {error}", path.display()))
}

/// Whoever may write there decides what this process runs.
fn refuse_written_by_others(about: &Metadata, path: &Path) -> Result<(), String> {
    let user = rustix::process::geteuid().as_raw();
    let path = path.display();
    if about.uid() != 0 && about.uid() != user {
        return Err(format!(
            "{path} belongs to user {} and not to root or to the user of this process ({user}); run: chown root {path}",
            about.uid()
        ));
    }
    if about.mode() & 0o022 != 0 {
        return Err(format!(
            "{path} may be written by others (mode {:04o}); run: chmod go-w {path}",
            about.mode() & 0o7777
        ));
    }
    Ok(())
}

fn seal(bytes: &[u8]) -> io::Result<OwnedFd> {
    let memory = rustix::fs::memfd_create("plugin", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = File::from(memory);
    file.write_all(bytes)?;
    let memory = OwnedFd::from(file);
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&memory, seals)?;
    Ok(memory)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn folder_with(name: &str, bytes: &[u8], mode: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        folder
    }

    #[test]
    fn what_is_written_after_the_look_is_not_what_is_loaded() {
        let folder = folder_with("a.so", b"looked at", 0o644);
        let (sealed, _) = read(folder.path(), "a.so", None).unwrap();
        fs::write(folder.path().join("a.so"), b"swapped in").unwrap();
        let mut file = File::from(sealed.memory.try_clone().unwrap());
        let mut bytes = Vec::new();
        std::io::Seek::rewind(&mut file).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"looked at");
        assert_eq!(Sha256Text::of(&bytes), sealed.sha256);
        assert!(file.write_all(b"x").is_err(), "the memory is sealed");
    }

    #[test]
    fn a_file_that_others_may_write_is_refused() {
        for mode in [0o664, 0o646, 0o666] {
            let folder = folder_with("a.so", b"x", mode);
            let refusal = read(folder.path(), "a.so", None).unwrap_err();
            assert!(refusal.contains("chmod go-w"), "{refusal}");
        }
    }

    #[test]
    fn a_folder_that_others_may_write_is_refused() {
        let folder = folder_with("a.so", b"x", 0o644);
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let refusal = read(folder.path(), "a.so", None).unwrap_err();
        assert!(refusal.contains("may be written by others (mode 0777)"), "{refusal}");
    }

    #[test]
    fn a_file_of_somebody_else_is_refused() {
        let folder = folder_with("a.so", b"x", 0o644);
        let path = folder.path().join("a.so");
        // Only root can give a file away; for others there is nothing to test.
        if std::os::unix::fs::chown(&path, Some(65_534), None).is_ok() {
            let refusal = read(folder.path(), "a.so", None).unwrap_err();
            assert!(refusal.contains("belongs to user 65534"), "{refusal}");
        }
    }

    #[test]
    fn links_are_not_followed() {
        let folder = folder_with("a.so", b"x", 0o644);
        symlink(folder.path().join("a.so"), folder.path().join("b.so")).unwrap();
        let refusal = read(folder.path(), "b.so", None).unwrap_err();
        assert!(refusal.contains("is a link"), "{refusal}");
        let other = folder.path().join("link");
        symlink(folder.path(), &other).unwrap();
        assert!(read(&other, "a.so", None).is_err());
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        let folder = folder_with("a.so", b"x", 0o644);
        for name in ["../a.so", "/etc/passwd", "x/a.so", "./a.so", "a.so/", "..", ".", "", "a.so\0"] {
            assert!(read(folder.path(), name, None).is_err(), "{name:?} was taken");
        }
        assert!(read(folder.path(), "a.so", None).is_ok());
    }

    #[test]
    fn a_pinned_sum_is_asked_of_the_bytes() {
        let folder = folder_with("a.so", b"x", 0o644);
        let right = Sha256Text::of(b"x");
        assert!(read(folder.path(), "a.so", Some(right)).is_ok());
        let refusal = read(folder.path(), "a.so", Some(Sha256Text::of(b"y"))).unwrap_err();
        assert!(refusal.contains(&right.to_string()), "{refusal}");
        assert_eq!(Sha256Text::parse(&right.to_string()), Ok(right));
        assert!(Sha256Text::parse("12").is_err());
        assert!(Sha256Text::parse(&"ä".repeat(32)).is_err());
    }
}
