//! Starting points for plugins: the examples of this project, under another name.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cli::Language;

/// A file of a starting point: where it goes, and what is in it.
type Piece = (&'static str, &'static str);

macro_rules! example {
    ($folder:literal: $($file:literal),*) => {
        [$(($file, include_str!(concat!("../../../../examples/", $folder, "/", $file)))),*]
    };
}

macro_rules! interface {
    ($($file:literal),*) => {
        [$(($file, include_str!(concat!("../../../../rfid-core/abi/include/", $file)))),*]
    };
}

const C: [Piece; 5] = example!("driver-c": "acme.c", "emulator.c", "host.c", "Makefile", "README.md");
/// The interface, which is the same for everybody: for C, and with what C++ needs besides.
const INTERFACE: [Piece; 3] = interface!("rfid_plugin.h", "rfid_plugin.hpp", "rfid_plugin.map");
const RUST: [Piece; 8] = example!("driver-rust": "Cargo.toml", ".gitignore", "README.md", "src/lib.rs",
    "src/line.rs", "src/emulator.rs", "src/bin/acme-reader.rs", "tests/conformance.rs");

/// What the examples are called.
const NAME: &str = "acme";
/// Where they find the crates of this project.
const TREE: &str = "../../rfid-core";

/// Writes a starting point to a folder that is not there yet, under the folder's name.
pub(super) fn write(language: Language, folder: &Path, source: Option<&Path>) -> anyhow::Result<()> {
    let name = name_of(folder)?;
    let pieces: Vec<Piece> = match language {
        Language::C => C.into_iter().chain(INTERFACE).collect(),
        Language::Rust => RUST.to_vec(),
    };
    anyhow::ensure!(
        !is_taken(&name, &pieces),
        "the starting point has a \"{name}\" of its own; take another name for the folder, as in ./my{name}"
    );
    let tree = match language {
        Language::C => String::new(),
        Language::Rust => source_tree(source)?.join("rfid-core").display().to_string(),
    };
    fs::create_dir(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for (file, text) in pieces {
        let path = folder.join(renamed(file, &name));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let is_interface = INTERFACE.iter().any(|(known, _)| *known == file);
        let text = if is_interface { text.to_owned() } else { renamed(text, &name) };
        let text = text.replace(TREE, &tree);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}", path.display());
    }
    println!("\nREADME.md in {} says how to go on.", folder.display());
    Ok(())
}

/// The name of the driver: the folder's, which becomes part of file names and identifiers.
fn name_of(folder: &Path) -> anyhow::Result<String> {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit());
    anyhow::ensure!(
        is_name,
        "the folder's name becomes the driver's: small letters and digits, as in ./acme2000"
    );
    Ok(name.to_owned())
}

fn renamed(text: &str, name: &str) -> String {
    let (first, rest) = name.split_at(1);
    let capital = format!("{}{rest}", first.to_ascii_uppercase());
    let shouted = name.to_ascii_uppercase();
    text.replace(NAME, name).replace("Acme", &capital).replace("ACME", &shouted)
}

/// Whether something else in a starting point would be called the same: a file, or a type of the driver in Rust.
fn is_taken(name: &str, pieces: &[Piece]) -> bool {
    let mut files: Vec<String> = pieces.iter().map(|(file, _)| renamed(file, name)).collect();
    files.sort();
    let (all, driver) = (files.len(), renamed("Acme", name));
    files.dedup();
    let is_part = |char: char| char.is_alphanumeric() || char == '_';
    files.len() < all
        || name != NAME
            && pieces
                .iter()
                .filter(|(file, _)| file.ends_with(".rs"))
                .any(|(_, text)| text.split(|char| !is_part(char)).any(|word| word == driver))
}

/// Where the crates are that a plugin in Rust is built with.
fn source_tree(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let tree = given.unwrap_or(Path::new("."));
    anyhow::ensure!(
        tree.join("rfid-core/plugin/Cargo.toml").is_file(),
        "{} is not the source tree of rfid-host, whose crates a plugin in Rust is built with; write --source DIR",
        tree.display()
    );
    tree.canonicalize().with_context(|| format!("cannot look at {}", tree.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_a_word_that_fits_everywhere() {
        assert_eq!(name_of(Path::new("/srv/zebra9")).unwrap(), "zebra9");
        for folder in ["/", "..", "Zebra", "9x", "a-b", "a b", "é"] {
            assert!(name_of(Path::new(folder)).is_err(), "{folder}");
        }
        for name in ["host", "emulator"] {
            assert!(is_taken(name, &C), "{name}.c would be two files");
        }
        for name in ["session", "driver", "error", "self"] {
            assert!(is_taken(name, &RUST), "{name} would be two types");
        }
        for name in [NAME, "zebra9", "readers"] {
            assert!(!is_taken(name, &C) && !is_taken(name, &RUST), "{name}");
        }
        assert_eq!(
            renamed("struct Acme; // libacme.so ACME_H", "zebra"),
            "struct Zebra; // libzebra.so ZEBRA_H"
        );
    }
}
