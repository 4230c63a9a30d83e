//! The pad: which cards lie on it, and when.

use std::time::Duration;

use super::Scenario;
use super::scenario::Stay;
use crate::model::Uid;
use crate::sim::SimulatedCard;

#[derive(Debug)]
pub(super) struct Pad {
    cards: Vec<PadCard>,
    /// After this time everything comes again.
    repeat: Option<Duration>,
}

/// A card and when it lies on the pad.
#[derive(Debug)]
struct PadCard {
    card: SimulatedCard,
    stays: Vec<Stay>,
    /// Which stay it is, counted over all repetitions, if it lies there.
    stay: Option<(u32, usize)>,
}

impl Pad {
    pub(super) fn new(scenario: Scenario) -> Self {
        let mut cards: Vec<PadCard> = Vec::new();
        for (uid, kind, stay) in scenario.stays {
            match cards.iter_mut().find(|card| card.card.target().uid == uid) {
                Some(card) => card.stays.push(stay),
                None => {
                    let card = SimulatedCard::new(uid, kind);
                    cards.push(PadCard { card, stays: vec![stay], stay: None });
                }
            }
        }
        Self { cards, repeat: scenario.repeat }
    }

    pub(super) fn lay(&mut self, card: SimulatedCard, now: Duration) {
        let uid = card.target().uid;
        self.cards.retain(|other| other.card.target().uid != uid);
        let from = self.time_of(now).1;
        let stays = vec![Stay { from, until: Duration::MAX, faults: card.faults.clone() }];
        self.cards.push(PadCard { card, stays, stay: None });
    }

    pub(super) fn clear(&mut self) {
        self.cards.clear();
    }

    pub(super) fn card(&mut self, uid: &Uid) -> Option<&mut SimulatedCard> {
        self.cards.iter_mut().map(|card| &mut card.card).find(|card| card.target().uid == *uid)
    }

    /// What lies there at this time. A card that came since the last call has forgotten its session.
    pub(super) fn cards_at(&mut self, now: Duration) -> impl Iterator<Item = &mut SimulatedCard> {
        let (round, at) = self.time_of(now);
        self.cards.iter_mut().filter_map(move |card| {
            let lies = card.stays.iter().position(|stay| (stay.from..stay.until).contains(&at));
            let stay = lies.map(|number| (round, number));
            if stay != card.stay {
                card.stay = stay;
                card.card.lay_on();
                if let Some(stay) = lies.and_then(|number| card.stays.get(number)) {
                    card.card.faults = stay.faults.clone();
                }
            }
            stay.map(|_| &mut card.card)
        })
    }

    /// Without a field every card forgets its session.
    pub(super) fn power_off(&mut self) {
        self.cards.iter_mut().for_each(|card| card.card.power_off());
    }

    fn time_of(&self, now: Duration) -> (u32, Duration) {
        match self.repeat {
            Some(repeat) if !repeat.is_zero() => {
                let round = now.as_nanos() / repeat.as_nanos();
                let at = Duration::from_nanos((now.as_nanos() % repeat.as_nanos()) as u64);
                (u32::try_from(round).unwrap_or(u32::MAX), at)
            }
            _ => (0, now),
        }
    }
}
