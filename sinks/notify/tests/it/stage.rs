//! A notify sink over a folder, and what is asked of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rfid_core::{Event, EventBatch, EventId, Name, Settings, Sink, SinkKind, SystemClock, TagId, TagIdKind};
use rfid_sink_notify::{Hub, NotifyKind, WebhookStatus};
use serde_json::Value;

/// Nothing that a test waits for takes longer on any machine that is not broken.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Stage {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) hub: Hub,
    kind: NotifyKind,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hub = Hub::new();
        let kind = NotifyKind::new(hub.clone(), folder.path(), Arc::new(SystemClock::new()));
        Self { folder, hub, kind }
    }

    /// An open sink with these webhooks, each a table in braces.
    pub(crate) async fn sink(&self, webhooks: &[String]) -> Box<dyn Sink> {
        self.sink_with("", webhooks).await
    }

    /// The same with more settings of the sink.
    pub(crate) async fn sink_with(&self, more: &str, webhooks: &[String]) -> Box<dyn Sink> {
        let toml = format!("{more}\nwebhooks = [{}]", webhooks.join(", "));
        let settings = Settings::from_toml(&toml).unwrap();
        let mut sink = self.kind.sink(&settings, &Name::from("screens")).unwrap();
        sink.open().await.unwrap();
        sink
    }

    pub(crate) fn status(&self, webhook: &str) -> Arc<WebhookStatus> {
        let running = self.kind.webhooks().running();
        running.into_iter().find(|running| running.name.as_str() == webhook).unwrap().status
    }

    pub(crate) fn folder_of(&self, webhook: &str) -> PathBuf {
        self.folder.path().join("webhooks/screens").join(webhook)
    }

    pub(crate) fn dead_letters(&self, webhook: &str) -> Vec<Value> {
        let text =
            std::fs::read_to_string(self.folder_of(webhook).join("dead-letters.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

pub(crate) fn webhook(name: &str, url: &str, more: &str) -> String {
    format!("{{ name = \"{name}\", url = \"{url}\", secret = \"a key for tests\" {more} }}")
}

/// Different events, each of a tag of its own.
pub(crate) fn events(numbers: std::ops::Range<u32>) -> EventBatch {
    let sample = Event::sample();
    let event = |number: u32| {
        let tag = TagId::new(TagIdKind::Epc, &number.to_be_bytes()).unwrap();
        Event { event_id: EventId::derive("stage", &tag, sample.first_seen, 0), tag, ..sample.clone() }
    };
    EventBatch::new(numbers.map(event).collect())
}

pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LIMIT, "{what} did not happen within {LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// Bytes of all files below a folder.
pub(crate) fn size(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() { size(&path) } else { path.metadata().map_or(0, |file| file.len()) }
        })
        .sum()
}
