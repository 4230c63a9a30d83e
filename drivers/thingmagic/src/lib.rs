//! ThingMagic modules (M6e, Nano, M5e): the serial protocol over a serial line or TCP, with an
//! emulator of the module.
//!
//! | part | what it does |
//! |---|---|
//! | [`proto`] | frames, commands, tag records, status codes, without I/O |
//! | [`ThingMagic`] | the driver: continuous reading, power, pins, memory of tags |
//! | `emulator` (feature) | a module that speaks the protocol over real TCP and plays a scenario |
//!
//! **Readers.** Modules of the M6e family read continuously (operation 2F). One that does not know
//! it, as an M5e, is asked for one search after another.
//!
//! **Tested on** the emulator only; no hardware has been seen. The facts come from the project's
//! protocol document (`mercury4-rql`, part 2), cited by section.
//!
//! **Limits.** The document does not show how a filter that names a tag is laid out, so memory is
//! reached only while the tag lies alone before its antenna. Writing an id without a filter is
//! sent as the document lists it: time-out, option, id.
#![forbid(unsafe_code)]

mod abilities;
pub mod config;
mod driver;
#[cfg(feature = "emulator")]
pub mod emulator;
mod line;
mod polling;
pub mod proto;
mod tag_access;
mod wire;

pub use config::ThingMagicConfig;
pub use driver::{ThingMagic, session_over};
