//! The tables of a configuration that the host reads itself, and the schema of the whole.

use rfid_core::Description;
use rfid_core::presence::PresenceSettings;
use rfid_core::settings::schema_of;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::{AccountsSection, DeskSection, IssuingSection};
use super::audit::AuditSection;
use super::exports::ExportsSection;
use super::http::HttpSection;
use super::plugins::{PLUGIN_KEYS, PluginSection, plugin_keys};
use super::service::{ClientSection, ServiceSection};
use super::sink_keys::with_failure_keys;
use super::store::StoreSection;
use crate::registry::Registry;

/// Keys of a reader that the host reads; the others are the driver's.
pub(super) const READER_KEYS: [&str; 7] =
    ["driver", "branch", "antennas", "zone", "serial", PLUGIN_KEYS[0], PLUGIN_KEYS[1]];

/// `[host]` in the file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HostSection {
    /// Name of this host.
    #[schemars(length(min = 1))]
    pub(super) name: String,
    /// Folder of everything that is kept.
    #[schemars(length(min = 1))]
    pub(super) data_dir: String,
    /// Address and port of HTTP.
    pub(super) listen: String,
    /// Folder that plugins are taken from. It and the files in it belong to root or to the user of
    /// the host, and nobody else may write to them.
    #[schemars(length(min = 1))]
    pub(super) plugin_dir: Option<String>,
}

impl Default for HostSection {
    fn default() -> Self {
        Self {
            name: "rfid-host".to_owned(),
            data_dir: "./data".to_owned(),
            listen: "127.0.0.1:8460".to_owned(),
            plugin_dir: None,
        }
    }
}

/// `[ledger]` in the file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LedgerSection {
    /// How long events are kept. They are removed a file at a time, each when all in it is older.
    #[schemars(extend("format" = "duration"))]
    pub(super) keep_for: String,
    /// Bytes beyond which the oldest events are removed, however young; no bound if left out.
    #[schemars(range(min = 2_097_152))]
    pub(super) most_bytes: Option<u64>,
    /// Bytes that one file of the ledger has before the next is begun.
    #[schemars(range(min = 1_048_576, max = 1_073_741_824))]
    pub(super) segment_bytes: u64,
}

impl Default for LedgerSection {
    fn default() -> Self {
        Self { keep_for: "400d".to_owned(), most_bytes: None, segment_bytes: 16 * 1024 * 1024 }
    }
}

/// Tables that stand once, in one of the files.
pub(super) const SINGLE: [&str; 9] =
    ["host", "http", "ledger", "store", "service", "accounts", "issuing", "exports", "audit"];

/// Tables of tables, which may be spread over several files.
pub(super) const NAMED: [&str; 8] =
    ["branches", "clients", "desks", "emulators", "plugins", "readers", "sinks", "pipelines"];

/// `[emulators.NAME]` in the file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EmulatorSection {
    /// Which reader to be.
    pub(super) reader: EmulatedReader,
    /// Address and port to listen on, of a reader on the network; a reader's `address` names the same.
    #[expect(dead_code, reason = "read where it is written, to find more faults at once")]
    #[serde(default)]
    listen: Option<String>,
    /// Path at which the serial port of a pn532 appears; a reader's `port` names the same. A relative path
    /// counts from the folder of the configuration.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(super) link: Option<String>,
    /// File that says which tags come and go, and what goes wrong; a relative path counts from
    /// the folder of the configuration. Two tags come and go every half minute if left out.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(super) scenario: Option<String>,
    /// Which model to be: m4, mercury5 or astra as mercury4; m6e or m5e as thingmagic; r420, fx9600 or alr-f800
    /// as llrp; a pn532 has none.
    #[serde(default)]
    pub(super) profile: Option<String>,
}

/// Readers that can be emulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EmulatedReader {
    /// A ThingMagic Mercury 4, which speaks RQL over TCP.
    Mercury4,
    /// A ThingMagic module whose serial line is carried over TCP.
    Thingmagic,
    /// A reader that speaks LLRP.
    Llrp,
    /// A PN532 with cards on it, on a pseudo terminal.
    Pn532,
}

/// `[branches.NAME]` in the file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BranchSection {
    /// Name of the branch for people.
    pub(super) name: String,
    /// Where it lies: so that a card which is in two branches too quickly is noticed.
    #[serde(default)]
    pub(super) position: Option<PositionSection>,
}

/// A place on the earth.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PositionSection {
    /// Degrees north.
    #[schemars(range(min = -90, max = 90))]
    pub(super) latitude: f64,
    /// Degrees east.
    #[schemars(range(min = -180, max = 180))]
    pub(super) longitude: f64,
}

/// `[pipelines.NAME]` in the file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PipelineSection {
    /// Readers that feed the pipeline.
    #[schemars(length(min = 1))]
    #[expect(dead_code, reason = "looked up where it is written, to find more faults at once")]
    readers: Vec<String>,
    /// Sinks that events go through, in this order.
    #[schemars(length(min = 1))]
    #[expect(dead_code, reason = "looked up where it is written, to find more faults at once")]
    sinks: Vec<String>,
    /// When a tag counts as arrived and departed.
    #[serde(default)]
    pub(super) presence: PresenceSettings,
}

/// The JSON Schema of a whole configuration, for editors. The checker finds more than a schema can say.
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
            "http": schema_of::<HttpSection>(),
            "ledger": schema_of::<LedgerSection>(),
            "store": schema_of::<StoreSection>(),
            "service": schema_of::<ServiceSection>(),
            "accounts": schema_of::<AccountsSection>(),
            "issuing": schema_of::<IssuingSection>(),
            "exports": schema_of::<ExportsSection>(),
            "audit": schema_of::<AuditSection>(),
            "branches": tables(schema_of::<BranchSection>()),
            "clients": tables(schema_of::<ClientSection>()),
            "desks": tables(schema_of::<DeskSection>()),
            "emulators": tables(schema_of::<EmulatorSection>()),
            "plugins": tables(schema_of::<PluginSection>()),
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
pub(super) fn with_sink_keys(schema: Value) -> Value {
    let mut schema = with_failure_keys(schema);
    if let Some(schema) = schema.as_object_mut() {
        let properties = schema.entry("properties").or_insert_with(|| json!({}));
        if let Some(properties) = properties.as_object_mut() {
            properties.insert("type".to_owned(), json!({ "type": "string" }));
            if let Value::Object(keys) = plugin_keys() {
                properties.extend(keys);
            }
        }
    }
    schema
}

/// The driver's schema with the keys that the host reads.
pub(super) fn with_reader_keys(mut schema: Value) -> Value {
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
        if let Value::Object(keys) = plugin_keys() {
            properties.extend(keys);
        }
    }
    schema
}
