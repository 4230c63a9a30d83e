//! How configuration reaches drivers and sinks: as JSON that already passed their own schema.
//!
//! A driver describes its options once, as a struct with `serde` and `schemars` derives. The
//! host checks a configuration file against the schema, so it can report every fault with file,
//! line and column; the driver then reads the struct with [`Settings::parse`] and reports what a
//! schema cannot say as [`ConfigFault`]s, which the host maps back to places in the file.

mod secret;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use secret::{Secret, SecretSource, each_secret, is_secret};

/// The options of one reader or sink, without those that the host reads itself.
#[derive(Clone, Default, PartialEq)]
pub struct Settings(serde_json::Value);

/// Names of the options. A value may be somebody's password.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.as_object().into_iter().flat_map(serde_json::Map::keys);
        f.debug_set().entries(names).finish()
    }
}

impl Settings {
    /// Options from a JSON object.
    pub fn new(options: serde_json::Value) -> Self {
        Self(options)
    }

    /// Options from TOML text, for tests and embedders.
    ///
    /// # Errors
    /// One [`ConfigFault`] with the parser's message.
    pub fn from_toml(text: &str) -> Result<Self, ConfigFaults> {
        toml::from_str(text).map(Self).map_err(|error| ConfigFault::new("", error.message()).into())
    }

    /// The options as they are written: a secret is where it stands, or itself.
    pub fn as_json(&self) -> &serde_json::Value {
        &self.0
    }

    /// The options as the driver's own struct.
    ///
    /// # Errors
    /// One [`ConfigFault`] at the top of the options. A host that checked the schema first never
    /// sees it.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ConfigFaults> {
        let options = match &self.0 {
            serde_json::Value::Null => serde_json::Value::Object(serde_json::Map::new()),
            options => options.clone(),
        };
        serde_json::from_value(options).map_err(|error| ConfigFault::new("", error.to_string()).into())
    }
}

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFault {
    /// JSON pointer to the offending value, relative to the options: `/antennas/7`. Empty for
    /// the options as a whole.
    pub path: String,
    /// What is wrong and what is allowed, as one sentence without a full stop.
    pub message: String,
}

impl ConfigFault {
    /// A fault at this place.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "{}: {}", path.trim_start_matches('/').replace('/', "."), self.message),
        }
    }
}

impl std::error::Error for ConfigFault {}

/// All that is wrong with a configuration: whoever writes one wants to see everything at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigFaults(Vec<ConfigFault>);

impl ConfigFaults {
    /// Adds one more.
    pub fn push(&mut self, fault: ConfigFault) {
        self.0.push(fault);
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<ConfigFault> for ConfigFaults {
    fn from(fault: ConfigFault) -> Self {
        Self(vec![fault])
    }
}

impl IntoIterator for ConfigFaults {
    type Item = ConfigFault;
    type IntoIter = std::vec::IntoIter<ConfigFault>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            write!(f, "{}{fault}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigFaults {}

/// What a driver or sink says about itself, for `rfid-host drivers`, `sinks` and `describe`.
#[derive(Clone, Debug)]
pub struct Description {
    /// Name in configuration: `driver = "mercury4"`.
    pub name: &'static str,
    /// One line for a list.
    pub summary: &'static str,
    /// JSON Schema of the options, closed (`additionalProperties: false`) and with a description
    /// for each key. See [`schema_of`].
    pub schema: serde_json::Value,
    /// TOML with these options, commented, that works. Without the keys that the host reads
    /// itself.
    pub example: &'static str,
}

/// The JSON Schema of an options struct, with all parts in place (no `$ref`).
pub fn schema_of<T: JsonSchema>() -> serde_json::Value {
    schemars::generate::SchemaSettings::draft07()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

/// A duration as configuration writes it: text with a unit, `"250ms"`, `"20s"`, `"10m"`.
///
/// There are no sentinels: a duration is longer than zero unless its key says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DurationText(pub Duration);

impl DurationText {
    /// From text with a unit.
    ///
    /// # Errors
    /// A sentence that says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text).map(Self).map_err(|_| {
            format!("\"{text}\" is not a duration; write a number with a unit, as in \"250ms\", \"20s\" or \"10m\"")
        })
    }
}

impl From<DurationText> for Duration {
    fn from(text: DurationText) -> Self {
        text.0
    }
}

impl fmt::Display for DurationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = humantime::format_duration(self.0).to_string();
        f.write_str(&text.replace(' ', ""))
    }
}

impl Serialize for DurationText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for DurationText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "duration" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    struct Options {
        /// How long to wait.
        time_out: DurationText,
    }

    impl Default for Options {
        fn default() -> Self {
            Self { time_out: DurationText(Duration::from_millis(250)) }
        }
    }

    #[test]
    fn durations_are_text_with_a_unit_both_ways() {
        let parsed = DurationText::parse("1m 30s").unwrap();
        assert_eq!(parsed.0, Duration::from_secs(90));
        assert_eq!(parsed.to_string(), "1m30s");
        assert!(DurationText::parse("250").unwrap_err().contains("with a unit"));
    }

    #[test]
    fn schema_is_closed_and_carries_docs_and_defaults() {
        let schema = schema_of::<Options>();
        assert_eq!(schema["additionalProperties"], false);
        let time_out = &schema["properties"]["time_out"];
        assert_eq!(time_out["description"], "How long to wait.");
        assert_eq!(time_out["format"], "duration");
        assert_eq!(time_out["default"], "250ms");
    }

    #[test]
    fn absent_options_are_the_defaults() {
        let options: Options = Settings::default().parse().unwrap();
        assert_eq!(options.time_out.0, Duration::from_millis(250));
    }
}
