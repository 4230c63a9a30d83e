//! Backups of the customer service that are asked for in a browser: one at a time, beside everything else, into a
//! folder of its own in the one that `store.backup_dir` names.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rfid_core::{Clock, Error, ErrorKind, Result, UtcTime};
use rfid_service::backup::{self, BackupOutcome, BackupRun, BackupRuns, Manifest, Progress};
use rfid_service::service::{BackupAct, Caller, Fault, Service};
use rfid_web::installation::{BackupPlace, BackupRefusal, BackupsCondition};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::config::Config;

/// How long a host that ends waits for a backup that is under way to notice it. A disk that does not answer
/// keeps nobody longer, and the next start says what came of it.
const ENDS_WITHIN: Duration = Duration::from_secs(10);
/// Backups that are asked for within one second get folders of their own.
const MOST_IN_A_SECOND: u32 = 100;
/// Letters of a host's name that stand in the name of a folder.
const LONGEST_NAME: usize = 40;

/// What becomes of a backup when the host ends before it is made.
const CUT_OFF: &str = "the host ended before it was made";

/// The backups of a host.
pub(crate) struct Backups {
    host: String,
    data_dir: PathBuf,
    is_database: bool,
    service: Arc<Service>,
    clock: Arc<dyn Clock>,
    runs: BackupRuns,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    folder: Option<PathBuf>,
    under_way: Option<Progress>,
    is_stopping: bool,
    task: Option<JoinHandle<()>>,
}

/// The one backup that may be under way, for as long as this is held.
struct Turn(Arc<Backups>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.state().under_way = None;
    }
}

impl Backups {
    /// Those of a data folder. One that was cut off by the end of the host is looked after.
    pub(crate) async fn open(config: &Config, service: Arc<Service>, clock: Arc<dyn Clock>) -> Arc<Self> {
        let data_dir = config.host.data_dir.clone();
        let runs = match BackupRuns::open(&data_dir).await {
            Ok(runs) => runs,
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(error, "which backups were asked for here is not known any more");
                BackupRuns::anew(&data_dir)
            }
        };
        let state = State { folder: config.store.backup_dir.clone(), ..State::default() };
        let backups = Arc::new(Self {
            host: config.host.name.clone(),
            data_dir,
            is_database: config.store.url.is_some(),
            service,
            clock,
            runs,
            state: Mutex::new(state),
        });
        if let (Some(run), Some(turn)) = (backups.runs.under_way(), backups.turn()) {
            // Beside the start: the disk of backups may take its time.
            let task = tokio::spawn(turn.settle(run));
            backups.state().task = Some(task);
        }
        backups
    }

    /// Lets backups go into another folder from now on, or into none.
    pub(crate) fn go_to(&self, folder: Option<PathBuf>) {
        self.state().folder = folder;
    }

    pub(crate) fn condition(&self) -> BackupsCondition {
        let (folder, under_way) = {
            let state = self.state();
            (state.folder.clone(), state.under_way)
        };
        let place = match folder {
            _ if self.is_database => BackupPlace::Database,
            Some(folder) => BackupPlace::Folder(folder),
            None => BackupPlace::NotConfigured,
        };
        BackupsCondition { place, under_way, runs: self.runs.latest() }
    }

    /// Begins one for the caller.
    pub(crate) async fn begin(self: &Arc<Self>, caller: &Caller) -> Result<(), BackupRefusal> {
        // Who may not is told nothing of how things are.
        self.service.may_back_up(caller).await?;
        let folder = match self.condition().place {
            BackupPlace::Folder(folder) => folder,
            BackupPlace::NotConfigured => return Err(BackupRefusal::NotConfigured),
            BackupPlace::Database => return Err(BackupRefusal::Database),
        };
        let turn = self.turn().ok_or(BackupRefusal::UnderWay)?;
        // Whoever asked may close the browser: what is in the trail is done, or taken back.
        let begun = tokio::spawn(turn.begin(caller.clone(), folder));
        let begun = begun
            .await
            .map_err(|error| Fault::from(Error::new(ErrorKind::Internal, "back up").with_source(error)))?;
        Ok(begun?)
    }

    /// Has the one that is under way stop, and waits until what came of it is said.
    pub(crate) async fn stop(&self) {
        let task = {
            let mut state = self.state();
            state.is_stopping = true;
            state.task.take()
        };
        let Some(task) = task else { return };
        if timeout(ENDS_WITHIN, task).await.is_err() {
            tracing::warn!(
                "the disk of backups does not answer; the next start looks what came of the last one"
            );
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The turn of the next one; none while another is under way, or the host ends.
    fn turn(self: &Arc<Self>) -> Option<Turn> {
        let mut state = self.state();
        if state.under_way.is_some() || state.is_stopping {
            return None;
        }
        state.under_way = Some(Progress::default());
        Some(Turn(Arc::clone(self)))
    }

    /// What its folder is called at this time.
    fn name(&self, at: UtcTime) -> String {
        let is_plain = |letter: char| letter.is_alphanumeric() || "-_".contains(letter);
        let plain = |letter: char| if is_plain(letter) { letter } else { '_' };
        let host: String = self.host.chars().take(LONGEST_NAME).map(plain).collect();
        let at = at.to_string();
        // As ISO 8601 to the second, without what file systems of others refuse.
        format!("{host}-{}Z", at.get(..19).unwrap_or(&at).replace(':', "-"))
    }
}

impl Turn {
    /// Puts it into the trail and into the list, and begins to copy.
    async fn begin(self, caller: Caller, folder: PathBuf) -> Result<(), Fault> {
        let backups = Arc::clone(&self.0);
        let began = backups.clock.now().utc;
        let name = backups.name(began);
        let to = blocking(move || Ok(free_in(&folder, &name))).await?;
        let act = backups.service.begin_backup(&caller, &to).await?;
        let run =
            BackupRun { trail_number: act.number(), began, to: to.clone(), outcome: BackupOutcome::UnderWay };
        if let Err(error) = backups.runs.begin(run).await {
            backups.service.backup_failed(act, &format!("{error:#}")).await?;
            return Err(error.into());
        }
        let task = tokio::spawn(self.make(act, to));
        backups.state().task = Some(task);
        Ok(())
    }

    async fn make(self, act: BackupAct, to: PathBuf) {
        let backups = &self.0;
        let outcome = match self.copy(&to).await {
            Ok((manifest, bytes)) => self.made(&manifest, bytes),
            Err(error) => {
                let why = format!("{error:#}");
                if let Err(fault) = backups.service.backup_failed(act, &why).await {
                    tracing::error!(%fault, "that a backup was not made is not in the audit trail");
                }
                self.failed(why)
            }
        };
        self.end(outcome, &to).await;
    }

    /// The folder is its own, so that what is left of one that fails can be taken away again.
    async fn copy(&self, to: &Path) -> Result<(Manifest, u64)> {
        let backups = &self.0;
        let target = to.to_owned();
        blocking(move || make_folder(&target)).await?;
        let show = |progress| {
            let mut state = backups.state();
            state.under_way = Some(progress);
            if state.is_stopping { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let copied = async {
            let manifest = backup::back_up(&backups.data_dir, to, Arc::clone(&backups.clock), show).await?;
            let target = to.to_owned();
            let bytes = blocking(move || backup::bytes_in(&target)).await?;
            Ok((manifest, bytes))
        };
        let copied = copied.await;
        if copied.is_err() {
            remove(to).await;
        }
        copied
    }

    /// Looks what came of one that was under way when the host ended.
    async fn settle(self, run: BackupRun) {
        let backups = &self.0;
        let to = run.to.clone();
        let found = blocking(move || Ok((backup::manifest_of(&to)?, backup::bytes_in(&to)?))).await;
        let outcome = match found {
            // All that was missing is that somebody said so.
            Ok((manifest, bytes)) => self.made(&manifest, bytes),
            Err(_) => {
                remove(&run.to).await;
                if let Some(number) = run.trail_number
                    && let Err(fault) = backups.service.backup_cut_off(number, CUT_OFF).await
                {
                    tracing::error!(%fault, "that a backup was not made is not in the audit trail");
                }
                self.failed(CUT_OFF.to_owned())
            }
        };
        self.end(outcome, &run.to).await;
    }

    fn made(&self, manifest: &Manifest, bytes: u64) -> BackupOutcome {
        let at = self.0.clock.now().utc;
        BackupOutcome::Made { at, entries: manifest.entries, photo_files: manifest.photo_files, bytes }
    }

    fn failed(&self, why: String) -> BackupOutcome {
        BackupOutcome::Failed { at: self.0.clock.now().utc, why }
    }

    async fn end(self, outcome: BackupOutcome, to: &Path) {
        let to = to.display();
        match &outcome {
            BackupOutcome::Failed { why, .. } => tracing::warn!(%to, why, "no backup was made"),
            BackupOutcome::Made { entries, photo_files, bytes, .. } => {
                tracing::info!(%to, entries, photo_files, bytes, "a backup was made");
            }
            BackupOutcome::UnderWay => {}
        }
        if let Err(error) = self.0.runs.end(outcome).await {
            let error = format!("{error:#}");
            tracing::warn!(error, "what came of a backup is not written, and looked for at the next start");
        }
    }
}

/// A folder of this name that is not there yet; a number is put behind the name where it is.
fn free_in(folder: &Path, name: &str) -> PathBuf {
    let numbered = (2..MOST_IN_A_SECOND).map(|number| folder.join(format!("{name}-{number}")));
    let first = folder.join(name);
    std::iter::once(first.clone()).chain(numbered).find(|path| !path.exists()).unwrap_or(first)
}

/// Makes the folder of one backup, and not the one in which it stands: that is missing where a disk is not
/// mounted, and a backup beside it would fill another.
fn make_folder(to: &Path) -> Result<()> {
    let folder = to.parent().unwrap_or(Path::new("."));
    if !folder.is_dir() {
        let detail = format!(
            "there is no folder {}, which store.backup_dir names: mount its disk or make it, and ask again",
            folder.display()
        );
        return Err(Error::new(ErrorKind::Config, "back up").with_detail(detail));
    }
    fs::DirBuilder::new().mode(0o700).create(to).map_err(|error| {
        let detail =
            format!("{} cannot be made, which the user of the host has to be allowed to", to.display());
        Error::new(ErrorKind::Io, "back up").with_detail(detail).with_source(error)
    })
}

/// Removes what is left of a backup that was not made.
async fn remove(folder: &Path) {
    let removed = folder.to_owned();
    let outcome = blocking(move || match fs::remove_dir_all(&removed) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            let detail = removed.display().to_string();
            Err(Error::new(ErrorKind::Io, "back up").with_detail(detail).with_source(error))
        }
        _ => Ok(()),
    })
    .await;
    if let Err(error) = outcome {
        let error = format!("{error:#}");
        tracing::warn!(error, "what is left of a backup that was not made has to be removed by hand");
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| Error::new(ErrorKind::Internal, "back up").with_source(error))?
}

#[cfg(test)]
mod tests {
    use rfid_service::audit::Outcome;
    use rfid_service::randomness::SystemRandomness;
    use rfid_service::rights::Role;
    use rfid_service::seal::Keys;
    use rfid_service::service::bank::Bank;
    use rfid_service::store::embedded::EmbeddedStore;
    use rfid_service::store::{Rows, Store as _};
    use zeroize::Zeroizing;

    use super::*;

    /// The backups of a store in which there is nothing, and who may have them made.
    struct Rig {
        folder: tempfile::TempDir,
        bank: Bank,
        backups: Arc<Backups>,
        system: Caller,
    }

    impl Rig {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let data_dir = folder.path().join("data");
            fs::create_dir_all(&data_dir).unwrap();
            let bank = Bank::new().await;
            let system = bank.person("SA1", &[Role::SystemAdministrator]).await;
            let clock: Arc<dyn Clock> = bank.clock.clone();
            let keys = Arc::new(Keys::new(&Zeroizing::new([7; 32]), &[]).unwrap());
            let rows = Rows::new(keys, Arc::new(SystemRandomness));
            EmbeddedStore::open(&data_dir, rows, Arc::clone(&clock)).await.unwrap().close().await;
            let target = folder.path().join("backups");
            fs::create_dir(&target).unwrap();
            let backups = Arc::new(Backups {
                host: "西州/centre".to_owned(),
                runs: BackupRuns::open(&data_dir).await.unwrap(),
                data_dir,
                is_database: false,
                service: Arc::clone(&bank.service),
                clock,
                state: Mutex::new(State { folder: Some(target), ..State::default() }),
            });
            Self { folder, bank, backups, system }
        }

        /// Waits until the one that is under way is over. What came of it, and where it was to go.
        async fn over(&self) -> (BackupOutcome, PathBuf) {
            let task = self.backups.state().task.take();
            task.unwrap().await.unwrap();
            let condition = self.backups.condition();
            assert_eq!(condition.under_way, None);
            let latest = condition.runs.first().unwrap().clone();
            (latest.outcome, latest.to)
        }

        /// What the trail says of backups.
        async fn told(&self) -> Vec<Outcome> {
            let told = self.bank.told().await.into_iter().map(|recorded| recorded.entry);
            told.filter(|entry| entry.action == "store.backup").map(|entry| entry.outcome).collect()
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_is_made_at_a_time_and_what_failed_leaves_nothing_behind() {
        let rig = Rig::new().await;
        let turn = rig.backups.turn().unwrap();
        let second = rig.backups.begin(&rig.system).await;
        assert!(matches!(second, Err(BackupRefusal::UnderWay)), "{second:?}");
        drop(turn);
        assert_eq!(rig.told().await, []);
        rig.backups.begin(&rig.system).await.unwrap();
        let (outcome, to) = rig.over().await;
        assert!(matches!(outcome, BackupOutcome::Made { bytes: 1.., .. }), "{outcome:?}");
        assert!(backup::manifest_of(&to).is_ok());
        let name = to.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("西州_centre-20") && !name.contains(':'), "{name}");
        // The folder around it is away, as a disk that is not mounted.
        let (there, aside) = (rig.folder.path().join("backups"), rig.folder.path().join("aside"));
        fs::rename(&there, &aside).unwrap();
        rig.backups.begin(&rig.system).await.unwrap();
        let (outcome, _) = rig.over().await;
        let BackupOutcome::Failed { why, .. } = outcome else { panic!("{outcome:?}") };
        assert!(why.contains("store.backup_dir") && !there.exists(), "{why}");
        fs::rename(&aside, &there).unwrap();
        // The store cannot be read.
        fs::rename(rig.backups.data_dir.join("service-ledger"), rig.folder.path().join("ledger")).unwrap();
        rig.backups.begin(&rig.system).await.unwrap();
        let (outcome, to) = rig.over().await;
        assert!(matches!(outcome, BackupOutcome::Failed { .. }) && !to.exists(), "{outcome:?}");
        let (done, not_done) = (Outcome::Done, Outcome::NotDone);
        assert_eq!(rig.told().await, [done, done, not_done, done, not_done]);
        rig.backups.go_to(None);
        let nowhere = rig.backups.begin(&rig.system).await;
        assert!(matches!(nowhere, Err(BackupRefusal::NotConfigured)), "{nowhere:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_host_that_ends_stops_the_one_that_is_under_way_and_begins_no_other() {
        let rig = Rig::new().await;
        let turn = rig.backups.turn().unwrap();
        rig.backups.state().is_stopping = true;
        let folder = rig.folder.path().join("backups");
        turn.begin(rig.system.clone(), folder.clone()).await.unwrap();
        let (outcome, _) = rig.over().await;
        let BackupOutcome::Failed { why, .. } = outcome else { panic!("{outcome:?}") };
        assert!(why.contains("it was stopped"), "{why}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        assert!(matches!(rig.backups.begin(&rig.system).await, Err(BackupRefusal::UnderWay)));
        assert_eq!(rig.told().await, [Outcome::Done, Outcome::NotDone]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_that_was_cut_off_is_removed_and_taken_back_and_one_that_was_whole_is_kept() {
        let rig = Rig::new().await;
        rig.backups.begin(&rig.system).await.unwrap();
        let (_, whole) = rig.over().await;
        let half = rig.folder.path().join("backups/half");
        fs::create_dir(&half).unwrap();
        fs::write(half.join("segment"), [0; 10]).unwrap();
        for (to, is_kept) in [(half, false), (whole, true)] {
            let act = rig.backups.service.begin_backup(&rig.system, &to).await.unwrap();
            let (trail_number, began) = (act.number(), rig.backups.clock.now().utc);
            let run = BackupRun { trail_number, began, to: to.clone(), outcome: BackupOutcome::UnderWay };
            rig.backups.runs.begin(run.clone()).await.unwrap();
            rig.backups.turn().unwrap().settle(run).await;
            let latest = rig.backups.condition().runs.first().unwrap().outcome.clone();
            assert_eq!(matches!(latest, BackupOutcome::Made { .. }), is_kept, "{latest:?}");
            assert_eq!(to.exists(), is_kept);
        }
        let (done, not_done) = (Outcome::Done, Outcome::NotDone);
        assert_eq!(rig.told().await, [done, done, not_done, done]);
    }

    #[test]
    fn backups_of_one_second_get_folders_of_their_own_and_none_where_the_disk_is_away() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["x", "x-2", "x-3"] {
            let free = free_in(folder.path(), "x");
            assert_eq!(free, folder.path().join(name));
            make_folder(&free).unwrap();
        }
        let error = make_folder(&folder.path().join("away/x")).unwrap_err();
        assert!(error.to_string().contains("store.backup_dir"), "{error}");
        assert!(!folder.path().join("away").exists());
        assert!(make_folder(&folder.path().join("x")).is_err(), "what is there is not taken");
    }
}
