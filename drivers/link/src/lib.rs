//! A connection to a reader as a stream of bytes: made by whoever knows how, sent to and received
//! from in ways that may be interrupted at any point.
//!
//! What the bytes mean is the driver's business.
//!
//! Whoever records a reader hears what passes over its connections ([`recorded`]), and what was
//! recorded can be played to a driver again: a [`Stream`] is all that it knows of the world, the
//! time included.
#![forbid(unsafe_code)]

mod address;
mod recorded;
#[cfg(feature = "serial")]
mod serial;

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;

use bytes::BytesMut;
use rfid_core::{Error, ErrorKind, Result, Stamp};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};
use zeroize::Zeroize;

pub use address::host_and_port;
pub use recorded::{Recorded, RecordedConnect, recorded};
#[cfg(feature = "serial")]
pub use serial::Serial;

/// Both halves of a connection.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// What time it is, for what a driver says to its reader at certain times: it must say the
    /// same when a recording is played to it.
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// When the last bytes were received, by both clocks of the host, if that is known. It must say
    /// the same when a recording is played to it.
    fn received_at(&self) -> Option<Stamp> {
        None
    }
}

impl Stream for TcpStream {}
impl Stream for DuplexStream {}

/// In an [`io::Error`] of a stream that plays what was recorded: nothing came here for as long as
/// the driver would wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedSilence;

impl fmt::Display for RecordedSilence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing was recorded here")
    }
}

impl std::error::Error for RecordedSilence {}

impl From<RecordedSilence> for io::Error {
    fn from(silence: RecordedSilence) -> Self {
        Self::new(io::ErrorKind::TimedOut, silence)
    }
}

/// Makes a connection. Every closure that gives a future of a stream does.
pub trait Connect: Send + 'static {
    /// What it makes.
    type Stream: Stream;

    /// Makes one.
    ///
    /// *Errors*: why the other side cannot be reached.
    fn connect(&mut self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl<S, F, C> Connect for C
where
    S: Stream,
    F: Future<Output = io::Result<S>> + Send,
    C: FnMut() -> F + Send + 'static,
{
    type Stream = S;

    fn connect(&mut self) -> impl Future<Output = io::Result<S>> + Send {
        self()
    }
}

/// A connection and what is still to be sent over it.
#[derive(Debug)]
pub struct Link<S> {
    stream: S,
    queued: Vec<u8>,
    /// How much of it has gone out.
    sent: usize,
    /// What people call the other side: "reader", "module".
    other_side: &'static str,
    /// Kept from one wait to the next: a timer that is set for each row costs as much as the row.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S: Stream> Link<S> {
    /// Over this connection.
    pub fn new(stream: S, other_side: &'static str) -> Self {
        Self { stream, queued: Vec::new(), sent: 0, other_side, timer: None }
    }

    /// Puts bytes into the queue of what is to be sent.
    pub fn queue(&mut self, bytes: &[u8]) {
        self.queued.extend_from_slice(bytes);
    }

    /// Sends what is queued, and wipes it: some commands carry keys. *Cancel safety*: what was not
    /// sent stays queued.
    ///
    /// # Errors
    /// `Io` when the connection is lost.
    pub async fn send(&mut self, op: &'static str) -> Result<()> {
        while let Some(unsent) = self.queued.get(self.sent..).filter(|unsent| !unsent.is_empty()) {
            match self.stream.write(unsent).await {
                Ok(0) => return Err(self.lost(op, io::ErrorKind::WriteZero.into())),
                Ok(count) => self.sent += count,
                Err(error) => return Err(self.lost(op, error)),
            }
        }
        self.queued.zeroize();
        self.sent = 0;
        self.stream.flush().await.map_err(|error| self.lost(op, error))
    }

    /// Waits for more bytes, until the deadline. *Cancel safety*: nothing is lost.
    ///
    /// # Errors
    /// `Io` when the connection is lost (a serial device that was unplugged reads as nothing, for
    /// ever), `Timeout` at the deadline.
    pub async fn receive(&mut self, op: &'static str, deadline: Instant, space: &mut BytesMut) -> Result<()> {
        let silence = || {
            let detail = format!("the {} does not answer", self.other_side);
            Error::new(ErrorKind::Timeout, op).with_detail(detail)
        };
        let is_recorded =
            |error: &io::Error| error.get_ref().is_some_and(|inner| inner.is::<RecordedSilence>());
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        match until(timer, deadline, self.stream.read_buf(space)).await {
            Some(Ok(0)) => Err(self.lost(op, io::ErrorKind::UnexpectedEof.into())),
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) if is_recorded(&error) => Err(silence()),
            Some(Err(error)) => Err(self.lost(op, error)),
            None => Err(silence()),
        }
    }

    /// See [`Stream::now`].
    pub fn now(&self) -> Instant {
        self.stream.now()
    }

    /// See [`Stream::received_at`].
    pub fn received_at(&self) -> Option<Stamp> {
        self.stream.received_at()
    }

    /// Ends the connection in an orderly way, if it still stands.
    pub async fn end(mut self) {
        // The other side may be gone; then there is nothing to end.
        let _ = self.stream.shutdown().await;
    }

    fn lost(&self, op: &'static str, error: io::Error) -> Error {
        let detail = match error.kind() {
            io::ErrorKind::UnexpectedEof => format!("the {} closed the connection", self.other_side),
            _ => format!("the connection to the {} is lost", self.other_side),
        };
        Error::new(ErrorKind::Io, op).with_detail(detail).with_source(error)
    }
}

/// What the future gives, unless the deadline comes first. The timer may be set for any time before:
/// it is set again when it has rung too early, which is seldom where deadlines keep moving on.
async fn until<F: Future>(timer: &mut Pin<Box<Sleep>>, deadline: Instant, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        while timer.as_mut().poll(context).is_ready() {
            if timer.deadline() >= deadline {
                return Poll::Ready(None);
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::duplex;

    #[tokio::test(start_paused = true)]
    async fn what_was_not_sent_when_a_call_was_dropped_is_sent_by_the_next() {
        let (ours, mut theirs) = duplex(2);
        let mut link = Link::new(ours, "reader");
        link.queue(b"abcdef");
        assert!(tokio::time::timeout(Duration::from_secs(1), link.send("test")).await.is_err());
        let received = tokio::spawn(async move {
            let mut received = [0; 6];
            theirs.read_exact(&mut received).await.map(|_| received)
        });
        link.send("test").await.ok();
        assert_eq!(received.await.ok().and_then(io::Result::ok), Some(*b"abcdef"));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_and_a_closed_connection_are_told_apart() {
        let (ours, theirs) = duplex(2);
        let mut link = Link::new(ours, "reader");
        let mut space = BytesMut::new();
        let deadline = Instant::now() + Duration::from_secs(1);
        let silence = link.receive("test", deadline, &mut space).await.map_err(|error| error.to_string());
        assert_eq!(silence, Err("test failed (timeout): the reader does not answer".to_owned()));
        drop(theirs);
        let closed = link.receive("test", deadline, &mut space).await.map_err(|error| error.kind());
        assert_eq!(closed, Err(ErrorKind::Io));
    }
}
