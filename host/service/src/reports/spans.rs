//! Days and hours as spans of time.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rfid_core::UtcTime;

use crate::recognition::start_of_day;
use crate::record::LocalDate;

/// An hour in nanoseconds.
const HOUR: u64 = 3600 * 1_000_000_000;

/// All days from one to another.
pub(super) fn days(from: LocalDate, to: LocalDate) -> Vec<LocalDate> {
    let mut days = Vec::new();
    let mut day = from;
    while day <= to && days.len() <= super::MOST_DAYS {
        days.push(day);
        match day.0.tomorrow() {
            Ok(next) => day = LocalDate(next),
            Err(_) => break,
        }
    }
    days
}

/// Days where the bank is.
pub(super) struct Days {
    pub(super) days: Vec<LocalDate>,
    zone: TimeZone,
}

impl Days {
    pub(super) fn new(days: Vec<LocalDate>, zone: TimeZone) -> Self {
        Self { days, zone }
    }

    /// Where each day begins, and where the last ends.
    pub(super) fn edges(&self) -> Vec<UtcTime> {
        let behind = self.days.last().and_then(|day| day.0.tomorrow().ok()).map(LocalDate);
        self.days.iter().copied().chain(behind).map(|day| start_of_day(day, &self.zone)).collect()
    }

    /// When the first day begins and the last ends.
    pub(super) fn span(&self) -> Vec<UtcTime> {
        let edges = self.edges();
        edges.first().copied().into_iter().chain(edges.last().copied()).collect()
    }

    /// Where each hour begins, and where the last ends; a day with a clock change has 23 or 25.
    pub(super) fn hour_edges(&self) -> Vec<UtcTime> {
        let days = self.edges();
        let mut edges = Vec::new();
        for day in days.windows(2) {
            let [begin, end] = [day[0].as_nanos(), day[1].as_nanos()];
            let mut at = begin;
            while at < end {
                edges.push(UtcTime::from_nanos(at));
                at += HOUR;
            }
        }
        edges.extend(days.last().copied());
        edges
    }

    /// Day and hour of a time.
    pub(super) fn day_and_hour(&self, at: UtcTime) -> (LocalDate, i8) {
        let timestamp = Timestamp::from_nanosecond(i128::from(at.as_nanos())).unwrap_or(Timestamp::MAX);
        let local = self.zone.to_datetime(timestamp);
        (LocalDate(local.date()), local.hour())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days_of(zone: &str, from: &str, to: &str) -> Days {
        Days::new(days(from.parse().unwrap(), to.parse().unwrap()), TimeZone::get(zone).unwrap())
    }

    #[test]
    fn a_day_begins_where_the_bank_is() {
        let days = days_of("Asia/Shanghai", "2026-11-28", "2026-11-29");
        let edges: Vec<String> = days.edges().iter().map(ToString::to_string).collect();
        assert_eq!(edges, ["2026-11-27T16:00:00Z", "2026-11-28T16:00:00Z", "2026-11-29T16:00:00Z"]);
        assert_eq!(days.hour_edges().len(), 49);
    }

    #[test]
    fn days_of_a_clock_change_have_23_and_25_hours_and_each_hour_its_name() {
        for (day, hours, twice, never) in
            [("2026-03-29", 23, None, Some(2)), ("2026-10-25", 25, Some(2), None)]
        {
            let days = days_of("Europe/Berlin", day, day);
            let edges = days.hour_edges();
            assert_eq!(edges.len(), hours + 1, "{day}");
            let named: Vec<i8> = edges[..hours].iter().map(|edge| days.day_and_hour(*edge).1).collect();
            for hour in 0..24 {
                let expected = 1 + usize::from(twice == Some(hour)) - usize::from(never == Some(hour));
                assert_eq!(named.iter().filter(|named| **named == hour).count(), expected, "{day} {hour}");
            }
        }
    }

    #[test]
    fn there_are_no_days_the_other_way_round() {
        assert!(days("2026-11-29".parse().unwrap(), "2026-11-28".parse().unwrap()).is_empty());
        assert_eq!(days("2024-02-28".parse().unwrap(), "2024-03-01".parse().unwrap()).len(), 3);
    }
}
