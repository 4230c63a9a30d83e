//! How all cases ended, for people and for programs.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::case::Group;

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum Outcome {
    /// As it is right.
    Passed {
        /// Something worth knowing.
        note: Option<String>,
    },
    /// Not so.
    Failed {
        /// What was wrong.
        reason: String,
    },
    /// Right, with something that somebody should know.
    Warned {
        /// What.
        reason: String,
    },
    /// It could not be tried.
    Skipped {
        /// Why not.
        reason: String,
    },
    /// The process ended in the middle.
    Crashed {
        /// The signal, or the exit code.
        how: String,
        /// The call that ran.
        during: String,
    },
    /// The process was killed at the case's time limit, or long after that of a call.
    TimedOut {
        /// How long it had.
        limit: Duration,
        /// The call that ran.
        during: String,
    },
}

impl Outcome {
    /// Whether this keeps a plugin from passing.
    pub fn is_bad(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::Crashed { .. } | Self::TimedOut { .. })
    }
}

/// A case and how it ended.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Name of the case.
    pub case: &'static str,
    /// Its group.
    pub group: Group,
    /// What is right.
    pub about: &'static str,
    /// What to do where it is not so.
    pub advice: &'static str,
    /// The component, where the case is about one.
    pub component: Option<String>,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
    /// The end of what the plugin wrote to standard output and error.
    pub printed: String,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.case.split_once('/').map_or(self.case, |(_, name)| name);
        match &self.outcome {
            Outcome::Passed { note: None } => write!(f, "✓ {name}")?,
            Outcome::Passed { note: Some(note) } => write!(f, "✓ {name}: {note}")?,
            Outcome::Skipped { reason } => write!(f, "- {name}: not tried: {reason}")?,
            Outcome::Warned { reason } => write!(f, "! {name}: {reason}")?,
            Outcome::Failed { reason } => write!(f, "✗ {name}: {reason}")?,
            Outcome::Crashed { how, during } => write!(f, "✗ {name}: crashed in {during}: {how}")?,
            Outcome::TimedOut { limit, during } => {
                write!(f, "✗ {name}: not done within {limit:.0?}, in {during}")?
            }
        }
        if self.outcome.is_bad() {
            write!(f, "\n    wanted: {}\n    advice: {}", self.about, self.advice)?;
            for line in self.printed.lines() {
                write!(f, "\n    | {line}")?;
            }
        }
        Ok(())
    }
}

/// How all cases ended.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The plugin's file.
    pub file: PathBuf,
    /// In the order of the list of cases, first of the plugin as a whole, then of each component.
    pub entries: Vec<Entry>,
}

impl Report {
    /// Whether nothing failed, crashed or ran out of time.
    pub fn is_passed(&self) -> bool {
        !self.entries.iter().any(|entry| entry.outcome.is_bad())
    }

    /// The report for programs.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "file": self.file, "passed": self.is_passed(), "cases": self.entries })
    }

    fn count(&self, of: impl Fn(&Outcome) -> bool) -> usize {
        self.entries.iter().filter(|entry| of(&entry.outcome)).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        let mut heading = None;
        let mut component = None;
        for entry in &self.entries {
            if entry.component != component {
                component.clone_from(&entry.component);
                write!(f, "\n\n{}", component.as_deref().unwrap_or_default())?;
                heading = None;
            }
            if heading != Some(entry.group) {
                heading = Some(entry.group);
                write!(f, "\n{}", entry.group)?;
            }
            for line in entry.to_string().lines() {
                write!(f, "\n  {line}")?;
            }
        }
        write!(
            f,
            "\n\n{} passed, {} failed, {} with a warning, {} not tried",
            self.count(|outcome| matches!(outcome, Outcome::Passed { .. })),
            self.count(Outcome::is_bad),
            self.count(|outcome| matches!(outcome, Outcome::Warned { .. })),
            self.count(|outcome| matches!(outcome, Outcome::Skipped { .. })),
        )?;
        writeln!(f)
    }
}
