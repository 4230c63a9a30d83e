//! The parent: a process for each case, killed when its time is over, and always reaped.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::case::{AppliesTo, Case, Group, cases};
use crate::child::{ENDS_IN_ORDER, GATE, Job, Listed, Said};
use crate::report::{Entry, Outcome, Report};
use crate::subject::{Options, Subject};

/// How long a child may take to end after it has said its outcome.
const ENDING: Duration = Duration::from_secs(5);

/// How long the list of components may take.
const LISTING: Duration = Duration::from_secs(10);

/// How much of what a plugin printed is shown.
const SHOWN: u64 = 4_000;

/// Runs the cases, each in a process of its own that `launcher` prepares: one that calls
/// [`serve`](crate::serve) first of all. `told` hears of each case as it ends.
///
/// # Errors
/// If the plugin's file or component is not there, no case is asked for, or processes cannot be started.
pub fn check(
    subject: &Subject,
    options: &Options,
    launcher: &(dyn Fn() -> Command + Sync),
    told: &(dyn Fn(&Entry) + Sync),
) -> io::Result<Report> {
    let file = subject.file.canonicalize().map_err(|error| {
        io::Error::new(error.kind(), format!("cannot open {}: {error}", subject.file.display()))
    })?;
    let subject = Subject { file, ..subject.clone() };
    let mut components = list(&subject, launcher)?;
    if let Some(wanted) = &subject.component {
        let there: Vec<String> = components.iter().map(|component| component.id.clone()).collect();
        components.retain(|component| component.id == *wanted);
        if components.is_empty() {
            let message = match there.is_empty() {
                true => "the plugin cannot be loaded; without a component the suite says why".to_owned(),
                false => format!("the plugin has no component \"{wanted}\"; there are: {}", there.join(", ")),
            };
            return Err(io::Error::new(io::ErrorKind::NotFound, message));
        }
    }
    let plan = plan(&components, options);
    if plan.is_empty() {
        return Err(nothing_to_check(options));
    }
    let next = AtomicUsize::new(0);
    let ended = Mutex::new(Vec::new());
    let ended_as = |entry: Entry| {
        told(&entry);
        ended.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    };
    // What ends the process or never comes back in an ordinary life would do so in every case.
    let mut unfit = Vec::new();
    for (case, component) in plan.iter().filter(|(case, _)| case.name == GATE) {
        let entry = run(case, component.as_deref(), &subject, options, launcher)?;
        if matches!(entry.outcome, Outcome::Crashed { .. } | Outcome::TimedOut { .. }) {
            unfit.push(component);
        }
        ended_as(entry);
    }
    let work = || -> io::Result<()> {
        while let Some((case, component)) = plan.get(next.fetch_add(1, Ordering::Relaxed)) {
            if case.name == GATE {
                continue;
            }
            if case.group >= Group::Lifecycle && unfit.contains(&component) {
                ended_as(not_tried(case, component.as_deref()));
                continue;
            }
            ended_as(run(case, component.as_deref(), &subject, options, launcher)?);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..options.jobs.get()).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })?;
    let mut entries = ended.into_inner().unwrap_or_else(PoisonError::into_inner);
    // As planned, whatever ended first.
    entries.sort_by_key(|entry| {
        plan.iter().position(|(case, component)| case.name == entry.case && *component == entry.component)
    });
    Ok(Report { file: subject.file, entries })
}

/// Which case runs for which component, in what order.
fn plan(components: &[Listed], options: &Options) -> Vec<(&'static Case, Option<String>)> {
    let mut plan = Vec::new();
    let wanted = |case: &&Case| options.filter.as_ref().is_none_or(|text| case.name.contains(text));
    let modules = cases().iter().filter(|case| case.applies_to == AppliesTo::Module);
    plan.extend(modules.filter(wanted).map(|case| (case, None)));
    for component in components {
        let applying = cases().iter().filter(|case| match case.applies_to {
            AppliesTo::Module => false,
            AppliesTo::Component => true,
            AppliesTo::Driver => component.is_driver,
            AppliesTo::Sink => !component.is_driver,
        });
        plan.extend(applying.filter(wanted).map(|case| (case, Some(component.id.clone()))));
    }
    plan
}

/// A filter that was mistyped must not look like a plugin in which nothing is wrong.
fn nothing_to_check(options: &Options) -> io::Error {
    let filter = options.filter.as_deref().unwrap_or_default();
    let mut groups: Vec<&str> =
        cases().iter().filter_map(|case| Some(case.name.split_once('/')?.0)).collect();
    groups.dedup();
    let message = format!(
        "no case for this plugin has \"{filter}\" in its name; names begin with: {}",
        groups.join(", ")
    );
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

fn list(subject: &Subject, launcher: &dyn Fn() -> Command) -> io::Result<Vec<Listed>> {
    let folder = tempfile::tempdir()?;
    let job = Job { case: None, subject: subject.clone(), folder: folder.path().to_owned(), quick: true };
    let mut running = Running::start(&job, launcher)?;
    let mut components = None;
    let deadline = Instant::now() + LISTING;
    running.listen(deadline, |said| {
        if let Said::Components(listed) = said {
            components = Some(listed);
        }
    });
    running.end(Duration::ZERO)?;
    // A file that does not even load has its cases of loading fail.
    Ok(components.unwrap_or_default())
}

fn not_tried(case: &Case, component: Option<&str>) -> Entry {
    let reason = format!("an ordinary life ends the process or never comes back; see {GATE}");
    entry(case, component, Outcome::Skipped { reason }, Duration::ZERO, String::new())
}

fn entry(case: &Case, component: Option<&str>, outcome: Outcome, took: Duration, printed: String) -> Entry {
    let Case { name, group, about, advice, .. } = *case;
    Entry {
        case: name,
        group,
        about,
        advice,
        component: component.map(str::to_owned),
        outcome,
        took,
        printed,
    }
}

fn run(
    case: &Case,
    component: Option<&str>,
    subject: &Subject,
    options: &Options,
    launcher: &dyn Fn() -> Command,
) -> io::Result<Entry> {
    let folder = tempfile::tempdir()?;
    let job = Job {
        case: Some(case.name.to_owned()),
        subject: Subject { component: component.map(str::to_owned), ..subject.clone() },
        folder: folder.path().to_owned(),
        quick: options.quick,
    };
    let start = Instant::now();
    let mut running = Running::start(&job, launcher)?;
    let (mut outcome, mut during) = (None, "the start of the case".to_owned());
    let in_time = running.listen(start + case.limit, |said| match said {
        Said::Doing(call) => during = format!("`{call}`"),
        Said::Outcome(said) => outcome = Some(said),
        Said::Components(_) => {}
    });
    let wait = if in_time { ENDING } else { Duration::ZERO };
    let (status, printed) = running.end(wait)?;
    let outcome = match outcome {
        Some(Outcome::Passed { .. }) if case.name == ENDS_IN_ORDER && !status.success() => {
            Outcome::Crashed { how: how(status), during: "the end of the process".to_owned() }
        }
        Some(outcome) => outcome,
        None if !in_time => Outcome::TimedOut { limit: case.limit, during },
        // The child's own alarm, set for each call.
        None if status.signal() == Some(libc::SIGALRM) => {
            Outcome::TimedOut { limit: start.elapsed(), during }
        }
        None => Outcome::Crashed { how: how(status), during },
    };
    Ok(entry(case, component, outcome, start.elapsed(), printed))
}

/// How a process ended that should have said how its case ended.
fn how(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => signal_name(signal).map_or_else(|| format!("signal {signal}"), str::to_owned),
        (None, Some(code)) => format!("the plugin ended the process with exit code {code}"),
        (None, None) => status.to_string(),
    }
}

fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGBUS => "SIGBUS",
        libc::SIGABRT => "SIGABRT",
        libc::SIGILL => "SIGILL",
        libc::SIGFPE => "SIGFPE",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGTERM => "SIGTERM",
        _ => return None,
    })
}

/// A child at work, in a process group of its own. It is killed and reaped when this is dropped.
struct Running {
    child: Child,
    socket: UnixStream,
    output: File,
    ended: bool,
}

impl Running {
    fn start(job: &Job, launcher: &dyn Fn() -> Command) -> io::Result<Self> {
        let (mut socket, theirs) = UnixStream::pair()?;
        let output = tempfile::tempfile()?;
        let mut command = launcher();
        if let Some(beside) = job.subject.file.parent() {
            // What a plugin brings along lies there, and the host finds it.
            command.env("LD_LIBRARY_PATH", beside);
        }
        command
            .current_dir(&job.folder)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?)
            .process_group(0);
        let child = command.spawn()?;
        // Closes this process's copy of the child's end.
        drop(command);
        let mut line = serde_json::to_string(job)?;
        line.push('\n');
        // A child that is gone already is noticed by its silence.
        let _ = socket.write_all(line.as_bytes());
        Ok(Self { child, socket, output, ended: false })
    }

    /// Hears what the child says until it has said how its case ended, or closes its end. Whether
    /// that was before the deadline.
    fn listen(&mut self, deadline: Instant, mut hear: impl FnMut(Said)) -> bool {
        let mut lines = BufReader::new(&self.socket);
        let mut line = String::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.socket.set_read_timeout(Some(left)).is_err() {
                return false;
            }
            match lines.read_line(&mut line) {
                Ok(0) => return true,
                Ok(_) => {
                    if let Ok(said) = serde_json::from_str(&line) {
                        let last = !matches!(said, Said::Doing(_));
                        hear(said);
                        if last {
                            return true;
                        }
                    }
                    line.clear();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(_) => return true,
            }
        }
    }

    /// Lets the child end by itself for so long, then ends all that it started, and says what was
    /// printed.
    fn end(mut self, wait: Duration) -> io::Result<(ExitStatus, String)> {
        let deadline = Instant::now() + wait;
        let status = loop {
            match self.child.try_wait()? {
                Some(status) => break Some(status),
                None if Instant::now() >= deadline => break None,
                None => thread::sleep(Duration::from_millis(1)),
            }
        };
        self.kill();
        let status = match status {
            Some(status) => status,
            None => self.child.wait()?,
        };
        self.ended = true;
        let mut printed = Vec::new();
        let length = self.output.seek(SeekFrom::End(0))?;
        self.output.seek(SeekFrom::Start(length.saturating_sub(SHOWN)))?;
        Read::take(&mut self.output, SHOWN).read_to_end(&mut printed)?;
        Ok((status, String::from_utf8_lossy(&printed).into_owned()))
    }

    /// Kills the child's process group, in which a plugin's own children may still be.
    fn kill(&self) {
        let group = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(group) = group {
            // Nobody left is what is wanted.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            self.kill();
            let _ = self.child.wait();
        }
    }
}
