//! Cards: bound to customers, and through their lives.

use std::sync::PoisonError;

use super::fault::{Fault, FieldFault};
use super::grant::May;
use super::rule::Rule;
use super::{Caller, Service};
use crate::record::{AllowedBranches, Card, CardDraft, CardId, CardState, Customer, CustomerId, Key, Unique};
use crate::rights::Action;
use crate::store::Stored;
use rfid_core::{TagId, TagIdKind};

/// Cards that are looked at at once, and for one page: of those of other branches there may be many.
const LOOKED_AT: usize = 200;
const LOOKED_AT_FOR_A_PAGE: usize = 2_000;

impl Service {
    /// Binds a card that is encoded to a customer. It may be used from its first day on. Only the console
    /// of a host can; whoever else wants a card asks for one, and somebody else approves.
    ///
    /// # Errors
    /// `NotFound` for the customer, `Invalid`, `Taken` where a number is on another card, `Store`.
    pub async fn bind_card(
        &self,
        caller: &Caller,
        customer: CustomerId,
        draft: CardDraft,
    ) -> Result<Stored<Card>, Fault> {
        let may = self.may(caller, Action::RequestCards).await?;
        self.reach_customer(caller, &may, Action::RequestCards, customer).await?;
        let mut faults = Vec::new();
        let id = CardId::from_bytes(self.new_id()?);
        let card = self.card_of(&draft, id, customer, CardState::Active, &mut faults).await?;
        match card.filter(|_| faults.is_empty()) {
            Some(card) => self.put(caller, "card.bind", card, 0).await,
            None => Err(Fault::Invalid(faults)),
        }
    }

    /// The card of a draft, if everything about it is in order.
    pub(super) async fn card_of(
        &self,
        draft: &CardDraft,
        id: CardId,
        customer: CustomerId,
        state: CardState,
        faults: &mut Vec<FieldFault>,
    ) -> Result<Option<Card>, Fault> {
        for branch in draft.branches.iter().flatten() {
            if !self.has_open_branch(branch).await? {
                faults.push(FieldFault::new("branches", "there is no such branch"));
            }
        }
        Ok(check_card(draft, id, customer, state, faults))
    }

    /// Blocks a card at once: suspended, lost or revoked. To make it usable again somebody asks, and
    /// somebody else approves; the console of a host can do both.
    ///
    /// # Errors
    /// `NotFound`, `Rule` where its state does not lead there, `Conflict`, `Store`.
    pub async fn change_card_state(
        &self,
        caller: &Caller,
        id: CardId,
        expected: u32,
        next: CardState,
    ) -> Result<Stored<Card>, Fault> {
        let blocks = matches!(next, CardState::Suspended | CardState::Lost | CardState::Revoked);
        let action = if blocks { Action::BlockCards } else { Action::ReenableCards };
        let may = self.may(caller, action).await?;
        let card = self.reach_card(caller, &may, action, id).await?;
        let state = card.record.state;
        if card.version == expected && !state.may_become(next) {
            return Err(Rule::CardIs(state, next).into());
        }
        let changed = match next {
            // One that lies half made on a desk waits to be destroyed, whatever it is called.
            CardState::Revoked => card.record.given_up(self.signature(caller)),
            _ => Card { state: next, ..card.record },
        };
        self.put(caller, "card.state", changed, expected).await
    }

    /// The card of this id.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn card(&self, caller: &Caller, id: CardId) -> Result<Stored<Card>, Fault> {
        let may = self.may(caller, Action::SeeCards).await?;
        let card = self.reach_card(caller, &may, Action::SeeCards, id).await?;
        self.saw(caller, "card.see", Some(&Key::Card(id)), None, 1).await?;
        Ok(card)
    }

    /// A card that may be reached by what the caller may do: a card is where its customer is.
    pub(super) async fn reach_card(
        &self,
        caller: &Caller,
        may: &May<'_>,
        action: Action,
        id: CardId,
    ) -> Result<Stored<Card>, Fault> {
        match self.card_within(may, id).await? {
            Some(card) => Ok(card),
            None => Err(self.nothing(caller, action, "card").await),
        }
    }

    async fn card_within(&self, may: &May<'_>, id: CardId) -> Result<Option<Stored<Card>>, Fault> {
        let Some(card) = self.find::<Card>(Key::Card(id)).await? else { return Ok(None) };
        let key = Key::Customer(card.record.customer);
        let customer: Option<Stored<Customer>> = self.find(key).await?;
        Ok(customer.and_then(|customer| may.of_customer(&customer.record)).map(|_| card))
    }

    /// The card that bears this tag.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn card_of_tag(&self, caller: &Caller, tag: TagId) -> Result<Stored<Card>, Fault> {
        let may = self.may(caller, Action::SeeCards).await?;
        match self.store.find(&Unique::CardTag(tag)).await?.map(|stored| stored.record.key()) {
            Some(Key::Card(id)) => {
                let card = self.reach_card(caller, &may, Action::SeeCards, id).await?;
                self.saw(caller, "card.see", Some(&Key::Card(id)), None, 1).await?;
                Ok(card)
            }
            _ => Err(self.nothing(caller, Action::SeeCards, "card").await),
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
        after: Option<CardId>,
        limit: usize,
    ) -> Result<(Vec<Stored<Card>>, Option<CardId>), Fault> {
        let may = self.may(caller, Action::SeeCards).await?;
        let (found, next) = self.cards_in_state_within(&may, state, after, limit).await?;
        self.saw(caller, "card.list", None, None, found.len()).await?;
        Ok((found, next))
    }

    async fn cards_in_state_within(
        &self,
        may: &May<'_>,
        state: CardState,
        mut after: Option<CardId>,
        limit: usize,
    ) -> Result<(Vec<Stored<Card>>, Option<CardId>), Fault> {
        let mut found = Vec::new();
        let mut looked_at = 0;
        loop {
            let ids = {
                let cards = self.cards.read().unwrap_or_else(PoisonError::into_inner);
                cards.in_state(state, after, LOOKED_AT)
            };
            for id in &ids {
                // It may have gone on since the index was asked, or be of a branch that is not seen.
                let card = self.card_within(may, *id).await?;
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
        let may = self.may(caller, Action::SeeCards).await?;
        self.reach_customer(caller, &may, Action::SeeCards, customer).await?;
        self.saw(caller, "card.list", Some(&Key::Customer(customer)), None, 1).await?;
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
    // One that is only asked for is encoded later.
    if state != CardState::Requested && epc.is_none() && uid.is_none() && faults.is_empty() {
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
    let card = Card {
        id,
        customer,
        epc,
        uid,
        state,
        valid_from,
        valid_until,
        branches,
        replaced_by: None,
        plastic: None,
    };
    faults.is_empty().then_some(card)
}
