//! Keeps a log readable when what it tells of changes faster than anybody reads.

use std::fmt;
use std::time::Duration;

/// Lines in a minute about one thing, if nobody decides otherwise.
const USUAL_MOST: u32 = 6;
const MINUTE: Duration = Duration::from_secs(60);

/// Limits the lines about one thing: a reader, a sink, a listener.
///
/// The first changes get a line each. Those beyond the limit are counted, and told with the next
/// line that may be written, as in "…and 37 more in the last 60 s". Time is handed in, from any
/// clock that does not go back.
///
/// ```
/// use std::time::Duration;
/// use rfid_core::LogLimit;
///
/// let mut limit = LogLimit::default();
/// if let Some(unsaid) = limit.allow(Duration::from_secs(5)) {
///     println!("reader door is down{unsaid}");
/// }
/// ```
///
/// A line held back may be the last one for hours. Whoever has a loop waits for [`due`] as well,
/// asks [`settle`], and says how things stand now.
///
/// [`due`]: Self::due
/// [`settle`]: Self::settle
#[derive(Clone, Debug)]
pub struct LogLimit {
    most: u32,
    window: Duration,
    began: Option<Duration>,
    said: u32,
    unsaid: u64,
}

/// How many lines were held back before this one. Its text goes behind the line's own and is
/// empty if there were none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsaid {
    /// Lines that were not written.
    pub lines: u64,
    /// Over which time.
    pub during: Duration,
}

impl Default for LogLimit {
    /// Six lines a minute.
    fn default() -> Self {
        Self::new(USUAL_MOST, MINUTE)
    }
}

impl LogLimit {
    /// At most this many lines within each window of this length, at least one.
    pub fn new(most: u32, window: Duration) -> Self {
        Self { most: most.max(1), window, began: None, said: 0, unsaid: 0 }
    }

    /// Something changed: whether it gets a line, and what the line has to add.
    pub fn allow(&mut self, now: Duration) -> Option<Unsaid> {
        if self.is_over(now) {
            return Some(self.begin(now));
        }
        if self.said < self.most {
            self.said += 1;
            return Some(Unsaid { lines: 0, during: Duration::ZERO });
        }
        self.unsaid += 1;
        None
    }

    /// Nothing changed: whether lines that were held back are to be summed up now, in a line that
    /// says how things stand.
    pub fn settle(&mut self, now: Duration) -> Option<Unsaid> {
        (self.unsaid > 0 && self.is_over(now)).then(|| self.begin(now))
    }

    /// When [`settle`](Self::settle) has something to say, if nothing is said before.
    pub fn due(&self) -> Option<Duration> {
        self.began.filter(|_| self.unsaid > 0).map(|began| began.saturating_add(self.window))
    }

    fn is_over(&self, now: Duration) -> bool {
        self.began.is_none_or(|began| now.saturating_sub(began) >= self.window)
    }

    /// A new window, with the line that opens it.
    fn begin(&mut self, now: Duration) -> Unsaid {
        let during = self.began.map_or(Duration::ZERO, |began| now.saturating_sub(began));
        let unsaid = Unsaid { lines: std::mem::take(&mut self.unsaid), during };
        self.began = Some(now);
        self.said = 1;
        unsaid
    }
}

impl fmt::Display for Unsaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.lines {
            0 => Ok(()),
            lines => write!(f, " …and {lines} more in the last {} s", self.during.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn changes_that_are_seldom_get_a_line_each() {
        let mut limit = LogLimit::default();
        for hour in 0..24 {
            assert_eq!(limit.allow(at(hour * 3600)).unwrap().to_string(), "");
        }
        assert_eq!(limit.due(), None);
    }

    #[test]
    fn a_thing_that_flaps_is_summed_up() {
        let mut limit = LogLimit::new(3, MINUTE);
        let lines = (0..40).filter(|second| limit.allow(at(*second)).is_some()).count();
        assert_eq!(lines, 3);
        assert_eq!(limit.due(), Some(at(60)));
        assert_eq!(limit.settle(at(59)), None);
        assert_eq!(limit.settle(at(60)).unwrap().to_string(), " …and 37 more in the last 60 s");
        assert_eq!((limit.settle(at(200)), limit.due()), (None, None), "it is said once");
    }

    #[test]
    fn the_next_change_brings_the_sum_with_it() {
        let mut limit = LogLimit::new(1, MINUTE);
        assert!(limit.allow(at(0)).is_some());
        assert!(limit.allow(at(1)).is_none());
        let unsaid = limit.allow(at(90)).unwrap();
        assert_eq!(unsaid, Unsaid { lines: 1, during: at(90) });
        assert!(limit.allow(at(91)).is_none(), "the line with the sum counts as well");
    }

    proptest! {
        #[test]
        fn no_window_has_more_lines_than_allowed_and_nothing_is_uncounted(
            most in 0_u32..5,
            gaps in prop::collection::vec((0_u64..30, any::<bool>()), 1..200),
        ) {
            let mut limit = LogLimit::new(most, MINUTE);
            let (mut now, mut changes, mut told) = (0, 0, 0);
            let mut lines = Vec::new();
            for (gap, is_change) in gaps {
                now += gap;
                changes += u64::from(is_change);
                let said = if is_change { limit.allow(at(now)) } else { limit.settle(at(now)) };
                if let Some(unsaid) = said {
                    lines.push(now);
                    told += unsaid.lines + u64::from(is_change);
                }
            }
            told += limit.settle(at(now + 60)).map_or(0, |unsaid| unsaid.lines);
            prop_assert_eq!(told, changes);
            // Two windows may lie close together, so any minute sees two limits at most.
            for (index, first) in lines.iter().enumerate() {
                let within = lines.iter().skip(index).take_while(|line| **line < first + 60).count();
                prop_assert!(within <= 2 * most.max(1) as usize);
            }
        }
    }
}
