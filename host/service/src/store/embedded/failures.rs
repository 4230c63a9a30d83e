//! Tries to log in that failed, in a file of their own.
//!
//! Each failure is a sealed record that is appended, durably, and supersedes those of the same number before
//! it. When more lie there than are remembered twice, the file is written anew: it never grows beyond that,
//! whatever somebody tries.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rfid_core::{Error, ErrorKind, Result, UtcTime};

use super::put_in_place_of_secret;
use crate::account::failures::{FailureBook, Failures, LockRule, REMEMBERED, Tried};
use crate::durable_file;
use crate::off_runtime::off_runtime;
use crate::store::Rows;

/// What a record is sealed for.
const PLACE: &[u8] = b"login failures";
/// Bytes of a record before it is sealed: who, how many, when, until when.
const PLAIN: usize = 32 + 4 + 8 + 8;

/// The file.
#[derive(Clone)]
pub(super) struct FailureFile(Arc<Mutex<Inner>>);

struct Inner {
    path: PathBuf,
    rows: Rows,
    book: FailureBook,
    /// Absent until something is written, and after a write that failed.
    file: Option<File>,
    /// Records that lie in it.
    lie: usize,
}

impl FailureFile {
    /// Reads what is there.
    pub(super) async fn open(path: PathBuf, rows: Rows) -> Result<Self> {
        let inner = off_runtime("failures", move || Inner::read(path, rows)).await?;
        Ok(Self(Arc::new(Mutex::new(inner))))
    }

    /// Not on the runtime's threads either: somebody may be at a sync.
    pub(super) async fn get(&self, who: Tried) -> Result<Option<Failures>> {
        self.change(move |inner| Ok(inner.book.get(who))).await
    }

    pub(super) async fn note(&self, who: Tried, now: UtcTime, rule: LockRule) -> Result<Failures> {
        self.change(move |inner| {
            let (noted, forgotten) = inner.book.note(who, now, &rule);
            inner.keep(who, noted)?;
            if let Some(other) = forgotten {
                inner.keep(other, Failures::default())?;
            }
            inner.sync()?;
            Ok(noted)
        })
        .await
    }

    pub(super) async fn forget(&self, who: Tried) -> Result<u32> {
        self.change(move |inner| {
            let count = inner.book.forget(who);
            if count > 0 {
                inner.keep(who, Failures::default())?;
                inner.sync()?;
            }
            Ok(count)
        })
        .await
    }

    /// Writes everything anew, under the keys of now.
    pub(super) async fn reseal(&self) -> Result<()> {
        self.change(Inner::write_anew).await
    }

    /// Does something to its end, also when nobody waits for it any more.
    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Inner) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let this = self.clone();
        off_runtime("failures", move || change(&mut this.lock())).await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn read(path: PathBuf, rows: Rows) -> Result<Self> {
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read.map_err(failed(&path))?,
        };
        let mut inner = Self { path, rows, book: FailureBook::default(), file: None, lie: 0 };
        let (mut rest, mut unreadable) = (&bytes[..], 0u64);
        while let Some((sealed, behind)) = first(rest) {
            rest = behind;
            inner.lie += 1;
            match inner.rows.open_sealed(PLACE, sealed).ok().and_then(|plain| decode(&plain)) {
                Some((who, failures)) if failures.count == 0 => drop(inner.book.forget(who)),
                Some((who, failures)) => drop(inner.book.put(who, failures, failures.last)),
                None => unreadable += 1,
            }
        }
        if unreadable > 0 || !rest.is_empty() {
            // An end of the host in the middle of a write leaves a part of a record, which nobody was told of.
            tracing::warn!(unreadable, "some of the tries to log in that failed are forgotten");
            inner.lie = usize::MAX;
        }
        Ok(inner)
    }

    /// Appends what is known of a number.
    fn keep(&mut self, who: Tried, failures: Failures) -> Result<()> {
        if self.lie >= 2 * REMEMBERED {
            return self.write_anew();
        }
        let record = self.record(who, failures)?;
        let path = self.path.clone();
        let mut file = match self.file.take() {
            Some(file) => file,
            None => opened(&path).map_err(failed(&path))?,
        };
        if let Err(error) = file.write_all(&record) {
            // What of it is there nobody knows.
            self.lie = usize::MAX;
            return Err(failed(&path)(error));
        }
        self.lie += 1;
        self.file = Some(file);
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        if let Err(error) = file.sync_data() {
            self.file = None;
            self.lie = usize::MAX;
            return Err(failed(&self.path)(error));
        }
        Ok(())
    }

    fn record(&self, who: Tried, failures: Failures) -> Result<Vec<u8>> {
        let sealed = self.rows.seal_plain(PLACE, &encode(who, failures))?;
        let len = u16::try_from(sealed.len()).map_err(|_| Error::new(ErrorKind::Internal, "failures"))?;
        let mut record = len.to_le_bytes().to_vec();
        record.extend_from_slice(&sealed);
        Ok(record)
    }

    fn write_anew(&mut self) -> Result<()> {
        let mut bytes = Vec::new();
        for (who, failures) in self.book.all() {
            bytes.extend(self.record(who, failures)?);
        }
        self.file = None;
        let unfinished = self.path.with_extension("part");
        let written = durable_file::write(&unfinished, &bytes)
            .and_then(|()| put_in_place_of_secret(&unfinished, &self.path));
        self.lie = if written.is_ok() { self.book.all().count() } else { usize::MAX };
        written.map_err(failed(&self.path))
    }
}

fn opened(path: &Path) -> io::Result<File> {
    let is_new = !path.exists();
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    if is_new {
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(file)
}

/// The first record, and what is behind it; nothing where there is none that is whole.
fn first(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))
}

fn encode(who: Tried, failures: Failures) -> Vec<u8> {
    let mut plain = who.to_bytes().to_vec();
    plain.extend_from_slice(&failures.count.to_le_bytes());
    plain.extend_from_slice(&failures.last.as_nanos().to_le_bytes());
    plain.extend_from_slice(&failures.locked_until.as_nanos().to_le_bytes());
    plain
}

fn decode(plain: &[u8]) -> Option<(Tried, Failures)> {
    let plain: &[u8; PLAIN] = plain.try_into().ok()?;
    let (who, rest) = plain.split_first_chunk::<32>()?;
    let (count, rest) = rest.split_first_chunk::<4>()?;
    let (last, rest) = rest.split_first_chunk::<8>()?;
    let until = rest.first_chunk::<8>()?;
    let time = |bytes: &[u8; 8]| UtcTime::from_nanos(u64::from_le_bytes(*bytes));
    let failures =
        Failures { count: u32::from_le_bytes(*count), last: time(last), locked_until: time(until) };
    Some((Tried::from_bytes(*who), failures))
}

fn failed(path: &Path) -> impl Fn(io::Error) -> Error {
    move |error| {
        Error::new(ErrorKind::Io, "failures").with_detail(path.display().to_string()).with_source(error)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use zeroize::Zeroizing;

    use super::*;
    use crate::randomness::SystemRandomness;
    use crate::seal::Keys;

    const RULE: LockRule = LockRule {
        failures: 3,
        locked_for: Duration::from_secs(60),
        locked_at_most: Duration::from_secs(600),
    };

    fn rows(key: u8, older: &[u8]) -> Rows {
        let older: Vec<_> = older.iter().map(|key| Zeroizing::new([*key; 32])).collect();
        Rows::new(
            Arc::new(Keys::new(&Zeroizing::new([key; 32]), &older).unwrap()),
            Arc::new(SystemRandomness),
        )
    }

    async fn opened_at(path: &Path, rows: Rows) -> FailureFile {
        FailureFile::open(path.to_owned(), rows).await.unwrap()
    }

    const fn at(second: u64) -> UtcTime {
        UtcTime::from_nanos(second * 1_000_000_000)
    }

    #[tokio::test]
    async fn a_file_that_is_cut_anywhere_has_everything_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failures");
        let file = opened_at(&path, rows(1, &[])).await;
        for second in 0..4 {
            file.note(Tried::of("LM1"), at(second), RULE).await.unwrap();
        }
        let whole = fs::read(&path).unwrap();
        // The fourth was tried while it was locked, and is written all the same: its work is that of the others.
        assert_eq!(whole.len() % 4, 0);
        let record = whole.len() / 4;
        for len in 0..=whole.len() {
            fs::write(&path, &whole[..len]).unwrap();
            let file = opened_at(&path, rows(1, &[])).await;
            let count = file.get(Tried::of("LM1")).await.unwrap().map_or(0, |failures| failures.count);
            assert_eq!(count as usize, (len / record).min(3), "{len}");
            // It goes on from there.
            let noted = file.note(Tried::of("LM2"), at(9), RULE).await.unwrap();
            assert_eq!(noted.count, 1);
            let again = opened_at(&path, rows(1, &[])).await;
            assert!(again.get(Tried::of("LM2")).await.unwrap().is_some(), "{len}");
        }
    }

    #[tokio::test]
    async fn it_does_not_grow_and_tells_nobody_who_was_tried() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failures");
        let file = opened_at(&path, rows(1, &[])).await;
        // As if most of it had been written before.
        file.lock().lie = 2 * REMEMBERED - 5;
        for number in 0..40 {
            file.note(Tried::of(&format!("N{}", number % 3)), at(number * 1_000), RULE).await.unwrap();
        }
        let bytes = fs::read(&path).unwrap();
        assert_eq!(file.lock().lie, 3 + 40 - 6);
        let hash = Tried::of("N1").to_bytes();
        assert!(!bytes.windows(32).any(|part| part == hash));
        // Under another secret it is written anew when the keys change, and not lost.
        let both = rows(2, &[1]);
        opened_at(&path, both.clone()).await.reseal().await.unwrap();
        let after = opened_at(&path, rows(2, &[])).await;
        let kept = after.get(Tried::of("N1")).await.unwrap();
        assert_eq!(kept, file.get(Tried::of("N1")).await.unwrap());
        assert!(kept.unwrap().count > 3);
        // What nobody can open is forgotten, and nobody is kept out by it.
        let other = opened_at(&path, rows(3, &[])).await;
        assert_eq!(other.get(Tried::of("N1")).await.unwrap(), None);
    }
}
