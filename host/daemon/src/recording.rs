//! Recordings of readers: what is kept of which, and what stands at the beginning.

use rfid_core::recording::Kept;
use rfid_core::{Clock, Driver, ReaderSetup, Settings, UtcTime};
use rfid_driver_replay::NAME as REPLAY;
use rfid_driver_replay::format::Header;

use crate::config::options_without_secrets;
use crate::registry::recorded_drivers;

/// Why a reader that plays a recording is not recorded.
pub(crate) const PLAYS: &str = "This reader plays a recording; copy that instead.";

/// What is kept of a reader of this driver, from a plugin or built in: its bytes where they pass
/// through this program, else what its driver delivers. Nothing of one that plays a recording.
pub(crate) fn kept(driver: &str, is_plugin: bool) -> Option<Kept> {
    if !is_plugin && driver == REPLAY {
        return None;
    }
    let passes = !is_plugin && recorded_drivers().iter().any(|recorded| recorded.name == driver);
    Some(if passes { Kept::Bytes } else { Kept::Delivered })
}

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
    kept: Kept,
) -> Header {
    Header {
        driver: driver.describe().name.to_owned(),
        reader: setup.reader.to_string(),
        options: options_without_secrets(driver, settings),
        antenna_ports: setup.antenna_ports.clone(),
        host_version: env!("CARGO_PKG_VERSION").to_owned(),
        clock_began,
        kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_kept_where_they_pass_through_here() {
        assert_eq!(kept("mercury4", false), Some(Kept::Bytes));
        assert_eq!(kept("mercury4", true), Some(Kept::Delivered));
        assert_eq!(kept("acme", true), Some(Kept::Delivered));
        assert_eq!(kept("mifare", false), Some(Kept::Delivered));
        assert_eq!(kept(REPLAY, false), None);
        assert_eq!(kept(REPLAY, true), Some(Kept::Delivered), "somebody else's of that name");
    }
}
