//! What the schema of a driver's or sink's options may be.

use serde_json::Value;

/// What the host's checker and its documentation know of JSON Schema.
const KEYWORDS: [&str; 20] = [
    "$schema",
    "additionalProperties",
    "anyOf",
    "const",
    "default",
    "description",
    "enum",
    "examples",
    "format",
    "items",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "oneOf",
    "properties",
    "required",
    "title",
    "type",
    "writeOnly",
];

/// Checks that a schema describes a table, that each of its tables names all its keys, that every
/// key says what it is for, and that nothing stands there that the host would not heed.
///
/// # Errors
/// The first thing that is wrong, in words.
pub fn check(schema: &Value) -> Result<(), String> {
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err("the options are no table: \"type\" is not \"object\"".into());
    }
    check_at("", schema)
}

fn check_at(path: &str, schema: &Value) -> Result<(), String> {
    let Some(keywords) = schema.as_object() else { return Err(format!("{path:?} has no schema")) };
    if let Some(keyword) = keywords.keys().find(|key| !KEYWORDS.contains(&key.as_str())) {
        return Err(format!("{path:?} has \"{keyword}\", which the host does not heed"));
    }
    if let Some(items) = schema.get("items") {
        check_at(&format!("{path}/*"), items)?;
    }
    for alternative in ["oneOf", "anyOf"].iter().filter_map(|key| schema.get(*key)?.as_array()).flatten() {
        check_at(path, alternative)?;
    }
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Ok(()) };
    if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
        return Err(format!("the table {path:?} takes unknown keys"));
    }
    for (key, property) in properties {
        let path = format!("{path}/{key}");
        if property.get("description").and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(format!("{path} has no description"));
        }
        check_at(&path, property)?;
    }
    Ok(())
}
