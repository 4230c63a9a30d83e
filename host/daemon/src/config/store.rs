//! `[store]`: where customers, cards and visits are kept, and under which secret.

use rfid_core::Secret;
use rfid_core::settings::schema_of;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::checker::Checker;
use super::tree::join;

/// `[store]` in the file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct StoreSection {
    /// Which database: "sled" is embedded in data_dir.
    kind: StoreKind,
    /// The master secret under which personal data are sealed: 64 hexadecimal digits. One is made
    /// in data_dir, as service.key, if it is left out.
    key: Option<Secret>,
    /// Master secrets of before, for reading what was sealed under them.
    older_keys: Vec<Secret>,
}

impl Default for StoreSection {
    fn default() -> Self {
        Self { kind: StoreKind::Sled, key: None, older_keys: Vec::new() }
    }
}

/// Databases that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum StoreKind {
    /// Embedded.
    Sled,
}

/// A master secret.
pub(crate) type MasterKey = Zeroizing<[u8; 32]>;

/// `[store]`.
#[derive(Clone)]
pub(crate) struct StoreConfig {
    /// The master secret; made in the data folder without one.
    pub(crate) key: Option<MasterKey>,
    /// Those of before.
    pub(crate) older_keys: Vec<MasterKey>,
    /// Differs if a secret has.
    secrets: u64,
}

impl StoreConfig {
    /// What is usual: embedded, under a secret of its own.
    pub(crate) fn embedded() -> Self {
        Self { key: None, older_keys: Vec::new(), secrets: 0 }
    }
}

impl PartialEq for StoreConfig {
    fn eq(&self, other: &Self) -> bool {
        self.secrets == other.secrets
    }
}

impl Checker<'_> {
    /// `[store]`, as far as it is in order; what is usual where there is none.
    pub(super) fn store(&mut self) -> Option<StoreConfig> {
        let mut whole = match self.tree.root.get("store") {
            None => Value::Object(Map::new()),
            Some(table @ Value::Object(_)) => table.clone(),
            Some(_) => return None,
        };
        let schema = schema_of::<StoreSection>();
        self.hide_secrets(&mut whole, &schema, "/store");
        if !self.fits(&whole, &schema, "/store") {
            return None;
        }
        let secrets = self.secrets(&mut whole, &schema, "/store")?;
        let section: StoreSection = self.typed(&whole, &schema, "/store")?;
        let faults = self.faults.len();
        // Another kind will be told apart here.
        let StoreKind::Sled = section.kind;
        let key = section.key.as_ref().and_then(|key| self.master_key("/store/key", key));
        let mut older_keys = Vec::new();
        for (index, key) in section.older_keys.iter().enumerate() {
            older_keys.extend(self.master_key(&join("/store/older_keys", &index.to_string()), key));
        }
        (self.faults.len() == faults).then_some(StoreConfig { key, older_keys, secrets })
    }

    fn master_key(&mut self, pointer: &str, text: &Secret) -> Option<MasterKey> {
        let key = parse_key(text.reveal());
        if key.is_none() {
            let message = "a master secret is 64 hexadecimal digits, as `openssl rand -hex 32` prints them";
            self.at_value(pointer, message);
        }
        key
    }
}

/// The 32 bytes of 64 hexadecimal digits.
pub(crate) fn parse_key(text: &str) -> Option<MasterKey> {
    let digits: &[u8; 64] = text.trim().as_bytes().try_into().ok()?;
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut key = Zeroizing::new([0; 32]);
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{GOOD, checked};

    fn with(table: &str) -> String {
        GOOD.replacen("[branches.hubin]", &format!("[store]\n{table}\n[branches.hubin]"), 1)
    }

    #[test]
    fn a_store_is_under_a_secret_of_its_own_or_one_that_is_named() {
        let store = |text: &str| checked(text).unwrap_or_else(|faults| panic!("{faults:#?}")).store;
        assert!(store(GOOD).key.is_none());
        let named = store(&with(&format!("kind = \"sled\"\nkey = \"{}\"", "0f".repeat(32))));
        assert_eq!(*named.key.unwrap(), [0x0f; 32]);
    }

    #[test]
    fn what_is_wrong_with_a_store_is_said_without_its_secrets() {
        let wrong = |table: &str| checked(&with(table)).err().unwrap().join("\n");
        assert!(wrong("kind = \"postgres\"").contains("store.kind"));
        assert!(wrong("kind = \"sqlite\"").contains("store.kind"));
        for key in ["0f".repeat(31), format!("{}zz", "0f".repeat(31)), "０".repeat(64)] {
            let said = wrong(&format!("key = \"{key}\""));
            assert!(said.contains("store.key: a master secret is 64") && !said.contains(&key), "{said}");
        }
    }
}
