//! Cards by where they are in their lives.

use std::collections::{BTreeMap, BTreeSet};

use crate::record::{Card, CardId, CardState};

/// Which cards are in which state. Filled and followed as customers' text is; some 20 bytes a card.
#[derive(Debug, Default)]
pub struct CardIndex {
    by_state: BTreeMap<&'static str, BTreeSet<CardId>>,
}

impl CardIndex {
    /// Puts a card in, or in place of how it was.
    pub fn put(&mut self, card: &Card) {
        self.remove(card.id);
        self.by_state.entry(card.state.name()).or_default().insert(card.id);
    }

    /// Takes a card out.
    pub fn remove(&mut self, id: CardId) {
        for cards in self.by_state.values_mut() {
            cards.remove(&id);
        }
    }

    /// Whether a card is in it.
    pub fn holds(&self, id: CardId) -> bool {
        self.by_state.values().any(|cards| cards.contains(&id))
    }

    /// Cards in this state behind `after`, those that were made first first; at most `limit`.
    pub fn in_state(&self, state: CardState, after: Option<CardId>, limit: usize) -> Vec<CardId> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        let cards = self.by_state.get(state.name());
        cards.into_iter().flat_map(|cards| cards.range((from, Unbounded))).take(limit).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::suite;

    #[test]
    fn a_card_is_in_the_state_that_it_went_to_last() {
        let mut index = CardIndex::default();
        for number in 0..5 {
            index.put(&suite::card(number, 1, 0));
        }
        let second = Card { state: CardState::Lost, ..suite::card(2, 1, 0) };
        index.put(&second);
        assert_eq!(index.in_state(CardState::Lost, None, 9), [second.id]);
        let active = index.in_state(CardState::Active, None, 2);
        assert_eq!(active, [suite::card(0, 1, 0).id, suite::card(1, 1, 0).id]);
        let rest = index.in_state(CardState::Active, active.last().copied(), 9);
        assert_eq!(rest, [suite::card(3, 1, 0).id, suite::card(4, 1, 0).id]);
        index.remove(second.id);
        assert!(index.in_state(CardState::Lost, None, 9).is_empty() && !index.holds(second.id));
    }
}
