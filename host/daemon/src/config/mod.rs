//! The configuration file: every fault at once, each at its place.
//!
//! A file is read in two steps. The first keeps where everything stood; the second checks each
//! table against a schema, that of the host for what the host reads and that of the driver or
//! sink for its options. What a schema cannot say (a name that does not exist, an option without
//! effect) is checked last.

mod schema;
mod sections;
mod sink_keys;
mod source;
mod tree;

use std::path::PathBuf;
use std::sync::Arc;

use rfid_core::pipeline::FailurePolicy;
use rfid_core::presence::{PresenceSettings, ReaderPlace};
use rfid_core::settings::ConfigFault;
use rfid_core::{Driver, Name, ReaderSetup, Settings};

pub(crate) use schema::{choices, nearest, types};
pub(crate) use sections::whole_schema;
pub(crate) use sink_keys::with_failure_keys;
pub(crate) use source::{Faults, Source};

use crate::registry::Registry;

/// Largest file that is read.
const LARGEST_FILE: u64 = 1024 * 1024;

/// A configuration in which everything is in order.
#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) host: HostConfig,
    pub(crate) readers: Vec<ReaderConfig>,
    pub(crate) sinks: Vec<SinkConfig>,
    pub(crate) pipelines: Vec<PipelineConfig>,
}

impl Config {
    /// The reader of this name.
    pub(crate) fn reader(&self, name: &str) -> Option<&ReaderConfig> {
        self.readers.iter().find(|reader| reader.setup.reader.as_str() == name)
    }
}

/// `[host]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HostConfig {
    pub(crate) name: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) listen: std::net::SocketAddr,
}

/// `[readers.NAME]`.
#[derive(Clone)]
pub(crate) struct ReaderConfig {
    pub(crate) driver: Arc<dyn Driver>,
    pub(crate) settings: Settings,
    pub(crate) setup: ReaderSetup,
    pub(crate) place: ReaderPlace,
    /// The serial number that the reader must have.
    pub(crate) serial: Option<String>,
}

/// `[sinks.NAME]`.
#[derive(Clone, PartialEq)]
pub(crate) struct SinkConfig {
    pub(crate) name: Name,
    pub(crate) kind: String,
    pub(crate) settings: Settings,
    pub(crate) failure: FailurePolicy,
}

/// `[pipelines.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PipelineConfig {
    pub(crate) name: Name,
    pub(crate) readers: Vec<Name>,
    pub(crate) sinks: Vec<Name>,
    pub(crate) presence: PresenceSettings,
}

/// Why a file could not even be looked at.
#[derive(Debug)]
pub(crate) struct Unreadable(String);

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

/// Reads the text of a configuration file.
pub(crate) fn read(path: &std::path::Path) -> Result<Source, Unreadable> {
    let name = path.display().to_string();
    let failed = |why: String| Unreadable(format!("{name}: {why}"));
    let length = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if length > LARGEST_FILE {
        return Err(failed(format!("the file has {length} bytes; at most {LARGEST_FILE} are read")));
    }
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8(bytes)
        .map_err(|error| failed(format!("byte {} is not UTF-8", error.utf8_error().valid_up_to())))?;
    let text = text.strip_prefix('\u{FEFF}').map(str::to_owned).unwrap_or(text);
    Ok(Source { name, text })
}

/// Checks a configuration and makes it ready for use.
///
/// # Errors
/// Everything that is wrong.
pub(crate) fn check(source: Source, registry: &Registry) -> Result<Config, Faults> {
    let mut checker = sections::Checker::new(&source.text, registry);
    let config = checker.config();
    match (config, checker.into_faults()) {
        (Some(config), faults) if faults.is_empty() => Ok(config),
        (_, faults) => Err(Faults::new(source, faults)),
    }
}

/// A driver's or sink's fault, told relative to its own options, as one of the whole file.
fn relative(table: &str, fault: &ConfigFault) -> (String, String) {
    (format!("{table}{}", fault.path), fault.message.clone())
}

#[cfg(test)]
mod tests;
