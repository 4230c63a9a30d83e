//! What happens to events when their sink fails.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::settings::DurationText;

/// What happens to events when their sink fails, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FailurePolicy {
    /// What happens to events when this sink fails. "spill": they are kept on disk for this sink,
    /// pass on at once with a mark (unconfirmed_by), and reach it later, in order. "retry": they
    /// wait until it works; what comes behind it waits, too. "pass": they pass on with a mark,
    /// and the sink never gets them. A sink whose late work would reach nobody, as a lookup's,
    /// takes "pass" for "spill".
    pub on_failure: OnFailure,
    /// How long the sink is tried, or a call of it may take, before that happens.
    pub patience: DurationText,
}

/// What happens to events whose sink fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum OnFailure {
    /// They go into the sink's backlog and pass on with a mark.
    #[default]
    Spill,
    /// They wait, and everything behind the sink with them, until it works or the host stops.
    Retry,
    /// They pass on with a mark. The sink never gets them.
    Pass,
}

impl Default for FailurePolicy {
    fn default() -> Self {
        Self { on_failure: OnFailure::default(), patience: DurationText(Duration::from_secs(1)) }
    }
}
