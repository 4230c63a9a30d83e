//! One client: statements in, replies out, autonomous mode in between.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use super::faults::FaultState;
use super::query::TagQuery;
use super::reader::{Cursor, Reader};
use super::schedule::{Autonomous, Due, Schedule};
use super::statement::{Refusal, Statement, Update};
use super::tables::Tables;

/// Longest statement in bytes. One that is longer ends the connection, since where the next one
/// begins cannot be known.
const LONGEST_STATEMENT: usize = 4096;

pub(super) struct Connection<S> {
    stream: S,
    reader: Arc<Reader>,
    faults: Arc<FaultState>,
    received: Vec<u8>,
    replies: Vec<u8>,
    autonomous: Option<Autonomous>,
    repeat_ms: u64,
    schedule: Schedule,
    /// Statements received so far.
    statements: u32,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(stream: S, reader: Arc<Reader>, faults: Arc<FaultState>) -> Self {
        Self {
            stream,
            reader,
            faults,
            received: Vec::new(),
            replies: Vec::new(),
            autonomous: None,
            repeat_ms: 0,
            schedule: Schedule::default(),
            statements: 0,
        }
    }

    /// Serves the client until it goes. Its autonomous mode ends with it; what a real reader
    /// does then is not documented (§5.3).
    pub(super) async fn serve(mut self) -> io::Result<()> {
        let mut chunk = [0; 1024];
        loop {
            while let Some(statement) = self.next_statement()? {
                let faults = self.faults.faults();
                self.statements += 1;
                if faults.silent_after.is_some_and(|most| self.statements > most) {
                    return self.be_silent().await;
                }
                let is_over = |most: Option<u32>| most.is_some_and(|most| self.statements > most);
                if is_over(faults.reboot_after) {
                    self.reader.forget();
                }
                if is_over(faults.reboot_after) || is_over(faults.drop_after) {
                    return Ok(());
                }
                if let Some(delay) = faults.answer_delay {
                    tokio::time::sleep(delay.0).await;
                }
                self.carry_out(&statement).await;
                self.send().await?;
            }
            let next = [self.autonomous.as_ref().map(|autonomous| autonomous.next), self.schedule.next()];
            let Some(next) = next.into_iter().flatten().min() else {
                let count = self.stream.read(&mut chunk).await?;
                self.take(&chunk, count)?;
                continue;
            };
            // A cycle that has begun is finished before a statement is looked at (§5.3).
            tokio::select! {
                biased;
                count = self.stream.read(&mut chunk) => self.take(&chunk, count?)?,
                () = tokio::time::sleep_until(next) => {
                    self.keep_schedule().await;
                    self.cycle().await;
                    self.send().await?;
                }
            }
        }
    }

    /// Takes what comes and answers nothing, until the client gives up.
    async fn be_silent(&mut self) -> io::Result<()> {
        let mut chunk = [0; 1024];
        while self.stream.read(&mut chunk).await? > 0 {}
        Ok(())
    }

    fn take(&mut self, chunk: &[u8], count: usize) -> io::Result<()> {
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.received.extend_from_slice(chunk.get(..count).unwrap_or_default());
        Ok(())
    }

    /// Takes the next whole statement out of what was received: up to a semicolon outside of
    /// quotes, without blanks around it. A statement stands on one line (§1), so a line feed ends
    /// a quote that was left open.
    fn next_statement(&mut self) -> io::Result<Option<String>> {
        let mut quoted = false;
        let end = self.received.iter().position(|byte| {
            quoted = (quoted ^ (*byte == b'\'')) && *byte != b'\n';
            *byte == b';' && !quoted
        });
        match end {
            Some(end) if end <= LONGEST_STATEMENT => {
                let statement: Vec<u8> = self.received.drain(..=end).collect();
                let text = String::from_utf8_lossy(statement.get(..end).unwrap_or_default());
                Ok(Some(text.trim().to_owned()))
            }
            None if self.received.len() <= LONGEST_STATEMENT => Ok(None),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a statement without an end")),
        }
    }

    async fn carry_out(&mut self, text: &str) {
        let outcome = match Statement::parse(text) {
            Ok(statement) => self.answer(statement).await,
            Err(message) => Err((100, message)),
        };
        if let Err(refusal) = outcome {
            self.refuse(&refusal);
        }
    }

    async fn answer(&mut self, statement: Statement) -> Result<(), Refusal> {
        match statement {
            Statement::Select(select) if Tables::is_scalar(&select.table) => {
                return self.reader.select_values(&select, &mut self.replies);
            }
            Statement::Select(select) if select.table == "tag_data" => {
                return self.reader.read_memory(&select, &mut self.replies).await;
            }
            Statement::Select(select) => {
                let query = self.reader.tag_query(&select)?;
                self.run(&query).await;
                return Ok(());
            }
            Statement::Update(update) => return self.update(&update).await,
            Statement::Fetch(names) => {
                for cursor in self.reader.cursors(&names)? {
                    self.run_cursor(&cursor).await;
                    // Each cursor's reply goes out after its own time (§5.2).
                    if self.send().await.is_err() {
                        break;
                    }
                }
                return Ok(());
            }
            Statement::Declare { name, held } => {
                let cursor = self.reader.cursor(*held)?;
                self.reader.declare(&name, cursor)?;
            }
            Statement::Close(name) => self.reader.close_cursor(&name)?,
            Statement::Repeat(millis) => self.repeat_ms = millis,
            Statement::AutoOn { names, repeat_ms } => {
                let cursors = self.reader.cursors(&names)?;
                let period = Duration::from_millis(repeat_ms.unwrap_or(self.repeat_ms));
                self.autonomous = Some(Autonomous { cursors, period, next: Instant::now() });
            }
            Statement::Trigger { name, at } => {
                let cursors = self.reader.cursors(&[name])?;
                self.schedule.trigger(self.reader.moment_of(&at)?, cursors);
            }
            Statement::AutoTime { name, start, stop, repeat_ms } => {
                let cursors = self.reader.cursors(&[name])?;
                let start = self.reader.moment_of(&start)?;
                let stop = stop.map(|stop| self.reader.moment_of(&stop)).transpose()?;
                let period = Duration::from_millis(repeat_ms);
                self.schedule.auto(start, stop, Autonomous { cursors, period, next: start });
            }
            Statement::AutoOff => {
                self.schedule = Schedule::default();
                if self.autonomous.take().is_some() {
                    let more = self.reader.profile.frames_after_auto_off() - 1;
                    self.replies.resize(self.replies.len() + more, b'\n');
                }
            }
            Statement::Reset => {
                self.autonomous = None;
                self.schedule = Schedule::default();
                self.reader.drop_cursors();
                if self.faults.faults().stray_line_feed_after_reset {
                    self.replies.push(b'\n');
                }
            }
        }
        self.replies.push(b'\n');
        Ok(())
    }

    /// Runs each cursor of autonomous mode once; each gives a frame, also an empty one (§5.3).
    async fn cycle(&mut self) {
        let Some(autonomous) = self.autonomous.as_mut().filter(|mode| mode.next <= Instant::now()) else {
            return;
        };
        // From start to start; a cycle that takes longer is followed at once by the next.
        autonomous.next = (autonomous.next + autonomous.period).max(Instant::now());
        for cursor in autonomous.cursors.clone() {
            self.run_cursor(&cursor).await;
        }
    }

    /// Does what was scheduled for now.
    async fn keep_schedule(&mut self) {
        for due in self.schedule.take_due(Instant::now()) {
            match due {
                Due::Run(cursors) => {
                    for cursor in &cursors {
                        self.run_cursor(cursor).await;
                    }
                }
                Due::Begin(autonomous) => self.autonomous = Some(autonomous),
                Due::End => self.autonomous = None,
            }
        }
    }

    /// Runs what a cursor holds and adds its reply.
    async fn run_cursor(&mut self, cursor: &Cursor) {
        match cursor {
            Cursor::Query(query) => self.run(query).await,
            Cursor::Update(update) => {
                if let Err(refusal) = self.update(update).await {
                    self.refuse(&refusal);
                }
            }
        }
    }

    /// Runs a query and adds its reply.
    async fn run(&mut self, query: &TagQuery) {
        self.reader.run(query, &self.faults.faults(), &mut self.replies).await;
        if self.faults.counts.replies.comes(self.faults.faults().missing_terminator_every) {
            self.replies.pop();
        }
    }

    async fn update(&mut self, update: &Update) -> Result<(), Refusal> {
        let fails = || self.faults.counts.updates.comes(self.faults.faults().fail_update_every);
        if !Tables::is_scalar(&update.table) && fails() {
            return Err((102, "Error performing query".to_owned()));
        }
        let power_off_by = self.faults.faults().power_off_by_cdbm;
        self.reader.update(update, power_off_by, &mut self.replies).await
    }

    fn refuse(&mut self, (code, message): &Refusal) {
        // One tab behind the colon: the likeliest reading of the sources (§1.1).
        self.replies.extend_from_slice(format!("Error {code:04}:\t{message}\n\n").as_bytes());
    }

    async fn send(&mut self) -> io::Result<()> {
        let cut = self.faults.cut_within(self.replies.len());
        let replies = self.replies.get(..cut.unwrap_or(self.replies.len())).unwrap_or_default();
        match self.faults.faults().split_every {
            Some(size) => {
                for piece in replies.chunks(size.max(1)) {
                    self.stream.write_all(piece).await?;
                    self.stream.flush().await?;
                    tokio::task::yield_now().await;
                }
            }
            None => {
                self.stream.write_all(replies).await?;
                self.stream.flush().await?;
            }
        }
        self.replies.clear();
        match cut {
            Some(_) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut on purpose")),
            None => Ok(()),
        }
    }
}
