//! The runtime of the plugin, and calls of the host that run on it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::OnceLock;
use std::task::Poll;
use std::time::Duration;

use rfid_abi::Status;
use tokio::runtime::{Builder, Runtime};
use tokio::task::coop::unconstrained;
use tokio::time::sleep;

use crate::failure::Failure;
use crate::instance::Link;

/// How a call that waits ended.
pub(crate) enum Ended<T> {
    Done(T),
    /// The limit is reached.
    Limit,
    /// The host cancelled, or the instance is poisoned.
    Interrupted,
}

/// The one runtime. Begun with the first instance and never ended, as the plugin is never unloaded.
pub(crate) fn runtime() -> Result<&'static Runtime, Failure> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    // Its worker serves what runs between the host's calls, which is little.
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("rfid-plugin")
        // What blocked for an instance is gone soon after it is closed.
        .thread_keep_alive(Duration::from_millis(250))
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Status::INTERNAL, format!("no threads for the plugin: {error}")))?;
    Ok(RUNTIME.get_or_init(|| runtime))
}

/// Runs a future on this thread until it is done, the limit is reached, or the call is interrupted.
pub(crate) fn run<T>(
    link: &Link,
    limit: Option<Duration>,
    future: impl Future<Output = T>,
) -> Result<Ended<T>, Failure> {
    // By the handle: the runtime itself would enter its context twice.
    Ok(runtime()?.handle().block_on(async {
        let mut future = pin!(future);
        let mut end = pin!(None);
        poll_fn(|cx| {
            if link.is_interrupted() {
                return Poll::Ready(Ended::Interrupted);
            }
            if let Poll::Ready(value) = future.as_mut().poll(cx) {
                return Poll::Ready(Ended::Done(value));
            }
            // What is there at once needs neither a timer nor anybody who wakes it.
            if end.is_none() {
                end.set(Some(ending(link, limit)));
            }
            end.as_mut().as_pin_mut().map_or(Poll::Pending, |end| end.poll(cx))
        })
        .await
    }))
}

/// Ends when a call is to end though it is not done.
async fn ending<T>(link: &Link, limit: Option<Duration>) -> Ended<T> {
    let mut interrupted = pin!(link.interrupted());
    let mut at_limit = pin!(async {
        match limit {
            Some(limit) => sleep(limit).await,
            None => std::future::pending().await,
        }
    });
    // Work that always goes on uses up what tokio lets a task do at once, and the timer would never see
    // its turn.
    unconstrained(poll_fn(|cx| {
        if interrupted.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ended::Interrupted);
        }
        at_limit.as_mut().poll(cx).map(|()| Ended::Limit)
    }))
    .await
}

/// The same for a call that has failed where it was not done.
pub(crate) fn finish<T, E>(
    link: &Link,
    limit: Option<Duration>,
    future: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure>
where
    Failure: From<E>,
{
    match run(link, limit, future)? {
        Ended::Done(outcome) => outcome.map_err(Failure::from),
        Ended::Limit => Err(Failure::too_slow(limit.unwrap_or_default())),
        Ended::Interrupted => Err(Failure::cancelled()),
    }
}
