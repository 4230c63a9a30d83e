//! The sink around a log.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use rfid_core::settings::schema_of;
use rfid_core::{ConfigFault, ConfigFaults, Description, EventBatch, Name, Result, Settings, Sink, SinkKind};
use rfid_durable::Stores;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{EventLog, JournalLog, JsonlLog};

/// What log sinks have counted.
#[derive(Debug, Default)]
pub struct LogCounters {
    /// Events written.
    pub written: AtomicU64,
    /// Events that were there already.
    pub repeated: AtomicU64,
}

/// Passes events on when they are durable.
pub struct LogSink {
    log: Box<dyn EventLog>,
    counters: Arc<LogCounters>,
}

impl LogSink {
    /// A sink that writes to this log.
    pub fn new(log: Box<dyn EventLog>, counters: Arc<LogCounters>) -> Self {
        Self { log, counters }
    }
}

#[async_trait]
impl Sink for LogSink {
    async fn probe(&mut self) -> Result<()> {
        self.log.probe().await
    }

    async fn open(&mut self) -> Result<()> {
        self.log.open().await
    }

    async fn deliver(&mut self, batch: &mut EventBatch) -> Result<()> {
        let appended = self.log.append(&batch.events).await?;
        self.counters.written.fetch_add(appended.written, Ordering::Relaxed);
        self.counters.repeated.fetch_add(appended.repeated, Ordering::Relaxed);
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        // Everything delivered is durable already.
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        self.log.close().await
    }
}

/// Options of a log sink.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LogConfig {
    /// File that gets one event a line, as JSON. Left out, events go into the journal in the
    /// data folder.
    path: Option<PathBuf>,
}

/// Makes log sinks: `type = "log"`.
pub struct LogKind {
    stores: Stores,
    counters: Arc<LogCounters>,
}

impl LogKind {
    /// Sinks whose journal is in this data folder. All of them count together.
    pub fn new(stores: Stores) -> Self {
        Self { stores, counters: Arc::default() }
    }

    /// What all sinks of this kind have counted.
    pub fn counters(&self) -> &Arc<LogCounters> {
        &self.counters
    }
}

impl SinkKind for LogKind {
    fn describe(&self) -> Description {
        Description {
            name: "log",
            summary: "makes events durable before they are passed on",
            schema: schema_of::<LogConfig>(),
            example: "path = \"./data/events.jsonl\"   # leave out for the embedded journal\n",
        }
    }

    fn sink(&self, settings: &Settings, _: &Name) -> Result<Box<dyn Sink>, ConfigFaults> {
        let config: LogConfig = settings.parse()?;
        let log: Box<dyn EventLog> = match config.path {
            Some(path) if path.as_os_str().is_empty() => {
                let fault = ConfigFault::new("/path", "a path is not empty; leave it out for the journal");
                return Err(fault.into());
            }
            Some(path) => Box::new(JsonlLog::new(path)),
            None => Box::new(JournalLog::new(self.stores.clone())),
        };
        Ok(Box::new(LogSink::new(log, Arc::clone(&self.counters))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Appended, MockEventLog};
    use rfid_core::{Error, ErrorKind, Event};

    #[tokio::test]
    async fn an_event_passes_only_when_the_log_has_it() {
        let mut log = MockEventLog::new();
        let mut tries = 0;
        log.expect_append().times(2).returning(move |events| {
            tries += 1;
            match tries {
                1 => Err(Error::new(ErrorKind::Io, "append")),
                _ => Ok(Appended { written: events.len() as u64 - 1, repeated: 1 }),
            }
        });
        let counters = Arc::new(LogCounters::default());
        let mut sink = LogSink::new(Box::new(log), Arc::clone(&counters));
        let mut batch = EventBatch::new(vec![Event::sample(), Event::sample()]);
        assert!(sink.deliver(&mut batch).await.is_err());
        sink.deliver(&mut batch).await.unwrap();
        assert_eq!(counters.written.load(Ordering::Relaxed), 1);
        assert_eq!(counters.repeated.load(Ordering::Relaxed), 1);
    }
}
