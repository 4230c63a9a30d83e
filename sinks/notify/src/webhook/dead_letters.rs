//! Notices that were given up, one JSON object a line, beside the outbox.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rfid_core::{Error, ErrorKind, Result, UtcTime};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Name of the file; what was before in it is under the same name with `.1` behind it.
pub(crate) const FILE: &str = "dead-letters.jsonl";

/// Bytes of the file after which it is set aside and a new one begun.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// One notice that was given up.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DeadLetter {
    /// When it was given up.
    pub(crate) time: UtcTime,
    /// Why.
    pub(crate) reason: String,
    /// How often it was tried.
    pub(crate) tries: u32,
    /// What the receiver answered last, if it answered.
    pub(crate) status: Option<u16>,
    /// The notice as it would have been sent.
    pub(crate) notice: Box<RawValue>,
}

/// The file of one webhook.
#[derive(Clone, Debug)]
pub(crate) struct DeadLetters {
    path: Arc<Path>,
    most_bytes: u64,
}

impl DeadLetters {
    /// In this folder, which is there.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { path: folder.join(FILE).into(), most_bytes: MOST_BYTES }
    }

    /// Writes these behind the others; they are on the disk on return.
    ///
    /// # Errors
    /// `Io`; then none or some are written, and all may be written again.
    pub(crate) async fn append(&self, letters: Vec<DeadLetter>) -> Result<()> {
        let file = self.clone();
        let written = tokio::task::spawn_blocking(move || file.write(&letters)).await;
        let failed = |error: std::io::Error| {
            Error::new(ErrorKind::Io, "dead letter")
                .with_detail(self.path.display().to_string())
                .with_source(error)
        };
        match written {
            Ok(written) => written.map_err(failed),
            Err(error) => Err(failed(std::io::Error::other(error))),
        }
    }

    fn write(&self, letters: &[DeadLetter]) -> std::io::Result<()> {
        let mut lines = Vec::new();
        for letter in letters {
            serde_json::to_writer(&mut lines, letter)?;
            lines.push(b'\n');
        }
        let length = std::fs::metadata(&self.path).map_or(0, |file| file.len());
        if length > 0 && length + lines.len() as u64 > self.most_bytes {
            std::fs::rename(&self.path, self.set_aside())?;
        }
        let mut file = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
        let before = file.metadata()?.len();
        let written = file.write_all(&lines).and_then(|()| file.sync_data());
        if written.is_err() {
            // Half a line would spoil the next one. If this fails as well, the reader skips it.
            let _ = file.set_len(before);
        }
        if before == 0
            && let Some(folder) = self.path.parent()
        {
            std::fs::File::open(folder)?.sync_all()?;
        }
        written
    }

    fn set_aside(&self) -> PathBuf {
        self.path.with_file_name(format!("{FILE}.1"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn letter(reason: &str) -> DeadLetter {
        DeadLetter {
            time: UtcTime::from_nanos(7),
            reason: reason.to_owned(),
            tries: 3,
            status: Some(410),
            notice: RawValue::from_string("{\"id\":\"x\"}".to_owned()).unwrap(),
        }
    }

    #[tokio::test]
    async fn letters_are_lines_that_only_the_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let letters = DeadLetters::new(folder.path());
        letters.append(vec![letter("a"), letter("b")]).await.unwrap();
        letters.append(vec![letter("c")]).await.unwrap();
        let path = folder.path().join(FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 3);
        let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(
            first,
            serde_json::json!({
                "time": "1970-01-01T00:00:00.000000007Z", "reason": "a", "tries": 3, "status": 410,
                "notice": { "id": "x" },
            })
        );
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn the_file_is_set_aside_once_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let letters = DeadLetters { most_bytes: 250, ..DeadLetters::new(folder.path()) };
        for _ in 0..20 {
            letters.append(vec![letter("a")]).await.unwrap();
        }
        let mut names: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, [FILE.to_owned(), format!("{FILE}.1")]);
        let bytes: u64 = names.iter().map(|name| folder.path().join(name).metadata().unwrap().len()).sum();
        assert!(bytes <= 500, "{bytes}");
    }
}
