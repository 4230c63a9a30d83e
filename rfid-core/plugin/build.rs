//! Asks the compiler what it is: whoever looks for a fault in a plugin wants to know.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc)
        .arg("--version")
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .unwrap_or_else(|| "an unknown compiler".to_owned());
    let target = env::var("TARGET").unwrap_or_default();
    println!("cargo::rustc-env=RFID_PLUGIN_BUILT_WITH={} for {target}", version.trim());
}
