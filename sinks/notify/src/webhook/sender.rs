//! The task of one webhook: takes notices over, sends them, and sees to what fails.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rfid_core::{Backoff, Clock, DurationText, Event, LogLimit, Name, Stamp, UtcTime};
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

use super::dead_letters::{DeadLetter, DeadLetters};
use super::lanes::{Lanes, Ticket, Waiting};
use super::outbox::Record;
use super::receiver::{FIRST_WAIT, LONGEST_WAIT, Receiver};
use super::shelf::{Flushed, Shelf};
use super::signature::SigningKey;
use super::status::WebhookStatus;
use super::transport::{Answer, Failure, Post, Transport};
use crate::notice::Notice;

/// Notices that are seen to at once; further ones stay on the disk.
const WINDOW: usize = 1_024;
/// Notices that make room in a full outbox with one write to the dead letters.
const ROOM_AT_ONCE: usize = 512;
/// How long requests under way may take when the webhook ends. They are in the outbox and come
/// again.
const LAST_WAIT: Duration = Duration::from_secs(2);
/// How long the dead letters are left alone after a failure to write them.
const DEAD_LETTER_WAIT: Duration = Duration::from_secs(2);

/// What the task is told.
pub(crate) enum Message {
    /// Take these over, and say when they are kept.
    Keep(Vec<Event>, oneshot::Sender<()>),
    /// End.
    Close,
}

/// What a sender needs.
pub(crate) struct Parts {
    pub(crate) sink: Name,
    pub(crate) name: Name,
    pub(crate) key: SigningKey,
    pub(crate) concurrent: usize,
    pub(crate) give_up_after: Duration,
    pub(crate) late_after: Duration,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) shelf: Shelf,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) status: Arc<WebhookStatus>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) seed: u64,
}

/// One webhook at work.
pub(crate) struct Sender {
    parts: Parts,
    lanes: Lanes,
    receiver: Receiver,
    flights: JoinSet<Answer>,
    tickets: HashMap<Id, Ticket>,
    /// Notices that go to the dead letters, and why. The lanes count them as in hand.
    condemned: Vec<(Ticket, String)>,
    bury_at: Option<Instant>,
    /// Whether the latest notices were refused, which is said once.
    refuses: bool,
    started: Stamp,
    /// Of lines that say whether the receiver answers.
    lines: LogLimit,
}

impl Sender {
    pub(crate) fn new(parts: Parts) -> Self {
        let receiver = Receiver::new(parts.concurrent, parts.seed, Instant::now());
        let started = parts.clock.now();
        Self {
            parts,
            lanes: Lanes::default(),
            receiver,
            flights: JoinSet::new(),
            tickets: HashMap::new(),
            condemned: Vec::new(),
            bury_at: None,
            refuses: false,
            started,
            lines: LogLimit::default(),
        }
    }

    /// Works until it is told to end or nobody is left to tell it.
    pub(crate) async fn run(mut self, mut inbox: mpsc::Receiver<Message>) {
        let mut messages = Vec::new();
        loop {
            self.turn().await;
            let wake = self.wake_at();
            tokio::select! {
                count = inbox.recv_many(&mut messages, 64) => {
                    if count == 0 || self.take_over(&mut messages).await {
                        break;
                    }
                }
                Some(landed) = self.flights.join_next_with_id() => {
                    self.landed(landed);
                    while let Some(landed) = self.flights.try_join_next_with_id() {
                        self.landed(landed);
                    }
                }
                () = sleep_until(wake) => {}
            }
        }
        self.end().await;
    }

    /// Does everything that can be done now.
    async fn turn(&mut self) {
        self.parts.shelf.open(Instant::now()).await;
        // Before writing: what is done makes room in a full outbox.
        self.parts.shelf.tell_done(Instant::now()).await;
        self.flush().await;
        loop {
            self.fill().await;
            self.retire();
            // What is buried makes room for more that may be too old as well.
            if self.condemned.is_empty() || !self.bury().await {
                break;
            }
        }
        self.parts.shelf.tell_done(Instant::now()).await;
        self.begin();
        self.parts.shelf.count();
    }

    /// True if it is time to end.
    async fn take_over(&mut self, messages: &mut Vec<Message>) -> bool {
        let mut ends = false;
        let mut kept = Vec::new();
        let accepted = self.steady_utc();
        for message in messages.drain(..) {
            match message {
                Message::Keep(events, done) => {
                    let records = events.into_iter().map(|event| Record { accepted, event }.to_bytes());
                    self.parts.shelf.keep(records);
                    kept.push(done);
                }
                Message::Close => ends = true,
            }
        }
        // All that came together shares one sync.
        self.parts.shelf.ask_at_once();
        self.flush().await;
        // Before anybody is answered, so that whoever was sees it.
        self.parts.shelf.count();
        for done in kept {
            // Whoever has gone away does not need to know.
            let _ = done.send(());
        }
        ends
    }

    async fn flush(&mut self) {
        while self.parts.shelf.flush(Instant::now()).await == Flushed::Full {
            if !self.make_room().await {
                self.parts.shelf.stay_full(Instant::now());
            }
        }
        let dropped = self.parts.shelf.drop_excess();
        if dropped > 0 && self.parts.status.dropped.fetch_add(dropped, Ordering::Relaxed) == 0 {
            tracing::error!(sink = %self.parts.sink, webhook = %self.parts.name, "neither disk nor memory has room; notices are lost");
        }
    }

    /// Sends the oldest notices to the dead letters. False if none can go now.
    async fn make_room(&mut self) -> bool {
        self.fill().await;
        let oldest: Vec<Ticket> = self
            .lanes
            .oldest_first()
            .take_while(|(.., held)| !held)
            .map(|(ticket, ..)| ticket)
            .take(ROOM_AT_ONCE)
            .collect();
        for ticket in &oldest {
            self.condemn(*ticket, "the outbox is full");
        }
        !oldest.is_empty() && self.bury().await && {
            self.parts.shelf.tell_done(Instant::now()).await;
            true
        }
    }

    /// Takes notices from the outbox into the lanes.
    async fn fill(&mut self) {
        let now = Instant::now();
        while self.lanes.len() < WINDOW {
            let loaded = self.parts.shelf.load(WINDOW - self.lanes.len(), now).await;
            if loaded.is_empty() {
                break;
            }
            for (number, bytes) in loaded {
                let Some(Record { accepted, event }) = Record::from_bytes(&bytes) else {
                    // Only another version of this program writes what this one cannot read.
                    tracing::error!(sink = %self.parts.sink, webhook = %self.parts.name, "a notice in the outbox is not readable and is left out");
                    add(&self.parts.status.dropped);
                    self.parts.shelf.finish(number);
                    continue;
                };
                let seed = self.parts.seed ^ number.unwrap_or_default().rotate_left(20);
                let backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT, seed);
                let waiting = Waiting { event, accepted, number, tries: 0, last: None, backoff };
                self.lanes.add(waiting, now);
            }
        }
    }

    /// Gives up what has been tried for long enough.
    ///
    /// A notice that has waited behind others has had no try of its own; that the receiver does not
    /// answer at all is reason enough then.
    fn retire(&mut self) {
        let now = self.steady_utc();
        let is_down = self.receiver.down_since().is_some();
        let too_old: Vec<Ticket> = self
            .lanes
            .oldest_first()
            .take_while(|(_, waiting, _)| now.since(waiting.accepted) >= self.parts.give_up_after)
            .filter(|(_, waiting, held)| !held && (is_down || waiting.tries > 0))
            .map(|(ticket, ..)| ticket)
            .collect();
        for ticket in too_old {
            let last = self.lanes.get_mut(ticket).and_then(|waiting| waiting.last.as_ref());
            let why =
                last.map(|failure| failure.why.clone()).or(self.parts.status.down().map(|(_, why)| why));
            let limit = DurationText(self.parts.give_up_after);
            self.condemn(ticket, &format!("given up after {limit}: {}", why.unwrap_or_default()));
        }
    }

    fn condemn(&mut self, ticket: Ticket, reason: &str) {
        if self.lanes.hold(ticket) {
            self.condemned.push((ticket, reason.to_owned()));
        }
    }

    /// Writes what is condemned to the dead letters. Until that succeeded it stays in the outbox.
    async fn bury(&mut self) -> bool {
        let now = Instant::now();
        if self.condemned.is_empty() {
            return true;
        }
        if self.bury_at.is_some_and(|at| now < at) {
            return false;
        }
        let utc = self.parts.clock.now().utc;
        let mut letters = Vec::new();
        for (ticket, reason) in &self.condemned {
            let Some(waiting) = self.lanes.get_mut(*ticket) else { continue };
            let body = body(waiting.event.clone(), self.parts.late_after, utc);
            let Ok(notice) = serde_json::from_slice::<Box<RawValue>>(&body) else { continue };
            letters.push(DeadLetter {
                time: utc,
                reason: reason.clone(),
                tries: waiting.tries,
                status: waiting.last.as_ref().and_then(|failure| failure.status),
                notice,
            });
        }
        if let Err(error) = self.parts.dead_letters.append(letters).await {
            self.bury_at = Some(now + DEAD_LETTER_WAIT);
            let trouble = format!("the dead letters cannot be written: {error:#}");
            self.parts.status.set_dead_letter_trouble(Some(trouble));
            return false;
        }
        self.bury_at = None;
        self.parts.status.set_dead_letter_trouble(None);
        let count = self.condemned.len() as u64;
        self.parts.status.dead_letters.fetch_add(count, Ordering::Relaxed);
        if !std::mem::replace(&mut self.refuses, true)
            && let Some((_, reason)) = self.condemned.first()
        {
            tracing::warn!(sink = %self.parts.sink, webhook = %self.parts.name, count, reason, "notices become dead letters");
        }
        for (ticket, _) in std::mem::take(&mut self.condemned) {
            self.finish(ticket);
        }
        true
    }

    fn finish(&mut self, ticket: Ticket) {
        if let Some(waiting) = self.lanes.finish(ticket) {
            self.parts.shelf.finish(waiting.number);
        }
    }

    /// Sends as much as may be under way.
    fn begin(&mut self) {
        let now = Instant::now();
        while self.flights.len() < self.receiver.places(now) {
            let Some(ticket) = self.lanes.take(now) else { break };
            let Some(waiting) = self.lanes.get_mut(ticket) else { break };
            waiting.tries += 1;
            let utc = self.parts.clock.now().utc;
            let id = waiting.event.event_id.to_string();
            let body = body(waiting.event.clone(), self.parts.late_after, utc);
            let transport = Arc::clone(&self.parts.transport);
            let post = Post::signed(&self.parts.key, id, body, utc);
            let flight = self.flights.spawn(async move { transport.post(post).await });
            self.tickets.insert(flight.id(), ticket);
        }
    }

    fn landed(&mut self, landed: Result<(Id, Answer), tokio::task::JoinError>) {
        let (id, answer) = match landed {
            Ok(landed) => landed,
            Err(error) => {
                let why = "a fault of this program".to_owned();
                (error.id(), Answer::Failed(Failure { why, status: None, unreachable: false, after: None }))
            }
        };
        let Some(ticket) = self.tickets.remove(&id) else { return };
        let now = Instant::now();
        match answer {
            Answer::Taken { .. } => {
                add(&self.parts.status.delivered);
                self.refuses = false;
                self.finish(ticket);
                self.receiver_answered(now);
            }
            Answer::Refused { status, why } => {
                if let Some(waiting) = self.lanes.get_mut(ticket) {
                    let failure =
                        Failure { why: why.clone(), status: Some(status), unreachable: false, after: None };
                    waiting.last = Some(failure);
                }
                self.condemned.push((ticket, why));
                self.receiver_answered(now);
            }
            Answer::Failed(failure) => self.failed(ticket, failure, now),
        }
    }

    fn receiver_answered(&mut self, now: Instant) {
        if self.receiver.answered(now) {
            self.parts.status.set_down(None);
            self.lanes.retry_unreachable(now);
            self.say_whether_it_answers();
        }
    }

    /// Writes a line about the receiver, unless too many were written lately.
    fn say_whether_it_answers(&mut self) {
        let Some(unsaid) = self.lines.allow(self.parts.clock.now().monotonic) else { return };
        let Parts { sink, name, status, .. } = &self.parts;
        match status.down() {
            Some((_, error)) => {
                tracing::warn!(%sink, webhook = %name, error, "the receiver is down; notices wait in the outbox{unsaid}");
            }
            None => tracing::info!(%sink, webhook = %name, "the receiver answers again{unsaid}"),
        }
    }

    fn failed(&mut self, ticket: Ticket, failure: Failure, now: Instant) {
        let utc = self.parts.clock.now().utc;
        if self.receiver.failed(&failure, now, utc) {
            self.parts.status.set_down(Some((utc, failure.why.clone())));
            self.say_whether_it_answers();
        }
        if let Some(since) = self.receiver.down_since() {
            self.parts.status.set_down(Some((since, failure.why.clone())));
        }
        add(&self.parts.status.retries);
        let Some(waiting) = self.lanes.get_mut(ticket) else { return };
        let wait = waiting.backoff.next_wait().max(failure.after.unwrap_or_default());
        waiting.last = Some(failure);
        self.lanes.put_back(ticket, now + wait);
    }

    /// When there will be something to do that nobody announces.
    fn wake_at(&self) -> Option<Instant> {
        let has_room = self.flights.len() < self.receiver.capacity();
        let next = self.lanes.next_due().filter(|_| has_room);
        let next = next.map(|due| due.max(self.receiver.not_before()));
        let bury = self.bury_at.filter(|_| !self.condemned.is_empty());
        [next, bury, self.parts.shelf.wake_at()].into_iter().flatten().min()
    }

    /// UTC that does not jump with the wall clock while this task lives.
    fn steady_utc(&self) -> UtcTime {
        self.started.utc.plus(self.parts.clock.now().since(self.started))
    }

    async fn end(mut self) {
        let limit = Instant::now() + LAST_WAIT;
        while let Ok(Some(landed)) = tokio::time::timeout_at(limit, self.flights.join_next_with_id()).await {
            self.landed(landed);
        }
        self.flights.shutdown().await;
        self.bury_at = None;
        self.bury().await;
        // One last try for what is in memory only.
        let held: Vec<Vec<u8>> = self
            .lanes
            .oldest_first()
            .filter(|(_, waiting, _)| waiting.number.is_none())
            .map(|(_, waiting, _)| {
                Record { accepted: waiting.accepted, event: waiting.event.clone() }.to_bytes()
            })
            .collect();
        self.parts.shelf.take_back(held);
        self.parts.shelf.ask_at_once();
        self.flush().await;
        self.parts.shelf.tell_done(Instant::now()).await;
        self.parts.shelf.count();
        let lost = self.parts.shelf.close().await;
        if lost > 0 {
            self.parts.status.dropped.fetch_add(lost, Ordering::Relaxed);
            tracing::error!(sink = %self.parts.sink, webhook = %self.parts.name, lost, "the disk took them not until the end; notices are lost");
        }
    }
}

/// The event in its envelope, as it is sent at this moment.
fn body(event: Event, late_after: Duration, now: UtcTime) -> bytes::Bytes {
    Notice::new(event).late_after(late_after).json_at(now)
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}
