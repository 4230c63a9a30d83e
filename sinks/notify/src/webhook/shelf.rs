//! What waits: on the disk, and in memory while the disk refuses.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rfid_core::ErrorKind;
use tokio::time::Instant;

use super::marks::Marks;
use super::outbox::{OpenOutbox, Outbox};
use super::status::WebhookStatus;

/// Notices kept in memory at most while the disk refuses them.
const MOST_IN_MEMORY: usize = 10_000;
/// Bytes of them at most.
const MOST_MEMORY_BYTES: usize = 64 * 1024 * 1024;
/// Notices written with one call at most, and bytes of them, since a call is taken whole or not.
const MOST_AT_ONCE: usize = 1_000;
const MOST_BYTES_AT_ONCE: usize = 512 * 1024;
/// How often a disk that refuses is asked again.
const DISK_WAIT: Duration = Duration::from_secs(2);

/// A record as it was kept, and its number in the outbox if it came from there.
pub(crate) type Loaded = (Option<u64>, Vec<u8>);

/// How writing what is in memory ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Everything is on the disk, or will be tried again later.
    Enough,
    /// The outbox is full: the oldest must go first.
    Full,
}

/// The outbox, what is in memory before it, and up to where it is done.
pub(crate) struct Shelf {
    opener: Box<dyn OpenOutbox>,
    outbox: Option<Box<dyn Outbox>>,
    marks: Marks,
    memory: VecDeque<Vec<u8>>,
    memory_bytes: usize,
    /// Notices handed out from memory that are not finished.
    in_hand: u64,
    may_have_more: bool,
    /// The disk refused to open or to write, and is asked again then. Reading goes on: what is on a
    /// full disk can be sent, and nothing else gives it room.
    ask_at: Option<Instant>,
    /// The disk refused to read, and is asked again then.
    read_at: Option<Instant>,
    is_troubled: bool,
    status: Arc<WebhookStatus>,
}

impl Shelf {
    pub(crate) fn new(opener: Box<dyn OpenOutbox>, status: Arc<WebhookStatus>) -> Self {
        Self {
            opener,
            outbox: None,
            marks: Marks::default(),
            memory: VecDeque::new(),
            memory_bytes: 0,
            in_hand: 0,
            may_have_more: true,
            ask_at: None,
            read_at: None,
            is_troubled: false,
            status,
        }
    }

    /// Opens the outbox if it is not open and may be asked.
    pub(crate) async fn open(&mut self, now: Instant) {
        for at in [&mut self.ask_at, &mut self.read_at] {
            if at.is_some_and(|at| at <= now) {
                *at = None;
            }
        }
        if self.outbox.is_some() || self.is_resting() {
            return;
        }
        match self.opener.open().await {
            Ok(outbox) => {
                self.outbox = Some(outbox);
                self.well();
            }
            Err(error) => self.trouble(&error, now),
        }
    }

    /// Takes records over. What finds room neither on the disk nor in memory is counted as dropped
    /// by [`Shelf::drop_excess`], once nothing more can be done for it.
    pub(crate) fn keep(&mut self, records: impl IntoIterator<Item = Vec<u8>>) {
        for record in records {
            self.memory_bytes += record.len();
            self.memory.push_back(record);
        }
    }

    /// Writes to the disk what is in memory.
    pub(crate) async fn flush(&mut self, now: Instant) -> Flushed {
        while !self.memory.is_empty() {
            let Some(outbox) = self.outbox.as_ref().filter(|_| self.ask_at.is_none()) else { break };
            let mut bytes = 0;
            let fits = |record: &&Vec<u8>| {
                let is_first = bytes == 0;
                bytes += record.len();
                is_first || bytes <= MOST_BYTES_AT_ONCE
            };
            let some: Vec<Vec<u8>> =
                self.memory.iter().take(MOST_AT_ONCE).take_while(fits).cloned().collect();
            let count = some.len();
            match outbox.push(some).await {
                Ok(()) => {
                    self.forget_oldest(count);
                    self.may_have_more = true;
                    self.well();
                }
                Err(error) if error.kind() == ErrorKind::Busy => return Flushed::Full,
                Err(error) => self.trouble(&error, now),
            }
        }
        Flushed::Enough
    }

    /// Drops the latest of what memory has no room for, and counts it.
    pub(crate) fn drop_excess(&mut self) -> u64 {
        let mut dropped = 0;
        while self.memory.len() > MOST_IN_MEMORY || self.memory_bytes > MOST_MEMORY_BYTES {
            let Some(record) = self.memory.pop_back() else { break };
            self.memory_bytes -= record.len();
            dropped += 1;
        }
        dropped
    }

    /// The next records that nobody has in hand, oldest first.
    ///
    /// What is in memory is handed out only while the disk refuses it, and never before what is on
    /// the disk: the order of a tag's notices goes before their promptness.
    pub(crate) async fn load(&mut self, limit: usize, now: Instant) -> Vec<Loaded> {
        let mut loaded = Vec::new();
        let Some(outbox) = self.outbox.as_ref().filter(|_| limit > 0) else { return loaded };
        if self.may_have_more && self.read_at.is_none() {
            match outbox.peek_after(self.marks.taken(), limit).await {
                Ok(records) => {
                    self.may_have_more = !records.is_empty();
                    for (number, record) in records {
                        self.marks.take(number);
                        loaded.push((Some(number), record));
                    }
                    self.well();
                }
                Err(error) => {
                    self.read_at = Some(now + DISK_WAIT);
                    self.is_troubled = true;
                    let trouble = format!("the outbox cannot be read, so its notices wait: {error:#}");
                    self.status.set_outbox_trouble(Some(trouble));
                }
            }
        }
        if loaded.is_empty() && !self.may_have_more && self.is_resting() {
            while loaded.len() < limit
                && let Some(record) = self.memory.pop_front()
            {
                self.memory_bytes -= record.len();
                self.in_hand += 1;
                loaded.push((None, record));
            }
        }
        loaded
    }

    /// A record that was handed out is finished.
    pub(crate) fn finish(&mut self, number: Option<u64>) {
        match number {
            Some(number) => self.marks.finish(number),
            None => self.in_hand = self.in_hand.saturating_sub(1),
        }
    }

    /// Tells the outbox up to where it is done.
    pub(crate) async fn tell_done(&mut self, now: Instant) {
        let (Some(outbox), Some(number)) = (&self.outbox, self.marks.news()) else { return };
        if self.is_resting() {
            return;
        }
        match outbox.done(number).await {
            Ok(()) => {
                self.marks.told(number);
                self.well();
            }
            Err(error) => self.trouble(&error, now),
        }
    }

    /// When there is something to be done for the disk.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        [self.ask_at, self.read_at].into_iter().flatten().min()
    }

    /// Lets the disk be asked although it refused a moment ago: what has just come is worth a try.
    pub(crate) fn ask_at_once(&mut self) {
        self.ask_at = None;
    }

    /// The outbox is full and nothing can go just now.
    pub(crate) fn stay_full(&mut self, now: Instant) {
        self.ask_at = Some(now + DISK_WAIT);
        self.is_troubled = true;
        let trouble = "the outbox is full, and its oldest notices cannot go yet; notices are kept in memory";
        self.status.set_outbox_trouble(Some(trouble.to_owned()));
    }

    /// Takes back what was handed out from memory.
    pub(crate) fn take_back(&mut self, in_hand: Vec<Vec<u8>>) {
        for record in in_hand.into_iter().rev() {
            self.memory_bytes += record.len();
            self.memory.push_front(record);
        }
        self.in_hand = 0;
    }

    /// Writes waiting notices into the status.
    pub(crate) fn count(&self) {
        use std::sync::atomic::Ordering::Relaxed;
        let (on_disk, bytes) = self.outbox.as_ref().map_or((0, 0), |outbox| (outbox.len(), outbox.bytes()));
        let on_disk = on_disk.saturating_sub(self.marks.finished_early());
        self.status.waiting.store(on_disk + self.memory.len() as u64 + self.in_hand, Relaxed);
        self.status.waiting_bytes.store(bytes + self.memory_bytes as u64, Relaxed);
    }

    /// Ends the outbox. Returns how many notices are lost with this process.
    pub(crate) async fn close(self) -> u64 {
        if let Some(outbox) = &self.outbox {
            outbox.close().await;
        }
        self.memory.len() as u64
    }

    fn forget_oldest(&mut self, count: usize) {
        for record in self.memory.drain(..count.min(self.memory.len())) {
            self.memory_bytes -= record.len();
        }
    }

    fn is_resting(&self) -> bool {
        self.ask_at.is_some()
    }

    /// The outbox did something; while it refuses something else or notices are kept in memory, that
    /// is not enough.
    fn well(&mut self) {
        let refuses = self.ask_at.is_some() || self.read_at.is_some();
        if self.is_troubled && !refuses && self.memory.is_empty() {
            self.is_troubled = false;
            self.status.set_outbox_trouble(None);
        }
    }

    fn trouble(&mut self, error: &rfid_core::Error, now: Instant) {
        self.ask_at = Some(now + DISK_WAIT);
        self.is_troubled = true;
        let trouble = format!("the outbox fails, so notices are kept in memory: {error:#}");
        self.status.set_outbox_trouble(Some(trouble));
    }
}
