//! Months, in which visits end to be somebody's.

use std::fmt;

use jiff::tz::TimeZone;
use rfid_core::UtcTime;

use super::Visit;
use crate::recognition::local_day;

/// A month in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i16,
    month: i8,
}

impl Month {
    /// The month in which a time is.
    pub fn of(at: UtcTime) -> Self {
        let day = local_day(at, &TimeZone::UTC).0;
        Self { year: day.year(), month: day.month() }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl Visit {
    /// The month in which it began.
    pub fn month(&self) -> Month {
        Month::of(self.arrived_at)
    }

    /// The same, and nothing says whose it was.
    #[must_use]
    pub fn of_nobody(self) -> Self {
        Self { customer: super::CustomerId::NOBODY, card: None, ..self }
    }
}
