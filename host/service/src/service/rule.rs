//! Rules of issuing, and of the hall, that something can be against. Each has a name, so that a screen says it in
//! the language of who looks.

use std::fmt;

use crate::record::{CardState, RequestState};

/// A rule that something is against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Nobody decides about what they had a hand in.
    OwnHand,
    /// A person approves, in a session.
    NoPerson,
    /// Whoever changed the customer lately does not approve.
    ChangedLately,
    /// It was submitted in the same session.
    SameSession,
    /// It was submitted from the same address.
    SameAddress,
    /// An approving reviewer is on duty, so nobody stands in.
    ReviewerOnDuty,
    /// A request in this state does not go there.
    RequestIs(RequestState, RequestState),
    /// A request in this state is not approved.
    NotSubmitted(RequestState),
    /// The card of a request in this state is not at this step.
    NotAtThisStep(RequestState),
    /// The request has lapsed.
    Lapsed,
    /// The request is not about a new card.
    NoNewCard,
    /// What lies on the desk is somebody's card already.
    CardTaken,
    /// What lies on the desk is not the card of the request.
    AnotherCard,
    /// The card never lay on a desk.
    NeverOnDesk,
    /// The customer has as many active cards as there may be.
    HasActiveCard,
    /// This is no longer a customer.
    CustomerClosed,
    /// The customer has not agreed to be recognised, so no visit is kept.
    NoConsent,
    /// A card in this state does not go there.
    CardIs(CardState, CardState),
    /// Whoever had the card in hand does not confirm that it was destroyed.
    HadCardInHand,
    /// No desk is set up.
    NoDesk,
    /// Somebody works at this desk.
    DeskBusy,
}

impl Rule {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OwnHand => "own_hand",
            Self::NoPerson => "no_person",
            Self::ChangedLately => "changed_lately",
            Self::SameSession => "same_session",
            Self::SameAddress => "same_address",
            Self::ReviewerOnDuty => "reviewer_on_duty",
            Self::RequestIs(..) | Self::NotSubmitted(_) | Self::NotAtThisStep(_) => "request_went_on",
            Self::Lapsed => "lapsed",
            Self::NoNewCard => "no_new_card",
            Self::CardTaken => "card_taken",
            Self::AnotherCard => "another_card",
            Self::NeverOnDesk => "never_on_desk",
            Self::HasActiveCard => "has_active_card",
            Self::CustomerClosed => "customer_closed",
            Self::NoConsent => "no_consent",
            Self::CardIs(..) => "card_went_on",
            Self::HadCardInHand => "had_card_in_hand",
            Self::NoDesk => "no_desk",
            Self::DeskBusy => "desk_busy",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OwnHand => "nobody approves what they had a hand in",
            Self::NoPerson => "a person approves, with a session",
            Self::ChangedLately => {
                "whoever changed the customer's record a short while ago does not approve this"
            }
            Self::SameSession => "it was submitted in the same session",
            Self::SameAddress => {
                "it was submitted from the same address, and the branch is not set as one desk"
            }
            Self::ReviewerOnDuty => "an approving reviewer of the branch is on duty, and approves this",
            Self::RequestIs(from, to) => {
                return write!(f, "a request that is {} does not become {}", from.name(), to.name());
            }
            Self::NotSubmitted(state) => {
                return write!(f, "a request that is {} is not approved", state.name());
            }
            Self::NotAtThisStep(state) => {
                return write!(f, "the card of a request that is {} is not at this step", state.name());
            }
            Self::Lapsed => "the card of a request that is lapsed is not at this step",
            Self::NoNewCard => "this request is not about a new card",
            Self::CardTaken => "what lies there is a card already: take a new one",
            Self::AnotherCard => "this is another card than the one of the request",
            Self::NeverOnDesk => "the card of this request never lay on a desk to be encoded",
            Self::HasActiveCard => {
                "the customer has an active card already: name it in replaces, or block it first"
            }
            Self::CustomerClosed => "this is no longer a customer",
            Self::NoConsent => "the customer has not agreed to be recognised, so no visit is registered",
            Self::CardIs(from, to) => {
                return write!(f, "a card that is {} does not become {}", from.name(), to.name());
            }
            Self::HadCardInHand => "whoever had the card in hand does not confirm that it was destroyed",
            Self::NoDesk => "no desk is set up where cards are encoded: see [desks.NAME]",
            Self::DeskBusy => "somebody works at this desk: wait, or take another",
        })
    }
}
