//! One client: messages in, messages out.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rfid_llrp::{Frames, Version};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::faults::FaultState;
use super::reader::{Outgoing, Reader};
use super::requests::Then;

/// Longest message of a client. Impinj readers are said to drop a connection over messages that
/// are longer than about 500 KiB.
const LONGEST_MESSAGE: u32 = 512 * 1024;

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    reader: Mutex<Reader>,
    pub(super) faults: Arc<FaultState>,
    start: Instant,
}

impl Shared {
    pub(super) fn new(reader: Reader, faults: Arc<FaultState>) -> Self {
        Self { reader: Mutex::new(reader), faults, start: Instant::now() }
    }

    /// The reader, with everything played that has happened up to now.
    pub(super) fn reader(&self) -> MutexGuard<'_, Reader> {
        let mut reader = self.lock();
        reader.advance(self.start.elapsed());
        reader
    }

    /// No method leaves the state half changed, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Reader> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client that the reader has; it is gone with this.
struct Seat {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.shared.lock().is_gone(self.number);
    }
}

pub(super) struct Connection<S> {
    stream: S,
    shared: Arc<Shared>,
    frames: Frames,
    /// Messages received so far.
    messages: u32,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(stream: S, shared: Arc<Shared>) -> Self {
        Self { stream, shared, frames: Frames::up_to(LONGEST_MESSAGE), messages: 0 }
    }

    /// Serves the client until it goes.
    pub(super) async fn serve(mut self) -> io::Result<()> {
        let wake = Arc::new(Notify::new());
        let now = self.shared.start.elapsed();
        let (number, (id, greeting)) = self.shared.lock().greet(now, &wake);
        // From here on, so that the seat is free again whatever happens.
        let seat = number.map(|number| Seat { shared: Arc::clone(&self.shared), number });
        let greeting = greeting.encode(Version::V1_0_1, id).map_err(io::Error::other)?;
        self.send(&greeting).await?;
        let Some(seat) = seat else { return self.stream.shutdown().await };
        let mut chunk = [0; 4096];
        loop {
            let outgoing = self.shared.reader().outgoing(seat.number);
            let Some(Outgoing { bytes, is_ending, next }) = outgoing else { return Ok(()) };
            if !bytes.is_empty() {
                self.send(&bytes).await?;
            }
            if is_ending {
                return self.stream.shutdown().await;
            }
            let next = next.map(|next| self.shared.start + next);
            tokio::select! {
                biased;
                count = self.stream.read(&mut chunk) => {
                    let received = chunk.get(..count?).unwrap_or_default();
                    if received.is_empty() {
                        return Ok(());
                    }
                    self.frames.push(received);
                    if self.take_messages(&seat).await? == Then::End {
                        return self.last_words(&seat).await;
                    }
                }
                () = wake.notified() => {}
                () = until(next) => {}
            }
        }
    }

    /// Carries out every message that is whole.
    async fn take_messages(&mut self, seat: &Seat) -> io::Result<Then> {
        loop {
            let faults = self.shared.faults.faults();
            // The stream is lost where a header lies: nobody knows where the next message begins.
            let broken = |fault| io::Error::new(io::ErrorKind::InvalidData, fault);
            let Some(frame) = self.frames.next_frame().map_err(broken)? else { return Ok(Then::GoOn) };
            self.messages += 1;
            let is_over = |most: Option<u32>| most.is_some_and(|most| self.messages > most);
            if is_over(faults.drop_after) || is_over(faults.reboot_after) {
                if is_over(faults.reboot_after) {
                    self.shared.reader().restart();
                }
                return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "dropped on purpose"));
            }
            if is_over(faults.close_after) {
                self.shared.reader().end_session();
                return Ok(Then::End);
            }
            if is_over(faults.silent_after) {
                return self.be_silent().await;
            }
            let then = self.shared.reader().carry_out(seat.number, &frame);
            if let Some(delay) = faults.answer_delay {
                tokio::time::sleep(delay.0).await;
            }
            if then == Then::End {
                return Ok(then);
            }
            let outgoing = self.shared.reader().outgoing(seat.number);
            if let Some(Outgoing { bytes, .. }) = outgoing.filter(|outgoing| !outgoing.is_ending) {
                self.send(&bytes).await?;
            }
        }
    }

    /// Sends what is left to be said and ends the connection.
    async fn last_words(&mut self, seat: &Seat) -> io::Result<()> {
        let outgoing = self.shared.reader().outgoing(seat.number);
        if let Some(Outgoing { bytes, .. }) = outgoing {
            self.send(&bytes).await?;
        }
        self.stream.shutdown().await
    }

    /// Takes what comes and says nothing, until the client gives up.
    async fn be_silent(&mut self) -> io::Result<Then> {
        let mut chunk = [0; 1024];
        while self.stream.read(&mut chunk).await? > 0 {}
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let cut = self.shared.faults.cut_within(bytes.len());
        let bytes = bytes.get(..cut.unwrap_or(bytes.len())).unwrap_or_default();
        let size = self.shared.faults.faults().split_every.unwrap_or(bytes.len());
        for piece in bytes.chunks(size.max(1)) {
            self.stream.write_all(piece).await?;
            self.stream.flush().await?;
            tokio::task::yield_now().await;
        }
        match cut {
            Some(_) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut on purpose")),
            None => Ok(()),
        }
    }
}

async fn until(next: Option<Instant>) {
    match next {
        Some(next) => tokio::time::sleep_until(next).await,
        None => std::future::pending().await,
    }
}
