//! Presence of a pipeline, kept in the data folder through a restart: `DATA_DIR/checkpoints/PIPELINE/`.
//!
//! Each change is a record of a journal, so it costs one append and one sync, and a tag that stays
//! costs no memory here. Now and again presence gives all visits anew; what lies before such a round
//! goes when the round is complete.
//!
//! Events that are in the ledger need not wait for that: what a crash kept from being saved is found
//! there.

mod logged;

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use rfid_core::pipeline::{Checkpoint, CheckpointChange, Checkpoints};
use rfid_core::presence::VisitCheckpoint;
use rfid_core::{Error, ErrorKind, Event, Name, Result, TagId};
use rfid_ledger::{Entry, Queue, QueueSettings, Reader};
use rfid_sink_log::EventLedger;
use serde::{Deserialize, Serialize};

use crate::backlog::folder_name;
use logged::Logged;

/// Room for rounds over ten million tags.
const SETTINGS: QueueSettings = QueueSettings { most_bytes: 16 << 30, reserve_bytes: 4 << 20 };

/// Events and visits in one record at most.
const IN_ONE_RECORD: usize = 128;

/// Records that are read at once.
const READ_AT_ONCE: usize = 1_024;

/// How long a pipeline of this process that was given up may take to let go of its folder. A second
/// host is refused behind that.
const PATIENCE: Duration = Duration::from_millis(500);

/// Checkpoints of one pipeline.
pub(crate) struct Journal {
    folder: PathBuf,
    pipeline: Name,
    ledger: EventLedger,
    /// Sinks that write to the ledger.
    logs: Vec<Name>,
    queue: Option<Queue>,
    /// Events that stand as undelivered, oldest first.
    standing: VecDeque<Event>,
    /// Number of the record that the round under way began with.
    round: Option<u64>,
}

/// One record.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Step<'a> {
    /// Whether what stood as undelivered before is to be forgotten, since it follows.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    anew: bool,
    /// How many of the oldest that stand have been delivered.
    #[serde(skip_serializing_if = "is_zero")]
    delivered: u64,
    /// Events that stand from now on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    undelivered: Vec<Cow<'a, Event>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    visits: Vec<Cow<'a, VisitCheckpoint>>,
    /// Tags whose visits are over for good.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    over: Vec<TagId>,
    /// How much of the ledger is in these records and those before.
    #[serde(skip_serializing_if = "Option::is_none")]
    logged: Option<Logged>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Journal {
    /// Checkpoints of this pipeline, whose sinks `logs` write to the ledger.
    pub(crate) fn new(data_dir: &Path, pipeline: &Name, ledger: EventLedger, logs: Vec<Name>) -> Self {
        let folder = data_dir.join("checkpoints").join(folder_name(pipeline));
        let pipeline = pipeline.clone();
        Self { folder, pipeline, ledger, logs, queue: None, standing: VecDeque::new(), round: None }
    }

    async fn queue(&mut self) -> Result<&Queue> {
        match &mut self.queue {
            Some(queue) => Ok(queue),
            empty => Ok(empty.insert(Queue::open(&self.folder, SETTINGS).await?)),
        }
    }

    /// Opens it as soon as the run before has let go of it.
    async fn open(&mut self) -> Result<&Queue> {
        let give_up = tokio::time::Instant::now() + PATIENCE;
        while let Err(error) = self.queue().await {
            if error.kind() != ErrorKind::Busy || tokio::time::Instant::now() >= give_up {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.queue().await
    }

    async fn state(&mut self) -> Result<State> {
        let mut state = State::default();
        let mut after = None;
        let error = match self.open().await {
            Ok(queue) => loop {
                let more = match after {
                    None => queue.peek(READ_AT_ONCE).await?,
                    Some(after) => queue.peek_after(after, READ_AT_ONCE).await?,
                };
                let Some((last, _)) = more.last() else { return Ok(state) };
                after = Some(*last);
                more.iter().for_each(|(_, record)| state.apply(record));
            },
            Err(error) if error.kind() == ErrorKind::Io => format!("{error:#}"),
            Err(error) => return Err(error),
        };
        // A disk that can only be read is no reason not to know who is inside.
        tracing::error!(folder = %self.folder.display(), error, "what is kept of presence can only be read");
        let folder = self.folder.clone();
        blocking(move || State::only_read(&folder)).await?
    }

    /// Takes in what the ledger has and the checkpoint has not. Nothing that goes wrong here keeps a
    /// pipeline from starting: then some who are inside may arrive once more.
    async fn catch_up(&mut self, mut state: State) -> Result<State> {
        let (ledger, pipeline) = (self.ledger.folder().to_owned(), self.pipeline.clone());
        let known = state.logged.clone();
        let (mut state, news) = blocking(move || {
            let news = state.catch_up(&ledger, &pipeline);
            (state, news)
        })
        .await?;
        let outcome = match news {
            Ok(news) if news.is_empty() && state.logged == known => Ok(()),
            Ok(news) => self.note(&mut state, news).await,
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            let error = format!("{error:#}");
            tracing::error!(pipeline = %self.pipeline, error, "events that the log has are not taken in");
        }
        Ok(state)
    }

    /// Saves that these events of the ledger stand, and what they say of visits.
    async fn note(&mut self, state: &mut State, news: Vec<Event>) -> Result<()> {
        let visits: Vec<_> = news.iter().map(|event| (&event.tag, state.visits.get(&event.tag))).collect();
        let records = records(Step::all_of(&news, &visits, state.logged.clone()))?;
        self.queue().await?.push(records).await?;
        if !news.is_empty() {
            tracing::info!(pipeline = %self.pipeline, events = news.len(), "what the log has is taken in");
        }
        state.standing.extend(news);
        Ok(())
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::new(ErrorKind::Internal, "load").with_source(error))
}

/// The parts of a record in the order in which they are taken in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Delivered,
    Undelivered,
    Visits,
    Logged,
}

impl<'a> Step<'a> {
    /// The last part that it has.
    fn part(&self) -> Option<Part> {
        let parts = [
            (self.logged.is_some(), Part::Logged),
            (!self.visits.is_empty() || !self.over.is_empty(), Part::Visits),
            (!self.undelivered.is_empty(), Part::Undelivered),
            (self.anew || self.delivered > 0, Part::Delivered),
        ];
        parts.iter().find(|(is_there, _)| *is_there).map(|(_, part)| *part)
    }

    /// Takes in one whose parts are all behind its own.
    fn absorb(&mut self, later: Self) {
        self.undelivered.extend(later.undelivered);
        self.visits.extend(later.visits);
        self.over.extend(later.over);
        self.logged = later.logged.or(self.logged.take());
    }

    /// These events stand from now on, visits are so, and so much of the ledger is known.
    fn all_of(
        events: &'a [Event],
        visits: &[(&'a TagId, Option<&'a VisitCheckpoint>)],
        logged: Option<Logged>,
    ) -> Vec<Self> {
        // Events first: a crash that lets only some of the records through repeats an event rather
        // than losing it.
        let events = events.chunks(IN_ONE_RECORD).map(Self::standing);
        let visits = visits.chunks(IN_ONE_RECORD).map(Self::of_visits);
        events.chain(visits).chain([Self { logged, ..Self::default() }]).collect()
    }

    /// These stand from now on.
    fn standing(events: &'a [Event]) -> Self {
        Self { undelivered: events.iter().map(Cow::Borrowed).collect(), ..Self::default() }
    }

    /// Visits of tags; without one it is over for good.
    fn of_visits(visits: &[(&'a TagId, Option<&'a VisitCheckpoint>)]) -> Self {
        Self {
            visits: visits.iter().filter_map(|(_, visit)| visit.map(Cow::Borrowed)).collect(),
            over: visits.iter().filter(|(_, visit)| visit.is_none()).map(|(tag, _)| **tag).collect(),
            ..Self::default()
        }
    }
}

fn records(steps: Vec<Step<'_>>) -> Result<Vec<Vec<u8>>> {
    let records: serde_json::Result<Vec<Vec<u8>>> = together(steps).iter().map(serde_json::to_vec).collect();
    records.map_err(|error| Error::new(ErrorKind::Internal, "save").with_source(error))
}

/// What the records of a journal come to.
#[derive(Debug, Default)]
struct State {
    visits: BTreeMap<TagId, VisitCheckpoint>,
    standing: VecDeque<Event>,
    logged: Option<Logged>,
}

impl State {
    fn only_read(folder: &Path) -> Result<Self> {
        let mut state = Self::default();
        if !folder.exists() {
            return Ok(state);
        }
        let mut reader = Reader::new(folder, 0);
        while let Some(entry) = reader.next_entry()? {
            if let Entry::Content(content) = entry {
                state.apply(&content.bytes);
            }
        }
        Ok(state)
    }

    fn apply(&mut self, record: &[u8]) {
        let step: Step<'_> = match serde_json::from_slice(record) {
            Ok(step) => step,
            Err(error) => {
                tracing::error!(%error, "a checkpoint cannot be read and is left out");
                return;
            }
        };
        if step.anew {
            self.standing.clear();
        }
        self.standing.drain(..delivered(step.delivered, &self.standing));
        self.standing.extend(step.undelivered.into_iter().map(Cow::into_owned));
        for tag in step.over {
            self.visits.remove(&tag);
        }
        self.visits.extend(step.visits.into_iter().map(|visit| (visit.tag, visit.into_owned())));
        if step.logged.is_some() {
            self.logged = step.logged;
        }
    }
}

#[async_trait]
impl Checkpoints for Journal {
    async fn load(&mut self) -> Result<Checkpoint> {
        let state = self.state().await?;
        let State { visits, standing, .. } = self.catch_up(state).await?;
        let undelivered = standing.iter().cloned().collect();
        (self.standing, self.round) = (standing, None);
        Ok(Checkpoint { visits: visits.into_values().collect(), undelivered })
    }

    async fn save(&mut self, change: &CheckpointChange) -> Result<()> {
        if change.is_empty() && !change.begins_round && !change.ends_round {
            return Ok(());
        }
        // Before anything else: what is written to the ledger from now on is of later steps.
        let logged = self.ledger.opened().map(Logged::all_of);
        let mut steps = Vec::new();
        if change.begins_round {
            steps.push(Step { anew: true, ..Step::default() });
            steps.extend(self.standing.make_contiguous().chunks(IN_ONE_RECORD).map(Step::standing));
        }
        steps.push(Step { delivered: change.delivered, ..Step::default() });
        let visits: Vec<_> = change.visits.iter().map(|(tag, visit)| (tag, visit.as_ref())).collect();
        steps.extend(Step::all_of(&change.undelivered, &visits, logged));
        let records = records(steps)?;
        let count = records.len() as u64;
        let round = self.round;
        let queue = self.queue().await?;
        let last = queue.push(records).await?;
        if let Some(round) = round.filter(|_| change.ends_round) {
            // What is not needed any more may also go later.
            let _ = queue.done(round - 1).await;
        }
        if change.begins_round {
            self.round = Some(last + 1 - count);
        }
        self.standing.drain(..delivered(change.delivered, &self.standing));
        self.standing.extend(change.undelivered.iter().cloned());
        Ok(())
    }

    fn finds_again(&self, sink: &Name) -> bool {
        self.logs.contains(sink)
    }

    async fn close(&mut self) {
        if let Some(queue) = self.queue.take() {
            queue.close().await;
        }
    }
}

/// How many events go from the front of those that stand.
fn delivered(count: u64, standing: &VecDeque<Event>) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX).min(standing.len())
}

/// Puts neighbours that say different things into one record, so that a small change is a small one.
fn together(steps: Vec<Step<'_>>) -> Vec<Step<'_>> {
    let mut merged: Vec<Step<'_>> = Vec::with_capacity(steps.len());
    for step in steps {
        match merged.last_mut().filter(|before| before.part() < step.part() || step.part().is_none()) {
            Some(before) => before.absorb(step),
            None => merged.push(step),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use rfid_core::TagIdKind;
    use rfid_ledger::LedgerSettings;
    use std::sync::Arc;

    fn visit(tag: u16) -> VisitCheckpoint {
        let sample = Event::sample();
        VisitCheckpoint {
            tag: TagId::new(TagIdKind::Epc, &tag.to_be_bytes()).unwrap(),
            departed: None,
            set_aside: false,
            reader: sample.reader,
            antenna_port: Some(1),
            zone: sample.zone,
            protocol: sample.protocol,
            authentic: None,
            peak_rssi_cdbm: None,
            read_count: 3,
            first_seen: sample.first_seen,
            arrived_after_ms: 300,
            last_seen: sample.last_seen,
            dwell_ms: Some(sample.dwell_ms),
            sequence: 1,
        }
    }

    fn event(number: u32) -> Event {
        Event { read_count: u64::from(number), ..Event::sample() }
    }

    fn visits(tags: impl IntoIterator<Item = u16>) -> BTreeMap<TagId, Option<VisitCheckpoint>> {
        tags.into_iter().map(|tag| (visit(tag).tag, Some(visit(tag)))).collect()
    }

    fn journal(folder: &tempfile::TempDir) -> Journal {
        journal_of(folder, "hubin")
    }

    fn ledger(folder: &tempfile::TempDir) -> EventLedger {
        let clock = Arc::new(rfid_core::SystemClock::new());
        EventLedger::new(folder.path().join("ledger"), LedgerSettings::default().with_random_id(), clock)
    }

    fn journal_of(folder: &tempfile::TempDir, pipeline: &str) -> Journal {
        Journal::new(folder.path(), &Name::from(pipeline), ledger(folder), vec![Name::from("visits")])
    }

    #[tokio::test]
    async fn what_is_saved_is_loaded_by_the_next_run() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = journal(&folder);
        assert_eq!(first.load().await.unwrap(), Checkpoint::default());
        let undelivered = (0..3).map(event).collect();
        let change = CheckpointChange { visits: visits([1, 2]), undelivered, ..Default::default() };
        first.save(&change).await.unwrap();
        let over = [(visit(1).tag, None)].into();
        let change = CheckpointChange {
            visits: over,
            undelivered: vec![event(3)],
            delivered: 2,
            ..Default::default()
        };
        first.save(&change).await.unwrap();
        first.close().await;

        let mut next = journal(&folder);
        let kept = next.load().await.unwrap();
        assert_eq!(kept, Checkpoint { visits: vec![visit(2)], undelivered: vec![event(2), event(3)] });
        let change = CheckpointChange { undelivered: vec![event(4)], delivered: 2, ..Default::default() };
        next.save(&change).await.unwrap();
        assert_eq!(next.load().await.unwrap().undelivered, [event(4)]);
        next.save(&CheckpointChange { delivered: 1, ..Default::default() }).await.unwrap();
        assert_eq!(next.load().await.unwrap().undelivered, []);
        next.close().await;
        let mut other = journal_of(&folder, "other");
        assert_eq!(other.load().await.unwrap(), Checkpoint::default());
        other.close().await;
    }

    #[tokio::test]
    async fn a_complete_round_makes_what_came_before_it_superfluous() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = journal(&folder);
        first.load().await.unwrap();
        let tags = 0..1000u16;
        let undelivered: Vec<Event> = (0..300).map(event).collect();
        let change = CheckpointChange { visits: visits(tags.clone()), undelivered, ..Default::default() };
        first.save(&change).await.unwrap();
        // A round of two steps, with something that happens in between.
        let begin =
            CheckpointChange { visits: visits(0..500), begins_round: true, ..CheckpointChange::default() };
        first.save(&begin).await.unwrap();
        let over = [(visit(7).tag, None)].into();
        first.save(&CheckpointChange { visits: over, delivered: 299, ..Default::default() }).await.unwrap();
        let end =
            CheckpointChange { visits: visits(500..1000), ends_round: true, ..CheckpointChange::default() };
        first.save(&end).await.unwrap();
        let expected: Vec<VisitCheckpoint> = tags.filter(|tag| *tag != 7).map(visit).collect();
        let before = first.queue().await.unwrap().len();
        assert!(before < 25, "{before} records, of which those of before the round are done");
        first.close().await;

        let mut next = journal(&folder);
        let kept = next.load().await.unwrap();
        assert_eq!(kept.undelivered, [event(299)]);
        assert_eq!(kept.visits, expected);
        next.close().await;
    }

    #[tokio::test]
    async fn a_folder_that_can_only_be_read_still_tells_who_is_inside() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = journal(&folder);
        first.load().await.unwrap();
        first.save(&CheckpointChange { visits: visits([1]), ..Default::default() }).await.unwrap();
        first.close().await;
        let state = State::only_read(&first.folder).unwrap();
        assert_eq!(state.visits.into_values().collect::<Vec<_>>(), [visit(1)]);
        assert!(State::only_read(&folder.path().join("none")).unwrap().visits.is_empty());
    }

    #[tokio::test]
    async fn a_small_change_is_one_record() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = journal(&folder);
        journal.load().await.unwrap();
        let before = journal.queue().await.unwrap().len();
        let change = CheckpointChange {
            visits: visits([1]),
            undelivered: vec![event(1)],
            ..CheckpointChange::default()
        };
        journal.save(&change).await.unwrap();
        let change = CheckpointChange { delivered: 1, ..change };
        journal.save(&change).await.unwrap();
        assert_eq!(journal.queue().await.unwrap().len() - before, 2);
        journal.close().await;
    }
}
