//! The store as its users see it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kill;
mod store;
