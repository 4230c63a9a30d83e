//! A PC/SC service of our own with a virtual reader.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rfid_core::{Driver, DynSession, ReaderInfo, ReaderSetup, Settings};
use rfid_driver_mifare::Mifare;
use rfid_driver_mifare::sim::{Family, VirtualReader};
use tempfile::TempDir;

/// There is one socket of the service on a machine, so there is one service: tests wait for each
/// other here, also those of other binaries.
const LOCK: &str = "rfid-host-pcscd.lock";

/// Where Debian puts the virtual reader.
const DRIVER: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";

/// How long the service may take to come up.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Service {
    folder: TempDir,
    port: u16,
    daemon: Option<Child>,
    _lock: File,
}

impl Service {
    /// A service that runs, once no other test needs one.
    pub(crate) fn start() -> Self {
        let mut service = Self::stopped();
        service.restart();
        service
    }

    /// A service that does not run yet.
    pub(crate) fn stopped() -> Self {
        let lock = File::create(std::env::temp_dir().join(LOCK)).unwrap();
        lock.lock().unwrap();
        assert!(
            std::path::Path::new(DRIVER).exists(),
            "the virtual reader is missing; apt-get install pcscd vsmartcard-vpcd"
        );
        std::fs::create_dir_all("/run/pcscd").unwrap();
        Self { folder: tempfile::tempdir().unwrap(), port: two_free_ports(), daemon: None, _lock: lock }
    }

    /// Starts it, in place of the one that runs.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let (folder, port) = (self.folder.path(), self.port);
        let reader = format!(
            "FRIENDLYNAME \"Virtual PCD\"\nDEVICENAME /dev/null:{port}\nLIBPATH {DRIVER}\nCHANNELID {port}\n"
        );
        std::fs::write(folder.join("vpcd.conf"), reader).unwrap();
        let log = File::create(folder.join("log")).unwrap();
        let daemon = Command::new("pcscd")
            .args(["--foreground", "--config"])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.daemon = Some(daemon);
        // A socket that takes connections may belong to a service that knows no reader yet.
        let start = Instant::now();
        while TcpListener::bind(("127.0.0.1", self.port)).is_ok() {
            let log = || std::fs::read_to_string(self.folder.path().join("log"));
            assert!(start.elapsed() < PATIENCE, "pcscd does not come up: {:?}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().unwrap();
            daemon.wait().unwrap();
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    pub(crate) fn reader(&self, family: Family) -> VirtualReader {
        VirtualReader::new(self.address(), family)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}

/// vpcd has two slots on ports that follow one another.
fn two_free_ports() -> u16 {
    (0..100)
        .find_map(|_| {
            let first = TcpListener::bind("0.0.0.0:0").unwrap();
            let port = first.local_addr().unwrap().port();
            TcpListener::bind(("0.0.0.0", port.checked_add(1)?)).ok().map(|_| port)
        })
        .unwrap()
}

pub(crate) const SECRETS: &str = "read_secret = \"0102030405060708090a0b0c0d0e0f10\"\n\
    record_secret = \"1112131415161718191a1b1c1d1e1f20\"\n\
    write_secret = \"2122232425262728292a2b2c2d2e2f30\"\n";

pub(crate) fn settings(more: &str) -> Settings {
    Settings::from_toml(&format!(
        "transport = \"pcsc\"\nreader = \"Virtual PCD 00 00\"\nrepeat = \"50ms\"\n{more}"
    ))
    .unwrap()
}

pub(crate) fn session(more: &str) -> Box<dyn DynSession> {
    Mifare.session(&settings(more), &ReaderSetup::named("desk")).unwrap()
}

/// Opens a session, as often as a supervisor would.
pub(crate) async fn open(session: &mut dyn DynSession) -> ReaderInfo {
    let start = Instant::now();
    loop {
        match session.open().await {
            Ok(info) => return info,
            Err(error) if start.elapsed() < PATIENCE => {
                session.close().await.unwrap();
                assert_eq!(error.retry(), rfid_core::Retry::Reconnect, "{error:#}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{error:#}"),
        }
    }
}
