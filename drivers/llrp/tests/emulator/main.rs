//! The emulated reader, over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access;
mod capture;
mod client;
mod configuration;
mod connection;
mod faults;
mod hostile;
mod ro_specs;
