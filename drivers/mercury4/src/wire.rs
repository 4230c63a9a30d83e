//! A connection to a reader: statements out, lines in, both safe to interrupt at any point.

use std::time::Duration;

use rfid_core::{Error, ErrorKind, Result};
use rfid_driver_link::{Link, Stream};
use tokio::time::Instant;

use crate::proto::identity::version_number;
use crate::proto::statement::MARKER;
use crate::proto::{Lines, RqlError};

/// Room made for each receive. A round of a few tags fits, and a thousand readers fit in a few
/// megabytes.
const RECEIVE_ROOM: usize = 2048;

/// Room for a reader that fills what it has: a call costs as much for one row as for the hundred
/// that a batch takes. No more than that, or each call would make a small batch as well.
const MOST_RECEIVE_ROOM: usize = 8_000;

/// How long a reader may take to answer beyond what it was asked to take (§5.1).
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Lines of left-over replies that are passed over while looking for the marker. A reader that
/// says more than this before it answers is not one that listens.
const MOST_LEFT_OVER: usize = 100_000;

/// Rows of one answer that are kept: more tags than one antenna can tell apart.
const MOST_ROWS: usize = 10_000;

/// A connection with its unfinished business.
#[derive(Debug)]
pub(crate) struct Wire<S> {
    link: Link<S>,
    pub(crate) lines: Lines,
    receive_room: usize,
}

/// What a reader answered to a question.
pub(crate) type Answer = std::result::Result<Option<String>, RqlError>;

impl<S: Stream> Wire<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { link: Link::new(stream, "reader"), lines: Lines::default(), receive_room: RECEIVE_ROOM }
    }

    /// Puts a statement into the queue of what is to be sent.
    pub(crate) fn queue(&mut self, statement: &str) {
        self.link.queue(statement.as_bytes());
        self.link.queue(b";\n");
    }

    /// Sends what is queued. *Cancel safety*: what was not sent stays queued.
    pub(crate) async fn send(&mut self, op: &'static str) -> Result<()> {
        self.link.send(op).await
    }

    /// Waits for more bytes. *Cancel safety*: nothing is lost.
    pub(crate) async fn receive(&mut self, op: &'static str, deadline: Instant) -> Result<()> {
        let space = self.lines.space(self.receive_room);
        self.link.receive(op, deadline, space).await?;
        if space.len() == space.capacity() {
            self.receive_room = (2 * self.receive_room).min(MOST_RECEIVE_ROOM);
        }
        Ok(())
    }

    /// What time it is for what is said at certain times; see [`Stream::now`].
    pub(crate) fn now(&self) -> Instant {
        self.link.now()
    }

    /// Asks a question outside an inventory and returns the first line of the answer.
    ///
    /// The marker query goes along in the same write, and everything up to its answer belongs to
    /// the question or to something older. So left-over frames and stray line feeds, which the
    /// document warns of (§1, §6.2), are passed over, and an empty value is told from nothing.
    /// *Cancel safety*: none; close the connection after a dropped call.
    pub(crate) async fn ask(&mut self, op: &'static str, question: &str) -> Result<Answer> {
        self.queue(&format!("{question}; {MARKER}"));
        self.send(op).await?;
        let (answer, _) = self.until_marker(op, Instant::now() + PATIENCE).await?;
        Ok(answer)
    }

    /// Asks for tags outside an inventory and returns all rows of the answer; `span` is what the
    /// reader listens for. *Cancel safety*: as [`Wire::ask`].
    pub(crate) async fn ask_rows(
        &mut self,
        op: &'static str,
        question: &str,
        span: Duration,
    ) -> Result<std::result::Result<Vec<Vec<u8>>, RqlError>> {
        self.queue(&format!("{question}; {MARKER}"));
        self.send(op).await?;
        let mut rows = Ok(Vec::new());
        let mut keep = |line: &[u8]| match (RqlError::parse(line), &mut rows) {
            (Some(error), _) => rows = Err(error),
            (None, Ok(rows)) if rows.len() < MOST_ROWS => rows.push(line.to_vec()),
            _ => {}
        };
        self.lines_until_marker(op, Instant::now() + span + PATIENCE, &mut keep).await?;
        Ok(rows)
    }

    /// Reads up to the answer of a marker query that has been sent. Returns the last error or
    /// the last line that is not empty before it, and the version.
    pub(crate) async fn until_marker(
        &mut self,
        op: &'static str,
        deadline: Instant,
    ) -> Result<(Answer, String)> {
        let mut answer = Ok(None);
        let mut keep = |line: &[u8]| {
            answer = match RqlError::parse(line) {
                Some(error) => Err(error),
                None => Ok(Some(String::from_utf8_lossy(line).into_owned())),
            };
        };
        let version = self.lines_until_marker(op, deadline, &mut keep).await?;
        Ok((answer, version))
    }

    /// Hands over the lines that are not empty before the marker's answer, which is returned.
    async fn lines_until_marker(
        &mut self,
        op: &'static str,
        deadline: Instant,
        keep: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<String> {
        let mut version = None;
        for _ in 0..MOST_LEFT_OVER {
            let line = self.line(op, deadline).await?;
            if let Some(version) = version.take() {
                // The marker's reply ends with an empty line.
                return if line.is_empty() { Ok(version) } else { Err(not_rql(op, line)) };
            }
            if version_number(line).is_some() {
                version = Some(String::from_utf8_lossy(line).into_owned());
            } else if !line.is_empty() {
                keep(line);
            }
        }
        Err(Error::new(ErrorKind::Protocol, op)
            .with_detail(format!("no answer within {MOST_LEFT_OVER} lines; something else uses the reader")))
    }

    async fn line(&mut self, op: &'static str, deadline: Instant) -> Result<&[u8]> {
        while !self
            .lines
            .has_line()
            .map_err(|error| Error::new(ErrorKind::Protocol, op).with_source(error))?
        {
            self.receive(op, deadline).await?;
        }
        Ok(self.lines.next_line().ok().flatten().unwrap_or_default())
    }

    /// Ends the connection in an orderly way, if it still stands.
    pub(crate) async fn end(self) {
        self.link.end().await;
    }
}

fn not_rql(op: &'static str, line: &[u8]) -> Error {
    let start: String = String::from_utf8_lossy(line).chars().take(60).collect();
    Error::new(ErrorKind::Protocol, op).with_detail(format!("unexpected line {start:?}"))
}
