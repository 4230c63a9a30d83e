//! What the antennas hear: deterministic, from the scenario and the time.

use std::time::Duration;

use rfid_core::{AirProtocol, TagId, TagIdKind};

use crate::air::Air;
use crate::scenario::{Scenario, Tag};

/// A tag heard in a query's time, by one antenna.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// The id that the tag has in the scenario; [`Memories`](crate::Memories) know what was written
    /// since.
    pub id: TagId,
    /// Its air protocol.
    pub protocol: AirProtocol,
    /// The antenna port.
    pub antenna: u16,
    /// How often it was read.
    pub reads: u64,
    /// Last read, from the beginning of the query.
    pub offset: Duration,
    /// Carrier of the last read.
    pub frequency_khz: u32,
    /// Strength of its signal.
    pub rssi_dbm: i16,
}

/// All tags that are read from `from` on for `span`, times counted from the scenario's start.
///
/// A tag is read when it enters and then at even intervals, as far as the air lets it. All
/// antennas listen at all times: how a real reader shares its air time among them is not
/// documented.
pub fn listen<F>(scenario: &Scenario<F>, from: Duration, span: Duration) -> impl Iterator<Item = Heard> {
    let lap = scenario.repeat;
    let first_lap = from - scenario.within_lap(from);
    let tags = scenario.tags.iter().enumerate().filter_map(move |(number, tag)| {
        let (mut reads, mut last) = (0, None);
        // The query may reach into the next lap.
        let mut lap_start = first_lap;
        while lap_start < from + span {
            let begin = from.saturating_sub(lap_start);
            let end = (from + span - lap_start).min(lap.unwrap_or(Duration::MAX));
            let (first, behind) = reads_between(tag, begin, end);
            for read in first..behind {
                let within = tag.enters + times(tag.interval, read);
                let demand = demand(scenario, within);
                if scenario.air.lets_through(number, lap_start + within, demand) {
                    reads += 1;
                    last = Some((read, lap_start + within));
                }
            }
            match lap {
                Some(lap) => lap_start += lap,
                None => break,
            }
        }
        heard(number, tag, reads, last?, from)
    });
    tags.chain(ghosts(&scenario.air, from, span))
}

/// Ghosts that are made up in a stretch of time: in each second at most one.
fn ghosts(air: &Air, from: Duration, span: Duration) -> impl Iterator<Item = Heard> {
    let per_second = air.ghosts_per_minute / 60.0;
    let seconds = from.as_secs()..=(from + span).as_secs();
    seconds.filter(move |_| per_second > 0.0).filter_map(move |second| {
        let begin = Duration::from_secs(second);
        let draw = |number: usize| air.chance(usize::MAX - number, begin);
        let at = begin + Duration::from_secs(1).mul_f64(draw(0));
        let is_there = draw(1) < per_second && at >= from && at < from + span;
        let bytes: [u8; 8] = std::array::from_fn(|place| (draw(2 + place) * 256.0) as u8);
        is_there.then_some(Heard {
            id: TagId::new(TagIdKind::Epc, &bytes).ok()?,
            protocol: AirProtocol::Epc0,
            antenna: 1,
            reads: 1,
            offset: at - from,
            frequency_khz: 902_750,
            rssi_dbm: -75,
        })
    })
}

/// Reads that all tags together ask of the air in a second, at this time of a lap; nothing where
/// the air has no limit.
fn demand<F>(scenario: &Scenario<F>, at: Duration) -> f64 {
    if scenario.air.most_reads_per_second.is_none() {
        return 0.0;
    }
    let there = scenario.tags.iter().filter(|tag| (tag.enters..tag.leaves).contains(&at));
    there.map(|tag| 1.0 / tag.interval.as_secs_f64().max(1e-6)).sum()
}

fn heard(number: usize, tag: &Tag, reads: u64, (last, at): (u64, Duration), from: Duration) -> Option<Heard> {
    // The 50 channels of the FCC band (§4.3), hopped through in a fixed order.
    let channel = (last * 7 + number as u64 * 13) % 50;
    Some(Heard {
        id: tag.id,
        protocol: tag.protocol,
        antenna: tag.antenna,
        // The search of Class 1 finds each tag once (§3.1).
        reads: if tag.protocol == AirProtocol::Epc1 { 1 } else { reads },
        offset: at.saturating_sub(from),
        frequency_khz: 902_750 + 500 * u32::try_from(channel).ok()?,
        rssi_dbm: tag.rssi_dbm,
    })
}

/// Numbers of a tag's first read at or after `begin` and of its first at or after `end`.
fn reads_between(tag: &Tag, begin: Duration, end: Duration) -> (u64, u64) {
    let number = |at: Duration| {
        let inside = at.saturating_sub(tag.enters).as_nanos();
        u64::try_from(inside.div_ceil(tag.interval.as_nanos().max(1))).unwrap_or(u64::MAX)
    };
    (number(begin), number(end.min(tag.leaves)))
}

fn times(interval: Duration, count: u64) -> Duration {
    Duration::from_nanos_u128(interval.as_nanos() * u128::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn reads(scenario: &Scenario, from: u64, span: u64) -> Vec<(u64, u64)> {
        listen(scenario, millis(from), millis(span))
            .map(|heard| (heard.reads, heard.offset.as_millis() as u64))
            .collect()
    }

    #[test]
    fn a_tag_is_read_while_it_is_there() {
        let text = "[[tag]]\nepc = \"2D00\"\nat = \"1s\"\nfor = \"1s\"\nreads_per_second = 20\n";
        let scenario = Scenario::<crate::NoFaults>::from_toml(text).unwrap();
        assert_eq!(reads(&scenario, 0, 1000), []);
        assert_eq!(reads(&scenario, 750, 500), [(5, 450)]);
        assert_eq!(reads(&scenario, 1000, 250), [(5, 200)]);
        assert_eq!(reads(&scenario, 1900, 500), [(2, 50)]);
        assert_eq!(reads(&scenario, 2000, 500), []);
    }

    #[test]
    fn no_read_is_counted_twice_or_left_out_whatever_the_queries() {
        let text = "[[tag]]\nepc = \"2D00\"\nat = \"333ms\"\nfor = \"5s\"\nreads_per_second = 8\n";
        let scenario = Scenario::<crate::NoFaults>::from_toml(text).unwrap();
        for step in [1, 83, 250, 999] {
            let starts = (0..).map(|number| number * step).take_while(|at| *at < 6000);
            let sum: u64 = starts.flat_map(|at| reads(&scenario, at, step)).map(|(reads, _)| reads).sum();
            assert_eq!(sum, 40, "in steps of {step} ms");
        }
    }

    #[test]
    fn a_scenario_that_repeats_begins_again_also_within_a_query() {
        let text = "[scenario]\nrepeat = \"10s\"\n[[tag]]\nepc = \"2D00\"\nat = \"1s\"\nfor = \"1s\"\nreads_per_second = 10\n";
        let scenario = Scenario::<crate::NoFaults>::from_toml(text).unwrap();
        assert_eq!(reads(&scenario, 21_000, 500), [(5, 400)]);
        assert_eq!(reads(&scenario, 29_500, 2_000), [(5, 1_900)]);
        assert_eq!(reads(&scenario, 0, 30_000), [(30, 21_900)]);
    }

    #[test]
    fn a_read_rate_a_shadow_and_a_limit_take_their_part_and_always_the_same() {
        let count = |radio: &str, tags: u32| {
            let tag = "[[tag]]\nepc = \"2D00\"\nreads_per_second = 100\n";
            let text = format!("[radio]\n{radio}\n{}", tag.repeat(tags as usize));
            let scenario = Scenario::<crate::NoFaults>::from_toml(&text).unwrap();
            let whole: u64 = reads(&scenario, 0, 60_000).iter().map(|(reads, _)| reads).sum();
            // However the time is cut into queries.
            let in_parts: u64 =
                (0..600).flat_map(|part| reads(&scenario, part * 100, 100)).map(|(reads, _)| reads).sum();
            assert_eq!(whole, in_parts, "{radio}");
            whole
        };
        assert_eq!(count("", 1), 6_000);
        assert!((4_600..=5_000).contains(&count("read_rate = 0.8", 1)));
        assert!((4_400..=4_600).contains(&count("shadow_every = \"4s\"\nshadow_for = \"1s\"", 1)));
        assert!((11_500..=12_500).contains(&count("most_reads_per_second = 200", 5)));
        assert_eq!(count("read_rate = 0.8", 1), count("read_rate = 0.8", 1));
        assert_ne!(count("read_rate = 0.8", 1), count("read_rate = 0.8\nseed = 2", 1));
    }

    #[test]
    fn ghosts_are_of_class_0_and_read_once() {
        let scenario = Scenario::<crate::NoFaults>::from_toml("[radio]\nghosts_per_minute = 30\n").unwrap();
        let ghosts: Vec<Heard> = listen(&scenario, millis(0), millis(600_000)).collect();
        assert!((250..350).contains(&ghosts.len()), "{}", ghosts.len());
        assert!(ghosts.iter().all(|ghost| ghost.protocol == AirProtocol::Epc0 && ghost.reads == 1));
    }
}
