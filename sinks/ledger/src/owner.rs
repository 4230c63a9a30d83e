//! The thread that owns the files of a folder.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rfid_core::{Error, ErrorKind, Result, Retry};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::files::{Disk, Files};

/// File that whoever has the folder open holds a lock on.
const LOCK: &str = "lock";

/// Requests that wait at most; further callers wait before they hand theirs in.
const WAITING: usize = 1_024;

/// How long nothing must be asked before the owner tidies up.
const IDLE: Duration = Duration::from_secs(1);

/// What an owner does.
pub(crate) trait Work: Send + 'static {
    /// What it is asked.
    type Request: Send;

    /// Serves everything that waits, together.
    fn serve(&mut self, requests: Vec<Self::Request>);

    /// Nothing is asked at present.
    fn idle(&mut self);
}

/// Requests and the room that they take among those that wait.
type Waiting<R> = (R, OwnedSemaphorePermit);

/// The way to the thread. Cheap to clone.
#[derive(Debug)]
pub(crate) struct Owner<R> {
    requests: Arc<Mutex<Option<Sender<Waiting<R>>>>>,
    places: Arc<Semaphore>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl<R> Clone for Owner<R> {
    fn clone(&self) -> Self {
        Self {
            requests: Arc::clone(&self.requests),
            places: Arc::clone(&self.places),
            thread: Arc::clone(&self.thread),
        }
    }
}

impl<R: Send + 'static> Owner<R> {
    /// Opens on a new thread, which then works until [`Owner::close`].
    pub(crate) async fn start<W: Work<Request = R>>(
        name: &'static str,
        folder: &Path,
        open: impl FnOnce() -> io::Result<W> + Send + 'static,
    ) -> Result<Self> {
        let (requests, inbox) = channel();
        let (opened, outcome) = oneshot::channel();
        let run = move || match open() {
            Ok(work) => {
                // Whoever opened it may have given up; then nothing is ever asked.
                let _ = opened.send(Ok(()));
                serve(work, &inbox);
            }
            Err(error) => {
                let _ = opened.send(Err(error));
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
        let thread = thread.map_err(|error| failed("open", folder, error))?;
        outcome.await.map_err(|_| gone("open", folder))?.map_err(|error| failed("open", folder, error))?;
        Ok(Self {
            requests: Arc::new(Mutex::new(Some(requests))),
            places: Arc::new(Semaphore::new(WAITING)),
            thread: Arc::new(Mutex::new(Some(thread))),
        })
    }

    /// Asks, and waits for the answer. *Cancel safety*: what was asked is done in any case.
    pub(crate) async fn ask<T>(
        &self,
        op: &'static str,
        folder: &Path,
        request: impl FnOnce(oneshot::Sender<io::Result<T>>) -> R,
    ) -> Result<T> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| gone(op, folder))?;
        let (answer, outcome) = oneshot::channel();
        {
            let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
            let requests = requests.as_ref().ok_or_else(|| gone(op, folder))?;
            requests.send((request(answer), place)).map_err(|_| gone(op, folder))?;
        }
        outcome.await.map_err(|_| gone(op, folder))?.map_err(|error| failed(op, folder, error))
    }

    /// Ends the thread when it has done everything. Allowed twice.
    pub(crate) async fn close(&self) {
        drop(self.requests.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic has been printed; there is nobody to tell.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

fn serve<W: Work>(mut work: W, inbox: &Receiver<Waiting<W::Request>>) {
    loop {
        match inbox.recv_timeout(IDLE) {
            Ok(first) => {
                // Whatever waits is served together, so that it shares a sync.
                let all = std::iter::once(first).chain(inbox.try_iter());
                let (requests, _places): (Vec<_>, Vec<_>) = all.unzip();
                work.serve(requests);
            }
            Err(RecvTimeoutError::Timeout) => work.idle(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Keeps other processes out of a folder for as long as the file is open.
/// Whether some process, perhaps this one, has the ledger or queue in this folder open.
pub fn is_in_use(folder: &Path) -> bool {
    let lock = File::options().write(true).open(folder.join(LOCK));
    lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}

pub(crate) fn lock(folder: &Path) -> io::Result<File> {
    Disk.make_folder(folder)?;
    let path = folder.join(LOCK);
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "in use by another process; stop the running rfid-host or give another --data-dir",
        )),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

pub(crate) fn failed(op: &'static str, folder: &Path, error: io::Error) -> Error {
    let (kind, retry) = match error.kind() {
        io::ErrorKind::ResourceBusy => (ErrorKind::Busy, Retry::Never),
        io::ErrorKind::QuotaExceeded => (ErrorKind::Io, Retry::After(Duration::from_secs(1))),
        io::ErrorKind::Unsupported => (ErrorKind::Unsupported, Retry::Never),
        io::ErrorKind::InvalidInput => (ErrorKind::Config, Retry::Never),
        _ => (ErrorKind::Io, Retry::After(Duration::from_secs(1))),
    };
    Error::new(kind, op).with_detail(folder.display().to_string()).with_source(error).with_retry(retry)
}

fn gone(op: &'static str, folder: &Path) -> Error {
    Error::new(ErrorKind::Io, op)
        .with_detail(format!("{} is closed", folder.display()))
        .with_retry(Retry::Never)
}

/// Where a folder is kept, for errors.
pub(crate) type Folder = Arc<PathBuf>;
