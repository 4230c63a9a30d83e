//! What passes between a driver and its reader, for whoever wants to keep it.
//!
//! The stream to the reader tells the [`Recorder`] what is sent and received, the supervisor when
//! the inventory began, when [`Session::read`](crate::Session::read) returned and when it was
//! over. All of it comes from one task, so its order is the order in which it happened: played
//! again, it gives the same batches at the same moments.
//!
//! Of a driver that keeps its connections to itself, as those of plugins do, the supervisor tells
//! what was delivered instead of when ([`Kept::Delivered`]).

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc};

use crate::clock::{Clock, Stamp, SystemClock};
use crate::driver::ReaderInfo;
use crate::read_buf::ReadBuf;

/// Moments that whoever records may lag behind before the recording is ended.
const WAITING_MOMENTS: usize = 4096;

/// What is kept of a reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Kept {
    /// The bytes that pass between driver and reader, from which the driver can make its batches
    /// again.
    #[default]
    Bytes = 1,
    /// The batches that the driver delivers, where its bytes do not pass through the host.
    Delivered = 2,
}

/// Something that happened, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When, by the clock of the host.
    pub at: Stamp,
    /// What.
    pub what: Happened,
}

/// What happened between a host and a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// A connection was made. What came before it belongs to another one.
    Connected,
    /// These bytes were received, in one piece; none: the other side will send no more.
    Received(Box<[u8]>),
    /// These bytes were sent, in one piece.
    Sent(Box<[u8]>),
    /// The driver asked what time it is, and this was the answer, counted from when the
    /// connection was made.
    Asked(Duration),
    /// The inventory runs; it is read into a buffer of so many reads.
    Up {
        /// Limit of the buffer.
        capacity: u32,
    },
    /// A read returned.
    Read {
        /// Reads that it had.
        reads: u32,
    },
    /// In place of [`Up`](Self::Up): the inventory of this reader runs, and what is delivered
    /// follows.
    Reading(Box<ReaderInfo>),
    /// In place of [`Read`](Self::Read): the driver delivered this.
    Delivered(Box<ReadBuf>),
    /// The session is over, or could not be opened.
    Down {
        /// Since when nobody is known to have listened.
        since: Stamp,
    },
    /// Nothing more was recorded, for this reason.
    Ended(String),
}

/// Where the parts of one reader say what happens, whether somebody records it or not. Cheap to
/// clone; while nobody records, a call costs one look at a flag.
#[derive(Clone)]
pub struct Recorder(Arc<Slot>);

struct Slot {
    /// What is being kept, as its number; 0 while nobody records.
    keeps: AtomicU8,
    tapes: Mutex<Tapes>,
    asked: Notify,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Tapes {
    /// Begins with the next opening of a session.
    asked: Option<(Kept, mpsc::Sender<Moment>)>,
    running: Option<mpsc::Sender<Moment>>,
}

/// Somebody records this reader already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyRecorded;

impl fmt::Display for AlreadyRecorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the reader is being recorded already")
    }
}

impl std::error::Error for AlreadyRecorded {}

impl Recorder {
    /// A place where nobody records yet. What is recorded has the time of this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let (keeps, tapes, asked) = Default::default();
        Self(Arc::new(Slot { keeps, tapes, asked, clock }))
    }

    /// Records from the next opening of a session on, which the supervisor brings about at once.
    ///
    /// # Errors
    /// When somebody else does.
    pub fn record(&self, kept: Kept) -> Result<Recording, AlreadyRecorded> {
        let mut tapes = self.tapes();
        let asked = tapes.asked.as_ref().map(|(_, tape)| tape);
        if asked.into_iter().chain(&tapes.running).any(|tape| !tape.is_closed()) {
            return Err(AlreadyRecorded);
        }
        let (tape, moments) = mpsc::channel(WAITING_MOMENTS);
        tapes.asked = Some((kept, tape));
        drop(tapes);
        self.0.asked.notify_one();
        Ok(Recording(moments))
    }

    /// Says what passes over a connection, now.
    pub fn put(&self, what: impl FnOnce() -> Happened) {
        if self.is_on() {
            self.put_at(self.0.clock.now(), what());
        }
    }

    /// Whether anybody records what passes over connections.
    pub fn is_on(&self) -> bool {
        self.0.keeps.load(Ordering::Relaxed) == Kept::Bytes as u8
    }

    /// What time it is by the clock whose time moments have.
    pub fn now(&self) -> Stamp {
        self.0.clock.now()
    }

    /// Says what passed over a connection at this moment. Never waits: a recording that falls
    /// behind is ended.
    pub fn put_at(&self, at: Stamp, what: Happened) {
        if self.is_on() {
            self.keep(at, what);
        }
    }

    /// Says what the host did at this moment, as it is to be kept.
    pub(crate) fn note_at(&self, at: Stamp, what: impl FnOnce(Kept) -> Happened) {
        let kept = match self.0.keeps.load(Ordering::Relaxed) {
            NOTHING => return,
            number if number == Kept::Delivered as u8 => Kept::Delivered,
            _ => Kept::Bytes,
        };
        self.keep(at, what(kept));
    }

    fn keep(&self, at: Stamp, what: Happened) {
        let mut tapes = self.tapes();
        let Some(tape) = &tapes.running else { return };
        // The last place is kept for saying why nothing follows.
        let is_last = tape.capacity() <= 1;
        let what = if is_last { Happened::Ended(TOO_SLOW.to_owned()) } else { what };
        if tape.try_send(Moment { at, what }).is_err() || is_last {
            tapes.running = None;
            self.0.keeps.store(NOTHING, Ordering::Relaxed);
        }
    }

    /// Returns when somebody wants to record. Cancel-safe; for one supervisor.
    pub(crate) async fn asked(&self) {
        loop {
            if self.tapes().asked.is_some() {
                return;
            }
            self.0.asked.notified().await;
        }
    }

    /// Begins what was asked for: a session is about to be opened.
    pub(crate) fn begin(&self) {
        let mut tapes = self.tapes();
        if let Some((kept, tape)) = tapes.asked.take() {
            tapes.running = Some(tape);
            self.0.keeps.store(kept as u8, Ordering::Relaxed);
        }
    }

    /// Ends the recording, because the reader is not read from any more.
    pub(crate) fn end(&self) {
        let why = "the reader was stopped or set differently";
        self.note_at(self.now(), |_| Happened::Ended(why.to_owned()));
        *self.tapes() = Tapes::default();
        self.0.keeps.store(NOTHING, Ordering::Relaxed);
    }

    /// The state is whole after every statement, so a panic elsewhere does not spoil it.
    fn tapes(&self) -> MutexGuard<'_, Tapes> {
        self.0.tapes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody records.
const NOTHING: u8 = 0;

const TOO_SLOW: &str = "what was recorded could not be written as fast as it came";

/// Nobody ever records here.
impl Default for Recorder {
    fn default() -> Self {
        Self::new(Arc::new(SystemClock::new()))
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("is_on", &self.is_on()).finish_non_exhaustive()
    }
}

/// What happens at a reader, moment by moment, until this is dropped.
#[derive(Debug)]
pub struct Recording(mpsc::Receiver<Moment>);

impl Recording {
    /// The next moment; none after the last, which says why it is the last. Cancel-safe.
    pub async fn next(&mut self) -> Option<Moment> {
        self.0.recv().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(byte: u8) -> Happened {
        Happened::Received(Box::new([byte]))
    }

    #[tokio::test]
    async fn what_happens_is_recorded_from_the_opening_on_in_its_order() {
        let recorder = Recorder::default();
        recorder.put(|| received(0));
        let mut recording = recorder.record(Kept::Bytes).unwrap();
        assert_eq!(recorder.record(Kept::Bytes).unwrap_err(), AlreadyRecorded);
        recorder.put(|| received(1));
        recorder.asked().await;
        recorder.begin();
        recorder.put(|| received(2));
        recorder.put(|| received(3));
        recorder.end();
        assert_eq!(recording.next().await.map(|moment| moment.what), Some(received(2)));
        assert_eq!(recording.next().await.map(|moment| moment.what), Some(received(3)));
        assert!(matches!(recording.next().await, Some(Moment { what: Happened::Ended(_), .. })));
        assert_eq!(recording.next().await, None);
    }

    #[tokio::test]
    async fn one_who_is_too_slow_is_told_and_holds_nobody_up() {
        let recorder = Recorder::default();
        let mut recording = recorder.record(Kept::Bytes).unwrap();
        recorder.begin();
        (0..2 * WAITING_MOMENTS).for_each(|_| recorder.put(|| received(1)));
        assert!(!recorder.is_on());
        let mut last = None;
        let mut count = 0;
        while let Some(moment) = recording.next().await {
            (last, count) = (Some(moment.what), count + 1);
        }
        assert_eq!((last, count), (Some(Happened::Ended(TOO_SLOW.to_owned())), WAITING_MOMENTS));
        assert!(recorder.record(Kept::Bytes).is_ok(), "another may begin");
    }

    #[tokio::test]
    async fn what_passes_over_a_connection_is_not_kept_where_what_is_delivered_is() {
        let recorder = Recorder::default();
        let mut recording = recorder.record(Kept::Delivered).unwrap();
        recorder.begin();
        assert!(!recorder.is_on());
        recorder.put(|| received(1));
        recorder.put_at(recorder.now(), received(2));
        let delivered = || Happened::Delivered(Box::new(ReadBuf::with_capacity(1)));
        recorder.note_at(recorder.now(), |kept| match kept {
            Kept::Bytes => Happened::Read { reads: 0 },
            Kept::Delivered => delivered(),
        });
        assert_eq!(recording.next().await.map(|moment| moment.what), Some(delivered()));
    }

    #[tokio::test]
    async fn one_who_has_gone_is_noticed() {
        let recorder = Recorder::default();
        drop(recorder.record(Kept::Bytes).unwrap());
        recorder.begin();
        recorder.put(|| received(1));
        assert!(!recorder.is_on());
    }
}
