//! What a program costs that listens to readers: emulated readers by the thousand, the daemon as a
//! child process, and the figures of both.
//!
//! [`Settings`] measures the daemon by itself, which is `rfid-host bench`; [`Comparison`] measures
//! it beside the ceiling, the least program that does the same job (`benches/src/bin/ceiling.rs`).
//!
//! Readers run on one thread and send rows that were written beforehand, so that the program
//! under test is the limit. They send by themselves, as a Mercury 4 in autonomous mode does; to be
//! asked for each round costs a round trip which says more of the asking than of the reading. What
//! counts as read is what the program itself has judged, and in the end that must be all that was
//! sent.
#![forbid(unsafe_code)]

mod bench;
mod compare;
mod generator;
mod machine;
mod measure;
pub mod opening;
mod program;
mod protocol;
mod report;
pub mod reports;
pub mod rows;

pub use bench::Settings;
pub use compare::Comparison;
pub use generator::{Layout, Mode};
pub use protocol::{Protocol, Wish};
pub use report::Report;
