//! What a rule said, held against what truly happened.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rfid_core::TagId;
use rfid_core::presence::PresenceSettings;
use serde::Serialize;

use crate::door::Door;
use crate::rules::{Statement, What};

/// How well a rule did on one day. Times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Score {
    /// Name of the rule.
    pub rule: String,
    /// People who truly came, each time that they came.
    pub visits: usize,
    /// Visits that were never announced: nobody was told of an arrival, or only of a revisit.
    pub missed: usize,
    /// Of all visits, those with fewer reads than
    /// [`PresenceSettings::confirm_reads`](rfid_core::presence::PresenceSettings::confirm_reads) is
    /// by default, with or without an announcement. Who was not heard cannot be announced.
    pub hardly_heard: usize,
    /// Announcements of somebody who was already announced at this visit: an *arrived* that is no
    /// revisit. A revisit is not counted, since it tells nobody again.
    pub extra_arrivals: usize,
    /// *Departed* about somebody who stayed on, for whatever reason.
    pub extra_departures: usize,
    /// Ghosts in the trace.
    pub ghosts: usize,
    /// Ghosts that were announced as arrivals.
    pub ghosts_in: usize,
    /// Passers-by outside, whether or not they were heard.
    pub passers: usize,
    /// Passers-by who were announced as arrivals.
    pub passers_in: usize,
    /// Outages that came upon somebody who was being heard just before and just after, once for
    /// each such person.
    pub outages: usize,
    /// Of these, those in which the person was said to have departed.
    pub exits_by_outage: usize,
    /// From a visit's first read to its announcement: what half of the visits did not exceed.
    /// Absent if none was announced.
    pub announce_ms_median: Option<u64>,
    /// The same for 95 of 100 visits.
    pub announce_ms_p95: Option<u64>,
    /// From the true leaving to *departed*: what half of the visits did not exceed. Visits that
    /// were said to be over before they were do not count, nor do those that were never said to be.
    pub exit_ms_median: Option<u64>,
    /// How often people truly went from the zone at the door to that in the hall or back.
    pub zone_changes: usize,
    /// How often a tag was said to have moved. Rules that know no zones never say so.
    pub moves: usize,
}

/// What was said of one visit.
#[derive(Debug, Default)]
struct Told {
    announced: Option<Duration>,
    departed: Option<Duration>,
}

impl Score {
    /// Scores what a rule said of this day.
    pub fn new(rule: &str, door: &Door, said: &[Statement]) -> Self {
        let mut visits_of: BTreeMap<TagId, Vec<usize>> = BTreeMap::new();
        for (number, visit) in door.visits().iter().enumerate() {
            visits_of.entry(visit.tag).or_default().push(number);
        }
        let confirm_reads = usize::from(PresenceSettings::default().confirm_reads);
        let mut told: Vec<Told> = door.visits().iter().map(|_| Told::default()).collect();
        let (mut extra_arrivals, mut extra_departures, mut moves) = (0, 0, 0);
        let (mut ghosts_in, mut passers_in) = (BTreeSet::new(), BTreeSet::new());
        let mut cut_off = BTreeSet::new();

        for Statement { tag, what, at } in said {
            // The visit that the statement is about: the latest that had begun.
            let visit = visits_of.get(tag).into_iter().flatten().copied();
            let visit = visit.filter(|visit| door.visits()[*visit].enters <= *at);
            let visit = visit.max_by_key(|visit| door.visits()[*visit].enters);
            match (what, visit) {
                (What::Moved, _) => moves += 1,
                (What::Arrived { revisit: true }, _) => {}
                (What::Arrived { .. }, Some(visit)) if told[visit].announced.is_none() => {
                    told[visit].announced = Some(*at);
                }
                (What::Arrived { .. }, Some(_)) => extra_arrivals += 1,
                (What::Arrived { .. }, None) if door.ghosts().contains(tag) => {
                    ghosts_in.insert(*tag);
                }
                (What::Arrived { .. }, None) => {
                    passers_in.insert(*tag);
                }
                (What::Departed, Some(visit)) if *at < door.visits()[visit].leaves => {
                    extra_departures += 1;
                    cut_off.extend(door.interruptions().iter().enumerate().filter_map(|(number, one)| {
                        let is_in = one.visit == visit && one.last_read < *at && *at <= one.next_read;
                        is_in.then_some(number)
                    }));
                }
                (What::Departed, Some(visit)) => {
                    told[visit].departed.get_or_insert(*at);
                }
                (What::Departed, None) => {}
            }
        }

        let visits = || door.visits().iter().zip(&told);
        let announced = sorted_ms(
            visits().filter_map(|(visit, told)| Some(told.announced?.saturating_sub(visit.first_read?))),
        );
        let departed =
            sorted_ms(visits().filter_map(|(visit, told)| Some(told.departed?.saturating_sub(visit.leaves))));
        Self {
            rule: rule.to_owned(),
            visits: told.len(),
            missed: told.iter().filter(|told| told.announced.is_none()).count(),
            hardly_heard: door.visits().iter().filter(|visit| visit.reads < confirm_reads).count(),
            extra_arrivals,
            extra_departures,
            ghosts: door.ghosts().len(),
            ghosts_in: ghosts_in.len(),
            passers: door.passers().len(),
            passers_in: passers_in.len(),
            outages: door.interruptions().len(),
            exits_by_outage: cut_off.len(),
            announce_ms_median: percentile(&announced, 50),
            announce_ms_p95: percentile(&announced, 95),
            exit_ms_median: percentile(&departed, 50),
            zone_changes: door.visits().iter().map(|visit| visit.zone_changes).sum(),
            moves,
        }
    }
}

/// In milliseconds, least first.
fn sorted_ms(spans: impl Iterator<Item = Duration>) -> Vec<u64> {
    let mut spans: Vec<u64> = spans.map(|span| span.as_millis() as u64).collect();
    spans.sort_unstable();
    spans
}

/// The least value that so many of 100 do not exceed.
fn percentile(sorted: &[u64], of_hundred: usize) -> Option<u64> {
    sorted.get((sorted.len() * of_hundred).div_ceil(100).checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests;
