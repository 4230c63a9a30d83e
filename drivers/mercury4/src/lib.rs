//! ThingMagic Mercury 4: RQL over TCP, with an emulator of the reader.
#![forbid(unsafe_code)]

pub mod proto;
