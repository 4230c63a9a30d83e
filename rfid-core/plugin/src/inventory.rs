//! A running inventory: reads that the session delivered and the host has not taken yet.

use std::cell::UnsafeCell;
use std::mem::{swap, take};
use std::sync::Arc;
use std::time::Duration;

use rfid_abi::{ReaderEvent, Str, reader_event};
use rfid_core::{DynSession, Listening, Noticed, ReadBuf, ReadHandler, Result};
use tokio::time::Instant;

use crate::held::Recall;
use crate::instance::Link;
use crate::lent::{Lent, Room};

/// A running inventory, as the host's calls see it. The session's future has the other end, a
/// [`Handler`].
pub(crate) struct Inventory(Arc<Shared>);

/// What both ends have. Not behind a lock, which each call would take three times: [`Shared::with`] says
/// why none is needed.
struct Shared(UnsafeCell<Ready>);

// SAFETY: two threads never have what is inside at once, see `Shared::with`.
unsafe impl Sync for Shared {}

impl Shared {
    fn with<T>(&self, look: impl FnOnce(&mut Ready) -> T) -> T {
        // SAFETY: one end is a field of the `Reader`, and so is the future that keeps the other, which runs
        // only when it is polled or dropped there. An instance is a `Reader` that one call at a time has
        // for itself (`instance::call`), so all this happens on one thread at a time. On that thread no
        // `look` runs within another: they are this module's, and none calls an author's code, the
        // host or the other end.
        look(unsafe { &mut *self.0.get() })
    }
}

/// What the host has not taken yet.
struct Ready {
    /// Boxed, since it goes to and fro between the ends.
    buf: Box<ReadBuf>,
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
        let ready = Ready { buf: new_buf(), next: 0, lost: 0, silent: Duration::ZERO, since: None };
        Self(Arc::new(Shared(UnsafeCell::new(ready))))
    }

    /// Whether the host has taken everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.with(|ready| ready.is_empty())
    }

    /// The session's end.
    pub(crate) fn handler(&mut self, link: &Arc<Link>) -> Handler {
        let (shared, link) = (Arc::clone(&self.0), Arc::clone(link));
        Handler { buf: new_buf(), is_delivered: false, shared, link }
    }

    /// Forgets everything; the session is alive from now on.
    pub(crate) fn reset(&mut self) {
        self.0.with(|ready| {
            ready.buf.clear();
            (ready.next, ready.lost, ready.silent, ready.since) = (0, 0, Duration::ZERO, None);
        });
    }

    /// The session is listened to from now on, if it was not before.
    pub(crate) fn listen(&mut self) {
        self.0.with(|ready| _ = ready.since.get_or_insert_with(Instant::now));
    }

    /// The session is not listened to any more, and cannot be heard. Returns how long it has been silent.
    pub(crate) fn end_listening(&mut self) -> Duration {
        self.0.with(|ready| {
            let listened = ready.since.take().map_or(Duration::ZERO, |since| since.elapsed());
            ready.silent = ready.silent.saturating_add(listened);
            ready.silent
        })
    }

    /// Hands over what the host has room for.
    pub(crate) fn hand_over(&mut self, lent: &mut Lent<'_>) {
        self.0.with(|ready| ready.hand_over(lent));
    }
}

fn new_buf() -> Box<ReadBuf> {
    Box::new(ReadBuf::with_capacity(ReadBuf::DEFAULT_CAPACITY))
}

impl Ready {
    fn is_empty(&self) -> bool {
        self.next >= self.buf.len()
    }

    /// Takes what a session delivered out of `buf`, a sign of life. The clock is not read: who goes on
    /// listening does that.
    fn deliver(&mut self, buf: &mut Box<ReadBuf>) {
        (self.silent, self.since) = (Duration::ZERO, None);
        self.lost = self.lost.saturating_add(buf.lost());
        if self.is_empty() {
            swap(&mut self.buf, buf);
            self.next = 0;
        } else {
            // Only a session that fills a buffer and goes on all the same comes here.
            let taken = self.buf.take_from(buf, 0);
            self.lost = self.lost.saturating_add(buf.len().saturating_sub(taken) as u64);
        }
        buf.clear();
    }

    /// Gives a buffer back of which the host has taken everything.
    fn give_back(&mut self, buf: &mut Box<ReadBuf>) {
        if self.is_empty() {
            swap(&mut self.buf, buf);
            self.next = 0;
            buf.clear();
        }
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
        lent.add_lost(take(&mut self.lost));
        if !self.is_empty() {
            lent.say_more();
        }
    }
}

/// Where the session's future puts what it reads.
pub(crate) struct Handler {
    buf: Box<ReadBuf>,
    /// Whether the buffer that it had was delivered, so that it may have that one again.
    is_delivered: bool,
    shared: Arc<Shared>,
    link: Arc<Link>,
}

impl Handler {
    /// Reads from the session until it fails or is called back.
    pub(crate) async fn run(
        mut self,
        mut session: Box<dyn DynSession>,
        recall: Recall,
    ) -> (Box<dyn DynSession>, Option<Result<()>>) {
        let ended = recall.or(session.pump(&mut self)).await;
        // Reads that are in the buffer of a dropped `read` stay valid.
        self.filled();
        (session, ended)
    }
}

impl ReadHandler for Handler {
    fn buffer(&mut self) -> &mut ReadBuf {
        if take(&mut self.is_delivered) {
            // The next batch is written where the last one was, which the processor still has at hand.
            self.shared.with(|ready| ready.give_back(&mut self.buf));
        }
        &mut self.buf
    }

    fn filled(&mut self) {
        if let Some(noticed) = self.buf.take_noticed() {
            tell(&self.link, noticed);
        }
        self.shared.with(|ready| ready.deliver(&mut self.buf));
        self.is_delivered = true;
    }

    fn is_ahead(&self) -> bool {
        self.shared.with(|ready| !ready.is_empty())
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
