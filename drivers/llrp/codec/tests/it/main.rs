//! Tests of the codec from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod faults;
mod hostile;
mod hot_path;
mod stream;
mod tables;
mod worked_examples;
