//! Contracts of the rfid-host framework.
//!
//! Data follows one line in one direction:
//!
//! ```text
//! reader -> driver -> presence -> lookup -> log -> notify
//!   air      reads     events     + record  durable  people and programs
//! ```
//!
//! This crate holds what the stations of the line agree on, and the two stations that are the
//! same for everybody: [presence] and the [pipeline] with its [supervisor]. It knows no sockets,
//! no files and no hardware.
//!
//! | you want to | start at |
//! |---|---|
//! | write a driver | [`driver`] |
//! | write a sink | [`sink`] |
//! | embed readers in your own program | [`pipeline`] |
#![forbid(unsafe_code)]

// Fuzz bodies, which tests share, call the crate by its name.
#[cfg(test)]
extern crate self as rfid_core;

pub mod abilities;
pub mod air_protocol;
mod backoff;
pub mod clock;
pub mod driver;
pub mod epc;
pub mod error;
pub mod event;
mod lines;
mod listening;
mod log_limit;
mod name;
mod panics;
pub mod pipeline;
pub mod presence;
mod pulse;
mod read_buf;
pub mod recording;
mod replay_clock;
pub mod settings;
pub mod sink;
pub mod supervisor;
pub mod tag_id;
mod tag_read;

pub use air_protocol::AirProtocol;
pub use backoff::Backoff;
pub use clock::{Clock, ManualClock, Stamp, SystemClock, UtcTime};
pub use driver::{Driver, DynSession, ReadHandler, ReaderInfo, ReaderSetup, Session};
pub use error::{Error, ErrorKind, Result, Retry};
pub use event::{Direction, Event, EventId, EventKind, Heading, Record};
pub use listening::Listening;
pub use log_limit::{LogLimit, Unsaid};
pub use name::Name;
pub use pipeline::{Pipeline, SinkHandle};
pub use pulse::Pulse;
pub use read_buf::{BufferFull, Noticed, ReadBuf, RecordFault, Sighting};
pub use recording::Recorder;
pub use replay_clock::{Attendance, ReplayClock};
pub use settings::{ConfigFault, ConfigFaults, Description, DurationText, Secret, Settings};
pub use sink::{EventBatch, Loss, Sink, SinkKind};
pub use supervisor::{ReaderState, Supervisor};
pub use tag_id::{TagId, TagIdKind, TagIdRef};
pub use tag_read::TagRead;
