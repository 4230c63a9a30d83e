//! Whether a thread that serves others still gets through its work.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What a thread says about its work, for whoever watches it. Cheap to clone.
///
/// A thread that waits for the next request rests, however long that takes. One that has been at
/// the same piece of work for a minute hangs, on a disk that no longer answers for example, and
/// nothing that it owns will come back by itself.
#[derive(Clone, Debug, Default)]
pub struct Pulse {
    began: Arc<Mutex<Option<Instant>>>,
}

impl Pulse {
    /// The next piece of work begins; the one before is done.
    pub fn begin(&self) {
        self.set(Some(Instant::now()));
    }

    /// Nothing is under way.
    pub fn rest(&self) {
        self.set(None);
    }

    /// How long the present piece of work has taken; zero at rest.
    pub fn busy_for(&self) -> Duration {
        let began = *self.began.lock().unwrap_or_else(PoisonError::into_inner);
        began.map_or(Duration::ZERO, |began| began.elapsed())
    }

    fn set(&self, began: Option<Instant>) {
        *self.began.lock().unwrap_or_else(PoisonError::into_inner) = began;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_the_piece_under_way_counts() {
        let pulse = Pulse::default();
        let seen_by_others = pulse.clone();
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!(seen_by_others.busy_for(), Duration::ZERO, "waiting is no work");
        pulse.begin();
        tokio::time::advance(Duration::from_secs(50)).await;
        pulse.begin();
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(seen_by_others.busy_for(), Duration::from_secs(20));
        pulse.rest();
        assert_eq!(seen_by_others.busy_for(), Duration::ZERO);
    }
}
