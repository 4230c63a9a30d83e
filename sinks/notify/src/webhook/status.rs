//! How a webhook is, and what it has counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rfid_core::{Name, UtcTime};

/// Counters and state of one webhook.
#[derive(Debug, Default)]
pub struct WebhookStatus {
    /// Notices that the receiver has taken.
    pub delivered: AtomicU64,
    /// Tries that failed and are repeated.
    pub retries: AtomicU64,
    /// Notices that were given up and written to the dead letters.
    pub dead_letters: AtomicU64,
    /// Notices that wait or are under way.
    pub waiting: AtomicU64,
    /// Bytes of notices on the disk.
    pub waiting_bytes: AtomicU64,
    /// Notices that were lost because neither disk nor memory had room for them.
    pub dropped: AtomicU64,
    troubles: Mutex<Troubles>,
}

#[derive(Clone, Debug, Default)]
struct Troubles {
    down: Option<(UtcTime, String)>,
    outbox: Option<String>,
    dead_letters: Option<String>,
    ended: bool,
}

impl WebhookStatus {
    /// Whether the receiver answered the last time it was asked.
    pub fn is_up(&self) -> bool {
        let troubles = self.troubles();
        troubles.down.is_none() && !troubles.ended
    }

    /// Since when the receiver has not answered, and what happens when it is tried.
    pub fn down(&self) -> Option<(UtcTime, String)> {
        self.troubles().down.clone()
    }

    /// Everything that is not as it should be, in words; `None` if all is well.
    pub fn trouble(&self) -> Option<String> {
        let troubles = self.troubles().clone();
        let mut said = Vec::new();
        if let Some((since, why)) = troubles.down {
            let waiting = self.waiting.load(Ordering::Relaxed);
            said.push(format!("behind by {waiting}, since {since}: {why}"));
        }
        said.extend(troubles.outbox);
        said.extend(troubles.dead_letters);
        if troubles.ended {
            said.push("it has ended by a fault of this program and delivers nothing more".to_owned());
        }
        let dropped = self.dropped.load(Ordering::Relaxed);
        if !said.is_empty() && dropped > 0 {
            said.push(format!("{dropped} notices are lost"));
        }
        (!said.is_empty()).then(|| said.join("; "))
    }

    pub(crate) fn set_down(&self, down: Option<(UtcTime, String)>) {
        self.troubles().down = down;
    }

    pub(crate) fn set_outbox_trouble(&self, trouble: Option<String>) {
        self.troubles().outbox = trouble;
    }

    pub(crate) fn set_dead_letter_trouble(&self, trouble: Option<String>) {
        self.troubles().dead_letters = trouble;
    }

    pub(crate) fn set_ended(&self) {
        self.troubles().ended = true;
    }

    fn troubles(&self) -> MutexGuard<'_, Troubles> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One webhook that runs.
#[derive(Clone, Debug)]
pub struct RunningWebhook {
    /// The sink that it belongs to.
    pub sink: Name,
    /// Its own name.
    pub name: Name,
    /// How it is.
    pub status: Arc<WebhookStatus>,
}

/// All webhooks that run. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Webhooks(Arc<Mutex<Vec<RunningWebhook>>>);

impl Webhooks {
    /// The webhooks that run at present, by name.
    pub fn running(&self) -> Vec<RunningWebhook> {
        self.lock().clone()
    }

    /// One more runs. One of the same name has been replaced.
    pub(crate) fn add(&self, webhook: RunningWebhook) {
        let mut running = self.lock();
        running.retain(|other| (&other.sink, &other.name) != (&webhook.sink, &webhook.name));
        running.push(webhook);
        running.sort_by(|a, b| (&a.sink, &a.name).cmp(&(&b.sink, &b.name)));
    }

    /// This one runs no longer.
    pub(crate) fn remove(&self, status: &Arc<WebhookStatus>) {
        self.lock().retain(|other| !Arc::ptr_eq(&other.status, status));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<RunningWebhook>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_says_how_far_behind_and_since_when() {
        let status = WebhookStatus::default();
        assert_eq!(status.trouble(), None);
        status.waiting.store(12, Ordering::Relaxed);
        status.set_down(Some((UtcTime::from_nanos(0), "connection refused".to_owned())));
        assert_eq!(status.trouble().unwrap(), "behind by 12, since 1970-01-01T00:00:00Z: connection refused");
        assert!(!status.is_up());
        status.set_down(None);
        assert!(status.is_up());
    }

    #[test]
    fn a_replaced_webhook_does_not_take_its_successor_along() {
        let webhooks = Webhooks::default();
        let [old, new] = [(), ()].map(|()| RunningWebhook {
            sink: Name::from("screens"),
            name: Name::from("hook"),
            status: Arc::default(),
        });
        webhooks.add(old.clone());
        webhooks.add(new.clone());
        webhooks.remove(&old.status);
        assert_eq!(webhooks.running().len(), 1);
        webhooks.remove(&new.status);
        assert!(webhooks.running().is_empty());
    }
}
