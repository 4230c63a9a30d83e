//! The file of an export as it lies on the disk: sealed under a key that is kept nowhere.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hmac::{Hmac, Mac};
use rfid_core::{Error, ErrorKind, Result};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::durable_file;
use crate::hex::hex;
use crate::randomness::{self, Randomness};
use crate::record::ExportId;

/// First byte of a file: its form, for the day on which there is another.
const FORM: u8 = 1;
const NONCE: usize = 12;
/// Ends the name of a file that is not whole yet.
const PART: &str = ".part";

/// The key of one export.
pub(super) struct FileKey(Zeroizing<[u8; 32]>);

impl FileKey {
    pub(super) fn new(randomness: &dyn Randomness) -> Result<Self> {
        Ok(Self(Zeroizing::new(randomness::bytes(randomness)?)))
    }

    /// The key from its text; what is none is no key of any file.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut key = Zeroizing::new([0; 32]);
        for (byte, pair) in key.iter_mut().zip(digits.chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(key))
    }

    pub(super) fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(hex(self.0.as_ref()))
    }

    /// By what it is known again. The key is random, so nothing can be learnt from this.
    pub(super) fn hash(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"rfid-service export");
        hash.update(self.0.as_ref());
        hex(&hash.finalize())
    }

    fn cipher(&self) -> Result<Aes256Gcm> {
        let refused = || Error::new(ErrorKind::Internal, "export").with_detail("a key has the wrong length");
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(self.0.as_ref()).map_err(|_| refused())?;
        mac.update(b"rfid-service export file");
        let derived = Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes()));
        Aes256Gcm::new_from_slice(derived.as_ref()).map_err(|_| refused())
    }

    /// Seals a file, for this export alone.
    pub(super) fn seal(&self, id: ExportId, plain: &[u8], randomness: &dyn Randomness) -> Result<Vec<u8>> {
        let nonce: [u8; NONCE] = randomness::bytes(randomness)?;
        let payload = Payload { msg: plain, aad: &id.to_bytes() };
        let text = self.cipher()?.encrypt(&Nonce::from(nonce), payload);
        let text = text.map_err(|_| Error::new(ErrorKind::Internal, "export"))?;
        Ok([&[FORM][..], &nonce, &text].concat())
    }

    /// What was sealed.
    pub(super) fn open(&self, id: ExportId, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let damaged = || {
            Error::new(ErrorKind::Damaged, "export")
                .with_detail(format!("the file of {id} is not what it was"))
        };
        let (head, text) = sealed.split_at_checked(1 + NONCE).ok_or_else(damaged)?;
        let (Some(&FORM), Some(nonce)) = (head.first(), head.get(1..)) else { return Err(damaged()) };
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| damaged())?;
        let payload = Payload { msg: text, aad: &id.to_bytes() };
        self.cipher()?.decrypt(&Nonce::from(nonce), payload).map(Zeroizing::new).map_err(|_| damaged())
    }
}

fn path(folder: &Path, id: ExportId) -> PathBuf {
    folder.join(id.to_string())
}

/// Writes a file so that it is there wholly or not at all, also after a power cut. Blocks.
pub(super) fn write(folder: &Path, id: ExportId, sealed: &[u8]) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let part = folder.join(format!("{id}{PART}"));
    if let Err(error) = durable_file::write(&part, sealed) {
        // What was wrong first is what counts.
        let _ = durable_file::remove(&part);
        return Err(error);
    }
    durable_file::put_in_place(&part, &path(folder, id))
}

/// The bytes of a file. Blocks.
pub(super) fn read(folder: &Path, id: ExportId) -> io::Result<Vec<u8>> {
    fs::read(path(folder, id))
}

/// Removes a file, whole or not. Allowed twice. Blocks.
pub(super) fn remove(folder: &Path, id: ExportId) -> io::Result<()> {
    durable_file::remove(&folder.join(format!("{id}{PART}")))?;
    durable_file::remove(&path(folder, id))
}

/// Exports of which there is a file, whole or not. Blocks.
pub(super) fn there(folder: &Path) -> io::Result<Vec<ExportId>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        // What is called otherwise was not put there by the service.
        let id = name.to_str().map(|name| name.strip_suffix(PART).unwrap_or(name));
        found.extend(id.and_then(|id| id.parse::<ExportId>().ok()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::randomness::SystemRandomness;

    #[test]
    fn a_file_opens_by_its_key_and_for_its_export_alone() {
        let (id, other) = (ExportId::from_bytes([1; 16]), ExportId::from_bytes([2; 16]));
        let key = FileKey::new(&SystemRandomness).unwrap();
        let sealed = key.seal(id, b"visits", &SystemRandomness).unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"visits"));
        let again = FileKey::from_text(&key.text()).unwrap();
        assert_eq!(again.hash(), key.hash());
        assert_eq!(**again.open(id, &sealed).unwrap(), *b"visits");
        assert_eq!(again.open(other, &sealed).unwrap_err().kind(), ErrorKind::Damaged);
        assert!(FileKey::new(&SystemRandomness).unwrap().open(id, &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open(id, &changed).is_err() && key.open(id, &sealed[..at]).is_err(), "byte {at}");
        }
    }

    #[test]
    fn what_is_no_key_is_none() {
        for text in ["", "0", &"0".repeat(63), &"0".repeat(65), &"é".repeat(32), &"+0".repeat(32)] {
            assert!(FileKey::from_text(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn files_are_found_and_go_whole_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("exports");
        let id = ExportId::from_bytes([1; 16]);
        assert!(there(&folder).unwrap().is_empty());
        write(&folder, id, b"sealed").unwrap();
        fs::write(folder.join(format!("{id}.part")), b"half").unwrap();
        fs::write(folder.join("notes"), b"of somebody").unwrap();
        assert_eq!(there(&folder).unwrap(), [id, id]);
        assert_eq!(read(&folder, id).unwrap(), b"sealed");
        for _ in 0..2 {
            remove(&folder, id).unwrap();
            assert!(there(&folder).unwrap().is_empty());
        }
        assert!(folder.join("notes").exists());
    }
}
