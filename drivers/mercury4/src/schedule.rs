//! Autonomous mode that begins and ends by the reader's own clock (§5.3).

use std::time::Duration;

use rfid_core::{Error, ErrorKind, Result, UtcTime};
use rfid_driver_link::Stream;
use tokio::time::Instant;

use crate::wire::Wire;

/// From when until when, in the reader's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    begin: UtcTime,
    end: Option<UtcTime>,
}

impl Schedule {
    /// From `BEGIN` or `BEGIN/END` in RFC 3339.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (begin, end) = match text.split_once('/') {
            Some((begin, end)) => (begin.parse().ok()?, Some(end.parse().ok()?)),
            None => (text.parse().ok()?, None),
        };
        end.is_none_or(|end| end > begin).then_some(Self { begin, end })
    }

    /// As the statement `SET auto_time` takes it.
    pub(crate) fn text(self) -> String {
        match self.end {
            Some(end) => format!("{}/{end}", self.begin),
            None => self.begin.to_string(),
        }
    }

    /// When that is by our clock, after asking the reader for its time.
    pub(crate) async fn window<S: Stream>(self, wire: &mut Wire<S>) -> Result<Window> {
        let unknown = |said: &str| {
            Error::new(ErrorKind::Protocol, "open")
                .with_detail(format!("{said:?} is not a time of the reader"))
        };
        let answer = wire.ask("open", "SELECT current_time FROM settings").await?;
        let said = answer.ok().flatten().unwrap_or_default();
        // UTC without a letter for the zone (§3.3).
        let reader_now: UtcTime = format!("{}Z", said.trim()).parse().map_err(|_| unknown(&said))?;
        let now = wire.now();
        let at = |time: UtcTime| now + time.since(reader_now);
        Ok(Window { begins: at(self.begin), ends: self.end.map(at) })
    }
}

/// From when until when frames are to be expected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    begins: Instant,
    ends: Option<Instant>,
}

/// How long a reader that is not to read yet, or no more, goes without a sign of life of ours.
pub(crate) const REST: Duration = Duration::from_secs(5);

impl Window {
    /// Whether the reader is not to read at this moment.
    pub(crate) fn is_closed(self, now: Instant) -> bool {
        now < self.begins || self.ends.is_some_and(|ends| now >= ends)
    }

    /// When it opens.
    pub(crate) fn begins(self) -> Instant {
        self.begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_has_a_begin_and_perhaps_an_end_behind_it() {
        let both = Schedule::parse("2026-11-24T08:00:00Z/2026-11-24T18:00:00+08:00").unwrap();
        assert_eq!(both.text(), "2026-11-24T08:00:00Z/2026-11-24T10:00:00Z");
        assert_eq!(Schedule::parse("2026-11-24T08:00Z").unwrap().text(), "2026-11-24T08:00:00Z");
        for wrong in
            ["", "soon", "2026-11-24T08:00:00Z/", "2026-11-24T08:00:00Z/2026-11-24T07:00:00Z", "2026-11-24"]
        {
            assert_eq!(Schedule::parse(wrong), None, "{wrong}");
        }
    }
}
