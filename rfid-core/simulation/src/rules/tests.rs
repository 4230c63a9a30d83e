//! Each rule on its own, by the statements of its document.

use rfid_core::{TagIdKind, UtcTime};

use super::*;

const EPC: [u8; 12] = [0x2D; 12];

/// Plays reads of one tag, each with its moment in milliseconds, antenna port and dBm, until
/// `until`, in steps of 50 ms; returns what was said, with the moment in milliseconds.
fn play(rule: &mut dyn Rule, reads: &[(u64, u16, i16)], until: u64) -> Vec<(u64, What)> {
    play_with(rule, reads, until, |_| 0)
}

/// The same with a wall clock that is wrong by so many milliseconds.
fn play_with(
    rule: &mut dyn Rule,
    reads: &[(u64, u16, i16)],
    until: u64,
    wrong_by: impl Fn(u64) -> u64,
) -> Vec<(u64, What)> {
    let mut said = Vec::new();
    for now in (0..=until).step_by(50) {
        let stamp = Stamp {
            monotonic: Duration::from_millis(now),
            utc: UtcTime::from_nanos((1_000_000_000 + now + wrong_by(now)) * 1_000_000),
        };
        rule.pass(stamp, &mut said);
        let mut batch = ReadBuf::with_capacity(8);
        for (_, port, dbm) in reads.iter().filter(|(at, ..)| *at == now) {
            batch.record(TagIdKind::Epc, &EPC).unwrap().set_antenna_port(*port).set_rssi_cdbm(dbm * 100);
        }
        batch.set_received(stamp);
        rule.hear(&batch, &mut said);
    }
    said.into_iter().map(|statement| (statement.at.as_millis() as u64, statement.what)).collect()
}

const ARRIVED: What = What::Arrived { revisit: false };

#[test]
fn one_read_is_enough_for_one_read_and_five_seconds_end_it() {
    let said = play(&mut OneRead::default(), &[(100, 1, -60), (5000, 1, -60)], 20_000);
    assert_eq!(said, [(100, ARRIVED), (10_000, What::Departed)]);
}

#[test]
fn ale_observes_after_three_reads_or_some_time_and_loses_after_the_time_out() {
    let three = play(&mut Ale::default(), &[(100, 1, -60), (150, 1, -60), (200, 1, -60)], 40_000);
    assert_eq!(three, [(200, ARRIVED), (30_250, What::Departed)]);
    let two = play(&mut Ale::default(), &[(100, 1, -60), (400, 1, -60)], 1000);
    assert_eq!(two, [(400, ARRIVED)]);
    let far_apart = play(&mut Ale::default(), &[(100, 1, -60), (2200, 1, -60), (4300, 1, -60)], 10_000);
    assert_eq!(far_apart, []);
}

#[test]
fn edgex_moves_for_six_decibels_and_for_less_when_the_old_reads_are_old() {
    let weaker_by = |db: i16, later: u64| {
        let reads = [(0, 1, -60), (50, 1, -60), (50 + later, 2, -60 - db), (100 + later, 2, -60 - db)];
        play(&mut EdgeX::default(), &reads, 5000).len() > 1
    };
    assert!(!weaker_by(0, 50) && !weaker_by(-6, 50) && weaker_by(-7, 50));
    // 6 dB − 0.008 dB × (1950 − 500) = −5.6 dB.
    assert!(weaker_by(5, 1900) && !weaker_by(6, 1900));
}

#[test]
fn edgex_averages_the_last_twenty_values_as_decibels() {
    // 21 values: the first, strong one has gone. As power, −40 dBm would outweigh the rest.
    let mut reads = vec![(0, 1, -20)];
    reads.extend((1..=20).map(|step| (step * 50, 1, if step == 1 { -40 } else { -70 })));
    reads.extend([(1050, 2, -60), (1100, 2, -60)]);
    let said = play(&mut EdgeX::default(), &reads, 2000);
    assert_eq!(said, [(0, ARRIVED), (1100, What::Moved)], "the mean is -68.5 dBm, 8.5 dB less");
}

#[test]
fn edgex_departs_after_ten_minutes_of_the_wall_clock() {
    let said = play(&mut EdgeX::default(), &[(0, 1, -60)], 700_000);
    assert_eq!(said, [(0, ARRIVED), (630_000, What::Departed)]);
    let hour = |now| if now < 60_000 { 0 } else { 3_600_000 };
    let said = play_with(&mut EdgeX::default(), &[(0, 1, -60)], 700_000, hour);
    assert_eq!(said, [(0, ARRIVED), (60_000, What::Departed)], "the clock was set an hour forward");
}

#[test]
fn smurf_widens_its_window_for_a_tag_that_is_heard_seldom() {
    // All five rounds of each epoch: the first silent one halves the window, the second ends it.
    let often: Vec<_> = (0..40).map(|step| (step * 50, 1, -60)).collect();
    let said = play(&mut Smurf::default(), &often, 10_000);
    assert_eq!(said, [(250, ARRIVED), (2500, What::Departed)]);
    // One round of each second epoch: ln 20 / 0.2 is 15 epochs, the last of which ends at 9750.
    let seldom: Vec<_> = (0..20).map(|step| (step * 500, 1, -60)).collect();
    let said = play(&mut Smurf::default(), &seldom, 20_000);
    assert_eq!(said, [(250, ARRIVED), (13_500, What::Departed)]);
}

#[test]
fn every_name_has_a_rule_and_no_other_has() {
    assert!(NAMES.iter().all(|name| by_name(name).is_some()));
    assert!(by_name("theirs").is_none());
}
