//! The process in which one case runs.

use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};

use crate::bench::Bench;
use crate::case::{AppliesTo, Run, Stop, cases};
use crate::plugin;
use crate::process::Footprint;
use crate::report::Outcome;
use crate::subject::Subject;

/// What the parent wants of a child.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// Name of the case; none: only the list of components is wanted.
    pub(crate) case: Option<String>,
    pub(crate) subject: Subject,
    /// A folder that is there for this case only, also the current one.
    pub(crate) folder: PathBuf,
    pub(crate) quick: bool,
}

/// What a child says, each in a line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Said {
    /// Which function of the plugin is called.
    Doing(String),
    Outcome(Outcome),
    Components(Vec<Listed>),
}

/// A component as the parent knows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Listed {
    pub(crate) id: String,
    pub(crate) is_driver: bool,
}

/// The case without which no other can be tried that calls an instance.
pub(crate) const GATE: &str = "lifecycle/order";

/// The case after which a child ends as every program does.
pub(crate) const ENDS_IN_ORDER: &str = "faults/ends-in-order";

static PARENT: OnceLock<Mutex<UnixStream>> = OnceLock::new();

/// Lets the parent know which call is running, should it be the last.
pub(crate) fn doing(call: &'static str) {
    static LAST: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
    if LAST.swap(call.as_ptr().cast_mut(), Ordering::Relaxed) != call.as_ptr().cast_mut() {
        // Without a parent nobody wants to know; one that is gone ends this process anyway.
        let _ = say(&Said::Doing(call.to_owned()));
    }
}

fn say(said: &Said) -> io::Result<()> {
    let Some(parent) = PARENT.get() else { return Ok(()) };
    let mut line = serde_json::to_string(said)?;
    line.push('\n');
    parent.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes())
}

/// Runs the case that the parent asks for over standard input, tells it how that ended, and ends
/// the process; only after one case, which is about just that, it returns so that the process ends
/// as every program does.
///
/// To be called in the process that [`check`](crate::check) starts, before it starts threads or
/// opens files.
///
/// # Errors
/// If standard input is not the socket of a parent.
pub fn serve() -> io::Result<()> {
    let parent: OwnedFd = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)?;
    let parent = UnixStream::from(parent);
    let mut line = String::new();
    BufReader::new(&parent).read_line(&mut line)?;
    let job: Job = serde_json::from_str(&line)?;
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    // Whatever the plugin starts and abandons is found here.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let _ = PARENT.set(Mutex::new(parent));
    match &job.case {
        None => say(&Said::Components(list(&job.subject.file)))?,
        Some(name) => say(&Said::Outcome(run(name, &job)))?,
    }
    if job.case.as_deref() == Some(ENDS_IN_ORDER) {
        return Ok(());
    }
    // SAFETY: ends this process without anything else of it running, which is wanted: exit
    // handlers of the plugin are another case's matter.
    unsafe { libc::_exit(0) }
}

/// Runs a case in this process, which the plugin may end, and which nothing but its end cleans.
/// Files of the plugin come to be in the current folder.
pub fn run_case(name: &str, subject: &Subject) -> Outcome {
    let folder = std::env::current_dir().unwrap_or_default();
    run(name, &Job { case: Some(name.to_owned()), subject: subject.clone(), folder, quick: false })
}

fn run(name: &str, job: &Job) -> Outcome {
    let Some(case) = cases().iter().find(|case| case.name == name) else {
        return Outcome::Failed { reason: format!("there is no case \"{name}\"") };
    };
    let before = Footprint::now();
    let verdict = catch_unwind(AssertUnwindSafe(|| match case.run {
        Run::File(run) => run(&job.subject.file),
        Run::Bench(run) => {
            let bench = Bench::new(job, before)?;
            match case.applies_to {
                AppliesTo::Driver if !bench.component().is_driver() => crate::case::skip("it is a sink"),
                AppliesTo::Sink if bench.component().is_driver() => crate::case::skip("it is a driver"),
                _ => run(&bench),
            }
        }
    }));
    match verdict {
        Ok(Ok(note)) => Outcome::Passed { note },
        Ok(Err(Stop::Failed(reason))) => Outcome::Failed { reason },
        Ok(Err(Stop::Warned(reason))) => Outcome::Warned { reason },
        Ok(Err(Stop::Skipped(reason))) => Outcome::Skipped { reason },
        Err(_) => Outcome::Failed { reason: "the suite itself panicked; see what it wrote".to_owned() },
    }
}

/// The components whose cases can run.
fn list(file: &Path) -> Vec<Listed> {
    let Ok(module) = plugin::load(file) else { return Vec::new() };
    plugin::components(module)
        .into_iter()
        .filter_map(|table| {
            let id = plugin::text(table.id).ok()?.to_owned();
            Some(Listed { id, is_driver: table.kind == rfid_abi::COMPONENT_DRIVER })
        })
        .collect()
}
