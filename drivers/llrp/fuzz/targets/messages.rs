#![no_main]

#[path = "../codec.rs"]
#[allow(dead_code)]
mod codec;

libfuzzer_sys::fuzz_target!(|data: &[u8]| codec::messages(data));
