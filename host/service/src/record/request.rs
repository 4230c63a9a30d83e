//! Requests: what somebody asks for and somebody else approves.

use std::collections::BTreeSet;

use rfid_core::{Name, UtcTime};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    CardDraft, CardId, CustomerDraft, CustomerId, ExportContent, Key, Personal, PhotoId, RequestId, StaffId,
};
use crate::hex::hex;
use crate::rights::{Action, Role};
use crate::store::Actor;

/// Something that is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Its id.
    pub id: RequestId,
    /// In which branch.
    pub branch: Name,
    /// How far it is.
    pub state: RequestState,
    /// What is asked for.
    pub proposal: Proposal,
    /// When it was begun.
    pub drafted_at: UtcTime,
    /// Everybody who had a hand in what it says.
    pub hands: BTreeSet<Hand>,
    /// Who submitted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted: Option<Signature>,
    /// Who decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<Signature>,
    /// Why it was refused or cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Personal<String>>,
    /// Whether the approver stood in for a reviewer who was not on duty.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stood_in: bool,
    /// The asker's half of an invitation, until it is fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_half: Option<Personal<String>>,
}

/// Somebody who had a hand in something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hand {
    /// A member of staff.
    Staff(StaffId),
    /// Another system, by the name of its token.
    Machine(String),
    /// Somebody at the command line of the host.
    Console,
}

impl Hand {
    /// The hand of who does something now.
    pub fn of(actor: &Actor) -> Self {
        match actor {
            Actor::Staff(id) => Self::Staff(*id),
            Actor::Machine(name) => Self::Machine(name.clone()),
            Actor::Host | Actor::Console => Self::Console,
        }
    }

    /// Id of a member of staff, or the name of a token.
    pub fn name(&self) -> String {
        match self {
            Self::Staff(id) => id.to_string(),
            Self::Machine(name) => name.clone(),
            Self::Console => "console".to_owned(),
        }
    }
}

/// Who did something, when and from where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// Who.
    pub by: Hand,
    /// When.
    pub at: UtcTime,
    /// From where.
    pub from: String,
    /// In which session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
}

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// Somebody writes it.
    Draft,
    /// It waits for somebody else to decide.
    Submitted,
    /// A card is approved and not encoded yet, or somebody who is to be erased is not wholly yet.
    Approved,
    /// A card is encoded, and not read at a desk yet.
    Encoded,
    /// What was asked for has happened.
    Done,
    /// Somebody decided against it.
    Refused,
    /// Whoever asked took it back, or what was approved is given up.
    Cancelled,
    /// Nobody went on with it in time.
    Lapsed,
}

impl RequestState {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Draft,
        Self::Submitted,
        Self::Approved,
        Self::Encoded,
        Self::Done,
        Self::Refused,
        Self::Cancelled,
        Self::Lapsed,
    ];

    /// The name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Submitted => "submitted",
            Self::Approved => "approved",
            Self::Encoded => "encoded",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
            Self::Lapsed => "lapsed",
        }
    }

    /// Whether it goes on.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Draft | Self::Submitted | Self::Approved | Self::Encoded)
    }

    /// Whether a request may go from here to there.
    pub const fn may_become(self, next: Self) -> bool {
        use RequestState::{Approved, Cancelled, Done, Draft, Encoded, Lapsed, Refused, Submitted};
        match self {
            Draft => matches!(next, Draft | Submitted | Cancelled | Lapsed),
            Submitted => matches!(next, Draft | Approved | Done | Refused | Cancelled | Lapsed),
            // A card that is spoilt while it is encoded is approved again, with another number.
            // Whoever is to be erased is, and then it is done.
            Approved => matches!(next, Approved | Encoded | Done | Cancelled | Lapsed),
            Encoded => matches!(next, Approved | Done | Cancelled | Lapsed),
            Done | Refused | Cancelled | Lapsed => false,
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum Proposal {
    /// A customer is opened.
    OpenCustomer {
        /// The id that it gets.
        customer: CustomerId,
        /// As it is written.
        draft: CustomerDraft,
        /// The photo that goes with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        photo: Option<PhotoId>,
    },
    /// A customer is changed.
    ChangeCustomer {
        /// Whose record.
        customer: CustomerId,
        /// The version that it was made on.
        version: u32,
        /// As it is written anew.
        draft: CustomerDraft,
        /// Another photo that goes with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        photo: Option<PhotoId>,
    },
    /// A customer gets a photo.
    Photo {
        /// Whose.
        customer: CustomerId,
        /// The version of the customer's record.
        version: u32,
        /// Which photo.
        photo: PhotoId,
    },
    /// A customer gets a card.
    IssueCard {
        /// Whose.
        customer: CustomerId,
        /// The card that is made now. It is another after one was spoilt.
        card: CardId,
        /// As it is written. With the numbers of a factory it is not encoded any more.
        draft: CardDraft,
        /// The card in whose place it comes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaces: Option<CardId>,
    },
    /// A blocked card is made usable again.
    ReenableCard {
        /// Whose.
        customer: CustomerId,
        /// Which.
        card: CardId,
        /// The version of the card.
        version: u32,
    },
    /// The file of a person is made, who asked for it.
    PersonFile {
        /// Whose.
        customer: CustomerId,
    },
    /// Visits are exported: many of them, or with who came.
    ExportVisits {
        /// Who wrote last what is asked for.
        asker: StaffId,
        /// What is in it.
        content: ExportContent,
    },
    /// Everything about a person goes, who asked for it.
    ErasePerson {
        /// Who.
        customer: CustomerId,
    },
    /// Somebody gets an account.
    OpenAccount {
        /// Who, if the person is not entered yet.
        staff: StaffId,
        /// The bank's staff number.
        staff_number: String,
        /// Name.
        name: Personal<String>,
        /// As what.
        roles: BTreeSet<Role>,
    },
    /// Somebody gets other roles.
    ChangeAccount {
        /// Who.
        staff: StaffId,
        /// The version of the account.
        version: u32,
        /// As what from then on.
        roles: BTreeSet<Role>,
    },
    /// Somebody sets a new password and second factor.
    ResetAccount {
        /// Who.
        staff: StaffId,
        /// The version of the account.
        version: u32,
    },
    /// Whoever asks gets a right for a while that the roles do not give.
    BreakGlass {
        /// Who.
        staff: StaffId,
        /// Which.
        right: Action,
        /// For how long.
        minutes: u16,
        /// Why.
        reason: Personal<String>,
    },
}

/// What kind of thing is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProposalKind {
    /// A customer is opened.
    OpenCustomer,
    /// A customer is changed.
    ChangeCustomer,
    /// A customer gets another photo.
    Photo,
    /// A customer gets a card.
    IssueCard,
    /// A blocked card is made usable again.
    ReenableCard,
    /// The file of a person is made.
    PersonFile,
    /// Visits are exported.
    ExportVisits,
    /// A person is erased.
    ErasePerson,
    /// Somebody gets an account.
    OpenAccount,
    /// Somebody gets other roles.
    ChangeAccount,
    /// Somebody sets a new password and second factor.
    ResetAccount,
    /// Somebody gets a right for a while.
    BreakGlass,
}

impl ProposalKind {
    /// As in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenCustomer => "open_customer",
            Self::ChangeCustomer => "change_customer",
            Self::Photo => "photo",
            Self::IssueCard => "issue_card",
            Self::ReenableCard => "reenable_card",
            Self::PersonFile => "person_file",
            Self::ExportVisits => "export_visits",
            Self::ErasePerson => "erase_person",
            Self::OpenAccount => "open_account",
            Self::ChangeAccount => "change_account",
            Self::ResetAccount => "reset_account",
            Self::BreakGlass => "break_glass",
        }
    }

    /// Which right it takes to ask for it and to approve it.
    pub const fn action(self) -> Action {
        match self {
            Self::OpenCustomer | Self::ChangeCustomer => Action::ChangeCustomers,
            Self::Photo => Action::TakePhotos,
            Self::IssueCard => Action::RequestCards,
            Self::ReenableCard => Action::ReenableCards,
            Self::PersonFile => Action::MakeFiles,
            Self::ExportVisits => Action::RequestExports,
            Self::ErasePerson => Action::ErasePersons,
            Self::OpenAccount | Self::ChangeAccount => Action::RequestAccounts,
            Self::ResetAccount => Action::ResetAccounts,
            Self::BreakGlass => Action::RequestBreakGlass,
        }
    }
}

impl Proposal {
    /// The kind.
    pub const fn kind(&self) -> ProposalKind {
        match self {
            Self::OpenCustomer { .. } => ProposalKind::OpenCustomer,
            Self::ChangeCustomer { .. } => ProposalKind::ChangeCustomer,
            Self::Photo { .. } => ProposalKind::Photo,
            Self::IssueCard { .. } => ProposalKind::IssueCard,
            Self::ReenableCard { .. } => ProposalKind::ReenableCard,
            Self::PersonFile { .. } => ProposalKind::PersonFile,
            Self::ExportVisits { .. } => ProposalKind::ExportVisits,
            Self::ErasePerson { .. } => ProposalKind::ErasePerson,
            Self::OpenAccount { .. } => ProposalKind::OpenAccount,
            Self::ChangeAccount { .. } => ProposalKind::ChangeAccount,
            Self::ResetAccount { .. } => ProposalKind::ResetAccount,
            Self::BreakGlass { .. } => ProposalKind::BreakGlass,
        }
    }

    /// About whom it is.
    pub const fn subject(&self) -> Key {
        match self {
            Self::OpenCustomer { customer, .. }
            | Self::ChangeCustomer { customer, .. }
            | Self::Photo { customer, .. }
            | Self::IssueCard { customer, .. }
            | Self::ReenableCard { customer, .. }
            | Self::PersonFile { customer }
            | Self::ErasePerson { customer } => Key::Customer(*customer),
            Self::ExportVisits { asker: staff, .. }
            | Self::OpenAccount { staff, .. }
            | Self::ChangeAccount { staff, .. }
            | Self::ResetAccount { staff, .. }
            | Self::BreakGlass { staff, .. } => Key::Staff(*staff),
        }
    }

    /// The customer whom it is about, if it is about one.
    pub fn customer(&self) -> Option<CustomerId> {
        match self.subject() {
            Key::Customer(customer) => Some(customer),
            _ => None,
        }
    }

    /// The photo that is asked for, if one is.
    pub const fn photo(&self) -> Option<PhotoId> {
        match self {
            Self::OpenCustomer { photo, .. } | Self::ChangeCustomer { photo, .. } => *photo,
            Self::Photo { photo, .. } => Some(*photo),
            _ => None,
        }
    }

    /// What names the content: who approves says what it is that is approved.
    pub fn hash(&self) -> String {
        // What is kept is JSON, so this can be written.
        let json = zeroize::Zeroizing::new(serde_json::to_vec(self).unwrap_or_default());
        hex(&Sha256::digest(&*json))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_stays_over() {
        for state in RequestState::ALL {
            let goes_on = RequestState::ALL.into_iter().any(|next| state.may_become(next));
            assert_eq!(goes_on, state.is_open(), "{}", state.name());
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
    }

    #[test]
    fn a_hash_names_one_content() {
        let (customer, card) = (CustomerId::from_bytes([1; 16]), CardId::from_bytes([2; 16]));
        let proposal = |version| Proposal::ReenableCard { customer, card, version };
        assert_eq!(proposal(1).hash(), proposal(1).hash());
        assert_ne!(proposal(1).hash(), proposal(2).hash());
    }
}
