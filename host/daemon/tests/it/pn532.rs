//! An emulated PN532 in a process of its own.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use crate::daemon::rfid_host;

#[test]
fn an_emulated_pn532_answers_on_its_port_and_takes_the_port_along() {
    let folder = tempfile::tempdir().unwrap();
    let port = folder.path().join("pn532");
    let mut emulator =
        rfid_host().args(["emulate", "pn532", "--link"]).arg(&port).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(emulator.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, format!("an emulated PN532 listens on {}; Ctrl-C ends it\n", port.display()));

    // A wake-up and the first command of all; its acknowledgement and its answer.
    let mut host = File::options().read(true).write(true).open(&port).unwrap();
    host.write_all(&[0x00; 16]).unwrap();
    host.write_all(&[0x00, 0x00, 0xFF, 0x03, 0xFD, 0xD4, 0x14, 0x01, 0x17, 0x00]).unwrap();
    let mut answer = [0; 15];
    host.read_exact(&mut answer).unwrap();
    assert_eq!(answer[..6], [0x00, 0x00, 0xFF, 0x00, 0xFF, 0x00]);
    assert_eq!(answer[6..], [0x00, 0x00, 0xFF, 0x02, 0xFE, 0xD5, 0x15, 0x16, 0x00]);

    Command::new("kill").args(["-TERM", &emulator.id().to_string()]).status().unwrap();
    assert!(emulator.wait().unwrap().success());
    assert!(!port.is_symlink(), "the link is still there");
}

#[test]
fn a_scenario_of_cards_with_a_fault_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("pad.toml");
    std::fs::write(&scenario, "[[card]]\nuid = \"DEAD\"\n").unwrap();
    let port = folder.path().join("pn532");
    let output = rfid_host()
        .args(["emulate", "pn532", "--link"])
        .arg(&port)
        .arg("--scenario")
        .arg(&scenario)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    let place = scenario.display();
    assert_eq!(said, format!("rfid-host: {place}:2:7: uid: 4, 7 or 10 bytes in hexadecimal digits\n"));
}
