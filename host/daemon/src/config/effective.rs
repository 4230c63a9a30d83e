//! The configuration as it takes effect: all files in one, with what was left out, without secrets.

use std::fmt::Write;

use rfid_core::settings::schema_of;
use serde_json::{Map, Value};

use super::accounts::{AccountsSection, DeskSection, IssuingSection};
use super::audit::AuditSection;
use super::exports::ExportsSection;
use super::http::HttpSection;
use super::plugins::PluginSection;
use super::sections::{
    BranchSection, EmulatorSection, HostSection, LedgerSection, NAMED, PipelineSection, SINGLE,
    with_reader_keys, with_sink_keys,
};
use super::service::{ClientSection, ServiceSection};
use super::sink_keys::show_failure_policy;
use super::store::StoreSection;
use super::tree::join;
use super::{Checked, secrets};

/// Everything as one object.
pub(crate) fn as_json(checked: &Checked) -> Value {
    let mut all = Map::new();
    for (section, schema) in SINGLE.into_iter().zip([
        schema_of::<HostSection>(),
        schema_of::<HttpSection>(),
        schema_of::<LedgerSection>(),
        schema_of::<StoreSection>(),
        schema_of::<ServiceSection>(),
        schema_of::<AccountsSection>(),
        schema_of::<IssuingSection>(),
        schema_of::<ExportsSection>(),
        schema_of::<AuditSection>(),
    ]) {
        let mut table = checked.tree.root.get(section).cloned().unwrap_or_else(|| Value::Object(Map::new()));
        complete(&mut table, &schema);
        secrets::mask(&mut table, &schema);
        all.insert(section.to_owned(), table);
    }
    for section in NAMED {
        let Some(Value::Object(tables)) = checked.tree.root.get(section) else { continue };
        let mut complete_ones = Map::new();
        for (name, table) in tables {
            let mut table = table.clone();
            if let Some(schema) = schema(section, name, checked) {
                complete(&mut table, &schema);
                secrets::mask(&mut table, &schema);
            }
            if section == "sinks"
                && let Some(sink) = checked.config.sinks.iter().find(|sink| sink.name.as_str() == name)
            {
                show_failure_policy(&mut table, &sink.failure);
            }
            complete_ones.insert(name.clone(), table);
        }
        all.insert(section.to_owned(), Value::Object(complete_ones));
    }
    Value::Object(all)
}

/// The same as TOML that says which file each table came from.
pub(crate) fn as_toml(checked: &Checked) -> String {
    let mut text = String::new();
    let Value::Object(all) = as_json(checked) else { return text };
    let from = |pointer: &str| {
        let place = checked.tree.key(pointer);
        let source = place.and_then(|place| checked.report.sources.get(place.file));
        source.map_or("# by default".to_owned(), |source| format!("# from {}", source.name.escape_debug()))
    };
    for (section, content) in &all {
        let Value::Object(tables) = content else { continue };
        if SINGLE.contains(&section.as_str()) {
            table(&mut text, &from(&join("", section)), section, tables);
            continue;
        }
        for (name, content) in tables {
            let Value::Object(content) = content else { continue };
            let header = format!("{section}.{}", key(name));
            table(&mut text, &from(&join(&join("", section), name)), &header, content);
        }
    }
    text
}

fn table(text: &mut String, from: &str, header: &str, content: &Map<String, Value>) {
    if !text.is_empty() {
        text.push('\n');
    }
    // Writing to a string does not fail.
    let _ = writeln!(text, "{from}\n[{header}]");
    for (name, value) in content.iter().filter(|(_, value)| !value.is_null()) {
        let _ = writeln!(text, "{} = {}", key(name), inline(value));
    }
}

fn schema(section: &str, name: &str, checked: &Checked) -> Option<Value> {
    match section {
        "branches" => Some(schema_of::<BranchSection>()),
        "clients" => Some(schema_of::<ClientSection>()),
        "desks" => Some(schema_of::<DeskSection>()),
        "emulators" => Some(schema_of::<EmulatorSection>()),
        "pipelines" => Some(schema_of::<PipelineSection>()),
        "plugins" => Some(schema_of::<PluginSection>()),
        "readers" => {
            let driver = &checked.config.reader(name)?.driver;
            Some(with_reader_keys(driver.describe().schema))
        }
        "sinks" => {
            let sink = checked.config.sinks.iter().find(|sink| sink.name.as_str() == name)?;
            Some(with_sink_keys(sink.schema.clone()))
        }
        _ => None,
    }
}

/// Puts in what was left out and has a default.
fn complete(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(table) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            for (key, schema) in properties.into_iter().flatten() {
                if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
                    table.entry(key.clone()).or_insert_with(|| default.clone());
                }
            }
            for (key, value) in table {
                let schema = properties
                    .and_then(|properties| properties.get(key))
                    .or_else(|| schema.get("additionalProperties"));
                if let Some(schema) = schema {
                    complete(value, schema);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                items.iter_mut().for_each(|item| complete(item, schema));
            }
        }
        _ => {}
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::Object(table) if table.is_empty() => "{}".to_owned(),
        Value::Object(table) => {
            let pairs = table.iter().filter(|(_, value)| !value.is_null());
            let pairs: Vec<String> =
                pairs.map(|(name, value)| format!("{} = {}", key(name), inline(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().filter(|item| !item.is_null()).map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        Value::String(text) => quoted(text),
        value => value.to_string(),
    }
}

fn key(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !name.is_empty() && name.bytes().all(is_bare) { name.to_owned() } else { quoted(name) }
}

/// TOML takes all escapes of JSON and wants one more.
fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7F}', "\\u007F")
}
