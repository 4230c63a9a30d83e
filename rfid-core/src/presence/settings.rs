//! The figures of the presence rules, as a pipeline's configuration gives them.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::moment::{Nanos, nanos};
use crate::settings::DurationText;

/// When a tag counts as arrived, moved and departed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PresenceSettings {
    /// Reads after which a tag counts as present. 1 serves a pad on which cards are laid.
    #[schemars(range(min = 1, max = 1000))]
    pub confirm_reads: u16,
    /// With two reads or more, a tag also counts as present once this long lies between the
    /// first and the last of two seconds.
    pub confirm_within: DurationText,
    /// How long reads are counted towards `confirm_reads`. A tag that has not arrived by then is
    /// forgotten and counted. Two seconds at least.
    pub glimpse_lasts: DurationText,
    /// How long a tag must be silent, while its zone is listened to, before it counts as
    /// departed.
    pub lost_after: DurationText,
    /// In place of `lost_after`: three times the tag's own longest silence of late, within these
    /// bounds. Who stands at the antenna is gone sooner, who sits at the edge stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_adaptive: Option<LostAdaptive>,
    /// A tag that comes back within this time continues its visit.
    pub revisit_within: DurationText,
    /// Gives a `seen` event at most this often while a tag stays. Off when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_every: Option<DurationText>,
    /// A tag that has been present for so long is taken for forgotten or fixed and set aside: a
    /// last `departed` with `set_aside`, and nothing more until it has been gone. 40d or more:
    /// never.
    pub stationary_after: DurationText,
    /// Tags that are tracked at once. Further ones are counted and not reported.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub max_tags: u32,
    /// EPCs that are taken for tags: `any`, or `known` for those whose header the EPC Tag Data
    /// Standard knows. The others are counted and go no further.
    pub epc_headers: EpcHeaders,
    /// Zones that stand one behind the other, as an outer and an inner door: events between the
    /// two say whether the tag is entering or leaving.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passages: Vec<Passage>,
    /// Zones with figures of their own: `zones.pad = { confirm_reads = 1 }`. What is left out is
    /// that of the pipeline.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub zones: BTreeMap<String, ZoneSettings>,
}

/// Bounds of a silence that follows the tag's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LostAdaptive {
    /// A shorter silence is never a departure.
    pub at_least: DurationText,
    /// A longer silence always is.
    pub at_most: DurationText,
}

impl Default for LostAdaptive {
    fn default() -> Self {
        Self {
            at_least: DurationText(Duration::from_secs(10)),
            at_most: DurationText(Duration::from_secs(60)),
        }
    }
}

/// Which EPCs are taken for tags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EpcHeaders {
    /// All.
    #[default]
    Any,
    /// Those whose first byte is the header of a scheme.
    Known,
}

/// Two zones, one behind the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Passage {
    /// The zone that is reached first from outside.
    pub outer: String,
    /// The zone behind it.
    pub inner: String,
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
    /// How long a tag must be silent before it counts as departed. With this and without
    /// `lost_adaptive` the zone does not adapt, whatever its pipeline does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_after: Option<DurationText>,
    /// In place of `lost_after`: three times the tag's own longest silence of late, within these
    /// bounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_adaptive: Option<LostAdaptive>,
    /// A tag that departed here and comes back within this time continues its visit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revisit_within: Option<DurationText>,
    /// Gives a `seen` event at most this often while a tag stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_every: Option<DurationText>,
    /// A tag that has been present for so long is set aside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stationary_after: Option<DurationText>,
}

/// The figures that hold in one zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneRules {
    /// Reads after which a tag counts as present.
    pub confirm_reads: u16,
    /// With two reads or more, how long must lie between the first and the last.
    pub confirm_within: Duration,
    /// How long a tag must be silent before it counts as departed.
    pub lost: Lost,
    /// How long after a departure a tag that comes back continues its visit.
    pub revisit_within: Duration,
    /// How often a tag that stays is said to be there.
    pub repeat_every: Option<Duration>,
    /// How long after its arrival a tag is set aside; `None` for never.
    pub stationary_after: Option<Duration>,
}

/// How long a silence must be to count as a departure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// This long.
    After(Duration),
    /// Three times the tag's own longest silence of late, within these bounds.
    Adaptive {
        /// A shorter silence is never a departure.
        at_least: Duration,
        /// A longer silence always is.
        at_most: Duration,
    },
}

/// The figures of a zone in nanoseconds, as the read path wants them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) confirm_reads: u32,
    pub(super) confirm_within: Nanos,
    pub(super) lost_at_least: Nanos,
    pub(super) lost_at_most: Nanos,
    pub(super) revisit_within: Nanos,
    pub(super) repeat_every_ms: Option<u32>,
    pub(super) stationary_after: Option<Nanos>,
}

impl From<ZoneRules> for Limits {
    fn from(rules: ZoneRules) -> Self {
        let (lost_at_least, lost_at_most) = match rules.lost {
            Lost::After(silence) => (nanos(silence), nanos(silence)),
            Lost::Adaptive { at_least, at_most } => (nanos(at_least), nanos(at_most)),
        };
        Self {
            confirm_reads: u32::from(rules.confirm_reads),
            confirm_within: nanos(rules.confirm_within),
            lost_at_least,
            lost_at_most,
            revisit_within: nanos(rules.revisit_within),
            repeat_every_ms: rules
                .repeat_every
                .map(|every| u32::try_from(every.as_millis()).unwrap_or(u32::MAX)),
            stationary_after: rules.stationary_after.map(nanos),
        }
    }
}

impl Limits {
    /// Whether a tag's own silences have a say in when it is lost.
    #[inline]
    pub(super) fn is_adaptive(&self) -> bool {
        self.lost_at_least < self.lost_at_most
    }
}

/// What is longer than this is never: times within a visit are kept in 32 bits of milliseconds.
const LONGEST_STATIONARY: Duration = Duration::from_secs(40 * 24 * 3600);

impl PresenceSettings {
    /// The figures that hold in this zone.
    pub fn rules(&self, zone: &str) -> ZoneRules {
        let usual = ZoneSettings::default();
        let own = self.zones.get(zone).unwrap_or(&usual);
        let lost = match (own.lost_adaptive, own.lost_after, self.lost_adaptive) {
            (Some(adaptive), _, _) | (None, None, Some(adaptive)) => {
                let (at_least, at_most) = (adaptive.at_least.0, adaptive.at_most.0);
                Lost::Adaptive { at_least, at_most: at_most.max(at_least) }
            }
            (None, own, _) => Lost::After(own.unwrap_or(self.lost_after).0),
        };
        let stationary_after = own.stationary_after.unwrap_or(self.stationary_after).0;
        ZoneRules {
            confirm_reads: own.confirm_reads.unwrap_or(self.confirm_reads),
            confirm_within: own.confirm_within.unwrap_or(self.confirm_within).0,
            lost,
            revisit_within: own.revisit_within.unwrap_or(self.revisit_within).0,
            repeat_every: own.repeat_every.or(self.repeat_every).map(Into::into),
            stationary_after: (stationary_after < LONGEST_STATIONARY).then_some(stationary_after),
        }
    }
}

impl Default for PresenceSettings {
    fn default() -> Self {
        Self {
            confirm_reads: 3,
            confirm_within: DurationText(Duration::from_millis(300)),
            glimpse_lasts: DurationText(Duration::from_secs(300)),
            lost_after: DurationText(Duration::from_secs(20)),
            lost_adaptive: None,
            revisit_within: DurationText(Duration::from_secs(600)),
            repeat_every: None,
            stationary_after: DurationText(Duration::from_secs(4 * 3600)),
            max_tags: 100_000,
            epc_headers: EpcHeaders::Any,
            passages: Vec::new(),
            zones: BTreeMap::new(),
        }
    }
}
