#![no_main]

#[path = "../emulator.rs"]
mod emulator;

libfuzzer_sys::fuzz_target!(|data: &[u8]| emulator::client(data));
