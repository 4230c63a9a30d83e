//! One person with a card, and what the antennas hear of it.

use super::figures::{
    AT_THE_COUNTER, BODY_LOSS_DB, CHAIR, COUNTER, Carried, DOORWAY, EDGE, FADING_DB, FAINT_DBM, IN_A_BAG,
    IN_A_WALLET, IN_THE_DOOR, IN_THE_OPEN, OF_HUNDRED, PASSER_HEARD, Place, SEARCHES, SEATED,
    SPELLS_WHEN_SEATED, THROUGH_THE_BODY, WALKING_PAST,
};
use super::{Heard, antenna};
use crate::random::Random;

/// What somebody comes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    Counter,
    Hall,
    Edge,
}

/// The way of one person through the branch.
#[derive(Debug)]
pub(super) struct Walk {
    /// Where the person is, and for how many rounds.
    stages: [(Place, u32); 3],
    errand: Errand,
    carried: Carried,
}

impl Walk {
    pub(super) fn new(errand: Errand, random: &mut Random) -> Self {
        let (place, (shortest, longest)) = match errand {
            Errand::Counter => (COUNTER, AT_THE_COUNTER),
            Errand::Hall => (CHAIR, SEATED),
            Errand::Edge => (EDGE, SEATED),
        };
        let mut through_the_door = || (IN_THE_DOOR, random.between(DOORWAY.0, DOORWAY.1));
        let (coming, going) = (through_the_door(), through_the_door());
        let inside = (place, random.between(shortest, longest));
        let carried = match random.between(0, 100) {
            draw if draw < OF_HUNDRED.0 => IN_THE_OPEN,
            draw if draw < OF_HUNDRED.0 + OF_HUNDRED.1 => IN_A_BAG,
            _ => IN_A_WALLET,
        };
        Self { stages: [coming, inside, going], errand, carried }
    }

    /// How many rounds the whole visit lasts.
    pub(super) fn rounds(&self) -> u32 {
        self.stages.iter().map(|(_, rounds)| rounds).sum()
    }

    /// How often the way leads from one zone into the other: in from the door, and back to it.
    pub(super) fn zone_changes(&self) -> usize {
        self.stages.len() - 1
    }

    /// From which round to which the person is at the errand, counted from the door.
    pub(super) fn inside(&self) -> (u32, u32) {
        let [(_, coming), (_, inside), _] = self.stages;
        (coming, coming + inside)
    }

    /// What is heard of tag number `tag` if its bearer comes in round `enters`.
    pub(super) fn heard(&self, tag: u32, enters: u32, random: &mut Random) -> Vec<Heard> {
        let mut heard = Vec::new();
        let mut round = enters;
        let mut spell = Spell::new(self.carried, random);
        for (number, (place, rounds)) in self.stages.iter().enumerate() {
            let is_seated = number == 1 && self.errand != Errand::Counter;
            let slowness = if is_seated { SPELLS_WHEN_SEATED } else { 1.0 };
            for _ in 0..*rounds {
                spell.pass(self.carried, slowness, random);
                let (chance, dbm) = place.antennas[antenna(round)];
                if random.chance(chance * self.carried.heard * spell.through()) {
                    let rssi_cdbm = cdbm(dbm + spell.gain_db + random.spread(FADING_DB.1));
                    let count = searches(chance, random);
                    heard.push(Heard { round, tag, count, rssi_cdbm });
                }
                round += 1;
            }
        }
        heard
    }
}

/// What is heard of a card that is carried past outside. One or two reads, seldom more, and often
/// none; the antenna in the hall never hears it.
pub(super) fn passer(tag: u32, comes: u32, random: &mut Random) -> Vec<Heard> {
    let rounds = random.between(WALKING_PAST.0, WALKING_PAST.1);
    let mut heard = Vec::new();
    for round in (comes..comes + rounds).filter(|round| antenna(*round) == 0) {
        if random.chance(PASSER_HEARD) {
            let count = searches(PASSER_HEARD, random);
            heard.push(Heard { count, ..faint(tag, round, random) });
        }
    }
    heard
}

/// How many searches of a round hear a card that one of them has heard.
fn searches(chance: f64, random: &mut Random) -> u16 {
    1 + (1..SEARCHES).map(|_| u16::from(random.chance(chance))).sum::<u16>()
}

/// A read at the limit of what a reader hears.
pub(super) fn faint(tag: u32, round: u32, random: &mut Random) -> Heard {
    Heard { round, tag, count: 1, rssi_cdbm: cdbm(FAINT_DBM + random.spread(FADING_DB.1)) }
}

/// A spell in the open or in the shadow of a body. Misses come in bursts because spells last:
/// each round ends one with the same small chance, so their lengths are geometric (the model of
/// Gilbert and Elliott for channels that err in bursts).
#[derive(Debug)]
struct Spell {
    is_shadowed: bool,
    gain_db: f64,
}

impl Spell {
    fn new(carried: Carried, random: &mut Random) -> Self {
        let shadowed_part = carried.shadowed / (carried.open + carried.shadowed);
        Self::begin(random.chance(shadowed_part), random)
    }

    fn begin(is_shadowed: bool, random: &mut Random) -> Self {
        let loss = if is_shadowed { BODY_LOSS_DB } else { 0.0 };
        Self { is_shadowed, gain_db: random.spread(FADING_DB.0) - loss }
    }

    fn pass(&mut self, carried: Carried, slowness: f64, random: &mut Random) {
        let mean = if self.is_shadowed { carried.shadowed } else { carried.open };
        if random.chance(1.0 / (mean * slowness)) {
            *self = Self::begin(!self.is_shadowed, random);
        }
    }

    fn through(&self) -> f64 {
        if self.is_shadowed { THROUGH_THE_BODY } else { 1.0 }
    }
}

fn cdbm(dbm: f64) -> i16 {
    (dbm * 100.0) as i16
}
