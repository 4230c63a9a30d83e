//! A PC/SC service of our own with a virtual reader: a real `pcscd`, and `vpcd` in it (§7.1).

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Family, VirtualReader};

/// There is one socket of the service on a machine, so there is one service: whoever needs one
/// waits here for the others, in this program and in every other one.
const LOCK: &str = "rfid-host-pcscd.lock";

/// Where the service makes its socket.
const SOCKET_FOLDER: &str = "/run/pcscd";
/// Where it takes connections.
const SOCKET: &str = "/run/pcscd/pcscd.comm";

/// Where Debian puts the virtual reader.
const VPCD: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";

/// A reader that tells of cards at once: vpcd behind it.
const TELLING: &str = include_str!("telling_reader.c");

/// How long the service may take to come up.
const PATIENCE: Duration = Duration::from_secs(10);

/// How the service learns of cards on its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It looks every 400 ms: what vpcd is, and readers without an interrupt endpoint.
    Looks,
    /// The reader tells it at once, as most readers do. Takes a C compiler.
    IsTold,
}

/// A PC/SC service with a virtual reader called [`PcscService::READER`].
///
/// It is ended when this is dropped.
#[derive(Debug)]
pub struct PcscService {
    folder: TempDir,
    driver: PathBuf,
    port: u16,
    daemon: Option<Child>,
    _lock: File,
}

impl PcscService {
    /// What its reader is called.
    pub const READER: &str = "Virtual PCD 00 00";

    /// Whether there is what it takes; what is missing otherwise, and how to get it.
    ///
    /// # Errors
    /// The words for that.
    pub fn can_run() -> Result<(), &'static str> {
        let has_service = ["/usr/sbin/pcscd", "/usr/bin/pcscd"].iter().any(|path| Path::new(path).exists());
        if !has_service || !Path::new(VPCD).exists() {
            return Err("the virtual reader is missing; apt-get install pcscd vsmartcard-vpcd");
        }
        std::fs::create_dir_all(SOCKET_FOLDER)
            .map_err(|_| "the PC/SC service needs root, for its folder /run/pcscd")
    }

    /// A service that runs, once nobody else needs one. Blocks.
    ///
    /// # Errors
    /// What is missing, or that it does not come up.
    pub fn start(notice: Notice) -> io::Result<Self> {
        let mut service = Self::stopped(notice)?;
        service.restart()?;
        Ok(service)
    }

    /// A service that does not run yet. Blocks as [`PcscService::start`] does.
    ///
    /// # Errors
    /// As there.
    pub fn stopped(notice: Notice) -> io::Result<Self> {
        Self::can_run().map_err(io::Error::other)?;
        let lock = File::create(std::env::temp_dir().join(LOCK))?;
        lock.lock()?;
        let folder = tempfile::tempdir()?;
        let driver = match notice {
            Notice::Looks => PathBuf::from(VPCD),
            Notice::IsTold => compiled(folder.path())?,
        };
        Ok(Self { folder, driver, port: two_free_ports()?, daemon: None, _lock: lock })
    }

    /// Starts it, in place of the one that runs. Blocks until its reader is there.
    ///
    /// # Errors
    /// It does not come up; what it said stands in the error.
    pub fn restart(&mut self) -> io::Result<()> {
        self.kill()?;
        let (folder, port, driver) = (self.folder.path(), self.port, self.driver.display());
        let readers = folder.join("readers");
        std::fs::create_dir_all(&readers)?;
        let reader = format!(
            "FRIENDLYNAME \"Virtual PCD\"\nDEVICENAME /dev/null:{port}\nLIBPATH {driver}\nCHANNELID {port}\n"
        );
        std::fs::write(readers.join("vpcd.conf"), reader)?;
        let log = File::create(folder.join("log"))?;
        let daemon = Command::new("pcscd")
            .args(["--foreground", "--config"])
            .arg(&readers)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.daemon = Some(daemon);
        // Either may come first, and what is left of the daemon before keeps the port for a moment, too.
        let start = Instant::now();
        while !(is_listened_to(port)? && UnixStream::connect(SOCKET).is_ok()) {
            if start.elapsed() > PATIENCE {
                let said = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
                return Err(io::Error::other(format!("pcscd does not come up: {said}")));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Ends it as a crash would.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn kill(&mut self) -> io::Result<()> {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill()?;
            daemon.wait()?;
        }
        Ok(())
    }

    /// Where cards connect to its reader.
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Its reader, of this family.
    pub fn reader(&self, family: Family) -> VirtualReader {
        VirtualReader::new(self.address(), family)
    }
}

impl Drop for PcscService {
    fn drop(&mut self) {
        // Nobody is there to tell that it is gone already.
        let _ = self.kill();
    }
}

/// The driver of a reader that tells, made in this folder.
fn compiled(folder: &Path) -> io::Result<PathBuf> {
    let (source, library) = (folder.join("telling_reader.c"), folder.join("telling_reader.so"));
    std::fs::write(&source, TELLING)?;
    let output = Command::new("cc")
        .args(["-shared", "-fPIC", "-I/usr/include/PCSC"])
        .arg(format!("-DVPCD=\"{VPCD}\""))
        .arg("-o")
        .args([&library, &source])
        .arg("-ldl")
        .output()?;
    if output.status.success() {
        Ok(library)
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(format!(
            "the telling reader does not compile; is libpcsclite-dev there? {said}"
        )))
    }
}

/// Whether somebody takes connections to this port, which is not asked by trying to: the reader would take whoever
/// tries for a card.
fn is_listened_to(port: u16) -> io::Result<bool> {
    const LISTENING: &str = "0A";
    let has = |table: &str| {
        let local = format!(":{port:04X}");
        table.lines().any(|line| {
            let mut columns = line.split_whitespace().skip(1);
            let is_local = columns.next().is_some_and(|address| address.ends_with(&local));
            is_local && columns.nth(1) == Some(LISTENING)
        })
    };
    // Where there is no IPv6, there is no second table.
    let others = std::fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
    Ok(has(&std::fs::read_to_string("/proc/net/tcp")?) || has(&others))
}

/// vpcd has two slots on ports that follow one another.
fn two_free_ports() -> io::Result<u16> {
    for _ in 0..100 {
        let first = TcpListener::bind("0.0.0.0:0")?;
        let port = first.local_addr()?.port();
        let next = port.checked_add(1).map(|next| TcpListener::bind(("0.0.0.0", next)));
        if let Some(Ok(_)) = next {
            return Ok(port);
        }
    }
    Err(io::Error::other("no two ports that follow one another are free"))
}
