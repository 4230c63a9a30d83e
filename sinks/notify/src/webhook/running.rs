//! A webhook that runs: its task, and what a sink does with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rfid_core::{Clock, Event, Name};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::config::Webhook;
use super::dead_letters::DeadLetters;
use super::filter::Filter;
use super::http::HttpTransport;
use super::outbox::OpenOutbox;
use super::queue::QueueOpener;
use super::sender::{Message, Parts, Sender};
use super::shelf::Shelf;
use super::status::{RunningWebhook, WebhookStatus, Webhooks};

/// Batches that wait for the task at most.
const WAITING_BATCHES: usize = 16;

/// Folder of the outbox in that of a webhook.
const OUTBOX: &str = "outbox";

/// What all webhooks of a host share.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) data_dir: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) running: Webhooks,
    /// How old an event may be before it is late.
    pub(crate) late_after: Duration,
}

/// A webhook at work.
pub(crate) struct Running {
    sink: Name,
    name: Name,
    filter: Filter,
    inbox: mpsc::Sender<Message>,
    status: Arc<WebhookStatus>,
    all: Webhooks,
    task: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts the task. Opens and connects nothing that it would wait for.
    pub(crate) fn start(sink: &Name, webhook: &Webhook, surroundings: &Surroundings, seed: u64) -> Self {
        let folder = folder(&surroundings.data_dir, sink, &webhook.name);
        let transport = HttpTransport::new(webhook, Arc::clone(&surroundings.clock));
        let opener = Box::new(QueueOpener { folder: folder.join(OUTBOX), most_bytes: webhook.most_bytes });
        if webhook.is_clear_text() {
            tracing::warn!(%sink, webhook = %webhook.name, "http:// is clear text: whoever is on the way reads the events; https:// is not");
        }
        Self::start_with(sink, webhook, surroundings, Arc::new(transport), opener, &folder, seed)
    }

    /// The same with other ways to send and to keep.
    pub(super) fn start_with(
        sink: &Name,
        webhook: &Webhook,
        surroundings: &Surroundings,
        transport: Arc<dyn super::transport::Transport>,
        opener: Box<dyn OpenOutbox>,
        folder: &Path,
        seed: u64,
    ) -> Self {
        let status = Arc::new(WebhookStatus::default());
        let sender = Sender::new(Parts {
            sink: sink.clone(),
            name: webhook.name.clone(),
            key: webhook.key.clone(),
            concurrent: webhook.concurrent,
            give_up_after: webhook.give_up_after,
            late_after: surroundings.late_after,
            transport,
            shelf: Shelf::new(opener, Arc::clone(&status)),
            dead_letters: DeadLetters::new(folder),
            status: Arc::clone(&status),
            clock: Arc::clone(&surroundings.clock),
            seed,
        });
        let (inbox, messages) = mpsc::channel(WAITING_BATCHES);
        let all = surroundings.running.clone();
        let (sink, name) = (sink.clone(), webhook.name.clone());
        all.add(RunningWebhook { sink: sink.clone(), name: name.clone(), status: Arc::clone(&status) });
        let task = Some(tokio::spawn(sender.run(messages)));
        Self { sink, name, filter: webhook.filter.clone(), inbox, status, all, task }
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> &WebhookStatus {
        &self.status
    }

    /// Hands over what this webhook wants of these events. The answer comes when they are kept.
    pub(crate) async fn keep(&self, events: &[Event]) -> Keeping<'_> {
        let wanted: Vec<Event> = events.iter().filter_map(|event| self.filter.taken(event)).collect();
        let count = wanted.len() as u64;
        if count == 0 {
            return Keeping { webhook: self, count, kept: None };
        }
        let (done, kept) = oneshot::channel();
        // A task that is gone drops the answer, which is noticed below.
        let _ = self.inbox.send(Message::Keep(wanted, done)).await;
        Keeping { webhook: self, count, kept: Some(kept) }
    }

    /// Lets requests under way come to their end, for a short while, and ends the task.
    pub(crate) async fn close(mut self) {
        let _ = self.inbox.send(Message::Close).await;
        if let Some(task) = self.task.take() {
            // A panic has been reported where events were lost by it.
            let _ = task.await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
        self.all.remove(&self.status);
    }
}

/// Events that a webhook is taking over.
pub(crate) struct Keeping<'a> {
    webhook: &'a Running,
    count: u64,
    kept: Option<oneshot::Receiver<()>>,
}

impl Keeping<'_> {
    /// Returns when they are kept. Where that cannot be, they are counted.
    pub(crate) async fn kept(self) {
        let Some(kept) = self.kept else { return };
        if kept.await.is_err() {
            let Running { sink, name, status, .. } = self.webhook;
            if status.dropped.fetch_add(self.count, Ordering::Relaxed) == 0 {
                tracing::error!(%sink, webhook = %name, "the webhook has ended by a fault of this program; notices are lost");
            }
            status.set_ended();
        }
    }
}

/// Where a webhook keeps what it has: `DATA_DIR/webhooks/SINK/WEBHOOK`.
pub(crate) fn folder(data_dir: &Path, sink: &str, webhook: &str) -> PathBuf {
    data_dir.join("webhooks").join(as_folder_name(sink)).join(as_folder_name(webhook))
}

/// Names may hold anything; folders are named with letters, digits, `-`, `_`, and `.` inside, other
/// bytes as `%2F`.
fn as_folder_name(name: &str) -> String {
    let mut text = String::new();
    for (index, byte) in name.bytes().enumerate() {
        match byte {
            b'.' if index > 0 => text.push('.'),
            b'-' | b'_' => text.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_data_folder() {
        let at = |sink, webhook| folder(Path::new("d"), sink, webhook).display().to_string();
        assert_eq!(at("screens", "hooks.example.com-a"), "d/webhooks/screens/hooks.example.com-a");
        assert_eq!(at("..", "../x"), "d/webhooks/%2E./%2E.%2Fx");
        assert_eq!(at("湖", "a"), "d/webhooks/%E6%B9%96/a");
    }
}
