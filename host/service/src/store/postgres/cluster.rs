//! A PostgreSQL server of a test's own, from the packages of the system.
#![expect(clippy::unwrap_used, clippy::panic, reason = "this is how a test fails")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server in a folder of its own, on a socket there. It ends with this value.
pub struct Cluster {
    folder: tempfile::TempDir,
    server: Option<Child>,
    settings: Vec<String>,
}

impl Cluster {
    /// Makes and starts one with these settings (`name=value`) beside those that make it small.
    ///
    /// # Panics
    /// When PostgreSQL is not installed, saying how it is.
    pub fn start(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if let Some((user, group)) = server_user() {
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let made = command("initdb")
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(folder.path().join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let mut cluster = Self { folder, server: None, settings };
        cluster.start_again();
        cluster
    }

    /// Starts it after [`Cluster::stop`] or [`Cluster::kill`].
    pub fn start_again(&mut self) {
        let until = Instant::now() + Duration::from_secs(60);
        self.server = Some(self.spawn());
        while !self.psql("postgres", "select 1").is_ok_and(|answer| answer == "1") {
            assert!(Instant::now() < until, "PostgreSQL does not start: {}", self.log());
            std::thread::sleep(Duration::from_millis(30));
            // One that finds memory of a killed one in use, whose last process is just ending, gives up.
            let ended = self.server.as_mut().is_some_and(|server| server.try_wait().unwrap().is_some());
            if ended {
                self.server = Some(self.spawn());
            }
        }
    }

    fn spawn(&self) -> Child {
        // What a killed server leaves behind would keep the next one from starting while its pid is used.
        let _ = fs::remove_file(self.folder.path().join("data/postmaster.pid"));
        let mut server = command("postgres");
        server.arg("-D").arg(self.folder.path().join("data")).args(["-c", "listen_addresses="]);
        server.arg("-c").arg(format!("unix_socket_directories={}", self.folder.path().display()));
        for setting in ["shared_buffers=16MB", "max_wal_size=256MB", "logging_collector=off"]
            .into_iter()
            .chain(self.settings.iter().map(String::as_str))
        {
            server.args(["-c", setting]);
        }
        let log = fs::File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).process_group(0);
        server.spawn().unwrap()
    }

    /// Ends it as an operator does, who does not wait for its clients.
    pub fn stop(&mut self) {
        self.end("INT");
    }

    /// Ends it as a power cut does, as far as a process can be ended so.
    pub fn kill(&mut self) {
        // All of it, or the next one finds shared memory in use.
        self.end("KILL");
    }

    fn end(&mut self, signal: &str) {
        let Some(mut server) = self.server.take() else { return };
        let group = format!("-{}", server.id());
        let to = if signal == "KILL" { group } else { server.id().to_string() };
        // It may have ended by itself.
        let _ = Command::new("kill").args(["-s", signal, "--", &to]).status();
        let _ = server.wait();
    }

    /// Where all its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Makes an empty database, and returns its URL.
    pub fn database(&self, name: &str) -> String {
        self.psql("postgres", &format!("create database {name}")).unwrap();
        self.url(name)
    }

    /// The URL of a database.
    pub fn url(&self, name: &str) -> String {
        format!("postgres://postgres@localhost/{name}?host={}", self.folder.path().display())
    }

    /// What psql answers, without decoration.
    ///
    /// # Errors
    /// What it complains about.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String, String> {
        let answer = command("psql")
            .args(["--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-qAt", "-U", "postgres", "-h"])
            .arg(self.folder.path())
            .args(["-d", database, "-c", sql])
            .output()
            .unwrap();
        if answer.status.success() {
            Ok(String::from_utf8_lossy(&answer.stdout).trim().to_owned())
        } else {
            Err(String::from_utf8_lossy(&answer.stderr).into_owned())
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.end("QUIT");
    }
}

/// A program of the newest server that is installed, run by somebody who is not root: it refuses root.
fn command(program: &str) -> Command {
    let mut folders: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.filter_map(|version| Some(version.ok()?.path().join("bin"))).collect())
        .unwrap_or_default();
    folders.sort_by_key(|folder| {
        let version = folder.parent().and_then(Path::file_name).and_then(OsStr::to_str);
        version.and_then(|version| version.parse::<u32>().ok())
    });
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    folders.splice(0..0, std::env::split_paths(&on_path));
    let found = folders.iter().rev().map(|folder| folder.join(program)).find(|path| path.exists());
    let Some(path) = found else {
        panic!("{program} is not there: install Debian's package postgresql, or run ./test, which does");
    };
    let mut command = Command::new(path);
    if let Some((user, group)) = server_user() {
        command.uid(user).gid(group).current_dir("/");
    }
    command
}

/// Ids of Debian's user for the server, where this runs as root.
fn server_user() -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    let is_root = fs::metadata("/proc/self").is_ok_and(|this| this.uid() == 0);
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let line = users.lines().find(|line| line.starts_with("postgres:"))?;
    let mut fields = line.split(':').skip(2);
    let ids = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    is_root.then_some(ids)
}
