//! Cards that were spoilt on a desk: somebody else sees them destroyed.

use super::fault::Fault;
use super::rule::Rule;
use super::{Caller, Service};
use crate::record::{Card, CardId, CardState, Hand, Plastic};
use crate::rights::Action;
use crate::store::Stored;

impl Service {
    /// Confirms that a spoilt card was destroyed: by somebody who neither encoded nor gave it up, so that
    /// two names stand for it.
    ///
    /// # Errors
    /// `NotFound`; `Rule` where it is not spoilt, or the caller had it in hand; `Conflict`; `Store`.
    pub async fn confirm_destroyed(
        &self,
        caller: &Caller,
        id: CardId,
        expected: u32,
    ) -> Result<Stored<Card>, Fault> {
        let may = self.may(caller, Action::DestroyCards).await?;
        let Stored { version, record } = self.reach_card(caller, &may, Action::DestroyCards, id).await?;
        if version == expected && record.state != CardState::Spoilt {
            return Err(Rule::CardIs(record.state, CardState::Destroyed).into());
        }
        if caller.grant.who().is_none() {
            return Err(Rule::NoPerson.into());
        }
        let plastic = record.plastic.unwrap_or_default();
        let me = Hand::of(&caller.actor);
        let gave_it_up = plastic.spoilt.as_ref().is_some_and(|spoilt| spoilt.by == me);
        if gave_it_up || plastic.handled_by.contains(&me) {
            return Err(Rule::HadCardInHand.into());
        }
        let plastic = Some(Plastic { destroyed: Some(self.signature(caller)), ..plastic });
        let destroyed = Card { state: CardState::Destroyed, plastic, ..record };
        self.put(caller, "card.destroyed", destroyed, expected).await
    }
}
