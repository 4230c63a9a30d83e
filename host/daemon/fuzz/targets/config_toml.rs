#![no_main]
// The daemon is a program and no library, so its modules are taken in as files; what only the
// program uses of them is unused here.
#![allow(dead_code, unused_imports)]

#[path = "../../src/config/mod.rs"]
mod config;
#[path = "../../src/customer_service.rs"]
mod customer_service;
#[path = "../hostile.rs"]
mod hostile;
#[path = "../../src/registry.rs"]
mod registry;
#[path = "../../src/scenarios.rs"]
mod scenarios;

libfuzzer_sys::fuzz_target!(|data: &[u8]| hostile::config_toml(data));
