//! The modules of the loader that read frames and the ring are taken in as they are; they are
//! nobody's API.
#![no_main]
#![allow(dead_code, unused_imports)]

#[path = "../hostile.rs"]
mod hostile;
#[path = "../../src/message.rs"]
mod message;
#[path = "../../src/ring/mod.rs"]
mod ring;
#[path = "../../src/wire.rs"]
mod wire;

libfuzzer_sys::fuzz_target!(|data: &[u8]| hostile::plugin_message(data));
