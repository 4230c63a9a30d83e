//! What is owed to one sink, in order: the older part in its backlog, the latest in memory while
//! the backlog cannot be written.

use std::collections::{HashSet, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::backlog::{Backlog, Owed};
use super::counters::{add, set};
use super::sink_status::SinkStatus;
use crate::backoff::Backoff;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventId};
use crate::lines::Lines;
use crate::name::Name;
use crate::sink::Loss;

/// Events kept in memory at most.
pub(super) const MOST_IN_MEMORY: usize = 10_000;
/// Bytes of events kept in memory at most, roughly.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// Events written to the backlog, or looked at in it, in one go.
pub(super) const PORTION: usize = 500;
/// How long a call on the backlog may take. A disk that hangs must not hold the events up.
const LIMIT: Duration = Duration::from_secs(5);
/// Tries after which a backlog that cannot be read is left alone until the next start: a sink that
/// works must not be kept from its events by it.
const GIVE_UP_READING: u32 = 10;
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

pub(super) struct Spill {
    sink: Name,
    /// Absent where none was given: then everything stays in memory.
    port: Option<Port>,
    /// What was dropped before the first event in memory.
    gap: Option<Loss>,
    memory: VecDeque<Event>,
    most_in_memory: usize,
    bytes: usize,
    lines: Lines,
    status: Arc<SinkStatus>,
}

struct Port {
    backlog: Box<dyn Backlog>,
    is_open: bool,
    backoff: Backoff,
    /// When it may be tried again, while it fails.
    retry_at: Option<Instant>,
    why: String,
    /// How often in a row it could not be read.
    unreadable: u32,
}

/// What the sink is to get next.
pub(super) struct Portion {
    pub(super) owed: Vec<Owed>,
    /// Their numbers in the backlog; empty for what is in memory.
    numbers: Vec<u64>,
}

impl Port {
    async fn peek(&mut self) -> Result<Portion> {
        let peeked = limited("peek", self.backlog.peek(PORTION)).await;
        let (numbers, owed): (Vec<_>, Vec<_>) = match peeked {
            Ok(peeked) if !peeked.is_empty() => peeked.into_iter().unzip(),
            outcome => {
                self.unreadable += 1;
                let detail = "the backlog counts events that it does not have";
                let empty = || Error::new(ErrorKind::Damaged, "peek").with_detail(detail);
                return Err(outcome.err().unwrap_or_else(empty));
            }
        };
        self.unreadable = 0;
        Ok(Portion { owed, numbers })
    }
}

impl Spill {
    pub(super) fn new(
        sink: Name,
        backlog: Option<Box<dyn Backlog>>,
        most_in_memory: usize,
        status: Arc<SinkStatus>,
    ) -> Self {
        let seed = sink.len() as u64;
        let port = backlog.map(|backlog| Port {
            backlog,
            is_open: false,
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT, seed),
            retry_at: None,
            why: String::new(),
            unreadable: 0,
        });
        Self {
            sink,
            port,
            gap: None,
            memory: VecDeque::new(),
            most_in_memory,
            bytes: 0,
            lines: Lines::default(),
            status,
        }
    }

    /// Whether nothing is owed, as far as is known: a backlog that cannot be opened may hold
    /// something, which is then delivered when it can.
    pub(super) fn is_empty(&self) -> bool {
        self.memory.is_empty() && self.gap.is_none() && self.in_port() == 0
    }

    /// How much is owed, as far as is known.
    pub(super) fn len(&self) -> u64 {
        self.in_port() + self.memory.len() as u64 + u64::from(self.gap.is_some())
    }

    fn in_port(&self) -> u64 {
        self.port.as_ref().filter(|port| port.is_open).map_or(0, |port| port.backlog.len())
    }

    /// When the backlog wants to be tried again. Also when nothing is left for it, as the sink took
    /// that itself: a complaint about it must not stay for ever.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.port.as_ref()?.retry_at
    }

    /// Adds to the end. Returns when it is durable, or in memory where it cannot be.
    pub(super) async fn push(&mut self, events: Vec<Event>) {
        for event in events {
            self.bytes += size(&event);
            self.memory.push_back(event);
        }
        self.settle().await;
        while self.memory.len() > self.most_in_memory || self.bytes > MOST_BYTES {
            let Some(oldest) = self.memory.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(size(&oldest));
            add(&self.status.lost, 1);
            self.drop_one(&oldest);
        }
        self.publish();
    }

    fn drop_one(&mut self, event: &Event) {
        let reason = match &self.port {
            Some(port) if !port.why.is_empty() => {
                format!("sink {} did not work and its backlog neither: {}", self.sink, port.why)
            }
            _ => format!("sink {} did not work, and memory holds {} events", self.sink, self.most_in_memory),
        };
        let loss = Loss { count: 1, reason, from: event.time, to: event.time };
        match &mut self.gap {
            Some(gap) => gap.absorb(loss),
            None => {
                if let Some(unsaid) = self.lines.allow() {
                    tracing::error!(sink = %self.sink, reason = loss.reason, "events are lost to this sink{unsaid}");
                }
                self.gap = Some(loss);
            }
        }
    }

    /// Opens the backlog and writes what is in memory to it, as far as it works.
    pub(super) async fn settle(&mut self) {
        let now = Instant::now();
        if self.port.as_ref().is_some_and(|port| port.retry_at.is_none_or(|at| at <= now)) {
            let outcome = self.try_settle().await;
            self.note(&outcome);
        }
        self.publish();
    }

    async fn try_settle(&mut self) -> Result<()> {
        let Some(port) = &mut self.port else { return Ok(()) };
        if !port.is_open {
            limited("open", port.backlog.open()).await?;
            port.is_open = true;
        }
        while !self.memory.is_empty() || self.gap.is_some() {
            let events = self.memory.iter().take(PORTION).cloned();
            let owed: Vec<Owed> =
                self.gap.clone().map(Owed::Lost).into_iter().chain(events.map(Owed::Event)).collect();
            limited("push", port.backlog.push(&owed)).await?;
            self.gap = None;
            let written = self.memory.len().min(PORTION);
            for event in self.memory.drain(..written) {
                self.bytes = self.bytes.saturating_sub(size(&event));
            }
        }
        Ok(())
    }

    /// Remembers how the backlog is, and says it when that changes.
    fn note(&mut self, outcome: &Result<()>) {
        let Some(port) = &mut self.port else { return };
        match outcome {
            Ok(()) => {
                if port.retry_at.take().is_some()
                    && let Some(unsaid) = self.lines.allow()
                {
                    tracing::info!(sink = %self.sink, "the backlog is well again{unsaid}");
                }
                port.backoff.reset();
                port.why.clear();
                self.status.note_backlog(None);
            }
            Err(error) => {
                port.why = format!("{error:#}");
                self.status.note_backlog(Some(port.why.clone()));
                let wait = port.backoff.next_wait();
                if port.retry_at.replace(Instant::now() + wait).is_none()
                    && let Some(unsaid) = self.lines.allow()
                {
                    let error = &port.why;
                    tracing::error!(sink = %self.sink, error, "the backlog fails; the latest events are in memory only{unsaid}");
                }
            }
        }
    }

    /// When lines that were held back are to be summed up.
    pub(super) fn line_due(&self) -> Option<Instant> {
        self.lines.due()
    }

    /// Says how the backlog is, where lines were held back and nothing was said since.
    pub(super) fn sum_up(&mut self) {
        let Some(unsaid) = self.lines.settle() else { return };
        let (sink, lost) = (&self.sink, self.status.lost.load(Ordering::Relaxed));
        match self.status.backlog_error() {
            Some(error) => tracing::error!(%sink, error, lost, "the backlog fails{unsaid}"),
            None => tracing::info!(%sink, lost, "the backlog is well{unsaid}"),
        }
    }

    /// The oldest that is owed; nothing is removed.
    pub(super) async fn portion(&mut self) -> Result<Portion> {
        if self.in_port() > 0
            && let Some(port) = &mut self.port
        {
            match port.peek().await {
                Ok(portion) => return Ok(portion),
                Err(error) if port.unreadable < GIVE_UP_READING => return Err(error),
                Err(error) => {
                    let (events, error) = (port.backlog.len(), format!("{error:#}"));
                    tracing::error!(sink = %self.sink, events, error, "the backlog cannot be read; what is in it waits for the next start");
                    self.port = None;
                    self.status.note_backlog(Some(error));
                }
            }
        }
        let events = self.memory.iter().take(PORTION).cloned().map(Owed::Event);
        let owed = self.gap.clone().map(Owed::Lost).into_iter().chain(events).collect();
        Ok(Portion { owed, numbers: Vec::new() })
    }

    /// The first `count` of a portion have been delivered.
    pub(super) async fn done(&mut self, portion: &Portion, count: usize) -> Result<()> {
        let delivered = portion.owed.get(..count).unwrap_or(&portion.owed);
        if portion.numbers.is_empty() {
            return self.done_after_all(delivered).await;
        }
        if let Some(number) = count.checked_sub(1).and_then(|last| portion.numbers.get(last)) {
            self.done_in_port(*number).await?;
        }
        self.publish();
        Ok(())
    }

    /// These, which were the oldest when they came here, have been delivered after all. They may
    /// be in memory or have been written to the backlog meanwhile.
    pub(super) async fn done_after_all(&mut self, mut delivered: &[Owed]) -> Result<()> {
        while !delivered.is_empty() && self.in_port() > 0 {
            let Portion { owed, numbers } = self.portion().await?;
            let same = owed.iter().zip(delivered).take_while(|(owed, delivered)| is_same(owed, delivered));
            let Some(last) = same.count().checked_sub(1) else { break };
            let Some(number) = numbers.get(last) else { break };
            self.done_in_port(*number).await?;
            delivered = delivered.get(last + 1..).unwrap_or_default();
        }
        if let Some((Owed::Lost(loss), rest)) = delivered.split_first() {
            // One that has grown meanwhile is told again.
            self.gap.take_if(|gap| gap == loss);
            delivered = rest;
        }
        let ids: HashSet<EventId> = delivered.iter().filter_map(event_id).collect();
        while let Some(event) = self.memory.pop_front_if(|event| ids.contains(&event.event_id)) {
            self.bytes = self.bytes.saturating_sub(size(&event));
        }
        self.publish();
        Ok(())
    }

    async fn done_in_port(&mut self, number: u64) -> Result<()> {
        match &mut self.port {
            Some(port) => limited("done", port.backlog.done(number)).await,
            None => Ok(()),
        }
    }

    /// What is in memory only.
    pub(super) fn in_memory(&self) -> u64 {
        self.memory.len() as u64
    }

    /// Ends the backlog. What can still not be written is lost to the sink, and said.
    pub(super) async fn close(&mut self) {
        if let Some(port) = &mut self.port
            && (!self.memory.is_empty() || self.gap.is_some())
        {
            // Whatever speaks against it: there is no later.
            port.retry_at = None;
            self.settle().await;
        }
        add(&self.status.lost, self.memory.len() as u64);
        while let Some(event) = self.memory.pop_front() {
            self.drop_one(&event);
        }
        self.bytes = 0;
        if let Some(Loss { count, reason, from, to }) = self.gap.take() {
            tracing::error!(sink = %self.sink, events = count, %from, %to, reason, "events could be kept nowhere; the sink will not even hear of them");
        }
        if let Some(port) = &mut self.port {
            let limited = tokio::time::timeout(LIMIT, port.backlog.close()).await;
            if limited.is_err() {
                tracing::error!(sink = %self.sink, "the backlog did not end in time");
            }
        }
        self.publish();
    }

    fn publish(&self) {
        set(&self.status.backlog, self.in_port() + self.memory.len() as u64 + u64::from(self.gap.is_some()));
        debug_assert!(self.status.backlog.load(Ordering::Relaxed) > 0 || self.is_empty());
    }
}

async fn limited<T>(op: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(LIMIT, call).await.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Timeout, op)
            .with_detail(format!("the backlog did not answer within {} s", LIMIT.as_secs())))
    })
}

fn is_same(one: &Owed, other: &Owed) -> bool {
    match (one, other) {
        (Owed::Event(one), Owed::Event(other)) => one.event_id == other.event_id,
        (Owed::Lost(one), Owed::Lost(other)) => one == other,
        _ => false,
    }
}

fn event_id(owed: &Owed) -> Option<EventId> {
    match owed {
        Owed::Event(event) => Some(event.event_id),
        Owed::Lost(_) => None,
    }
}

/// Bytes that an event takes in memory, roughly.
fn size(event: &Event) -> usize {
    let record = event.record.iter().flatten().map(|(key, value)| key.len() + 64 + text_len(value));
    size_of::<Event>() + 128 + record.sum::<usize>()
}

fn text_len(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::String(text) => text.len(),
        serde_json::Value::Array(values) => values.iter().map(|value| 32 + text_len(value)).sum(),
        serde_json::Value::Object(values) => {
            values.iter().map(|(key, value)| key.len() + 64 + text_len(value)).sum()
        }
        _ => 0,
    }
}
