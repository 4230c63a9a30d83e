use rfid_core::TagIdKind;

use super::*;
use crate::door::{Interruption, Visit};

fn tag(number: u8) -> TagId {
    TagId::new(TagIdKind::Epc, &[number; 12]).unwrap()
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn visit(number: u8, enters: u64, leaves: u64, first_read: u64) -> Visit {
    let reads = if first_read == 0 { 0 } else { 20 };
    Visit {
        tag: tag(number),
        enters: at(enters),
        leaves: at(leaves),
        first_read: (first_read > 0).then_some(at(first_read)),
        reads,
        zone_changes: 2,
    }
}

fn arrived(number: u8, seconds: u64) -> Statement {
    Statement { tag: tag(number), what: What::Arrived { revisit: false }, at: at(seconds) }
}

fn returned(number: u8, seconds: u64) -> Statement {
    Statement { tag: tag(number), what: What::Arrived { revisit: true }, at: at(seconds) }
}

fn departed(number: u8, seconds: u64) -> Statement {
    Statement { tag: tag(number), what: What::Departed, at: at(seconds) }
}

#[test]
fn an_announcement_is_timed_from_the_first_read_and_an_exit_from_the_true_leaving() {
    let door = Door::told(vec![visit(1, 10, 40, 12)], &[], &[], vec![]);
    let score = Score::new("it", &door, &[arrived(1, 13), departed(1, 60)]);
    assert_eq!((score.visits, score.missed, score.extra_arrivals, score.extra_departures), (1, 0, 0, 0));
    assert_eq!((score.announce_ms_median, score.exit_ms_median), (Some(1000), Some(20_000)));
}

#[test]
fn a_visit_of_which_nobody_was_told_is_missed() {
    let door = Door::told(vec![visit(1, 10, 40, 12), visit(2, 10, 40, 0)], &[], &[], vec![]);
    let score = Score::new("it", &door, &[returned(1, 13)]);
    assert_eq!((score.missed, score.hardly_heard), (2, 1));
    assert_eq!((score.announce_ms_median, score.exit_ms_median), (None, None));
}

#[test]
fn who_is_told_again_is_extra_and_a_revisit_tells_nobody() {
    let door = Door::told(vec![visit(1, 10, 400, 12)], &[], &[], vec![]);
    let said = [arrived(1, 13), departed(1, 50), returned(1, 90), departed(1, 120), arrived(1, 200)];
    let score = Score::new("it", &door, &said);
    assert_eq!((score.missed, score.extra_arrivals, score.extra_departures), (0, 1, 2));
    assert_eq!(score.exit_ms_median, None, "an exit that was said too early has no delay");
}

#[test]
fn a_card_that_comes_again_is_announced_again() {
    let door = Door::told(vec![visit(1, 1000, 1040, 1002), visit(1, 10, 40, 12)], &[], &[], vec![]);
    let score = Score::new("it", &door, &[arrived(1, 13), departed(1, 60), arrived(1, 1003)]);
    assert_eq!((score.missed, score.extra_arrivals, score.announce_ms_p95), (0, 0, Some(1000)));
    let score = Score::new("it", &door, &[arrived(1, 13)]);
    assert_eq!(score.missed, 1);
}

#[test]
fn an_exit_by_outage_is_one_that_the_outage_brought_about() {
    let interruption = |visit, last, next| Interruption { visit, last_read: at(last), next_read: at(next) };
    let visits = vec![visit(1, 10, 400, 12), visit(2, 10, 400, 12)];
    let door = Door::told(visits, &[], &[], vec![interruption(0, 100, 130), interruption(1, 100, 130)]);
    let score = Score::new("it", &door, &[departed(1, 120), departed(2, 131)]);
    assert_eq!((score.outages, score.exits_by_outage, score.extra_departures), (2, 1, 2));
}

#[test]
fn ghosts_and_passers_are_counted_once_each() {
    let door = Door::told(vec![], &[tag(7), tag(8)], &[tag(9)], vec![]);
    let said = [arrived(7, 1), departed(7, 2), arrived(7, 3), arrived(9, 4)];
    let score = Score::new("it", &door, &said);
    assert_eq!((score.ghosts, score.ghosts_in, score.passers, score.passers_in), (2, 1, 1, 1));
}

#[test]
fn a_percentile_is_a_value_that_occurred() {
    let hundred: Vec<u64> = (1..=100).collect();
    assert_eq!((percentile(&hundred, 50), percentile(&hundred, 95)), (Some(50), Some(95)));
    assert_eq!((percentile(&[4], 50), percentile(&[], 50)), (Some(4), None));
}
