//! The sink around a log.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures_util::future::{join_all, try_join_all};
use rfid_core::settings::schema_of;
use rfid_core::{
    ConfigFault, ConfigFaults, Description, EventBatch, Loss, Name, Result, Settings, Sink, SinkKind,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{Appended, EventLedger, EventLog, JsonlLog, LedgerLog};

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
    logs: Vec<Box<dyn EventLog>>,
    counters: Arc<LogCounters>,
}

impl LogSink {
    /// A sink that writes to all of these logs at the same time. The first one counts; one that
    /// numbers events gives them their sequence.
    pub fn new(logs: Vec<Box<dyn EventLog>>, counters: Arc<LogCounters>) -> Self {
        Self { logs, counters }
    }
}

#[async_trait]
impl Sink for LogSink {
    async fn probe(&mut self) -> Result<()> {
        try_join_all(self.logs.iter().map(|log| log.probe())).await.map(drop)
    }

    async fn open(&mut self) -> Result<()> {
        try_join_all(self.logs.iter_mut().map(|log| log.open())).await.map(drop)
    }

    async fn deliver(&mut self, batch: &mut EventBatch) -> Result<()> {
        // All of them to their ends: one that is cut off in the middle would have to be opened anew.
        let appended = join_all(self.logs.iter_mut().map(|log| log.append(&batch.events))).await;
        let appended = appended.into_iter().collect::<Result<Vec<Appended>>>()?;
        for number_of in appended.iter().filter(|appended| !appended.numbers.is_empty()) {
            for (event, number) in batch.events.iter_mut().zip(&number_of.numbers) {
                event.sequence = Some(*number);
            }
        }
        if let Some(first) = appended.first() {
            self.counters.written.fetch_add(first.written, Ordering::Relaxed);
            self.counters.repeated.fetch_add(first.repeated, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn lost(&mut self, loss: &Loss) -> Result<()> {
        join_all(self.logs.iter_mut().map(|log| log.lost(loss))).await.into_iter().collect()
    }

    async fn flush(&mut self) -> Result<()> {
        // Everything delivered is durable already.
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        join_all(self.logs.iter_mut().map(|log| log.close())).await.into_iter().collect()
    }
}

/// Options of a log sink.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LogConfig {
    /// File that gets one event a line, as JSON, in addition to the ledger in the data folder.
    path: Option<PathBuf>,
}

/// Makes log sinks: `type = "log"`.
pub struct LogKind {
    ledger: EventLedger,
    counters: Arc<LogCounters>,
}

impl LogKind {
    /// Sinks that write to this ledger. All of them count together.
    pub fn new(ledger: EventLedger) -> Self {
        Self { ledger, counters: Arc::default() }
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
            example: "path = \"./data/events.jsonl\"   # in addition to the ledger in the data folder\n",
        }
    }

    fn sink(&self, settings: &Settings, _: &Name) -> Result<Box<dyn Sink>, ConfigFaults> {
        let config: LogConfig = settings.parse()?;
        let mut logs: Vec<Box<dyn EventLog>> = vec![Box::new(LedgerLog::new(self.ledger.clone()))];
        match config.path {
            Some(path) if path.as_os_str().is_empty() => {
                let fault =
                    ConfigFault::new("/path", "a path is not empty; leave it out for the ledger alone");
                return Err(fault.into());
            }
            Some(path) => logs.push(Box::new(JsonlLog::new(path))),
            None => {}
        }
        Ok(Box::new(LogSink::new(logs, Arc::clone(&self.counters))))
    }

    fn resources(&self, settings: &Settings) -> Vec<String> {
        let path = settings.parse::<LogConfig>().ok().and_then(|config| config.path);
        path.iter().map(|path| format!("file {}", whole_path(path).display())).collect()
    }
}

/// One name for a file in all its forms, also if it is not there yet.
fn whole_path(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if let Ok(found) = path.canonicalize() {
        return found;
    }
    match (path.parent().and_then(|folder| folder.canonicalize().ok()), path.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MockEventLog;
    use rfid_core::{Error, ErrorKind, Event};

    #[tokio::test]
    async fn an_event_passes_only_when_the_log_has_it() {
        let mut log = MockEventLog::new();
        let mut tries = 0;
        log.expect_append().times(2).returning(move |events| {
            tries += 1;
            match tries {
                1 => Err(Error::new(ErrorKind::Io, "append")),
                _ => Ok(Appended { written: events.len() as u64 - 1, repeated: 1, numbers: vec![7, 3] }),
            }
        });
        let counters = Arc::new(LogCounters::default());
        let mut sink = LogSink::new(vec![Box::new(log)], Arc::clone(&counters));
        let mut batch = EventBatch::new(vec![Event::sample(), Event::sample()]);
        assert!(sink.deliver(&mut batch).await.is_err());
        sink.deliver(&mut batch).await.unwrap();
        assert_eq!(batch.events.iter().map(|event| event.sequence).collect::<Vec<_>>(), [Some(7), Some(3)]);
        assert_eq!(counters.written.load(Ordering::Relaxed), 1);
        assert_eq!(counters.repeated.load(Ordering::Relaxed), 1);
    }
}
