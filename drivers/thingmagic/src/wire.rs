//! A connection to a module: commands out, frames in, both safe to interrupt at any point.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use rfid_core::{Error, ErrorKind, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use crate::proto::frame::NoFrames;
use crate::proto::{Frames, Status};

/// Room made for each receive: a few frames.
const RECEIVE_ROOM: usize = 1024;

/// How long a module may take to answer beyond what it was asked to take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// Frames of an earlier session that are passed over while waiting for an answer.
const MOST_LEFT_OVER: usize = 100_000;

/// Both halves of a connection.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// A connection with its unfinished business.
#[derive(Debug)]
pub(crate) struct Wire<S> {
    stream: S,
    unsent: BytesMut,
    pub(crate) frames: Frames,
}

impl<S: Stream> Wire<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, unsent: BytesMut::new(), frames: Frames::default() }
    }

    /// Puts a command into the queue of what is to be sent.
    pub(crate) fn queue(&mut self, command: &[u8]) {
        self.unsent.extend_from_slice(command);
    }

    /// Sends what is queued. *Cancel safety*: what was not sent stays queued.
    pub(crate) async fn send(&mut self, op: &'static str) -> Result<()> {
        while !self.unsent.is_empty() {
            let sent = self.stream.write_buf(&mut self.unsent).await.map_err(|error| lost(op, error))?;
            if sent == 0 {
                return Err(lost(op, io::ErrorKind::WriteZero.into()));
            }
        }
        self.stream.flush().await.map_err(|error| lost(op, error))
    }

    /// Waits for more bytes. *Cancel safety*: nothing is lost.
    pub(crate) async fn receive(&mut self, op: &'static str, deadline: Instant) -> Result<()> {
        let space = self.frames.space(RECEIVE_ROOM);
        match timeout_at(deadline, self.stream.read_buf(space)).await {
            // A serial device that was unplugged reads as nothing, for ever.
            Ok(Ok(0)) => Err(lost(op, io::ErrorKind::UnexpectedEof.into())),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(lost(op, error)),
            Err(_) => Err(Error::new(ErrorKind::Timeout, op).with_detail("the module does not answer")),
        }
    }

    /// Sends a command and returns the data of the answer, or what the module reports instead.
    /// What the module says besides is passed over.
    ///
    /// *Cancel safety*: none; close the connection after a dropped call.
    pub(crate) async fn ask(
        &mut self,
        op: &'static str,
        command: &[u8],
        span: Duration,
    ) -> Result<std::result::Result<Vec<u8>, Status>> {
        let opcode = command.get(2).copied().unwrap_or_default();
        self.queue(command);
        self.send(op).await?;
        let deadline = Instant::now() + span + PATIENCE;
        for _ in 0..MOST_LEFT_OVER {
            if let Some(reply) = self.frames.next_frame().map_err(|error| no_frames(op, error))? {
                if reply.opcode == opcode {
                    return Ok(match reply.status {
                        0 => Ok(reply.data.to_vec()),
                        status => Err(Status(status)),
                    });
                }
            } else {
                self.receive(op, deadline).await?;
            }
        }
        Err(Error::new(ErrorKind::Protocol, op)
            .with_detail(format!("no answer within {MOST_LEFT_OVER} frames")))
    }

    /// As [`Wire::ask`], with what the module reports instead as an error.
    pub(crate) async fn must(&mut self, op: &'static str, command: &[u8]) -> Result<Vec<u8>> {
        self.ask(op, command, Duration::ZERO).await?.map_err(|status| status.error(op))
    }

    /// Ends the connection in an orderly way, if it still stands.
    pub(crate) async fn end(mut self) {
        // The other side may be gone; then there is nothing to end.
        let _ = self.stream.shutdown().await;
    }
}

pub(crate) fn no_frames(op: &'static str, error: NoFrames) -> Error {
    Error::new(ErrorKind::Protocol, op)
        .with_detail("what comes are no frames of a module; is the rate of the line right?")
        .with_source(error)
}

fn lost(op: &'static str, error: io::Error) -> Error {
    let detail = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the line to the module was closed",
        _ => "the line to the module is lost",
    };
    Error::new(ErrorKind::Io, op).with_detail(detail).with_source(error)
}
