//! The configuration: several files as one, every fault at once, each at its place.
//!
//! A file is read in two steps. The first keeps where everything stood; the second checks each
//! table against a schema, that of the host for what the host reads and that of the driver or
//! sink for its options. Secrets are read on the way. What a schema cannot say (a name that does
//! not exist, two readers on one address, an option without effect) is checked last.

mod accounts;
mod audit;
mod checker;
mod conflicts;
mod difference;
mod effective;
mod exports;
mod fault;
mod files;
mod hidden;
mod http;
mod names;
mod plugins;
mod schema;
mod secrets;
mod sections;
mod service;
mod sink_keys;
mod source;
mod store;
mod tree;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rfid_core::pipeline::FailurePolicy;
use rfid_core::presence::{PresenceSettings, ReaderPlace};
use rfid_core::settings::ConfigFault;
use rfid_core::{Driver, Name, ReaderSetup, Settings};
use rfid_ledger::LedgerSettings;

pub(crate) use accounts::Desk;
pub(crate) use audit::{ArchivingConfig, AuditConfig, SigningConfig};
pub(crate) use conflicts::zones;
pub(crate) use difference::Difference;
pub(crate) use effective::{as_json, as_toml};
pub(crate) use fault::Report;
pub(crate) use files::{Texts, read};
pub(crate) use http::{HttpConfig, TlsConfig};
pub(crate) use names::nearest;
pub(crate) use plugins::PluginSource;
pub(crate) use schema::{choices, misfits, types};
pub(crate) use sections::{EmulatedReader, whole_schema};
pub(crate) use service::ServiceConfig;
pub(crate) use sink_keys::with_failure_keys;
pub(crate) use store::{MasterKey, StoreConfig, parse_key};

use crate::registry::Registry;

/// A configuration in which everything is in order.
#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) host: HostConfig,
    pub(crate) http: HttpConfig,
    pub(crate) ledger: LedgerConfig,
    pub(crate) store: StoreConfig,
    pub(crate) service: ServiceConfig,
    pub(crate) emulators: Vec<EmulatorConfig>,
    /// Desks where cards are encoded, with their readers.
    pub(crate) desks: Vec<Desk>,
    pub(crate) readers: Vec<ReaderConfig>,
    pub(crate) sinks: Vec<SinkConfig>,
    pub(crate) pipelines: Vec<PipelineConfig>,
}

impl Config {
    /// The reader of this name.
    pub(crate) fn reader(&self, name: &str) -> Option<&ReaderConfig> {
        self.readers.iter().find(|reader| reader.setup.reader.as_str() == name)
    }

    /// The readers that play what was recorded.
    pub(crate) fn replays(&self) -> impl Iterator<Item = &Name> {
        self.readers.iter().filter(|reader| reader.is_replay()).map(|reader| &reader.setup.reader)
    }

    /// Whether a pipeline lives by the time of a recording: then all of its readers are played.
    pub(crate) fn is_played(&self, pipeline: &PipelineConfig) -> bool {
        self.replays().any(|reader| pipeline.readers.contains(reader))
    }

    /// Sinks of a pipeline that write to the ledger of the data folder.
    pub(crate) fn logs_of(&self, pipeline: &PipelineConfig) -> Vec<Name> {
        let is_log = |sink: &&SinkConfig| sink.kind == "log" && sink.plugin.is_none();
        let logs = self.sinks.iter().filter(is_log).map(|sink| &sink.name);
        logs.filter(|name| pipeline.sinks.contains(*name)).cloned().collect()
    }
}

/// `[host]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HostConfig {
    pub(crate) name: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) listen: SocketAddr,
}

/// `[ledger]`: how much of what happened is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LedgerConfig {
    /// What is all older is removed.
    pub(crate) keep_for: Duration,
    /// Beyond so many bytes the oldest is removed.
    pub(crate) most_bytes: Option<u64>,
    /// How long one file becomes before the next is begun.
    pub(crate) segment_bytes: u64,
}

impl LedgerConfig {
    /// The same as the ledger wants it.
    pub(crate) fn settings(self) -> LedgerSettings {
        LedgerSettings {
            segment_bytes: self.segment_bytes,
            keep_for: Some(self.keep_for),
            keep_bytes: self.most_bytes,
            ..LedgerSettings::default()
        }
    }
}

/// `[emulators.NAME]`: an emulated reader that runs inside the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EmulatorConfig {
    pub(crate) name: Name,
    pub(crate) reader: EmulatedReader,
    pub(crate) at: EmulatedAt,
    /// What is played; the usual one if there is none.
    pub(crate) scenario: Option<PathBuf>,
    pub(crate) profile: String,
}

/// Where an emulated reader is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EmulatedAt {
    /// On the network.
    Listen(SocketAddr),
    /// As a serial port.
    Link(PathBuf),
}

impl std::fmt::Display for EmulatedAt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Listen(address) => address.fmt(f),
            Self::Link(path) => path.display().fmt(f),
        }
    }
}

/// `[readers.NAME]`.
#[derive(Clone)]
pub(crate) struct ReaderConfig {
    pub(crate) driver: Arc<dyn Driver>,
    pub(crate) settings: Settings,
    /// Differs if a secret has, though the settings that name it have not.
    pub(crate) secrets: u64,
    pub(crate) setup: ReaderSetup,
    pub(crate) place: ReaderPlace,
    /// The serial number that the reader must have.
    pub(crate) serial: Option<String>,
    /// Where the driver is taken from, unless it is built in.
    pub(crate) plugin: Option<PluginSource>,
}

impl ReaderConfig {
    /// Whether it plays what was recorded.
    pub(crate) fn is_replay(&self) -> bool {
        self.plugin.is_none() && self.driver.describe().name == rfid_driver_replay::NAME
    }
}

/// A driver's options without secrets.
pub(crate) fn options_without_secrets(driver: &dyn Driver, settings: &Settings) -> serde_json::Value {
    let mut options = settings.as_json().clone();
    secrets::mask(&mut options, &driver.describe().schema);
    options
}

/// `[sinks.NAME]`.
#[derive(Clone, PartialEq)]
pub(crate) struct SinkConfig {
    pub(crate) name: Name,
    pub(crate) kind: String,
    pub(crate) settings: Settings,
    pub(crate) failure: FailurePolicy,
    /// Differs if a secret has, though the settings that name it have not.
    pub(crate) secrets: u64,
    /// Schema of its options.
    pub(crate) schema: serde_json::Value,
    /// What it has for itself.
    pub(crate) resources: Vec<String>,
    /// Where the kind of sink is taken from, unless it is built in.
    pub(crate) plugin: Option<PluginSource>,
}

/// `[pipelines.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PipelineConfig {
    pub(crate) name: Name,
    pub(crate) readers: Vec<Name>,
    pub(crate) sinks: Vec<Name>,
    pub(crate) presence: PresenceSettings,
}

/// A configuration that can be used, and what is to be said about it all the same.
pub(crate) struct Checked {
    pub(crate) config: Config,
    /// Warnings.
    pub(crate) report: Report,
    /// What stood in the files, and where.
    pub(crate) tree: tree::Tree,
}

/// Checks a configuration and makes it ready for use.
///
/// # Errors
/// Everything that is wrong.
pub(crate) fn check(texts: Texts, registry: &Registry) -> Result<Checked, Report> {
    let mut checker = checker::Checker::new(texts, registry);
    let config = checker.config();
    let checker::Checker { mut sources, tree, faults, secrets, .. } = checker;
    for (file, source) in sources.iter_mut().enumerate() {
        let here = secrets.iter().filter(|place| place.file == file);
        source.hide(here.map(|place| place.start..place.end));
    }
    let report = Report::new(sources, faults);
    match config {
        Some(config) if report.faults() == 0 => Ok(Checked { config, report, tree }),
        _ => Err(report),
    }
}

/// A driver's or sink's fault, told relative to its own options, as one of the whole file.
fn relative(table: &str, fault: &ConfigFault) -> (String, String) {
    (format!("{table}{}", fault.path), fault.message.clone())
}

#[cfg(test)]
pub(crate) mod guarded;
#[cfg(test)]
mod spoilt_tests;
#[cfg(test)]
pub(crate) mod tests;
