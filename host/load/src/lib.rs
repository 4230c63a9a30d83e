//! Emulated readers by the thousand, and what a program costs that listens to them.
#![forbid(unsafe_code)]

mod compare;
mod generator;
mod machine;
mod measure;
pub mod opening;
mod program;
pub mod rows;

pub use compare::{Comparison, Line};
pub use generator::{Layout, Mode};
