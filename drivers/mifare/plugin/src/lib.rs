//! `rfid-driver-mifare` as a plugin: `librfid_plugin_mifare.so`. A PN532 on a serial line, and with the
//! feature `pcsc` readers of the PC/SC service. Cards are read, and judged by their records; the
//! interface of plugins has nothing for personalising them, which takes the driver that is built in.
#![forbid(unsafe_code)]

rfid_plugin::export! {
    id: "org.rfid-host.mifare",
    vendor: "rfid-host",
    drivers: [rfid_driver_mifare::Mifare],
    sinks: [],
}
