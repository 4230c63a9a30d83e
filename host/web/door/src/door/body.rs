//! Bodies on their way in and out.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use super::activity::Answering;
use super::limits::Limits;

/// A body came more slowly than it may.
#[derive(Debug)]
pub(crate) struct TooSlow;

impl fmt::Display for TooSlow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the body comes too slowly")
    }
}

impl Error for TooSlow {}

/// A body of a request that has to come at a rate.
pub(super) struct Hurried<B> {
    body: B,
    rate: f64,
    /// When what has arrived so far is too little.
    deadline: Pin<Box<Sleep>>,
}

impl<B> Hurried<B> {
    pub(super) fn new(body: B, limits: &Limits) -> Self {
        let deadline = Box::pin(tokio::time::sleep(limits.body_grace));
        Self { body, rate: f64::from(limits.body_rate.max(1)), deadline }
    }
}

impl<B> HttpBody for Hurried<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<axum::BoxError>,
{
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                // No body that passes the limits of size has so many bytes that this loses any.
                let won = std::time::Duration::from_secs_f64(bytes as f64 / self.rate);
                let deadline: Instant = self.deadline.deadline() + won;
                self.deadline.as_mut().reset(deadline);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => match self.deadline.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready(Some(Err(TooSlow.into()))),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body of an answer; its request is answered when it is gone.
pub(super) struct Answer {
    pub(super) body: Body,
    /// What ends it before its time: streams of events, which never end by themselves.
    pub(super) ended: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    pub(super) _answering: Answering,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(ended) = &mut self.ended
            && ended.as_mut().poll(context).is_ready()
        {
            self.ended = None;
            self.body = Body::empty();
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
