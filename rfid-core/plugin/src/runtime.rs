//! The runtime of the plugin, and calls of the host that run on it.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rfid_abi::Status;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::coop::{RestoreOnPending, consume_budget, poll_proceed, unconstrained};
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
    let handle = runtime()?.handle();
    let mut future = pin!(future);
    if link.is_interrupted() {
        return Ok(Ended::Interrupted);
    }
    if let Poll::Ready(value) = at_once(handle, future.as_mut()) {
        return Ok(Ended::Done(value));
    }
    // By the handle: the runtime itself would enter its context twice.
    Ok(handle.block_on(async {
        let mut end = pin!(None);
        poll_fn(|cx| {
            if link.is_interrupted() {
                return Poll::Ready(Ended::Interrupted);
            }
            if let Poll::Ready(value) = future.as_mut().poll(cx) {
                return Poll::Ready(Ended::Done(value));
            }
            if end.is_none() {
                end.set(Some(ending(link, limit)));
            }
            end.as_mut().as_pin_mut().map_or(Poll::Pending, |end| end.poll(cx))
        })
        .await
    }))
}

/// Polls a future once before anybody waits for it. What is there at once needs neither a timer nor anybody
/// who wakes it, and to get ready for those takes longer than many a call has to do.
fn at_once<T>(handle: &Handle, future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    static COMES_BACK: OnceLock<bool> = OnceLock::new();
    // A vendor builds with a tokio that nobody here has seen.
    if *COMES_BACK.get_or_init(|| work_comes_back(handle)) {
        within_limits(handle, future)
    } else {
        Poll::Pending
    }
}

/// Whether work without an end does come back from [`within_limits`].
fn work_comes_back(handle: &Handle) -> bool {
    /// More than any task may do before others have their turn.
    const STEPS: u32 = 100_000;
    let work = async {
        for _ in 0..STEPS {
            consume_budget().await;
        }
    };
    within_limits(handle, pin!(work)).is_pending()
}

thread_local! {
    /// All that tokio lets a task do before others have their turn, on a thread that has the runtime around
    /// it. To drop it gives whatever runs on this thread that much.
    static ALLOWANCE: Cell<Option<RestoreOnPending>> = const { Cell::new(None) };
}

/// Polls a future once, with what `block_on` has around it: the runtime, and limits without which work that
/// always finds something to do would never come back.
fn within_limits<T>(handle: &Handle, mut future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    ALLOWANCE.with(|kept| {
        let mut whole = kept.take().or_else(|| {
            // For good: the runtime never ends, and threads that the host calls on do nothing else here.
            std::mem::forget(handle.enter());
            // tokio sets limits in `block_on` only.
            Some(handle.block_on(poll_fn(poll_proceed)))
        });
        let limited = poll_fn(|cx| {
            drop(whole.take());
            if let Poll::Ready(next) = poll_proceed(cx) {
                kept.set(Some(next));
            }
            future.as_mut().poll(cx)
        });
        // `unconstrained` because it takes the limits away again in its end.
        pin!(unconstrained(limited)).poll(&mut Context::from_waker(Waker::noop()))
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    fn handle() -> &'static Handle {
        runtime().unwrap().handle()
    }

    /// Whether so many steps are done at once by whoever polls here.
    fn goes_on_for(steps: u32) -> bool {
        let steps = async {
            for _ in 0..steps {
                consume_budget().await;
            }
        };
        pin!(steps).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn work_without_an_end_comes_back_every_time() {
        assert!(work_comes_back(handle()), "another tokio: calls are slower than they could be");
        let mut steps = 0;
        for _ in 0..3 {
            let before = steps;
            let work = async {
                loop {
                    consume_budget().await;
                    steps += 1;
                }
            };
            let polled: Poll<()> = at_once(handle(), pin!(work));
            assert!(polled.is_pending());
            assert!(steps - before > 100, "each time it may do as much");
        }
        assert!(goes_on_for(1_000), "the limits were the work's");
    }

    #[test]
    fn a_panic_leaves_the_thread_no_limits() {
        for _ in 0..2 {
            let work = async { panic!("played") };
            catch_unwind(|| at_once::<()>(handle(), pin!(work))).unwrap_err();
            assert!(goes_on_for(1_000));
        }
        assert_eq!(at_once(handle(), pin!(async { 7 })), Poll::Ready(7));
    }

    #[test]
    fn work_at_once_has_the_runtime_around_it() {
        let polled = at_once(handle(), pin!(async { drop(sleep(Duration::ZERO)) }));
        assert_eq!(polled, Poll::Ready(()));
    }
}
