//! Keys of a sink's table that the host reads: what happens when the sink fails.

use rfid_core::Sink;
use rfid_core::pipeline::{FailurePolicy, OnFailure};
use rfid_core::settings::schema_of;
use serde_json::{Map, Value, json};

use super::plugins::PLUGIN_KEYS;

/// Keys that the host reads; the others are the sink's.
pub(super) const SINK_KEYS: [&str; 5] = ["type", "on_failure", "patience", PLUGIN_KEYS[0], PLUGIN_KEYS[1]];

/// The sink's schema with the keys that say what happens when it fails.
pub(crate) fn with_failure_keys(mut schema: Value) -> Value {
    let mut policy = schema_of::<FailurePolicy>();
    if let (Some(schema), Some(Value::Object(keys))) =
        (schema.as_object_mut(), policy.get_mut("properties").map(Value::take))
        && let Some(properties) = schema.entry("properties").or_insert_with(|| json!({})).as_object_mut()
    {
        properties.extend(keys);
    }
    schema
}

/// Puts in what holds when the sink fails, where it has an effect.
pub(super) fn show_failure_policy(table: &mut Value, policy: &FailurePolicy) {
    let Some(table) = table.as_object_mut() else { return };
    table.insert("on_failure".to_owned(), json!(policy.on_failure));
    match policy.on_failure {
        OnFailure::Retry => table.shift_remove("patience"),
        OnFailure::Spill | OnFailure::Pass => table.insert("patience".to_owned(), json!(policy.patience)),
    };
}

/// What a table says about failures, and what of it has no effect: key and message.
pub(super) fn failure_policy(
    table: &Map<String, Value>,
    sink: &dyn Sink,
) -> Result<FailurePolicy, Vec<(&'static str, String)>> {
    let keys = table.iter().filter(|(key, _)| ["on_failure", "patience"].contains(&key.as_str()));
    let keys = keys.map(|(key, value)| (key.clone(), value.clone())).collect();
    let mut policy: FailurePolicy = serde_json::from_value(Value::Object(keys))
        .map_err(|error| vec![("on_failure", error.to_string())])?;
    let mut faults = Vec::new();
    if policy.on_failure == OnFailure::Spill && !sink.takes_late() {
        if table.contains_key("on_failure") {
            let message =
                "has no effect: late, this sink's work would reach nobody; write \"pass\" or \"retry\"";
            faults.push(("on_failure", message.to_owned()));
        }
        policy.on_failure = OnFailure::Pass;
    }
    if policy.on_failure == OnFailure::Retry && table.contains_key("patience") {
        let message = "has no effect: with on_failure = \"retry\", events wait until the sink works";
        faults.push(("patience", message.to_owned()));
    }
    if faults.is_empty() { Ok(policy) } else { Err(faults) }
}
