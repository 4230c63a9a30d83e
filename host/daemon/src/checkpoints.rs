//! Presence of a pipeline, kept in sled through a restart.

use std::collections::VecDeque;

use async_trait::async_trait;
use rfid_core::pipeline::{Checkpoint, CheckpointChange, Checkpoints};
use rfid_core::{Error, ErrorKind, Name, Result, TagId};
use rfid_durable::{Batch, Stores};
use serde::de::DeserializeOwned;

/// Name of the store in the data folder.
const STORE: &str = "presence";

/// Checkpoints of one pipeline.
pub(crate) struct SledCheckpoints {
    stores: Stores,
    visits: String,
    undelivered: String,
    /// Numbers of the events that stand as undelivered, oldest first.
    standing: VecDeque<u64>,
    /// Numbers of records that cannot be read, to be removed.
    unreadable: Vec<u64>,
}

impl SledCheckpoints {
    pub(crate) fn new(stores: Stores, pipeline: &Name) -> Self {
        Self {
            stores,
            visits: format!("visits {pipeline}"),
            undelivered: format!("undelivered {pipeline}"),
            standing: VecDeque::new(),
            unreadable: Vec::new(),
        }
    }
}

#[async_trait]
impl Checkpoints for SledCheckpoints {
    async fn load(&mut self) -> Result<Checkpoint> {
        let store = self.stores.open(STORE).await?;
        let visits = store.scan(&self.visits, None, usize::MAX).await?;
        let undelivered = store.scan(&self.undelivered, None, usize::MAX).await?;
        let mut events = Vec::with_capacity(undelivered.len());
        (self.standing, self.unreadable) = (VecDeque::new(), Vec::new());
        for (key, value) in undelivered {
            let Ok(number) = key.try_into().map(u64::from_be_bytes) else { continue };
            match read(&value) {
                Some(event) => {
                    self.standing.push_back(number);
                    events.push(event);
                }
                None => self.unreadable.push(number),
            }
        }
        let visits = visits.into_iter().filter_map(|(_, value)| read(&value)).collect();
        Ok(Checkpoint { visits, undelivered: events })
    }

    async fn save(&mut self, change: &CheckpointChange) -> Result<()> {
        let mut batch = Batch::default();
        // Events first: where a step is too large for one part, a crash in between repeats an
        // event rather than losing it.
        let last = self.standing.back().max(self.unreadable.last());
        let next = last.map_or(0, |last| last + 1);
        let begun = next..next + change.undelivered.len() as u64;
        for (number, event) in begun.clone().zip(&change.undelivered) {
            batch.put(&self.undelivered, number.to_be_bytes(), json(event)?);
        }
        for (tag, visit) in &change.visits {
            match visit {
                Some(visit) => batch.put(&self.visits, key(tag), json(visit)?),
                None => batch.remove(&self.visits, key(tag)),
            };
        }
        let delivered = usize::try_from(change.delivered).unwrap_or(usize::MAX).min(self.standing.len());
        for number in self.standing.iter().take(delivered).chain(&self.unreadable) {
            batch.remove(&self.undelivered, number.to_be_bytes());
        }
        if !batch.is_empty() {
            self.stores.open(STORE).await?.commit(batch).await?;
        }
        self.standing.drain(..delivered);
        self.standing.extend(begun);
        self.unreadable.clear();
        Ok(())
    }
}

fn key(tag: &TagId) -> Vec<u8> {
    tag.to_string().into_bytes()
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|error| Error::new(ErrorKind::Internal, "checkpoint").with_source(error))
}

/// What stands in a record, if it can be read. If not, that is said and it is left out, as a visit
/// that is not known.
fn read<T: DeserializeOwned>(value: &[u8]) -> Option<T> {
    match serde_json::from_slice(value) {
        Ok(value) => Some(value),
        Err(error) => {
            tracing::error!(%error, "a checkpoint cannot be read and is left out");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rfid_core::presence::VisitCheckpoint;
    use rfid_core::{Event, TagIdKind};

    fn visit(tag: u8) -> VisitCheckpoint {
        let sample = Event::sample();
        VisitCheckpoint {
            tag: TagId::new(TagIdKind::Epc, &[tag]).unwrap(),
            departed: None,
            set_aside: false,
            reader: sample.reader,
            antenna_port: Some(1),
            zone: sample.zone,
            protocol: sample.protocol,
            peak_rssi_cdbm: None,
            read_count: 3,
            first_seen: sample.first_seen,
            arrived_after_ms: 300,
            last_seen: sample.last_seen,
            sequence: 1,
        }
    }

    fn event(number: u32) -> Event {
        Event { read_count: u64::from(number), ..Event::sample() }
    }

    #[tokio::test]
    async fn what_is_saved_is_loaded_by_the_next_run() {
        let folder = tempfile::tempdir().unwrap();
        let stores = Stores::new(folder.path());
        let name = Name::from("hubin");
        let mut checkpoints = SledCheckpoints::new(stores.clone(), &name);
        assert_eq!(checkpoints.load().await.unwrap(), Checkpoint::default());
        let visits = [visit(1), visit(2)].map(|visit| (visit.tag, Some(visit))).into();
        let undelivered = (0..3).map(event).collect();
        checkpoints.save(&CheckpointChange { visits, undelivered, delivered: 0 }).await.unwrap();
        let visits = [(visit(1).tag, None)].into();
        checkpoints
            .save(&CheckpointChange { visits, undelivered: vec![event(3)], delivered: 2 })
            .await
            .unwrap();

        let mut next_run = SledCheckpoints::new(stores.clone(), &name);
        let kept = next_run.load().await.unwrap();
        assert_eq!(kept, Checkpoint { visits: vec![visit(2)], undelivered: vec![event(2), event(3)] });
        let change = CheckpointChange { undelivered: vec![event(4)], delivered: 2, ..Default::default() };
        next_run.save(&change).await.unwrap();
        assert_eq!(next_run.load().await.unwrap().undelivered, [event(4)]);
        next_run.save(&CheckpointChange { delivered: 1, ..Default::default() }).await.unwrap();
        assert_eq!(next_run.load().await.unwrap().undelivered, []);
        let other = SledCheckpoints::new(stores.clone(), &Name::from("other")).load().await.unwrap();
        assert_eq!(other, Checkpoint::default());
        stores.close().await;
    }
}
