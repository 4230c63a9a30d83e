//! Visits (到访).

use rfid_core::{Name, UtcTime};
use serde::{Deserialize, Serialize};

use super::{CardId, CustomerId, StaffId, VisitId};

/// A customer in a branch, from the arrival to the departure.
///
/// It names nobody: whoever wants to know who it was asks for the customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Visit {
    /// Its id: that of the arrival that began it.
    pub id: VisitId,
    /// Who came.
    pub customer: CustomerId,
    /// VIP class of the customer on that day.
    pub vip_class: Name,
    /// Who looked after the customer on that day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_manager: Option<StaffId>,
    /// With which card, if with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<CardId>,
    /// Where.
    pub branch: Name,
    /// How it became known.
    pub way: Way,
    /// What was decided about it.
    pub outcome: Outcome,
    /// When the customer came.
    pub arrived_at: UtcTime,
    /// The last sighting so far.
    pub last_seen: UtcTime,
    /// How often the customer came back within the time that continues a visit.
    #[serde(default)]
    pub revisits: u32,
    /// When the card was read at the desk for the first time in this visit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desk_read: Option<DeskRead>,
    /// Who greeted the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub greeted: Option<Act>,
    /// Who served the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served: Option<Act>,
    /// What was done, in the bank's own words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub business: Vec<Name>,
    /// By what of the card the customer is heard just now: its tags, each since when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub present: Vec<Presence>,
    /// When the customer left; absent while the visit goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub departed_at: Option<UtcTime>,
}

/// A tag of the card that is in the field of some reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Presence {
    /// Whether it is the 13.56 MHz chip, on a desk, and not the UHF tag.
    pub is_desk: bool,
    /// Its first sighting, which tells apart what several pipelines say of one tag.
    pub since: UtcTime,
}

/// How a visit became known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Way {
    /// A reader heard the card.
    Heard {
        /// Which reader.
        reader: Name,
        /// By which antenna port, counted from 1; a pad has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        antenna_port: Option<u16>,
        /// In which zone.
        zone: Name,
    },
    /// Somebody entered it, for a customer who came without a card.
    ByHand {
        /// Who did.
        by: StaffId,
    },
}

/// What was decided when somebody came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The customer is announced.
    Recognised,
    /// The card may not be used; staff are told discreetly.
    Refused(Refusal),
}

/// Why a card may not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// It was never activated.
    NotActive,
    /// It is suspended.
    Suspended,
    /// It is reported lost.
    Lost,
    /// Its last day is over.
    Expired,
    /// Its first day has not come.
    NotYetValid,
    /// It was revoked.
    Revoked,
    /// Another card took its place.
    Replaced,
    /// It may not be used in this branch.
    OtherBranch,
    /// It did not prove to be the card that it says it is.
    NotAuthentic,
    /// The customer is no longer one.
    CustomerClosed,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::NotActive,
        Self::Suspended,
        Self::Lost,
        Self::Expired,
        Self::NotYetValid,
        Self::Revoked,
        Self::Replaced,
        Self::OtherBranch,
        Self::NotAuthentic,
        Self::CustomerClosed,
    ];

    /// The name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotActive => "not_active",
            Self::Suspended => "suspended",
            Self::Lost => "lost",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Revoked => "revoked",
            Self::Replaced => "replaced",
            Self::OtherBranch => "other_branch",
            Self::NotAuthentic => "not_authentic",
            Self::CustomerClosed => "customer_closed",
        }
    }
}

/// The card on the desk's reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeskRead {
    /// When.
    pub at: UtcTime,
    /// Which reader.
    pub reader: Name,
}

/// Something that somebody did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// Who.
    pub by: StaffId,
    /// When.
    pub at: UtcTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_one_name() {
        for refusal in Refusal::ALL {
            assert_eq!(serde_json::to_value(refusal).unwrap(), refusal.name());
        }
    }
}
