//! Notices that were given up, one JSON object a line, beside the outbox.
//!
//! Two processes write here: the daemon, and a command that sends what is here once more. For as
//! long as one of them writes or renames it holds a lock on a file of its own, since the file of
//! letters itself is renamed.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rfid_core::{Error, ErrorKind, Result, UtcTime};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Name of the file; what was before in it is under the same name with `.1` behind it.
pub(crate) const FILE: &str = "dead-letters.jsonl";

/// Held by whoever writes or renames.
const LOCK: &str = "dead-letters.lock";
/// Held by a command for as long as it has letters in hand.
const IN_HAND_LOCK: &str = "dead-letters.resend.lock";
/// Begins the names of files whose letters a command has in hand, or had when it was killed.
const IN_HAND: &str = "dead-letters.resend-";

/// Lines put back with one write.
const LINES_AT_ONCE: usize = 1_000;

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
        self.blocking("dead letter", move |file| {
            let mut lines = Vec::new();
            for letter in &letters {
                serde_json::to_writer(&mut lines, letter)?;
                lines.push(b'\n');
            }
            file.write(&lines)
        })
        .await
    }

    /// Takes everything that is here out of the daemon's way; `None` if there is nothing. It is on
    /// the disk as before until it is put back.
    ///
    /// # Errors
    /// `Busy` when another process has letters in hand, `Io`.
    pub(crate) async fn take_out(&self) -> Result<Option<TakenOut>> {
        self.blocking("take dead letters", |file| file.take()).await
    }

    /// Writes these lines back behind the others, and forgets what was taken out.
    ///
    /// # Errors
    /// `Io`; then all that was taken out is there to be taken out again.
    pub(crate) async fn put_back(&self, lines: Vec<String>, taken_out: TakenOut) -> Result<()> {
        self.blocking("put dead letters back", move |file| {
            for some in lines.chunks(LINES_AT_ONCE) {
                let mut text = some.join("\n");
                text.push('\n');
                file.write(text.as_bytes())?;
            }
            taken_out.files.iter().try_for_each(std::fs::remove_file)
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        op: &'static str,
        work: impl FnOnce(&Self) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let file = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&file)).await;
        done.unwrap_or_else(|error| Err(std::io::Error::other(error))).map_err(|error| {
            let kind = match error.kind() {
                std::io::ErrorKind::ResourceBusy => ErrorKind::Busy,
                _ => ErrorKind::Io,
            };
            Error::new(kind, op).with_detail(self.path.display().to_string()).with_source(error)
        })
    }

    fn write(&self, lines: &[u8]) -> std::io::Result<()> {
        let _lock = self.lock()?;
        let length = std::fs::metadata(&self.path).map_or(0, |file| file.len());
        if length > 0 && length + lines.len() as u64 > self.most_bytes {
            std::fs::rename(&self.path, self.set_aside())?;
        }
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
        let before = file.metadata()?.len();
        let written = file.write_all(lines).and_then(|()| file.sync_data());
        if written.is_err() {
            // Half a line would spoil the next one. If this fails as well, the reader skips it.
            let _ = file.set_len(before);
        }
        if before == 0 {
            File::open(self.folder())?.sync_all()?;
        }
        written
    }

    fn take(&self) -> std::io::Result<Option<TakenOut>> {
        let Ok(folder) = self.folder().metadata() else { return Ok(None) };
        // Files of another owner could not be written by the daemon any more.
        if std::fs::metadata("/proc/self").is_ok_and(|this| this.uid() != folder.uid()) {
            let message = format!("the folder belongs to user {}; do this as that user", folder.uid());
            return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, message));
        }
        let in_hand = self.lock_file(IN_HAND_LOCK)?;
        match in_hand.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = "another process is sending them";
                return Err(std::io::Error::new(std::io::ErrorKind::ResourceBusy, message));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let _lock = self.lock()?;
        let mut files = self.left_in_hand()?;
        let next = files.last().map_or(0, |(number, _)| number + 1);
        let fresh = [self.set_aside(), self.path.to_path_buf()];
        for (number, path) in (next..).zip(fresh.iter().filter(|path| path.exists())) {
            let taken = self.path.with_file_name(format!("{IN_HAND}{number}"));
            std::fs::rename(path, &taken)?;
            files.push((number, taken));
        }
        File::open(self.folder())?.sync_all()?;
        let files: Vec<PathBuf> = files.into_iter().map(|(_, path)| path).collect();
        let mut text = String::new();
        for path in &files {
            text.push_str(&String::from_utf8_lossy(&std::fs::read(path)?));
            text.push('\n');
        }
        Ok((!files.is_empty()).then_some(TakenOut { files, text, _lock: in_hand }))
    }

    /// What a command that was killed had in hand, by number.
    fn left_in_hand(&self) -> std::io::Result<Vec<(u64, PathBuf)>> {
        let mut left = Vec::new();
        for entry in std::fs::read_dir(self.folder())? {
            let entry = entry?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(IN_HAND));
            if let Some(Ok(number)) = number.map(str::parse) {
                left.push((number, entry.path()));
            }
        }
        left.sort();
        Ok(left)
    }

    fn lock(&self) -> std::io::Result<File> {
        let file = self.lock_file(LOCK)?;
        file.lock()?;
        Ok(file)
    }

    fn lock_file(&self, name: &str) -> std::io::Result<File> {
        let path = self.path.with_file_name(name);
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    fn set_aside(&self) -> PathBuf {
        self.path.with_file_name(format!("{FILE}.1"))
    }
}

/// Letters that a command has in hand.
#[derive(Debug)]
pub(crate) struct TakenOut {
    files: Vec<PathBuf>,
    text: String,
    /// Lets nobody else take them out.
    _lock: File,
}

impl TakenOut {
    /// One letter each; some may be none, and some may be empty.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.lines()
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
        assert_eq!(names, [FILE, &format!("{FILE}.1"), LOCK]);
        let bytes: u64 = names.iter().map(|name| folder.path().join(name).metadata().unwrap().len()).sum();
        assert!(bytes <= 500, "{bytes}");
    }

    fn reasons(taken_out: &TakenOut) -> Vec<String> {
        let letter = |line| serde_json::from_str::<DeadLetter>(line).map(|letter| letter.reason);
        taken_out.lines().filter_map(|line| letter(line).ok()).collect()
    }

    #[tokio::test]
    async fn letters_in_hand_survive_whoever_has_them() {
        let folder = tempfile::tempdir().unwrap();
        let letters = DeadLetters::new(folder.path());
        assert!(letters.take_out().await.unwrap().is_none());
        letters.append(vec![letter("a"), letter("b")]).await.unwrap();
        let taken_out = letters.take_out().await.unwrap().unwrap();
        assert_eq!(reasons(&taken_out), ["a", "b"]);
        assert_eq!(letters.take_out().await.unwrap_err().kind(), ErrorKind::Busy);
        letters.append(vec![letter("c")]).await.unwrap();

        // As if it had been killed.
        drop(taken_out);
        let taken_out = letters.take_out().await.unwrap().unwrap();
        assert_eq!(reasons(&taken_out), ["a", "b", "c"]);
        let kept = taken_out.lines().filter(|line| line.contains("\"b\"")).map(str::to_owned).collect();
        letters.append(vec![letter("d")]).await.unwrap();
        letters.put_back(kept, taken_out).await.unwrap();
        assert_eq!(reasons(&letters.take_out().await.unwrap().unwrap()), ["d", "b"]);
    }
}
