//! Cases for drivers, after the contract in `rfid_core::driver`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rfid_core::{
    AirProtocol, Clock, DynSession, Error, ErrorKind, ReadBuf, ReadHandler, ReaderSetup, Retry, Settings,
    SystemClock, TagId, UtcTime,
};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::report::{Report, Verdict};
use crate::rig::session;
use crate::{endurance, schema, tag_access};

pub use crate::rig::Rig;

/// How long a tag in the field may take to be reported.
const TAGS_LIMIT: Duration = Duration::from_secs(20);

/// Runs all cases.
pub async fn check(rig: &mut dyn Rig) -> Report {
    let mut report = Report::default();
    report.run("description is complete", async { description_is_complete(rig) }).await;
    report.run("schema describes a closed table", async { schema_is_closed(rig) }).await;
    report.run("wrong settings are faults and not panics", async { wrong_settings(rig) }).await;
    report.run("a reader that is not there fails to open", nobody_there(rig)).await;
    report.run("sessions can be opened again and again", lifecycle(rig)).await;
    report.run("closing is allowed in every state", closing(rig)).await;
    report.run("every tag in the field is reported", every_tag(rig)).await;
    report.run("reads tell antenna and time as they are", where_and_when(rig)).await;
    report.run("a small buffer loses nothing", small_buffer(rig)).await;
    report.run("an interrupted read loses nothing", interrupted_reads(rig)).await;
    report.run("an empty field gives signs of life", signs_of_life(rig)).await;
    report.run("a broken connection is said and mended", broken_connection(rig)).await;
    report.run("stopping leaves nothing running", stopping(rig)).await;
    report.run("ten sessions read at the same time", endurance::side_by_side(rig)).await;
    report.run("a hundred connections leave nothing behind", endurance::again_and_again(rig)).await;
    report.run("power that is set is the power that is told", tuning(rig)).await;
    report.run("inputs can be asked for", inputs(rig)).await;
    report.run("what is written to a tag is read from it", tag_access::writing(rig)).await;
    report.run("a locked tag is not written and a killed one is silent", tag_access::locking(rig)).await;
    report
}

fn description_is_complete(rig: &dyn Rig) -> Verdict {
    let description = rig.driver().describe();
    if description.name.is_empty() || description.summary.is_empty() {
        return Err("the name or the summary is empty".into());
    }
    let example =
        Settings::from_toml(description.example).map_err(|faults| format!("example: {faults:?}"))?;
    match rig.driver().session(&example, &ReaderSetup::named("example")) {
        Ok(_) => Ok(None),
        Err(faults) => Err(format!("the example is refused: {faults:?}")),
    }
}

fn schema_is_closed(rig: &dyn Rig) -> Verdict {
    schema::check(&rig.driver().describe().schema)?;
    Ok(None)
}

fn wrong_settings(rig: &dyn Rig) -> Verdict {
    let description = rig.driver().describe();
    let keys = description.schema.get("properties").and_then(Value::as_object);
    let setup = ReaderSetup::named("wrong");
    let is_fault = |settings: Value| {
        let text = settings.to_string();
        match rig.driver().session(&Settings::new(settings), &setup) {
            Err(faults) if !faults.is_empty() => Ok(()),
            _ => Err(format!("{text} is taken")),
        }
    };
    is_fault(serde_json::json!({ "no_such_key": 1 }))?;
    for key in keys.into_iter().flat_map(serde_json::Map::keys) {
        // No option is a table with a key that nobody knows.
        is_fault(serde_json::json!({ key: { "no_such_key": [] } }))?;
    }
    Ok(None)
}

async fn nobody_there(rig: &mut dyn Rig) -> Verdict {
    let mut session = session(rig, &rig.settings_to_nowhere())?;
    match session.open().await {
        Ok(info) => return Err(format!("somebody was there: {info:?}")),
        Err(error) => {
            expect_reconnect(&error)?;
            if !matches!(error.kind(), ErrorKind::Connect | ErrorKind::Timeout) {
                return Err(format!("not a connect error: {error:#}"));
            }
        }
    }
    session.close().await.map_err(|error| format!("close after a failed open: {error:#}"))?;
    Ok(None)
}

async fn lifecycle(rig: &mut dyn Rig) -> Verdict {
    let tags = rig.lay_tags(1).await;
    let mut session = session(rig, &rig.settings())?;
    for round in 0..3 {
        for inventory in 0..2 {
            let place = format!("round {round}, inventory {inventory}");
            if inventory == 0 {
                session.open().await.map_err(|error| format!("open, {place}: {error:#}"))?;
            }
            session.start().await.map_err(|error| format!("start, {place}: {error:#}"))?;
            wait_for_tags(&mut *session, &tags, ReadBuf::DEFAULT_CAPACITY)
                .await
                .map_err(|error| format!("{place}: {error}"))?;
            session.stop().await.map_err(|error| format!("stop, {place}: {error:#}"))?;
        }
        session.close().await.map_err(|error| format!("close, round {round}: {error:#}"))?;
    }
    Ok(None)
}

async fn closing(rig: &mut dyn Rig) -> Verdict {
    let mut session = session(rig, &rig.settings())?;
    let close = |result: Result<(), Error>, when: &str| result.map_err(|error| format!("{when}: {error:#}"));
    close(session.close().await, "never opened")?;
    session.open().await.map_err(|error| format!("open: {error:#}"))?;
    close(session.close().await, "open")?;
    close(session.close().await, "closed")?;
    session.open().await.map_err(|error| format!("open: {error:#}"))?;
    session.start().await.map_err(|error| format!("start: {error:#}"))?;
    close(session.close().await, "running")?;
    Ok(None)
}

async fn every_tag(rig: &mut dyn Rig) -> Verdict {
    let tags = rig.lay_tags(rig.most_tags()).await;
    let mut session = running(rig).await?;
    let reads = wait_for_tags(&mut *session, &tags, ReadBuf::DEFAULT_CAPACITY).await?;
    if let Some(without) = reads.iter().find(|read| read.antenna_port.is_none() || read.protocol.is_none()) {
        return Err(format!("a read without antenna port or protocol: {without:?}"));
    }
    end(session).await
}

/// How far a reader's clock may be ahead, and its stamps out of order.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

async fn where_and_when(rig: &mut dyn Rig) -> Verdict {
    let tags = rig.lay_tags(40).await;
    let mut session = session(rig, &rig.settings())?;
    let info = session.open().await.map_err(|error| format!("open: {error:#}"))?;
    session.start().await.map_err(|error| format!("start: {error:#}"))?;
    let reads = wait_for_tags(&mut *session, &tags, ReadBuf::DEFAULT_CAPACITY).await?;
    let now = SystemClock::new().now().utc.plus(CLOCK_TOLERANCE);
    let mut latest: BTreeMap<u16, UtcTime> = BTreeMap::new();
    for Reported { tag, antenna_port, reader_time, .. } in reads {
        let port = antenna_port.unwrap_or(0);
        if port != 1 || !(info.antenna_ports.is_empty() || info.antenna_ports.contains(&port)) {
            let ports = info.antenna_ports;
            return Err(format!("{tag} before antenna 1 of {ports:?} was read by antenna {port}"));
        }
        let Some(time) = reader_time else { continue };
        if time > now {
            return Err(format!("{tag} was read in the future, at {time}"));
        }
        let before = latest.entry(port).or_insert(time);
        if time.plus(CLOCK_TOLERANCE) < *before {
            return Err(format!("on antenna {port} time went back from {before} to {time}"));
        }
        *before = time.max(*before);
    }
    end(session).await
}

async fn small_buffer(rig: &mut dyn Rig) -> Verdict {
    let tags = rig.lay_tags(rig.most_tags()).await;
    let mut session = running(rig).await?;
    wait_for_tags(&mut *session, &tags, 1).await?;
    end(session).await
}

async fn interrupted_reads(rig: &mut dyn Rig) -> Verdict {
    let tags = rig.lay_tags(rig.most_tags()).await;
    let mut session = running(rig).await?;
    let mut handler = Collector::new(3).waiting_for(&tags);
    for turn in 0..5_000 {
        let wait = Duration::from_micros(turn * 370 % 11_000);
        // Dropping the future in the middle, now here, now there.
        if let Ok(Err(error)) = timeout(wait, session.pump(&mut handler)).await {
            return Err(format!("after an interruption: {error:#}"));
        }
        handler.take_rest();
        if handler.missing.is_empty() {
            return end(session).await;
        }
    }
    Err(format!("{} of {} tags never came", handler.missing.len(), tags.len()))
}

async fn signs_of_life(rig: &mut dyn Rig) -> Verdict {
    rig.lay_tags(0).await;
    let mut session = session(rig, &rig.settings())?;
    let info = session.open().await.map_err(|error| format!("open: {error:#}"))?;
    session.start().await.map_err(|error| format!("start: {error:#}"))?;
    let mut handler = Collector::new(8);
    let start = Instant::now();
    while handler.rounds < 3 {
        if start.elapsed() > info.silence_limit * 3 {
            return Err(format!("{} signs of life in {:?}", handler.rounds, start.elapsed()));
        }
        let _ = timeout(info.silence_limit / 4, session.pump(&mut handler)).await;
    }
    if let Some(ghost) = handler.reads.first() {
        return Err(format!("a tag that is not there: {}", ghost.tag));
    }
    end(session).await
}

async fn broken_connection(rig: &mut dyn Rig) -> Verdict {
    let tags = rig.lay_tags(1).await;
    let mut session = running(rig).await?;
    wait_for_tags(&mut *session, &tags, 8).await?;
    rig.cut().await;
    let mut handler = Collector::new(8);
    match session.pump(&mut handler).await {
        Ok(()) => return Err("the inventory ended without an error".into()),
        Err(error) => expect_reconnect(&error)?,
    }
    session.close().await.map_err(|error| format!("close after the break: {error:#}"))?;
    session.open().await.map_err(|error| format!("open after the break: {error:#}"))?;
    session.start().await.map_err(|error| format!("start after the break: {error:#}"))?;
    wait_for_tags(&mut *session, &tags, 8).await?;
    end(session).await
}

async fn stopping(rig: &mut dyn Rig) -> Verdict {
    let tags = rig.lay_tags(1).await;
    let mut first = running(rig).await?;
    wait_for_tags(&mut *first, &tags, 8).await?;
    end(first).await?;
    rig.lay_tags(0).await;
    let mut second = running(rig).await?;
    let mut handler = Collector::new(8);
    while handler.rounds < 3 {
        let _ = timeout(Duration::from_secs(1), second.pump(&mut handler)).await;
    }
    if let Some(stale) = handler.reads.first() {
        return Err(format!("{} came from before the field was emptied", stale.tag));
    }
    end(second).await
}

async fn tuning(rig: &mut dyn Rig) -> Verdict {
    let mut session = session(rig, &rig.settings())?;
    session.open().await.map_err(|error| format!("open: {error:#}"))?;
    let Some(tune) = session.tune() else { return Ok(Some("this reader's power cannot be set")) };
    let before = tune.read_power_cdbm().await.map_err(|error| format!("{error:#}"))?;
    let taken = tune.set_read_power_cdbm(before - 100).await.map_err(|error| format!("{error:#}"))?;
    let told = tune.read_power_cdbm().await.map_err(|error| format!("{error:#}"))?;
    if taken != told {
        return Err(format!("{taken} cdBm were taken and {told} are told"));
    }
    if let Ok(taken) = tune.set_read_power_cdbm(i16::MAX).await {
        return Err(format!("327 dBm were asked for and {taken} cdBm taken without a word"));
    }
    tune.set_read_power_cdbm(before).await.map_err(|error| format!("{error:#}"))?;
    session.close().await.map_err(|error| format!("close: {error:#}"))?;
    Ok(None)
}

async fn inputs(rig: &mut dyn Rig) -> Verdict {
    let mut session = session(rig, &rig.settings())?;
    session.open().await.map_err(|error| format!("open: {error:#}"))?;
    let Some(gpio) = session.gpio() else { return Ok(Some("this reader has no inputs or outputs")) };
    let inputs = gpio.inputs().await.map_err(|error| format!("{error:#}"))?;
    if !inputs.is_sorted_by_key(|level| level.pin) {
        return Err(format!("inputs are not in the order of their pins: {inputs:?}"));
    }
    session.close().await.map_err(|error| format!("close: {error:#}"))?;
    Ok(None)
}

async fn running(rig: &dyn Rig) -> Result<Box<dyn DynSession>, String> {
    let mut session = session(rig, &rig.settings())?;
    session.open().await.map_err(|error| format!("open: {error:#}"))?;
    session.start().await.map_err(|error| format!("start: {error:#}"))?;
    Ok(session)
}

async fn end(mut session: Box<dyn DynSession>) -> Verdict {
    session.stop().await.map_err(|error| format!("stop: {error:#}"))?;
    session.close().await.map_err(|error| format!("close: {error:#}"))?;
    Ok(None)
}

fn expect_reconnect(error: &Error) -> Result<(), String> {
    match error.retry() {
        Retry::Reconnect => Ok(()),
        retry => Err(format!("{error:#} asks for {retry:?} where only a new connection helps")),
    }
}

/// Reads until each of the tags has come, with batches of at most `capacity` reads.
pub(crate) async fn wait_for_tags(
    session: &mut dyn DynSession,
    tags: &[TagId],
    capacity: usize,
) -> Result<Vec<Reported>, String> {
    let mut handler = Collector::new(capacity).waiting_for(tags);
    let complete = Arc::clone(&handler.complete);
    let outcome = tokio::select! {
        biased;
        () = complete.notified() => Ok(()),
        outcome = session.pump(&mut handler) => outcome.map_err(|error| format!("read: {error:#}")),
        () = tokio::time::sleep(TAGS_LIMIT) => Ok(()),
    };
    handler.take_rest();
    outcome?;
    if !handler.missing.is_empty() {
        return Err(format!(
            "{} of {} tags did not come in {TAGS_LIMIT:?}",
            handler.missing.len(),
            tags.len()
        ));
    }
    match handler.reads.iter().find(|read| !tags.contains(&read.tag)) {
        Some(ghost) => Err(format!("a tag that is not there: {}", ghost.tag)),
        None => Ok(handler.reads),
    }
}

/// What a session reported of one tag.
#[derive(Clone, Debug)]
pub(crate) struct Reported {
    tag: TagId,
    antenna_port: Option<u16>,
    protocol: Option<AirProtocol>,
    reader_time: Option<UtcTime>,
}

/// Collects what a session reports.
struct Collector {
    buffer: ReadBuf,
    reads: Vec<Reported>,
    missing: BTreeSet<TagId>,
    complete: Arc<Notify>,
    rounds: usize,
}

impl Collector {
    fn new(capacity: usize) -> Self {
        Self {
            buffer: ReadBuf::with_capacity(capacity),
            reads: Vec::new(),
            missing: BTreeSet::new(),
            complete: Arc::new(Notify::new()),
            rounds: 0,
        }
    }

    /// Says `complete` once each of these tags has come.
    fn waiting_for(mut self, tags: &[TagId]) -> Self {
        self.missing = tags.iter().copied().collect();
        self
    }

    /// Takes what an interrupted read left in the buffer.
    fn take_rest(&mut self) {
        for sighting in self.buffer.iter() {
            let tag = sighting.id.to_owned();
            self.missing.remove(&tag);
            let (antenna_port, protocol) = (sighting.read.antenna_port(), sighting.read.protocol());
            let reader_time = sighting.read.reader_time();
            self.reads.push(Reported { tag, antenna_port, protocol, reader_time });
        }
        self.buffer.clear();
    }
}

impl ReadHandler for Collector {
    fn buffer(&mut self) -> &mut ReadBuf {
        &mut self.buffer
    }

    fn filled(&mut self) {
        self.rounds += 1;
        let was_waiting = !self.missing.is_empty();
        self.take_rest();
        if was_waiting && self.missing.is_empty() {
            self.complete.notify_one();
        }
    }
}
