//! Secrets in the options of readers and sinks: found by their schemas, read, and masked.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::LazyLock;

use rfid_core::Secret;
use rfid_core::settings::SecretSource;
use serde_json::Value;

use super::tree::join;

/// What is shown in place of a secret.
const MASK: &str = "***";

/// Calls `visit` for each secret, with its pointer.
pub(super) fn each(
    value: &mut Value,
    schema: &Value,
    pointer: &str,
    visit: &mut impl FnMut(&str, &mut String),
) {
    match value {
        Value::String(text) if is_secret(schema) => visit(pointer, text),
        Value::Object(table) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            for (key, value) in table {
                let schema = properties
                    .and_then(|properties| properties.get(key))
                    .or_else(|| schema.get("additionalProperties"));
                if let Some(schema) = schema {
                    each(value, schema, &join(pointer, key), visit);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for (index, item) in items.iter_mut().enumerate() {
                    each(item, schema, &format!("{pointer}/{index}"), visit);
                }
            }
        }
        _ => {}
    }
    for alternative in ["anyOf", "oneOf"].iter().filter_map(|key| schema.get(key)?.as_array()).flatten() {
        each(value, alternative, pointer, visit);
    }
}

pub(super) fn is_secret(schema: &Value) -> bool {
    schema.get("writeOnly").and_then(Value::as_bool).unwrap_or(false)
}

/// Masks all secrets, and where they come from.
pub(super) fn mask(value: &mut Value, schema: &Value) {
    each(value, schema, "", &mut |_, text| MASK.clone_into(text));
}

/// Whether a text is the secret itself.
pub(super) fn is_plain(text: &str) -> bool {
    matches!(SecretSource::of(text), SecretSource::Plain(_))
}

/// Reads the secret that a text names, and makes its path one that holds in any folder.
pub(super) fn resolve(text: &mut String, folder: &Path) -> Result<(Secret, bool), String> {
    let source = SecretSource::of(text).beside(folder);
    let is_plain = matches!(source, SecretSource::Plain(_));
    if !is_plain {
        *text = source.to_string();
    }
    Ok((source.read()?, is_plain))
}

/// Tells secrets apart within this process, without giving anything away of them.
pub(super) fn fingerprint(secrets: &[Secret]) -> u64 {
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEYS.hash_one(secrets.iter().map(Secret::reveal).collect::<Vec<_>>())
}
