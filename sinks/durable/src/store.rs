//! The handle: requests over a bounded channel to the thread that owns the database.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rfid_core::{Error, ErrorKind, Pulse, Result};
use tokio::sync::{mpsc, oneshot};

use crate::batch::Batch;
use crate::database::{Database, Record};
use crate::reserve::Reserve;
use crate::value::LARGEST_VALUE;

/// Requests that wait for the thread at most; further callers wait for a place.
const WAITING_REQUESTS: usize = 256;

/// After a failure the database is opened anew, but not more often than this.
const REOPEN_EVERY: Duration = Duration::from_secs(1);

/// Changes of all stores of this process: no two states of stores have one number, even if one is closed
/// and opened anew.
static CHANGES: AtomicU64 = AtomicU64::new(0);

fn next_change() -> u64 {
    CHANGES.fetch_add(1, Ordering::Relaxed) + 1
}

/// How a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Everything works.
    Well,
    /// The last operation failed, for this reason; the next one opens the database anew.
    Degraded(String),
}

/// A database that one thread owns. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    requests: mpsc::Sender<Request>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    set_aside: Option<PathBuf>,
    degraded: Mutex<Option<String>>,
    damaged_values: AtomicU64,
    syncs: AtomicU64,
    changes: AtomicU64,
    pulse: Pulse,
    thread: Mutex<Option<JoinHandle<()>>>,
}

type Answer<T> = oneshot::Sender<Result<T>>;

#[derive(Debug)]
enum Request {
    Commit(Batch, Answer<()>),
    Get(String, Vec<Vec<u8>>, Answer<Vec<Option<Vec<u8>>>>),
    Scan(String, Option<Vec<u8>>, usize, Answer<Vec<Record>>),
    Last(String, Answer<Option<Record>>),
    TreeNames(Answer<Vec<String>>),
    DropTree(String, Answer<()>),
    Close,
}

impl Store {
    /// Opens or creates the database in this folder.
    ///
    /// # Errors
    /// `Busy` if another process has it open, `Io` if the folder cannot be used.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let (requests, inbox) = mpsc::channel(WAITING_REQUESTS);
        let (opened, is_open) = oneshot::channel();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let thread_path = path.clone();
        let thread = std::thread::Builder::new()
            .name(format!("store {name}"))
            .spawn(move || {
                let (database, set_aside) = match Database::open(&thread_path) {
                    Ok(opened) => (opened.database, opened.set_aside),
                    Err(error) => return drop(opened.send(Err(error))),
                };
                let shared = Arc::new(Shared {
                    path: thread_path,
                    set_aside,
                    degraded: Mutex::new(None),
                    damaged_values: AtomicU64::new(0),
                    syncs: AtomicU64::new(0),
                    changes: AtomicU64::new(next_change()),
                    pulse: Pulse::default(),
                    thread: Mutex::new(None),
                });
                if opened.send(Ok(Arc::clone(&shared))).is_ok() {
                    let reserve = Reserve::of(&shared.path);
                    Owner { database: Some(database), shared, last_try: Instant::now(), reserve }.run(inbox);
                }
            })
            .map_err(|error| Error::new(ErrorKind::Internal, "open").with_source(error))?;
        let shared = is_open.await.map_err(|_| gone("open"))??;
        *shared.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(Self { requests, shared })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Where a damaged database was moved when this one was opened.
    pub fn set_aside(&self) -> Option<&Path> {
        self.shared.set_aside.as_deref()
    }

    /// How the store is.
    pub fn health(&self) -> Health {
        let degraded = self.shared.degraded.lock().unwrap_or_else(PoisonError::into_inner).clone();
        degraded.map_or(Health::Well, Health::Degraded)
    }

    /// Values that failed their checksum since the store was opened.
    pub fn damaged_values(&self) -> u64 {
        self.shared.damaged_values.load(Ordering::Relaxed)
    }

    /// Syncs to the disk since the store was opened.
    pub fn syncs(&self) -> u64 {
        self.shared.syncs.load(Ordering::Relaxed)
    }

    /// Grows with everything that may have changed what is in the store, before whoever changed it is
    /// answered: what was read since this had its value can still be read.
    pub fn changes(&self) -> u64 {
        self.shared.changes.load(Ordering::Acquire)
    }

    /// How long the thread has been at what it is doing; zero while it waits for requests.
    pub fn busy_for(&self) -> Duration {
        self.shared.pulse.busy_for()
    }

    /// Writes a batch and returns when it survives a power cut.
    ///
    /// Up to a hundred writes happen all or not at all; more happen in order, in parts of a
    /// hundred. Commits that wait at the same time share one sync. *Cancel safety*: the batch is
    /// written in any case.
    ///
    /// # Errors
    /// `Config` for a value over 64 KiB; `Io` or `Damaged` if the disk fails, and then it is not
    /// known whether the batch is stored.
    pub async fn commit(&self, batch: Batch) -> Result<()> {
        if let Some(write) = batch
            .writes
            .iter()
            .find(|write| write.value.as_ref().is_some_and(|value| value.len() > LARGEST_VALUE))
        {
            return Err(Error::new(ErrorKind::Config, "commit").with_detail(format!(
                "a value of {} bytes for {}; at most {LARGEST_VALUE} are allowed",
                write.value.as_ref().map_or(0, Vec::len),
                write.tree
            )));
        }
        self.request("commit", |answer| Request::Commit(batch, answer)).await
    }

    /// The values of these keys, in their order.
    pub async fn get_many(&self, tree: &str, keys: Vec<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>> {
        self.request("get", |answer| Request::Get(tree.to_owned(), keys, answer)).await
    }

    /// The value of a key.
    pub async fn get(&self, tree: &str, key: impl Into<Vec<u8>>) -> Result<Option<Vec<u8>>> {
        Ok(self.get_many(tree, vec![key.into()]).await?.pop().flatten())
    }

    /// Keys and values in the order of the keys: those behind `after`, at most `limit`.
    pub async fn scan(
        &self,
        tree: &str,
        after: Option<Vec<u8>>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.request("scan", |answer| Request::Scan(tree.to_owned(), after, limit, answer)).await
    }

    /// The greatest key and its value.
    pub async fn last(&self, tree: &str) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        self.request("last", |answer| Request::Last(tree.to_owned(), answer)).await
    }

    /// Names of all trees.
    pub async fn tree_names(&self) -> Result<Vec<String>> {
        self.request("list", Request::TreeNames).await
    }

    /// Removes a tree with all that is in it.
    pub async fn drop_tree(&self, tree: &str) -> Result<()> {
        self.request("drop", |answer| Request::DropTree(tree.to_owned(), answer)).await
    }

    /// Does what waits, closes the database and ends the thread. Other handles get errors.
    pub async fn close(&self) {
        // An error means that it is closed already.
        let _ = self.requests.send(Request::Close).await;
        let thread = self.shared.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // The thread guards against panics of sled; joining takes as long as closing does.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }

    async fn request<T>(&self, op: &'static str, request: impl FnOnce(Answer<T>) -> Request) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(request(answer)).await.map_err(|_| gone(op))?;
        answered.await.map_err(|_| gone(op))?
    }
}

fn gone(op: &'static str) -> Error {
    Error::new(ErrorKind::Io, op).with_detail("the store is closed")
}

/// What the thread owns.
struct Owner {
    /// Gone after a failure, until it could be opened anew.
    database: Option<Database>,
    shared: Arc<Shared>,
    last_try: Instant,
    reserve: Reserve,
}

impl Owner {
    fn run(mut self, mut inbox: mpsc::Receiver<Request>) {
        let mut commits = Vec::new();
        while let Some(first) = inbox.blocking_recv() {
            let mut next = Some(first);
            // Everything that waits is done before the one sync that all commits share.
            while let Some(request) = next {
                self.shared.pulse.begin();
                if let Request::Close = request {
                    inbox.close();
                } else {
                    commits.extend(self.serve(request));
                }
                next = inbox.try_recv().ok();
            }
            self.shared.pulse.begin();
            self.sync(&mut commits);
            self.shared.pulse.rest();
        }
        if let Some(mut database) = self.database.take() {
            // Every commit is synced already.
            let _ = database.sync();
            // The next start may find no room.
            self.reserve.take();
        }
    }

    /// Does one request; a commit that was written is returned and still waits for its sync.
    fn serve(&mut self, request: Request) -> Option<Answer<()>> {
        let shared = Arc::clone(&self.shared);
        let damaged = &shared.damaged_values;
        // Whoever asked may have gone away meanwhile.
        match request {
            Request::Commit(batch, answer) => {
                let written = self.with(|database| database.write(&batch));
                self.note_change();
                match written {
                    Ok(()) => return Some(answer),
                    Err(error) => drop(answer.send(Err(error))),
                }
            }
            Request::Get(tree, keys, answer) => {
                drop(answer.send(self.with(|database| database.get(&tree, &keys, damaged))));
            }
            Request::Scan(tree, after, limit, answer) => {
                let outcome = self.with(|database| database.scan(&tree, after.as_deref(), limit, damaged));
                drop(answer.send(outcome));
            }
            Request::Last(tree, answer) => {
                drop(answer.send(self.with(|database| database.last(&tree, damaged))));
            }
            Request::TreeNames(answer) => drop(answer.send(self.with(|database| Ok(database.tree_names())))),
            Request::DropTree(tree, answer) => {
                let dropped = self.with(|database| database.drop_tree(&tree));
                self.note_change();
                drop(answer.send(dropped));
            }
            Request::Close => {}
        }
        None
    }

    fn sync(&mut self, commits: &mut Vec<Answer<()>>) {
        if commits.is_empty() {
            return;
        }
        self.shared.syncs.fetch_add(1, Ordering::Relaxed);
        let outcome = self.with(Database::sync);
        for answer in commits.drain(..) {
            let told = match &outcome {
                Ok(()) => Ok(()),
                Err(error) => Err(Error::new(error.kind(), "commit")
                    .with_detail(error.to_string())
                    .with_retry(error.retry())),
            };
            drop(answer.send(told));
        }
        if outcome.is_ok() {
            self.reserve.look();
        }
    }

    /// Uses the database, opening it anew if it failed before.
    fn with<T>(&mut self, call: impl FnOnce(&mut Database) -> Result<T>) -> Result<T> {
        if self.database.is_none() {
            self.reopen()?;
        }
        let Some(database) = &mut self.database else { return Err(gone("open")) };
        let outcome = call(database);
        if let Err(error) = &outcome {
            self.note(error);
            // What a database says after a failed sync cannot be trusted.
            self.database = None;
        }
        outcome
    }

    fn reopen(&mut self) -> Result<()> {
        let waited = self.last_try.elapsed();
        if waited < REOPEN_EVERY {
            std::thread::sleep(REOPEN_EVERY - waited);
        }
        self.last_try = Instant::now();
        match Database::open(&self.shared.path) {
            Ok(opened) => {
                self.database = Some(opened.database);
                self.note_change();
                *self.shared.degraded.lock().unwrap_or_else(PoisonError::into_inner) = None;
                tracing::info!(path = %self.shared.path.display(), "store is open again");
                Ok(())
            }
            Err(error) => {
                self.note(&error);
                Err(error)
            }
        }
    }

    fn note_change(&self) {
        self.shared.changes.store(next_change(), Ordering::Release);
    }

    fn note(&self, error: &Error) {
        let said = format!("{error:#}");
        let mut degraded = self.shared.degraded.lock().unwrap_or_else(PoisonError::into_inner);
        if degraded.is_none() {
            tracing::error!(path = %self.shared.path.display(), error = said, "store fails");
        }
        *degraded = Some(said);
    }
}
