//! Sessions that outlast the end of a host: in one file of the data folder, by the hashes of their references, and
//! sealed under the master secret.
//!
//! What counts is how long a session has lasted, not until when by the clock of the wall. The time between two
//! runs is the longer of what that clock says and of what the machine has run meanwhile, which nobody sets; where
//! the clock says that it is earlier than it was, no session goes on.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rfid_core::{Error, ErrorKind, Result, UtcTime};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::session::KeptSession;
use crate::durable_file;
use crate::off_runtime::off_runtime;
use crate::randomness::Randomness;
use crate::seal::Keys;

/// Name of the file in a data folder.
pub const FILE: &str = "sessions";
/// For what place it is sealed.
const PLACE: &[u8] = b"rfid-service sessions";
/// First byte of what is sealed: its form, for the day on which there is another.
const FORM: u8 = 1;

/// How long a machine has run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Which start of the machine it was.
    pub boot: String,
    /// For how long it has run since.
    pub lasted: Duration,
}

/// Tells how long the machine has run: a clock that nobody sets, and that goes on between two runs of a host.
pub trait Uptime: Send + Sync + 'static {
    /// How long by now; nothing where it cannot be known.
    fn now(&self) -> Option<Run>;
}

/// What Linux says of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinuxUptime;

impl Uptime for LinuxUptime {
    fn now(&self) -> Option<Run> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
        let text = fs::read_to_string("/proc/uptime").ok()?;
        let seconds: f64 = text.split_whitespace().next()?.parse().ok()?;
        Some(Run { boot, lasted: Duration::try_from_secs_f64(seconds).ok()? })
    }
}

/// What stands in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    at: UtcTime,
    run: Option<Run>,
    sessions: Vec<KeptSession>,
}

/// The file.
pub struct SessionFile {
    path: PathBuf,
    keys: Arc<Keys>,
    randomness: Arc<dyn Randomness>,
    uptime: Arc<dyn Uptime>,
    /// What was counted of the sessions that are in it. Whoever holds this writes it.
    written: Mutex<Option<u64>>,
}

impl std::fmt::Debug for SessionFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl SessionFile {
    /// The file in this folder, sealed under these keys.
    pub fn in_folder(
        folder: &Path,
        keys: Arc<Keys>,
        randomness: Arc<dyn Randomness>,
        uptime: Arc<dyn Uptime>,
    ) -> Self {
        Self { path: folder.join(FILE), keys, randomness, uptime, written: Mutex::new(None) }
    }

    /// Sessions of an earlier run, and how long ago that ended.
    ///
    /// # Errors
    /// `Io`; `Damaged` and `Denied` as [`Keys::open`]: then nobody is logged in any more.
    pub(crate) async fn read(&self, now: UtcTime) -> Result<(Vec<KeptSession>, Duration)> {
        let (path, uptime) = (self.path.clone(), Arc::clone(&self.uptime));
        let (sealed, run) = off_runtime("sessions", move || Ok((fs::read(path), uptime.now()))).await?;
        let sealed = match sealed {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), Duration::ZERO)),
            Err(error) => return Err(self.failed(error)),
        };
        let damaged = || {
            Error::new(ErrorKind::Damaged, "sessions")
                .with_detail(format!("{} is not what was written", self.path.display()))
        };
        let plain = self.keys.open(PLACE, &sealed)?;
        let Some((&FORM, text)) = plain.split_first() else { return Err(damaged()) };
        let kept: Kept = serde_json::from_slice(text).map_err(|_| damaged())?;
        Ok(match between(&kept, now, run.as_ref()) {
            Some(ended) => (kept.sessions, ended),
            None => (Vec::new(), Duration::ZERO),
        })
    }

    /// Writes what goes on, unless what was counted is in the file already. `sessions` is asked once it is this
    /// call's turn, so that nothing older is written over what is newer.
    ///
    /// # Errors
    /// `Io`; then the file is as it was.
    pub(crate) async fn write(
        &self,
        changes: impl Fn() -> u64 + Send,
        sessions: impl Fn() -> Vec<KeptSession> + Send,
        now: UtcTime,
    ) -> Result<()> {
        let mut written = self.written.lock().await;
        let counted = changes();
        if *written == Some(counted) {
            return Ok(());
        }
        let kept = Kept { at: now, run: None, sessions: sessions() };
        let (path, uptime) = (self.path.clone(), Arc::clone(&self.uptime));
        let (keys, randomness) = (Arc::clone(&self.keys), Arc::clone(&self.randomness));
        off_runtime("sessions", move || {
            let kept = Kept { run: uptime.now(), ..kept };
            let text = serde_json::to_vec(&kept)
                .map_err(|error| Error::new(ErrorKind::Internal, "sessions").with_source(error))?;
            let sealed = keys.seal(PLACE, &[&[FORM][..], &text].concat(), randomness.as_ref())?;
            durable_file::replace(&path, &sealed).map_err(|error| failed(&path, error))
        })
        .await?;
        *written = Some(counted);
        Ok(())
    }

    fn failed(&self, error: io::Error) -> Error {
        failed(&self.path, error)
    }
}

/// How long ago what is kept was written; nothing where the clock of the wall was set back.
fn between(kept: &Kept, now: UtcTime, run: Option<&Run>) -> Option<Duration> {
    if now < kept.at {
        return None;
    }
    let by_wall = now.since(kept.at);
    let by_run = match (&kept.run, run) {
        (Some(before), Some(now)) if before.boot == now.boot => now.lasted.saturating_sub(before.lasted),
        _ => Duration::ZERO,
    };
    Some(by_wall.max(by_run))
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, "sessions").with_detail(path.display().to_string()).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn run(boot: &str, minutes: u32) -> Option<Run> {
        Some(Run { boot: boot.to_owned(), lasted: minutes * MINUTE })
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_session_last_longer() {
        let at: UtcTime = "2026-11-29T09:00:00Z".parse().unwrap();
        let kept = |run| Kept { at, run, sessions: Vec::new() };
        let ten = at.plus(10 * MINUTE);
        let before = UtcTime::from_nanos(at.as_nanos() - 1);
        for (then, now, run_now, expected) in [
            (run("a", 5), ten, run("a", 15), Some(10 * MINUTE)),
            // Set back while nobody looked, but not behind what was noted: the machine knows how long it was.
            (run("a", 5), at, run("a", 65), Some(60 * MINUTE)),
            // Set forward: what the wall says counts.
            (run("a", 5), ten, run("a", 6), Some(10 * MINUTE)),
            (run("a", 5), before, run("a", 15), None),
            // Another start of the machine, or no way to know.
            (run("a", 500), ten, run("b", 1), Some(10 * MINUTE)),
            (None, ten, run("b", 1), Some(10 * MINUTE)),
            (run("a", 5), ten, None, Some(10 * MINUTE)),
        ] {
            assert_eq!(
                between(&kept(then.clone()), now, run_now.as_ref()),
                expected,
                "{then:?} {now} {run_now:?}"
            );
        }
    }

    #[test]
    fn linux_says_how_long_it_has_run() {
        let (first, second) = (LinuxUptime.now().unwrap(), LinuxUptime.now().unwrap());
        assert_eq!(first.boot, second.boot);
        assert!(first.lasted > Duration::ZERO && first.lasted <= second.lasted);
    }
}
