//! What must not be lost: append-only segment files.
//!
//! A [`Ledger`] gives everything that is appended a number. Numbers begin at 1 and have no gaps:
//! each up to the highest has content or is covered by a [`Gap`] that says how many are missing
//! and why. An append returns when it is on the disk (`fdatasync`), and whatever waits meanwhile
//! shares the sync.
//!
//! A [`Queue`] is the same with an end that is taken off: first in, first out, durable.
//!
//! What a crash or a disk may do, and what becomes of it:
//!
//! * A write that was interrupted is no record and was never acknowledged. Nothing is ever cut
//!   off or written over: the next record goes into a new segment.
//! * After a write or sync that failed, nobody knows what is in the file. It is not touched again;
//!   a new segment begins with the number behind the last acknowledged one, and a reader takes of
//!   each segment only what lies before the beginning of the next.
//! * A damaged record is named, with its bytes and its number; the others of its segment stay
//!   readable.
//! * On a full disk a reserve of 16 MiB is given up first, and opening needs no room at all.
//! * Two processes cannot open the same folder.
//!
//! The bytes are described in `record.rs`. Files of a newer format are refused and left alone.
#![forbid(unsafe_code)]

#[cfg(test)]
mod faulty_disk;
mod files;
mod gap;
mod ledger;
mod owner;
mod queue;
#[cfg(test)]
mod queue_tests;
mod reader;
mod record;
mod recovery;
mod reserve;
mod scan;
mod segments;
mod status;
mod verify;
mod writer;
#[cfg(test)]
mod writer_tests;

pub use gap::Gap;
pub use ledger::{Appended, Ledger, LedgerSettings, NewRecord};
pub use owner::is_in_use;
pub use queue::{Queue, QueueSettings};
pub use reader::{Content, Damage, Entry, Reader, identity, last_number};
pub use record::ContentId;
pub use segments::{SegmentHead, segment_heads};
pub use status::LedgerStatus;
pub use verify::{Fault, Report, verify};
