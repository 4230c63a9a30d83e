//! The modules of the loader that read frames are taken in as they are; they are nobody's API.
#![no_main]
#![allow(dead_code)]

#[path = "../hostile.rs"]
mod hostile;
#[path = "../../src/message.rs"]
mod message;
#[path = "../../src/wire.rs"]
mod wire;

libfuzzer_sys::fuzz_target!(|data: &[u8]| hostile::plugin_message(data));
