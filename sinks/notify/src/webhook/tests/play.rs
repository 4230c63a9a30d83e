//! The stage: a scripted receiver, an outbox in memory, a folder for dead letters.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rfid_core::{
    Clock, Error, ErrorKind, Event, EventId, ManualClock, Name, Result, Settings, Stamp, TagId, TagIdKind,
    UtcTime,
};
use serde_json::Value;
use tokio::time::Instant;

use super::super::config::{Webhook, WebhookConfig, check};
use super::super::dead_letters::FILE;
use super::super::outbox::{OpenOutbox, Outbox};
use super::super::running::{Running, Surroundings};
use super::super::transport::{Answer, Failure, Post, Transport};
use crate::notice::LATE_AFTER;

/// Tag and number of a notice.
pub(super) type Which = (u32, u32);

type Script = dyn Fn(&Receiver, Which) -> (Duration, Answer) + Send + Sync;

/// Notice `number` of a tag.
pub(super) fn event(tag: u32, number: u32) -> Event {
    let sample = Event::sample();
    let tag = TagId::new(TagIdKind::Epc, &tag.to_be_bytes()).unwrap();
    Event {
        event_id: EventId::derive("play", &tag, sample.first_seen, number),
        read_count: number.into(),
        tag,
        ..sample
    }
}

pub(super) fn taken() -> Answer {
    Answer::Taken { status: 204 }
}

pub(super) fn refused(status: u16) -> Answer {
    Answer::Refused { status, why: format!("the receiver answered {status}") }
}

pub(super) fn unavailable(after: Option<Duration>) -> Answer {
    Answer::Failed(Failure { why: "answered 503".to_owned(), status: Some(503), unreachable: false, after })
}

pub(super) fn unreachable() -> Answer {
    Answer::Failed(Failure {
        why: "connection refused".to_owned(),
        status: None,
        unreachable: true,
        after: None,
    })
}

/// Plays a receiver and remembers what came.
pub(super) struct Receiver {
    start: Instant,
    script: Box<Script>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    tries: usize,
    in_flight: Vec<Which>,
    most_in_flight: usize,
    delivered: Vec<Which>,
    bodies: Vec<Value>,
    faults: Vec<String>,
}

impl Receiver {
    /// Time since the play began.
    pub(super) fn passed(&self) -> Duration {
        self.start.elapsed()
    }

    pub(super) fn tries(&self) -> usize {
        self.seen().tries
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a request off the list also when it is aborted or panics.
struct Flight<'a>(&'a Receiver, Which);

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.0.seen().in_flight.retain(|which| *which != self.1);
    }
}

#[async_trait]
impl Transport for Receiver {
    async fn post(&self, post: Post) -> Answer {
        let body: Value = serde_json::from_slice(&post.body).unwrap();
        let tag = body["data"]["epc_hex"].as_str().and_then(|hex| u32::from_str_radix(hex, 16).ok()).unwrap();
        let which = (tag, body["data"]["read_count"].as_u64().unwrap() as u32);
        {
            let mut seen = self.seen();
            seen.tries += 1;
            if seen.in_flight.iter().any(|(other, _)| *other == tag) {
                seen.faults.push(format!("two under way for tag {tag}"));
            }
            seen.in_flight.push(which);
            seen.most_in_flight = seen.most_in_flight.max(seen.in_flight.len());
            seen.bodies.push(body);
            if seen.bodies.len() > 10_000 {
                seen.bodies.clear();
            }
        }
        let flight = Flight(self, which);
        let (lasts, answer) = (self.script)(self, which);
        tokio::time::sleep(lasts).await;
        if matches!(answer, Answer::Taken { .. }) {
            self.seen().delivered.push(which);
        }
        drop(flight);
        answer
    }
}

/// An outbox that outlives whoever opens it.
#[derive(Clone, Default)]
pub(super) struct MemoryOutbox(Arc<Mutex<Stored>>);

#[derive(Default)]
struct Stored {
    records: VecDeque<(u64, Vec<u8>)>,
    bytes: u64,
    last: u64,
    refuse: Option<ErrorKind>,
    refuse_marks: bool,
    most: Option<usize>,
}

impl MemoryOutbox {
    pub(super) fn refuse(&self, kind: Option<ErrorKind>) {
        self.stored().refuse = kind;
    }

    /// Whether it can note what is done.
    pub(super) fn refuse_marks(&self, refuse: bool) {
        self.stored().refuse_marks = refuse;
    }

    pub(super) fn hold_at_most(&self, most: usize) {
        self.stored().most = Some(most);
    }

    pub(super) fn len(&self) -> u64 {
        self.stored().records.len() as u64
    }

    fn stored(&self) -> std::sync::MutexGuard<'_, Stored> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl OpenOutbox for MemoryOutbox {
    async fn open(&self) -> Result<Box<dyn Outbox>> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl Outbox for MemoryOutbox {
    async fn push(&self, records: Vec<Vec<u8>>) -> Result<()> {
        let mut stored = self.stored();
        if let Some(kind) = stored.refuse {
            return Err(Error::new(kind, "push"));
        }
        if stored.most.is_some_and(|most| stored.records.len() + records.len() > most) {
            return Err(Error::new(ErrorKind::Busy, "push"));
        }
        for record in records {
            stored.last += 1;
            let number = stored.last;
            stored.bytes += record.len() as u64;
            stored.records.push_back((number, record));
        }
        Ok(())
    }

    async fn peek_after(&self, after: Option<u64>, limit: usize) -> Result<Vec<(u64, Vec<u8>)>> {
        let stored = self.stored();
        let done = after.map_or(0, |after| stored.records.partition_point(|record| record.0 <= after));
        // A real one may give less than it was asked for.
        Ok(stored.records.iter().skip(done).take(limit.min(100)).cloned().collect())
    }

    async fn done(&self, number: u64) -> Result<()> {
        let mut stored = self.stored();
        if stored.refuse_marks {
            return Err(Error::new(ErrorKind::Io, "done"));
        }
        while stored.records.front().is_some_and(|record| record.0 <= number) {
            let gone = stored.records.pop_front();
            stored.bytes -= gone.map_or(0, |(_, record)| record.len() as u64);
        }
        Ok(())
    }

    fn len(&self) -> u64 {
        MemoryOutbox::len(self)
    }

    fn bytes(&self) -> u64 {
        self.stored().bytes
    }

    async fn close(&self) {}
}

/// Wall clock and monotonic clock that follow tokio's, which the tests stop.
struct PlayClock {
    start: Instant,
    at_start: ManualClock,
}

impl Clock for PlayClock {
    fn now(&self) -> Stamp {
        let passed = self.start.elapsed();
        Stamp { monotonic: passed, utc: self.at_start.now().utc.plus(passed) }
    }
}

/// One play.
pub(super) struct Play {
    pub(super) receiver: Arc<Receiver>,
    pub(super) outbox: MemoryOutbox,
    pub(super) folder: tempfile::TempDir,
    clock: Arc<PlayClock>,
}

impl Play {
    /// With a receiver that takes so long for a notice and then answers this.
    pub(super) fn new(
        script: impl Fn(&Receiver, Which) -> (Duration, Answer) + Send + Sync + 'static,
    ) -> Self {
        let start = Instant::now();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("hook")).unwrap();
        Self {
            receiver: Arc::new(Receiver { start, script: Box::new(script), seen: Mutex::default() }),
            outbox: MemoryOutbox::default(),
            folder,
            clock: Arc::new(PlayClock { start, at_start: ManualClock::at(Event::sample().time) }),
        }
    }

    /// A webhook, as a process that starts would have it.
    pub(super) fn start(&self) -> Running {
        let toml = r#"webhooks = [{ url = "https://example.com/", secret = "key", name = "hook" }]"#;
        #[derive(serde::Deserialize)]
        struct Sink {
            webhooks: Vec<WebhookConfig>,
        }
        let sink: Sink = Settings::from_toml(toml).unwrap().parse().unwrap();
        let webhook: Webhook = check(sink.webhooks).unwrap().remove(0);
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let surroundings = Surroundings {
            data_dir: self.folder.path().to_owned(),
            clock,
            running: Default::default(),
            late_after: LATE_AFTER,
        };
        Running::start_with(
            &Name::from("screens"),
            &webhook,
            &surroundings,
            Arc::clone(&self.receiver) as Arc<dyn Transport>,
            Box::new(self.outbox.clone()),
            &self.folder.path().join("hook"),
            7,
        )
    }

    /// Lets time pass until something holds.
    pub(super) async fn until(&self, holds: impl Fn() -> bool) {
        let start = Instant::now();
        while !holds() {
            let passed = start.elapsed();
            assert!(passed < Duration::from_secs(30 * 3600), "it did not happen within thirty hours");
            tokio::time::sleep((passed / 100).max(Duration::from_millis(50))).await;
        }
        // What follows from it is done.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    pub(super) fn passed(&self) -> Duration {
        self.receiver.passed()
    }

    pub(super) fn utc(&self) -> UtcTime {
        self.clock.now().utc
    }

    pub(super) fn tries(&self) -> usize {
        self.receiver.tries()
    }

    /// Requests under way at once since this was asked before.
    pub(super) fn most_in_flight(&self) -> usize {
        std::mem::take(&mut self.receiver.seen().most_in_flight)
    }

    pub(super) fn delivered(&self) -> Vec<Which> {
        self.receiver.seen().delivered.clone()
    }

    pub(super) fn bodies(&self) -> Vec<Value> {
        self.receiver.seen().bodies.clone()
    }

    /// Of one tag nothing was under way twice at once.
    pub(super) fn assert_no_overlap(&self) {
        assert_eq!(self.receiver.seen().faults, [] as [String; 0]);
    }

    /// The same, and nothing came before what was earlier, and nothing twice.
    pub(super) fn assert_in_order(&self) {
        self.assert_no_overlap();
        let seen = self.receiver.seen();
        let mut last: HashMap<u32, u32> = HashMap::new();
        for (tag, number) in &seen.delivered {
            let before = last.insert(*tag, *number);
            assert!(before.is_none_or(|before| before < *number), "tag {tag}: {number} after {before:?}");
        }
    }

    pub(super) fn dead_letters(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("hook").join(FILE)).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
