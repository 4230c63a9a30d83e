//! What lies between the configuration that runs and the next one.

use std::collections::BTreeSet;

use rfid_core::Name;
use rfid_core::presence::ReaderPlace;
use serde::Serialize;

use super::{Config, PipelineConfig, ReaderConfig, SinkConfig};

/// What a reload changes. Starting is the difference to a configuration of nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    pub(crate) readers: Parts,
    pub(crate) sinks: Parts,
    pub(crate) pipelines: Parts,
    /// Whether the master secret is another, which is taken over without a restart.
    pub(crate) secrets: bool,
    /// Whether backups go elsewhere, which is taken over without a restart as well.
    pub(crate) backups: bool,
    /// Keys whose change takes effect only when the host is started anew.
    pub(crate) needs_restart: Vec<&'static str>,
}

/// Names of parts of one kind, by what becomes of them. What is not named goes on undisturbed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Parts {
    pub(crate) added: BTreeSet<Name>,
    pub(crate) restarted: BTreeSet<Name>,
    pub(crate) removed: BTreeSet<Name>,
}

impl Parts {
    fn between<'a, T: 'a>(
        before: impl Iterator<Item = (&'a Name, &'a T)> + Clone,
        after: impl Iterator<Item = (&'a Name, &'a T)> + Clone,
        is_same: impl Fn(&T, &T) -> bool,
    ) -> Self {
        let mut parts = Self::default();
        for (name, part) in after.clone() {
            match before.clone().find(|(other, _)| *other == name) {
                None => parts.added.insert(name.clone()),
                Some((_, old)) if !is_same(old, part) => parts.restarted.insert(name.clone()),
                Some(_) => continue,
            };
        }
        for (name, _) in before {
            if !after.clone().any(|(other, _)| other == name) {
                parts.removed.insert(name.clone());
            }
        }
        parts
    }

    /// Whether this part must be ended: it is gone, or another takes its place.
    pub(crate) fn ends(&self, name: &str) -> bool {
        self.restarted.contains(name) || self.removed.contains(name)
    }

    /// Whether this part must be begun: it is new, or takes another's place.
    pub(crate) fn begins(&self, name: &str) -> bool {
        self.restarted.contains(name) || self.added.contains(name)
    }

    fn is_empty(&self) -> bool {
        self.added.is_empty() && self.restarted.is_empty() && self.removed.is_empty()
    }
}

impl Difference {
    pub(crate) fn between(before: &Config, after: &Config) -> Self {
        let sinks = Parts::between(named_sinks(before), named_sinks(after), |a, b| a == b);
        let readers = Parts::between(named_readers(before), named_readers(after), same_session);
        let pipelines = Parts::between(named_pipelines(before), named_pipelines(after), |a, b| {
            a == b && places(before, a) == places(after, b) && !b.sinks.iter().any(|sink| sinks.begins(sink))
        });
        let is_same_store = before.store.is_same_place(&after.store);
        let secrets = is_same_store && before.store != after.store;
        let backups = is_same_store && before.store.backup_dir != after.store.backup_dir;
        let needs_restart = needs_restart(before, after);
        let mut difference = Self { readers, sinks, pipelines, secrets, backups, needs_restart };
        difference.replays_together(before, after);
        difference
    }

    /// Recordings are played together and on one clock: when something changes about one, all are
    /// begun anew, and what lives by their time.
    fn replays_together(&mut self, before: &Config, after: &Config) {
        let is_touched = |config: &Config| {
            let mut pipelines = config.pipelines.iter().filter(|pipeline| config.is_played(pipeline));
            config.replays().any(|name| self.readers.ends(name) || self.readers.begins(name))
                || pipelines.any(|pipeline| {
                    self.pipelines.ends(&pipeline.name) || self.pipelines.begins(&pipeline.name)
                })
        };
        if !is_touched(before) && !is_touched(after) {
            return;
        }
        let readers = after.replays().filter(|name| !self.readers.begins(name));
        let readers: Vec<Name> = readers.cloned().collect();
        self.readers.restarted.extend(readers);
        let pipelines = after.pipelines.iter().filter(|pipeline| after.is_played(pipeline));
        let pipelines = pipelines.map(|pipeline| &pipeline.name).filter(|name| !self.pipelines.begins(name));
        let pipelines: Vec<Name> = pipelines.cloned().collect();
        self.pipelines.restarted.extend(pipelines);
    }

    /// Whether nothing changes.
    pub(crate) fn is_empty(&self) -> bool {
        self.readers.is_empty()
            && self.sinks.is_empty()
            && self.pipelines.is_empty()
            && !self.secrets
            && !self.backups
            && self.needs_restart.is_empty()
    }
}

/// Whether a session for the one serves for the other. Where the antennas stand does not matter
/// to it.
fn same_session(a: &ReaderConfig, b: &ReaderConfig) -> bool {
    a.driver.describe().name == b.driver.describe().name
        && a.plugin == b.plugin
        && (&a.settings, a.secrets, &a.serial) == (&b.settings, b.secrets, &b.serial)
        && (&a.setup.reader, &a.setup.antenna_ports) == (&b.setup.reader, &b.setup.antenna_ports)
}

/// Where a pipeline's readers stand.
fn places<'a>(config: &'a Config, pipeline: &PipelineConfig) -> Vec<Option<&'a ReaderPlace>> {
    pipeline.readers.iter().map(|name| config.reader(name).map(|reader| &reader.place)).collect()
}

fn needs_restart(before: &Config, after: &Config) -> Vec<&'static str> {
    let (old, new) = (&before.host, &after.host);
    let mut keys = Vec::new();
    for (key, is_same) in [
        ("host.data_dir", old.data_dir == new.data_dir),
        ("host.listen", old.listen == new.listen),
        ("host.name", old.name == new.name),
        ("http", before.http == after.http),
        ("ledger", before.ledger == after.ledger),
        ("store", before.store.is_same_place(&after.store)),
        ("service", before.service.runs_as(&after.service)),
        ("emulators", before.emulators == after.emulators),
    ] {
        if !is_same {
            keys.push(key);
        }
    }
    keys
}

fn named_readers(config: &Config) -> impl Iterator<Item = (&Name, &ReaderConfig)> + Clone {
    config.readers.iter().map(|reader| (&reader.setup.reader, reader))
}

fn named_sinks(config: &Config) -> impl Iterator<Item = (&Name, &SinkConfig)> + Clone {
    config.sinks.iter().map(|sink| (&sink.name, sink))
}

fn named_pipelines(config: &Config) -> impl Iterator<Item = (&Name, &PipelineConfig)> + Clone {
    config.pipelines.iter().map(|pipeline| (&pipeline.name, pipeline))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;
    use crate::config::guarded::{guarded, registry};
    use crate::config::tests::GOOD;
    use crate::config::{Texts, check};

    fn config(folder: &Path, text: &str) -> Config {
        let texts = Texts::of(&folder.join("branch.toml"), text);
        match check(texts, &registry()) {
            Ok(checked) => checked.config,
            Err(report) => panic!("{:#?}", report.lines().collect::<Vec<_>>()),
        }
    }

    fn names(names: &BTreeSet<Name>) -> Vec<&str> {
        names.iter().map(|name| name.as_str()).collect()
    }

    #[test]
    fn a_secret_that_changed_restarts_what_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, secret: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, secret).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        };
        write("door", "hunter2");
        write("hook", "hunter2");
        let webhook =
            "type = \"notify\"\nwebhooks = [{ url = \"https://example.com/\", secret = \"file:hook\" }]";
        let text = guarded("file:door").replacen("type = \"notify\"", webhook, 1);
        let before = config(folder.path(), &text);
        assert!(Difference::between(&before, &config(folder.path(), &text)).is_empty(), "the same again");

        write("door", "hunter3");
        let reader = config(folder.path(), &text);
        let difference = Difference::between(&before, &reader);
        assert_eq!(names(&difference.readers.restarted), ["vault"]);
        assert!(difference.sinks.is_empty() && difference.pipelines.is_empty(), "{difference:?}");

        write("hook", "hunter3");
        let difference = Difference::between(&reader, &config(folder.path(), &text));
        assert_eq!(names(&difference.sinks.restarted), ["screens"]);
        assert_eq!(names(&difference.pipelines.restarted), ["hubin"]);
        assert!(difference.readers.is_empty(), "{difference:?}");
        assert!(!format!("{difference:?}").contains("hunter"), "{difference:?}");
    }

    #[test]
    fn recordings_are_begun_anew_together() {
        let folder = tempfile::tempdir().unwrap();
        let reader = |name: &str| {
            format!("[readers.{name}]\ndriver = \"replay\"\nfile = \"{name}.rfidrec\"\nzone = \"{name}\"\n")
        };
        let pipeline =
            |name: &str| format!("[pipelines.{name}]\nreaders = [\"{name}\"]\nsinks = [\"visits\"]\n");
        let text = [GOOD, &reader("one"), &reader("two"), &pipeline("one"), &pipeline("two")].concat();
        let before = config(folder.path(), &text);
        assert!(Difference::between(&before, &config(folder.path(), &text)).is_empty());
        let after = config(folder.path(), &text.replacen("one.rfidrec", "other.rfidrec", 1));
        let difference = Difference::between(&before, &after);
        assert_eq!(names(&difference.readers.restarted), ["one", "two"]);
        assert_eq!(names(&difference.pipelines.restarted), ["one", "two"]);
        let after = config(folder.path(), &text.replacen("192.168.10.21", "192.168.10.22", 1));
        let difference = Difference::between(&before, &after);
        assert_eq!(names(&difference.readers.restarted), ["hubin_back"], "what is live is its own affair");
        assert!(difference.pipelines.is_empty());
    }

    #[test]
    fn another_folder_for_backups_needs_no_restart() {
        let folder = tempfile::tempdir().unwrap();
        let with = |table: &str| config(folder.path(), &format!("{GOOD}\n[store]\n{table}\n"));
        let (before, after) = (with(""), with("backup_dir = \"/mnt/backup\""));
        let difference = Difference::between(&before, &after);
        assert!(difference.backups && !difference.secrets && !difference.is_empty(), "{difference:?}");
        assert_eq!(difference.needs_restart, Vec::<&str>::new());
        assert!(Difference::between(&after, &after).is_empty());
    }

    #[test]
    fn another_master_secret_needs_no_restart_and_another_store_does() {
        let folder = tempfile::tempdir().unwrap();
        let with = |table: &str| config(folder.path(), &format!("{GOOD}\n[store]\n{table}\n"));
        let (one, other) = ("0f".repeat(32), "1e".repeat(32));
        let before = with(&format!("key = \"{one}\""));
        let difference =
            Difference::between(&before, &with(&format!("key = \"{other}\"\nolder_keys = [\"{one}\"]")));
        assert!(difference.secrets && difference.needs_restart.is_empty() && !difference.is_empty());
        let postgres = format!("kind = \"postgres\"\nurl = \"postgres://a@b/c\"\nkey = \"{one}\"");
        assert_eq!(Difference::between(&before, &with(&postgres)).needs_restart, ["store"]);
    }

    #[test]
    fn what_a_reload_cannot_change_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let emulator = "[emulators.e]\nreader = \"mercury4\"\nlisten = \"127.0.0.1:9000\"\n[branches.hubin]";
        let before = config(folder.path(), GOOD);
        for (piece, by, key) in [
            ("data_dir = \"./data\"", "data_dir = \"./other\"", "host.data_dir"),
            ("127.0.0.1:8460", "127.0.0.1:8461", "host.listen"),
            ("xizhou-centre", "other", "host.name"),
            ("[branches.hubin]", "[ledger]\nkeep_for = \"30d\"\n[branches.hubin]", "ledger"),
            ("[branches.hubin]", emulator, "emulators"),
        ] {
            let text = GOOD.replacen(piece, by, 1);
            assert_ne!(text, GOOD, "{piece}");
            let difference = Difference::between(&before, &config(folder.path(), &text));
            assert_eq!(difference.needs_restart, [key]);
            assert!(!difference.is_empty());
        }
    }
}
