//! The host's end of a ring.

use std::sync::Arc;

use rfid_abi as abi;
use rfid_core::{ReadBuf, RecordFault, TagRead};

use super::{HALF, Header, LENT_AUX, LENT_READS, Memory, SLOTS, Slot, next_lap, place, slots_of};

/// Records that are copied before they are looked at. By then they are in the cache: a look right
/// behind each would wait for its words to get there.
const AT_ONCE: usize = 32;

/// Copies out of a ring what an instance has published.
#[derive(Debug)]
pub(crate) struct Taker {
    memory: Arc<Memory>,
    /// Up to where it has been copied.
    at: u64,
    /// How far the instance had come when it was last looked at.
    published: u64,
    batch: Option<Batch>,
    /// The side area of that batch.
    aux: Vec<u8>,
}

/// The batch that is being copied.
#[derive(Clone, Copy, Debug)]
struct Batch {
    reads_left: usize,
    aux_slots: u64,
}

/// Why something in the ring was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The plugin delivered a record that is none; the rest of its batch is left out.
    NoRead(RecordFault),
    /// What our end never writes: the plugin meddles.
    Nonsense(String),
}

const _: () =
    assert!(size_of::<TagRead>() == size_of::<Slot>() && align_of::<TagRead>() == align_of::<Slot>());

impl Taker {
    /// The end of a ring that is new.
    pub(crate) fn new(memory: Arc<Memory>) -> Self {
        Self { memory, at: 0, published: 0, batch: None, aux: Vec::new() }
    }

    /// Whether everything before this cursor has been taken. A cursor to which the instance has not
    /// even come is none.
    pub(crate) fn is_past(&self, cursor: u64) -> bool {
        cursor <= self.at || cursor > self.published
    }

    /// Looks how far the instance has come.
    pub(crate) fn look(&mut self) -> Result<(), Refused> {
        let published = self.memory.published();
        let restart = self.memory.restart();
        if self.batch.is_none() && restart > self.at && restart <= published {
            self.at = restart;
        }
        let is_possible = published >= self.published && published.wrapping_sub(self.at) <= SLOTS;
        if !is_possible {
            return Err(Refused::Nonsense(format!("reads up to {published} where {} were taken", self.at)));
        }
        self.published = published;
        Ok(())
    }

    /// Copies what had been published at the last look as far as it fits, and no batch from `until`
    /// on, nor one before which more was noticed than has been `heard`. Whether anything was there.
    pub(crate) fn take(&mut self, buf: &mut ReadBuf, until: u64, heard: u64) -> Result<bool, Refused> {
        let (at, before) = (self.at, (buf.len(), buf.lost()));
        let outcome = self.copy(buf, until, heard);
        if self.at != at {
            self.give_back();
        }
        outcome.map(|()| (buf.len(), buf.lost()) != before)
    }

    fn copy(&mut self, buf: &mut ReadBuf, until: u64, heard: u64) -> Result<(), Refused> {
        while !buf.is_full() {
            let Some(batch) = self.batch else {
                if self.at < self.published.min(until) && self.begin_batch(buf, heard)? {
                    continue;
                }
                break;
            };
            let reads = batch.reads_left.min(buf.remaining());
            let outcome = self.copy_reads(reads, buf);
            let is_over = reads == batch.reads_left || outcome.is_err();
            let left = batch.reads_left - reads;
            self.at += if is_over { batch.reads_left as u64 + batch.aux_slots } else { reads as u64 };
            self.batch = (!is_over).then_some(Batch { reads_left: left, ..batch });
            outcome.map_err(Refused::NoRead)?;
        }
        Ok(())
    }

    /// Looks at the next header. Nothing is begun before all has been heard that belongs before it.
    fn begin_batch(&mut self, buf: &mut ReadBuf, heard: u64) -> Result<bool, Refused> {
        let slot = self.memory.copy_of(self.at);
        let there = self.published - self.at;
        let (reads, aux_len, lost, said) = match Header::from_slot(slot) {
            Some(Header::Batch { reads, aux_len, lost, said }) => {
                (reads as usize, aux_len as usize, lost, said)
            }
            Some(Header::EndOfLap) if next_lap(self.at) <= self.published => {
                self.at = next_lap(self.at);
                return Ok(true);
            }
            _ => return Err(Refused::Nonsense(format!("no batch at {}", self.at))),
        };
        let aux_slots = slots_of(aux_len);
        let slots = 1 + reads as u64 + aux_slots;
        if reads > LENT_READS || aux_len > LENT_AUX || slots > there || place(self.at) + slots > SLOTS {
            return Err(Refused::Nonsense(format!(
                "a batch of {reads} reads and {aux_len} bytes at {}",
                self.at
            )));
        }
        if said > heard {
            return Ok(false);
        }
        self.aux.clear();
        let beside = self.at + 1 + reads as u64;
        for cursor in beside..beside + aux_slots {
            let Slot(words) = self.memory.copy_of(cursor);
            words.iter().for_each(|word| self.aux.extend_from_slice(&word.to_ne_bytes()));
        }
        self.aux.truncate(aux_len);
        buf.add_lost(lost);
        self.at += 1;
        self.batch = Some(Batch { reads_left: reads, aux_slots });
        Ok(true)
    }

    /// Copies so many records from here on.
    fn copy_reads(&self, reads: usize, buf: &mut ReadBuf) -> Result<(), RecordFault> {
        let mut copies = [Slot::default(); AT_ONCE];
        let mut cursors = self.at..self.at + reads as u64;
        while !cursors.is_empty() {
            let mut copied = 0;
            for (copy, cursor) in copies.iter_mut().zip(&mut cursors) {
                *copy = self.memory.copy_of(cursor);
                copied += 1;
            }
            for copy in copies.iter().take(copied) {
                let (ours, theirs) = as_records(copy);
                let long_id = match theirs.id_len {
                    0 => Some(long_id(theirs, &self.aux).ok_or(RecordFault::NoId)?),
                    _ => None,
                };
                buf.push_read(ours, long_id)?;
            }
        }
        Ok(())
    }

    /// Says how far it has come, and wakes an instance that waits for that.
    fn give_back(&self) {
        self.memory.set_taken(self.at);
        if self.memory.does_instance_wait() && SLOTS - (self.published - self.at) >= HALF {
            self.memory.wake_instance();
        }
    }

    /// Leaves out what has been published so far.
    pub(crate) fn discard(&mut self) -> Result<(), Refused> {
        self.batch = None;
        self.look()?;
        self.at = self.published;
        self.give_back();
        Ok(())
    }

    /// Looks at the signals of one batch where it lies, takes it for taken, and returns how many reads
    /// it had and the strongest signal: what reads cost before they are copied.
    #[cfg(feature = "boundary")]
    pub(crate) fn pass_over(&mut self) -> Result<(u64, i16), Refused> {
        self.look()?;
        let records = self.at + 1..self.published;
        let reads = records.end.saturating_sub(records.start);
        let strongest = records.map(|cursor| self.memory.rssi_at(cursor)).max();
        self.at = self.published;
        self.give_back();
        Ok((reads, strongest.unwrap_or(i16::MIN)))
    }

    /// Says that the host is about to wait to be told of reads. It has to look once more whether it
    /// must.
    pub(crate) fn about_to_wait(&self) {
        self.memory.host_waits();
    }

    /// Wakes the instance if it waits for room.
    pub(crate) fn wake_instance(&self) {
        self.memory.wake_instance();
    }
}

/// A copy as the framework's record and as that of the interface, which have the same layout.
fn as_records(copy: &Slot) -> (&TagRead, &abi::TagRead) {
    let copy = std::ptr::from_ref(copy);
    // SAFETY: both have only numbers, without padding, so each is there for any bytes; the copy is as
    // long and aligned for both.
    unsafe { (&*copy.cast(), &*copy.cast()) }
}

/// The id of a record that does not hold it, from the side area.
fn long_id<'a>(read: &abi::TagRead, aux: &'a [u8]) -> Option<&'a [u8]> {
    let at = read.aux_off as usize;
    let mut items = aux.get(at..at.checked_add(read.aux_len.into())?)?;
    while let Some((kind, rest)) = items.split_first_chunk::<2>() {
        let (len, rest) = rest.split_first_chunk::<2>()?;
        let (item, rest) = rest.split_at_checked(u16::from_ne_bytes(*len).into())?;
        if u16::from_ne_bytes(*kind) == abi::AUX_ID {
            return Some(item);
        }
        items = rest;
    }
    None
}
