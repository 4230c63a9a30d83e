//! What comes from an instance without being asked for: reads, what the reader noticed besides, and
//! why an inventory ended, in the order in which it happened.
//!
//! Reads come through a ring, the rest as words beside it. What the reader noticed says how far the
//! ring had been filled then, and each batch says how much had been noticed before it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rfid_core::ReadBuf;
use tokio::sync::Notify;

use crate::message::{Fault, Noticed, ReaderEvent};
use crate::ring::{Refused, Taker};

/// What a reader may notice between two reads; more would be a flood.
const MOST_NOTICED: usize = 1_024;

/// What has come and was not yet looked at, and the bell that says so. The session has one end of it,
/// whoever hears the instance the other.
#[derive(Debug, Default)]
pub(crate) struct Unasked {
    noticed: Mutex<VecDeque<Noticed>>,
    /// How much has come, kept or not.
    heard: AtomicU64,
    /// How often the instance was asked to ring.
    asked: AtomicU64,
    /// How often it rang.
    rung: AtomicU64,
    bell: Notify,
}

impl Unasked {
    /// The reader noticed something.
    pub(crate) fn notice(&self, noticed: Noticed) {
        let mut all = self.lock();
        if all.len() < MOST_NOTICED {
            all.push_back(noticed);
        }
        self.heard.fetch_add(1, Ordering::Release);
        drop(all);
        self.bell.notify_one();
    }

    /// The instance says that it delivered something, or that it lives. Whether it was asked to.
    pub(crate) fn ring(&self) -> bool {
        let rung = self.rung.fetch_add(1, Ordering::AcqRel);
        self.bell.notify_one();
        rung < self.asked.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Noticed>> {
        self.noticed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The session's end.
#[derive(Debug)]
pub(crate) struct Incoming {
    ring: Taker,
    unasked: Arc<Unasked>,
    /// What was noticed and does not yet have its turn.
    noticed: VecDeque<Noticed>,
    heard: u64,
    rung: u64,
    /// Why the inventory ended, after the reads up to here.
    failed: Option<(Fault, u64)>,
}

/// What there was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Took {
    Reads,
    /// Nothing more will come: the inventory ended so.
    Failed(Fault),
    Nothing,
}

impl Incoming {
    pub(crate) fn new(ring: Taker, unasked: Arc<Unasked>) -> Self {
        Self { ring, unasked, noticed: VecDeque::new(), heard: 0, rung: 0, failed: None }
    }

    /// Takes what has its turn: what was noticed at first, then reads as far as they fit and nothing
    /// belongs between them.
    pub(crate) fn take(
        &mut self,
        buf: &mut ReadBuf,
        noticed: &mut Vec<ReaderEvent>,
    ) -> Result<Took, Refused> {
        // In this order: what is said of the ring is said after it was filled.
        self.hear();
        self.ring.look()?;
        while let Some(next) = self.noticed.pop_front_if(|next| self.ring.is_past(next.after)) {
            if noticed.len() < MOST_NOTICED {
                noticed.push(next.event);
            }
        }
        let until = self.noticed.front().map_or(u64::MAX, |next| next.after);
        if self.ring.take(buf, until, self.heard)? {
            return Ok(Took::Reads);
        }
        let failed = self.failed.take_if(|(_, after)| self.noticed.is_empty() && self.ring.is_past(*after));
        Ok(failed.map_or(Took::Nothing, |(fault, _)| Took::Failed(fault)))
    }

    /// Fetches what was noticed since.
    fn hear(&mut self) {
        if self.unasked.heard.load(Ordering::Acquire) == self.heard {
            return;
        }
        let mut all = self.unasked.lock();
        self.heard = self.unasked.heard.load(Ordering::Acquire);
        let room = MOST_NOTICED.saturating_sub(self.noticed.len());
        self.noticed.extend(all.drain(..).take(room));
    }

    /// The inventory ended, after the reads up to here.
    pub(crate) fn fail(&mut self, fault: Fault, after: u64) {
        self.failed = Some((fault, after));
    }

    /// Asks the instance to ring when there is something. It has to be looked once more whether
    /// there is.
    pub(crate) fn ask(&self) {
        self.unasked.asked.fetch_add(1, Ordering::AcqRel);
        self.ring.about_to_wait();
    }

    /// Whether the instance has rung since this was asked last.
    pub(crate) fn has_rung(&mut self) -> bool {
        let rung = self.unasked.rung.load(Ordering::Acquire);
        std::mem::replace(&mut self.rung, rung) != rung
    }

    /// Waits until it rings, or the reader has noticed something.
    ///
    /// *Cancel safety*: nothing is lost.
    pub(crate) async fn wait(&self) {
        self.unasked.bell.notified().await;
    }

    /// An inventory is about to begin: what there is of reads is of another one.
    pub(crate) fn discard_reads(&mut self) -> Result<(), Refused> {
        self.ring.discard()
    }

    /// An inventory has begun: how the last one ended is of no more interest.
    pub(crate) fn forget_end(&mut self) {
        self.failed = None;
    }

    /// A connection is about to be made: what was noticed on another one is of no more interest.
    pub(crate) fn forget_noticed(&mut self) {
        self.hear();
        self.noticed.clear();
    }

    /// Wakes the instance if it waits for room.
    pub(crate) fn wake_instance(&self) {
        self.ring.wake_instance();
    }
}

#[cfg(test)]
mod tests {
    use rfid_abi as abi;

    use super::*;
    use crate::ring::{Filler, Memory, fill};

    struct Both {
        filler: Filler,
        memory: Arc<Memory>,
        unasked: Arc<Unasked>,
        incoming: Incoming,
        next: u64,
    }

    impl Both {
        fn new() -> Self {
            let (_, memory) = Memory::new().unwrap();
            let (memory, unasked) = (Arc::new(memory), Arc::new(Unasked::default()));
            let incoming = Incoming::new(Taker::new(Arc::clone(&memory)), Arc::clone(&unasked));
            Self { filler: Filler::new(Arc::clone(&memory)), memory, unasked, incoming, next: 0 }
        }

        fn deliver(&mut self, reads: usize) {
            self.next += fill(&mut self.filler, self.next, reads, 0).unwrap();
        }

        /// The reader notices something, which is on its way.
        fn notice(&self, pin: u8) -> Noticed {
            let noticed =
                Noticed { event: ReaderEvent::Input { pin, high: true }, after: self.memory.published() };
            self.memory.note_said();
            noticed
        }

        /// Which reads come next, and the pins that were noticed before them.
        fn take(&mut self) -> (Took, usize, Vec<u8>) {
            let (mut buf, mut noticed) = (ReadBuf::with_capacity(1_000), Vec::new());
            let took = self.incoming.take(&mut buf, &mut noticed).unwrap();
            let pin = |event| match event {
                ReaderEvent::Input { pin, .. } => pin,
                _ => 0,
            };
            (took, buf.len(), noticed.into_iter().map(pin).collect())
        }
    }

    fn cut() -> Fault {
        Fault::new(abi::Status::IO, "cut")
    }

    #[test]
    fn what_was_noticed_stands_between_the_reads_around_it() {
        let mut both = Both::new();
        both.deliver(1);
        both.deliver(2);
        both.unasked.notice(both.notice(7));
        both.unasked.notice(both.notice(8));
        both.deliver(3);
        both.unasked.notice(both.notice(9));
        assert_eq!(both.take(), (Took::Reads, 3, vec![]));
        assert_eq!(both.take(), (Took::Reads, 3, vec![7, 8]));
        assert_eq!(both.take(), (Took::Nothing, 0, vec![9]));
    }

    #[test]
    fn reads_wait_for_what_was_noticed_before_them() {
        let mut both = Both::new();
        both.deliver(1);
        let noticed = both.notice(7);
        both.deliver(2);
        assert_eq!(both.take(), (Took::Reads, 1, vec![]));
        assert_eq!(both.take(), (Took::Nothing, 0, vec![]), "it is still on its way");
        both.unasked.notice(noticed);
        assert_eq!(both.take(), (Took::Reads, 2, vec![7]));
    }

    #[test]
    fn an_inventory_ends_after_its_last_read() {
        let mut both = Both::new();
        both.deliver(2);
        both.unasked.notice(both.notice(7));
        both.incoming.fail(cut(), both.memory.published());
        assert_eq!(both.take(), (Took::Reads, 2, vec![]));
        assert_eq!(both.take(), (Took::Failed(cut()), 0, vec![7]));
        assert_eq!(both.take(), (Took::Nothing, 0, vec![]), "it is said once");
    }

    #[test]
    fn nothing_of_one_inventory_is_left_for_the_next() {
        let mut both = Both::new();
        both.deliver(2);
        both.incoming.fail(cut(), both.memory.published());
        both.unasked.notice(both.notice(7));
        both.incoming.discard_reads().unwrap();
        both.incoming.forget_end();
        both.incoming.forget_noticed();
        assert_eq!(both.take(), (Took::Nothing, 0, vec![]));
        both.deliver(1);
        assert_eq!(both.take(), (Took::Reads, 1, vec![]));
    }

    #[test]
    fn what_is_said_of_places_where_nobody_was_holds_nothing_up() {
        let mut both = Both::new();
        both.unasked.notice(Noticed { after: u64::MAX, ..both.notice(7) });
        both.incoming.fail(cut(), u64::MAX);
        both.deliver(2);
        assert_eq!(both.take(), (Took::Reads, 2, vec![7]));
        assert_eq!(both.take().0, Took::Failed(cut()));
    }

    #[test]
    fn a_flood_of_what_was_noticed_is_cut_and_holds_nothing_up() {
        let mut both = Both::new();
        for _ in 0..2 * MOST_NOTICED {
            both.unasked.notice(both.notice(7));
        }
        both.deliver(1);
        let (took, _, pins) = both.take();
        assert_eq!((took, pins.len()), (Took::Reads, MOST_NOTICED));
    }

    #[test]
    fn nobody_rings_more_often_than_was_asked() {
        let mut both = Both::new();
        assert!(!both.unasked.ring());
        both.incoming.ask();
        both.incoming.ask();
        assert!(both.unasked.ring());
        assert!(!both.unasked.ring());
        assert!(both.incoming.has_rung());
        assert!(!both.incoming.has_rung());
    }
}
