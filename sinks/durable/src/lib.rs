//! sled 0.34 made durable: the embedded store that sinks and the daemon stand on.
//!
//! sled is fast enough by two orders of magnitude and survives being killed, but on Linux its
//! `flush` does not survive a power cut, large batches make it take gigabytes, a value keeps no
//! checksum, and a damaged file makes it panic. [`Store`] puts right what can be put right from
//! outside:
//!
//! * a commit returns when it is synced to the disk by `fdatasync` on the database's own file,
//!   and whatever waits meanwhile shares the sync;
//! * never more than 64 KiB are written between two syncs, never more than a hundred records in
//!   one batch, and no value is larger than 64 KiB;
//! * each value carries a version and a CRC-32 over its key and itself; one that does not fit
//!   is treated as missing and counted;
//! * one thread owns the database, so nothing blocks the async runtime;
//! * a database that cannot be opened is set aside, never deleted, and a fresh one begun;
//! * room of 4 MiB is kept in the database's folder and given up to open it on a full disk; when
//!   that is used up, too, what is in it is read from a copy in memory;
//! * after an error of the disk the database is opened anew before it is trusted again.
//!
//! What must not be lost and cannot be fetched again belongs into a ledger of its own beside it.
#![forbid(unsafe_code)]

mod batch;
mod borrowed;
mod database;
mod reserve;
mod store;
mod stores;
mod value;

pub use batch::Batch;
pub use store::{Health, Store};
pub use stores::Stores;
