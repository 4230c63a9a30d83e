//! Recordings of readers: what stands at their beginning.

use rfid_core::{Clock, Driver, ReaderSetup, Settings, UtcTime};
use rfid_driver_replay::format::Header;

use crate::config::options_without_secrets;

/// When a clock's monotonic part stood at zero, to be asked once: the wall clock may be set.
pub(crate) fn clock_began(clock: &dyn Clock) -> UtcTime {
    let now = clock.now();
    now.utc.minus(now.monotonic)
}

/// The beginning of a recording of this reader.
pub(crate) fn header(
    driver: &dyn Driver,
    settings: &Settings,
    setup: &ReaderSetup,
    clock_began: UtcTime,
) -> Header {
    Header {
        driver: driver.describe().name.to_owned(),
        reader: setup.reader.to_string(),
        options: options_without_secrets(driver, settings),
        antenna_ports: setup.antenna_ports.clone(),
        host_version: env!("CARGO_PKG_VERSION").to_owned(),
        clock_began,
    }
}
