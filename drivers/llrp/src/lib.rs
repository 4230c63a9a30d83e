//! LLRP readers: the emulated one.
//!
//! The protocol itself is in the crate `rfid-llrp`.
#![forbid(unsafe_code)]

#[cfg(feature = "emulator")]
pub mod emulator;
