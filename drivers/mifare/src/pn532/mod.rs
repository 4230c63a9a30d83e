//! A PN532 on a serial line as a [`Coupler`](crate::coupler::Coupler) (§2).
//!
//! | part | what it does |
//! |---|---|
//! | [`frame`], [`command`], [`status`] | the chip's protocol, without I/O |
//! | [`Pn532`] | the coupler: searches the pad, carries commands to the card |
//! | `emulator` (feature) | a chip on a pseudo-terminal, with cards that come and go |
//!
//! **Tested on** the emulator only; no hardware has been seen.
//!
//! **Limits.** Keys pass over the line in clear, so its connections are not to be recorded. The chip
//! answers a wrong key and a card that left in the middle of an authentication alike.

pub mod command;
mod coupler;
#[cfg(feature = "emulator")]
pub mod emulator;
pub mod frame;
mod port;
pub mod status;
mod wire;

pub use coupler::{Options, Pn532};
pub use port::{SerialPort, USUAL_BAUD};
