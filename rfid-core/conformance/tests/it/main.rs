//! The suite is worth what it catches: a good driver passes all of it, and each deliberate fault
//! fails the case that was made for it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_drivers;
mod bad_sinks;
