//! The plugins of a host: found in their folder, looked at, and offered as drivers and sinks.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rfid_core::settings::each_secret;
use rfid_core::{
    Clock, ConfigFault, ConfigFaults, Description, Driver, Secret, Settings, SinkKind, SystemClock,
};
use serde_json::Value;

use crate::brought;
use crate::instance::{Loss, Losses};
use crate::message::{ComponentInfo, Kind, ModuleInfo};
use crate::module::Module;
use crate::process::{Newborn, Runner};
use crate::raw;
use crate::session::PluginDriver;
use crate::sink::PluginSinkKind;
use crate::trust::{Sealed, Sha256Text};

/// Loading runs a plugin's constructors, which should do nothing.
const LOAD_LIMIT: Duration = Duration::from_secs(5);

/// Memory that an instance's process may have, if nobody decides otherwise.
pub const USUAL_MEMORY: u64 = 64 * 1024 * 1024;

/// Where instances of a plugin live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isolation {
    /// Each in a process of its own: what it does wrong costs nobody else anything.
    #[default]
    Process,
    /// On threads of this process, which the plugin can take down.
    InProcess,
}

/// A plugin's file and how it is to be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Folder that plugins are taken from.
    pub folder: PathBuf,
    /// Name of the file in it.
    pub file: String,
    /// The SHA-256 that it must have, if one is asked for.
    pub sha256: Option<Sha256Text>,
    /// Those of the libraries that it brings along, by their names. With [`Place::sha256`], each must be here.
    pub libraries: BTreeMap<String, Sha256Text>,
    /// Where its instances live.
    pub isolation: Isolation,
    /// Bytes of memory that the process of an instance may have.
    pub most_memory: u64,
}

/// Loads plugins, each once. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Plugins {
    runner: Runner,
    data_dir: PathBuf,
}

/// A plugin that was loaded, in this process or in one that has told of it and is gone.
#[derive(Clone)]
pub struct Plugin {
    found: Arc<Found>,
    drivers: Vec<Arc<dyn Driver>>,
    sinks: Vec<Arc<dyn SinkKind>>,
}

/// A plugin's file as it was looked at, and what the module in it says of itself. What was found
/// once stays for as long as this program, as a library that was loaded does.
struct Found {
    sealed: Sealed,
    /// In this process, if that is where instances live.
    module: Option<Arc<Module>>,
    info: ModuleInfo,
    drivers: Vec<Description>,
    sinks: Vec<(Description, bool)>,
    clock: SystemClock,
    losses: Mutex<HashMap<String, Losses>>,
}

/// What instances are made from.
pub(crate) struct Loaded {
    found: Arc<Found>,
    pub(crate) runner: Runner,
    pub(crate) most_memory: u64,
    data_dir: PathBuf,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Plugin").field(&self.found.info.id).finish()
    }
}

impl Plugins {
    /// Instances keep their files below `data_dir`; processes are started by `runner`.
    pub fn new(runner: Runner, data_dir: &Path) -> Self {
        let data_dir = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
        Self { runner, data_dir: data_dir.join("plugins") }
    }

    /// Loads a plugin, or gives the one that is loaded already.
    ///
    /// *Behaviour*: with a sum that was loaded before, nothing is read and nothing waits. Otherwise
    /// reads the file and waits for the plugin, some milliseconds as a rule and some seconds at most.
    /// Warns of a plugin that is loaded into this process.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what to do.
    pub fn load(&self, place: &Place) -> Result<Plugin, String> {
        let found = self.find(place)?;
        Ok(Plugin::new(Loaded {
            found,
            runner: self.runner.clone(),
            most_memory: place.most_memory,
            data_dir: self.data_dir.clone(),
        }))
    }

    fn find(&self, place: &Place) -> Result<Arc<Found>, String> {
        type Key = (PathBuf, Sha256Text, BTreeMap<String, Sha256Text>, Isolation);
        static FOUND: Mutex<BTreeMap<Key, Arc<Found>>> = Mutex::new(BTreeMap::new());
        let known = |sha256, libraries| {
            let key = (place.folder.join(&place.file), sha256, libraries, place.isolation);
            FOUND.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
        };
        if let Some(found) = place.sha256.and_then(|sha256| known(sha256, place.libraries.clone())) {
            return Ok(found);
        }
        let sealed =
            brought::read_with_libraries(&place.folder, &place.file, place.sha256, &place.libraries)?;
        if let Some(found) = known(sealed.sha256, sealed.library_sums()) {
            return Ok(found);
        }
        let path = sealed.path.clone();
        let about = |why| format!("{}: {why}", path.display());
        let (module, info) = match place.isolation {
            Isolation::Process => {
                let started = Newborn::start(&self.runner, &sealed, place.most_memory, LOAD_LIMIT);
                (None, started.map_err(about)?.1)
            }
            Isolation::InProcess => {
                let module = in_this_process(&sealed).map_err(about)?;
                let info = module.info.clone();
                (Some(module), info)
            }
        };
        let info = info.shown();
        tracing::info!(
            plugin = info.id, version = info.version, abi = %format_args!("{}.{}", rfid_abi::MAJOR, rfid_abi::MINOR),
            built_with = info.built_with, path = %path.display(), sha256 = %sealed.sha256, "plugin loaded"
        );
        for (name, library) in &sealed.brings {
            tracing::info!(plugin = info.id, library = name, sha256 = %library.sha256, "a plugin brings a library");
        }
        let key = (path, sealed.sha256, sealed.library_sums(), place.isolation);
        let found = Arc::new(Found::new(sealed, module, info));
        FOUND.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&found));
        Ok(found)
    }
}

impl Found {
    fn new(sealed: Sealed, module: Option<Arc<Module>>, info: ModuleInfo) -> Self {
        let of_kind = |kind| info.components.iter().filter(move |one| one.kind == kind);
        let drivers = of_kind(Kind::Driver).map(description).collect();
        let sinks = of_kind(Kind::Sink).map(|one| (description(one), one.takes_late)).collect();
        Self { sealed, module, info, drivers, sinks, clock: SystemClock::new(), losses: Mutex::default() }
    }
}

/// What is in this process and stays.
struct InThisProcess {
    modules: BTreeMap<PathBuf, (Sha256Text, Arc<Module>)>,
    /// What plugins brought along, by the names that the linker knows.
    libraries: BTreeMap<String, Sha256Text>,
}

impl InThisProcess {
    const fn new() -> Self {
        Self { modules: BTreeMap::new(), libraries: BTreeMap::new() }
    }
}

/// The module of this file in this process, which has it once and for ever.
fn in_this_process(sealed: &Sealed) -> Result<Arc<Module>, String> {
    static MODULES: Mutex<InThisProcess> = Mutex::new(InThisProcess::new());
    let InThisProcess { modules, libraries } = &mut *MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    for (name, library) in &sealed.brings {
        if libraries.get(name).is_some_and(|sha256| *sha256 != library.sha256) {
            return Err(format!(
                "brings another {name} than what is loaded into this process, which would get the first one; write isolation = \"process\""
            ));
        }
    }
    match modules.get(&sealed.path) {
        Some((sha256, module)) if *sha256 == sealed.sha256 => return Ok(Arc::clone(module)),
        Some(_) => {
            return Err("has changed since it was loaded into this process, which cannot unload it; restart the host, or write isolation = \"process\"".to_owned());
        }
        None => {}
    }
    // What was loaded stays, whatever comes of the plugin.
    libraries.extend(sealed.library_sums());
    let module = Arc::new(load_into_this_process(sealed)?);
    modules.insert(sealed.path.clone(), (sealed.sha256, Arc::clone(&module)));
    Ok(module)
}

fn load_into_this_process(sealed: &Sealed) -> Result<Module, String> {
    // SAFETY: the operator wrote that this plugin is to run in this process.
    let module =
        unsafe { Module::load(sealed.brings.iter().map(|(_, library)| &library.memory), &sealed.memory)? };
    if module.info.isolate {
        return Err(
            "must not be loaded into the host's own process, says its author; write isolation = \"process\""
                .to_owned(),
        );
    }
    if module.info.one_per_process {
        return Err(
            "can have one instance in a process only, says its author; write isolation = \"process\""
                .to_owned(),
        );
    }
    raw::init(&module)?;
    tracing::warn!(
        plugin = module.info.id,
        path = %sealed.path.display(),
        "the plugin runs in the host's own process and can end it; isolation = \"process\" prevents that"
    );
    Ok(module)
}

impl Plugin {
    fn new(loaded: Loaded) -> Self {
        let found = Arc::clone(&loaded.found);
        let loaded = Arc::new(loaded);
        let drivers = found.drivers.iter().map(|description| {
            let (plugin, description) = (Arc::clone(&loaded), description.clone());
            Arc::new(PluginDriver { plugin, description }) as Arc<dyn Driver>
        });
        let sinks = found.sinks.iter().map(|(description, takes_late)| {
            let (plugin, description) = (Arc::clone(&loaded), description.clone());
            Arc::new(PluginSinkKind { plugin, description, takes_late: *takes_late }) as Arc<dyn SinkKind>
        });
        Self { drivers: drivers.collect(), sinks: sinks.collect(), found }
    }

    /// Its dotted name.
    pub fn id(&self) -> &str {
        &self.found.info.id
    }

    /// Who made it.
    pub fn vendor(&self) -> &str {
        &self.found.info.vendor
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.found.info.version
    }

    /// What it was built with.
    pub fn built_with(&self) -> &str {
        &self.found.info.built_with
    }

    /// The version of the boundary by which this host speaks with it.
    pub fn abi(&self) -> String {
        format!("{}.{}", rfid_abi::MAJOR, rfid_abi::MINOR)
    }

    /// The libraries that it brings along, and their sums.
    pub fn libraries(&self) -> BTreeMap<String, Sha256Text> {
        self.found.sealed.library_sums()
    }

    /// How often an instance of it was lost, and made anew or given up.
    pub fn losses(&self) -> u64 {
        let losses = self.found.losses.lock().unwrap_or_else(PoisonError::into_inner);
        losses.values().map(|losses| losses.all).sum()
    }

    /// Readers and sinks whose instances are lost too often to get well by themselves, and how often
    /// within the hour.
    pub fn ailing(&self) -> Vec<(String, usize)> {
        let now = self.found.clock.now().monotonic;
        let mut losses = self.found.losses.lock().unwrap_or_else(PoisonError::into_inner);
        let ailing = |(name, losses): (&String, &mut Losses)| Some((name.clone(), losses.too_many(now)?));
        let mut ailing: Vec<_> = losses.iter_mut().filter_map(ailing).collect();
        ailing.sort();
        ailing
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.found.sealed.path
    }

    /// The SHA-256 of the bytes that are loaded.
    pub fn sha256(&self) -> Sha256Text {
        self.found.sealed.sha256
    }

    #[cfg(feature = "boundary")]
    pub(crate) fn module(&self) -> Option<&Arc<Module>> {
        self.found.module.as_ref()
    }

    /// Its drivers.
    pub fn drivers(&self) -> &[Arc<dyn Driver>] {
        &self.drivers
    }

    /// Its kinds of sinks.
    pub fn sinks(&self) -> &[Arc<dyn SinkKind>] {
        &self.sinks
    }
}

/// A description as built-in components have it. Its texts stay for as long as this program, as a
/// library that was loaded does.
fn description(component: &ComponentInfo) -> Description {
    let leaked = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
    Description {
        name: leaked(&component.id),
        summary: leaked(&component.description),
        schema: component.schema.clone(),
        example: leaked(&component.example),
    }
}

impl Loaded {
    pub(crate) fn name(&self) -> &str {
        &self.found.info.id
    }

    /// The bytes that are loaded.
    pub(crate) fn sealed(&self) -> &Sealed {
        &self.found.sealed
    }

    /// The module in this process, if that is where instances live.
    pub(crate) fn module(&self) -> Option<&Arc<Module>> {
        self.found.module.as_ref()
    }

    /// Where an instance may keep its files.
    pub(crate) fn data_dir_of(&self, instance: &str) -> String {
        // Names of readers and sinks are no paths, and one that were would lead out of the folder.
        let name: String =
            instance.chars().map(|char| if matches!(char, '/' | '\\' | '\0') { '_' } else { char }).collect();
        self.data_dir.join(name.trim_start_matches('.')).display().to_string()
    }

    /// One more loss of this instance, and what follows.
    pub(crate) fn note_loss(&self, instance: &str) -> Loss {
        let mut losses = self.found.losses.lock().unwrap_or_else(PoisonError::into_inner);
        losses.entry(instance.to_owned()).or_default().note(self.found.clock.now().monotonic)
    }

    /// The options with their secrets in clear text: a plugin cannot look where this host can, and
    /// its process has not this one's environment.
    pub(crate) fn revealed(&self, settings: &Settings, schema: &Value) -> Result<Value, ConfigFaults> {
        let mut options = match settings.as_json() {
            Value::Null => Value::Object(serde_json::Map::new()),
            options => options.clone(),
        };
        let mut faults = ConfigFaults::default();
        reveal(&mut options, schema, &mut faults);
        if faults.is_empty() { Ok(options) } else { Err(faults) }
    }
}

fn reveal(options: &mut Value, schema: &Value, faults: &mut ConfigFaults) {
    each_secret(options, schema, "", &mut |path, text| match Secret::read(text) {
        Ok(secret) => secret.reveal().clone_into(text),
        Err(message) => faults.push(ConfigFault::new(path, message)),
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_revealed_where_the_schema_says_that_they_are_secrets() {
        let secret = json!({ "type": "string", "writeOnly": true });
        let schema = json!({ "properties": {
            "password": secret,
            "token": { "anyOf": [secret, { "type": "null" }] },
            "users": { "items": { "properties": { "key": secret } } },
            "path": { "type": "string" },
        } });
        let mut options = json!({
            "password": "plain", "users": [{ "key": "env:NO_SUCH_VARIABLE_HERE" }], "path": "env:PATH",
            "token": "env:PATH",
        });
        let mut faults = ConfigFaults::default();
        reveal(&mut options, &schema, &mut faults);
        assert_eq!(options["password"], "plain");
        assert_eq!(options["path"], "env:PATH", "this is no secret");
        assert_eq!(options["token"], std::env::var("PATH").unwrap(), "one that may be left out");
        let faults: Vec<_> = faults.into_iter().collect();
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].path, "/users/0/key");
    }
}
