//! What carries batches from a session to the pipelines.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::{broadcast, watch};

use super::{PORTS, ReaderCounters, TAPPED_BATCHES};
use crate::abilities::PinLevel;
use crate::clock::{Clock, Stamp};
use crate::driver::{ReadHandler, ReaderInfo};
use crate::listening::Listening;
use crate::name::Name;
use crate::pipeline::Outlet;
use crate::read_buf::{Noticed, ReadBuf};
use crate::recording::{Happened, Kept, Recorder};
use crate::tag_read::TagRead;

/// Where a reader's batches go. Can be changed while the reader reads: a batch goes wholly to the
/// outlets of before or wholly to those of after.
#[derive(Debug)]
pub(super) struct Shared {
    attached: Mutex<Attached>,
    /// Made with the first who listens: of a thousand readers hardly any is ever listened to.
    tap: OnceLock<broadcast::Sender<Arc<ReadBuf>>>,
}

#[derive(Debug)]
struct Attached {
    outlets: Vec<Outlet>,
    listening: Listening,
}

impl Shared {
    pub(super) fn new(outlets: Vec<Outlet>) -> Self {
        let attached = Attached { outlets, listening: Listening::None };
        Self { attached: Mutex::new(attached), tap: OnceLock::new() }
    }

    /// Replaces the outlets and tells the new ones which antennas are listening.
    pub(super) fn attach(&self, outlets: Vec<Outlet>, now: Stamp) {
        let mut attached = self.lock();
        for outlet in &outlets {
            outlet.set_listening(attached.listening.clone(), now);
        }
        attached.outlets = outlets;
    }

    pub(super) fn listening(&self) -> Listening {
        self.lock().listening.clone()
    }

    pub(super) fn tap(&self) -> broadcast::Receiver<Arc<ReadBuf>> {
        self.tap.get_or_init(|| broadcast::Sender::new(TAPPED_BATCHES)).subscribe()
    }

    fn set_listening(&self, listening: Listening, at: Stamp) {
        let mut attached = self.lock();
        for outlet in &attached.outlets {
            outlet.set_listening(listening.clone(), at);
        }
        attached.listening = listening;
    }

    /// Gives the batch to all outlets; whether one of them should have its turn now.
    fn hand_over(&self, batch: &ReadBuf) -> bool {
        if let Some(tap) = self.tap.get().filter(|tap| tap.receiver_count() > 0 && !batch.is_empty()) {
            let mut copy = ReadBuf::with_capacity(batch.len());
            copy.copy_from(batch);
            // Whoever listened may be gone by now.
            let _ = tap.send(Arc::new(copy));
        }
        self.lock().outlets.iter().fold(false, |is_ahead, outlet| outlet.put(batch) | is_ahead)
    }

    /// The state is whole after every statement, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Attached> {
        self.attached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries batches from a session to the pipelines.
pub(super) struct Lane {
    pub(super) buffer: ReadBuf,
    pub(super) shared: Arc<Shared>,
    pub(super) life: Arc<Mutex<Stamp>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) counters: Arc<ReaderCounters>,
    pub(super) name: Name,
    pub(super) inputs: watch::Sender<Vec<PinLevel>>,
    pub(super) is_ahead: bool,
    pub(super) recorder: Recorder,
}

impl Lane {
    pub(super) fn sign_of_life(&self) -> Stamp {
        let now = self.clock.now();
        *self.life.lock().unwrap_or_else(PoisonError::into_inner) = now;
        now
    }

    /// Hands on what an interrupted read left behind and says that nobody listens any more.
    pub(super) fn interrupt(&mut self) {
        let last_life = *self.life.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.buffer.is_empty() {
            self.filled();
        }
        self.went_down(last_life);
        self.set_listening(Listening::None, last_life);
    }

    /// The session is over or could not be opened, and nobody has listened since.
    pub(super) fn went_down(&self, since: Stamp) {
        self.recorder.note_at(self.clock.now(), |_| Happened::Down { since });
    }

    /// The inventory of this reader runs.
    pub(super) fn came_up(&self, info: &ReaderInfo) -> Stamp {
        let listening = match info.antenna_ports.as_slice() {
            [] => Listening::All,
            ports => Listening::Ports(ports.to_vec()),
        };
        let now = self.sign_of_life();
        self.recorder.note_at(now, |kept| match kept {
            Kept::Bytes => {
                Happened::Up { capacity: u32::try_from(self.buffer.capacity()).unwrap_or(u32::MAX) }
            }
            Kept::Delivered => Happened::Reading(Box::new(info.clone())),
        });
        self.set_listening(listening, now);
        now
    }

    fn set_listening(&self, listening: Listening, at: Stamp) {
        self.shared.set_listening(listening, at);
    }

    /// Takes note of what a session noticed besides tags.
    fn notice(&mut self, noticed: Noticed, at: Stamp) {
        if let Some(listening) = noticed.listening {
            tracing::warn!(reader = %self.name, now = ?listening, "other antennas are listening");
            self.set_listening(listening, noticed.listening_since.unwrap_or(at));
        }
        if let Some(inputs) = noticed.inputs {
            for level in inputs.iter().filter(|level| !self.inputs.borrow().contains(level)) {
                tracing::info!(reader = %self.name, pin = level.pin, high = level.high, "input");
            }
            self.inputs.send_replace(inputs);
        }
    }

    fn count(&self) {
        self.counters.lost.fetch_add(self.buffer.lost(), Ordering::Relaxed);
        if self.buffer.is_empty() {
            return;
        }
        self.counters.reads.fetch_add(self.buffer.len() as u64, Ordering::Relaxed);
        self.counters.batches.fetch_add(1, Ordering::Relaxed);
        // Antennas take turns, so a batch has few runs of one port.
        for run in self.buffer.reads().chunk_by(|one, next| one.antenna_port() == next.antenna_port()) {
            let port = run.first().and_then(TagRead::antenna_port).map_or(0, usize::from);
            if let Some(total) = self.counters.by_port.get(port.min(PORTS - 1)) {
                total.fetch_add(run.len() as u64, Ordering::Relaxed);
            }
        }
    }
}

impl ReadHandler for Lane {
    fn buffer(&mut self) -> &mut ReadBuf {
        &mut self.buffer
    }

    fn filled(&mut self) {
        let now = self.sign_of_life();
        self.buffer.set_received(now);
        self.recorder.note_at(now, |kept| match kept {
            Kept::Bytes => Happened::Read { reads: u32::try_from(self.buffer.len()).unwrap_or(u32::MAX) },
            Kept::Delivered => Happened::Delivered(Box::new(self.buffer.clone())),
        });
        if let Some(noticed) = self.buffer.take_noticed() {
            self.notice(noticed, now);
        }
        self.count();
        self.is_ahead = self.shared.hand_over(&self.buffer);
        self.buffer.clear();
    }

    fn is_ahead(&self) -> bool {
        self.is_ahead
    }
}
