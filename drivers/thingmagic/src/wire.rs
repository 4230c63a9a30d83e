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

/// A module sends a frame in one go: what pauses for longer in the middle of one is none. Noise and the rest of a
/// broken frame can look like the beginning of a long one, which would swallow the answer that comes behind it.
const PAUSE: Duration = Duration::from_millis(500);

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

    /// The same where an answer is waited for, behind which nothing may come: what pauses in the middle of a frame is
    /// taken for none.
    pub(crate) async fn receive_answer(&mut self, op: &'static str, deadline: Instant) -> Result<()> {
        if !self.frames.has_begun() {
            return self.receive(op, deadline).await;
        }
        match self.receive(op, deadline.min(Instant::now() + PAUSE)).await {
            Err(error) if error.kind() == ErrorKind::Timeout && Instant::now() < deadline => {
                self.frames.pass_over_start();
                Ok(())
            }
            outcome => outcome,
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
                self.receive_answer(op, deadline).await?;
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;
    use crate::proto::frame;

    #[tokio::test(start_paused = true)]
    async fn an_answer_behind_what_looks_like_a_longer_frame_is_found() {
        let (ours, mut theirs) = duplex(1024);
        let mut wire = Wire::new(ours);
        // The end of a record that broke, with a start byte in it and a length behind that.
        let mut said = vec![0x12, 0xFF, 0x40, 0xFF, 0x21];
        said.extend(frame::reply(0x2F, 0, &[7]));
        theirs.write_all(&said).await.unwrap();
        let begin = Instant::now();
        let answer = wire.ask("stop", &frame::command(0x2F, &[]), Duration::ZERO).await.unwrap();
        assert_eq!(answer, Ok(vec![7]));
        assert_eq!(begin.elapsed(), 2 * PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_module_that_says_half_of_a_frame_and_no_more_is_waited_for_as_long_as_any() {
        let (ours, mut theirs) = duplex(1024);
        let mut wire = Wire::new(ours);
        theirs.write_all(&[0xFF, 0x40, 0x2F]).await.unwrap();
        let begin = Instant::now();
        let error = wire.ask("stop", &frame::command(0x2F, &[]), Duration::ZERO).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(begin.elapsed(), PATIENCE);
    }
}
