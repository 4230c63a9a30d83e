//! Numbers without content.

use rfid_core::UtcTime;
use serde::{Deserialize, Serialize};

/// Word of numbers that have no content: how many, why, and between which times.
///
/// With it every number up to the highest is accounted for, so "nothing is lost" can be asked and
/// not only hoped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// First number without content.
    pub first: u64,
    /// Last number without content.
    pub last: u64,
    /// Why, in words.
    pub reason: String,
    /// When the first of what is missing happened, as far as it is known.
    pub from: UtcTime,
    /// When the last of it happened, as far as it is known.
    pub to: UtcTime,
}

impl Gap {
    /// How many numbers have no content.
    pub fn count(&self) -> u64 {
        (self.last + 1).saturating_sub(self.first)
    }
}
