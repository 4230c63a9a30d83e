//! What stands before the antennas of an emulated reader.
//!
//! A [`Scenario`] says which tags come and go, what the air does to reads and which inputs and
//! cables change; [`listen`] says what is heard of it in a stretch of time; [`Memories`] are what
//! the tags hold and how they guard it. Emulators add their protocol, and their own faults as the
//! scenario's type parameter. No time is read and nothing is random here, so a scenario is heard
//! in the same way each time.
#![forbid(unsafe_code)]

mod memory;
mod radio;
mod scenario;

pub use memory::{Memories, NotDone, TagMemory};
pub use radio::{Heard, listen};
pub use scenario::{NoFaults, Scenario, ScenarioFault};
