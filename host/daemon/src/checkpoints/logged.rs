//! What the log has and the checkpoint has not: events that passed on as soon as they were in the
//! ledger, shortly before the host was killed.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use rfid_core::presence::VisitCheckpoint;
use rfid_core::{Event, EventId, Result};
use rfid_ledger::{Content, Entry, Ledger, Reader, identity, last_number};
use serde::{Deserialize, Serialize};

use super::State;

/// An event that was written to the ledger so long after it happened was waited for by the checkpoint,
/// which knows it; it came from the backlog of the log.
const LATE: Duration = Duration::from_secs(10);

/// How far the ledger is known: events up to here are in the checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Logged {
    /// Identity of the ledger; empty for none.
    ledger: String,
    number: u64,
}

impl Logged {
    /// Everything that is in it.
    pub(super) fn all_of(ledger: &Ledger) -> Self {
        Self { ledger: text(ledger.id()), number: ledger.last() }
    }
}

fn text(id: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(id))
}

impl State {
    /// Takes in what the ledger has behind what is known, and returns those of its events that were not
    /// known. Blocks.
    ///
    /// Where nothing is known of a ledger, as before this was kept, nothing in it is unknown.
    pub(super) fn catch_up(&mut self, ledger: &Path, pipeline: &str) -> Result<Vec<Event>> {
        let mut news = Vec::new();
        let Some(id) = identity(ledger)?.map(text) else {
            self.logged = Some(Logged::default());
            return Ok(news);
        };
        let number = match &self.logged {
            None => last_number(ledger)?,
            Some(known) => {
                // A ledger that was begun anew is looked through from its start.
                let mut number = if known.ledger == id { known.number } else { 0 };
                let standing: HashSet<EventId> = self.standing.iter().map(|event| event.event_id).collect();
                let mut reader = Reader::new(ledger, number);
                while let Some(entry) = reader.next_entry()? {
                    let Entry::Content(content) = entry else { continue };
                    number = content.number;
                    if let Some(event) = fresh_event(&content)
                        && !standing.contains(&event.event_id)
                        && let Some(visit) =
                            VisitCheckpoint::after(pipeline, self.visits.get(&event.tag), &event)
                    {
                        self.visits.insert(event.tag, visit);
                        news.push(event);
                    }
                }
                number
            }
        };
        self.logged = Some(Logged { ledger: id, number });
        Ok(news)
    }
}

fn fresh_event(content: &Content) -> Option<Event> {
    // What is no event is reported by those who read the ledger for its sake.
    let event: Event = serde_json::from_slice(&content.bytes).ok()?;
    (content.time.since(event.time) < LATE).then_some(event)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rfid_core::pipeline::{CheckpointChange, Checkpoints};
    use rfid_core::{Clock, EventKind, Name, SystemClock, TagId, TagIdKind, UtcTime};
    use rfid_ledger::LedgerSettings;
    use rfid_sink_log::{EventLedger, EventLog, LedgerLog};

    use super::super::Journal;
    use super::*;

    const PIPELINE: &str = "hubin";

    struct Run {
        journal: Journal,
        ledger: EventLedger,
        log: LedgerLog,
        now: UtcTime,
    }

    impl Run {
        fn over(folder: &tempfile::TempDir) -> Self {
            let clock = Arc::new(SystemClock::new());
            let now = clock.now().utc;
            let settings = LedgerSettings::default().with_random_id();
            let ledger = EventLedger::new(folder.path().join("ledger"), settings, clock);
            let logs = vec![Name::from("visits")];
            let journal = Journal::new(folder.path(), &Name::from(PIPELINE), ledger.clone(), logs);
            Self { journal, log: LedgerLog::new(ledger.clone()), ledger, now }
        }

        /// An event of a visit that began a second before `now`.
        fn event(&self, pipeline: &str, tag: u16, sequence: u32, kind: EventKind) -> Event {
            let tag = TagId::new(TagIdKind::Epc, &tag.to_be_bytes()).unwrap();
            let first_seen = self.now.minus(Duration::from_secs(1));
            let event_id = EventId::derive(pipeline, &tag, first_seen, sequence);
            let (time, last_seen) = (self.now, self.now);
            Event { event_id, kind, tag, time, first_seen, last_seen, ..Event::sample() }
        }

        async fn log(&mut self, events: &[Event]) {
            self.log.append(events).await.unwrap();
        }

        async fn save(&mut self, events: &[Event], delivered: u64) {
            let visits = events
                .iter()
                .map(|event| (event.tag, VisitCheckpoint::after(PIPELINE, None, event)))
                .collect();
            let undelivered = events.to_vec();
            let change = CheckpointChange { visits, undelivered, delivered, ..CheckpointChange::default() };
            self.journal.save(&change).await.unwrap();
        }

        async fn end(mut self) {
            self.journal.close().await;
            self.ledger.close().await;
        }
    }

    fn ids(events: &[Event]) -> Vec<EventId> {
        events.iter().map(|event| event.event_id).collect()
    }

    #[tokio::test]
    async fn what_the_log_has_and_the_checkpoint_has_not_is_taken_in_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut run = Run::over(&folder);
        // What is in the ledger before anything was noted of it is known.
        run.log(&[run.event(PIPELINE, 9, 0, EventKind::Arrived)]).await;
        assert!(
            run.journal.finds_again(&Name::from("visits"))
                && !run.journal.finds_again(&Name::from("screens"))
        );
        assert_eq!(run.journal.load().await.unwrap().undelivered, []);
        let (first, second) =
            (run.event(PIPELINE, 1, 0, EventKind::Arrived), run.event(PIPELINE, 2, 0, EventKind::Arrived));
        run.save(std::slice::from_ref(&first), 0).await;
        let gone = run.event(PIPELINE, 1, 1, EventKind::Departed);
        let late = run.event(PIPELINE, 3, 0, EventKind::Arrived);
        let late = Event { time: late.time.minus(LATE * 2), ..late };
        let foreign = run.event("another", 4, 0, EventKind::Arrived);
        run.log(&[first.clone(), second.clone(), gone.clone(), late, foreign]).await;
        run.end().await;

        let mut run = Run::over(&folder);
        let kept = run.journal.load().await.unwrap();
        assert_eq!(ids(&kept.undelivered), ids(&[first.clone(), second.clone(), gone.clone()]));
        let visits: Vec<_> =
            kept.visits.iter().map(|visit| (visit.tag, visit.departed, visit.sequence)).collect();
        assert_eq!(visits, [(first.tag, Some(gone.time), 2), (second.tag, None, 1)]);
        run.end().await;

        let mut run = Run::over(&folder);
        let kept = run.journal.load().await.unwrap();
        assert_eq!(kept.undelivered.len(), 3, "it was saved, and is not taken in once more");
        run.save(&[], 3).await;
        assert_eq!(run.journal.load().await.unwrap().undelivered, []);
        run.end().await;
    }

    #[tokio::test]
    async fn a_ledger_that_was_begun_anew_is_looked_through_from_its_start() {
        let folder = tempfile::tempdir().unwrap();
        let mut run = Run::over(&folder);
        run.log(&[
            run.event("another", 7, 0, EventKind::Arrived),
            run.event("another", 8, 0, EventKind::Arrived),
        ])
        .await;
        run.journal.load().await.unwrap();
        run.end().await;
        std::fs::remove_dir_all(folder.path().join("ledger")).unwrap();

        let mut run = Run::over(&folder);
        let event = run.event(PIPELINE, 1, 0, EventKind::Arrived);
        run.log(std::slice::from_ref(&event)).await;
        assert_eq!(ids(&run.journal.load().await.unwrap().undelivered), ids(&[event]));
        run.end().await;
    }

    #[tokio::test]
    async fn without_a_ledger_everything_in_a_later_one_is_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let mut run = Run::over(&folder);
        run.journal.load().await.unwrap();
        let event = run.event(PIPELINE, 1, 0, EventKind::Arrived);
        run.log(std::slice::from_ref(&event)).await;
        assert_eq!(ids(&run.journal.load().await.unwrap().undelivered), ids(&[event]));
        run.end().await;
    }
}
