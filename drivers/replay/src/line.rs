//! A connection on which a recording answers.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use rfid_core::Stamp;
use rfid_core::recording::{Happened, Moment};
use rfid_driver_link::{RecordedSilence, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// Bytes that an error shows of what is said where driver and recording part, and before.
const SHOWN: usize = 60;
const SHOWN_BEFORE: usize = 40;

/// What the recording has where it is not compared.
const SPOKE: &str = "it said something";

/// What is to pass over the connection next, up to the next mark of the recording. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    ahead: VecDeque<Moment>,
    /// Bytes of the first of them that have passed.
    passed: usize,
    /// Statements that the driver has said.
    statements: u64,
    /// Where driver and recording part, once they have.
    parted: Option<String>,
    /// The recording has nothing more to say on this connection.
    is_over: bool,
    asked: Duration,
    /// When the last bytes were received.
    received: Option<Stamp>,
}

impl Script {
    /// Adds what happens next.
    pub(crate) fn push(&self, moment: Moment) {
        self.lock().ahead.push_back(moment);
    }

    /// Forgets what is ahead: nobody is to hear it.
    pub(crate) fn clear(&self) {
        let mut state = self.lock();
        state.ahead.clear();
        state.passed = 0;
    }

    /// Whether everything has passed.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().ahead.is_empty()
    }

    /// Where driver and recording part.
    pub(crate) fn parted(&self) -> Option<String> {
        self.lock().parted.clone()
    }

    /// Lets the driver say what it wants, to nobody.
    pub(crate) fn end(&self) {
        self.clear();
        self.lock().is_over = true;
    }

    /// A connection, if one was made here.
    pub(crate) fn connect(&self) -> io::Result<Line> {
        let mut state = self.lock();
        // What passed before belongs to a connection that was being closed.
        while let Some(moment) = state.ahead.pop_front() {
            if moment.what == Happened::Connected {
                (state.passed, state.is_over, state.asked) = (0, false, Duration::ZERO);
                state.received = None;
                return Ok(Line { script: self.clone(), connected: Instant::now() });
            }
        }
        Err(io::ErrorKind::ConnectionRefused.into())
    }

    /// The state is whole after every statement, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What is to happen next.
    fn next(&self) -> Option<&Happened> {
        self.ahead.front().map(|moment| &moment.what)
    }

    /// Driver and recording part here: the driver says this, which the recording does not have.
    fn part_saying(&mut self, said: &[u8]) -> io::Error {
        let recorded = match self.next() {
            Some(Happened::Sent(bytes)) => bytes.get(self.passed..).unwrap_or_default(),
            _ => &[],
        };
        let same = said.iter().zip(recorded).take_while(|(ours, theirs)| ours == theirs).count();
        let from = same.saturating_sub(SHOWN_BEFORE);
        let (said, recorded) = (shown(said, from), shown(recorded, from));
        self.part(&format!("the driver says {said}"), &format!("it said {recorded}"))
    }

    /// Driver and recording part here: the driver does what the recording does not have.
    fn part(&mut self, what: &str, said: &str) -> io::Error {
        let recorded = match self.next() {
            Some(Happened::Sent(_)) => said.to_owned(),
            Some(Happened::Received(_)) => "it listened".to_owned(),
            Some(Happened::Asked(_)) => "it asked for the time".to_owned(),
            Some(_) | None => "its call had returned".to_owned(),
        };
        let parted = format!("at statement {} {what}, and in the recording {recorded}", self.statements + 1);
        self.parted.get_or_insert(parted);
        io::Error::other("driver and recording part")
    }
}

/// What is said from this byte on, as text or as hexadecimal digits.
fn shown(bytes: &[u8], from: usize) -> String {
    let part = bytes.get(from..).unwrap_or_default();
    let part = part.get(..SHOWN_BEFORE + SHOWN).unwrap_or(part);
    if part.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
        format!("{:?}", String::from_utf8_lossy(part))
    } else {
        part.iter().map(|byte| format!("{byte:02X}")).collect()
    }
}

/// A connection on which everything is there already, or never will be: it never waits.
#[derive(Debug)]
pub struct Line {
    script: Script,
    connected: Instant,
}

impl Stream for Line {
    fn now(&self) -> Instant {
        let mut state = self.script.lock();
        if let Some(Happened::Asked(since)) = state.next() {
            state.asked = *since;
            state.ahead.pop_front();
        } else if !state.is_over {
            // The call cannot fail; whoever plays finds it when the driver's call returns.
            let _ = state.part("the driver asks for the time", SPOKE);
        }
        self.connected + state.asked.min(Duration::from_secs(u64::from(u32::MAX)))
    }

    fn received_at(&self) -> Option<Stamp> {
        self.script.lock().received
    }
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.script.lock();
        if state.is_over {
            return Poll::Ready(Ok(()));
        }
        let passed = state.passed;
        let at = state.ahead.front().map(|moment| moment.at);
        Poll::Ready(match state.next() {
            Some(Happened::Received(bytes)) => {
                let rest = bytes.get(passed..).unwrap_or_default();
                let length = rest.len().min(buf.remaining());
                buf.put_slice(rest.get(..length).unwrap_or_default());
                let is_whole = length == rest.len();
                state.pass(length, is_whole);
                state.received = at;
                Ok(())
            }
            None => Err(RecordedSilence.into()),
            Some(_) => Err(state.part("the driver listens", SPOKE)),
        })
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.script.lock();
        if state.is_over {
            return Poll::Ready(Ok(bytes.len()));
        }
        let passed = state.passed;
        if let Some(Happened::Sent(recorded)) = state.next() {
            let rest = recorded.get(passed..).unwrap_or_default();
            let length = rest.len().min(bytes.len());
            if length > 0 && rest.get(..length) == bytes.get(..length) {
                let is_whole = length == rest.len();
                state.pass(length, is_whole);
                state.statements += u64::from(is_whole);
                return Poll::Ready(Ok(length));
            }
        }
        Poll::Ready(Err(state.part_saying(bytes)))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl State {
    /// So many bytes of the first piece have passed.
    fn pass(&mut self, length: usize, is_whole: bool) {
        self.passed += length;
        if is_whole {
            self.ahead.pop_front();
            self.passed = 0;
        }
    }
}
