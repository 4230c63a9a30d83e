//! Recordings of readers: which readers can be recorded, and what stands at the beginning.

use rfid_core::recording::Kept;
use rfid_core::{Clock, Driver, ReaderSetup, Settings, UtcTime};
use rfid_driver_replay::NAME as REPLAY;
use rfid_driver_replay::format::Header;

use crate::config::options_without_secrets;
use crate::registry::recorded_drivers;

/// Why nothing of a reader can be recorded, and what to do instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotRecorded<'a> {
    /// It plays a recording.
    Replay,
    /// Its bytes stay within this plugin.
    Plugin {
        file: &'a str,
        /// A driver of this name is built in and is recorded.
        built_in: Option<&'static str>,
    },
    /// This driver does not tell what it sends and receives.
    Driver(&'a str),
}

impl<'a> NotRecorded<'a> {
    /// Nothing speaks against recording a reader of this driver, from this plugin if from one.
    pub(crate) fn of(driver: &'a str, plugin: Option<&'a str>) -> Option<Self> {
        let built_in =
            recorded_drivers().map(|recorded| recorded.name).into_iter().find(|name| *name == driver);
        match (plugin, built_in) {
            (Some(file), built_in) => Some(Self::Plugin { file, built_in }),
            (None, Some(_)) => None,
            (None, None) if driver == REPLAY => Some(Self::Replay),
            (None, None) => Some(Self::Driver(driver)),
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Replay => "A replay is not recorded",
            Self::Plugin { .. } => "A reader of a plugin is not recorded",
            Self::Driver(_) => "A reader of this driver is not recorded",
        }
    }

    /// The same in a sentence or two, for somebody who knows this reader by this name.
    pub(crate) fn explain(self, reader: &str) -> String {
        let its_reads = format!("What it reads can be kept with: rfid-host tap {reader} --json");
        match self {
            Self::Replay => "This reader plays a recording; copy that instead.".to_owned(),
            Self::Plugin { file, built_in } => {
                let why = format!(
                    "{reader} cannot be recorded: what its driver sends and receives stays within the plugin {file}."
                );
                let instead = built_in.map_or(String::new(), |name| {
                    format!(" Without `plugin`, the built-in driver \"{name}\" can be recorded.")
                });
                format!("{why}{instead} {its_reads}")
            }
            Self::Driver(driver) => {
                let recorded = recorded_drivers().map(|recorded| recorded.name).join(", ");
                format!(
                    "{reader} cannot be recorded: the driver \"{driver}\" does not tell what it sends and receives; these do: {recorded}. {its_reads}"
                )
            }
        }
    }
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
) -> Header {
    Header {
        driver: driver.describe().name.to_owned(),
        reader: setup.reader.to_string(),
        options: options_without_secrets(driver, settings),
        antenna_ports: setup.antenna_ports.clone(),
        host_version: env!("CARGO_PKG_VERSION").to_owned(),
        clock_began,
        kept: Kept::Bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cannot_be_recorded_is_told_what_to_do_instead() {
        assert_eq!(NotRecorded::of("mercury4", None), None);
        let said = |driver, plugin| NotRecorded::of(driver, plugin).map(|not| not.explain("door"));
        let text = said("mercury4", Some("libm4.so")).unwrap();
        assert!(text.contains("libm4.so") && text.contains("built-in driver \"mercury4\""), "{text}");
        let text = said("acme", Some("libacme.so")).unwrap();
        assert!(text.contains("libacme.so") && !text.contains("built-in"), "{text}");
        assert!(text.contains("rfid-host tap door --json"), "{text}");
        let text = said("mifare", None).unwrap();
        assert!(text.contains("\"mifare\"") && text.contains("mercury4, thingmagic, llrp"), "{text}");
        assert!(said(REPLAY, None).unwrap().contains("copy that instead"));
    }
}
