//! The readers, pipelines and sinks of the host in which the screens run, as those see them who watch over them.
//!
//! The screens know nothing of how a host is put together; whoever wires it says how its parts are
//! ([`Installation`]).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use futures_util::future::BoxFuture;
use rfid_core::{Name, ReaderState, UtcTime};
use rfid_service::backup::{BackupRun, Progress};
use rfid_service::recognition::Glimpses;
use rfid_service::service::{Caller, Fault};
use tokio::sync::broadcast;

/// How the parts of a host are. Asked for each time a screen is shown.
pub trait Installation: Send + Sync {
    /// Name and version of the host, and whether it is ready.
    fn host(&self) -> HostCondition;

    /// All readers, by name.
    fn readers(&self) -> Vec<ReaderCondition>;

    /// All pipelines, by name.
    fn pipelines(&self) -> Vec<PipelineCondition>;

    /// All sinks, by name.
    fn sinks(&self) -> Vec<SinkCondition>;

    /// What a reader hears from now on; nothing where there is no such reader. Whoever is too slow misses
    /// batches and is told how many. The channel closes when the reader is restarted.
    fn heard(&self, reader: &Name) -> Option<broadcast::Receiver<Arc<rfid_core::ReadBuf>>>;

    /// All stores that are open, by name.
    fn stores(&self) -> Vec<StoreCondition>;

    /// All plugins that a reader or a sink is taken from, by file.
    fn plugins(&self) -> Vec<PluginCondition>;

    /// The configuration as it takes effect, as TOML without secrets; nothing where that is not known.
    fn configuration(&self) -> Option<String>;

    /// What reading the configuration anew would change. Nothing is changed. `None` where nobody reads it
    /// anew: the host is stopping, or runs what was made for it.
    fn look_at_configuration(&self) -> BoxFuture<'_, Option<ConfigurationAnswer>>;

    /// Reads the configuration anew and takes the host to it. `None` as above.
    fn reload(&self) -> BoxFuture<'_, Option<ConfigurationAnswer>>;

    /// How backups of the customer service are; nothing where it does not run.
    fn backups(&self) -> Option<BackupsCondition>;

    /// Begins a backup for the caller, if they may have one made, and returns: it is made beside everything else,
    /// and [`Installation::backups`] says how far it is and what came of it.
    fn back_up<'a>(&'a self, caller: &'a Caller) -> BoxFuture<'a, Result<(), BackupRefusal>>;
}

/// How backups of the customer service are.
#[derive(Clone, Debug)]
pub struct BackupsCondition {
    /// Where they go.
    pub place: BackupPlace,
    /// How far the one is that is under way.
    pub under_way: Option<Progress>,
    /// The latest that were asked for, the latest first; the one that is under way among them.
    pub runs: Vec<BackupRun>,
}

/// Where backups go that are asked for here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupPlace {
    /// Each into a folder of its own in this one.
    Folder(PathBuf),
    /// The configuration names no folder.
    NotConfigured,
    /// The store is a database, which its own tools copy.
    Database,
}

/// Why no backup is begun.
#[derive(Debug)]
pub enum BackupRefusal {
    /// The configuration names no folder.
    NotConfigured,
    /// The store is a database.
    Database,
    /// Another is under way.
    UnderWay,
    /// The service says no.
    Fault(Fault),
}

impl From<Fault> for BackupRefusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// What comes, or would come, of reading the configuration anew: what changes, or in English why it is refused.
pub type ConfigurationAnswer = Result<Vec<ConfigurationChange>, Vec<String>>;

/// Something that another configuration changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigurationChange {
    /// What happens to it.
    pub kind: ChangeKind,
    /// A part as `readers.NAME`, or a key.
    pub part: String,
}

/// What happens to a part of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is begun.
    Added,
    /// It is ended and begun anew.
    Restarted,
    /// It is ended.
    Removed,
    /// It is another, and taken over without a pause.
    Replaced,
    /// It stays as it is until the host is started anew.
    Waits,
}

impl ChangeKind {
    /// Its name, as in the keys of texts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Restarted => "restarted",
            Self::Removed => "removed",
            Self::Replaced => "replaced",
            Self::Waits => "waits",
        }
    }
}

/// One store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreCondition {
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    pub error: Option<String>,
}

/// One plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginCondition {
    /// Its file in the folder of plugins.
    pub file: String,
    /// Its dotted name, and its version.
    pub id: String,
    /// As its author gave it.
    pub version: String,
    /// The version of the boundary that this host speaks with plugins.
    pub abi: String,
    /// The SHA-256 of the file that is loaded.
    pub sha256: String,
    /// `process` or `in-process`.
    pub isolation: &'static str,
    /// Readers and sinks that are taken from it.
    pub used_by: Vec<Name>,
    /// How often an instance was lost and made anew since the start of the host.
    pub restarts: u64,
}

/// Under which name pipelines count glimpses that were not confirmed.
const UNCONFIRMED: &str = "unconfirmed";

/// What the pipelines of a host glimpsed, for the report of recognition. The host outlives whoever asks, and is
/// not held by them.
pub(crate) struct PipelineGlimpses(pub(crate) Weak<dyn Installation>);

impl std::fmt::Debug for PipelineGlimpses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PipelineGlimpses")
    }
}

impl Glimpses for PipelineGlimpses {
    /// A pipeline counts for the branch in which all of its readers stand. Of the branches of one that hears
    /// several it cannot be told which a glimpse was of, so nothing is said of them.
    fn unconfirmed(&self) -> BTreeMap<Name, u64> {
        let Some(installation) = self.0.upgrade() else { return BTreeMap::new() };
        let branches: BTreeMap<Name, Option<Name>> =
            installation.readers().into_iter().map(|reader| (reader.name, reader.branch)).collect();
        let (mut counted, mut mixed) = (BTreeMap::new(), BTreeSet::new());
        for pipeline in installation.pipelines().into_iter().filter(|pipeline| pipeline.is_running) {
            let heard: BTreeSet<Option<&Name>> =
                pipeline.readers.iter().map(|reader| branches.get(reader).and_then(Option::as_ref)).collect();
            let count = pipeline.counts.iter().find(|(name, _)| name == UNCONFIRMED).map(|(_, count)| *count);
            match (heard.iter().collect::<Vec<_>>().as_slice(), count) {
                ([Some(branch)], Some(count)) => *counted.entry((*branch).clone()).or_default() += count,
                _ => mixed.extend(heard.into_iter().flatten().cloned()),
            }
        }
        counted.retain(|branch, _| !mixed.contains(branch));
        counted
    }
}

/// The host as a whole.
#[derive(Clone, Debug)]
pub struct HostCondition {
    /// Its name in the configuration.
    pub name: String,
    /// Version of the program.
    pub version: &'static str,
    /// For how long it has run, in seconds.
    pub uptime_s: u64,
    /// Why it is not ready, in English, as `/ready` says it; nothing if it is.
    pub complaints: Vec<String>,
}

/// One reader.
#[derive(Clone, Debug)]
pub struct ReaderCondition {
    /// Its name in the configuration.
    pub name: Name,
    /// The branch in which it stands, if the configuration says so.
    pub branch: Option<Name>,
    /// Its driver.
    pub driver: String,
    /// Whether it reads, and if not, why.
    pub state: ReaderState,
    /// Its antennas by port; a reader whose antennas are one zone has one without a port.
    pub antennas: Vec<AntennaCondition>,
    /// Reads since the host started, and what else is counted, under the names of the metrics.
    pub counts: Vec<(String, u64)>,
}

impl ReaderCondition {
    /// Whether it reads, with every antenna that belongs to a zone.
    pub fn is_well(&self) -> bool {
        matches!(self.state, ReaderState::Reading { .. })
            && self.antennas.iter().all(|antenna| antenna.is_listening)
    }
}

/// One antenna of a reader.
#[derive(Clone, Debug)]
pub struct AntennaCondition {
    /// Its port, from 1; nothing where all ports are one zone.
    pub port: Option<u16>,
    /// Where it hears.
    pub zone: Name,
    /// Whether it is heard through.
    pub is_listening: bool,
    /// Reads since the host started.
    pub reads: u64,
}

/// One pipeline.
#[derive(Clone, Debug)]
pub struct PipelineCondition {
    /// Its name in the configuration.
    pub name: Name,
    /// Readers that it hears.
    pub readers: Vec<Name>,
    /// Its sinks, in order.
    pub sinks: Vec<Name>,
    /// Whether it runs; one that could not be started does not, and the log says why.
    pub is_running: bool,
    /// What is counted, under the names of the metrics.
    pub counts: Vec<(String, u64)>,
}

/// One sink.
#[derive(Clone, Debug)]
pub struct SinkCondition {
    /// Its name in the configuration.
    pub name: Name,
    /// What kind of sink it is.
    pub kind: String,
    /// What went wrong last, while it fails.
    pub error: Option<String>,
    /// Since when it fails.
    pub failing_since: Option<UtcTime>,
    /// Events that it is owed.
    pub backlog: u64,
    /// What is counted, under the names of the metrics.
    pub counts: Vec<(String, u64)>,
}
