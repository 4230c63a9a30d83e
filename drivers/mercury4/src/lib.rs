//! ThingMagic Mercury 4: RQL over TCP, with an emulator of the reader.
//!
//! | part | what it does |
//! |---|---|
//! | [`proto`] | statements, lines, rows and identity, without I/O |
//! | [`Mercury4`] | the driver: polling and autonomous mode, four air protocols, power, pins, memory of tags |
//! | `emulator` (feature) | a reader that speaks RQL over real TCP and plays a scenario |
//!
//! **Readers.** Mercury 4 with firmware 2.x. Mercury 5, 6 and Astra speak the same language as
//! far as reading goes and are recognised.
//!
//! **Tested on** the emulator only; no hardware has been seen. The facts come from the vendor's
//! manuals and clients as the protocol document collects them, and where it says that something
//! is unknown, the choice made stands beside the code that makes it.
//!
//! **Limits.** A Mercury 4 reports no signal strength, so zones are told apart by when they were
//! heard. Power, pins and the memory of tags are served while no inventory runs. How to write the
//! id of a Class 0 or ISO 18000-6B tag, and how to kill the latter, no source says.
//!
//! **Serial line.** The reader has an RS-232 port at 115200 baud. All that any source tells of it is
//! a console with a login; none speaks RQL over it, so it is not driven.
#![forbid(unsafe_code)]

mod abilities;
pub mod config;
mod driver;
#[cfg(feature = "emulator")]
pub mod emulator;
mod inventory;
mod opening;
pub mod proto;
mod schedule;
mod tag_access;
mod watch;
mod wire;

pub use config::Mercury4Config;
pub use driver::{Mercury4, session_over};
