//! A connection to a module: commands out, frames in, both safe to interrupt at any point.

use std::time::Duration;

use rfid_core::{Error, ErrorKind, Result};
use rfid_driver_link::{Link, Stream};
use tokio::time::Instant;

use crate::proto::frame::NoFrames;
use crate::proto::{Frames, Status};

/// Room made for each receive: a few frames.
const RECEIVE_ROOM: usize = 1024;

/// How long a module may take to answer beyond what it was asked to take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// Frames of an earlier session that are passed over while waiting for an answer.
const MOST_LEFT_OVER: usize = 100_000;

/// A connection with its unfinished business.
#[derive(Debug)]
pub(crate) struct Wire<S> {
    link: Link<S>,
    pub(crate) frames: Frames,
}

impl<S: Stream> Wire<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { link: Link::new(stream, "module"), frames: Frames::default() }
    }

    /// Puts a command into the queue of what is to be sent.
    pub(crate) fn queue(&mut self, command: &[u8]) {
        self.link.queue(command);
    }

    /// Sends what is queued. *Cancel safety*: what was not sent stays queued.
    pub(crate) async fn send(&mut self, op: &'static str) -> Result<()> {
        self.link.send(op).await
    }

    /// Waits for more bytes. *Cancel safety*: nothing is lost.
    pub(crate) async fn receive(&mut self, op: &'static str, deadline: Instant) -> Result<()> {
        self.link.receive(op, deadline, self.frames.space(RECEIVE_ROOM)).await
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
    pub(crate) async fn end(self) {
        self.link.end().await;
    }
}

pub(crate) fn no_frames(op: &'static str, error: NoFrames) -> Error {
    Error::new(ErrorKind::Protocol, op)
        .with_detail("what comes are no frames of a module; is the rate of the line right?")
        .with_source(error)
}
