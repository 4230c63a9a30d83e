//! The book kept outside of the daemon: who was presented, and what a subscriber was told.
//!
//! Each card is presented once, so that a second arrival of it is a fault and not a visit.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::time::{Duration, SystemTime};

use rfid_core::UtcTime;

use crate::fact::Fact;
use crate::ledger::{Ledger, Lines};

/// An arrival that is older than this must not be announced as new.
const FRESH: Duration = Duration::from_secs(120);
/// Stamps of one machine differ by less.
const TOLERANCE: Duration = Duration::from_secs(1);
/// Findings that are printed; the others are only counted.
const MOST_FINDINGS: usize = 12;

/// Whether a card was read often enough to count as present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    Enough,
    /// Read once: no visit.
    TooFew,
}

/// A card before an antenna.
#[derive(Clone, Debug)]
pub(crate) struct Presentation {
    pub(crate) reader: String,
    pub(crate) zone: String,
    pub(crate) from: SystemTime,
    pub(crate) left: Option<SystemTime>,
    pub(crate) reads: Reads,
}

/// What reached the subscriber.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// Name of the server-sent event.
    pub(crate) name: String,
    pub(crate) fact: Fact,
    pub(crate) at: SystemTime,
}

/// The book.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    pub(crate) presented: BTreeMap<String, Presentation>,
    pub(crate) heard: Vec<Heard>,
    pub(crate) missed: u64,
    pub(crate) unreadable: Vec<String>,
    /// The clock was moved on purpose: times are not judged.
    pub(crate) clock_moves: bool,
    /// Departures may come although the card has not left, because nobody could read it.
    pub(crate) may_depart: bool,
    /// Cards that begin so may come and go although nobody presented them.
    pub(crate) may_make_up: Option<&'static str>,
}

impl Oracle {
    pub(crate) fn last_id(&self) -> Option<String> {
        self.heard.last().map(|heard| heard.fact.id.clone())
    }

    /// Cards that the subscriber was told of by an event of this kind.
    pub(crate) fn told(&self, kind: &str) -> HashSet<String> {
        let is_kind = |heard: &&Heard| heard.fact.kind == kind;
        self.heard.iter().filter(is_kind).map(|heard| heard.fact.card.clone()).collect()
    }

    fn due(&self) -> impl Iterator<Item = (&String, &Presentation)> {
        self.presented.iter().filter(|(_, presentation)| presentation.reads == Reads::Enough)
    }

    /// Presentations that nobody was told of yet.
    pub(crate) fn untold(&self) -> Vec<String> {
        let arrived = self.told("arrived");
        self.due().map(|(card, _)| card).filter(|card| !arrived.contains(*card)).cloned().collect()
    }

    /// How many events were announced as not yet registered.
    pub(crate) fn marked(&self) -> usize {
        self.heard.iter().filter(|heard| heard.fact.unconfirmed).count()
    }

    /// How many of these cards were announced as if their arrival were registered.
    pub(crate) fn unmarked(&self, cards: &[String]) -> usize {
        let is_unmarked = |heard: &&Heard| !heard.fact.unconfirmed && cards.contains(&heard.fact.card);
        self.heard.iter().filter(is_unmarked).count()
    }

    /// Cards that left and whose departure nobody was told of yet.
    pub(crate) fn undeparted(&self) -> Vec<String> {
        let departed = self.told("departed");
        let left = self.due().filter(|(_, presentation)| presentation.left.is_some());
        left.map(|(card, _)| card).filter(|card| !departed.contains(*card)).cloned().collect()
    }

    /// Time from the presentation of each card to its announcement.
    pub(crate) fn latencies(&self) -> Vec<Duration> {
        let mut seen = HashSet::new();
        let arrivals = self.heard.iter().filter(|heard| heard.fact.kind == "arrived");
        let mut latencies: Vec<Duration> = arrivals
            .filter(|heard| seen.insert(heard.fact.card.clone()))
            .filter_map(|heard| {
                let presentation = self.presented.get(&heard.fact.card)?;
                heard.at.duration_since(presentation.from).ok()
            })
            .collect();
        latencies.sort_unstable();
        latencies
    }

    /// Compares the book with the daemon's, and the daemon's with its copy.
    pub(crate) fn judge(&self, ledger: &Ledger, lines: &Lines) -> Verdict {
        let mut verdict = Verdict::default();
        for text in self.unreadable.iter().chain(&ledger.unreadable).chain(&lines.unreadable) {
            verdict.wrong(format!("unreadable: {text}"));
        }
        for complaint in &ledger.complaints {
            verdict.wrong(complaint.clone());
        }
        judge_lines(ledger, lines, &mut verdict);
        self.judge_ids(ledger, &mut verdict);
        self.judge_visits(ledger, &mut verdict);
        for fault in ledger.gaps_in_numbers() {
            verdict.wrong(fault);
        }
        for heard in &self.heard {
            if let Ok(age) = heard.at.duration_since(system_time(heard.fact.time))
                && age > FRESH
                && heard.name == "arrived"
                && !self.clock_moves
            {
                verdict.wrong(format!("{} announced as new after {age:?}", heard.fact.card));
            }
        }
        let marked = self.marked();
        verdict.detail(format!(
            "presented {}, announced {} ({marked} of them as not yet registered), in the ledger {}, missed by the subscriber {}",
            self.due().count(),
            self.heard.len(),
            ledger.facts.len(),
            self.missed,
        ));
        if let Some(gaps) = ledger.said_gaps() {
            verdict.detail(gaps);
        }
        verdict
    }

    fn judge_ids(&self, ledger: &Ledger, verdict: &mut Verdict) {
        let mut by_id: HashMap<&str, &Fact> = HashMap::new();
        for fact in &ledger.facts {
            if by_id.insert(&fact.id, fact).is_some() {
                verdict.double(format!("{} {} stands in the ledger twice", fact.kind, fact.card));
            }
        }
        let mut lost = HashSet::new();
        for Heard { fact, .. } in &self.heard {
            match by_id.get(fact.id.as_str()) {
                None if lost.insert(&fact.id) => {
                    verdict
                        .lost(format!("{} {} was announced and is not in the ledger", fact.kind, fact.card));
                }
                Some(kept) if !kept.is_same_as(fact) => {
                    verdict.wrong(format!("announced {fact:?}, in the ledger {kept:?}"));
                }
                _ => {}
            }
        }
    }

    fn judge_visits(&self, ledger: &Ledger, verdict: &mut Verdict) {
        let all = || ledger.facts.iter().chain(self.heard.iter().map(|heard| &heard.fact));
        let mut ids: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
        for fact in all() {
            let key = (fact.card.as_str(), fact.kind.as_str());
            if ids.entry(key).or_default().insert(&fact.id) {
                self.judge_fact(fact, verdict);
            }
        }
        for ((card, kind), ids) in &ids {
            for _ in 1..ids.len() {
                verdict.double(format!("{kind} {card} stands under {} ids", ids.len()));
            }
        }
        for (card, presentation) in self.due() {
            if !ids.contains_key(&(card.as_str(), "arrived")) {
                verdict.lost(format!("{card} before {} has no visit", presentation.reader));
            }
            if presentation.left.is_some() && !ids.contains_key(&(card.as_str(), "departed")) {
                verdict.lost(format!("{card} left {} and has no departure", presentation.reader));
            }
        }
    }

    fn judge_fact(&self, fact: &Fact, verdict: &mut Verdict) {
        let Some(presentation) = self.presented.get(&fact.card) else {
            if self.may_make_up.is_some_and(|start| fact.card.starts_with(start)) {
                return;
            }
            return verdict.wrong(format!("nobody presented {}", fact.card));
        };
        if presentation.reads == Reads::TooFew {
            return verdict.wrong(format!("{} was read once and has a visit", fact.card));
        }
        if (&fact.reader, &fact.zone) != (&presentation.reader, &presentation.zone) {
            verdict.wrong(format!("{} was before {}: {fact:?}", fact.card, presentation.reader));
        }
        let is_before = |moment: SystemTime| system_time(fact.time) + TOLERANCE < moment;
        match (fact.kind.as_str(), presentation.left) {
            ("arrived", _) if is_before(presentation.from) && !self.clock_moves => {
                verdict.wrong(format!("{} arrived before it was presented", fact.card));
            }
            ("departed", None) if !self.may_depart => {
                verdict.wrong(format!("{} departed and is still there", fact.card));
            }
            ("departed", Some(left)) if is_before(left) && !self.clock_moves && !self.may_depart => {
                verdict.wrong(format!("{} departed before it left", fact.card));
            }
            ("arrived" | "departed", _) => {}
            (kind, _) => verdict.wrong(format!("{} cannot have {kind}", fact.card)),
        }
    }
}

/// What is in the ledger is in the JSON Lines file, once and the same, and nothing else is.
fn judge_lines(ledger: &Ledger, lines: &Lines, verdict: &mut Verdict) {
    let mut in_file: HashMap<&str, &Fact> = HashMap::new();
    for fact in &lines.facts {
        if in_file.insert(&fact.id, fact).is_some() {
            verdict.double(format!("{} {} stands in the JSON Lines file twice", fact.kind, fact.card));
        }
    }
    for fact in &ledger.facts {
        match in_file.remove(fact.id.as_str()) {
            None => verdict.lost(format!("{} {} is not in the JSON Lines file", fact.kind, fact.card)),
            Some(copy) => verdict.expect(copy.is_same_as(fact), || {
                format!("in the JSON Lines file {copy:?}, in the ledger {fact:?}")
            }),
        }
    }
    for fact in in_file.values() {
        verdict.lost(format!("{} {} is in the JSON Lines file only", fact.kind, fact.card));
    }
}

fn system_time(time: UtcTime) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(time.as_nanos())
}

/// The three numbers, and what they are made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) lost: u64,
    pub(crate) double: u64,
    pub(crate) wrong: u64,
    pub(crate) findings: Vec<String>,
    pub(crate) details: Vec<String>,
}

impl Verdict {
    pub(crate) fn lost(&mut self, what: String) {
        self.lost += 1;
        self.find("lost", what);
    }

    pub(crate) fn double(&mut self, what: String) {
        self.double += 1;
        self.find("double", what);
    }

    pub(crate) fn wrong(&mut self, what: String) {
        self.wrong += 1;
        self.find("wrong", what);
    }

    /// Counts as wrong unless the condition holds.
    pub(crate) fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.wrong(what());
        }
    }

    pub(crate) fn detail(&mut self, detail: String) {
        self.details.push(detail);
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.double += other.double;
        self.wrong += other.wrong;
        self.findings.extend(other.findings);
        self.findings.truncate(MOST_FINDINGS);
        self.details.extend(other.details);
    }

    pub(crate) fn is_clean(&self) -> bool {
        (self.lost, self.double, self.wrong) == (0, 0, 0)
    }

    fn find(&mut self, number: &str, what: String) {
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(format!("{number}: {what}"));
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lost {}, double {}, wrong {}", self.lost, self.double, self.wrong)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const CARD: &str = "2D000000";
    const TIME: &str = "2026-11-28T12:00:00Z";

    fn fact(id: &str, kind: &str) -> Fact {
        let text = |text: &str| text.to_owned();
        let time = TIME.parse().unwrap();
        Fact {
            id: text(id),
            kind: text(kind),
            card: text(CARD),
            reader: text("r0"),
            zone: text("zone0"),
            time,
            sequence: None,
            unconfirmed: false,
            reader_time: None,
        }
    }

    fn oracle(reads: Reads) -> Oracle {
        let presentation = Presentation {
            reader: "r0".to_owned(),
            zone: "zone0".to_owned(),
            from: system_time(TIME.parse().unwrap()),
            left: None,
            reads,
        };
        Oracle { presented: [(CARD.to_owned(), presentation)].into(), ..Oracle::default() }
    }

    fn numbers(oracle: &Oracle, facts: Vec<Fact>) -> (u64, u64, u64) {
        // As the ledger gives them: in their order, each with its number.
        let number = |(at, fact): (usize, Fact)| Fact { sequence: Some(at as u64 + 1), ..fact };
        let facts: Vec<Fact> = facts.into_iter().enumerate().map(number).collect();
        let lines = Lines { facts: facts.clone(), ..Lines::default() };
        let verdict = oracle.judge(&Ledger { facts, ..Ledger::default() }, &lines);
        (verdict.lost, verdict.double, verdict.wrong)
    }

    fn hear(oracle: &mut Oracle, fact: Fact, after: Duration) {
        let at = system_time(fact.time) + after;
        oracle.heard.push(Heard { name: fact.kind.clone(), fact, at });
    }

    #[test]
    fn one_visit_is_right_and_none_is_lost() {
        assert_eq!(numbers(&oracle(Reads::Enough), vec![fact("a", "arrived")]), (0, 0, 0));
        assert_eq!(numbers(&oracle(Reads::Enough), vec![]), (1, 0, 0));
    }

    #[test]
    fn a_second_arrival_and_an_id_that_stands_twice_are_double() {
        let two = vec![fact("a", "arrived"), fact("b", "arrived")];
        assert_eq!(numbers(&oracle(Reads::Enough), two), (0, 1, 0));
        let twice = vec![fact("a", "arrived"), fact("a", "arrived")];
        assert_eq!(numbers(&oracle(Reads::Enough), twice).1, 2, "in the ledger and in the file");
    }

    #[test]
    fn what_was_announced_and_not_kept_is_lost() {
        let mut oracle = oracle(Reads::Enough);
        hear(&mut oracle, fact("a", "arrived"), Duration::ZERO);
        hear(&mut oracle, fact("a", "arrived"), Duration::ZERO);
        assert_eq!(numbers(&oracle, vec![fact("a", "arrived")]), (0, 0, 0), "a repeat is the same fact");
        assert_eq!(numbers(&oracle, vec![]), (1, 0, 0));
    }

    #[test]
    fn ghosts_and_wrong_places_and_departures_of_those_who_stay_are_wrong() {
        let nobody = Fact { card: "00".to_owned(), ..fact("b", "arrived") };
        let elsewhere = Fact { zone: "zone1".to_owned(), ..fact("a", "arrived") };
        assert_eq!(numbers(&oracle(Reads::Enough), vec![fact("a", "arrived"), nobody]), (0, 0, 1));
        assert_eq!(numbers(&oracle(Reads::Enough), vec![elsewhere]), (0, 0, 1));
        assert_eq!(numbers(&oracle(Reads::TooFew), vec![fact("a", "arrived")]), (0, 0, 1));
        let gone = vec![fact("a", "arrived"), fact("b", "departed")];
        assert_eq!(numbers(&oracle(Reads::Enough), gone), (0, 0, 1));
    }

    #[test]
    fn the_file_beside_the_ledger_has_the_same() {
        let judge = |in_ledger: &[Fact], in_file: &[Fact]| {
            let ledger = Ledger { facts: in_ledger.to_vec(), ..Ledger::default() };
            let mut verdict = Verdict::default();
            judge_lines(&ledger, &Lines { facts: in_file.to_vec(), ..Lines::default() }, &mut verdict);
            (verdict.lost, verdict.double, verdict.wrong)
        };
        let (a, b) = (fact("a", "arrived"), fact("b", "departed"));
        assert_eq!(judge(&[a.clone(), b.clone()], &[b.clone(), a.clone()]), (0, 0, 0));
        assert_eq!(judge(&[a.clone(), b.clone()], std::slice::from_ref(&a)), (1, 0, 0));
        assert_eq!(judge(std::slice::from_ref(&a), &[a.clone(), b]), (1, 0, 0));
        let elsewhere = Fact { zone: "zone1".to_owned(), ..a.clone() };
        assert_eq!(judge(std::slice::from_ref(&a), &[elsewhere.clone(), a.clone()]), (0, 1, 0));
        assert_eq!(judge(&[fact("a", "arrived")], &[elsewhere]), (0, 0, 1));
    }

    #[test]
    fn an_old_arrival_is_wrong_only_if_it_is_announced_as_new() {
        let mut oracle = oracle(Reads::Enough);
        hear(&mut oracle, fact("a", "arrived"), Duration::from_secs(121));
        assert_eq!(numbers(&oracle, vec![fact("a", "arrived")]), (0, 0, 1));
        oracle.heard.iter_mut().for_each(|heard| heard.name = "late".to_owned());
        assert_eq!(numbers(&oracle, vec![fact("a", "arrived")]), (0, 0, 0));
    }
}
