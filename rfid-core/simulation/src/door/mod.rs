//! One day at a door, from a seed.
//!
//! The day is made once and can be played to any number of rules. It knows what truly happened:
//! who came and went when, which reads were of tags that are not there, who only walked past, and
//! when nobody listened.

mod clocks;
mod figures;
mod person;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rfid_core::{AirProtocol, Listening, ReadBuf, TagId, TagIdKind};

pub use figures::ROUND;

use crate::random::Random;
use crate::rules::{Rule, Statement};
use clocks::{host, reader, time};
use figures::{
    AFTER_CLOSING, BETWEEN_OUTAGES, CARDS_THAT_COME_TWICE, EDGE_VISITS, GHOSTS, LONG_VISITS, NOTICED_AFTER,
    OPEN, OUTAGE, PASSERS, SECOND, SHORT_VISITS, WALKING_PAST,
};
use person::{Errand, Walk};

/// Antenna port at the door.
pub const DOOR_PORT: u16 = 1;
/// Antenna port in the hall.
pub const HALL_PORT: u16 = 2;

/// Someone counts as being heard when an outage comes if there was a read so long before it, and
/// was one so long after it. Who was silent anyway says nothing about how a rule takes outages.
const BEING_HEARD: u32 = 2 * SECOND;

/// A day at a door.
#[derive(Debug)]
pub struct Door {
    seed: u64,
    visits: Vec<Visit>,
    ghosts: BTreeSet<TagId>,
    passers: BTreeSet<TagId>,
    interruptions: Vec<Interruption>,
    outages: Vec<Outage>,
    tags: Vec<TagId>,
    /// In the order of their rounds.
    reads: Vec<Heard>,
}

/// One stay of one card in the field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The card.
    pub tag: TagId,
    /// When its bearer came into the field, on the monotonic clock.
    pub enters: Duration,
    /// When its bearer left the field for good.
    pub leaves: Duration,
    /// When it was first heard, if it was heard at all.
    pub first_read: Option<Duration>,
    /// How often it was heard.
    pub reads: usize,
    /// How often it was carried from one zone into the other.
    pub zone_changes: usize,
}

/// An outage in the stay of somebody who was being heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interruption {
    /// Number of the visit in [`Door::visits`].
    pub visit: usize,
    /// The last read before the outage.
    pub last_read: Duration,
    /// The first read after it.
    pub next_read: Duration,
}

/// A read before it becomes a record.
#[derive(Clone, Copy, Debug)]
struct Heard {
    round: u32,
    tag: u32,
    /// Searches of the round that heard it.
    count: u16,
    rssi_cdbm: i16,
}

/// From its first round to the one in which the reader is back.
#[derive(Clone, Copy, Debug)]
struct Outage {
    from: u32,
    until: u32,
}

/// A person's visit before the reads of it are known.
#[derive(Debug)]
struct Plan {
    tag: u32,
    enters: u32,
    walk: Walk,
    random: Random,
}

/// Which of the two antennas has this round.
fn antenna(round: u32) -> usize {
    round as usize % 2
}

impl Door {
    /// The day of this seed.
    pub fn new(seed: u64) -> Self {
        let mut tags = Vec::new();
        let mut plans = plans(seed, &mut tags);
        let outages = outages(seed, &plans);
        let cards = tags.len();
        let is_lost = |heard: &Heard| {
            let next = outages.partition_point(|outage| outage.until <= heard.round);
            outages.get(next).is_some_and(|outage| outage.from <= heard.round)
        };

        let mut reads = Vec::new();
        let mut visits = Vec::new();
        let mut interruptions = Vec::new();
        for (visit, plan) in plans.iter_mut().enumerate() {
            let mut heard = plan.walk.heard(plan.tag, plan.enters, &mut plan.random);
            heard.retain(|heard| !is_lost(heard));
            interruptions.extend(outages.iter().filter_map(|outage| interruption(visit, outage, &heard)));
            visits.push(Visit {
                tag: tags[plan.tag as usize],
                enters: time(plan.enters),
                leaves: time(plan.enters + plan.walk.rounds()),
                first_read: heard.first().map(|heard| time(heard.round)),
                reads: heard.iter().map(|heard| usize::from(heard.count)).sum(),
                zone_changes: plan.walk.zone_changes(),
            });
            reads.append(&mut heard);
        }

        let mut random = Random::new(seed, stream::PASSERS);
        for number in 0..PASSERS {
            let tag = tags.len() as u32;
            tags.push(card(stream::PASSER_CARDS + u64::from(number)));
            let comes = random.between(0, OPEN - WALKING_PAST.1);
            reads.extend(person::passer(tag, comes, &mut random).into_iter().filter(|heard| !is_lost(heard)));
        }
        let passers = tags.iter().skip(cards).copied().collect();

        let mut random = Random::new(seed, stream::GHOSTS);
        let mut known: BTreeSet<TagId> = tags.iter().copied().collect();
        let mut ghosts = BTreeSet::new();
        while ghosts.len() < GHOSTS as usize {
            let ghost = misread(&tags[..cards], &mut random);
            let heard = person::faint(tags.len() as u32, random.between(0, OPEN), &mut random);
            if !is_lost(&heard) && known.insert(ghost) {
                tags.push(ghost);
                ghosts.insert(ghost);
                reads.push(heard);
            }
        }

        reads.sort_by_key(|heard| (heard.round, heard.tag));
        Self { seed, visits, ghosts, passers, interruptions, outages, tags, reads }
    }

    /// The seed that the day was made from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Everybody who came, in no particular order.
    pub fn visits(&self) -> &[Visit] {
        &self.visits
    }

    /// Ids that were read and belong to nobody.
    pub fn ghosts(&self) -> &BTreeSet<TagId> {
        &self.ghosts
    }

    /// Cards that were carried past outside.
    pub fn passers(&self) -> &BTreeSet<TagId> {
        &self.passers
    }

    /// Outages in the stay of somebody who was being heard.
    pub fn interruptions(&self) -> &[Interruption] {
        &self.interruptions
    }

    /// Number of reads in the whole day.
    pub fn reads(&self) -> usize {
        self.reads.len()
    }

    /// Plays the day to a rule and returns what it said.
    ///
    /// As on the line: a rule hears of the passing of time before it hears of the reads that came
    /// then, and learns of an outage some seconds late, with the moment of the last sign of life.
    pub fn play(&self, rule: &mut dyn Rule) -> Vec<Statement> {
        let mut said = Vec::new();
        let mut reads = self.reads.iter().peekable();
        let mut outages = self.outages.iter().peekable();
        let mut batch = ReadBuf::with_capacity(ReadBuf::DEFAULT_CAPACITY);
        let mut reader_started = 0;
        rule.listening(&Listening::All, host(0));
        for round in 0..OPEN + AFTER_CLOSING {
            let now = host(round);
            if let Some(outage) = outages.peek() {
                if round == outage.from + NOTICED_AFTER {
                    rule.listening(&Listening::None, host(outage.from));
                }
                if round == outage.until {
                    rule.listening(&Listening::All, now);
                    reader_started = round;
                    outages.next();
                }
            }
            rule.pass(now, &mut said);
            batch.clear();
            while let Some(heard) = reads.next_if(|heard| heard.round == round) {
                self.record(heard, reader_started, &mut batch);
            }
            if !batch.is_empty() {
                batch.set_received(now);
                rule.hear(&batch, &mut said);
            }
        }
        said
    }

    fn record(&self, heard: &Heard, reader_started: u32, batch: &mut ReadBuf) {
        let tag = &self.tags[heard.tag as usize];
        // There are never as many people as fit into a batch.
        let Ok(read) = batch.record(TagIdKind::Epc, tag.bytes()) else { return };
        read.set_antenna_port([DOOR_PORT, HALL_PORT][antenna(heard.round)])
            .set_count(heard.count)
            .set_rssi_cdbm(heard.rssi_cdbm)
            .set_protocol(AirProtocol::Gen2)
            .set_reader_time(reader(heard.round, reader_started));
    }
}

/// Which numbers go to whom, see [`Random::new`].
mod stream {
    pub(super) const OUTAGES: u64 = 1;
    pub(super) const PASSERS: u64 = 2;
    pub(super) const GHOSTS: u64 = 3;
    pub(super) const PEOPLE: u64 = 1000;
    /// Numbers of the cards of passers-by, beyond those of visitors.
    pub(super) const PASSER_CARDS: u64 = 100_000;
}

/// Who comes when, and with which card.
fn plans(seed: u64, tags: &mut Vec<TagId>) -> Vec<Plan> {
    let errands = [(Errand::Counter, SHORT_VISITS), (Errand::Hall, LONG_VISITS), (Errand::Edge, EDGE_VISITS)];
    let errands = errands.into_iter().flat_map(|(errand, people)| (0..people).map(move |_| errand));
    let mut plans = Vec::new();
    for (number, errand) in (0..).zip(errands) {
        let mut random = Random::new(seed, stream::PEOPLE + u64::from(number));
        let walk = Walk::new(errand, &mut random);
        let latest = OPEN - walk.rounds();
        let comes_twice = number < 2 * CARDS_THAT_COME_TWICE;
        let is_second = comes_twice && number % 2 == 1;
        let enters = match (comes_twice, is_second) {
            (false, _) => random.between(0, latest),
            (true, false) => random.between(0, OPEN * 2 / 5),
            (true, true) => random.between(OPEN * 3 / 5, latest),
        };
        if !is_second {
            tags.push(card(u64::from(number)));
        }
        plans.push(Plan { tag: tags.len() as u32 - 1, enters, walk, random });
    }
    plans
}

/// The reader fails once while each of those who wait is in the hall.
fn outages(seed: u64, plans: &[Plan]) -> Vec<Outage> {
    let mut random = Random::new(seed, stream::OUTAGES);
    let mut starts: BTreeMap<u32, Outage> = BTreeMap::new();
    for plan in plans.iter().skip(SHORT_VISITS as usize).take(LONG_VISITS as usize) {
        let (from, until) = plan.walk.inside();
        // Where many wait at the same time, there may be no room for one more.
        for _ in 0..100 {
            let from = random.between(plan.enters + from, plan.enters + until - OUTAGE);
            let least = from.saturating_sub(OUTAGE + BETWEEN_OUTAGES);
            if starts.range(least..=from + OUTAGE + BETWEEN_OUTAGES).next().is_none() {
                starts.insert(from, Outage { from, until: from + OUTAGE });
                break;
            }
        }
    }
    starts.into_values().collect()
}

/// Whether an outage came upon somebody who was being heard.
fn interruption(visit: usize, outage: &Outage, heard: &[Heard]) -> Option<Interruption> {
    let next = heard.partition_point(|heard| heard.round < outage.from);
    let last_read = heard.get(next.checked_sub(1)?)?.round;
    let next_read = heard.get(next)?.round;
    let is_being_heard =
        outage.from - last_read <= BEING_HEARD && next_read.saturating_sub(outage.until) <= BEING_HEARD;
    is_being_heard.then(|| Interruption { visit, last_read: time(last_read), next_read: time(next_read) })
}

/// Card number `number` of the bank: a GSRN-96, issued in the order of numbers, some left out.
fn card(number: u64) -> TagId {
    let serial = (0x0049_9602_0000 + number * 7).to_be_bytes();
    let mut epc = [0x2D, 0x16, 0x45, 0x1F, 0xD4, 0, 0, 0, 0, 0, 0, 0];
    epc[5..].copy_from_slice(&serial[1..]);
    epc_of(&epc)
}

/// What a reader makes of noise: any bits at all, or those of a card of the bank with one or two
/// of them wrong.
fn misread(cards: &[TagId], random: &mut Random) -> TagId {
    let mut epc = [0; 12];
    if random.chance(0.5) {
        epc[..8].copy_from_slice(&random.next().to_be_bytes());
        epc[4..].copy_from_slice(&random.next().to_be_bytes());
    } else {
        let real = cards[random.between(0, cards.len() as u32) as usize];
        epc.copy_from_slice(real.bytes());
        for _ in 0..random.between(1, 3) {
            let bit = random.between(0, 96);
            epc[bit as usize / 8] ^= 1 << (bit % 8);
        }
    }
    epc_of(&epc)
}

fn epc_of(bytes: &[u8; 12]) -> TagId {
    TagId::new(TagIdKind::Epc, bytes).unwrap_or_else(|_| unreachable!("twelve bytes are an id"))
}

#[cfg(test)]
mod tests;
