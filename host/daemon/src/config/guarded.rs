//! A driver with a secret, for tests.

use std::sync::Arc;

use rfid_core::settings::schema_of;
use rfid_core::{ConfigFaults, Description, Driver, DynSession, ReaderSetup, Secret, Settings};
use rfid_driver_mercury4::Mercury4;
use rfid_durable::Stores;

use super::tests::GOOD;
use crate::registry::Registry;

/// `driver = "guarded"`.
struct Guarded;

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// Opens it.
    password: Secret,
}

impl Driver for Guarded {
    fn describe(&self) -> Description {
        Description { name: "guarded", summary: "", schema: schema_of::<Options>(), example: "" }
    }

    fn session(
        &self,
        settings: &Settings,
        reader: &ReaderSetup,
    ) -> Result<Box<dyn DynSession>, ConfigFaults> {
        let Options { password } = settings.parse()?;
        assert!(!password.reveal().is_empty());
        Mercury4.session(&Settings::from_toml("address = \"x\"")?, reader)
    }
}

/// Everything that is built in, and this.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::built_in(Stores::new("/nonexistent"));
    registry.drivers.push(Arc::new(Guarded));
    registry
}

/// The good file with a reader that has this password.
pub(crate) fn guarded(password: &str) -> String {
    GOOD.replacen(
        "[branches.hubin]",
        "[readers.vault]\ndriver = \"guarded\"\npassword = \"@\"\nzone = \"vault\"\n\n[branches.hubin]",
        1,
    )
    .replacen("readers = [", "readers = [\"vault\", ", 1)
    .replacen('@', password, 1)
}
