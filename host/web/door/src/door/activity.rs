//! What a connection is waited for, and until when.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Whether the other side owes us something, seen by the connection and by its requests.
pub(super) struct Activity {
    state: Mutex<State>,
    /// When the other side will have waited for too long; `None` while the turn is ours.
    deadline: watch::Sender<Option<Instant>>,
    head: Duration,
    idle: Duration,
}

struct State {
    requests: usize,
    /// A head has begun and is not whole.
    in_head: bool,
}

impl Activity {
    /// Of a connection whose first head is under way.
    pub(super) fn new(head: Duration, idle: Duration) -> Arc<Self> {
        let state = Mutex::new(State { requests: 0, in_head: true });
        let (deadline, _) = watch::channel(Some(Instant::now() + head));
        Arc::new(Self { state, deadline, head, idle })
    }

    /// Waits until the other side is late.
    pub(super) async fn late(&self) {
        let mut deadline = self.deadline.subscribe();
        loop {
            let until = *deadline.borrow_and_update();
            let waited = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = waited => return,
                // The sender lives as long as `self`.
                _ = deadline.changed() => {}
            }
        }
    }

    /// Whether a request is being answered.
    pub(super) fn is_answering(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).requests > 0
    }

    /// A request has arrived; it is answered once what is returned is dropped.
    pub(super) fn request(self: &Arc<Self>) -> Answering {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.requests += 1;
        state.in_head = false;
        self.deadline.send_replace(None);
        Answering(Arc::clone(self))
    }

    pub(super) fn has_received(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.requests == 0 && !state.in_head {
            state.in_head = true;
            self.deadline.send_replace(Some(Instant::now() + self.head));
        }
    }
}

/// A request that is being answered.
pub(super) struct Answering(Arc<Activity>);

impl Drop for Answering {
    fn drop(&mut self) {
        let activity = &self.0;
        let mut state = activity.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.requests -= 1;
        if state.requests == 0 {
            activity.deadline.send_replace(Some(Instant::now() + activity.idle));
        }
    }
}
