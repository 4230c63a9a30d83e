#![no_main]

#[path = "../hostile.rs"]
#[allow(dead_code)]
mod hostile;

libfuzzer_sys::fuzz_target!(|data: &[u8]| hostile::atr(data));
