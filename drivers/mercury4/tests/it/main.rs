//! The driver and the emulator as their users see them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod conformance;
mod documented_examples;
mod driver;
mod emulator;
mod hostile;
