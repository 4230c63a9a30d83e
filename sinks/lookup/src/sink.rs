//! The sink: adds to each event what the directory knows of its tag.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use rfid_core::settings::schema_of;
use rfid_core::{
    ConfigFault, ConfigFaults, Description, Error, ErrorKind, EventBatch, Name, Result, Settings, Sink,
    SinkKind,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::directory::Directory;

/// What a lookup sink has counted.
#[derive(Debug, Default)]
pub struct LookupCounters {
    /// Events whose tag was known.
    pub known: AtomicU64,
    /// Events whose tag was not known. They pass on without a record.
    pub unknown: AtomicU64,
    /// Events whose tag was found not to be authentic, where that is refused. They pass on
    /// without a record.
    pub refused: AtomicU64,
}

/// Adds records to events.
pub struct LookupSink {
    directory: Arc<dyn Directory>,
    counters: Arc<LookupCounters>,
    refuses_doubtful: bool,
}

impl LookupSink {
    /// A sink that asks this directory.
    pub fn new(directory: Arc<dyn Directory>, counters: Arc<LookupCounters>) -> Self {
        Self { directory, counters, refuses_doubtful: false }
    }

    /// Whether a tag that was found not to be authentic gets no record.
    #[must_use]
    pub fn refusing_doubtful(mut self, refuses: bool) -> Self {
        self.refuses_doubtful = refuses;
        self
    }
}

#[async_trait]
impl Sink for LookupSink {
    async fn open(&mut self) -> Result<()> {
        self.directory.open().await
    }

    async fn deliver(&mut self, batch: &mut EventBatch) -> Result<()> {
        if batch.events.is_empty() {
            return Ok(());
        }
        let found = self.directory.find(&batch.events).await?;
        if found.len() != batch.events.len() {
            return Err(Error::new(ErrorKind::Internal, "deliver").with_detail(format!(
                "the directory was asked for {} tags and answered {}",
                batch.events.len(),
                found.len()
            )));
        }
        for (event, record) in batch.events.iter_mut().zip(found) {
            let is_refused = self.refuses_doubtful && event.authentic == Some(false);
            let counter = match &record {
                _ if is_refused => &self.counters.refused,
                Some(_) => &self.counters.known,
                None => &self.counters.unknown,
            };
            counter.fetch_add(1, Ordering::Relaxed);
            event.record = record.filter(|_| !is_refused);
        }
        Ok(())
    }

    /// A record that is found when the event has passed on reaches nobody.
    fn takes_late(&self) -> bool {
        self.directory.registers()
    }

    /// A directory that registers visits must not hear of one that is not saved.
    fn only_adds(&self) -> bool {
        !self.directory.registers()
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Options of a lookup sink.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LookupConfig {
    /// Who knows the tags: "directory" is the embedded table that `rfid-host import directory`
    /// fills; "service" is the customer service, which recognises cards and registers visits.
    source: String,
    /// Gives no record to a tag that was checked and found not to be authentic, so that a copy of
    /// a card names nobody. A tag that nobody checked gets its record.
    #[serde(default)]
    refuse_doubtful: bool,
}

/// Makes lookup sinks: `type = "lookup"`.
pub struct LookupKind {
    directory: Arc<dyn Directory>,
    service: Option<Arc<dyn Directory>>,
    counters: Arc<LookupCounters>,
}

impl LookupKind {
    /// Sinks over this directory. All of them count together.
    pub fn new(directory: Arc<dyn Directory>) -> Self {
        Self { directory, service: None, counters: Arc::default() }
    }

    /// The same with a service behind it: `source = "service"`.
    #[must_use]
    pub fn with_service(self, service: Arc<dyn Directory>) -> Self {
        Self { service: Some(service), ..self }
    }

    /// What all sinks of this kind have counted.
    pub fn counters(&self) -> &Arc<LookupCounters> {
        &self.counters
    }
}

impl SinkKind for LookupKind {
    fn describe(&self) -> Description {
        Description {
            name: "lookup",
            summary: "adds the record of the tag to each event",
            schema: schema_of::<LookupConfig>(),
            example: "source = \"directory\"   # filled by `rfid-host import directory FILE.csv`\n",
        }
    }

    fn sink(&self, settings: &Settings, _: &Name) -> Result<Box<dyn Sink>, ConfigFaults> {
        let config: LookupConfig = settings.parse()?;
        let directory = match (config.source.as_str(), &self.service) {
            ("directory", _) => &self.directory,
            // It refuses such a card by itself, and says so.
            ("service", Some(_)) if config.refuse_doubtful => {
                let why = "has no effect with source = \"service\", which refuses such cards anyway";
                return Err(ConfigFault::new("/refuse_doubtful", why).into());
            }
            ("service", Some(service)) => service,
            (other, service) => {
                let there = if service.is_some() { "\"directory\" and \"service\"" } else { "\"directory\"" };
                let why = format!("\"{other}\" is not in this build; there is {there}");
                return Err(ConfigFault::new("/source", why).into());
            }
        };
        let sink = LookupSink::new(Arc::clone(directory), Arc::clone(&self.counters));
        Ok(Box::new(sink.refusing_doubtful(config.refuse_doubtful)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::MockDirectory;
    use rfid_core::{Event, Record, Retry, TagId, TagIdKind};

    fn record(name: &str) -> Record {
        let mut record = Record::new();
        record.insert("name".to_owned(), name.into());
        record
    }

    fn events(tags: &[u8]) -> EventBatch {
        let event = |tag: &u8| Event { tag: TagId::new(TagIdKind::Epc, &[*tag]).unwrap(), ..Event::sample() };
        EventBatch::new(tags.iter().map(event).collect())
    }

    #[tokio::test]
    async fn one_question_for_a_batch_and_unknown_tags_counted() {
        let mut directory = MockDirectory::new();
        directory.expect_find().times(1).returning(|events| {
            let tags = events.iter().map(|event| event.tag);
            Ok(tags.map(|tag| (tag.bytes() != [2]).then(|| record(&tag.hex()))).collect())
        });
        let counters = Arc::new(LookupCounters::default());
        let mut sink = LookupSink::new(Arc::new(directory), Arc::clone(&counters));
        let mut batch = events(&[1, 2, 3]);
        sink.deliver(&mut batch).await.unwrap();
        let names: Vec<_> = batch.events.into_iter().map(|event| event.record).collect();
        assert_eq!(names, [Some(record("01")), None, Some(record("03"))]);
        assert_eq!(counters.known.load(Ordering::Relaxed), 2);
        assert_eq!(counters.unknown.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_doubtful_tag_gets_no_record_where_that_is_asked_for() {
        for (refuses, found) in [(false, [true, true, true]), (true, [true, true, false])] {
            let mut directory = MockDirectory::new();
            directory.expect_find().returning(|events| Ok(vec![Some(record("somebody")); events.len()]));
            let counters = Arc::new(LookupCounters::default());
            let sink = LookupSink::new(Arc::new(directory), Arc::clone(&counters));
            let mut batch = events(&[1, 2, 3]);
            for (event, authentic) in batch.events.iter_mut().zip([None, Some(true), Some(false)]) {
                event.authentic = authentic;
            }
            sink.refusing_doubtful(refuses).deliver(&mut batch).await.unwrap();
            assert_eq!(batch.events.iter().map(|event| event.record.is_some()).collect::<Vec<_>>(), found);
            assert_eq!(counters.refused.load(Ordering::Relaxed), u64::from(refuses));
        }
    }

    #[tokio::test]
    async fn a_directory_that_fails_is_an_error_with_its_retry() {
        let mut directory = MockDirectory::new();
        directory.expect_find().returning(|_| Err(Error::new(ErrorKind::Io, "find")));
        let mut sink = LookupSink::new(Arc::new(directory), Arc::default());
        let error = sink.deliver(&mut events(&[1])).await.unwrap_err();
        assert_eq!(error.retry(), Retry::Reconnect);
    }

    #[tokio::test]
    async fn a_directory_that_answers_too_little_is_not_believed() {
        let mut directory = MockDirectory::new();
        directory.expect_find().returning(|_| Ok(vec![Some(record("somebody"))]));
        let mut sink = LookupSink::new(Arc::new(directory), Arc::default());
        let mut batch = events(&[1, 2]);
        assert!(sink.deliver(&mut batch).await.is_err());
        assert!(batch.events.iter().all(|event| event.record.is_none()));
    }

    #[test]
    fn a_source_that_is_not_there_is_a_fault_with_its_place() {
        let kind = LookupKind::new(Arc::new(MockDirectory::new()));
        let settings = Settings::from_toml("source = \"service\"").unwrap();
        let faults = kind.sink(&settings, &Name::from("customers")).err().unwrap();
        assert_eq!(faults.into_iter().next().unwrap().path, "/source");
        let example = Settings::from_toml(kind.describe().example).unwrap();
        assert!(kind.sink(&example, &Name::from("customers")).is_ok());
    }
}
