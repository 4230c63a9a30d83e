//! What stands before the antennas of an emulated reader.
//!
//! A [`Scenario`] says which tags come and go, what the air does to reads and which inputs and
//! cables change; [`listen`] says what is heard of it in a stretch of time; [`Memories`] are what
//! the tags hold and how they guard it. Emulators add their protocol, and their own faults as the
//! scenario's type parameter; [`FaultState`] holds those of a reader that runs. None of this reads a clock or throws dice, so a scenario is heard in
//! the same way each time. [`Server`] is the TCP side, whose connections can be cut.
#![forbid(unsafe_code)]

mod air;
mod faults;
mod memory;
mod radio;
mod scenario;
mod server;

pub use faults::{FaultState, Nth};
pub use memory::{Memories, NotDone, TagMemory};
pub use radio::{Heard, listen};
pub use scenario::{NoFaults, Scenario, ScenarioFault};
pub use server::Server;
