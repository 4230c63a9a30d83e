//! LLRP: UHF readers of any maker, over TCP.
//!
//! | part | what it does |
//! |---|---|
//! | [`rfid_llrp`] | messages and parameters, without I/O; usable on its own |
//! | [`Llrp`] | the driver: inventory, events, power, pins, memory of tags |
//! | `emulator` (feature) | a reader that speaks LLRP over real TCP and plays a scenario |
//!
//! **Readers.** Whatever speaks LLRP 1.0.1 or 1.1: Impinj Speedway and R700, Zebra FX, Alien,
//! ThingMagic Mercury6 and Sargas, Seuic UF40, Kathrein and others. Impinj readers also report
//! signal strength in hundredths of a dBm, and the phase when asked.
//!
//! **Tested on** the emulator and scripted readers only; no hardware has been seen. The facts come from the
//! standard, from recordings of real readers and from what people report of them, as the protocol
//! document collects them. Paragraph numbers in comments are that document's.
//!
//! **Left to the reader.** Whatever the configuration does not name. A reader that refuses even
//! the usual session and population is given a ROSpec without any wish.
//!
//! **Limits.**
//! - Power, pins and the memory of tags are served while no inventory runs.
//! - A reader without a clock stamps its reports with the time since it was started. What that is in
//!   the day is found out from when its messages come, for each connection anew: such a reader time
//!   is late by the shortest delay of the last minute or two at most, and never after the receipt.
//! - TLS is spoken to readers that are dialled; a reader that dials the host speaks in clear, since
//!   no source says which side is then the server of TLS. We show no certificate of our own.
//! - What the standard leaves open was decided so: an acknowledgement echoes the id of the sign of
//!   life; a ROSpec of ours that ends is started again; a power below all that the reader has is
//!   refused rather than exceeded; channels are looked up in the first hop table.
#![forbid(unsafe_code)]

mod abilities;
mod capabilities;
pub mod config;
mod driver;
#[cfg(feature = "emulator")]
pub mod emulator;
mod inventory;
mod line;
mod opening;
mod ro_spec;
mod tag_access;
mod tls;
mod uptime;
mod wire;

pub use config::LlrpConfig;
pub use driver::{Llrp, session_over};
