//! The latest backups that were asked for in a host: when, where to, and what came of each.
//!
//! They stand in a file beside the store and not in the folder of the backups, which may lie on a disk that is
//! away when somebody asks. One that is under way stands there, too: a host that was killed knows at its next
//! start what it was about. Who asked is the trail's to tell.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rfid_core::{Error, ErrorKind, Result, UtcTime};
use serde::{Deserialize, Serialize};

use super::failed;
use crate::durable_file;
use crate::off_runtime::off_runtime;

/// The file's name in a data folder.
const FILE: &str = "backups.json";
/// The latest, which are kept.
pub const RUNS: usize = 20;

/// A backup that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupRun {
    /// Number of the record of the audit trail that says who asked for it; absent without a trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trail_number: Option<u64>,
    /// When it was begun.
    pub began: UtcTime,
    /// Its folder.
    pub to: PathBuf,
    /// What came of it.
    pub outcome: BackupOutcome,
}

/// What came of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BackupOutcome {
    /// It is not over.
    UnderWay,
    /// It was made.
    Made {
        /// When it was.
        at: UtcTime,
        /// Entries of the ledger.
        entries: u64,
        /// Files of photos.
        photo_files: u64,
        /// Bytes of all of it.
        bytes: u64,
    },
    /// There is none.
    Failed {
        /// Since when that is known.
        at: UtcTime,
        /// Why, in English.
        why: String,
    },
}

/// The list of them.
#[derive(Debug)]
pub struct BackupRuns {
    path: Arc<PathBuf>,
    /// The latest last.
    runs: Mutex<Vec<BackupRun>>,
}

impl BackupRuns {
    /// That of a data folder; nothing is in it where there is no file.
    ///
    /// # Errors
    /// `Damaged` where the file cannot be understood, `Io`.
    pub async fn open(data_dir: &Path) -> Result<Self> {
        let path = data_dir.join(FILE);
        let from = path.clone();
        let runs = off_runtime("backups", move || read(&from)).await?;
        Ok(Self { path: Arc::new(path), runs: Mutex::new(runs) })
    }

    /// One that knows of nothing, in place of one that cannot be read.
    pub fn anew(data_dir: &Path) -> Self {
        Self { path: Arc::new(data_dir.join(FILE)), runs: Mutex::default() }
    }

    /// All of them, the latest first.
    pub fn latest(&self) -> Vec<BackupRun> {
        self.lock().iter().rev().cloned().collect()
    }

    /// The one that is not over, or was not when the host ended.
    pub fn under_way(&self) -> Option<BackupRun> {
        self.lock().iter().rev().find(|run| run.outcome == BackupOutcome::UnderWay).cloned()
    }

    /// Puts one in that is begun, durably. The oldest goes.
    ///
    /// # Errors
    /// `Io`; then it is not in the list.
    pub async fn begin(&self, run: BackupRun) -> Result<()> {
        let mut runs = self.lock().clone();
        runs.push(run);
        let surplus = runs.len().saturating_sub(RUNS);
        runs.drain(..surplus);
        self.write(&runs).await?;
        *self.lock() = runs;
        Ok(())
    }

    /// Says what came of the one that is under way. Whoever asks here is told also where it cannot be written.
    ///
    /// # Errors
    /// `Io`; then the next start looks what came of it.
    pub async fn end(&self, outcome: BackupOutcome) -> Result<()> {
        let runs = {
            let mut runs = self.lock();
            if let Some(run) = runs.iter_mut().rev().find(|run| run.outcome == BackupOutcome::UnderWay) {
                run.outcome = outcome;
            }
            runs.clone()
        };
        self.write(&runs).await
    }

    async fn write(&self, runs: &[BackupRun]) -> Result<()> {
        let text = serde_json::to_vec_pretty(runs)
            .map_err(|error| Error::new(ErrorKind::Internal, "backups").with_source(error))?;
        let path = Arc::clone(&self.path);
        off_runtime("backups", move || durable_file::replace(&path, &text).map_err(failed("backups", &path)))
            .await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<BackupRun>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> Result<Vec<BackupRun>> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.map_err(failed("backups", path))?,
    };
    serde_json::from_slice(&text).map_err(|error| {
        Error::new(ErrorKind::Damaged, "backups").with_detail(path.display().to_string()).with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn run(second: u64) -> BackupRun {
        BackupRun {
            trail_number: Some(second),
            began: UtcTime::from_nanos(second * 1_000_000_000),
            to: format!("/mnt/backup/{second}").into(),
            outcome: BackupOutcome::UnderWay,
        }
    }

    #[tokio::test]
    async fn what_came_of_the_latest_is_known_after_a_start_and_the_oldest_goes() {
        let folder = TempDir::new().unwrap();
        let runs = BackupRuns::open(folder.path()).await.unwrap();
        assert!(runs.latest().is_empty() && runs.under_way().is_none());
        let most = RUNS as u64;
        for second in 0..=most {
            runs.begin(run(second)).await.unwrap();
            let at = UtcTime::from_nanos(0);
            runs.end(BackupOutcome::Made { at, entries: second, photo_files: 0, bytes: 1 }).await.unwrap();
        }
        runs.begin(run(99)).await.unwrap();
        let again = BackupRuns::open(folder.path()).await.unwrap();
        assert_eq!(again.latest(), runs.latest());
        assert_eq!(again.latest().len(), RUNS);
        assert_eq!(again.latest().last().unwrap().began, run(2).began);
        assert_eq!(again.under_way(), Some(run(99)));
        let why = "the host ended".to_owned();
        again.end(BackupOutcome::Failed { at: UtcTime::from_nanos(5), why }).await.unwrap();
        assert_eq!(BackupRuns::open(folder.path()).await.unwrap().under_way(), None);
    }

    #[tokio::test]
    async fn a_list_that_is_not_understood_is_an_error_and_one_that_cannot_be_written_takes_nothing_in() {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join(FILE), "[{\"began\":").unwrap();
        let error = BackupRuns::open(folder.path()).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Damaged && error.to_string().contains(FILE), "{error}");
        let nowhere = BackupRuns::anew(&folder.path().join("nowhere"));
        assert!(nowhere.begin(run(1)).await.is_err() && nowhere.latest().is_empty());
    }
}
