//! Recordings that are made and played.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod conformance;
mod hostile;
mod playing;
mod theatre;
