//! An emulated reader in a process of its own, as a user starts one.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use crate::daemon::rfid_host;

pub(crate) struct Emulator {
    child: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Emulator {
    /// Starts `rfid-host emulate READER` with more arguments and this scenario, and waits until
    /// it listens.
    pub(crate) fn start(reader: &str, arguments: &[&str], scenario: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scenario.toml");
        std::fs::write(&path, scenario).unwrap();
        let mut child = rfid_host()
            .args(["emulate", reader, "--listen", "127.0.0.1:0", "--scenario"])
            .arg(path)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        let (_, behind) = line.split_once("listens on ").unwrap();
        let address = behind.split(';').next().unwrap().to_owned();
        Self { child, address, _folder: folder }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
