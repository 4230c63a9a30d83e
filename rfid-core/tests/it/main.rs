//! Behaviour of the framework as its users see it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod flapping;
mod pipeline;
mod presence_model;
mod scripted_reader;
mod secret;
mod supervisor;
