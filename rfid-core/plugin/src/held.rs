//! An object that a future may keep from one call of the host to the next.
//!
//! A call of the host has a limit, and what the object does may take longer: then the future waits for
//! the next call instead of being dropped. It owns the object meanwhile and gives it back when it is
//! done, or when it is called back.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use rfid_abi::Status;

use crate::failure::Failure;

/// An object, here or with a future that ends in an `R`.
pub(crate) struct Held<T, R> {
    here: Option<T>,
    away: Option<Away<T, R>>,
}

struct Away<T, R> {
    work: Pin<Box<dyn Future<Output = (T, Option<R>)> + Send>>,
    recall: Recall,
}

/// Calls back what a future keeps.
#[derive(Clone, Default)]
pub(crate) struct Recall(Arc<AtomicBool>);

impl Recall {
    /// What the work ends in, or nothing if it is called back.
    pub(crate) async fn or<R>(&self, work: impl Future<Output = R>) -> Option<R> {
        let mut work = pin!(work);
        poll_fn(|cx| {
            if self.0.load(Ordering::SeqCst) {
                return Poll::Ready(None);
            }
            work.as_mut().poll(cx).map(Some)
        })
        .await
    }
}

impl<T, R> Held<T, R> {
    pub(crate) fn new(object: T) -> Self {
        Self { here: Some(object), away: None }
    }

    pub(crate) fn is_away(&self) -> bool {
        self.away.is_some()
    }

    /// The object, called back if need be: the work that kept it is dropped.
    ///
    /// # Errors
    /// It was lost in a panic.
    pub(crate) fn call_back(&mut self) -> Result<&mut T, Failure> {
        if let Some(mut away) = self.away.take() {
            away.recall.0.store(true, Ordering::SeqCst);
            let mut cx = Context::from_waker(Waker::noop());
            if let Poll::Ready((object, _)) = away.work.as_mut().poll(&mut cx) {
                self.here = Some(object);
            }
        }
        self.here.as_mut().ok_or_else(lost)
    }

    /// Gives the object to a future, which gives it back in its end.
    ///
    /// # Errors
    /// It was lost in a panic.
    pub(crate) fn lend<F>(&mut self, work: impl FnOnce(T, Recall) -> F) -> Result<(), Failure>
    where
        F: Future<Output = (T, Option<R>)> + Send + 'static,
    {
        self.call_back()?;
        let object = self.here.take().ok_or_else(lost)?;
        let recall = Recall::default();
        self.away = Some(Away { work: Box::pin(work(object, recall.clone())), recall });
        Ok(())
    }

    /// Goes on with the work; pending as well where there is none.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<R> {
        let Some(away) = &mut self.away else { return Poll::Pending };
        let Poll::Ready((object, ended)) = away.work.as_mut().poll(cx) else { return Poll::Pending };
        self.here = Some(object);
        self.away = None;
        ended.map_or(Poll::Pending, Poll::Ready)
    }
}

fn lost() -> Failure {
    Failure::new(Status::INTERNAL, "what this instance is made of was lost in a panic")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;

    fn poll(held: &mut Held<u32, &'static str>) -> Poll<&'static str> {
        held.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn work_gives_the_object_back_when_it_is_done_or_called_back() {
        let mut held = Held::new(1);
        held.lend(|mut object, recall| async move {
            object += 1;
            let ended = recall.or(async { "done" }).await;
            (object, ended)
        })
        .unwrap();
        assert_eq!(poll(&mut held), Poll::Ready("done"));
        assert_eq!(*held.call_back().unwrap(), 2);

        held.lend(|object, recall| async move { (object + 1, recall.or(pending()).await) }).unwrap();
        assert_eq!(poll(&mut held), Poll::Pending);
        assert!(held.is_away());
        assert_eq!(*held.call_back().unwrap(), 3);
        assert_eq!(poll(&mut held), Poll::Pending, "nothing is under way");
    }
}
