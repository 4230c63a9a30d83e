//! Cards (VIP卡).

use rfid_core::{Name, TagId, TagIdKind};
use serde::{Deserialize, Serialize};

use std::collections::BTreeSet;

use super::{CardId, CustomerId, Hand, LocalDate, Signature};

/// A customer's card. What it bears are numbers and nothing personal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Its id.
    pub id: CardId,
    /// Whose it is.
    pub customer: CustomerId,
    /// EPC of its UHF tag, once it is encoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epc: Option<TagId>,
    /// UID of its 13.56 MHz chip, once it is encoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<TagId>,
    /// Where it is in its life.
    pub state: CardState,
    /// First day on which it may be used.
    pub valid_from: LocalDate,
    /// Last day on which it may be used.
    pub valid_until: LocalDate,
    /// Where it may be used.
    pub branches: AllowedBranches,
    /// The card that took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<CardId>,
    /// What befell its plastic on a desk; absent of one that never lay there, or may be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plastic: Option<Plastic>,
}

/// What befell the plastic of a card on a desk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plastic {
    /// Who had it in hand there.
    pub handled_by: BTreeSet<Hand>,
    /// Who found that it has to be destroyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spoilt: Option<Signature>,
    /// Who confirmed that it was; somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destroyed: Option<Signature>,
}

impl Card {
    /// The numbers that it bears.
    pub fn tags(&self) -> impl Iterator<Item = TagId> + use<> {
        [self.epc, self.uid].into_iter().flatten()
    }

    /// Whether these kinds of tags can be an EPC and a UID of a card.
    pub fn has_fitting_tags(&self) -> bool {
        self.epc.is_none_or(|tag| tag.kind() == TagIdKind::Epc)
            && self.uid.is_none_or(|tag| tag.kind() == TagIdKind::Iso14443Uid)
    }

    /// The same in the hand of somebody, who lays it on a desk.
    #[must_use]
    pub fn handled(self, by: Hand) -> Self {
        let mut plastic = self.plastic.unwrap_or_default();
        plastic.handled_by.insert(by);
        Self { plastic: Some(plastic), ..self }
    }

    /// The same, never to be used. If its plastic lay on a desk, it may bear the number, so it waits until
    /// somebody has seen it destroyed.
    #[must_use]
    pub fn given_up(self, by: Signature) -> Self {
        match self.plastic {
            None => Self { state: CardState::Revoked, ..self },
            Some(plastic) => {
                let plastic = Plastic { spoilt: Some(by), ..plastic };
                Self { state: CardState::Spoilt, plastic: Some(plastic), ..self }
            }
        }
    }
}

/// Where a card is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CardState {
    /// Somebody asked for it.
    Requested,
    /// Somebody else approved it.
    Approved,
    /// It is encoded and not yet verified at a desk.
    Issued,
    /// It may be used.
    Active,
    /// It may not be used for now.
    Suspended,
    /// It is reported lost.
    Lost,
    /// Its last day is over.
    Expired,
    /// It will never be used again.
    Revoked,
    /// Another card took its place.
    Replaced,
    /// It was given up after it had lain on a desk, and waits until somebody has seen it destroyed.
    Spoilt,
    /// It was destroyed, with two names.
    Destroyed,
}

impl CardState {
    /// All states, in the order of a card's life.
    pub const ALL: [Self; 11] = [
        Self::Requested,
        Self::Approved,
        Self::Issued,
        Self::Active,
        Self::Suspended,
        Self::Lost,
        Self::Expired,
        Self::Revoked,
        Self::Replaced,
        Self::Spoilt,
        Self::Destroyed,
    ];

    /// The name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Approved => "approved",
            Self::Issued => "issued",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Lost => "lost",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Replaced => "replaced",
            Self::Spoilt => "spoilt",
            Self::Destroyed => "destroyed",
        }
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether a card may go from here to there.
    pub const fn may_become(self, next: Self) -> bool {
        use CardState::{
            Active, Approved, Destroyed, Expired, Issued, Lost, Replaced, Requested, Revoked, Spoilt,
            Suspended,
        };
        match self {
            Requested => matches!(next, Approved | Revoked),
            Approved => matches!(next, Issued | Revoked | Spoilt),
            Issued => matches!(next, Active | Revoked | Spoilt),
            Active => matches!(next, Suspended | Lost | Expired | Revoked | Replaced),
            Suspended => matches!(next, Active | Lost | Expired | Revoked | Replaced),
            Lost => matches!(next, Active | Revoked | Replaced),
            Expired => matches!(next, Revoked | Replaced),
            Spoilt => matches!(next, Destroyed),
            Revoked | Replaced | Destroyed => false,
        }
    }
}

/// Where a card may be used.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AllowedBranches {
    /// Everywhere.
    All,
    /// In these branches.
    Only(Vec<Name>),
}

impl AllowedBranches {
    /// Whether this branch is one of them.
    pub fn allows(&self, branch: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(branches) => branches.iter().any(|allowed| allowed.as_str() == branch),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_has_one_name() {
        for state in CardState::ALL {
            assert_eq!(CardState::from_name(state.name()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
    }

    #[test]
    fn nothing_leaves_the_end_and_nothing_is_active_without_approval() {
        for next in CardState::ALL {
            for end in [CardState::Revoked, CardState::Replaced, CardState::Destroyed] {
                assert!(!end.may_become(next));
            }
        }
        let leading_to = |next| CardState::ALL.into_iter().filter(move |state| state.may_become(next));
        assert_eq!(leading_to(CardState::Approved).collect::<Vec<_>>(), [CardState::Requested]);
        assert_eq!(leading_to(CardState::Issued).collect::<Vec<_>>(), [CardState::Approved]);
        assert_eq!(
            leading_to(CardState::Active).collect::<Vec<_>>(),
            [CardState::Issued, CardState::Suspended, CardState::Lost]
        );
        // What is destroyed was spoilt before, and what is spoilt was never used.
        assert_eq!(leading_to(CardState::Destroyed).collect::<Vec<_>>(), [CardState::Spoilt]);
        assert_eq!(
            leading_to(CardState::Spoilt).collect::<Vec<_>>(),
            [CardState::Approved, CardState::Issued]
        );
    }
}
