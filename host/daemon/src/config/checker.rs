//! Goes through the tables of a configuration, one after another, and gathers all faults.

use std::collections::{BTreeSet, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rfid_core::presence::{ReaderPlace, ZoneMap};
use rfid_core::settings::{each_secret, schema_of};
use rfid_core::{ConfigFaults, Driver, DurationText, Name, ReaderSetup, Settings, SinkKind};
use rfid_driver_llrp::emulator as llrp;
use rfid_driver_mercury4::emulator as mercury4;
use rfid_driver_thingmagic::emulator as thingmagic;
use rfid_loader::Plugins;
use serde_json::{Map, Value};

use super::accounts::seated;
use super::fault::{Fault, Gathered, Severity};
use super::files::Texts;
use super::names::{listed, nearest};
use super::plugins::Origin;
use super::schema::{Misfit, check};
use super::sections::{
    EmulatedReader, EmulatorSection, HostSection, LedgerSection, NAMED, PipelineSection, READER_KEYS, SINGLE,
    with_reader_keys, with_sink_keys,
};
use super::sink_keys::{SINK_KEYS, failure_policy};
use super::source::{Place, Source};
use super::tree::{Tree, dotted, join};
use super::{
    Config, EmulatedAt, EmulatorConfig, HostConfig, LedgerConfig, PipelineConfig, ReaderConfig, SinkConfig,
    relative, secrets,
};
use crate::registry::Registry;
use crate::scenarios;

/// Shortest time for which events may be kept.
const LEAST_KEPT: Duration = Duration::from_secs(3_600);

/// Goes through the files and gathers faults.
pub(super) struct Checker<'a> {
    pub(super) sources: Vec<Source>,
    pub(super) tree: Tree,
    pub(super) faults: Gathered,
    /// Where secrets stand in the files themselves.
    pub(super) secrets: Vec<Place>,
    drivers: Kinds<dyn Driver>,
    sinks: Kinds<dyn SinkKind>,
    pub(super) plugins: &'a Plugins,
}

/// Drivers or sinks by name, each with its schema.
type Kinds<T> = Vec<(&'static str, Value, Arc<T>)>;

impl<'a> Checker<'a> {
    pub(super) fn new(texts: Texts, registry: &'a Registry) -> Self {
        let Texts { sources, mut faults } = texts;
        let mut tree = Tree::default();
        for (file, source) in sources.iter().enumerate() {
            tree.add(file, source, &NAMED, &mut faults);
        }
        Self {
            sources,
            tree,
            faults,
            secrets: Vec::new(),
            drivers: drivers_of(&registry.drivers),
            sinks: sinks_of(&registry.sinks),
            plugins: &registry.plugins,
        }
    }

    /// The configuration, as far as it is in order.
    pub(super) fn config(&mut self) -> Option<Config> {
        self.top_level();
        let host = self.host();
        let http = self.http(host.as_ref());
        let ledger = self.ledger();
        let store = self.store(host.as_ref().map(|host| host.data_dir.as_path()));
        self.plugin_sections();
        let branches = self.names("branches");
        let service = self.service();
        let emulators: Vec<Option<EmulatorConfig>> = self
            .tables("emulators")
            .into_iter()
            .map(|(name, pointer, table)| self.emulator(&name, &pointer, table))
            .collect();
        let mut desk_secrets = 0;
        let desks = self.desks(&mut desk_secrets);
        let readers: Vec<Option<ReaderConfig>> = self
            .tables("readers")
            .into_iter()
            .map(|(name, pointer, table)| self.reader(&name, &pointer, table, &branches))
            .collect();
        let sinks: Vec<Option<SinkConfig>> = self
            .tables("sinks")
            .into_iter()
            .map(|(name, pointer, table)| self.sink(&name, &pointer, table))
            .collect();
        let there = (self.names("readers"), self.names("sinks"));
        let pipelines: Vec<Option<PipelineConfig>> = self
            .tables("pipelines")
            .into_iter()
            .map(|(name, pointer, table)| self.pipeline(&name, &pointer, table, &there))
            .collect();
        self.nothing_without_effect();
        let good = (flat(&emulators), flat(&readers), flat(&sinks), flat(&pipelines));
        self.conflicts(host.as_ref(), &good.0, &good.1, &good.2);
        self.lines_in_order(&good.1, &good.2, &good.3);
        self.readers_have_branches(&good.1, &good.2, &good.3);
        let mut service = service?;
        service.note_desks(desk_secrets);
        let mut readers = readers.into_iter().collect::<Option<_>>()?;
        let desks = seated(desks?, &mut readers);
        Some(Config {
            host: host?,
            http: http?,
            ledger: ledger?,
            store: store?,
            service,
            emulators: emulators.into_iter().collect::<Option<_>>()?,
            desks,
            readers,
            sinks: sinks.into_iter().collect::<Option<_>>()?,
            pipelines: pipelines.into_iter().collect::<Option<_>>()?,
        })
    }

    fn top_level(&mut self) {
        let keys: Vec<(String, bool)> =
            self.tree.root.iter().map(|(key, value)| (key.clone(), value.is_object())).collect();
        for (key, is_table) in keys {
            let pointer = join("", &key);
            let mut sections = SINGLE.into_iter().chain(NAMED);
            if !sections.clone().any(|section| section == key) {
                let hint = nearest(&key, sections.clone())
                    .map_or_else(|| listed(sections.by_ref()), |hint| format!("did you mean [{hint}]?"));
                self.at_key(&pointer, format!("there is no such table; {hint}"));
            } else if !is_table {
                self.at_value(&pointer, "a table must stand here");
            }
        }
        for section in NAMED {
            let Some(Value::Object(tables)) = self.tree.root.get(section) else { continue };
            let strays: Vec<String> = tables
                .iter()
                .filter(|(_, table)| !table.is_object())
                .map(|(name, _)| join(&join("", section), name))
                .collect();
            for pointer in strays {
                self.at_key(&pointer, format!("a table must stand here, as [{section}.NAME]"));
            }
        }
    }

    fn host(&mut self) -> Option<HostConfig> {
        let table = match self.tree.root.get("host") {
            None => Map::new(),
            Some(Value::Object(table)) => table.clone(),
            Some(_) => return None,
        };
        let usual = HostSection::default().listen;
        let written = table.get("listen").map_or(Some(usual.as_str()), Value::as_str);
        let listen = self.address("/host/listen", written, "127.0.0.1:8460");
        let section = self.typed::<HostSection>(&table.into(), &schema_of::<HostSection>(), "/host");
        let HostSection { name, data_dir, .. } = section?;
        Some(HostConfig { name, data_dir: data_dir.into(), listen: listen? })
    }

    /// An address to listen on. What is no text has been reported by the schema.
    fn address(&mut self, pointer: &str, written: Option<&str>, example: &str) -> Option<SocketAddr> {
        let written = written?;
        let address = written.parse().ok();
        if address.is_none() {
            let written = super::schema::shortened(written);
            let message = format!("\"{written}\" is not an address with a port, as in \"{example}\"");
            self.at_value(pointer, message);
        }
        address
    }

    fn ledger(&mut self) -> Option<LedgerConfig> {
        let table = match self.tree.root.get("ledger") {
            None => Map::new(),
            Some(Value::Object(table)) => table.clone(),
            Some(_) => return None,
        };
        let schema = schema_of::<LedgerSection>();
        let section: LedgerSection = self.typed(&Value::Object(table), &schema, "/ledger")?;
        let LedgerSection { keep_for, most_bytes, segment_bytes } = section;
        let DurationText(keep_for) = DurationText::parse(&keep_for).ok()?;
        let faults = self.faults.len();
        if keep_for < LEAST_KEPT {
            self.at_value("/ledger/keep_for", "nothing would be kept; at least \"1h\" is allowed");
        }
        if most_bytes.is_some_and(|most| most < 2 * segment_bytes) {
            let other = self.tree.key("/ledger/segment_bytes");
            let message =
                format!("is less than two files of the ledger, which are {} bytes", 2 * segment_bytes);
            self.add("/ledger/most_bytes", At::Value, Severity::Fault, message, other);
        }
        if self.faults.len() > faults {
            return None;
        }
        Some(LedgerConfig { keep_for, most_bytes, segment_bytes })
    }

    fn emulator(&mut self, name: &str, pointer: &str, table: Map<String, Value>) -> Option<EmulatorConfig> {
        let here = join(pointer, "listen");
        let is_named = table.contains_key("listen");
        let mut listen = self.address(&here, table.get("listen").and_then(Value::as_str), "127.0.0.1:8080");
        if listen.is_some_and(|listen| listen.port() == 0) {
            self.at_value(&here, "needs a port that a reader's address can name; 0 is any");
            listen = None;
        }
        let section: EmulatorSection = self.typed(&table.into(), &schema_of::<EmulatorSection>(), pointer)?;
        let at = match (section.reader, &section.link) {
            (EmulatedReader::Pn532, Some(_)) if is_named => {
                self.at_key(&here, "a pn532 has a link, and listens nowhere");
                None
            }
            (EmulatedReader::Pn532, Some(link)) => {
                Some(EmulatedAt::Link(self.folder(&join(pointer, "link")).join(link)))
            }
            (EmulatedReader::Pn532, None) => {
                self.at_key(pointer, "a pn532 needs link, the path at which its serial port appears");
                None
            }
            (_, Some(_)) => {
                self.at_key(&join(pointer, "link"), "only a pn532 has a link; this reader listens");
                None
            }
            (_, None) if !is_named => {
                self.at_key(pointer, "needs listen, the address and port at which it is reached");
                None
            }
            (_, None) => listen.map(EmulatedAt::Listen),
        };
        let profiles = section.reader.profiles();
        let profile =
            section.profile.unwrap_or_else(|| profiles.first().copied().unwrap_or_default().to_owned());
        let is_profile = profiles.contains(&profile.as_str()) || profile.is_empty() && profiles.is_empty();
        if !is_profile {
            let hint = nearest(&profile, profiles.iter().copied())
                .map_or(String::new(), |hint| format!(" (did you mean \"{hint}\"?)"));
            let message = match profiles {
                [] => "this reader has no profiles".to_owned(),
                _ => format!("\"{profile}\" is not a profile{hint}; there are: {}", listed(profiles.iter())),
            };
            self.at_value(&join(pointer, "profile"), message);
        }
        let here = join(pointer, "scenario");
        let scenario = section.scenario.map(|path| self.folder(&here).join(path));
        let playable = check_scenario(section.reader, scenario.as_deref());
        if let Err(why) = &playable {
            self.at_value(&here, format!("{why:#}"));
        }
        (is_profile && playable.is_ok()).then_some(())?;
        Some(EmulatorConfig { name: Name::from(name), reader: section.reader, at: at?, scenario, profile })
    }

    fn reader(
        &mut self,
        name: &str,
        pointer: &str,
        table: Map<String, Value>,
        branches: &BTreeSet<String>,
    ) -> Option<ReaderConfig> {
        // What does not depend on the driver is looked at whatever the driver is.
        self.branch(&table, pointer, branches);
        let zones = self.zones(&table, pointer);
        let (known, place, plugin) = match self.origin(&table, pointer)? {
            Origin::BuiltIn => (self.drivers.clone(), THIS_BUILD.to_owned(), None),
            Origin::Plugin(plugin, source) => {
                (drivers_of(plugin.drivers()), source.place.file.clone(), Some(source))
            }
        };
        let (_, schema, driver) = self.named(&table, pointer, "driver", &known, &place)?;
        let mut whole = Value::Object(table.clone());
        self.hide_secrets(&mut whole, &schema, pointer);
        if !self.fits(&whole, &schema, pointer) {
            return None;
        }
        let secrets = self.secrets(&mut whole, &schema, pointer)?;
        let branch = whole.get("branch").and_then(Value::as_str).map(Name::from);
        let serial = whole.get("serial").and_then(Value::as_str).map(str::to_owned);
        let Value::Object(options) = whole else { return None };
        let options = options.into_iter().filter(|(key, _)| !READER_KEYS.contains(&key.as_str())).collect();
        let settings = Settings::new(Value::Object(options));
        // Without ports the driver looks at the rest of its options all the same.
        let antenna_ports = zones.as_ref().map_or(Vec::new(), ZoneMap::antenna_ports);
        let setup = ReaderSetup { antenna_ports, ..ReaderSetup::named(name) };
        if let Err(faults) = driver.session(&settings, &setup) {
            self.own_faults(pointer, faults);
            return None;
        }
        let place = ReaderPlace { reader: Name::from(name), branch, zones: zones? };
        Some(ReaderConfig { driver, settings, secrets, setup, place, serial, plugin })
    }

    fn branch(&mut self, table: &Map<String, Value>, pointer: &str, branches: &BTreeSet<String>) {
        let Some(branch) = table.get("branch").and_then(Value::as_str) else { return };
        if !branches.contains(branch) {
            self.at_value(&join(pointer, "branch"), not_there(branch, branches, "branches"));
        }
    }

    /// `antennas = { 1 = "door" }` or `zone = "desk"`.
    fn zones(&mut self, table: &Map<String, Value>, pointer: &str) -> Option<ZoneMap> {
        match (table.get("antennas"), table.get("zone")) {
            (Some(Value::Object(antennas)), None) => {
                let mut ports = Vec::new();
                for (port, zone) in antennas {
                    let here = join(&join(pointer, "antennas"), port);
                    match (port.parse::<u16>(), zone.as_str()) {
                        (Ok(number @ 1..), Some(zone)) if !zone.is_empty() && number.to_string() == *port => {
                            ports.push((number, Name::from(zone)));
                        }
                        (Ok(1..), Some("")) => self.at_value(&here, "a zone has a name"),
                        // A zone that is no text has been reported by the schema.
                        (Ok(1..), None) => {}
                        _ => self
                            .at_key(&here, format!("\"{port}\" is not an antenna port; ports count from 1")),
                    }
                }
                if antennas.is_empty() {
                    self.at_value(&join(pointer, "antennas"), "at least one antenna port must stand here");
                }
                (!ports.is_empty()).then_some(ZoneMap::ByPort(ports))
            }
            (None, Some(Value::String(zone))) if !zone.is_empty() => {
                Some(ZoneMap::Whole(Name::from(zone.as_str())))
            }
            (None, Some(Value::String(_))) => {
                self.at_value(&join(pointer, "zone"), "a zone has a name");
                None
            }
            (Some(_), Some(_)) => {
                let other = self.tree.key(&join(pointer, "antennas"));
                let message = "has no effect beside antennas; write one of the two";
                self.add(&join(pointer, "zone"), At::Key, Severity::Fault, message, other);
                None
            }
            (None, None) => {
                let message = "where the reader listens is missing; write antennas = { 1 = \"door\" } or zone = \"door\"";
                self.at_key(pointer, message);
                None
            }
            // Of the wrong type, which the schema has reported.
            _ => None,
        }
    }

    fn sink(&mut self, name: &str, pointer: &str, table: Map<String, Value>) -> Option<SinkConfig> {
        let (known, place, plugin) = match self.origin(&table, pointer)? {
            Origin::BuiltIn => (self.sinks.clone(), THIS_BUILD.to_owned(), None),
            Origin::Plugin(plugin, source) => {
                (sinks_of(plugin.sinks()), source.place.file.clone(), Some(source))
            }
        };
        let (kind, schema, maker) = self.named(&table, pointer, "type", &known, &place)?;
        let kind = kind.to_owned();
        let mut whole = Value::Object(table.clone());
        self.hide_secrets(&mut whole, &schema, pointer);
        if !self.fits(&whole, &schema, pointer) {
            return None;
        }
        let secrets = self.secrets(&mut whole, &schema, pointer)?;
        let Value::Object(options) = whole else { return None };
        let options = options.into_iter().filter(|(key, _)| !SINK_KEYS.contains(&key.as_str())).collect();
        let settings = Settings::new(Value::Object(options));
        let name = Name::from(name);
        match maker.sink(&settings, &name) {
            Ok(sink) => match failure_policy(&table, sink.as_ref()) {
                Ok(failure) => {
                    let resources = maker.resources(&settings);
                    let schema = maker.describe().schema;
                    Some(SinkConfig { name, kind, settings, secrets, failure, schema, resources, plugin })
                }
                Err(faults) => {
                    for (key, message) in faults {
                        self.at_key(&join(pointer, key), message);
                    }
                    None
                }
            },
            Err(faults) => {
                self.own_faults(pointer, faults);
                None
            }
        }
    }

    fn pipeline(
        &mut self,
        name: &str,
        pointer: &str,
        table: Map<String, Value>,
        (readers, sinks): &(BTreeSet<String>, BTreeSet<String>),
    ) -> Option<PipelineConfig> {
        // Looked up also where something else is wrong with the table.
        let mut names = |key: &str, there: &BTreeSet<String>| -> Option<Vec<Name>> {
            let named = table.get(key)?.as_array()?;
            let mut all_there = true;
            let mut seen = HashSet::new();
            let texts = named.iter().enumerate().filter_map(|(index, name)| Some((index, name.as_str()?)));
            for (index, name) in texts.clone() {
                let here = format!("{}/{index}", join(pointer, key));
                if !there.contains(name) {
                    all_there = false;
                    self.at_value(&here, not_there(name, there, key));
                } else if !seen.insert(name) {
                    all_there = false;
                    self.at_value(&here, "stands here twice");
                }
            }
            all_there.then(|| texts.map(|(_, name)| Name::from(name)).collect())
        };
        let (readers, sinks) = (names("readers", readers), names("sinks", sinks));
        let section: PipelineSection =
            self.typed(&Value::Object(table), &schema_of::<PipelineSection>(), pointer)?;
        Some(PipelineConfig {
            name: Name::from(name),
            readers: readers?,
            sinks: sinks?,
            presence: section.presence,
        })
    }

    /// Notes where a table has secrets in it, for pictures of it and of what stands beside it.
    pub(super) fn hide_secrets(&mut self, options: &mut Value, schema: &Value, pointer: &str) {
        each_secret(options, schema, pointer, &mut |here, text| {
            if secrets::is_plain(text) {
                self.secrets.extend(self.tree.value(here));
            }
        });
    }

    /// Reads the secrets of a table. Paths become those that hold in any folder.
    pub(super) fn secrets(&mut self, options: &mut Value, schema: &Value, pointer: &str) -> Option<u64> {
        let mut found = Vec::new();
        let mut wrong = false;
        each_secret(options, schema, pointer, &mut |here, text| match secrets::resolve(
            text,
            &self.folder(here),
        ) {
            Ok((secret, is_plain)) => {
                if is_plain {
                    let message = "the secret itself stands here; write \"env:NAME\" or \"file:PATH\"";
                    self.add(here, At::Value, Severity::Warning, message, None);
                }
                found.push(secret);
            }
            Err(message) => {
                wrong = true;
                self.at_value(here, message);
            }
        });
        (!wrong).then(|| secrets::fingerprint(&found))
    }

    /// The folder of the file that a value stands in.
    pub(super) fn folder(&self, pointer: &str) -> PathBuf {
        let file = self.tree.value(pointer).map_or(0, |place| place.file);
        self.sources.get(file).map(|source| source.folder.clone()).unwrap_or_default()
    }

    /// Tables of a section: name, pointer, content.
    pub(super) fn tables(&self, section: &str) -> Vec<(String, String, Map<String, Value>)> {
        let Some(Value::Object(tables)) = self.tree.root.get(section) else { return Vec::new() };
        let pointer = join("", section);
        tables
            .iter()
            .filter_map(|(name, table)| {
                Some((name.clone(), join(&pointer, name), table.as_object()?.clone()))
            })
            .collect()
    }

    /// Names of the tables of a section.
    pub(super) fn names(&self, section: &str) -> BTreeSet<String> {
        let tables = self.tree.root.get(section).and_then(Value::as_object);
        let tables = tables.into_iter().flatten();
        tables.filter(|(_, table)| table.is_object()).map(|(name, _)| name.clone()).collect()
    }

    /// The driver or sink that a table names, of those that are in this place.
    fn named<T: ?Sized>(
        &mut self,
        table: &Map<String, Value>,
        pointer: &str,
        key: &str,
        known: &Kinds<T>,
        place: &str,
    ) -> Option<(&'static str, Value, Arc<T>)> {
        let names = known.iter().map(|(name, ..)| *name);
        let list = listed(names.clone());
        match table.get(key) {
            Some(Value::String(name)) => {
                let found = known.iter().find(|(known, ..)| known == name);
                if found.is_none() {
                    let hint = nearest(name, names)
                        .map_or(String::new(), |hint| format!(" (did you mean \"{hint}\"?)"));
                    let message = format!("\"{name}\" is not in {place}{hint}; there are: {list}");
                    self.at_value(&join(pointer, key), message);
                }
                found.cloned()
            }
            Some(_) => {
                self.at_value(
                    &join(pointer, key),
                    format!("a name in quotes must stand here; there are: {list}"),
                );
                None
            }
            None => {
                let misspelt = table.keys().find(|written| nearest(written, [key].into_iter()).is_some());
                let hint =
                    misspelt.map_or(String::new(), |written| format!("; is \"{written}\" meant for it?"));
                self.at_key(pointer, format!("the key \"{key}\" is missing{hint}; there are: {list}"));
                None
            }
        }
    }

    pub(super) fn typed<T: serde::de::DeserializeOwned>(
        &mut self,
        value: &Value,
        schema: &Value,
        pointer: &str,
    ) -> Option<T> {
        if !self.fits(value, schema, pointer) {
            return None;
        }
        match serde_json::from_value(value.clone()) {
            Ok(typed) => Some(typed),
            Err(error) => {
                self.at_key(pointer, error.to_string());
                None
            }
        }
    }

    pub(super) fn fits(&mut self, value: &Value, schema: &Value, pointer: &str) -> bool {
        let mut misfits = Vec::new();
        check(value, schema, pointer, &mut misfits);
        let fits = misfits.is_empty();
        for Misfit { pointer, at_key, message } in misfits {
            if at_key { self.at_key(&pointer, message) } else { self.at_value(&pointer, message) }
        }
        fits
    }

    fn own_faults(&mut self, table: &str, faults: ConfigFaults) {
        for fault in faults {
            let (pointer, message) = relative(table, &fault);
            self.at_value(&pointer, message);
        }
    }

    pub(super) fn at_key(&mut self, pointer: &str, message: impl Into<String>) {
        self.add(pointer, At::Key, Severity::Fault, message, None);
    }

    pub(super) fn at_value(&mut self, pointer: &str, message: impl Into<String>) {
        self.add(pointer, At::Value, Severity::Fault, message, None);
    }

    pub(super) fn add(
        &mut self,
        pointer: &str,
        at: At,
        severity: Severity,
        message: impl Into<String>,
        other: Option<Place>,
    ) {
        let place = match at {
            At::Key => self.tree.key(pointer),
            At::Value => self.tree.value(pointer),
        };
        let place = place.or(Some(Place::new(0, 0..0)));
        self.faults.push(Fault { severity, place, key: dotted(pointer), message: message.into(), other });
    }
}

/// Where drivers and sinks are that are no plugins.
const THIS_BUILD: &str = "this build";

fn drivers_of(drivers: &[Arc<dyn Driver>]) -> Kinds<dyn Driver> {
    let kinds = drivers.iter().map(|driver| {
        let about = driver.describe();
        (about.name, with_reader_keys(about.schema), Arc::clone(driver))
    });
    kinds.collect()
}

fn sinks_of(sinks: &[Arc<dyn SinkKind>]) -> Kinds<dyn SinkKind> {
    let kinds = sinks.iter().map(|sink| {
        let about = sink.describe();
        (about.name, with_sink_keys(about.schema), Arc::clone(sink))
    });
    kinds.collect()
}

/// Whether something is about a key or its value.
#[derive(Clone, Copy)]
pub(super) enum At {
    Key,
    Value,
}

impl EmulatedReader {
    /// Models that can be emulated; the first is the usual one.
    const fn profiles(self) -> &'static [&'static str] {
        match self {
            Self::Mercury4 => &["m4", "mercury5", "astra"],
            Self::Thingmagic => &["m6e", "m5e"],
            Self::Llrp => &["r420", "fx9600", "alr-f800"],
            Self::Pn532 => &[],
        }
    }
}

fn flat<T>(items: &[Option<T>]) -> Vec<&T> {
    items.iter().flatten().collect()
}

pub(super) fn not_there(name: &str, there: &BTreeSet<String>, section: &str) -> String {
    let name = super::schema::shortened(name);
    match nearest(&name, there.iter().map(String::as_str)) {
        Some(hint) => format!("there is no \"{name}\" in [{section}]; did you mean \"{hint}\"?"),
        None if there.is_empty() => format!("there is no \"{name}\"; [{section}] is empty"),
        None => format!("there is no \"{name}\" in [{section}]; there are: {}", listed(there.iter())),
    }
}

/// Whether the scenario can be played on this reader.
fn check_scenario(reader: EmulatedReader, scenario: Option<&Path>) -> anyhow::Result<()> {
    match reader {
        EmulatedReader::Mercury4 => scenarios::read(scenario, mercury4::Scenario::from_toml).map(drop),
        EmulatedReader::Thingmagic => scenarios::read(scenario, thingmagic::Scenario::from_toml).map(drop),
        EmulatedReader::Llrp => scenarios::read(scenario, llrp::Scenario::from_toml).map(drop),
        EmulatedReader::Pn532 => scenarios::cards(scenario).map(drop),
    }
}
