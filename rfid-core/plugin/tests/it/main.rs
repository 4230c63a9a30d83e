//! The exported tables, called in-process as a host in C would.
#![allow(unsafe_code, clippy::unwrap_used, clippy::panic)]

mod driver;
mod extensions;
mod faults;
mod host;
mod marking;
mod module;
mod sink;
mod staged;

rfid_plugin::export! {
    id: "com.example.staged",
    vendor: "Example",
    drivers: [staged::Staged],
    sinks: [|data_dir: &std::path::Path| marking::Marking::new(data_dir)],
}
