//! Options that a schema does not allow, each wrong in one place.

use serde_json::{Map, Value, json};

/// What is wrong, and the options.
pub(crate) type Wrong = (String, Value);

/// Options without one of the keys that must be there.
pub(crate) fn missing_keys(schema: &Value, good: &Value) -> Vec<Wrong> {
    let mut all = Vec::new();
    tables(schema, good, "", &mut |schema, table, pointer| {
        for key in strings(schema.get("required")) {
            let mut without = table.clone();
            if without.remove(key).is_some() {
                let wrong = replaced(good, pointer, Value::Object(without));
                all.push((format!("without {pointer}/{key}"), wrong));
            }
        }
    });
    all
}

/// Options with a key that no table has.
pub(crate) fn unknown_keys(schema: &Value, good: &Value) -> Vec<Wrong> {
    let mut all = Vec::new();
    tables(schema, good, "", &mut |_, table, pointer| {
        let mut with = table.clone();
        with.insert("no_such_key".to_owned(), json!(1));
        all.push((format!("with {pointer}/no_such_key"), replaced(good, pointer, Value::Object(with))));
    });
    all
}

/// Options with a value of another type.
pub(crate) fn wrong_types(schema: &Value, good: &Value) -> Vec<Wrong> {
    each_value(schema, good, |schema| {
        let types = types(schema);
        if types.is_empty() {
            return Vec::new();
        }
        let is = |name: &str| types.iter().any(|one| one == name);
        let mut wrong = Vec::new();
        for (name, value) in [
            ("string", json!("seven")),
            ("boolean", json!(true)),
            ("array", json!([[]])),
            ("object", json!({ "no_such_key": 1 })),
        ] {
            if !is(name) {
                wrong.push(value);
            }
        }
        if !is("number") {
            wrong.push(json!(1.5));
            if !is("integer") {
                wrong.push(json!(7));
            }
        }
        wrong
    })
}

/// Options with a value just outside of what is allowed.
pub(crate) fn out_of_bounds(schema: &Value, good: &Value) -> Vec<Wrong> {
    each_value(schema, good, |schema| {
        let types = types(schema);
        let mut wrong = Vec::new();
        if let Some(least) = schema.get("minimum") {
            wrong.extend(beside(least, -1));
        }
        if let Some(most) = schema.get("maximum") {
            wrong.extend(beside(most, 1));
        }
        let at_least = |key: &str| schema.get(key).and_then(Value::as_u64).unwrap_or(0);
        if types.iter().any(|name| name == "string") && at_least("minLength") > 0 {
            wrong.push(json!(""));
        }
        if types.iter().any(|name| name == "array") && at_least("minItems") > 0 {
            wrong.push(json!([]));
        }
        if schema.get("format").and_then(Value::as_str) == Some("duration") {
            wrong.push(json!("soon"));
        }
        if is_choice(schema) {
            wrong.push(json!("no such choice"));
        }
        wrong
    })
}

/// Pointers to the values that are secret, where the options have them or may have them.
pub(crate) fn secrets(schema: &Value, good: &Value) -> Vec<String> {
    let mut all = Vec::new();
    tables(schema, good, "", &mut |schema, _, pointer| {
        for (key, property) in properties(schema) {
            if property.get("writeOnly") == Some(&Value::Bool(true)) {
                all.push(format!("{pointer}/{key}"));
            }
        }
    });
    all
}

/// `options` with another value at a pointer, the last key of which need not be there yet.
pub(crate) fn replaced(options: &Value, pointer: &str, value: Value) -> Value {
    let mut options = options.clone();
    let Some((parent, key)) = pointer.rsplit_once('/') else { return value };
    match options.pointer_mut(parent) {
        Some(Value::Object(table)) => {
            table.insert(key.replace("~1", "/").replace("~0", "~"), value);
        }
        Some(Value::Array(items)) => {
            if let Some(item) = key.parse().ok().and_then(|index: usize| items.get_mut(index)) {
                *item = value;
            }
        }
        _ => {}
    }
    options
}

/// Options for each wrong value of each key of each table, and of each first item of a list.
fn each_value(schema: &Value, good: &Value, wrong: impl Fn(&Value) -> Vec<Value>) -> Vec<Wrong> {
    let mut all = Vec::new();
    tables(schema, good, "", &mut |schema, table, pointer| {
        for (key, property) in properties(schema) {
            let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
            for value in wrong(property) {
                all.push((format!("with {value} as {pointer}"), replaced(good, &pointer, value)));
            }
            let items = property.get("items");
            let has_item = table.get(key).and_then(Value::as_array).is_some_and(|items| !items.is_empty());
            for value in items.filter(|_| has_item).map(&wrong).unwrap_or_default() {
                let pointer = format!("{pointer}/0");
                all.push((format!("with {value} as {pointer}"), replaced(good, &pointer, value)));
            }
        }
    });
    all
}

/// Visits each table of good options with its schema and its pointer.
fn tables(
    schema: &Value,
    good: &Value,
    pointer: &str,
    visit: &mut impl FnMut(&Value, &Map<String, Value>, &str),
) {
    match good {
        Value::Object(table) if schema.get("properties").is_some() => {
            visit(schema, table, pointer);
            for (key, property) in properties(schema) {
                if let Some(value) = table.get(key) {
                    let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                    tables(property, value, &pointer, visit);
                }
            }
        }
        Value::Array(items) => {
            if let (Some(schema), Some(first)) = (schema.get("items"), items.first()) {
                tables(schema, first, &format!("{pointer}/0"), visit);
            }
        }
        _ => {}
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

fn strings(value: Option<&Value>) -> impl Iterator<Item = &str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// The types that a schema allows, of all its alternatives; none: it allows every type.
fn types(schema: &Value) -> Vec<String> {
    if let Some(name) = schema.get("type").and_then(Value::as_str) {
        return vec![name.to_owned()];
    }
    if schema.get("type").is_some() {
        return strings(schema.get("type")).map(str::to_owned).collect();
    }
    if let Some(alternatives) = alternatives(schema) {
        let each: Vec<Vec<String>> = alternatives.iter().map(types).collect();
        let open = each.iter().any(Vec::is_empty);
        return if open { Vec::new() } else { each.into_iter().flatten().collect() };
    }
    let fixed = schema
        .get("const")
        .into_iter()
        .chain(schema.get("enum").and_then(Value::as_array).into_iter().flatten());
    fixed
        .map(|value| {
            let name = match value {
                Value::Null => "null",
                Value::Bool(_) => "boolean",
                Value::Number(number) if number.is_f64() => "number",
                Value::Number(_) => "integer",
                Value::String(_) => "string",
                Value::Array(_) => "array",
                Value::Object(_) => "object",
            };
            name.to_owned()
        })
        .collect()
}

fn alternatives(schema: &Value) -> Option<&Vec<Value>> {
    schema.get("oneOf").or(schema.get("anyOf"))?.as_array()
}

/// Whether only certain values are allowed.
fn is_choice(schema: &Value) -> bool {
    schema.get("const").is_some()
        || schema.get("enum").is_some()
        || alternatives(schema)
            .is_some_and(|all| all.iter().all(|one| is_choice(one) || types(one) == ["null"]))
}

/// The number one further.
fn beside(bound: &Value, step: i64) -> Option<Value> {
    if let Some(bound) = bound.as_i64() {
        return bound.checked_add(step).map(Value::from);
    }
    bound.as_f64().map(|bound| json!(bound + step as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "address": { "type": "string", "minLength": 1 },
                "power": { "type": ["integer", "null"], "minimum": 0, "maximum": 30 },
                "mode": { "oneOf": [{ "const": "poll" }, { "const": "push" }] },
                "antennas": { "type": "array", "minItems": 1, "items": { "type": "integer", "minimum": 1 } },
                "login": {
                    "type": "object",
                    "properties": { "password": { "type": "string", "writeOnly": true } },
                    "required": ["password"],
                    "additionalProperties": false
                }
            },
            "required": ["address"],
            "additionalProperties": false
        })
    }

    fn good() -> Value {
        json!({ "address": "here", "antennas": [1], "login": { "password": "secret" } })
    }

    fn whats(all: &[Wrong]) -> Vec<&str> {
        all.iter().map(|(what, _)| what.as_str()).collect()
    }

    #[test]
    fn keys_are_left_out_and_added_in_every_table() {
        let missing = missing_keys(&schema(), &good());
        assert_eq!(whats(&missing), ["without /address", "without /login/password"]);
        assert_eq!(missing[1].1, json!({ "address": "here", "antennas": [1], "login": {} }));
        assert_eq!(
            whats(&unknown_keys(&schema(), &good())),
            ["with /no_such_key", "with /login/no_such_key"]
        );
    }

    #[test]
    fn values_are_just_outside() {
        assert_eq!(
            whats(&out_of_bounds(&schema(), &good())),
            [
                "with \"\" as /address",
                "with -1 as /power",
                "with 31 as /power",
                "with \"no such choice\" as /mode",
                "with [] as /antennas",
                "with 0 as /antennas/0",
            ]
        );
    }

    #[test]
    fn types_that_are_allowed_are_not_tried() {
        let wrong = wrong_types(&schema(), &good());
        assert!(!whats(&wrong).contains(&"with 7 as /power"));
        assert!(whats(&wrong).contains(&"with 1.5 as /power"));
        assert!(whats(&wrong).contains(&"with 7 as /mode"));
        assert!(whats(&wrong).contains(&"with true as /antennas/0"));
        assert!(whats(&wrong).contains(&"with 1.5 as /login/password"));
    }

    #[test]
    fn secrets_are_found() {
        assert_eq!(secrets(&schema(), &good()), ["/login/password"]);
    }
}
