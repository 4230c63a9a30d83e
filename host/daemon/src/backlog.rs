//! What is owed to a sink, kept in the data folder.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use rfid_core::pipeline::{Backlog, Owed};
use rfid_core::sink::Loss;
use rfid_core::{Clock, Error, ErrorKind, Name, Result, UtcTime};
use rfid_ledger::{Queue, QueueSettings};

/// The backlog of one sink: `DATA_DIR/backlog/SINK/`, one JSON object a record.
///
/// The folder is made when there is something to keep.
pub(crate) struct DiskBacklog {
    sink: Name,
    folder: PathBuf,
    queue: Option<Queue>,
    clock: Arc<dyn Clock>,
    /// The number of the oldest record, once something is done.
    oldest: Option<u64>,
}

impl DiskBacklog {
    pub(crate) fn new(data_dir: &Path, sink: &Name, clock: Arc<dyn Clock>) -> Self {
        let folder = folder(data_dir).join(folder_name(sink));
        Self { sink: sink.clone(), folder, queue: None, clock, oldest: None }
    }

    async fn queue(&mut self) -> Result<&Queue> {
        match &mut self.queue {
            Some(queue) => Ok(queue),
            empty => Ok(empty.insert(Queue::open(&self.folder, QueueSettings::default()).await?)),
        }
    }

    /// What these records say, with word of those that are missing between them.
    fn read(&self, records: Vec<(u64, Vec<u8>)>) -> Vec<(u64, Owed)> {
        let mut read = Vec::with_capacity(records.len());
        let mut expected = self.oldest;
        let mut before = UtcTime::default();
        for (number, record) in records {
            let owed = serde_json::from_slice(&record).map_err(|error| error.to_string());
            let now = match &owed {
                Ok(Owed::Event(event)) => event.time,
                Ok(Owed::Lost(loss)) => loss.to,
                Err(_) => self.clock.now().utc,
            };
            let missing = expected.map_or(0, |expected| number.saturating_sub(expected));
            if missing > 0 {
                let why = "the disk does not give it back";
                read.push((number - 1, Owed::Lost(self.loss(missing, why, before, now))));
            }
            let owed = owed.unwrap_or_else(|error| Owed::Lost(self.loss(1, &error, before, now)));
            read.push((number, owed));
            (expected, before) = (Some(number + 1), now);
        }
        read
    }

    fn loss(&self, count: u64, why: &str, from: UtcTime, to: UtcTime) -> Loss {
        tracing::error!(sink = %self.sink, count, why, "a part of the backlog cannot be read");
        let reason = format!("a part of the backlog of sink {} cannot be read: {why}", self.sink);
        Loss { count, reason, from, to }
    }
}

#[async_trait]
impl Backlog for DiskBacklog {
    async fn open(&mut self) -> Result<()> {
        let folder = self.folder.clone();
        match tokio::task::spawn_blocking(move || folder.try_exists()).await {
            Ok(Ok(false)) => Ok(()),
            // Where it cannot be told, opening says why.
            _ => self.queue().await.map(drop),
        }
    }

    fn len(&self) -> u64 {
        self.queue.as_ref().map_or(0, Queue::len)
    }

    async fn push(&mut self, owed: &[Owed]) -> Result<()> {
        let records: serde_json::Result<Vec<Vec<u8>>> = owed.iter().map(serde_json::to_vec).collect();
        let records = records.map_err(|error| Error::new(ErrorKind::Internal, "push").with_source(error))?;
        self.queue().await?.push(records).await.map(drop)
    }

    async fn peek(&mut self, limit: usize) -> Result<Vec<(u64, Owed)>> {
        let Some(queue) = &self.queue else { return Ok(Vec::new()) };
        let waiting = queue.len();
        let records = queue.peek(limit).await?;
        if records.is_empty() && waiting > 0 {
            // The queue has taken them off already, so there is nothing left to be done.
            let loss =
                self.loss(waiting, "the disk gives nothing back", UtcTime::default(), self.clock.now().utc);
            return Ok(vec![(0, Owed::Lost(loss))]);
        }
        Ok(self.read(records))
    }

    async fn done(&mut self, number: u64) -> Result<()> {
        let Some(queue) = &self.queue else { return Ok(()) };
        queue.done(number).await?;
        if number > 0 {
            self.oldest = Some(number + 1);
        }
        Ok(())
    }

    async fn close(&mut self) {
        if let Some(queue) = self.queue.take() {
            queue.close().await;
        }
    }
}

/// Folders of backlogs that belong to none of these sinks and have something in them.
pub(crate) fn of_nobody<'a>(data_dir: &Path, sinks: impl Iterator<Item = &'a Name>) -> Vec<PathBuf> {
    let known: Vec<String> = sinks.map(folder_name).collect();
    // Without a folder there is none; one that cannot be read is said by the sinks' own backlogs.
    let entries = std::fs::read_dir(folder(data_dir)).into_iter().flatten().flatten();
    let is_known = |name: &OsStr| known.iter().any(|known| name == known.as_str());
    let others = entries.filter(|entry| !is_known(&entry.file_name())).map(|entry| entry.path());
    others.filter(|path| Queue::is_there(path)).collect()
}

/// Where the backlogs of all sinks are.
fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("backlog")
}

/// A name from the configuration as the name of a folder, whatever characters it has.
pub(crate) fn folder_name(name: &Name) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    name.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use rfid_core::{Event, SystemClock};

    use super::*;

    fn backlog(data_dir: &Path, sink: &str) -> DiskBacklog {
        DiskBacklog::new(data_dir, &Name::from(sink), Arc::new(SystemClock::new()))
    }

    fn owed(number: u64) -> Owed {
        Owed::Event(Event { read_count: number, ..Event::sample() })
    }

    fn segments(folder: &Path) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| std::fs::metadata(path).is_ok_and(|file| file.len() > 1_000));
        files
    }

    #[tokio::test]
    async fn what_is_owed_is_there_after_a_restart_and_no_folder_is_made_for_nothing() {
        let data = tempfile::tempdir().unwrap();
        let mut first = backlog(data.path(), "visits");
        first.open().await.unwrap();
        assert_eq!((first.len(), first.peek(9).await.unwrap()), (0, Vec::new()));
        first.close().await;
        assert!(!folder(data.path()).exists());

        let loss = Loss {
            count: 3,
            reason: "the disk was full".to_owned(),
            from: UtcTime::default(),
            to: UtcTime::default(),
        };
        let all = [owed(1), Owed::Lost(loss), owed(2)];
        first.push(&all).await.unwrap();
        let numbered = first.peek(9).await.unwrap();
        first.done(numbered[0].0).await.unwrap();
        first.close().await;

        let mut second = backlog(data.path(), "visits");
        second.open().await.unwrap();
        assert_eq!((second.len(), second.peek(9).await.unwrap()), (2, numbered[1..].to_vec()));
        second.close().await;
    }

    #[tokio::test]
    async fn a_damaged_part_is_a_loss_between_its_neighbours() {
        let data = tempfile::tempdir().unwrap();
        let mut first = backlog(data.path(), "visits");
        for number in 1..=4 {
            first.push(&[owed(number)]).await.unwrap();
        }
        first.close().await;
        let [segment] = segments(&first.folder).try_into().unwrap();
        let mut bytes = std::fs::read(&segment).unwrap();
        let second = bytes.windows(16).position(|bytes| bytes == b"\"read_count\":2,\"".as_slice()).unwrap();
        bytes[second + 2] ^= 0x20;
        std::fs::write(&segment, bytes).unwrap();

        let mut again = backlog(data.path(), "visits");
        again.open().await.unwrap();
        let read: Vec<Owed> = again.peek(9).await.unwrap().into_iter().map(|(_, owed)| owed).collect();
        assert_eq!((&read[0], &read[2..]), (&owed(1), [owed(3), owed(4)].as_slice()));
        let Owed::Lost(loss) = &read[1] else { panic!("{read:#?}") };
        assert_eq!(loss.count, 1);
        assert!(loss.reason.contains("of the backlog of sink visits"), "{loss:?}");
        again.close().await;
    }

    #[tokio::test]
    async fn a_record_that_is_no_event_is_a_loss() {
        let data = tempfile::tempdir().unwrap();
        let mut backlog = backlog(data.path(), "visits");
        backlog.push(&[owed(1)]).await.unwrap();
        backlog.queue().await.unwrap().push(vec![b"{}".to_vec()]).await.unwrap();
        let read = backlog.peek(9).await.unwrap();
        assert!(matches!(&read[1], (2, Owed::Lost(loss)) if loss.count == 1), "{read:#?}");
        backlog.close().await;
    }

    #[tokio::test]
    async fn backlogs_of_sinks_that_are_gone_are_found() {
        let data = tempfile::tempdir().unwrap();
        for name in ["visits", "two words"] {
            let mut backlog = backlog(data.path(), name);
            backlog.push(&[owed(1)]).await.unwrap();
            backlog.close().await;
        }
        let found = of_nobody(data.path(), [Name::from("visits")].iter());
        assert_eq!(found, [folder(data.path()).join("two%20words")]);
        assert_eq!(of_nobody(&data.path().join("none"), [].iter()), [] as [PathBuf; 0]);
    }
}
