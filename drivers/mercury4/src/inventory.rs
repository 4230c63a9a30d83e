//! A running inventory: rounds that are asked for, or that the reader begins by itself.

use std::time::Duration;

use rfid_core::{Error, ErrorKind, ReadBuf, Result};
use tokio::time::Instant;

use crate::config::Mode;
use crate::proto::statement::{MARKER, QUIET};
use crate::proto::{Plan, RowDecoder, RqlError};
use crate::watch::Watch;
use crate::wire::{PATIENCE, Stream, Wire};

/// The cursor of autonomous mode. Whether cursors belong to a connection or to the reader is not
/// known (§6.3), so the name is one that nobody else uses.
const CURSOR: &str = "rfidhostinventory";

/// Bad rows one after another after which the connection is given up: RQL has no checksum
/// around a row, so a stream that is out of step shows itself only so.
const MOST_BAD_ROWS: u32 = 3;

/// What is known of the inventory that runs.
#[derive(Debug)]
pub(crate) struct Inventory {
    decoder: RowDecoder,
    /// The statement that asks for the next round; `None` when the reader begins it by itself.
    poll: Option<String>,
    /// How long a round may take until its last line.
    round_limit: Duration,
    deadline: Instant,
    bad_rows: u32,
    watch: Watch,
}

/// Why taking lines ended.
enum Taken {
    /// No whole line is left.
    AllLines,
    /// The buffer takes no more reads.
    BufferFull,
    /// The round is over.
    RoundEnd,
}

impl Inventory {
    pub(crate) async fn start<S: Stream>(
        wire: &mut Wire<S>,
        plan: &Plan,
        mode: Mode,
        repeat_ms: u16,
        watch: Watch,
    ) -> Result<Self> {
        let select = plan.to_string();
        let poll = match mode {
            Mode::Poll => {
                wire.queue(&select);
                Some(select)
            }
            Mode::Autonomous => {
                declare(wire, &select).await?;
                wire.queue(&format!("SET AUTO {CURSOR} = ON, repeat = {repeat_ms}"));
                None
            }
        };
        wire.send("start").await?;
        let round_limit =
            Duration::from_millis(u64::from(plan.time_out_ms) + u64::from(repeat_ms)) + PATIENCE;
        Ok(Self {
            decoder: RowDecoder::new(plan.columns.clone()),
            poll,
            round_limit,
            deadline: Instant::now() + round_limit,
            bad_rows: 0,
            watch,
        })
    }

    /// See [`rfid_core::Session::read`]. Returns at the end of each round, also of an empty one.
    ///
    /// A line feed too many, which readers are known to send (§1), reads as an empty round. In
    /// poll mode the next query then goes out one round early; the reader answers in order, so
    /// nothing is lost by it.
    pub(crate) async fn read<S: Stream>(&mut self, wire: &mut Wire<S>, buf: &mut ReadBuf) -> Result<()> {
        loop {
            match self.take_lines(wire, buf)? {
                Taken::BufferFull => return Ok(()),
                Taken::RoundEnd => {
                    self.deadline = Instant::now() + self.round_limit;
                    if let Some(select) = &self.poll {
                        if let Some(question) = self.watch.next_statement(Instant::now()) {
                            wire.queue(&question);
                        }
                        // Before the reads are handed over, so that the reader never idles.
                        wire.queue(select);
                        wire.send("read").await?;
                    }
                    return Ok(());
                }
                Taken::AllLines if !buf.is_empty() => return Ok(()),
                Taken::AllLines => {}
            }
            wire.send("read").await?;
            wire.receive("read", self.deadline).await?;
        }
    }

    fn take_lines<S: Stream>(&mut self, wire: &mut Wire<S>, buf: &mut ReadBuf) -> Result<Taken> {
        loop {
            if buf.is_full() {
                return Ok(Taken::BufferFull);
            }
            let line = wire
                .lines
                .next_line()
                .map_err(|error| Error::new(ErrorKind::Protocol, "read").with_source(error))?;
            let Some(line) = line else { return Ok(Taken::AllLines) };
            if self.watch.takes(line, buf) {
                continue;
            }
            if line.is_empty() {
                return Ok(Taken::RoundEnd);
            }
            if let Some(error) = RqlError::parse(line) {
                return Err(refused("read", error));
            }
            match self.decoder.decode(line, buf) {
                Ok(()) => self.bad_rows = 0,
                Err(fault) => {
                    self.bad_rows += 1;
                    buf.add_lost(1);
                    tracing::debug!(%fault, "a row is not one");
                    if self.bad_rows >= MOST_BAD_ROWS {
                        return Err(Error::new(ErrorKind::Protocol, "read")
                            .with_detail(format!("{MOST_BAD_ROWS} bad rows one after another"))
                            .with_source(fault));
                    }
                }
            }
        }
    }

    /// Ends the inventory. What the reader still says of it is not reported.
    pub(crate) async fn stop<S: Stream>(self, wire: &mut Wire<S>) -> Result<()> {
        let deadline = Instant::now() + self.round_limit;
        self.abandon(wire, deadline).await?;
        // A round in progress goes on to its end (§5.3); the marker comes behind it.
        wire.until_marker("stop", deadline).await.map(drop)
    }

    /// Tells the reader to end, without waiting for an answer, but no longer than `deadline` for
    /// the words to be sent.
    pub(crate) async fn abandon<S: Stream>(self, wire: &mut Wire<S>, deadline: Instant) -> Result<()> {
        match self.poll {
            None => wire.queue(&format!("{QUIET}; {MARKER}")),
            Some(_) => wire.queue(MARKER),
        }
        tokio::time::timeout_at(deadline.max(Instant::now() + Duration::from_millis(100)), wire.send("stop"))
            .await
            .unwrap_or(Ok(()))
    }
}

/// Declares the cursor, in place of one of the same name that is left over.
async fn declare<S: Stream>(wire: &mut Wire<S>, select: &str) -> Result<()> {
    let declare = format!("DECLARE {CURSOR} CURSOR FOR {select}");
    let Err(error) = wire.ask("start", &declare).await? else { return Ok(()) };
    if !error.text.contains("already exists") {
        return Err(refused("start", error));
    }
    let again = format!("CLOSE {CURSOR}; {declare}");
    wire.ask("start", &again).await?.map(drop).map_err(|error| refused("start", error))
}

fn refused(op: &'static str, error: RqlError) -> Error {
    Error::new(ErrorKind::Protocol, op).with_vendor_code(i64::from(error.code)).with_source(error)
}
