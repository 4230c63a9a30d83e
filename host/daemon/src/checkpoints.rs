//! Presence of a pipeline, kept in sled through a restart.

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
    /// How many events stand as undelivered.
    standing: u64,
}

impl SledCheckpoints {
    pub(crate) fn new(stores: Stores, pipeline: &Name) -> Self {
        Self {
            stores,
            visits: format!("visits {pipeline}"),
            undelivered: format!("undelivered {pipeline}"),
            standing: 0,
        }
    }
}

#[async_trait]
impl Checkpoints for SledCheckpoints {
    async fn load(&mut self) -> Result<Checkpoint> {
        let store = self.stores.open(STORE).await?;
        let visits = store.scan(&self.visits, None, usize::MAX).await?;
        let undelivered = store.scan(&self.undelivered, None, usize::MAX).await?;
        self.standing = undelivered.len() as u64;
        Ok(Checkpoint { visits: all(visits), undelivered: all(undelivered) })
    }

    async fn save(&mut self, change: &CheckpointChange) -> Result<()> {
        let mut batch = Batch::default();
        // Events first: where a step is too large for one part, a crash in between repeats an
        // event rather than losing it.
        for (number, event) in (0u64..).zip(&change.undelivered) {
            batch.put(&self.undelivered, number.to_be_bytes(), json(event)?);
        }
        for (tag, visit) in &change.visits {
            match visit {
                Some(visit) => batch.put(&self.visits, key(tag), json(visit)?),
                None => batch.remove(&self.visits, key(tag)),
            };
        }
        let now_standing = change.undelivered.len() as u64;
        for number in now_standing..self.standing {
            batch.remove(&self.undelivered, number.to_be_bytes());
        }
        if !batch.is_empty() {
            self.stores.open(STORE).await?.commit(batch).await?;
        }
        self.standing = now_standing;
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

/// What can be read of the records; the rest is said and left out, as a visit that is not known.
fn all<T: DeserializeOwned>(records: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<T> {
    let read = |(_, value): (Vec<u8>, Vec<u8>)| match serde_json::from_slice(&value) {
        Ok(value) => Some(value),
        Err(error) => {
            tracing::error!(%error, "a checkpoint cannot be read and is left out");
            None
        }
    };
    records.into_iter().filter_map(read).collect()
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
            reader: sample.reader,
            antenna_port: Some(1),
            zone: sample.zone,
            protocol: sample.protocol,
            peak_rssi_cdbm: None,
            read_count: 3,
            first_seen: sample.first_seen,
            last_seen: sample.last_seen,
            sequence: 1,
        }
    }

    #[tokio::test]
    async fn what_is_saved_is_loaded_by_the_next_run() {
        let folder = tempfile::tempdir().unwrap();
        let stores = Stores::new(folder.path());
        let name = Name::from("hubin");
        let mut checkpoints = SledCheckpoints::new(stores.clone(), &name);
        assert_eq!(checkpoints.load().await.unwrap(), Checkpoint::default());
        let visits = [visit(1), visit(2)].map(|visit| (visit.tag, Some(visit))).into();
        let undelivered = vec![Event::sample(); 3];
        checkpoints.save(&CheckpointChange { visits, undelivered }).await.unwrap();
        let visits = [(visit(1).tag, None)].into();
        let undelivered = vec![Event::sample()];
        checkpoints.save(&CheckpointChange { visits, undelivered }).await.unwrap();

        let mut next_run = SledCheckpoints::new(stores.clone(), &name);
        let kept = next_run.load().await.unwrap();
        assert_eq!(kept, Checkpoint { visits: vec![visit(2)], undelivered: vec![Event::sample()] });
        next_run.save(&CheckpointChange::default()).await.unwrap();
        assert_eq!(next_run.load().await.unwrap().undelivered, []);
        let other = SledCheckpoints::new(stores.clone(), &Name::from("other")).load().await.unwrap();
        assert_eq!(other, Checkpoint::default());
        stores.close().await;
    }
}
