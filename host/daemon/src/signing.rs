//! Signing the end of the audit trail: a program of the operator does it, with a key that this host cannot
//! read.

use std::path::Path;
use std::process::Stdio;

use rfid_core::{Error, ErrorKind, Result};
use rfid_service::audit::anchors::Anchor;
use rfid_service::audit::signatures::{PublicKey, read_signature};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::config::SigningConfig;

/// Bytes of what it prints that are read, at most.
const MOST: u64 = 4096;

/// Reads the public half of the key.
///
/// # Errors
/// `Io`, `Config` with the path.
pub(crate) fn public_key(path: &Path) -> Result<PublicKey> {
    let in_file = |error: Error| {
        Error::new(error.kind(), "public key").with_detail(format!(
            "{}: {}",
            path.display(),
            error.detail().unwrap_or_default()
        ))
    };
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::new(ErrorKind::Io, "public key").with_detail(path.display().to_string()).with_source(error)
    })?;
    PublicKey::from_pem(&text).map_err(in_file)
}

/// The anchor with a signature, which is of this key where one is known.
///
/// # Errors
/// `Io` where the program cannot be run or fails, `Timeout` where it does not end, `Protocol` where it
/// prints no signature, `Denied` where that is of another key.
pub(crate) async fn sign(config: &SigningConfig, key: Option<&PublicKey>, anchor: Anchor) -> Result<Anchor> {
    let signed = tokio::time::timeout(config.within, run(config, &anchor.statement())).await;
    let printed = signed.map_err(|_| {
        let detail = format!("{} has not ended after {:?}", config.program.display(), config.within);
        Error::new(ErrorKind::Timeout, "sign").with_detail(detail)
    })??;
    let signed = Anchor { signature: Some(read_signature(&printed)?), ..anchor };
    if key.is_some_and(|key| !key.has_signed(&signed)) {
        let detail = format!("{} signs with another key than audit.public_key", config.program.display());
        return Err(Error::new(ErrorKind::Denied, "sign").with_detail(detail));
    }
    Ok(signed)
}

/// What the program prints when it is given this.
async fn run(config: &SigningConfig, statement: &[u8]) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Io, "sign").with_detail(config.program.display().to_string()).with_source(error)
    };
    let mut child = Command::new(&config.program)
        .args(&config.arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // What it complains of goes where the log of this host goes.
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    let group = Group::of(&child);
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let mut printed = Vec::new();
    let give = async {
        let Some(mut stdin) = stdin else { return Ok(()) };
        match stdin.write_all(statement).await {
            // Whether it had read enough its signature says.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            outcome => outcome,
        }
    };
    let take = async {
        let Some(stdout) = stdout else { return Ok(()) };
        stdout.take(MOST).read_to_end(&mut printed).await.map(drop)
    };
    let (given, taken) = tokio::join!(give, take);
    given.and(taken).map_err(failed)?;
    let ended = child.wait().await.map_err(failed)?;
    // What it leaves behind, it means to.
    group.let_go();
    if !ended.success() {
        let detail = format!("{} ended with {ended}", config.program.display());
        return Err(Error::new(ErrorKind::Io, "sign").with_detail(detail));
    }
    Ok(printed)
}

/// The processes of a program that has not ended. They end with this: a script that is given up may have begun
/// others, which nobody would wait for.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)))
    }

    fn let_go(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended in this moment.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;
    use std::process::Command as Blocking;
    use std::time::Duration;

    use rfid_core::UtcTime;
    use rfid_service::audit::Head;

    use super::*;

    fn anchor() -> Anchor {
        Anchor {
            trail: "test audit".to_owned(),
            at: UtcTime::from_nanos(5),
            head: Head::EMPTY,
            signature: None,
        }
    }

    /// A program of a shell, for tests: what the operator names is run without one.
    fn program(folder: &Path, script: &str) -> SigningConfig {
        let program = folder.join("sign");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        let (every, within) = (Duration::from_secs(60), Duration::from_secs(60));
        SigningConfig { program, arguments: vec!["$(touch shell)".to_owned()], every, within }
    }

    fn openssl(arguments: &[&str], folder: &Path) {
        let said = Blocking::new("openssl").args(arguments).current_dir(folder).output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    }

    fn keys(folder: &Path, name: &str) -> PathBuf {
        openssl(&["genpkey", "-algorithm", "ed25519", "-out", name], folder);
        let public = format!("{name}.pub");
        openssl(&["pkey", "-in", name, "-pubout", "-out", &public], folder);
        folder.join(public)
    }

    #[tokio::test]
    async fn an_anchor_is_signed_by_a_program_and_by_no_other_key() {
        let folder = tempfile::tempdir().unwrap();
        let (key, other) = (keys(folder.path(), "key"), keys(folder.path(), "other"));
        let script = format!(
            "cd {} && cat > line && exec openssl pkeyutl -sign -rawin -inkey key -in line",
            folder.path().display()
        );
        let config = program(folder.path(), &script);
        let signed = sign(&config, Some(&public_key(&key).unwrap()), anchor()).await.unwrap();
        assert!(public_key(&key).unwrap().has_signed(&signed));
        assert_eq!(std::fs::read(folder.path().join("line")).unwrap(), signed.statement());
        assert!(!folder.path().join("shell").exists());
        let refused = sign(&config, Some(&public_key(&other).unwrap()), anchor()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Denied);
        let missing = public_key(&folder.path().join("nothing")).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::Io);
        let wrong = public_key(&folder.path().join("key")).unwrap_err();
        assert!(wrong.to_string().contains("no public key of Ed25519"), "{wrong:#}");
    }

    #[tokio::test]
    async fn a_program_that_does_not_sign_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let sign_with = async |script: &str| {
            sign(&program(folder.path(), script), None, anchor()).await.unwrap_err().kind()
        };
        assert_eq!(sign_with("exit 3").await, ErrorKind::Io);
        assert_eq!(sign_with("echo no key here").await, ErrorKind::Protocol);
        assert_eq!(sign_with("cat /dev/zero").await, ErrorKind::Io);
        let mut config = program(folder.path(), "sleep 600");
        config.within = Duration::from_millis(50);
        assert_eq!(sign(&config, None, anchor()).await.unwrap_err().kind(), ErrorKind::Timeout);
        config.program = folder.path().join("not there");
        assert_eq!(sign(&config, None, anchor()).await.unwrap_err().kind(), ErrorKind::Io);
    }

    #[tokio::test]
    async fn what_a_program_has_begun_ends_when_it_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let told = folder.path().join("begun");
        let script = format!("sleep 600 &\necho $! >{0}.new\nmv {0}.new {0}\nwait", told.display());
        let config = program(folder.path(), &script);
        let signing = sign(&config, None, anchor());
        let begun = async {
            while !told.exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            signed = signing => panic!("{signed:?}"),
            () = begun => {}
        }
        let begun: u32 = std::fs::read_to_string(&told).unwrap().trim().parse().unwrap();
        // Whoever reaps orphans may take a moment; until then it is dead already.
        let is_alive = || {
            let stat = std::fs::read_to_string(format!("/proc/{begun}/stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
        };
        let ends = async {
            while is_alive() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), ends).await.expect("it goes on");
    }
}
