//! The figures of the presence rules, as a pipeline's configuration gives them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::settings::DurationText;

/// When a tag counts as arrived, moved and departed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PresenceSettings {
    /// Reads after which a tag counts as present. 1 serves a pad on which cards are laid.
    #[schemars(range(min = 1, max = 1000))]
    pub confirm_reads: u16,
    /// With two reads or more, a tag also counts as present once this long lies between the
    /// first and the last.
    pub confirm_within: DurationText,
    /// How long a tag must be silent, while its zone is listened to, before it counts as
    /// departed.
    pub lost_after: DurationText,
    /// A tag that comes back within this time continues its visit.
    pub revisit_within: DurationText,
    /// Gives a `seen` event at most this often while a tag stays. Off when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_every: Option<DurationText>,
    /// Tags that are tracked at once. Further ones are counted and not reported.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub max_tags: u32,
}

impl Default for PresenceSettings {
    fn default() -> Self {
        Self {
            confirm_reads: 3,
            confirm_within: DurationText(Duration::from_millis(300)),
            lost_after: DurationText(Duration::from_secs(20)),
            revisit_within: DurationText(Duration::from_secs(600)),
            repeat_every: None,
            max_tags: 100_000,
        }
    }
}
