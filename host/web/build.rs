//! Gathers the guides of the screens: whoever writes a screen lays its guide into the folder, and nothing else.

use std::fmt::Write as _;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let folder =
        Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default()).join("src/screens/guide");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut list = String::from("[\n");
    for language in ["zh-CN", "en"] {
        let folder = folder.join(language);
        println!("cargo::rerun-if-changed={}", folder.display());
        let mut files: Vec<_> = std::fs::read_dir(&folder)?
            .collect::<Result<Vec<_>, _>>()?
            .iter()
            .map(|file| file.path())
            .collect();
        files.retain(|path| path.extension().is_some_and(|kind| kind == "md"));
        files.sort();
        for path in files {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            // Writing to a string does not fail.
            let _ = writeln!(list, "    ({language:?}, {name:?}, include_str!({path:?})),");
        }
    }
    list.push_str("]\n");
    std::fs::write(Path::new(&std::env::var("OUT_DIR").unwrap_or_default()).join("guides.rs"), list)
}
