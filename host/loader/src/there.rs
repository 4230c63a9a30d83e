//! Which instances are still there, so that the host can wait for those that end.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::sync::watch;

/// How long the host waits for all of them.
const LIMIT: Duration = Duration::from_millis(2_500);

static THERE: LazyLock<watch::Sender<usize>> = LazyLock::new(|| watch::Sender::new(0));

/// An instance on its thread, or with its process.
pub(crate) struct There(());

impl There {
    pub(crate) fn new() -> Self {
        THERE.send_modify(|there| *there += 1);
        Self(())
    }
}

impl Drop for There {
    fn drop(&mut self) {
        THERE.send_modify(|there| *there = there.saturating_sub(1));
    }
}

/// Waits for instances of plugins to end whose readers and sinks are gone. Without this they end with
/// this program, wherever they are.
///
/// *Behaviour*: waits some milliseconds as a rule, and 2.5 s at most.
pub async fn all_gone() {
    let mut there = THERE.subscribe();
    // Who is not gone by then ends with this program.
    let _ = tokio::time::timeout(LIMIT, there.wait_for(|there| *there == 0)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_goes_on_when_the_last_is_gone_or_time_is_up() {
        let (one, other) = (There::new(), There::new());
        let begun = tokio::time::Instant::now();
        all_gone().await;
        assert_eq!(begun.elapsed(), LIMIT);
        drop(one);
        tokio::join!(all_gone(), async { drop(other) });
        assert_eq!(begun.elapsed(), LIMIT);
    }
}
