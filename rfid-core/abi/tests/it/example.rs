//! The driver in C that vendors begin with.

use std::path::Path;
use std::process::Command;

use crate::compiler::{INCLUDE, folder};

#[test]
fn driver_in_c_reads_from_its_emulator_under_the_sanitizers() {
    let folder = folder("driver_in_c");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/driver-c");
    // Beside the header, as `rfid-host plugin new` writes it.
    for file in ["acme.c", "emulator.c", "host.c", "Makefile"].map(|file| example.join(file)) {
        std::fs::copy(&file, folder.join(file.file_name().expect("a name"))).expect("a copy");
    }
    std::fs::copy(Path::new(INCLUDE).join("rfid_plugin.h"), folder.join("rfid_plugin.h")).expect("a copy");
    let make = |goal: &str| {
        let output = Command::new("make").arg("-C").arg(&folder).args([goal, "CFLAGS=-Werror"]).output();
        let output = output.expect("make runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        said
    };
    make("all");
    let said = make("check");
    let reads: Vec<&str> = said.lines().filter(|line| line.starts_with("30396062c3aac240")).collect();
    assert!(!reads.is_empty(), "{said}");
    // The host asked for antennas 1 and 2 of four.
    assert!(reads.iter().all(|read| read.contains("antenna 1,") || read.contains("antenna 2,")), "{said}");
}
