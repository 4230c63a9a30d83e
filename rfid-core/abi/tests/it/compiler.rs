//! Compiles and runs C and C++.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where `rfid_plugin.h` is.
pub(crate) const INCLUDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/include");

/// What every compiler is asked to find.
const STRICT: [&str; 4] = ["-Wall", "-Wextra", "-pedantic", "-Werror"];

/// A folder of this name, empty.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder for the compiler");
    folder
}

/// Compiles a source text with these flags to a file beside it, which is returned.
pub(crate) fn compile(compiler: &str, flags: &[&str], source: &Path) -> PathBuf {
    let made = source.with_extension("out");
    let output = Command::new(compiler)
        .args(STRICT)
        .args(flags)
        .args(["-I", INCLUDE, "-o"])
        .arg(&made)
        .arg(source)
        .output()
        .unwrap_or_else(|error| panic!("cannot run {compiler}, install a C and a C++ compiler: {error}"));
    assert!(
        output.status.success(),
        "{compiler} {flags:?} {}:\n{}",
        source.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    made
}

/// What a program prints. It has to end well.
pub(crate) fn run(program: &Path) -> String {
    let output = Command::new(program).output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}\n{said}{}", output.status, String::from_utf8_lossy(&output.stderr));
    said
}

/// Whether there is a compiler of this name.
pub(crate) fn is_there(compiler: &str) -> bool {
    Command::new(compiler).arg("--version").output().is_ok()
}
