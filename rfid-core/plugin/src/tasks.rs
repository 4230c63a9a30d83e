//! Tasks and threads of an author's own.

use std::future::Future;
use std::io;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::task::JoinHandle;

use crate::instance::Link;
use crate::{logging, panics};

/// As `tokio::spawn`, for a task that belongs to the instance whose code is running: a panic in it is
/// the instance's, and what it says is said in the instance's name.
///
/// Where no instance's code is running, as in a host that has the driver built in, it is
/// `tokio::spawn`. The task is to end with the session: keep the handle, and abort or join it in
/// `close`.
///
/// # Panics
/// Outside of a runtime of tokio.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    match logging::current() {
        Some(link) => tokio::spawn(Belonging { link, future: Box::pin(future) }),
        None => tokio::spawn(future),
    }
}

/// A named thread that belongs to the instance whose code is running, as a task of [`spawn`] does. For
/// what blocks, a vendor's library most often.
///
/// # Errors
/// The system has no thread to give.
pub fn thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<std::thread::JoinHandle<T>> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    match logging::current() {
        Some(link) => thread.spawn(move || owned(&link, work)),
        None => thread.spawn(work),
    }
}

/// A task of an instance.
struct Belonging<F> {
    link: Arc<Link>,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Belonging<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { link, future } = &mut *self;
        owned(link, || future.as_mut().poll(cx))
    }
}

/// Runs an instance's code where no call of the host is under way.
fn owned<T>(link: &Arc<Link>, code: impl FnOnce() -> T) -> T {
    logging::within(link, || panics::catch(code)).unwrap_or_else(|said| {
        link.poison(said.clone());
        // Whoever joins it is to know as well.
        resume_unwind(Box::new(said))
    })
}
