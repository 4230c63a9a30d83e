//! The daemon as systemd starts it: what it says over the socket, what it writes to the journal.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::daemon::{rfid_host, until};

/// A configuration whose only reader is not there, which is no reason for a restart.
fn write_configuration(folder: &Path) -> std::path::PathBuf {
    let file = folder.join("alone.toml");
    let text = format!(
        r#"
[host]
data_dir = '{}'
listen = "127.0.0.1:0"

[readers.door]
driver = "mercury4"
address = "127.0.0.1:1"
zone = "door"

[sinks.screens]
type = "notify"

[pipelines.main]
readers = ["door"]
sinks = ["screens"]
"#,
        folder.join("data").display()
    );
    std::fs::write(&file, text).unwrap();
    file
}

/// Started on a configuration and killed when a test fails.
struct Started(Child);

impl Started {
    fn new(command: &mut Command, folder: &Path) -> Self {
        let config = write_configuration(folder);
        Self(command.args(["run", "--config"]).arg(config).stdout(Stdio::null()).spawn().unwrap())
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.0.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    fn terminate(&mut self) {
        self.signal("TERM");
        self.ended_well();
    }

    fn ended_well(&mut self) {
        let status = until("the end of the daemon", || self.0.try_wait().unwrap());
        assert!(status.success(), "{status}");
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Gone already unless the test failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The socket that systemd would listen on.
struct Socket(UnixDatagram);

impl Socket {
    fn hear(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.0.recv(&mut buffer).expect("the daemon says something within a minute");
        std::str::from_utf8(&buffer[..length]).unwrap().trim_end().to_owned()
    }

    fn until(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            heard.push(self.hear());
            if wanted(heard.last().unwrap()) {
                return heard;
            }
        }
    }
}

#[test]
fn systemd_hears_ready_status_signs_of_life_and_stopping() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = Socket(UnixDatagram::bind(&path).unwrap());
    socket.0.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut daemon = Started::new(
        rfid_host().env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "300000").stderr(Stdio::null()),
        folder.path(),
    );

    assert_eq!(socket.hear(), "READY=1");
    let heard = socket.until(|word| word.starts_with("STATUS="));
    assert_eq!(heard.last().unwrap(), "STATUS=the reader is not reading");
    // Reloading log files is what logrotate asks of daemons; the host lives on.
    daemon.signal("USR1");
    for _ in 0..5 {
        socket.until(|word| word == "WATCHDOG=1");
    }
    // What a reload comes to is said whether it is taken or refused.
    std::fs::write(folder.path().join("alone.toml"), "nonsense").unwrap();
    daemon.signal("HUP");
    let heard = socket.until(|word| word == "READY=1");
    let reloading = heard.iter().find(|word| word.starts_with("RELOADING=1\n")).expect("RELOADING=1");
    assert!(reloading.contains("\nMONOTONIC_USEC="), "{reloading}");
    socket.until(|word| word.starts_with("STATUS=") && word.ends_with("is refused"));
    daemon.signal("TERM");
    let heard = socket.until(|word| word == "STOPPING=1");
    assert!(!heard.iter().any(|word| word == "READY=1"), "{heard:?}");
    daemon.ended_well();
}

#[test]
fn lines_for_the_journal_carry_their_priority_and_no_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let journal = File::create(&path).unwrap();
    let about = journal.metadata().unwrap();
    let mut daemon = Started::new(
        rfid_host().env("JOURNAL_STREAM", format!("{}:{}", about.dev(), about.ino())).stderr(journal),
        folder.path(),
    );
    let text = || std::fs::read_to_string(&path).unwrap();
    until("the reader's failure", || text().contains("reader is down").then_some(()));
    daemon.terminate();
    for line in text().lines() {
        let message = line.strip_prefix("<6>").or(line.strip_prefix("<4>"));
        assert!(message.is_some_and(|message| message.starts_with("rfid_")), "{line}");
    }
    assert!(text().contains("<4>rfid_core::supervisor::told: reader is down"), "{}", text());
}
