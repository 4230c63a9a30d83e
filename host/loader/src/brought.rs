//! Libraries that a plugin brings along: those that it needs and that lie beside it.
//!
//! A plugin is loaded from memory, so the linker does not look beside its file. What it needs from there is
//! read, trusted and sealed as the plugin is, and loaded before it: the linker takes a library that is there
//! already if it has the name that is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use object::Endianness;
use object::elf::{DT_NEEDED, DT_SONAME, FileHeader64};
use object::read::elf::FileHeader as _;

use crate::trust::{self, Sealed, Sha256Text};

/// Libraries that a plugin may bring along.
const MOST: usize = 16;

/// What a library says of itself and of others.
#[derive(Debug, Default, PartialEq, Eq)]
struct Names {
    /// What others need it by.
    own: Option<String>,
    /// What it needs, in its order.
    needed: Vec<String>,
}

/// Reads a plugin and what it brings along into sealed memory.
///
/// With `pinned`, the plugin has this sum, and each library that it brings the one of its name in
/// `libraries`.
///
/// *Errors*: a sentence that says what is wrong and what to do.
pub(crate) fn read_with_libraries(
    folder: &Path,
    file: &str,
    pinned: Option<Sha256Text>,
    libraries: &BTreeMap<String, Sha256Text>,
) -> Result<Sealed, String> {
    let (mut plugin, bytes) = trust::read(folder, file, pinned)?;
    let mut search = Search { folder, is_pinned: pinned.is_some(), libraries, seen: BTreeSet::new() };
    search.seen.insert(file.to_owned());
    let names = names(&bytes);
    drop(bytes);
    let mut brings = Vec::new();
    search.take(&names, &mut brings).map_err(|why| format!("{}: {why}", plugin.path.display()))?;
    if let Some(unknown) = libraries.keys().find(|name| !brings.iter().any(|(known, _)| known == *name)) {
        return Err(format!(
            "{} brings no library \"{unknown}\", for which the configuration has a sum",
            plugin.path.display()
        ));
    }
    plugin.brings = brings;
    Ok(plugin)
}

struct Search<'a> {
    folder: &'a Path,
    is_pinned: bool,
    libraries: &'a BTreeMap<String, Sha256Text>,
    seen: BTreeSet<String>,
}

impl Search<'_> {
    /// Takes what is needed and lies there, each behind what it needs itself.
    fn take(&mut self, of: &Names, brings: &mut Vec<(String, Sealed)>) -> Result<(), String> {
        for name in &of.needed {
            if name.contains('/')
                || std::fs::symlink_metadata(self.folder.join(name)).is_err()
                || !self.seen.insert(name.clone())
            {
                continue;
            }
            if self.seen.len() > MOST + 1 {
                return Err(format!("more than {MOST} libraries would be brought along"));
            }
            let pinned = self.libraries.get(name).copied();
            let (library, bytes) = trust::read(self.folder, name, pinned)?;
            if self.is_pinned && pinned.is_none() {
                return Err(format!(
                    "has a sum in the configuration, and the library {name} that it brings along has none; write libraries = {{ \"{name}\" = \"{}\" }} beside its sha256",
                    library.sha256
                ));
            }
            let names = names(&bytes);
            drop(bytes);
            if names.own.as_ref() != Some(name) {
                return Err(format!(
                    "needs {name}, and the library of that file calls itself {}; build it with -Wl,-soname,{name}, by which it is found when it is loaded from memory",
                    names.own.as_deref().unwrap_or("nothing")
                ));
            }
            self.take(&names, brings)?;
            brings.push((name.clone(), library));
        }
        Ok(())
    }
}

/// What the dynamic section says; nothing where there is none that can be read, which the linker will say.
fn names(bytes: &[u8]) -> Names {
    read_names(bytes).unwrap_or_default()
}

fn read_names(bytes: &[u8]) -> Option<Names> {
    let header = FileHeader64::<Endianness>::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    let entries = header.sections(endian, bytes).ok()?.dynamic_table(endian, bytes).ok()?;
    let mut names = Names::default();
    for entry in &entries {
        let text = || String::from_utf8(entries.string(entry).ok()?.to_vec()).ok();
        match entry.tag {
            DT_NEEDED => names.needed.extend(text()),
            DT_SONAME => names.own = text(),
            _ => {}
        }
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;

    /// Builds shared libraries in a folder, each from its name, its code, and further arguments.
    fn folder_with(libraries: &[(&str, &str, &[&str])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for (name, code, arguments) in libraries {
            let source = folder.path().join("source.c");
            fs::write(&source, code).unwrap();
            let mut compiler = Command::new("cc");
            compiler.current_dir(folder.path()).args(["-shared", "-fPIC", "-o", name, "source.c"]);
            let made = compiler.args(*arguments).output().expect("a C compiler is needed");
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        folder
    }

    const SDK: (&str, &str, &[&str]) =
        ("libsdk.so.1", "int sdk(void) { return 1; }", &["-Wl,-soname,libsdk.so.1"]);
    const PLUGIN: (&str, &str, &[&str]) =
        ("a.so", "int sdk(void); int plugin(void) { return sdk(); }", &["libsdk.so.1"]);

    fn read(
        folder: &Path,
        pinned: Option<Sha256Text>,
        libraries: &[(&str, Sha256Text)],
    ) -> Result<Sealed, String> {
        let libraries = libraries.iter().map(|(name, sum)| ((*name).to_owned(), *sum)).collect();
        read_with_libraries(folder, "a.so", pinned, &libraries)
    }

    #[test]
    fn what_is_needed_and_lies_beside_is_brought_before_what_needs_it() {
        let folder = folder_with(&[
            ("libbase.so", "int base(void) { return 1; }", &["-Wl,-soname,libbase.so"]),
            (
                "libsdk.so.1",
                "int base(void); int sdk(void) { return base(); }",
                &["-Wl,-soname,libsdk.so.1", "libbase.so"],
            ),
            PLUGIN,
        ]);
        let sealed = read(folder.path(), None, &[]).unwrap();
        let names: Vec<&str> = sealed.brings.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["libbase.so", "libsdk.so.1"], "and not libc, which lies elsewhere");
    }

    #[test]
    fn a_library_is_trusted_no_more_than_a_plugin() {
        let folder = folder_with(&[SDK, PLUGIN]);
        fs::set_permissions(folder.path().join("libsdk.so.1"), fs::Permissions::from_mode(0o777)).unwrap();
        let refusal = read(folder.path(), None, &[]).unwrap_err();
        assert!(refusal.contains("libsdk.so.1 may be written by others"), "{refusal}");
    }

    #[test]
    fn who_asks_for_a_sum_of_the_plugin_asks_for_one_of_what_it_brings() {
        let folder = folder_with(&[SDK, PLUGIN]);
        let sealed = read(folder.path(), None, &[]).unwrap();
        let (plugin, library) = (sealed.sha256, sealed.brings[0].1.sha256);
        let refusal = read(folder.path(), Some(plugin), &[]).unwrap_err();
        assert!(refusal.contains(&format!("libraries = {{ \"libsdk.so.1\" = \"{library}\" }}")), "{refusal}");
        assert!(read(folder.path(), Some(plugin), &[("libsdk.so.1", library)]).is_ok());
        let refusal = read(folder.path(), Some(plugin), &[("libsdk.so.1", plugin)]).unwrap_err();
        assert!(refusal.contains("asks for"), "{refusal}");
        let more = [("libsdk.so.1", library), ("libother.so", library)];
        let refusal = read(folder.path(), Some(plugin), &more).unwrap_err();
        assert!(refusal.contains("brings no library \"libother.so\""), "{refusal}");
    }

    #[test]
    fn a_library_that_cannot_be_found_by_its_name_is_refused() {
        let folder = folder_with(&[("libsdk.so.1", "int sdk(void) { return 1; }", &[]), PLUGIN]);
        let refusal = read(folder.path(), None, &[]).unwrap_err();
        assert!(refusal.contains("calls itself nothing; build it with -Wl,-soname,libsdk.so.1"), "{refusal}");
    }

    #[test]
    fn bytes_that_are_no_library_need_nothing() {
        assert_eq!(names(b"no library"), Names::default());
    }
}
