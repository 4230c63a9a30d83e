//! A Mifare Classic in memory, as emulators of readers and the tests need it: it keeps keys and
//! access bits as a real one does, and misbehaves on demand.

mod card;
mod faults;
mod pad;
mod reader;
mod service;
mod vpcd;

pub use card::{Answer, Operand, SimulatedCard};
pub use faults::{CardFaults, TornWrite};
pub use pad::SimulatedPad;
pub use reader::Family;
pub use service::{Notice, PcscService};
pub use vpcd::VirtualReader;
