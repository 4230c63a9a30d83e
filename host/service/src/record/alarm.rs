//! Suspicions that a card was copied.

use rfid_core::{Name, UtcTime};
use serde::{Deserialize, Serialize};

use super::{Act, AlarmId, CardId, VisitId};

/// A suspicion. Neither card is blocked by it: one of them is the customer's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alarm {
    /// Its id: that of the event that raised it.
    pub id: AlarmId,
    /// The card.
    pub card: CardId,
    /// Where the event was.
    pub branch: Name,
    /// When.
    pub at: UtcTime,
    /// What is suspicious.
    pub kind: AlarmKind,
    /// Who has seen to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Act>,
}

/// What is suspicious.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AlarmKind {
    /// The same card was elsewhere too short a time before.
    ImpossibleTravel {
        /// The visit there.
        other_visit: VisitId,
        /// The branch there.
        other_branch: Name,
        /// How long before, in milliseconds.
        apart_ms: u64,
        /// How long the way takes at least, in milliseconds.
        takes_ms: u64,
    },
    /// The card did not prove to be the one that it says it is.
    NotAuthentic,
}
