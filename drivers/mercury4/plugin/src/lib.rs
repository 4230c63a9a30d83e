//! `rfid-driver-mercury4` as a plugin: `librfid_plugin_mercury4.so`.
#![forbid(unsafe_code)]

rfid_plugin::export! {
    id: "org.rfid-host.mercury4",
    vendor: "rfid-host",
    drivers: [rfid_driver_mercury4::Mercury4],
    sinks: [],
}
