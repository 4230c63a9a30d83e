//! Cards that are encoded and read while nobody waits for the answer: somebody begins it, lays the card down, and
//! looks how far it is, from whatever page. It goes on when the page is closed.
//!
//! A desk is asked again until the card lies right, for as long as somebody has patience; what was written by a try
//! that failed is found by the next ([`super::issuing`]). What goes on is in memory alone: after a start of the host
//! the request says how far its card is, and it is begun again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rfid_core::UtcTime;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::fault::Fault;
use super::super::rule::Rule;
use super::super::{Caller, Service};
use super::desk::{Desk, DeskStep, DeskTrouble, Steps};
use crate::record::{Hand, RequestId, RequestState};
use crate::rights::Action;

/// Cards that wait for their desks.
const WAITING: usize = 16;
/// How long somebody has to lay the card right.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at a desk.
const PAUSE: Duration = Duration::from_millis(400);
/// What came of it is told for so long.
const TOLD_FOR: Duration = Duration::from_secs(15 * 60);

/// What is done with a card at a desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeskWork {
    /// It is encoded.
    Encode,
    /// It is read, before it is handed over.
    Verify,
}

/// Where a card is worked on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtDesk {
    /// Name of the desk.
    pub desk: String,
    /// What is done.
    pub work: DeskWork,
}

/// How far the work on a card is.
#[derive(Clone, Debug, PartialEq)]
pub struct Bench {
    /// Where, and what.
    pub at: AtDesk,
    /// Who began it.
    pub by: Hand,
    /// When.
    pub since: UtcTime,
    /// The step that the desk is at, or was at last.
    pub step: Option<DeskStep>,
    /// What it waits for, where it waits.
    pub trouble: Option<DeskTrouble>,
    /// What came of it, once it is over.
    pub ended: Option<Ended>,
}

/// What came of work on a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was done.
    Done,
    /// Somebody stopped it.
    Stopped,
    /// The card was not laid right in time, or the desk refuses: what was in the way last.
    Trouble(DeskTrouble),
    /// A rule is against it.
    Rule(Rule),
    /// Somebody else went on with the request meanwhile.
    Overtaken,
    /// The session of who began it is over.
    NoSession,
    /// The store, the trail or the host cannot.
    Broken,
}

/// The work that goes on at the desks of a host.
#[derive(Debug)]
pub(in crate::service) struct Workshop {
    queue: mpsc::Sender<Job>,
    /// Taken by the task that does it.
    jobs: Mutex<Option<mpsc::Receiver<Job>>>,
    benches: Arc<Mutex<HashMap<RequestId, Kept>>>,
}

#[derive(Debug)]
struct Kept {
    bench: Bench,
    is_stopped: bool,
    ended_at: Option<Instant>,
}

#[derive(Debug)]
struct Job {
    caller: Caller,
    id: RequestId,
    at: AtDesk,
}

impl Default for Workshop {
    fn default() -> Self {
        let (queue, jobs) = mpsc::channel(WAITING);
        Self { queue, jobs: Mutex::new(Some(jobs)), benches: Arc::default() }
    }
}

impl Workshop {
    fn benches(&self) -> MutexGuard<'_, HashMap<RequestId, Kept>> {
        self.benches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, id: RequestId, change: impl FnOnce(&mut Kept)) {
        if let Some(kept) = self.benches().get_mut(&id) {
            change(kept);
        }
    }

    fn is_stopped(&self, id: RequestId) -> bool {
        self.benches().get(&id).is_none_or(|kept| kept.is_stopped)
    }
}

impl Service {
    /// The desks where the caller may encode cards: those of their branch, and those of which it is not said where
    /// they stand.
    ///
    /// # Errors
    /// `Forbidden`.
    pub async fn desks(&self, caller: &Caller) -> Result<Vec<Desk>, Fault> {
        let may = self.may(caller, Action::EncodeCards).await?;
        let mut desks = self.desk.as_ref().map(|desk| desk.desks()).unwrap_or_default();
        desks.retain(|desk| desk.branch.as_ref().is_none_or(|branch| may.in_branch(branch).is_some()));
        Ok(desks)
    }

    /// Begins to encode the card of a request at a desk, or to read it before it is handed over; goes on while
    /// [`Service::keep_desks`] runs. Begun twice it is begun once.
    ///
    /// # Errors
    /// `NotFound` also for a desk of elsewhere, `Rule` where the request is not that far or somebody else is at the
    /// desk, `Store`.
    pub async fn begin_at_desk(&self, caller: &Caller, id: RequestId, at: AtDesk) -> Result<(), Fault> {
        let state = match at.work {
            DeskWork::Encode => RequestState::Approved,
            DeskWork::Verify => RequestState::Encoded,
        };
        self.card_to_issue(caller, id, state).await?;
        self.desk()?;
        if !self.desks(caller).await?.iter().any(|desk| desk.name == at.desk) {
            return Err(self.nothing(caller, Action::EncodeCards, "desk").await);
        }
        let mut benches = self.workshop.benches();
        benches.retain(|_, kept| kept.ended_at.is_none_or(|at| at.elapsed() < TOLD_FOR));
        if benches.get(&id).is_some_and(|kept| kept.bench.ended.is_none()) {
            return Ok(());
        }
        let is_busy = |kept: &Kept| kept.bench.ended.is_none() && kept.bench.at.desk == at.desk;
        if benches.values().any(is_busy) {
            return Err(Rule::DeskBusy.into());
        }
        let job = Job { caller: caller.clone(), id, at: at.clone() };
        if self.workshop.queue.try_send(job).is_err() {
            return Err(Rule::DeskBusy.into());
        }
        let (by, since) = (Hand::of(&caller.actor), self.now());
        let bench = Bench { at, by, since, step: None, trouble: None, ended: None };
        benches.insert(id, Kept { bench, is_stopped: false, ended_at: None });
        Ok(())
    }

    /// Stops what goes on at a desk for this request, before the next look at the desk.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `Store`.
    pub async fn stop_at_desk(&self, caller: &Caller, id: RequestId) -> Result<(), Fault> {
        self.may(caller, Action::EncodeCards).await?;
        self.request(caller, id).await?;
        self.workshop.change(id, |kept| kept.is_stopped = true);
        Ok(())
    }

    /// How far the work on the card of a request is, which the caller has seen; nothing where none was begun.
    pub(super) fn bench(&self, id: RequestId) -> Option<Bench> {
        self.workshop.benches().get(&id).map(|kept| kept.bench.clone())
    }

    /// Works at the desks for as long as it runs. Only the first caller does anything.
    pub async fn keep_desks(self: Arc<Self>) {
        let jobs = self.workshop.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut jobs) = jobs else { return };
        // They end with this.
        let mut working = JoinSet::new();
        loop {
            tokio::select! {
                job = jobs.recv() => match job {
                    Some(job) => {
                        let service = Arc::clone(&self);
                        working.spawn(async move { service.work(job).await });
                    }
                    None => return,
                },
                Some(done) = working.join_next() => if let Err(error) = done {
                    tracing::error!(%error, "the work at a desk ended in the middle");
                },
            }
        }
    }

    async fn work(&self, job: Job) {
        // Whatever becomes of it, nobody waits for it for ever.
        let id = job.id;
        let _over = Over { benches: Arc::clone(&self.workshop.benches), id };
        let ended = self.worked(job).await;
        self.workshop.change(id, |kept| {
            kept.bench.ended = Some(ended);
            kept.ended_at = Some(Instant::now());
        });
    }

    async fn worked(&self, Job { caller, id, at }: Job) -> Ended {
        let until = Instant::now() + PATIENCE;
        loop {
            if self.workshop.is_stopped(id) {
                return Ended::Stopped;
            }
            if !self.still_is(&caller).await {
                return Ended::NoSession;
            }
            let fault = match self.tried(&caller, id, &at).await {
                Ok(()) => return Ended::Done,
                Err(fault) => fault,
            };
            let trouble = match fault {
                Fault::Desk(fault) => {
                    tracing::debug!(desk = at.desk, error = format!("{:#}", fault.error), "a desk waits");
                    fault.trouble
                }
                Fault::Rule(rule) => return Ended::Rule(rule),
                Fault::Conflict { .. } | Fault::Taken(_) | Fault::NotFound(_) => return Ended::Overtaken,
                Fault::NoSession | Fault::Forbidden(_) => return Ended::NoSession,
                other => {
                    tracing::warn!(fault = %other, desk = at.desk, "the work at a desk cannot go on");
                    return Ended::Broken;
                }
            };
            if !trouble.passes() || Instant::now() >= until {
                return Ended::Trouble(trouble);
            }
            self.workshop.change(id, |kept| kept.bench.trouble = Some(trouble));
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// One try, whose steps are noted.
    async fn tried(&self, caller: &Caller, id: RequestId, at: &AtDesk) -> Result<(), Fault> {
        let (steps, mut told) = Steps::channel();
        let trying = async {
            match at.work {
                DeskWork::Encode => self.encode_card_telling(caller, id, &at.desk, &steps).await,
                DeskWork::Verify => self.verify_card_telling(caller, id, &at.desk, &steps).await,
            }
        };
        tokio::pin!(trying);
        loop {
            tokio::select! {
                biased;
                Some(step) = told.recv() => self.workshop.change(id, |kept| {
                    kept.bench.step = Some(step);
                    // Behind the antenna the card lies right.
                    if step > DeskStep::Antenna {
                        kept.bench.trouble = None;
                    }
                }),
                outcome = &mut trying => return outcome.map(drop),
            }
        }
    }
}

/// Ends a bench that nobody ended.
struct Over {
    benches: Arc<Mutex<HashMap<RequestId, Kept>>>,
    id: RequestId,
}

impl Drop for Over {
    fn drop(&mut self) {
        let mut benches = self.benches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = benches.get_mut(&self.id)
            && kept.bench.ended.is_none()
        {
            kept.bench.ended = Some(Ended::Broken);
            kept.ended_at = Some(Instant::now());
        }
    }
}
