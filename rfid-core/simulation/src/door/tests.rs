use rfid_core::{Stamp, UtcTime};

use super::figures::SECOND;
use super::*;

impl Door {
    /// A day on which just this is known, for tests of scores.
    pub(crate) fn told(
        visits: Vec<Visit>,
        ghosts: &[TagId],
        passers: &[TagId],
        interruptions: Vec<Interruption>,
    ) -> Self {
        let (ghosts, passers) = (ghosts.iter().copied().collect(), passers.iter().copied().collect());
        let (outages, tags, reads) = (Vec::new(), Vec::new(), Vec::new());
        Self { seed: 0, visits, ghosts, passers, interruptions, outages, tags, reads }
    }

    /// In which rounds each tag was heard.
    fn rounds(&self) -> BTreeMap<TagId, Vec<u32>> {
        let mut rounds: BTreeMap<TagId, Vec<u32>> = BTreeMap::new();
        for heard in &self.reads {
            rounds.entry(self.tags[heard.tag as usize]).or_default().push(heard.round);
        }
        rounds
    }
}

#[test]
fn a_card_gives_anything_from_hundreds_of_reads_to_none() {
    let door = Door::new(1);
    assert_eq!(door.visits().len(), 600);
    let is_short = |visit: &&Visit| visit.leaves - visit.enters < Duration::from_secs(60);
    let mut reads: Vec<usize> = door.visits().iter().filter(is_short).map(|visit| visit.reads).collect();
    reads.sort_unstable();
    assert_eq!(reads.len(), SHORT_VISITS as usize);
    assert_eq!(reads.first(), Some(&0));
    assert!(reads.last() > Some(&400), "{reads:?}");
    let few = reads.iter().filter(|reads| **reads <= 5).count();
    assert!((10..100).contains(&few), "{few} have five reads or fewer");
}

#[test]
fn misses_come_in_bursts() {
    let door = Door::new(1);
    let rounds = door.rounds();
    let (mut of_antenna, mut heard, mut heard_again) = (0.0, 0.0, 0.0);
    // The middle of short visits, where people stand still before the hall's antenna.
    for visit in door.visits().iter().filter(|visit| visit.leaves - visit.enters < Duration::from_secs(60)) {
        let of = |time: Duration| (time.as_millis() / ROUND.as_millis()) as u32;
        let (from, until) = (of(visit.enters) + 6 * SECOND, of(visit.leaves) - 6 * SECOND);
        let Some(rounds) = rounds.get(&visit.tag) else { continue };
        let is_heard = |round: u32| rounds.binary_search(&round).is_ok();
        for round in (from..until).filter(|round| antenna(*round) == 1) {
            of_antenna += 1.0;
            if is_heard(round) {
                heard += 1.0;
                heard_again += f64::from(u8::from(is_heard(round + 2)));
            }
        }
    }
    let (rate, rate_after_a_read) = (heard / of_antenna, heard_again / heard);
    assert!(
        rate < 0.6 && rate_after_a_read > 0.7,
        "independent misses would give {rate} for {rate_after_a_read}"
    );
}

#[test]
fn a_ghost_is_one_read_of_a_tag_that_is_not_there() {
    let door = Door::new(1);
    let rounds = door.rounds();
    let cards: BTreeSet<TagId> = door.visits().iter().map(|visit| visit.tag).collect();
    assert_eq!(door.ghosts().len(), 600);
    for ghost in door.ghosts() {
        assert_eq!(rounds[ghost].len(), 1);
        assert!(!cards.contains(ghost) && !door.passers().contains(ghost));
    }
    let wrong_bits = |a: &TagId, b: &TagId| -> u32 {
        a.bytes().iter().zip(b.bytes()).map(|(a, b)| (a ^ b).count_ones()).sum()
    };
    let near = door.ghosts().iter().filter(|ghost| cards.iter().any(|card| wrong_bits(ghost, card) <= 2));
    assert!((200..400).contains(&near.count()), "half of them look like cards of the bank");
}

#[test]
fn passers_are_heard_once_or_not_at_all_as_a_rule() {
    let door = Door::new(1);
    let rounds = door.rounds();
    assert_eq!(door.passers().len(), 300);
    let with = |reads: usize| {
        door.passers().iter().filter(|tag| rounds.get(tag).map_or(0, Vec::len) == reads).count()
    };
    assert!(with(0) > 100 && with(1) > 60 && with(2) < 60, "{} {} {}", with(0), with(1), with(2));
}

#[test]
fn nothing_is_heard_while_the_reader_is_away() {
    let door = Door::new(1);
    assert!((85..=92).contains(&door.outages.len()), "{}", door.outages.len());
    for pair in door.outages.windows(2) {
        assert!(pair[0].until + BETWEEN_OUTAGES <= pair[1].from, "{pair:?}");
    }
    let is_away = |round: u32| door.outages.iter().any(|outage| (outage.from..outage.until).contains(&round));
    assert!(!door.reads.iter().any(|heard| is_away(heard.round)));
    assert!(door.interruptions().len() > door.outages.len(), "most come upon somebody");
    for one in door.interruptions() {
        let visit = &door.visits()[one.visit];
        assert!(visit.enters <= one.last_read && one.next_read <= visit.leaves);
        assert!(one.next_read - one.last_read >= time(OUTAGE));
    }
}

#[test]
fn cards_that_come_twice_come_far_apart() {
    let door = Door::new(1);
    let mut visits: BTreeMap<TagId, Vec<&Visit>> = BTreeMap::new();
    for visit in door.visits() {
        visits.entry(visit.tag).or_default().push(visit);
    }
    let twice: Vec<_> = visits.values().filter(|visits| visits.len() == 2).collect();
    assert_eq!(twice.len(), CARDS_THAT_COME_TWICE as usize);
    assert!(twice.iter().all(|visits| visits[1].enters - visits[0].leaves > Duration::from_secs(3600)));
}

/// Looks at what a rule is given.
#[derive(Default)]
struct Watcher {
    passed: Vec<Stamp>,
    listening: Vec<(Listening, Stamp, Duration)>,
    years_apart: u64,
    reads: usize,
}

impl Rule for Watcher {
    fn hear(&mut self, batch: &ReadBuf, _: &mut Vec<Statement>) {
        assert_eq!(self.passed.last(), Some(&batch.received()), "time passes before reads come");
        for sighting in batch.iter() {
            let apart = batch.received().utc.since(sighting.read.reader_time().unwrap_or(UtcTime::default()));
            self.years_apart = apart.as_secs() / (365 * 86_400);
            self.reads += 1;
        }
    }

    fn pass(&mut self, now: Stamp, _: &mut Vec<Statement>) {
        self.passed.push(now);
    }

    fn listening(&mut self, listening: &Listening, at: Stamp) {
        let now = self.passed.last().map_or(Duration::ZERO, |now| now.monotonic);
        self.listening.push((listening.clone(), at, now));
    }
}

#[test]
fn a_rule_gets_every_read_with_clocks_that_are_wrong_and_outages_that_are_noticed_late() {
    let door = Door::new(1);
    let mut watcher = Watcher::default();
    door.play(&mut watcher);
    assert_eq!(watcher.reads, door.reads());
    assert_eq!(watcher.years_apart, 22);
    let steps = || watcher.passed.windows(2);
    assert!(steps().all(|pair| pair[1].since(pair[0]) == ROUND));
    assert_eq!(steps().filter(|pair| pair[1].utc < pair[0].utc).count(), 2, "set back twice");
    assert_eq!(watcher.listening.len(), 1 + 2 * door.outages.len());
    for (listening, at, now) in watcher.listening.iter().skip(1) {
        match listening {
            Listening::None => assert_eq!(*now + ROUND - at.monotonic, time(NOTICED_AFTER)),
            _ => assert_eq!(at.monotonic, *now + ROUND),
        }
    }
}

#[test]
fn a_seed_is_a_day() {
    let text = |seed| format!("{:?}", Door::new(seed));
    assert_eq!(text(5), text(5));
    assert_ne!(text(5), text(6));
}
