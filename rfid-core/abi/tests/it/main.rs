//! The header against the types of this crate, and the header's own code.
#![allow(clippy::expect_used, clippy::panic)]

mod compiler;
mod example;
mod header;
mod layout;
mod optional;
