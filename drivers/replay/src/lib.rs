//! Plays back what a reader sent, as a reader in any pipeline.
//!
//! `rfid-host record` keeps the bytes that pass between a driver and its reader, each piece with
//! its time, and when the host took reads from the driver ([`mod@format`]). The driver `replay` plays
//! such a recording to the driver that made it: it decodes the same bytes in the same pieces,
//! and each batch is handed over at its moment, at the speed that the configuration asks for. A
//! driver that says something else than it said then is told where the two part.
//!
//! Of a driver that keeps its bytes to itself, one of a plugin or of a pad, a recording has what the
//! driver delivered instead: its batches, what it noticed of antennas and inputs, and when it came and
//! went. They are handed over as they are, without a driver.
//!
//! **The same events.** In a host whose supervisors and pipelines live by the clock of
//! [`Replay::play_together`], a recording and the configuration that it was made with give the
//! same events with the same times and ids, at any speed and as often as it is played. Zones come
//! from the configuration, what the driver was told when it was recorded from the recording.
//! Outages are played as well: nobody departs because nobody listened. At the end of the recording
//! its reader stays open and is not listened to, and its time stands still: who was inside then
//! stays inside.
//!
//! **Several recordings** in one host are played together, in the order of their moments, also if
//! different hosts made them; the first moment of each is taken from its wall clock, what lies
//! between from its monotonic one. The slowest speed counts.
//!
//! **Options.** `file`, and `speed` (1 if left out).
//!
//! **Limits.** Bytes are recorded of who speaks over [`rfid_driver_link::recorded`], which no pad does
//! and no plugin; what they delivered says nothing of a driver that decoded it wrongly. A recording is
//! as confidential as the tags in it, and may hold what a driver says to log in: its file belongs to its
//! user alone. Reads and writes of tag memory and pins are not played.
#![forbid(unsafe_code)]

pub mod capture;
mod config;
mod delivered;
mod driver;
pub mod format;
mod line;
mod stage;
mod summary;
mod tape;

pub use config::ReplayConfig;
pub use driver::{NAME, PlayedConnection, PlayedConnections, RecordedDriver, Replay, SessionOver};
pub use summary::{Recorded, Summary};
