//! A running inventory: reads that the session delivered and the host has not taken yet.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rfid_abi::{ReaderEvent, Str, reader_event};
use rfid_core::{DynSession, Listening, Noticed, ReadBuf, ReadHandler, Result};
use tokio::time::Instant;

use crate::held::Recall;
use crate::instance::Link;
use crate::lent::{Lent, Room};

/// What the host has not taken yet.
pub(crate) struct Ready {
    buf: ReadBuf,
    /// The first read in it that was not taken.
    next: usize,
    /// Reads lost and not told.
    lost: u64,
    /// When the session last gave a sign of life.
    life: Instant,
    /// Since when nobody has been listening to it.
    unheard: Instant,
}

/// Shared by the session's future and the host's calls, of which one runs at a time.
#[derive(Clone)]
pub(crate) struct Inventory(Arc<Mutex<Ready>>);

impl Inventory {
    pub(crate) fn new() -> Self {
        let buf = ReadBuf::with_capacity(ReadBuf::DEFAULT_CAPACITY);
        let now = Instant::now();
        Self(Arc::new(Mutex::new(Ready { buf, next: 0, lost: 0, life: now, unheard: now })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Ready> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
}

impl Ready {
    pub(crate) fn is_empty(&self) -> bool {
        self.next >= self.buf.len()
    }

    /// Forgets everything; the session is alive from now on.
    pub(crate) fn reset(&mut self) {
        let now = Instant::now();
        self.buf.clear();
        (self.next, self.lost, self.life, self.unheard) = (0, 0, now, now);
    }

    /// The session is listened to from now on. Until now it could not have been heard.
    pub(crate) fn begin_to_listen(&mut self) {
        self.life += self.unheard.elapsed();
    }

    /// The session is not listened to any more. Returns how long it has been silent by now.
    pub(crate) fn end_listening(&mut self) -> Duration {
        self.unheard = Instant::now();
        self.life.elapsed()
    }

    /// Takes what a session delivered out of `buf`.
    fn take(&mut self, buf: &mut ReadBuf) {
        self.life = Instant::now();
        self.lost = self.lost.saturating_add(buf.lost());
        if self.is_empty() {
            std::mem::swap(&mut self.buf, buf);
            self.next = 0;
        } else {
            // Only a session that fills a buffer and goes on all the same comes here.
            let taken = self.buf.take_from(buf, 0);
            self.lost = self.lost.saturating_add(buf.len().saturating_sub(taken) as u64);
        }
        buf.clear();
    }

    /// Hands over what the host has room for.
    pub(crate) fn hand_over(&mut self, lent: &mut Lent<'_>) {
        for sighting in self.buf.iter().skip(self.next) {
            match lent.push(&sighting) {
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
        self.inventory.lock().take(&mut self.buf);
    }

    fn is_ahead(&self) -> bool {
        !self.inventory.lock().is_empty()
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
