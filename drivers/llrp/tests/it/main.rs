//! Tests of the driver from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod conformance;
mod hostile;
mod inventory;
mod opening;
mod peer;
mod quirks;
mod socket;
mod tag_access;
mod tuning;
