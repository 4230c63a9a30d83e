//! `rfid-driver-llrp` as a plugin: `librfid_plugin_llrp.so`.
#![forbid(unsafe_code)]

rfid_plugin::export! {
    id: "org.rfid-host.llrp",
    vendor: "rfid-host",
    drivers: [rfid_driver_llrp::Llrp],
    sinks: [],
}
