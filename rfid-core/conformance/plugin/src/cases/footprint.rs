//! What belongs to the process, and not to a plugin.

use std::time::Duration;

use super::{SHORT, on_component};
use crate::bench::{Bench, CLOSING};
use crate::case::{AppliesTo, Case, Group, Stop, Verdict, fail};
use crate::host::HostObject;
use crate::instance::{Answer, Instance};
use crate::lent::Lent;
use crate::process::{self, Footprint};

const fn case(
    name: &'static str,
    run: fn(&Bench) -> Verdict,
    about: &'static str,
    advice: &'static str,
) -> Case {
    on_component(Group::Footprint, AppliesTo::Component, SHORT, name, run, about, advice)
}

pub(super) const CASES: &[Case] = &[
    case(
        "footprint/signals",
        |bench| {
            unchanged(bench, "signal dispositions or blocked signals", |a, b| {
                a.signals == b.signals && a.blocked_signals == b.blocked_signals
            })
        },
        "Signal handlers and blocked signals are the host's.",
        "Use MSG_NOSIGNAL instead of ignoring SIGPIPE; install no handlers.",
    ),
    case(
        "footprint/directory",
        |bench| unchanged(bench, "the current folder", |a, b| a.directory == b.directory),
        "The current folder stays.",
        "Use absolute paths, such as under `data_dir`.",
    ),
    case(
        "footprint/locale",
        |bench| unchanged(bench, "the locale", |a, b| a.locale == b.locale),
        "The locale stays.",
        "Use newlocale and uselocale in your own thread, or neither.",
    ),
    case(
        "footprint/environment",
        |bench| unchanged(bench, "the environment", |a, b| a.environment == b.environment),
        "The environment stays.",
        "Hand values on as arguments; setenv is not safe beside other threads.",
    ),
    case(
        "footprint/umask",
        |bench| unchanged(bench, "the umask", |a, b| a.umask == b.umask),
        "The umask stays.",
        "Use fchmod on files of your own.",
    ),
    case(
        "footprint/standard-streams",
        |bench| unchanged(bench, "a standard stream", |a, b| a.streams == b.streams),
        "Standard input, output and error stay what they are.",
        "Close and replace only descriptors of your own.",
    ),
    case(
        "footprint/prints-nothing",
        prints_nothing,
        "Nothing is written to standard output or error.",
        "Use `log` of the host; turn off what an SDK prints.",
    ),
    case(
        "footprint/children",
        children,
        "No child process is left.",
        "End and reap in `close` what was started.",
    ),
];

/// A whole life of an instance, as far as it comes.
pub(super) fn life(bench: &Bench) -> Result<Vec<Answer>, Stop> {
    life_on(bench, bench.host(&[]))
}

pub(super) fn life_on(bench: &Bench, host: &'static HostObject) -> Result<Vec<Answer>, Stop> {
    let options = bench.options()?.to_string();
    let (instance, answer) = Instance::create(*bench.component(), host, options.as_bytes());
    let mut answers = vec![answer];
    let Some(instance) = instance else { return Ok(answers) };
    answers.push(instance.open(bench.reaching()));
    let is_open = answers.last().is_some_and(|answer| answer.status.is_ok());
    if is_open && bench.component().is_driver() {
        let lent = Lent::ordinary()?;
        answers.push(instance.start());
        for _ in 0..5 {
            answers.push(lent.read(&instance, Duration::from_millis(50)).answer);
        }
        answers.push(instance.stop());
    } else if is_open {
        for _ in 0..3 {
            answers.push(super::sinks::write_some(&instance)?);
        }
        answers.push(instance.flush(CLOSING));
    }
    answers.push(instance.close(CLOSING));
    Ok(answers)
}

fn unchanged(bench: &Bench, what: &str, same: fn(&Footprint, &Footprint) -> bool) -> Verdict {
    life(bench)?;
    if same(bench.before(), &Footprint::now()) {
        return Ok(None);
    }
    fail(format!("{what} changed"))
}

fn prints_nothing(bench: &Bench) -> Verdict {
    let before = process::written();
    life(bench)?;
    if process::written() > before {
        return fail(format!("{} bytes were written", process::written() - before));
    }
    Ok(None)
}

fn children(bench: &Bench) -> Verdict {
    let before = process::children();
    life(bench)?;
    let left = process::children().into_iter().filter(|child| !before.contains(child)).count();
    if left > 0 {
        return fail(format!("{left} child processes are left"));
    }
    Ok(None)
}
