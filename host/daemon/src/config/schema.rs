//! Checks values against the part of JSON Schema that drivers and sinks describe themselves with:
//! types, bounds, choices, lists, and closed tables.

use rfid_core::DurationText;
use rfid_core::settings::is_secret;
use serde_json::{Map, Value};

use super::names::{listed, nearest};
use super::tree::{dotted, join};

/// Something that does not fit its schema.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// JSON pointer to the value.
    pub(crate) pointer: String,
    /// Whether it is about the key rather than the value.
    pub(crate) at_key: bool,
    pub(crate) message: String,
}

/// Everything that does not fit, each with its key, where the values stand in no file.
pub(crate) fn misfits(value: &Value, schema: &Value) -> Vec<String> {
    let mut misfits = Vec::new();
    check(value, schema, "", &mut misfits);
    misfits.iter().map(|misfit| format!("{}: {}", dotted(&misfit.pointer), misfit.message)).collect()
}

/// Finds everything that does not fit.
pub(crate) fn check(value: &Value, schema: &Value, pointer: &str, misfits: &mut Vec<Misfit>) {
    let mut misfit =
        |message: String| misfits.push(Misfit { pointer: pointer.to_owned(), at_key: false, message });
    if let Some(choices) = choices(schema) {
        if !choices.contains(&value) {
            let list = listed(choices.iter().map(|choice| shown(choice)));
            let hint = value
                .as_str()
                .and_then(|text| nearest(text, choices.iter().filter_map(|choice| choice.as_str())));
            let hint = hint.map_or(String::new(), |hint| format!(" (did you mean \"{hint}\"?)"));
            misfit(format!("{} is not allowed{hint}; write one of {list}", shown(value)));
        }
        return;
    }
    let types = types(schema);
    if !types.is_empty() && !types.iter().any(|name| is_of(value, name)) {
        let names: Vec<&str> =
            types.iter().filter(|name| **name != "null").map(|name| in_words(name)).collect();
        let what = if is_secret(schema) { "what stands here".to_owned() } else { shown(value) };
        misfit(format!("{what} is not {}", names.join(" or ")));
        return;
    }
    match value {
        Value::String(text) => {
            let shortest = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0);
            if (text.chars().count() as u64) < shortest {
                misfit("must not be empty".to_owned());
            }
            if schema.get("format").and_then(Value::as_str) == Some("duration")
                && let Err(message) = DurationText::parse(text)
            {
                misfit(message);
            }
        }
        Value::Number(number) => {
            let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
            let (least, most) = (bound("minimum"), bound("maximum"));
            let number = number.as_f64().unwrap_or(f64::NAN);
            if least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most) {
                misfit(match (least, most) {
                    (Some(least), Some(most)) => {
                        format!("{number} is out of range; {least} to {most} is allowed")
                    }
                    (Some(least), None) => format!("{number} is too small; at least {least} is allowed"),
                    _ => format!("{number} is too large; at most {} is allowed", most.unwrap_or_default()),
                });
            }
        }
        Value::Array(items) => {
            let fewest =
                schema.get("minItems").or(schema.get("minLength")).and_then(Value::as_u64).unwrap_or(0);
            if (items.len() as u64) < fewest {
                misfit(format!("at least {fewest} must stand here"));
            }
            if let Some(schema) = schema.get("items") {
                for (index, item) in items.iter().enumerate() {
                    check(item, schema, &format!("{pointer}/{index}"), misfits);
                }
            }
        }
        Value::Object(table) => check_table(table, schema, pointer, misfits),
        Value::Bool(_) | Value::Null => {}
    }
}

fn check_table(table: &Map<String, Value>, schema: &Value, pointer: &str, misfits: &mut Vec<Misfit>) {
    let none = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    for (key, value) in table {
        let pointer = join(pointer, key);
        if let Some(schema) = properties.get(key) {
            check(value, schema, &pointer, misfits);
            continue;
        }
        match schema.get("additionalProperties") {
            Some(Value::Bool(false)) => {
                let hint = nearest(key, properties.keys().map(String::as_str));
                let message = match hint {
                    Some(hint) => format!("unknown key; did you mean \"{hint}\"?"),
                    None if properties.is_empty() => "unknown key; there are no options here".to_owned(),
                    None => {
                        format!("unknown key; allowed are {}", listed(properties.keys()))
                    }
                };
                misfits.push(Misfit { pointer, at_key: true, message });
            }
            Some(schema) => check(value, schema, &pointer, misfits),
            None => {}
        }
    }
    for key in
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    {
        if !table.contains_key(key) {
            let message = format!("the key \"{key}\" is missing");
            misfits.push(Misfit { pointer: pointer.to_owned(), at_key: true, message });
        }
    }
}

/// The values that a schema allows one by one, if it does: `enum`, `const`, or alternatives of
/// such.
pub(crate) fn choices(schema: &Value) -> Option<Vec<&Value>> {
    if let Some(only) = schema.get("const") {
        return Some(vec![only]);
    }
    if let Some(list) = schema.get("enum").and_then(Value::as_array) {
        return Some(list.iter().collect());
    }
    let alternatives = schema.get("oneOf").or(schema.get("anyOf"))?.as_array()?;
    let mut all = Vec::new();
    for alternative in alternatives.iter().filter(|schema| types(schema) != ["null"]) {
        all.extend(choices(alternative)?);
    }
    Some(all)
}

/// Names of the types that a schema allows; none if it says nothing.
pub(crate) fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

fn in_words(name: &str) -> &str {
    match name {
        "string" => "text in quotes",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list in square brackets",
        "object" => "a table",
        name => name,
    }
}

/// A value as TOML would write it, cut short if it is long.
fn shown(value: &Value) -> String {
    match value {
        Value::Object(_) => "a table".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        value => shortened(&value.to_string()),
    }
}

/// A text, cut short if it is long.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn messages(value: Value, schema: Value) -> Vec<String> {
        let mut misfits = Vec::new();
        check(&value, &schema, "", &mut misfits);
        misfits.into_iter().map(|misfit| format!("{}: {}", misfit.pointer, misfit.message)).collect()
    }

    #[test]
    fn everything_that_does_not_fit_is_found_at_once() {
        let schema = json!({
            "type": "object", "additionalProperties": false, "required": ["address"],
            "properties": {
                "address": { "type": "string", "minLength": 1 },
                "protocols": { "type": "array", "minItems": 1, "items": { "oneOf": [{ "const": "gen2" }, { "const": "epc1" }] } },
                "time_out": { "type": ["string", "null"], "format": "duration" },
                "power": { "type": "integer", "minimum": 500, "maximum": 3250 },
            },
        });
        let value =
            json!({ "protocols": ["gen1"], "time_out": "250", "power": 9000, "adress": "x", "colour": true });
        assert_eq!(
            messages(value, schema),
            [
                "/protocols/0: \"gen1\" is not allowed (did you mean \"gen2\"?); write one of \"gen2\", \"epc1\"",
                "/time_out: \"250\" is not a duration; write a number with a unit, as in \"250ms\", \"20s\" or \"10m\"",
                "/power: 9000 is out of range; 500 to 3250 is allowed",
                "/adress: unknown key; did you mean \"address\"?",
                "/colour: unknown key; allowed are address, protocols, time_out, power",
                ": the key \"address\" is missing",
            ]
        );
    }

    #[test]
    fn types_are_named_in_words() {
        assert_eq!(messages(json!(5), json!({ "type": "string" })), [": 5 is not text in quotes"]);
        assert_eq!(
            messages(json!([]), json!({ "type": "array", "minItems": 1 })),
            [": at least 1 must stand here"]
        );
        assert_eq!(messages(json!({}), json!({ "type": "boolean" })), [": a table is not true or false"]);
    }
}
