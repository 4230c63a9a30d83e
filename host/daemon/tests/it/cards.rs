//! `rfid-host card` and `rfid-host read` on an emulated PN532.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::daemon::rfid_host;

/// An emulated chip with one new card on its pad, and secrets beside it.
struct Pad {
    folder: tempfile::TempDir,
    emulator: Child,
}

const UID: &str = "04A1B2C3D4E5F6";

impl Pad {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scenario = folder.path().join("pad.toml");
        std::fs::write(&scenario, format!("[[card]]\nuid = \"{UID}\"\nat = \"0s\"\nfor = \"1h\"\n")).unwrap();
        for (name, digit) in [("read", "1"), ("record", "2"), ("write", "3")] {
            secret(&folder.path().join(name), &digit.repeat(32));
        }
        let mut emulator = rfid_host()
            .args(["emulate", "pn532", "--link"])
            .arg(folder.path().join("tty"))
            .arg("--scenario")
            .arg(scenario)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(emulator.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("listens on"), "{line}");
        Self { folder, emulator }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a command says of the card, or why it failed.
    fn run(&self, words: &[&str], has_secrets: bool) -> Result<String, String> {
        let mut command = rfid_host();
        command.args(words).args(["--transport", "pn532", "--port"]).arg(self.path("tty"));
        for name in ["read", "record", "write"].into_iter().filter(|_| has_secrets) {
            command.args(["--set", &format!("{name}_secret=file:{}", self.path(name).display())]);
        }
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}

impl Drop for Pad {
    fn drop(&mut self) {
        let _ = self.emulator.kill();
        let _ = self.emulator.wait();
    }
}

pub(crate) fn secret(path: &Path, value: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, value).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_card_is_read_personalised_and_formatted_by_hand() {
    let pad = Pad::start();
    let read = pad.run(&["read", "mifare", "--once", "--json"], false).unwrap();
    assert!(read.contains(&format!("\"uid_hex\":\"{UID}\"")), "{read}");

    let would = pad.run(&["card", "write-number", "8812", "--dry-run"], true).unwrap();
    assert!(would.contains("would  write the number 8812 to block 4 (sector 1), with keys"), "{would}");
    let new = pad.run(&["card", "dump"], false).unwrap();
    assert!(new.contains("sector 1, opened by the factory's key A"), "a dry run changes nothing: {new}");

    let asks = pad.run(&["card", "write-number", "8812"], true).unwrap_err();
    assert!(asks.contains("--yes"), "{asks}");
    let done = pad.run(&["card", "write-number", "8812", "--yes"], true).unwrap();
    assert!(done.contains("done   the number is 8812"), "{done}");
    let again = pad.run(&["card", "write-number", "8813", "--dry-run"], true).unwrap();
    assert!(again.contains("block 5 (sector 1) in place of 8812"), "{again}");

    let ours = pad.run(&["card", "dump"], true).unwrap();
    assert!(ours.contains("sector 1, opened by the card's own key A"), "{ours}");
    assert!(ours.contains("sector 15, opened by the factory's key A"), "{ours}");
    let foreign = pad.run(&["card", "dump"], false).unwrap();
    assert!(foreign.contains("sector 1: no key opens it"), "{foreign}");
    let json: serde_json::Value =
        serde_json::from_str(&pad.run(&["card", "dump", "--json"], false).unwrap()).unwrap();
    assert_eq!(json["uid_hex"], UID);
    assert_eq!((&json["sectors"][1]["opened_by"], &json["sectors"][1]["blocks"]), (&().into(), &().into()));
    assert_eq!(json["sectors"][15]["opened_by"], "factory_a");
    let blocks = json["sectors"][0]["blocks"].as_array().unwrap();
    assert!(blocks.len() == 4 && blocks[0].as_str().unwrap().starts_with(UID));

    let other = pad.run(&["card", "format", "--yes", "--card", "01020304"], true).unwrap_err();
    assert!(other.contains("nothing was done"), "{other}");
    pad.run(&["card", "format", "--yes"], true).unwrap();
    assert_eq!(pad.run(&["card", "dump"], false).unwrap(), new);
}

#[test]
fn what_is_missing_is_said() {
    let pad = Pad::start();
    let secrets = pad.run(&["card", "write-number", "1"], false).unwrap_err();
    assert!(secrets.contains("read_secret, record_secret and write_secret are needed"), "{secrets}");
    let number = pad.run(&["card", "write-number", "much too long"], true).unwrap_err();
    assert!(number.contains("up to 8 characters"), "{number}");
    let key = pad.run(&["card", "dump", "--key-a", "secret"], false).unwrap_err();
    assert!(key.contains("12 hexadecimal digits") && !key.contains("secret"), "{key}");
}
