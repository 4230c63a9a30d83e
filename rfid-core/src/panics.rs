//! A panic in a driver or a sink ends that driver or sink and nothing else.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::error::{Error, ErrorKind, Result};

/// Runs a call into a driver's or sink's code and turns a panic into an error.
///
/// The object must not be used after [`ErrorKind::Panicked`]: it may be in any state.
pub(crate) async fn guard<T>(op: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
    Guarded { op, call: Box::pin(call) }.await
}

struct Guarded<F> {
    op: &'static str,
    call: Pin<Box<F>>,
}

impl<T, F: Future<Output = Result<T>>> Future for Guarded<F> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let op = self.op;
        let call = self.call.as_mut();
        catch_unwind(AssertUnwindSafe(|| call.poll(cx))).unwrap_or_else(|payload| {
            let said = payload
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| payload.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "without a message".to_owned());
            Poll::Ready(Err(Error::new(ErrorKind::Panicked, op).with_detail(said)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_error_with_its_message() {
        let broken = async {
            if tokio::time::Instant::now().elapsed().as_secs() == 0 {
                panic!("index {} of nothing", 7);
            }
            Ok(())
        };
        let error = guard("deliver", broken).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panicked);
        assert_eq!(error.to_string(), "deliver failed (panicked): index 7 of nothing");
    }
}
