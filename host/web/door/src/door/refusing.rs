//! A sentence for those whose heads cannot be read.
//!
//! hyper answers a head that is no HTTP, or is too large, by itself and without a body, before there is a
//! request that a handler could answer. That answer is recognised where it is written: nobody is
//! answering anything, and it lacks what every answer of ours has. In its place goes one that says what is
//! wrong.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use futures_util::FutureExt;
use http_body_util::BodyExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::Activity;
use super::headers;
use super::limits::Limits;
use crate::problem::Problem;

/// Every answer of ours has it.
const OURS: &[u8] = b"x-content-type-options";

/// A connection on which answers of hyper's own get a body.
pub(super) struct Refusing<T> {
    pub(super) io: T,
    activity: Arc<Activity>,
    head_size: usize,
    headers: usize,
    is_tls: bool,
    /// What is written instead of what hyper wants to write, as far as it is not written yet.
    instead: Option<Vec<u8>>,
}

impl<T> Refusing<T> {
    pub(super) fn new(io: T, activity: Arc<Activity>, limits: &Limits, is_tls: bool) -> Self {
        let (head_size, headers) = (limits.head_size, limits.headers);
        Self { io, activity, head_size, headers, is_tls, instead: None }
    }

    /// What goes in the place of this, if it is hyper's own.
    fn instead_of(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        if self.activity.is_answering() {
            return None;
        }
        let status = bytes.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
        let status = StatusCode::from_bytes(status).ok().filter(|status| !status.is_success())?;
        let end = bytes.windows(4).position(|part| part == b"\r\n\r\n")?;
        let head = bytes.get(..end)?.to_ascii_lowercase();
        if head.windows(OURS.len()).any(|part| part == OURS) {
            return None;
        }
        let detail = match status {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => format!(
                "The head of the request is too large: at most {} bytes and {} fields are read.",
                self.head_size, self.headers
            ),
            StatusCode::URI_TOO_LONG => "The address of the request is too long.".to_owned(),
            _ => "The head of the request cannot be read: it is not HTTP/1.1.".to_owned(),
        };
        rendered(Problem::new(status).detail(detail), self.is_tls)
    }
}

/// A problem as it goes over a connection that ends with it.
fn rendered(problem: Problem, is_tls: bool) -> Option<Vec<u8>> {
    let mut response = problem.into_response();
    headers::secure(&mut response, is_tls);
    let (head, body) = response.into_parts();
    // It is all there already.
    let body = body.collect().now_or_never()?.ok()?.to_bytes();
    let head = Response::from_parts(head, ());
    let status = head.status();
    let mut bytes =
        format!("HTTP/1.1 {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or_default());
    for (name, value) in head.headers() {
        if name != axum::http::header::CONTENT_LENGTH {
            bytes += &format!("{name}: {}\r\n", value.to_str().ok()?);
        }
    }
    bytes += &format!("content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    Some([bytes.as_bytes(), &body].concat())
}

impl<T: AsyncWrite + Unpin> Refusing<T> {
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

impl<T: AsyncWrite + Unpin> AsyncWrite for Refusing<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.instead.is_none() {
            self.instead = self.instead_of(bytes);
        }
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
        if self.instead.is_none() {
            self.instead = slices.first().and_then(|first| self.instead_of(first));
        }
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

impl<T: AsyncRead + Unpin> AsyncRead for Refusing<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}
