//! One task for each sink: tries it, and decides what happens to events while it fails.
//!
//! What the sink is to get stands in one order: first its backlog, which has passed on already,
//! then fresh deliveries, whose callers wait. One call at a time runs, on the head of it. When the
//! head of the fresh ones has waited for as long as the [`FailurePolicy`] allows, they pass on,
//! whether the call has failed or not ended: a sink that hangs costs no more than one that
//! fails.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::backlog::Owed;
use super::counters::add;
use super::delivery::{Delivery, Pace, WAITING_DELIVERIES, mark};
use super::failure::{FailurePolicy, OnFailure};
use super::sink_call::{Returned, Run, SinkOwner, runs};
use super::sink_status::SinkStatus;
use super::spill::{PORTION, Portion, Spill};
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::event::Event;
use crate::lines::Lines;
use crate::name::Name;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How long anybody waits for a sink once the host is stopping.
const HURRY: Duration = Duration::from_secs(2);

/// How long the last calls on a sink may take.
const END_LIMIT: Duration = Duration::from_secs(3);

pub(super) struct SinkTask {
    name: Name,
    policy: FailurePolicy,
    /// Not here while a call runs.
    owner: Option<SinkOwner>,
    running: Option<Running>,
    fresh: VecDeque<Delivery>,
    /// Since when the first of them is the first.
    head_since: Option<Instant>,
    spill: Spill,
    /// When the sink may be tried again, while it fails.
    retry_at: Option<Instant>,
    backoff: Backoff,
    was_well: bool,
    lines: Lines,
    pace: Pace,
    hurry_since: Option<Instant>,
    status: Arc<SinkStatus>,
    clock: Arc<dyn Clock>,
}

/// A call on the sink.
struct Running {
    call: Pin<Box<dyn Future<Output = Returned> + Send>>,
    work: Work,
}

enum Work {
    /// Nothing but opening it.
    Open,
    /// The first of the fresh deliveries.
    Fresh { deliveries: usize },
    /// Fresh events that have passed on while the call went on.
    Overdue { owed: Vec<Owed> },
    /// The head of the backlog.
    Late(Portion),
}

impl SinkTask {
    pub(super) fn new(
        name: Name,
        owner: SinkOwner,
        policy: FailurePolicy,
        spill: Spill,
        status: Arc<SinkStatus>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let seed = name.len() as u64;
        Self {
            name,
            policy,
            owner: Some(owner),
            running: None,
            fresh: VecDeque::new(),
            head_since: None,
            spill,
            retry_at: None,
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT, seed),
            was_well: true,
            lines: Lines::default(),
            pace: Pace::Usual,
            hurry_since: None,
            status,
            clock,
        }
    }

    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Delivery>, mut told: watch::Receiver<Pace>) {
        let mut taken = Vec::with_capacity(WAITING_DELIVERIES);
        let mut inbox_ended = false;
        // Looks for what an earlier run left.
        self.spill.settle().await;
        loop {
            if self.spill.retry_at().is_some_and(|at| at <= Instant::now()) {
                self.spill.settle().await;
            }
            self.sum_up();
            self.pass_on_what_need_not_wait().await;
            if inbox_ended && self.fresh.is_empty() {
                break;
            }
            self.begin().await;
            let room = WAITING_DELIVERIES.saturating_sub(self.fresh.len());
            let (wake, can_hurry) = (self.next_wake(), self.pace < Pace::Close);
            tokio::select! {
                returned = ended(&mut self.running) => self.take_back(returned).await,
                count = inbox.recv_many(&mut taken, room), if room > 0 && !inbox_ended => {
                    inbox_ended = count == 0;
                    if inbox_ended {
                        self.quicken(Pace::Close);
                    }
                    if self.fresh.is_empty() && count > 0 {
                        self.head_since = Some(Instant::now());
                    }
                    self.fresh.extend(taken.drain(..));
                }
                changed = told.changed(), if can_hurry => {
                    // All handles are gone if nobody can tell any more.
                    let pace = changed.map_or(Pace::Close, |()| *told.borrow());
                    if pace == Pace::Close {
                        inbox.close();
                    }
                    self.quicken(pace);
                }
                () = sleep_until(wake) => {}
            }
        }
        self.end().await;
    }

    fn quicken(&mut self, pace: Pace) {
        self.pace = self.pace.max(pace);
        if self.pace > Pace::Usual && self.hurry_since.is_none() {
            self.hurry_since = Some(Instant::now());
        }
    }

    /// Starts a call if there is something to do and nothing speaks against it.
    async fn begin(&mut self) {
        if self.running.is_some() || !self.may_work() {
            return;
        }
        let is_due = self.retry_at.is_none_or(|at| at <= Instant::now());
        // A sink that is only passed gets a try with every delivery: it has no other way to show
        // that it is well.
        let tries_each = self.policy.on_failure == OnFailure::Pass && !self.was_well;
        if !self.spill.is_empty() {
            if is_due {
                match self.spill.portion().await {
                    Ok(portion) => {
                        let work = runs(portion.owed.iter().cloned());
                        self.start(Work::Late(portion), work);
                    }
                    Err(error) => self.fail(error),
                }
            }
        } else if !self.fresh.is_empty() {
            if is_due || tries_each {
                let events = self.fresh.iter().flat_map(|delivery| &delivery.events).cloned().collect();
                self.start(Work::Fresh { deliveries: self.fresh.len() }, vec![Run::Events(events)]);
            }
        } else if is_due && self.owner.as_ref().is_some_and(|owner| !owner.is_open()) {
            // A sink is opened before the first event needs it, and again after a failure.
            self.start(Work::Open, Vec::new());
        }
    }

    fn may_work(&self) -> bool {
        let Some(owner) = &self.owner else { return false };
        !owner.is_out_of_service() && owner.remake_at().is_none_or(|at| at <= Instant::now())
    }

    fn start(&mut self, work: Work, pieces: Vec<Run>) {
        if let Some(owner) = self.owner.take() {
            self.running = Some(Running { call: Box::pin(owner.call(pieces)), work });
        }
    }

    /// Takes the sink back from a call that has ended, and draws the conclusions.
    async fn take_back(&mut self, returned: Returned) {
        let Returned { owner, outcome, done, delivered } = returned;
        self.status.open.store(owner.is_open(), Ordering::Relaxed);
        self.owner = Some(owner);
        let Some(Running { work, .. }) = self.running.take() else { return };
        let kept = match work {
            Work::Open => Ok(()),
            Work::Fresh { deliveries } => {
                if let Err(error) = outcome {
                    return self.fail_fresh(deliveries, error).await;
                }
                add(&self.status.delivered, done as u64);
                self.answer(deliveries, delivered);
                Ok(())
            }
            Work::Overdue { owed } if outcome.is_ok() => {
                add(&self.status.delivered, done as u64);
                self.spill.done_after_all(&owed).await
            }
            Work::Overdue { .. } => Ok(()),
            Work::Late(portion) => {
                add(&self.status.delivered, delivered.len() as u64);
                self.spill.done(&portion, done).await
            }
        };
        match outcome.and(kept) {
            Ok(()) => self.recover(),
            Err(error) => self.fail(error),
        }
    }

    /// The first of the fresh deliveries could not be made.
    async fn fail_fresh(&mut self, deliveries: usize, error: Error) {
        let wait = self.wait_after(&error);
        let (now, is_hopeless) = (Instant::now(), error.retry() == Retry::Never || !self.was_well);
        self.retry_at = Some(now + wait);
        match self.deadline() {
            Some(deadline) if is_hopeless || now + wait >= deadline => {
                self.say_ill(&error);
                let all = self.fresh.len();
                self.pass_on(if self.policy.on_failure == OnFailure::Pass { deliveries } else { all }).await;
            }
            _ => {
                add(&self.status.retries, 1);
                let patience_is_over =
                    self.head_since.is_some_and(|since| now >= since + self.policy.patience.0);
                if patience_is_over {
                    self.say_ill(&error);
                } else {
                    self.note_failure(&error);
                }
            }
        }
    }

    fn fail(&mut self, error: Error) {
        self.retry_at = Some(Instant::now() + self.wait_after(&error));
        self.say_ill(&error);
    }

    fn wait_after(&mut self, error: &Error) -> Duration {
        match error.retry() {
            Retry::After(wait) => wait,
            Retry::Reconnect | Retry::Never => self.backoff.next_wait(),
        }
    }

    /// How long the first of the fresh deliveries waits at most.
    fn deadline(&self) -> Option<Instant> {
        let since = self.head_since?;
        let in_service = self.owner.as_ref().is_none_or(|owner| !owner.is_out_of_service());
        let usual = match self.policy.on_failure {
            OnFailure::Retry if in_service => None,
            _ => Some(since + self.policy.patience.0),
        };
        let hurried = self.hurry_since.map(|hurry| hurry.max(since) + HURRY);
        usual.into_iter().chain(hurried).min()
    }

    /// Passes fresh deliveries on for which nothing speaks any more for waiting.
    async fn pass_on_what_need_not_wait(&mut self) {
        let Some(deadline) = self.deadline() else { return };
        let now = Instant::now();
        let out_of_service = self.owner.as_ref().is_some_and(SinkOwner::is_out_of_service);
        let overdue = matches!(&self.running, Some(Running { work: Work::Overdue { .. }, .. }));
        let waits_for_a_try = self.policy.on_failure == OnFailure::Spill
            && !self.was_well
            && self.running.is_none()
            && self.retry_at.is_some_and(|at| at > now);
        if deadline <= now {
            let error = Error::new(ErrorKind::Timeout, "deliver")
                .with_detail(format!("the sink has not answered for {}", self.policy.patience));
            if self.running.is_some() {
                self.say_ill(&error);
            }
        } else if self.has_nearly_caught_up() && !out_of_service && !overdue && !waits_for_a_try {
            return;
        }
        self.pass_on(self.fresh.len()).await;
    }

    /// Whether everything that is owed goes with the call under way or the next one. Fresh events
    /// wait behind that: would they pass on, something new would be owed each time, and a sink that
    /// works would never be one that is well as long as somebody comes.
    fn has_nearly_caught_up(&self) -> bool {
        self.spill.is_empty() || (self.was_well && self.spill.len() <= PORTION as u64)
    }

    /// Passes the first of the fresh deliveries on without the sink.
    async fn pass_on(&mut self, deliveries: usize) {
        let events: Vec<Event> =
            self.fresh.iter().take(deliveries).flat_map(|delivery| &delivery.events).cloned().collect();
        if let Some(Running { work, .. }) = &mut self.running
            && let Work::Fresh { deliveries } = *work
        {
            let called = self.fresh.iter().take(deliveries).flat_map(|delivery| &delivery.events);
            *work = Work::Overdue { owed: called.cloned().map(Owed::Event).collect() };
        }
        add(&self.status.passed_on, events.len() as u64);
        let marked = mark(events.clone(), &self.name);
        // Behind what an earlier policy left for a sink that works now, there is an order to keep.
        let catches_up = self.was_well && !self.spill.is_empty();
        if self.policy.on_failure != OnFailure::Pass || catches_up {
            add(&self.status.spilled, events.len() as u64);
            self.spill.push(events).await;
        }
        self.answer(deliveries, marked);
    }

    /// Gives the first of the fresh deliveries back.
    fn answer(&mut self, deliveries: usize, events: Vec<Event>) {
        let mut events = events.into_iter();
        for delivery in self.fresh.drain(..deliveries.min(self.fresh.len())) {
            // A caller that has gone away no longer needs its events.
            let _ = delivery.back.send(events.by_ref().take(delivery.events.len()).collect());
        }
        self.head_since = (!self.fresh.is_empty()).then(Instant::now);
    }

    /// When there is something to do even if nobody says anything.
    fn next_wake(&self) -> Option<Instant> {
        let next_try = match &self.owner {
            Some(owner) if self.running.is_none() && !owner.is_out_of_service() => {
                let has_work = !self.spill.is_empty() || !self.fresh.is_empty() || !owner.is_open();
                self.retry_at.max(owner.remake_at()).filter(|_| has_work)
            }
            _ => None,
        };
        let held_back = [self.lines.due(), self.spill.line_due()];
        [self.deadline(), self.spill.retry_at(), next_try].into_iter().chain(held_back).flatten().min()
    }

    fn recover(&mut self) {
        self.backoff.reset();
        self.retry_at = None;
        self.status.note_well();
        if !std::mem::replace(&mut self.was_well, true)
            && let Some(unsaid) = self.lines.allow()
        {
            let backlog = self.status.backlog.load(Ordering::Relaxed);
            tracing::info!(sink = %self.name, backlog, "sink is well again{unsaid}");
        }
    }

    fn note_failure(&self, error: &Error) {
        self.status.note_failure(format!("{error:#}"), self.clock.now().utc);
    }

    /// Remembers that the sink fails and says it once, not at each try.
    fn say_ill(&mut self, error: &Error) {
        self.note_failure(error);
        if std::mem::replace(&mut self.was_well, false)
            && let Some(unsaid) = self.lines.allow()
        {
            let (error, on_failure) = (format!("{error:#}"), self.policy.on_failure);
            tracing::error!(sink = %self.name, error, ?on_failure, "sink fails{unsaid}");
        }
    }

    /// Says how the sink and its backlog are, where lines were held back and nothing was said since.
    fn sum_up(&mut self) {
        self.spill.sum_up();
        let Some(unsaid) = self.lines.settle() else { return };
        match self.status.last_error() {
            Some(error) => tracing::error!(sink = %self.name, error, "sink fails{unsaid}"),
            None => tracing::info!(sink = %self.name, "sink is well{unsaid}"),
        }
    }

    /// Ends the sink. What is in memory only gets a last chance.
    async fn end(mut self) {
        let ended = tokio::time::timeout(END_LIMIT, self.last_calls()).await;
        if ended.is_err() {
            tracing::warn!(sink = %self.name, "sink did not end its last call in time");
        }
        self.spill.close().await;
        let Some(owner) = self.owner.take() else { return };
        match tokio::time::timeout(END_LIMIT, owner.end()).await {
            Ok(errors) => {
                for error in errors {
                    tracing::warn!(sink = %self.name, error = format!("{error:#}"), "sink did not end cleanly");
                }
            }
            Err(_) => tracing::warn!(sink = %self.name, "sink did not end in time"),
        }
    }

    async fn last_calls(&mut self) {
        if self.running.is_some() {
            let returned = ended(&mut self.running).await;
            self.take_back(returned).await;
        }
        self.spill.settle().await;
        while self.spill.in_memory() > 0 && self.may_work() {
            if let Err(error) = self.last_call().await {
                tracing::warn!(sink = %self.name, error = format!("{error:#}"), "sink did not take its last events");
                break;
            }
        }
    }

    async fn last_call(&mut self) -> Result<()> {
        let portion = self.spill.portion().await?;
        let Some(owner) = self.owner.take() else { return Ok(()) };
        let pieces = runs(portion.owed.iter().cloned());
        self.running = Some(Running { call: Box::pin(owner.call(pieces)), work: Work::Late(portion) });
        let returned = ended(&mut self.running).await;
        let failed = returned.outcome.is_err();
        self.take_back(returned).await;
        if failed {
            Err(Error::new(ErrorKind::Cancelled, "deliver").with_detail("the host stops"))
        } else {
            Ok(())
        }
    }
}

/// The end of the call that runs; never, if none does.
async fn ended(running: &mut Option<Running>) -> Returned {
    match running {
        Some(running) => running.call.as_mut().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
#[path = "sink_tests.rs"]
mod tests;
