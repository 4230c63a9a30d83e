//! How a store asks the one task that writes.

use rfid_core::{Error, ErrorKind, Result};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::plan;
use super::{Commit, CommitFault};

/// Requests that wait for the task.
const WAITING: usize = 256;

/// Where the outcome of a request goes.
pub(super) type Answer<T> = oneshot::Sender<Result<T, CommitFault>>;

/// A commit that waits, and where its outcome goes.
pub(super) struct WaitingCommit {
    pub(super) commit: Commit,
    pub(super) answer: Answer<Vec<u32>>,
}

/// The task that writes, which takes requests of its own kind, commits among them.
pub(super) struct Writing<R> {
    requests: mpsc::Sender<R>,
    ended: Mutex<Option<JoinHandle<()>>>,
}

impl<R: From<WaitingCommit>> Writing<R> {
    /// Starts the task that takes these requests.
    pub(super) fn start<F>(run: impl FnOnce(mpsc::Receiver<R>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (requests, waiting) = mpsc::channel(WAITING);
        Self { requests, ended: Mutex::new(Some(tokio::spawn(run(waiting)))) }
    }

    /// Asks for something.
    ///
    /// # Errors
    /// `Io` when the store is closed.
    pub(super) async fn ask(&self, request: R) -> Result<()> {
        self.requests.send(request).await.map_err(|_| closed())
    }

    /// As [`Store::commit`](super::Store::commit).
    pub(super) async fn commit(&self, commit: Commit) -> Result<Vec<u32>, CommitFault> {
        let (answer, answered) = oneshot::channel();
        self.ask(WaitingCommit { commit, answer }.into()).await?;
        answered.await.map_err(|_| closed())?
    }

    /// As [`Store::commit_all`](super::Store::commit_all): they wait together, and share what they can.
    pub(super) async fn commit_all(&self, commits: Vec<Commit>) -> Vec<Result<Vec<u32>, CommitFault>> {
        let mut answers = Vec::with_capacity(commits.len());
        for commit in commits {
            let (answer, answered) = oneshot::channel();
            // Where nobody takes it, nobody answers.
            let _ = self.ask(WaitingCommit { commit, answer }.into()).await;
            answers.push(answered);
        }
        let mut outcomes = Vec::with_capacity(answers.len());
        for answered in answers {
            outcomes.push(answered.await.unwrap_or_else(|_| Err(closed().into())));
        }
        outcomes
    }

    /// Asks for the end, and waits for it. Allowed twice.
    pub(super) async fn end(&self, request: R) {
        // It ends what waits and then itself; a second time there is nobody to ask.
        let _ = self.ask(request).await;
        if let Some(task) = self.ended.lock().await.take() {
            let _ = task.await;
        }
    }
}

/// What those are told who ask a store that is closed.
pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Io, "commit").with_detail("the store is closed")
}

/// Tells everybody of a group what came of it.
pub(super) fn tell(answers: Vec<Answer<Vec<u32>>>, outcome: Result<Vec<Result<Vec<u32>, CommitFault>>>) {
    let outcomes = outcome.unwrap_or_else(|error| {
        let told = |_| Err(CommitFault::Store(plan::again(&error)));
        answers.iter().map(told).collect()
    });
    for (answer, outcome) in answers.into_iter().zip(outcomes) {
        // Whoever asked may have gone away; it has happened all the same.
        let _ = answer.send(outcome);
    }
}
