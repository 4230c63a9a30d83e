//! A running inventory: reads that the session delivered and the host has not taken yet.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rfid_abi::{ReaderEvent, Str, reader_event};
use rfid_core::{DynSession, Listening, Noticed, ReadBuf, ReadHandler, Result};
use tokio::time::Instant;

use crate::held::Recall;
use crate::instance::Link;
use crate::lent::{Lent, Room};

/// Shared by the session's future and the host's calls, of which one runs at a time.
#[derive(Clone)]
pub(crate) struct Inventory(Arc<Shared>);

struct Shared {
    ready: Mutex<Ready>,
    /// Whether there are reads in it, for whoever asks often and need not lock it for that.
    has_reads: AtomicBool,
}

/// What the host has not taken yet.
struct Ready {
    buf: ReadBuf,
    /// The first read in it that was not taken.
    next: usize,
    /// Reads lost and not told.
    lost: u64,
    /// How long the session has been listened to without a sign of life, in waits that are over.
    silent: Duration,
    /// Since when that has been going on in the one that is not.
    since: Option<Instant>,
}

impl Inventory {
    pub(crate) fn new() -> Self {
        let buf = ReadBuf::with_capacity(ReadBuf::DEFAULT_CAPACITY);
        let ready = Mutex::new(Ready { buf, next: 0, lost: 0, silent: Duration::ZERO, since: None });
        Self(Arc::new(Shared { ready, has_reads: AtomicBool::new(false) }))
    }

    fn lock(&self) -> MutexGuard<'_, Ready> {
        self.0.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the host has taken everything.
    pub(crate) fn is_empty(&self) -> bool {
        !self.0.has_reads.load(Ordering::Acquire)
    }

    /// Reads from the session until it fails or is called back.
    pub(crate) async fn run(
        self,
        mut session: Box<dyn DynSession>,
        link: Arc<Link>,
        recall: Recall,
    ) -> (Box<dyn DynSession>, Option<Result<()>>) {
        let buf = ReadBuf::with_capacity(ReadBuf::DEFAULT_CAPACITY);
        let mut handler = Handler { buf, inventory: self, link };
        let ended = recall.or(session.pump(&mut handler)).await;
        // Reads that are in the buffer of a dropped `read` stay valid.
        handler.filled();
        (session, ended)
    }

    /// Forgets everything; the session is alive from now on.
    pub(crate) fn reset(&self) {
        let mut ready = self.lock();
        ready.buf.clear();
        (ready.next, ready.lost, ready.silent, ready.since) = (0, 0, Duration::ZERO, None);
        self.note(&ready);
    }

    /// The session is listened to from now on, if it was not before.
    pub(crate) fn listen(&self) {
        self.lock().since.get_or_insert_with(Instant::now);
    }

    /// The session is not listened to any more, and cannot be heard. Returns how long it has been silent.
    pub(crate) fn end_listening(&self) -> Duration {
        let mut ready = self.lock();
        let listened = ready.since.take().map_or(Duration::ZERO, |since| since.elapsed());
        ready.silent = ready.silent.saturating_add(listened);
        ready.silent
    }

    /// Takes what a session delivered out of `buf`, a sign of life. The clock is not read: who goes on
    /// listening does that.
    fn take(&self, buf: &mut ReadBuf) {
        let mut ready = self.lock();
        (ready.silent, ready.since) = (Duration::ZERO, None);
        ready.lost = ready.lost.saturating_add(buf.lost());
        if ready.is_empty() {
            std::mem::swap(&mut ready.buf, buf);
            ready.next = 0;
        } else {
            // Only a session that fills a buffer and goes on all the same comes here.
            let taken = ready.buf.take_from(buf, 0);
            ready.lost = ready.lost.saturating_add(buf.len().saturating_sub(taken) as u64);
        }
        buf.clear();
        self.note(&ready);
    }

    /// Hands over what the host has room for.
    pub(crate) fn hand_over(&self, lent: &mut Lent<'_>) {
        let mut ready = self.lock();
        ready.hand_over(lent);
        self.note(&ready);
    }

    fn note(&self, ready: &Ready) {
        self.0.has_reads.store(!ready.is_empty(), Ordering::Release);
    }
}

impl Ready {
    fn is_empty(&self) -> bool {
        self.next >= self.buf.len()
    }

    fn hand_over(&mut self, lent: &mut Lent<'_>) {
        while !self.is_empty() {
            let taken = lent.push_records(self.buf.inline_records(self.next, lent.room()));
            self.next += taken;
            if taken > 0 {
                continue;
            }
            let Some((read, id)) = self.buf.get(self.next) else { break };
            match lent.push(read, id.bytes) {
                Room::Taken => {}
                Room::Used => break,
                Room::Never => self.lost = self.lost.saturating_add(1),
            }
            self.next += 1;
        }
        lent.add_lost(std::mem::take(&mut self.lost));
        if !self.is_empty() {
            lent.say_more();
        }
    }
}

/// Where the session's future puts what it reads.
struct Handler {
    buf: ReadBuf,
    inventory: Inventory,
    link: Arc<Link>,
}

impl ReadHandler for Handler {
    fn buffer(&mut self) -> &mut ReadBuf {
        &mut self.buf
    }

    fn filled(&mut self) {
        if let Some(noticed) = self.buf.take_noticed() {
            tell(&self.link, noticed);
        }
        self.inventory.take(&mut self.buf);
    }

    fn is_ahead(&self) -> bool {
        !self.inventory.is_empty()
    }
}

/// Tells the host what the session noticed. Antenna 0 stands for all, so that a list of ports is told as
/// none and then each.
fn tell(link: &Link, noticed: Noticed) {
    let timestamp_ns = noticed.listening_since.map_or(0, |since| since.utc.as_nanos());
    let nothing = ReaderEvent {
        struct_size: size_of::<ReaderEvent>() as u32,
        kind: 0,
        timestamp_ns: 0,
        antenna: 0,
        port: 0,
        value: 0,
        message: Str::EMPTY,
    };
    let listen =
        |kind, antenna| link.host.reader_event(&ReaderEvent { kind, antenna, timestamp_ns, ..nothing });
    match noticed.listening {
        None => {}
        Some(Listening::All) => listen(reader_event::ANTENNA_UP, 0),
        Some(Listening::None) => listen(reader_event::ANTENNA_DOWN, 0),
        Some(Listening::Ports(ports)) => {
            listen(reader_event::ANTENNA_DOWN, 0);
            ports.into_iter().for_each(|port| listen(reader_event::ANTENNA_UP, port));
        }
    }
    for level in noticed.inputs.into_iter().flatten() {
        let (port, value) = (u16::from(level.pin), i32::from(level.high));
        link.host.reader_event(&ReaderEvent { kind: reader_event::INPUT, port, value, ..nothing });
    }
}
