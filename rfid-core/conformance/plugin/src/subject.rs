//! What is checked, and how.

use std::num::NonZero;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A plugin to be checked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Subject {
    /// The shared library.
    pub file: PathBuf,
    /// The component to check; none: each component of the plugin in turn.
    pub component: Option<String>,
    /// Options that lead to a reader with tags before it, or to what a sink delivers to. Without
    /// them a component is given its own example, and cases that need a reader are skipped if the
    /// example leads to none.
    pub options: Option<Value>,
}

impl Subject {
    /// All components of a plugin, with their examples as options.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into(), component: None, options: None }
    }
}

/// How it is checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// Only cases whose name contains this text.
    pub filter: Option<String>,
    /// Cases that run at the same time. More than one makes measured times worse.
    pub jobs: NonZero<usize>,
    /// Fewer repetitions and shorter waits, for use while a plugin is written.
    pub quick: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { filter: None, jobs: NonZero::<usize>::MIN, quick: false }
    }
}
