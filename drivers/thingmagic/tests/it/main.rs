//! The driver and the emulator as their users see them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod conformance;
mod conversations;
mod driver;
mod hostile;
