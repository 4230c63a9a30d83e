//! What the antennas hear: deterministic, from the scenario and the time.

use std::time::Duration;

use rfid_core::{AirProtocol, TagId};

use super::scenario::{Scenario, Tag};

/// A tag heard in a query's time, by one antenna.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    pub(super) id: TagId,
    pub(super) protocol: AirProtocol,
    pub(super) antenna: u16,
    pub(super) reads: u64,
    /// Last read, from the beginning of the query.
    pub(super) offset: Duration,
    pub(super) frequency_khz: u32,
    pub(super) rssi_dbm: i16,
}

/// All tags that are read from `from` on for `span`, times counted from the scenario's start.
///
/// A tag is read when it enters and then at even intervals. All antennas listen at all times:
/// how a real reader shares its air time among them is not documented.
pub(super) fn listen(scenario: &Scenario, from: Duration, span: Duration) -> impl Iterator<Item = Heard> {
    let (lap_length, from) = (scenario.repeat, scenario.within_lap(from));
    scenario.tags.iter().enumerate().filter_map(move |(number, tag)| {
        let (mut reads, mut last) = (0, None);
        // The query may reach into the next lap.
        let mut lap_start = Duration::ZERO;
        while lap_start < from + span {
            let begin = from.saturating_sub(lap_start);
            let end = (from + span - lap_start).min(lap_length.unwrap_or(Duration::MAX));
            let (first, behind) = reads_between(tag, begin, end);
            if behind > first {
                reads += behind - first;
                last = Some((behind - 1, lap_start + tag.enters + times(tag.interval, behind - 1)));
            }
            match lap_length {
                Some(lap) => lap_start += lap,
                None => break,
            }
        }
        heard(number, tag, reads, last?, from)
    })
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
        let scenario = Scenario::from_toml(text).unwrap();
        assert_eq!(reads(&scenario, 0, 1000), []);
        assert_eq!(reads(&scenario, 750, 500), [(5, 450)]);
        assert_eq!(reads(&scenario, 1000, 250), [(5, 200)]);
        assert_eq!(reads(&scenario, 1900, 500), [(2, 50)]);
        assert_eq!(reads(&scenario, 2000, 500), []);
    }

    #[test]
    fn no_read_is_counted_twice_or_left_out_whatever_the_queries() {
        let text = "[[tag]]\nepc = \"2D00\"\nat = \"333ms\"\nfor = \"5s\"\nreads_per_second = 8\n";
        let scenario = Scenario::from_toml(text).unwrap();
        for step in [1, 83, 250, 999] {
            let starts = (0..).map(|number| number * step).take_while(|at| *at < 6000);
            let sum: u64 = starts.flat_map(|at| reads(&scenario, at, step)).map(|(reads, _)| reads).sum();
            assert_eq!(sum, 40, "in steps of {step} ms");
        }
    }

    #[test]
    fn a_scenario_that_repeats_begins_again_also_within_a_query() {
        let text = "[scenario]\nrepeat = \"10s\"\n[[tag]]\nepc = \"2D00\"\nat = \"1s\"\nfor = \"1s\"\nreads_per_second = 10\n";
        let scenario = Scenario::from_toml(text).unwrap();
        assert_eq!(reads(&scenario, 21_000, 500), [(5, 400)]);
        assert_eq!(reads(&scenario, 29_500, 2_000), [(5, 1_900)]);
        assert_eq!(reads(&scenario, 0, 30_000), [(30, 21_900)]);
    }
}
