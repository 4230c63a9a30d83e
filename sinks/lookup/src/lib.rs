//! From a tag to its record: the sink `lookup`.
//!
//! A [`Directory`] is the port: whoever knows tags implements it. [`SledDirectory`] is the plain
//! embedded table, filled by [`import`]. [`LookupSink`] asks once for each batch of events and
//! adds what was found.
#![forbid(unsafe_code)]

mod cache;
mod directory;
pub mod import;
mod sink;

pub use directory::{Directory, SledDirectory};
pub use sink::{LookupCounters, LookupKind, LookupSink};
