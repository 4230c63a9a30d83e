//! Connections that tell a recorder what passes over them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rfid_core::Stamp;
use rfid_core::recording::{Happened, Recorder};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::{Connect, Stream};

/// Connections as `connect` makes them, of which the recorder hears.
pub fn recorded<C: Connect>(connect: C, recorder: Recorder) -> RecordedConnect<C> {
    RecordedConnect { connect, recorder }
}

/// See [`recorded`].
#[derive(Debug)]
pub struct RecordedConnect<C> {
    connect: C,
    recorder: Recorder,
}

impl<C: Connect> Connect for RecordedConnect<C> {
    type Stream = Recorded<C::Stream>;

    async fn connect(&mut self) -> io::Result<Self::Stream> {
        let stream = self.connect.connect().await?;
        self.recorder.put(|| Happened::Connected);
        let recorder = self.recorder.clone();
        Ok(Recorded { stream, connected: Instant::now(), received: None, recorder })
    }
}

/// A connection of which a recorder hears. While nobody records, it costs one look at a flag for
/// each piece.
#[derive(Debug)]
pub struct Recorded<S> {
    stream: S,
    connected: Instant,
    /// What the recorder was told of when the last bytes came, while anybody records.
    received: Option<Stamp>,
    recorder: Recorder,
}

impl<S: Stream> Stream for Recorded<S> {
    fn now(&self) -> Instant {
        let now = self.stream.now();
        self.recorder.put(|| Happened::Asked(now.saturating_duration_since(self.connected)));
        now
    }

    /// While nobody records, the time is that of the question: whoever does not ask for it does not
    /// pay for looking at the clock with every piece.
    fn received_at(&self) -> Option<Stamp> {
        let known = self.stream.received_at().or(self.received);
        Some(known.unwrap_or_else(|| self.recorder.now()))
    }
}

impl<S: Stream> AsyncRead for Recorded<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        this.received = this.recorder.is_on().then(|| this.recorder.now());
        if let Some(at) = this.received {
            let bytes = buf.filled().get(before..).unwrap_or_default();
            this.recorder.put_at(at, Happened::Received(bytes.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Stream> AsyncWrite for Recorded<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let sent = ready!(Pin::new(&mut this.stream).poll_write(cx, bytes))?;
        this.recorder.put(|| Happened::Sent(bytes.get(..sent).unwrap_or_default().into()));
        Poll::Ready(Ok(sent))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
