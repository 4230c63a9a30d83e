//! The figures of the presence rules, as a pipeline's configuration gives them.

use std::collections::BTreeMap;
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
    /// Zones with figures of their own: `zones.pad = { confirm_reads = 1 }`. What is left out is
    /// that of the pipeline.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub zones: BTreeMap<String, ZoneSettings>,
}

/// What one zone has in place of its pipeline's figures.
///
/// A tag arrives by the figures of the zone that hears it, and stays, departs and returns by those
/// of the zone that it is in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ZoneSettings {
    /// Reads after which a tag counts as present.
    #[schemars(range(min = 1, max = 1000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirm_reads: Option<u16>,
    /// With two reads or more, how long must lie between the first and the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirm_within: Option<DurationText>,
    /// How long a tag must be silent before it counts as departed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_after: Option<DurationText>,
    /// A tag that departed here and comes back within this time continues its visit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revisit_within: Option<DurationText>,
    /// Gives a `seen` event at most this often while a tag stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_every: Option<DurationText>,
}

/// The figures that hold in one zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneRules {
    /// Reads after which a tag counts as present.
    pub confirm_reads: u16,
    /// With two reads or more, how long must lie between the first and the last.
    pub confirm_within: Duration,
    /// How long a tag must be silent before it counts as departed.
    pub lost_after: Duration,
    /// How long after a departure a tag that comes back continues its visit.
    pub revisit_within: Duration,
    /// How often a tag that stays is said to be there.
    pub repeat_every: Option<Duration>,
}

impl PresenceSettings {
    /// The figures that hold in this zone.
    pub fn rules(&self, zone: &str) -> ZoneRules {
        let usual = ZoneSettings::default();
        let own = self.zones.get(zone).unwrap_or(&usual);
        ZoneRules {
            confirm_reads: own.confirm_reads.unwrap_or(self.confirm_reads),
            confirm_within: own.confirm_within.unwrap_or(self.confirm_within).0,
            lost_after: own.lost_after.unwrap_or(self.lost_after).0,
            revisit_within: own.revisit_within.unwrap_or(self.revisit_within).0,
            repeat_every: own.repeat_every.or(self.repeat_every).map(Into::into),
        }
    }
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
            zones: BTreeMap::new(),
        }
    }
}
