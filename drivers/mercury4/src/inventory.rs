//! A running inventory: rounds that are asked for, or that the reader begins by itself.

use std::time::Duration;

use rfid_core::Listening;
use rfid_core::{Error, ErrorKind, ReadBuf, Result};
use rfid_driver_link::Stream;
use tokio::time::Instant;

use crate::proto::statement::{MARKER, QUIET};
use crate::proto::{Plan, RowDecoder, RqlError};
use crate::schedule::{REST, Schedule, Window};
use crate::watch::Watch;
use crate::wire::{PATIENCE, Wire};

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
    /// When frames are to be expected, if not always, and whether that was the case when last
    /// looked.
    window: Option<Window>,
    is_closed: bool,
    antenna_ports: Vec<u16>,
}

/// Who begins rounds, and when.
pub(crate) enum Beginning {
    /// The driver; between rounds it asks what is to be watched.
    Poll(Watch),
    /// The reader, at once.
    Autonomous { repeat_ms: u16 },
    /// The reader, by its clock.
    Scheduled { repeat_ms: u16, schedule: Schedule, window: Window },
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
        beginning: Beginning,
    ) -> Result<Self> {
        let select = plan.to_string();
        let (mut poll, mut watch, mut window, mut repeat_ms) = (None, Watch::default(), None, 0);
        match beginning {
            Beginning::Poll(questions) => {
                wire.queue(&select);
                (poll, watch) = (Some(select), questions);
            }
            Beginning::Autonomous { repeat_ms: period } => {
                declare(wire, &select).await?;
                wire.queue(&format!("SET AUTO {CURSOR} = ON, repeat = {period}"));
                repeat_ms = period;
            }
            Beginning::Scheduled { repeat_ms: period, schedule, window: when } => {
                declare(wire, &select).await?;
                wire.queue(&format!("SET auto_time {CURSOR} = '{}', repeat={period}", schedule.text()));
                (window, repeat_ms) = (Some(when), period);
            }
        }
        wire.send("start").await?;
        let round_limit =
            Duration::from_millis(u64::from(plan.time_out_ms) + u64::from(repeat_ms)) + PATIENCE;
        Ok(Self {
            decoder: RowDecoder::new(plan.columns.clone()),
            poll,
            round_limit,
            deadline: deadline(window, round_limit),
            bad_rows: 0,
            watch,
            window,
            is_closed: false,
            antenna_ports: plan.antenna_ports.clone(),
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
                    self.deadline = deadline(self.window, self.round_limit);
                    if let Some(select) = &self.poll {
                        if let Some(question) = self.watch.next_statement(|| wire.now()) {
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
            let was_closed = self.is_closed(wire, buf);
            let until = if was_closed { Instant::now() + REST } else { self.deadline };
            match wire.receive("read", until).await {
                // Nothing was to be heard: this call is the sign of life.
                Err(error)
                    if error.kind() == ErrorKind::Timeout && (was_closed || self.is_closed(wire, buf)) =>
                {
                    return Ok(());
                }
                received => received?,
            }
        }
    }

    /// Whether the reader is not to read now. Says so when that changes: nobody is absent whom no
    /// antenna could hear.
    fn is_closed<S: Stream>(&mut self, wire: &Wire<S>, buf: &mut ReadBuf) -> bool {
        let is_closed = self.window.is_some_and(|window| window.is_closed(wire.now()));
        if is_closed != self.is_closed {
            self.is_closed = is_closed;
            buf.notice_listening(match (is_closed, self.antenna_ports.as_slice()) {
                (true, _) => Listening::None,
                (false, []) => Listening::All,
                (false, ports) => Listening::Ports(ports.to_vec()),
            });
        }
        is_closed
    }

    fn take_lines<S: Stream>(&mut self, wire: &mut Wire<S>, buf: &mut ReadBuf) -> Result<Taken> {
        loop {
            if self.decoder.take_usual(&mut wire.lines, buf) > 0 {
                self.bad_rows = 0;
            }
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
            match self.decoder.decode(line, buf) {
                Ok(()) => self.bad_rows = 0,
                Err(fault) => {
                    if let Some(error) = RqlError::parse(line) {
                        return Err(refused("read", error));
                    }
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

/// By when the next round must have come.
fn deadline(window: Option<Window>, round_limit: Duration) -> Instant {
    let now = Instant::now();
    window.map_or(now, |window| window.begins().max(now)) + round_limit
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
