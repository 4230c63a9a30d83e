//! The list of cases.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::bench::Bench;

/// What a case is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Loading the file and calling its one symbol.
    Load,
    /// What the plugin says about itself.
    Descriptor,
    /// Options that are wrong.
    Config,
    /// The order of calls.
    Lifecycle,
    /// Reads and the memory that they come in.
    Read,
    /// A host that takes nothing for a while.
    BackPressure,
    /// Calls that are interrupted.
    Cancel,
    /// Connections that break.
    Errors,
    /// Instances side by side.
    Threads,
    /// Panics, and what is reported.
    Faults,
    /// Events for sinks.
    Sinks,
    /// What the process must not notice.
    Footprint,
    /// How fast reads come; only told.
    Speed,
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Load => "load",
            Self::Descriptor => "descriptor",
            Self::Config => "config",
            Self::Lifecycle => "lifecycle",
            Self::Read => "read",
            Self::BackPressure => "back-pressure",
            Self::Cancel => "cancel",
            Self::Errors => "errors",
            Self::Threads => "threads",
            Self::Faults => "faults",
            Self::Sinks => "sinks",
            Self::Footprint => "footprint",
            Self::Speed => "speed",
        })
    }
}

/// What a case is run for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppliesTo {
    /// The plugin as a whole, once.
    Module,
    /// Each component.
    Component,
    /// Each driver.
    Driver,
    /// Each sink.
    Sink,
}

/// Something that every plugin does right.
#[derive(Clone, Copy)]
pub struct Case {
    /// Group and name: `read/never-beyond-capacity`.
    pub name: &'static str,
    /// The part before the slash.
    pub group: Group,
    /// What is right, one sentence.
    pub about: &'static str,
    /// What to do where it is not so.
    pub advice: &'static str,
    /// When its process is killed.
    pub limit: Duration,
    /// What it is run for.
    pub applies_to: AppliesTo,
    pub(crate) run: Run,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How a case runs.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    /// On the file, which nobody has loaded yet.
    File(fn(&Path) -> Verdict),
    /// On a component.
    Bench(fn(&Bench) -> Verdict),
}

/// How a case ends that does not simply pass.
#[derive(Clone, Debug)]
pub(crate) enum Stop {
    Failed(String),
    Warned(String),
    Skipped(String),
}

/// What a case says: passed, perhaps with a note, or something else.
pub(crate) type Verdict = Result<Option<String>, Stop>;

/// Something is wrong.
pub(crate) fn fail<T>(reason: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Failed(reason.into()))
}

/// The case cannot be tried.
pub(crate) fn skip<T>(reason: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Skipped(reason.into()))
}

/// Nothing is wrong, but somebody should know.
pub(crate) fn warn<T>(reason: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Warned(reason.into()))
}

/// All cases, in the order in which they run.
pub fn cases() -> &'static [Case] {
    &crate::cases::ALL
}
