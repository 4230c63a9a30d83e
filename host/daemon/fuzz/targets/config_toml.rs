#![no_main]
// The daemon is a program and no library, so its modules are taken in as files; what only the
// program uses of them is unused here.
#![allow(dead_code, unused_imports)]

#[path = "../../src/config/mod.rs"]
mod config;
#[path = "../hostile.rs"]
mod hostile;
#[path = "../../src/registry.rs"]
mod registry;
#[path = "../../src/scenarios.rs"]
mod scenarios;
#[path = "../../src/service_slot.rs"]
mod service_slot;
#[path = "../../src/signing.rs"]
mod signing;

libfuzzer_sys::fuzz_target!(|data: &[u8]| hostile::config_toml(data));
