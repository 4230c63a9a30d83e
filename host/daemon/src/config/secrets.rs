//! Secrets in the options of readers and sinks: found by their schemas, read, and masked.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::LazyLock;

use rfid_core::Secret;
use rfid_core::settings::{SecretSource, each_secret};
use serde_json::Value;

/// What is shown in place of a secret.
const MASK: &str = "***";

/// Masks all secrets, and where they come from.
pub(super) fn mask(value: &mut Value, schema: &Value) {
    each_secret(value, schema, "", &mut |_, text| MASK.clone_into(text));
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
