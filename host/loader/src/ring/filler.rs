//! The instance's end of a ring.

use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use rfid_abi as abi;

use super::{BEGINNING, HALF, Header, LENT_AUX, LENT_READS, Memory, PIECE, SLOTS, next_lap, place, slots_of};

/// Lends pieces of a ring and publishes what was written there.
#[derive(Debug)]
pub(crate) struct Filler {
    memory: Arc<Memory>,
    /// Where the next batch begins.
    at: u64,
    /// How far the host had come when it was last looked at.
    taken: u64,
}

/// Room for [`LENT_READS`] records and [`LENT_AUX`] bytes beside them, until it is published.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) reads: NonNull<abi::TagRead>,
    pub(crate) aux: NonNull<u8>,
}

impl Filler {
    /// The end of a ring that is new.
    pub(crate) fn new(memory: Arc<Memory>) -> Self {
        Self { memory, at: 0, taken: 0 }
    }

    /// How far it has published.
    pub(crate) fn published(&self) -> u64 {
        self.memory.published()
    }

    /// Whether a piece is free.
    pub(crate) fn has_room(&mut self) -> bool {
        if place(self.at) >= BEGINNING || !self.fits() {
            self.look();
        }
        self.fits()
    }

    /// Whether so much is free that it is worth going on.
    pub(crate) fn has_half(&mut self) -> bool {
        self.look();
        self.free() >= HALF
    }

    /// Looks how far the host has come; a plugin may have written over that.
    fn look(&mut self) {
        let taken = self.memory.taken();
        if (self.taken..=self.at).contains(&taken) {
            self.taken = taken;
        }
        if self.taken == self.at && place(self.at) >= BEGINNING {
            self.at = next_lap(self.at);
            self.taken = self.at;
            self.memory.set_restart(self.at);
        }
    }

    fn free(&self) -> u64 {
        SLOTS.saturating_sub(self.at - self.taken)
    }

    /// Slots until the ring's end.
    fn left_of_lap(&self) -> u64 {
        SLOTS - place(self.at)
    }

    fn fits(&self) -> bool {
        let left_out = if self.left_of_lap() < PIECE { self.left_of_lap() } else { 0 };
        self.free() >= left_out + PIECE
    }

    /// A piece to write to. Nothing while none is free.
    pub(crate) fn room(&mut self) -> Option<Room> {
        if !self.has_room() {
            return None;
        }
        if self.left_of_lap() < PIECE {
            self.memory.put(self.at, Header::EndOfLap.to_slot());
            self.at = next_lap(self.at);
        }
        let reads = self.memory.slot(self.at + 1).cast();
        Some(Room { reads, aux: self.memory.slot(self.at + 1 + LENT_READS as u64) })
    }

    /// Publishes what was written to the room given last: as many reads and bytes of the side area,
    /// of which there are no more than were lent.
    pub(crate) fn publish(&mut self, reads: usize, aux_len: usize, lost: u64) {
        if reads == 0 && lost == 0 {
            return;
        }
        let (reads, aux_len) = (reads.min(LENT_READS) as u64, aux_len.min(LENT_AUX));
        if aux_len > 0 {
            let from = self.memory.slot(self.at + 1 + LENT_READS as u64);
            let behind = self.memory.slot(self.at + 1 + reads);
            // SAFETY: both within the piece, which is this end's until it is published.
            unsafe { from.copy_to(behind, aux_len) };
        }
        let said = self.memory.said();
        let header = Header::Batch { reads: reads as u32, aux_len: aux_len as u32, lost, said };
        self.memory.put(self.at, header.to_slot());
        self.at += 1 + reads + slots_of(aux_len);
        self.memory.publish(self.at);
    }

    /// Whether the host is to be told that there is something, or that the instance lives.
    pub(crate) fn is_host_to_be_told(&self) -> bool {
        self.memory.is_host_to_be_told()
    }

    /// Says that the instance is about to wait. It has to look once more whether it must.
    pub(crate) fn about_to_wait(&self) {
        self.memory.instance_waits();
    }

    /// Waits for half of the ring, for another reason to go on, or for so long.
    pub(crate) fn wait(&self, limit: Duration) {
        self.memory.wait(limit);
    }
}
