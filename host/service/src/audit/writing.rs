//! The one task that writes a trail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rfid_core::{Error, Result};
use rfid_ledger::{Ledger, NewRecord};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use super::chain::{self, Hash, Head};
use super::entry::Entry;

/// So long what was looked at may wait for more of its kind.
const GATHER: Duration = Duration::from_millis(200);
/// Records that share a sync.
const GROUP: usize = 512;
/// Between two tries to write what could not be written.
const TRY_AGAIN: Duration = Duration::from_secs(1);

pub(super) enum Request {
    /// Durable before the answer.
    Act(Box<Entry>, oneshot::Sender<Result<u64>>),
    /// Durable soon.
    Note(Box<Entry>),
    /// Where the chain ends when everything before is written.
    Head(oneshot::Sender<Head>),
    Close,
}

/// A record that waits to be written.
struct Waiting {
    entry: Box<Entry>,
    answer: Option<oneshot::Sender<Result<u64>>>,
}

pub(super) struct Writing {
    ledger: Ledger,
    head: Head,
    is_failing: Arc<AtomicBool>,
    /// Who wants to know of the last number.
    tell: watch::Sender<u64>,
    waiting: Vec<Waiting>,
    is_over: bool,
}

impl Writing {
    pub(super) fn new(
        ledger: Ledger,
        head: Head,
        is_failing: Arc<AtomicBool>,
        tell: watch::Sender<u64>,
    ) -> Self {
        Self { ledger, head, is_failing, tell, waiting: Vec::new(), is_over: false }
    }

    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        while !self.is_over {
            let asked = self.gather(&mut requests).await;
            self.write().await;
            if let Some(asked) = asked {
                // Whoever asked may have gone away.
                let _ = asked.send(self.head);
            }
        }
    }

    /// Waits for what is to be written together. Returns who wants to know the head.
    async fn gather(&mut self, requests: &mut mpsc::Receiver<Request>) -> Option<oneshot::Sender<Head>> {
        // What could not be written is tried again by itself.
        let mut until = (!self.waiting.is_empty()).then(|| Instant::now() + TRY_AGAIN);
        let mut is_urgent = false;
        while self.waiting.len() < GROUP {
            let request = match until {
                // Whatever is there already shares the sync; nobody who waits waits for more.
                _ if is_urgent => match requests.try_recv() {
                    Ok(request) => Some(request),
                    Err(_) => return None,
                },
                Some(until) => match timeout_at(until, requests.recv()).await {
                    Ok(request) => request,
                    Err(_) => return None,
                },
                None => requests.recv().await,
            };
            match request {
                Some(Request::Act(entry, answer)) => {
                    self.waiting.push(Waiting { entry, answer: Some(answer) });
                    is_urgent = true;
                }
                Some(Request::Note(entry)) => {
                    self.waiting.push(Waiting { entry, answer: None });
                    until.get_or_insert_with(|| Instant::now() + GATHER);
                }
                Some(Request::Head(answer)) => return Some(answer),
                Some(Request::Close) | None => {
                    self.is_over = true;
                    return None;
                }
            }
        }
        None
    }

    async fn write(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let outcome = self.append().await;
        self.is_failing.store(outcome.is_err(), Ordering::Release);
        match outcome {
            Ok(numbers) => {
                for (waiting, number) in std::mem::take(&mut self.waiting).into_iter().zip(numbers) {
                    if let Some(answer) = waiting.answer {
                        // Whoever asked may have gone away.
                        let _ = answer.send(Ok(number));
                    }
                }
            }
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the audit trail cannot be written");
                // What is about to be done is refused; what was seen is seen, and is written later.
                let (acts, notes) = std::mem::take(&mut self.waiting)
                    .into_iter()
                    .partition(|waiting| waiting.answer.is_some());
                self.waiting = notes;
                let acts: Vec<Waiting> = acts;
                for answer in acts.into_iter().filter_map(|waiting| waiting.answer) {
                    let again = Error::new(error.kind(), "audit").with_detail(format!("{error:#}"));
                    let _ = answer.send(Err(again));
                }
            }
        }
    }

    async fn append(&mut self) -> Result<Vec<u64>> {
        let mut records = Vec::with_capacity(self.waiting.len());
        let mut hash = self.head.hash;
        for waiting in &self.waiting {
            let content = chain::encode(hash, &waiting.entry)?;
            hash = Hash::of(&content);
            records.push(NewRecord { id: [0; 16], content });
        }
        let appended = self.ledger.append(records).await?;
        if let Some(last) = appended.last() {
            self.head = Head { number: last.number, hash };
            self.tell.send_replace(last.number);
        }
        Ok(appended.into_iter().map(|appended| appended.number).collect())
    }
}
