//! Cards: bound to customers, and through their lives.

use std::sync::PoisonError;

use rfid_core::{TagId, TagIdKind};
use serde::Deserialize;

use super::fault::{Fault, FieldFault};
use super::{Caller, Scope, Service};
use crate::record::{AllowedBranches, Card, CardId, CardState, CustomerId, Key, LocalDate, Unique};
use crate::store::Stored;

/// Cards that are looked at at once, and for one page: of those of other branches there may be many.
const LOOKED_AT: usize = 200;
const LOOKED_AT_FOR_A_PAGE: usize = 2_000;

/// A card as somebody writes one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CardDraft {
    /// EPC of its UHF tag, in hexadecimal digits.
    #[serde(default)]
    pub epc_hex: Option<String>,
    /// UID of its 13.56 MHz chip, in hexadecimal digits.
    #[serde(default)]
    pub uid_hex: Option<String>,
    /// First day on which it may be used.
    pub valid_from: LocalDate,
    /// Last day on which it may be used.
    pub valid_until: LocalDate,
    /// Codes of the branches where it may be used; everywhere if left out.
    #[serde(default)]
    pub branches: Option<Vec<String>>,
}

impl Service {
    /// Binds a card that is encoded to a customer. It may be used from its first day on.
    ///
    /// # Errors
    /// `NotFound` for the customer, `Invalid`, `Taken` where a number is on another card, `Store`.
    pub async fn bind_card(
        &self,
        caller: &Caller,
        customer: CustomerId,
        draft: CardDraft,
    ) -> Result<Stored<Card>, Fault> {
        caller.grant.allows(Scope::WriteCards)?;
        self.any_customer(caller, customer).await?;
        let mut faults = Vec::new();
        for branch in draft.branches.iter().flatten() {
            match self.branch(caller, branch).await {
                Err(Fault::NotFound(_)) => {
                    faults.push(FieldFault::new("branches", "there is no such branch"))
                }
                other => drop(other?),
            }
        }
        let id = CardId::from_bytes(self.new_id()?);
        let card = check_card(&draft, id, customer, CardState::Active, &mut faults);
        match card.filter(|_| faults.is_empty()) {
            Some(card) => self.put(caller, card, 0).await,
            None => Err(Fault::Invalid(faults)),
        }
    }

    /// Takes a card to another state of its life.
    ///
    /// # Errors
    /// `NotFound`, `NotAllowed` where its state does not lead there, `Conflict`, `Store`.
    pub async fn change_card_state(
        &self,
        caller: &Caller,
        id: CardId,
        expected: u32,
        next: CardState,
    ) -> Result<Stored<Card>, Fault> {
        caller.grant.allows(Scope::WriteCards)?;
        let card = self.any_card(caller, id).await?;
        let state = card.record.state;
        if card.version == expected && !state.may_become(next) {
            let (from, to) = (state.name(), next.name());
            return Err(Fault::NotAllowed(format!("a card that is {from} does not become {to}")));
        }
        self.put(caller, Card { state: next, ..card.record }, expected).await
    }

    /// The card of this id.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn card(&self, caller: &Caller, id: CardId) -> Result<Stored<Card>, Fault> {
        caller.grant.allows(Scope::ReadCards)?;
        self.any_card(caller, id).await
    }

    /// The same for whoever does something else with it: a card is where its customer is.
    async fn any_card(&self, caller: &Caller, id: CardId) -> Result<Stored<Card>, Fault> {
        let card: Stored<Card> = self.get(Key::Card(id), "card").await?;
        match self.any_customer(caller, card.record.customer).await {
            Err(Fault::NotFound(_)) => Err(Fault::NotFound("card")),
            customer => customer.map(|_| card),
        }
    }

    /// The card that bears this tag.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn card_of_tag(&self, caller: &Caller, tag: TagId) -> Result<Stored<Card>, Fault> {
        caller.grant.allows(Scope::ReadCards)?;
        match self.store.find(&Unique::CardTag(tag)).await?.map(|stored| stored.record.key()) {
            Some(Key::Card(id)) => self.any_card(caller, id).await,
            _ => Err(Fault::NotFound("card")),
        }
    }

    /// Cards in this state behind `after`, those that were made first first; at most `limit` of them, and
    /// where the list goes on. There may be fewer, or none, and it goes on all the same.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn cards_in_state(
        &self,
        caller: &Caller,
        state: CardState,
        mut after: Option<CardId>,
        limit: usize,
    ) -> Result<(Vec<Stored<Card>>, Option<CardId>), Fault> {
        caller.grant.allows(Scope::ReadCards)?;
        let mut found = Vec::new();
        let mut looked_at = 0;
        loop {
            let ids = {
                let cards = self.cards.read().unwrap_or_else(PoisonError::into_inner);
                cards.in_state(state, after, LOOKED_AT)
            };
            for id in &ids {
                // It may have gone on since the index was asked, or be of a branch that is not seen.
                let card = match self.any_card(caller, *id).await {
                    Err(Fault::NotFound(_)) => None,
                    card => Some(card?),
                };
                found.extend(card.filter(|card| card.record.state == state));
                if found.len() == limit {
                    return Ok((found, Some(*id)));
                }
            }
            match ids.last() {
                Some(last) if looked_at + LOOKED_AT >= LOOKED_AT_FOR_A_PAGE => {
                    return Ok((found, Some(*last)));
                }
                Some(last) if ids.len() == LOOKED_AT => {
                    looked_at += LOOKED_AT;
                    after = Some(*last);
                }
                _ => return Ok((found, None)),
            }
        }
    }

    /// The cards of a customer, those that became valid last first.
    ///
    /// # Errors
    /// `NotFound` for the customer, `Store`.
    pub async fn cards_of(&self, caller: &Caller, customer: CustomerId) -> Result<Vec<Stored<Card>>, Fault> {
        caller.grant.allows(Scope::ReadCards)?;
        self.any_customer(caller, customer).await?;
        Ok(self.store.cards_of(customer).await?)
    }
}

/// The card of a draft, if everything about it that can be said without asking the store is in order.
pub(crate) fn check_card(
    draft: &CardDraft,
    id: CardId,
    customer: CustomerId,
    state: CardState,
    faults: &mut Vec<FieldFault>,
) -> Option<Card> {
    let mut tag = |field: &'static str, kind: TagIdKind, text: &Option<String>| {
        let text = text.as_deref().filter(|text| !text.is_empty())?;
        match TagId::from_hex(kind, text) {
            Ok(tag) if kind == TagIdKind::Iso14443Uid && ![4, 7, 10].contains(&tag.bytes().len()) => {
                faults.push(FieldFault::new(field, "a UID has 4, 7 or 10 bytes"));
                None
            }
            Ok(tag) => Some(tag),
            Err(fault) => {
                faults.push(FieldFault::new(field, fault.to_string()));
                None
            }
        }
    };
    let epc = tag("epc_hex", TagIdKind::Epc, &draft.epc_hex);
    let uid = tag("uid_hex", TagIdKind::Iso14443Uid, &draft.uid_hex);
    if epc.is_none() && uid.is_none() && faults.is_empty() {
        faults.push(FieldFault::new("epc_hex", "a card bears an EPC, a UID or both"));
    }
    if draft.valid_until < draft.valid_from {
        faults.push(FieldFault::new("valid_until", "is before valid_from"));
    }
    let branches = match &draft.branches {
        None => AllowedBranches::All,
        Some(branches) => AllowedBranches::Only(branches.iter().map(|code| code.as_str().into()).collect()),
    };
    let (valid_from, valid_until) = (draft.valid_from, draft.valid_until);
    let card = Card { id, customer, epc, uid, state, valid_from, valid_until, branches, replaced_by: None };
    faults.is_empty().then_some(card)
}
