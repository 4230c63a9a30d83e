//! The tables of the file, one after another.

use std::collections::BTreeSet;

use rfid_core::presence::{PresenceSettings, ReaderPlace, ZoneMap};
use rfid_core::settings::schema_of;
use rfid_core::{ConfigFaults, Description, Name, ReaderSetup, Settings};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::schema::{Misfit, check, nearest};
use super::sink_keys::{SINK_KEYS, failure_policy, with_failure_keys};
use super::source::Fault;
use super::tree::{Tree, dotted, join};
use super::{Config, HostConfig, PipelineConfig, ReaderConfig, SinkConfig, relative};
use crate::registry::Registry;

/// Keys of a reader that the host reads; the others are the driver's.
const READER_KEYS: [&str; 5] = ["driver", "branch", "antennas", "zone", "serial"];

/// What the interface promises and this build does not have yet.
const NOT_YET: [(&str, &str); 2] = [
    ("/store", "this build keeps everything embedded in data_dir; there is nothing to choose"),
    ("/host/plugin_dir", "this build loads no plugins"),
];

/// `[host]` in the file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct HostSection {
    /// Name of this host.
    #[schemars(length(min = 1))]
    name: String,
    /// Folder of everything that is kept.
    #[schemars(length(min = 1))]
    data_dir: String,
    /// Address and port of HTTP.
    listen: String,
}

impl Default for HostSection {
    fn default() -> Self {
        Self {
            name: "rfid-host".to_owned(),
            data_dir: "./data".to_owned(),
            listen: "127.0.0.1:8460".to_owned(),
        }
    }
}

/// `[branches.NAME]` in the file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct BranchSection {
    /// Name of the branch for people.
    #[expect(dead_code, reason = "screens that show it come later; a branch without a name is a fault now")]
    name: String,
}

/// `[pipelines.NAME]` in the file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PipelineSection {
    /// Readers that feed the pipeline.
    #[schemars(length(min = 1))]
    readers: Vec<String>,
    /// Sinks that events go through, in this order.
    #[schemars(length(min = 1))]
    sinks: Vec<String>,
    /// When a tag counts as arrived and departed.
    #[serde(default)]
    presence: PresenceSettings,
}

/// Goes through a file and gathers faults.
pub(super) struct Checker<'a> {
    registry: &'a Registry,
    tree: Tree,
    faults: Vec<Fault>,
}

impl<'a> Checker<'a> {
    pub(super) fn new(text: &str, registry: &'a Registry) -> Self {
        let mut faults = Vec::new();
        let tree = Tree::parse(text, &mut faults);
        Self { registry, tree, faults }
    }

    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    /// The configuration, as far as it is in order.
    pub(super) fn config(&mut self) -> Option<Config> {
        self.top_level();
        let host = self.host();
        let branches: BTreeSet<String> = self.tables("branches").into_iter().map(|(name, ..)| name).collect();
        for (_, pointer, table) in self.tables("branches") {
            self.fits(&Value::Object(table), &schema_of::<BranchSection>(), &pointer);
        }
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
        let pipelines: Vec<Option<PipelineConfig>> = self
            .tables("pipelines")
            .into_iter()
            .map(|(name, pointer, table)| self.pipeline(&name, &pointer, table))
            .collect();
        self.nothing_without_effect();
        Some(Config {
            host: host?,
            readers: readers.into_iter().collect::<Option<_>>()?,
            sinks: sinks.into_iter().collect::<Option<_>>()?,
            pipelines: pipelines.into_iter().collect::<Option<_>>()?,
        })
    }

    fn top_level(&mut self) {
        for (pointer, message) in NOT_YET {
            let value = Value::Object(self.tree.root.clone());
            if value.pointer(pointer).is_some() {
                self.at_key(pointer, message);
            }
        }
        let sections = ["host", "branches", "readers", "sinks", "pipelines"];
        for (key, value) in self.tree.root.clone() {
            let pointer = join("", &key);
            if NOT_YET.iter().any(|(not_yet, _)| *not_yet == pointer) {
                continue;
            }
            if !sections.contains(&key.as_str()) {
                let hint = nearest(&key, sections.into_iter())
                    .map_or_else(|| sections.join(", "), |hint| format!("did you mean [{hint}]?"));
                self.at_key(&pointer, format!("there is no such table; {hint}"));
            } else if !value.is_object() {
                self.at_value(&pointer, "a table must stand here");
            }
        }
    }

    fn host(&mut self) -> Option<HostConfig> {
        let mut table = match self.tree.root.get("host") {
            None => Map::new(),
            Some(Value::Object(table)) => table.clone(),
            Some(_) => return None,
        };
        table.remove("plugin_dir");
        let section: HostSection = self.typed(&Value::Object(table), &schema_of::<HostSection>(), "/host")?;
        let Ok(listen) = section.listen.parse() else {
            let message =
                format!("\"{}\" is not an address with a port, as in \"127.0.0.1:8460\"", section.listen);
            self.at_value("/host/listen", message);
            return None;
        };
        Some(HostConfig { name: section.name, data_dir: section.data_dir.into(), listen })
    }

    fn reader(
        &mut self,
        name: &str,
        pointer: &str,
        table: Map<String, Value>,
        branches: &BTreeSet<String>,
    ) -> Option<ReaderConfig> {
        let known = self.registry.driver_descriptions();
        let driver = self.named(&table, pointer, "driver", &known)?;
        let driver = self.registry.driver(&driver)?.clone();
        let whole = Value::Object(table.clone());
        let fits = self.fits(&whole, &with_reader_keys(driver.describe().schema), pointer);
        self.branch(&table, pointer, branches);
        let zones = self.zones(&table, pointer)?;
        if !fits {
            return None;
        }
        let options = table.into_iter().filter(|(key, _)| !READER_KEYS.contains(&key.as_str())).collect();
        let settings = Settings::new(Value::Object(options));
        let setup = ReaderSetup { reader: Name::from(name), antenna_ports: zones.antenna_ports() };
        if let Err(faults) = driver.session(&settings, &setup) {
            self.own_faults(pointer, faults);
            return None;
        }
        let branch = whole.get("branch").and_then(Value::as_str).map(Name::from);
        let place = ReaderPlace { reader: Name::from(name), branch, zones };
        let serial = whole.get("serial").and_then(Value::as_str).map(str::to_owned);
        Some(ReaderConfig { driver, settings, setup, place, serial })
    }

    fn branch(&mut self, table: &Map<String, Value>, pointer: &str, branches: &BTreeSet<String>) {
        let Some(branch) = table.get("branch").and_then(Value::as_str) else { return };
        if !branches.contains(branch) {
            let hint = not_there(branch, branches.iter().map(String::as_str), "branches");
            self.at_value(&join(pointer, "branch"), hint);
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
                self.at_key(&join(pointer, "zone"), "has no effect beside antennas; write one of the two");
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
        let known = self.registry.sink_descriptions();
        let kind = self.named(&table, pointer, "type", &known)?;
        let kind_of_sink = self.registry.sink(&kind)?.clone();
        let whole = Value::Object(table.clone());
        if !self.fits(&whole, &with_sink_keys(kind_of_sink.describe().schema), pointer) {
            return None;
        }
        let options = table.iter().filter(|(key, _)| !SINK_KEYS.contains(&key.as_str()));
        let options = options.map(|(key, value)| (key.clone(), value.clone())).collect();
        let settings = Settings::new(Value::Object(options));
        let name = Name::from(name);
        match kind_of_sink.sink(&settings, &name) {
            Ok(sink) => match failure_policy(&table, sink.as_ref()) {
                Ok(failure) => Some(SinkConfig { name, kind, settings, failure }),
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

    fn pipeline(&mut self, name: &str, pointer: &str, table: Map<String, Value>) -> Option<PipelineConfig> {
        let section: PipelineSection =
            self.typed(&Value::Object(table), &schema_of::<PipelineSection>(), pointer)?;
        let mut names = |key: &str, named: &[String]| -> Option<Vec<Name>> {
            let there: Vec<String> = self.tables(key).into_iter().map(|(name, ..)| name).collect();
            let mut all_there = true;
            for (index, name) in named.iter().enumerate() {
                let here = format!("{}/{index}", join(pointer, key));
                if !there.contains(name) {
                    all_there = false;
                    self.at_value(&here, not_there(name, there.iter().map(String::as_str), key));
                } else if named.iter().take(index).any(|earlier| earlier == name) {
                    all_there = false;
                    self.at_value(&here, "stands here twice");
                }
            }
            all_there.then(|| named.iter().map(|name| Name::from(name.as_str())).collect())
        };
        let (readers, sinks) = (names("readers", &section.readers), names("sinks", &section.sinks));
        Some(PipelineConfig {
            name: Name::from(name),
            readers: readers?,
            sinks: sinks?,
            presence: section.presence,
        })
    }

    /// Readers and sinks that no pipeline names.
    fn nothing_without_effect(&mut self) {
        let pipelines = self.tables("pipelines");
        for (key, what) in [("readers", "no pipeline reads it"), ("sinks", "no pipeline feeds it")] {
            let used: BTreeSet<String> = pipelines
                .iter()
                .filter_map(|(.., table)| table.get(key)?.as_array())
                .flatten()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect();
            for (name, pointer, _) in self.tables(key) {
                if !used.contains(&name) {
                    self.at_key(&pointer, format!("has no effect: {what}"));
                }
            }
        }
        if pipelines.is_empty() && self.faults.is_empty() {
            let message = "there is no pipeline; write [pipelines.NAME] with readers and sinks";
            self.faults.push(Fault { span: 0..0, key: "pipelines".to_owned(), message: message.to_owned() });
        }
    }

    /// Tables of a section: name, pointer, content.
    fn tables(&self, section: &str) -> Vec<(String, String, Map<String, Value>)> {
        let Some(Value::Object(tables)) = self.tree.root.get(section) else { return Vec::new() };
        let pointer = join("", section);
        tables
            .iter()
            .filter_map(|(name, table)| {
                Some((name.clone(), join(&pointer, name), table.as_object()?.clone()))
            })
            .collect()
    }

    /// The driver or sink that a table names.
    fn named(
        &mut self,
        table: &Map<String, Value>,
        pointer: &str,
        key: &str,
        known: &[Description],
    ) -> Option<String> {
        let names = || known.iter().map(|description| description.name);
        let list = names().collect::<Vec<_>>().join(", ");
        match table.get(key) {
            Some(Value::String(name)) if names().any(|known| known == name) => Some(name.clone()),
            Some(Value::String(name)) => {
                let hint = nearest(name, names())
                    .map_or(String::new(), |hint| format!(" (did you mean \"{hint}\"?)"));
                let message = format!("\"{name}\" is not in this build{hint}; there are: {list}");
                self.at_value(&join(pointer, key), message);
                None
            }
            Some(_) => {
                self.at_value(
                    &join(pointer, key),
                    format!("a name in quotes must stand here; there are: {list}"),
                );
                None
            }
            None => {
                self.at_key(pointer, format!("the key \"{key}\" is missing; there are: {list}"));
                None
            }
        }
    }

    fn typed<T: serde::de::DeserializeOwned>(
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

    fn fits(&mut self, value: &Value, schema: &Value, pointer: &str) -> bool {
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

    fn at_key(&mut self, pointer: &str, message: impl Into<String>) {
        let span = self.tree.key(pointer);
        self.faults.push(Fault { span, key: dotted(pointer), message: message.into() });
    }

    fn at_value(&mut self, pointer: &str, message: impl Into<String>) {
        let span = self.tree.value(pointer);
        self.faults.push(Fault { span, key: dotted(pointer), message: message.into() });
    }
}

/// The JSON Schema of a whole file, for editors. [`Checker`] finds more than a schema can say.
pub(crate) fn whole_schema(registry: &Registry) -> Value {
    let tables = |of_one: Value| json!({ "type": "object", "additionalProperties": of_one });
    let host = schema_of::<HostSection>();
    let pipelines = tables(schema_of::<PipelineSection>());
    let readers = tables(one_of("driver", registry.driver_descriptions(), with_reader_keys));
    let sinks = tables(one_of("type", registry.sink_descriptions(), with_sink_keys));
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "rfid-host configuration",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "host": host,
            "branches": tables(schema_of::<BranchSection>()),
            "readers": readers,
            "sinks": sinks,
            "pipelines": pipelines,
        },
    })
}

/// A table whose other keys depend on the name under this one.
fn one_of(key: &str, known: Vec<Description>, complete: impl Fn(Value) -> Value) -> Value {
    let names: Vec<&str> = known.iter().map(|description| description.name).collect();
    let cases: Vec<Value> = known
        .iter()
        .map(|description| {
            let is_it = json!({ "properties": { key: { "const": description.name } } });
            json!({ "if": is_it, "then": complete(description.schema.clone()) })
        })
        .collect();
    json!({
        "type": "object",
        "required": [key],
        "properties": { key: { "enum": names } },
        "allOf": cases,
    })
}

/// The sink's schema with the keys that the host reads.
fn with_sink_keys(schema: Value) -> Value {
    let mut schema = with_failure_keys(schema);
    if let Some(schema) = schema.as_object_mut() {
        let properties = schema.entry("properties").or_insert_with(|| json!({}));
        if let Some(properties) = properties.as_object_mut() {
            properties.insert("type".to_owned(), json!({ "type": "string" }));
        }
    }
    schema
}

/// The driver's schema with the keys that the host reads.
fn with_reader_keys(mut schema: Value) -> Value {
    let host_keys = json!({
        "driver": { "type": "string" },
        "branch": { "type": "string" },
        "zone": { "type": "string" },
        "serial": { "type": "string", "minLength": 1 },
        "antennas": { "type": "object", "additionalProperties": { "type": "string" } },
    });
    if let (Some(properties), Value::Object(host_keys)) =
        (schema.get_mut("properties").and_then(Value::as_object_mut), host_keys)
    {
        properties.extend(host_keys);
    }
    schema
}

fn not_there<'a>(name: &str, there: impl Iterator<Item = &'a str> + Clone, section: &str) -> String {
    let list: Vec<&str> = there.clone().collect();
    match (nearest(name, there), list.as_slice()) {
        (Some(hint), _) => format!("there is no \"{name}\" in [{section}]; did you mean \"{hint}\"?"),
        (None, []) => format!("there is no \"{name}\"; [{section}] is empty"),
        (None, list) => format!("there is no \"{name}\" in [{section}]; there are: {}", list.join(", ")),
    }
}
