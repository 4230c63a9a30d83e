//! Which fields of a record change.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Trail;
use crate::record::Record;

/// Fields that differ between a record before and after, each with what stands for its value in each.
pub fn changed_fields(
    trail: &Trail,
    before: Option<&Record>,
    after: Option<&Record>,
) -> BTreeMap<String, [String; 2]> {
    let (before, after) = (fields(before), fields(after));
    let names = before.keys().chain(after.keys());
    let value = |fields: &BTreeMap<String, Value>, name: &String| match fields.get(name) {
        None => String::new(),
        Some(value) => trail.mark(value.to_string().as_bytes()),
    };
    names
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| (name.clone(), [value(&before, name), value(&after, name)]))
        .collect()
}

fn fields(record: Option<&Record>) -> BTreeMap<String, Value> {
    let Some(Ok(Value::Object(mut outer))) = record.map(serde_json::to_value) else { return BTreeMap::new() };
    // A record is its kind and, in that, its fields.
    let inner = outer.iter_mut().next().map(|(_, inner)| inner.take());
    match inner {
        Some(Value::Object(fields)) => fields.into_iter().collect(),
        _ => BTreeMap::new(),
    }
}
