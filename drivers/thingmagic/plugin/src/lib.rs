//! `rfid-driver-thingmagic` as a plugin: `librfid_plugin_thingmagic.so`.
#![forbid(unsafe_code)]

rfid_plugin::export! {
    id: "org.rfid-host.thingmagic",
    vendor: "rfid-host",
    drivers: [rfid_driver_thingmagic::ThingMagic],
    sinks: [],
}
