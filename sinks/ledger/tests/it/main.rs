//! The ledger as its users see it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod hostile_bytes;
