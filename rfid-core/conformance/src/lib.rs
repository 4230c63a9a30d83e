//! The suite that every driver and sink passes.
//!
//! A driver's tests describe their reader (a simulator, or the real thing) as a
//! [`driver::Rig`] and call [`driver::check`]; a sink's tests call [`sink::check`]. Each case has
//! a name, runs on its own session, and ends as passed, failed with a reason, or skipped with a
//! reason. Nothing passes silently: [`Report::assert_passed`] prints every case and takes the
//! number of skips that the caller expects.
#![forbid(unsafe_code)]

pub mod driver;
mod endurance;
pub mod hostile;
mod report;
mod rig;
pub mod schema;
pub mod sink;
mod tag_access;

pub use report::{Outcome, Report};
