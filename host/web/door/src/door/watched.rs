//! The bytes of a connection over HTTP/1, seen on their way.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::Activity;
use super::refusing::Refusals;

/// A connection that tells when bytes arrive, and gives a body to answers of hyper's own.
pub(super) struct Watched<T> {
    pub(super) io: T,
    activity: Arc<Activity>,
    refusals: Refusals,
    /// What is written instead of what hyper wants to write, as far as it is not written yet.
    instead: Option<Vec<u8>>,
}

impl<T> Watched<T> {
    pub(super) fn new(io: T, activity: Arc<Activity>, refusals: Refusals) -> Self {
        Self { io, activity, refusals, instead: None }
    }

    /// Looks whether something else is to be written than this.
    fn look_at(&mut self, bytes: &[u8]) {
        if self.instead.is_none() && !self.activity.is_answering() {
            self.instead = self.refusals.instead_of(bytes);
        }
    }
}

impl<T: AsyncWrite + Unpin> Watched<T> {
    /// Writes what goes in the place of something; then as much counts as written as that was.
    fn poll_instead(&mut self, context: &mut Context<'_>, of: usize) -> Poll<io::Result<usize>> {
        while let Some(rest) = &mut self.instead {
            let written = ready!(Pin::new(&mut self.io).poll_write(context, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            rest.drain(..written);
            if rest.is_empty() {
                self.instead = None;
            }
        }
        Poll::Ready(Ok(of))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.look_at(bytes);
        match self.instead {
            Some(_) => self.poll_instead(context, bytes.len()),
            None => Pin::new(&mut self.io).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.look_at(slices.first().map_or(&[], |first| first));
        match self.instead {
            Some(_) => self.poll_instead(context, slices.iter().map(|slice| slice.len()).sum()),
            None => Pin::new(&mut self.io).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.activity.has_received();
        }
        Poll::Ready(Ok(()))
    }
}
