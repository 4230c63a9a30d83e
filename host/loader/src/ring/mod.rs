//! The way of tag reads from an instance to the host: a ring in memory that both have mapped.
//!
//! The thread of the instance lends a free piece of it to the plugin ([`Filler`]); the session copies
//! out what was published ([`Taker`]). It is the same wherever the instance lives. Neither end waits
//! for the other in here: a flag says who sleeps, and only a sleeper is woken.
//!
//! The ring has slots of 64 bytes. A batch is a header, its records, and what of the side area they
//! need, one after another; it never goes over the ring's end, for which a header of its own stands
//! where no piece fits any more. Cursors count slots for ever; what a cursor stands at is its
//! remainder. An instance that finds the ring empty goes on at its beginning, so that one that
//! delivers little touches little memory.
//!
//! The instance's end can be written by its plugin, and the host's end takes everything there for
//! hostile: cursors and headers are held against the ring, and a record is judged only when it has
//! been copied. Each end goes by its own copy of what it wrote.

mod filler;
mod memory;
mod taker;

#[cfg(test)]
mod tests;

use rfid_abi as abi;

pub(crate) use filler::{Filler, Room};
pub(crate) use memory::Memory;
pub(crate) use taker::{Refused, Taker};
#[cfg(test)]
pub(crate) use tests::fill;

/// Reads lent at once.
pub(crate) const LENT_READS: usize = 256;
/// Bytes of the side area lent with them.
pub(crate) const LENT_AUX: usize = 16 * 1024;

/// Bytes of a slot.
const SLOT: usize = size_of::<abi::TagRead>();
/// Slots of the ring: 256 KiB.
const SLOTS: u64 = 4_096;
/// Slots of what is lent at once: a header, records, and the side area behind them.
const PIECE: u64 = 1 + LENT_READS as u64 + slots_of(LENT_AUX);
/// Slots at the beginning to which an instance goes back as soon as the ring is empty: a page.
const BEGINNING: u64 = 64;
/// Free slots at which an instance that waits for room is woken.
const HALF: u64 = SLOTS / 2;

/// A copy of a slot, aligned as the framework's records are.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
struct Slot([u64; 8]);

const _: () = assert!(size_of::<Slot>() == SLOT && HALF >= 2 * PIECE);

/// What stands before records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Header {
    Batch {
        reads: u32,
        aux_len: u32,
        /// Reads that are known to have been lost before these.
        lost: u64,
        /// What the reader had noticed until then, in number: it comes before these reads.
        said: u64,
    },
    /// The ring goes on at its beginning.
    EndOfLap,
}

const BATCH: u64 = 1;
const END_OF_LAP: u64 = 2;

impl Header {
    fn to_slot(self) -> Slot {
        match self {
            Self::Batch { reads, aux_len, lost, said } => {
                Slot([BATCH, u64::from(reads) << 32 | u64::from(aux_len), lost, said, 0, 0, 0, 0])
            }
            Self::EndOfLap => Slot([END_OF_LAP, 0, 0, 0, 0, 0, 0, 0]),
        }
    }

    fn from_slot(slot: Slot) -> Option<Self> {
        let Slot([kind, lens, lost, said, ..]) = slot;
        match kind {
            BATCH => Some(Self::Batch { reads: (lens >> 32) as u32, aux_len: lens as u32, lost, said }),
            END_OF_LAP => Some(Self::EndOfLap),
            _ => None,
        }
    }
}

/// Slots that so many bytes take.
const fn slots_of(bytes: usize) -> u64 {
    bytes.div_ceil(SLOT) as u64
}

/// Where in the ring a cursor stands.
const fn place(cursor: u64) -> u64 {
    cursor % SLOTS
}

/// The beginning of the ring after this cursor.
const fn next_lap(cursor: u64) -> u64 {
    (cursor / SLOTS + 1).saturating_mul(SLOTS)
}
