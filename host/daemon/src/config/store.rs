//! `[store]`: where customers, cards and visits are kept, and under which secret.

use std::path::{Path, PathBuf};

use rfid_core::Secret;
use rfid_core::settings::schema_of;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::checker::{At, Checker};
use super::fault::Severity;
use super::tree::join;

/// `[store]` in the file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct StoreSection {
    /// Which database: "sled" is embedded in data_dir, "postgres" is a server.
    kind: StoreKind,
    /// Where the server is, with kind = "postgres": postgres://user:password@host:port/database.
    url: Option<Secret>,
    /// The master secret under which personal data are sealed: 64 hexadecimal digits. One is made
    /// in data_dir, as service.key, if it is left out.
    key: Option<Secret>,
    /// Master secrets of before, for reading what was sealed under them.
    older_keys: Vec<Secret>,
    /// Folder in which each backup that is asked for in a browser gets a folder of its own, best on another disk.
    /// It has to be there: what a disk is mounted on is not made while the disk is away. Embedded stores only.
    #[schemars(length(min = 1))]
    backup_dir: Option<String>,
}

impl Default for StoreSection {
    fn default() -> Self {
        Self { kind: StoreKind::Sled, url: None, key: None, older_keys: Vec::new(), backup_dir: None }
    }
}

/// Databases that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum StoreKind {
    /// Embedded.
    Sled,
    /// PostgreSQL.
    Postgres,
}

/// A master secret.
pub(crate) type MasterKey = Zeroizing<[u8; 32]>;

/// `[store]`.
#[derive(Clone)]
pub(crate) struct StoreConfig {
    /// Address of the PostgreSQL database; embedded without one.
    pub(crate) url: Option<Secret>,
    /// The master secret; made in the data folder without one.
    pub(crate) key: Option<MasterKey>,
    /// Those of before.
    pub(crate) older_keys: Vec<MasterKey>,
    /// Where backups go that are asked for in a browser.
    pub(crate) backup_dir: Option<PathBuf>,
    /// Differs if a secret has.
    secrets: u64,
}

impl StoreConfig {
    /// What is usual: embedded, under a secret of its own.
    pub(crate) fn embedded() -> Self {
        Self { url: None, key: None, older_keys: Vec::new(), backup_dir: None, secrets: 0 }
    }
}

impl StoreConfig {
    /// Whether both are one store, under whatever secrets.
    pub(crate) fn is_same_place(&self, other: &Self) -> bool {
        let place = |config: &Self| config.url.as_ref().map(|url| url.reveal().to_owned());
        place(self) == place(other)
    }
}

impl PartialEq for StoreConfig {
    fn eq(&self, other: &Self) -> bool {
        self.url.is_some() == other.url.is_some() && self.secrets == other.secrets
    }
}

impl Checker<'_> {
    /// `[store]`, as far as it is in order; what is usual where there is none.
    pub(super) fn store(&mut self, data_dir: Option<&Path>) -> Option<StoreConfig> {
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
        match (section.kind, &section.url) {
            (StoreKind::Sled, None) => {}
            (StoreKind::Sled, Some(_)) => {
                self.at_value("/store/url", "an embedded store has no address; kind = \"postgres\" has one");
            }
            (StoreKind::Postgres, None) => {
                let message = "a PostgreSQL store needs url = \"env:NAME\" or \"file:PATH\", which holds \
                               postgres://user:password@host:port/database";
                self.at_value("/store/kind", message);
            }
            (StoreKind::Postgres, Some(url)) => {
                if let Err(message) = rfid_service::store::postgres::is_address(url.reveal()) {
                    self.at_value("/store/url", &message);
                }
            }
        }
        let key = section.key.as_ref().and_then(|key| self.master_key("/store/key", key));
        let mut older_keys = Vec::new();
        for (index, key) in section.older_keys.iter().enumerate() {
            older_keys.extend(self.master_key(&join("/store/older_keys", &index.to_string()), key));
        }
        let backup_dir = section.backup_dir.map(PathBuf::from);
        if let Some(folder) = &backup_dir {
            self.backup_dir(folder, data_dir, section.url.is_some());
        }
        let is_in_order = self.faults.len() == faults;
        if backup_dir.as_ref().is_some_and(|folder| is_in_order && !folder.is_dir()) {
            let message = "there is no such folder now; no backup is made until it is there";
            self.add("/store/backup_dir", At::Value, Severity::Warning, message, None);
        }
        is_in_order.then_some(StoreConfig { url: section.url, key, older_keys, backup_dir, secrets })
    }

    fn backup_dir(&mut self, folder: &Path, data_dir: Option<&Path>, is_database: bool) {
        const POINTER: &str = "/store/backup_dir";
        let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        if is_database {
            let message = "a database is copied by its own tools (pg_dump, pg_basebackup); leave it out";
            return self.at_value(POINTER, message);
        }
        if data_dir.is_some_and(|data_dir| whole(folder).starts_with(whole(data_dir))) {
            let message =
                "lies in host.data_dir, with which its backups would be lost; name a folder elsewhere";
            self.at_value(POINTER, message);
        }
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
        assert!(named.url.is_none());
        let central = store(&with("kind = \"postgres\"\nurl = \"postgres://bank:geheim@db/rfid\""));
        assert_eq!(central.url.unwrap().reveal(), "postgres://bank:geheim@db/rfid");
    }

    #[test]
    fn backups_go_to_a_folder_of_an_embedded_store_that_lies_elsewhere() {
        let config =
            checked(&with("backup_dir = \"/mnt/backup\"")).unwrap_or_else(|faults| panic!("{faults:#?}"));
        assert_eq!(config.store.backup_dir.as_deref(), Some(std::path::Path::new("/mnt/backup")));
        let wrong = |table: &str| checked(&with(table)).err().unwrap().join("\n");
        let inside = config.host.data_dir.join("backups");
        let said = wrong(&format!("backup_dir = '{}'", inside.display()));
        assert!(said.contains("store.backup_dir: lies in host.data_dir"), "{said}");
        let database =
            "kind = \"postgres\"\nurl = \"postgres://bank:geheim@db/rfid\"\nbackup_dir = \"/mnt/backup\"";
        assert!(wrong(database).contains("store.backup_dir: a database is copied by its own tools"));
        assert!(wrong("backup_dir = \"\"").contains("store.backup_dir"));
    }

    #[test]
    fn what_is_wrong_with_a_store_is_said_without_its_secrets() {
        let wrong = |table: &str| checked(&with(table)).err().unwrap().join("\n");
        assert!(wrong("kind = \"postgres\"").contains("store.kind: a PostgreSQL store needs url"));
        assert!(wrong("url = \"postgres://bank@db/rfid\"").contains("store.url: an embedded store"));
        let said = wrong("kind = \"postgres\"\nurl = \"mysql://bank:geheim@db/rfid\"");
        assert!(said.contains("store.url: the address") && !said.contains("geheim"), "{said}");
        assert!(wrong("kind = \"sqlite\"").contains("store.kind"));
        for key in ["0f".repeat(31), format!("{}zz", "0f".repeat(31)), "０".repeat(64)] {
            let said = wrong(&format!("key = \"{key}\""));
            assert!(said.contains("store.key: a master secret is 64") && !said.contains(&key), "{said}");
        }
    }
}
