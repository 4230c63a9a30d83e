//! Readers and sinks that are taken from plugins: `plugin_dir`, `[plugins."FILE"]`, and the keys
//! `plugin` and `isolation` of a reader or sink.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rfid_loader::{Isolation, Place, Plugin, Sha256Text, USUAL_MEMORY};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::checker::{At, Checker};
use super::fault::Severity;
use super::tree::join;

/// Keys of a reader or sink that say where it is taken from.
pub(super) const PLUGIN_KEYS: [&str; 2] = ["plugin", "isolation"];

/// Least memory that a plugin's process can begin with.
const LEAST_MEMORY: u64 = 16 * 1024 * 1024;

/// `[plugins."FILE"]` in the configuration.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PluginSection {
    /// SHA-256 that the file must have, as sha256sum prints it.
    pub(super) sha256: Option<String>,
    /// The same for each library that it needs and that lies beside it; with sha256, all of them must be
    /// named.
    pub(super) libraries: BTreeMap<String, String>,
    /// Bytes of memory that the process of a reader or sink may have.
    #[schemars(range(min = LEAST_MEMORY))]
    pub(super) memory_bytes: u64,
}

impl Default for PluginSection {
    fn default() -> Self {
        Self { sha256: None, libraries: BTreeMap::new(), memory_bytes: USUAL_MEMORY }
    }
}

/// The keys of plugins for the schema of a reader or sink.
pub(super) fn plugin_keys() -> Value {
    json!({
        "plugin": {
            "type": "string",
            "minLength": 1,
            "description": "File in plugin_dir that it is taken from; built in if left out.",
        },
        "isolation": {
            "enum": ["process", "in-process"],
            "description": "Where a plugin runs: in a process of its own, or in the host's, which it can end. \"process\" if left out.",
        },
    })
}

/// A plugin that a reader or sink is taken from, as it was when the configuration was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PluginSource {
    /// Asks for the sums that the file and the libraries that it brings along had.
    pub(crate) place: Place,
}

/// Where a reader or sink is to be taken from.
pub(super) enum Origin {
    BuiltIn,
    Plugin(Plugin, PluginSource),
}

impl Checker<'_> {
    /// What a table says about where it is taken from, if that is there.
    pub(super) fn origin(&mut self, table: &Map<String, Value>, pointer: &str) -> Option<Origin> {
        let here = join(pointer, "plugin");
        let isolation = match table.get("isolation").map(Value::as_str) {
            None | Some(Some("process")) => Isolation::Process,
            Some(Some("in-process")) => Isolation::InProcess,
            Some(_) => {
                let message = "one of \"process\", \"in-process\" must stand here";
                self.at_value(&join(pointer, "isolation"), message);
                return None;
            }
        };
        let file = match table.get("plugin") {
            None => {
                if table.contains_key("isolation") {
                    let message = "has no effect: this is built in; it holds for what has a plugin";
                    self.at_key(&join(pointer, "isolation"), message);
                }
                return Some(Origin::BuiltIn);
            }
            Some(Value::String(file)) => file,
            Some(_) => {
                self.at_value(&here, "the name of a file in quotes must stand here, as \"libacme.so\"");
                return None;
            }
        };
        let Some(folder) = self.plugin_dir() else {
            self.at_value(&here, "there is no folder of plugins; write plugin_dir = \"./plugins\" in [host]");
            return None;
        };
        let PluginSection { sha256, libraries, memory_bytes } = self.plugin_section(file)?;
        let sum = |text: String| Sha256Text::parse(&text).ok();
        let mut place = Place {
            folder,
            file: file.clone(),
            sha256: match sha256 {
                Some(text) => Some(sum(text)?),
                None => None,
            },
            libraries: libraries
                .into_iter()
                .map(|(name, text)| Some((name, sum(text)?)))
                .collect::<Option<_>>()?,
            isolation,
            most_memory: memory_bytes,
        };
        match self.plugins.load(&place) {
            Ok(plugin) => {
                // What is started is what was looked at here, even if the file is replaced meanwhile.
                place.sha256 = Some(plugin.sha256());
                place.libraries = plugin.libraries();
                if isolation == Isolation::InProcess {
                    let message = "the plugin can end the whole host; \"process\" prevents that";
                    self.add(&join(pointer, "isolation"), At::Value, Severity::Warning, message, None);
                }
                Some(Origin::Plugin(plugin, PluginSource { place }))
            }
            Err(message) => {
                self.at_value(&here, message);
                None
            }
        }
    }

    fn plugin_dir(&self) -> Option<PathBuf> {
        let host = self.tree.root.get("host")?;
        Some(PathBuf::from(host.get("plugin_dir")?.as_str()?))
    }

    /// `[plugins."FILE"]`. What is wrong with it has been said by [`Checker::plugin_sections`].
    fn plugin_section(&self, file: &str) -> Option<PluginSection> {
        match self.tree.root.get("plugins").and_then(|tables| tables.get(file)) {
            Some(table) => serde_json::from_value(table.clone()).ok(),
            None => Some(PluginSection::default()),
        }
    }

    /// Looks at the tables of plugins.
    pub(super) fn plugin_sections(&mut self) {
        let used: Vec<String> = ["readers", "sinks"]
            .iter()
            .flat_map(|section| self.tables(section))
            .filter_map(|(.., table)| Some(table.get("plugin")?.as_str()?.to_owned()))
            .collect();
        for (file, pointer, table) in self.tables("plugins") {
            let schema = rfid_core::settings::schema_of::<PluginSection>();
            let section = self.typed::<PluginSection>(&Value::Object(table), &schema, &pointer);
            let PluginSection { sha256, libraries, .. } = section.unwrap_or_default();
            let of_libraries = join(&pointer, "libraries");
            let sums = sha256.into_iter().map(|text| (join(&pointer, "sha256"), text));
            for (here, text) in
                sums.chain(libraries.into_iter().map(|(name, text)| (join(&of_libraries, &name), text)))
            {
                if let Err(message) = Sha256Text::parse(&text) {
                    self.at_value(&here, message);
                }
            }
            if !used.contains(&file) {
                self.at_key(&pointer, "has no effect: no reader and no sink is taken from it");
            }
        }
    }
}
