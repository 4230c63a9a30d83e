//! What passes between a driver and its reader, for whoever wants to keep it.
//!
//! The stream to the reader tells the [`Recorder`] what is sent and received, the supervisor when
//! the inventory began, when [`Session::read`](crate::Session::read) returned and when it was
//! over. All of it comes from one task, so its order is the order in which it happened: played
//! again, it gives the same batches at the same moments.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use crate::clock::{Clock, Stamp, SystemClock};

/// Moments that whoever records may lag behind before the recording is ended.
const WAITING_MOMENTS: usize = 4096;

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
    is_on: AtomicBool,
    tapes: Mutex<Tapes>,
    asked: Notify,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Tapes {
    /// Begins with the next opening of a session.
    asked: Option<mpsc::Sender<Moment>>,
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
        let (is_on, tapes, asked) = Default::default();
        Self(Arc::new(Slot { is_on, tapes, asked, clock }))
    }

    /// Records from the next opening of a session on, which the supervisor brings about at once.
    ///
    /// # Errors
    /// When somebody else does.
    pub fn record(&self) -> Result<Recording, AlreadyRecorded> {
        let mut tapes = self.tapes();
        let is_taken =
            |tape: &Option<mpsc::Sender<Moment>>| tape.as_ref().is_some_and(|tape| !tape.is_closed());
        if is_taken(&tapes.asked) || is_taken(&tapes.running) {
            return Err(AlreadyRecorded);
        }
        let (tape, moments) = mpsc::channel(WAITING_MOMENTS);
        tapes.asked = Some(tape);
        drop(tapes);
        self.0.asked.notify_one();
        Ok(Recording(moments))
    }

    /// Says what happened, now.
    pub fn put(&self, what: impl FnOnce() -> Happened) {
        if self.is_on() {
            self.put_at(self.0.clock.now(), what());
        }
    }

    /// Whether anybody records.
    pub fn is_on(&self) -> bool {
        self.0.is_on.load(Ordering::Relaxed)
    }

    /// What time it is by the clock whose time moments have.
    pub fn now(&self) -> Stamp {
        self.0.clock.now()
    }

    /// Says what happened at this moment. Never waits: a recording that falls behind is ended.
    pub fn put_at(&self, at: Stamp, what: Happened) {
        if !self.is_on() {
            return;
        }
        let mut tapes = self.tapes();
        let Some(tape) = &tapes.running else { return };
        // The last place is kept for saying why nothing follows.
        let is_last = tape.capacity() <= 1;
        let what = if is_last { Happened::Ended(TOO_SLOW.to_owned()) } else { what };
        if tape.try_send(Moment { at, what }).is_err() || is_last {
            tapes.running = None;
            self.0.is_on.store(false, Ordering::Relaxed);
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
        if let Some(tape) = tapes.asked.take() {
            tapes.running = Some(tape);
            self.0.is_on.store(true, Ordering::Relaxed);
        }
    }

    /// Ends the recording, because the reader is not read from any more.
    pub(crate) fn end(&self) {
        self.put(|| Happened::Ended("the reader was stopped or set differently".to_owned()));
        *self.tapes() = Tapes::default();
        self.0.is_on.store(false, Ordering::Relaxed);
    }

    /// The state is whole after every statement, so a panic elsewhere does not spoil it.
    fn tapes(&self) -> MutexGuard<'_, Tapes> {
        self.0.tapes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
        let mut recording = recorder.record().unwrap();
        assert_eq!(recorder.record().unwrap_err(), AlreadyRecorded);
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
        let mut recording = recorder.record().unwrap();
        recorder.begin();
        (0..2 * WAITING_MOMENTS).for_each(|_| recorder.put(|| received(1)));
        assert!(!recorder.is_on());
        let mut last = None;
        let mut count = 0;
        while let Some(moment) = recording.next().await {
            (last, count) = (Some(moment.what), count + 1);
        }
        assert_eq!((last, count), (Some(Happened::Ended(TOO_SLOW.to_owned())), WAITING_MOMENTS));
        assert!(recorder.record().is_ok(), "another may begin");
    }

    #[tokio::test]
    async fn one_who_has_gone_is_noticed() {
        let recorder = Recorder::default();
        drop(recorder.record().unwrap());
        recorder.begin();
        recorder.put(|| received(1));
        assert!(!recorder.is_on());
    }
}
