//! Time, handed in: nothing in this crate asks the machine what time it is except
//! [`SystemClock`], so a test runs a day in a second.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::time::Instant;

use crate::replay_clock::Attendance;

/// A moment in UTC, in nanoseconds since 1970-01-01T00:00:00Z. Reaches to the year 2554.
///
/// As text and in JSON it is RFC 3339: `2026-11-24T13:18:54.123456Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcTime(u64);

impl UtcTime {
    /// From nanoseconds since the epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time passed since `earlier`, zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The moment this much later; the last representable one on overflow.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanos(span)))
    }

    /// The moment this much earlier; the epoch where that would lie before it.
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(span)))
    }
}

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(timestamp) => fmt::Display::fmt(&timestamp, f),
            Err(_) => write!(f, "{}ns", self.0),
        }
    }
}

impl Serialize for UtcTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UtcTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// From RFC 3339 text, `2026-11-24T08:00:00Z`, with `Z` or an offset.
impl FromStr for UtcTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let timestamp: jiff::Timestamp = text.parse().map_err(|error: jiff::Error| error.to_string())?;
        u64::try_from(timestamp.as_nanosecond())
            .map(Self)
            .map_err(|_| "a time between 1970 and 2554 was expected".to_owned())
    }
}

/// One moment on both clocks of the host.
///
/// `monotonic` never jumps and decides every time-out; `utc` is what people see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Time since the clock was made. Never goes back, never jumps.
    pub monotonic: Duration,
    /// Wall-clock time, which may be set by hand or by NTP at any moment.
    pub utc: UtcTime,
}

impl Stamp {
    /// Time passed on the monotonic clock since `earlier`, zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.monotonic.saturating_sub(earlier.monotonic)
    }
}

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The present moment on both clocks.
    fn now(&self) -> Stamp;

    /// A place among those whom the clock waits for before it moves on. Most clocks wait for
    /// nobody; that of a replay does ([`ReplayClock`](crate::ReplayClock)).
    fn attend(&self) -> Option<Attendance> {
        None
    }
}

/// The machine's own clocks.
///
/// The monotonic part is tokio's, so a test that pauses tokio's time pauses this clock as well.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic part starts at zero now.
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Stamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Stamp { monotonic: self.start.elapsed(), utc: UtcTime(nanos(since_epoch)) }
    }
}

/// A clock that moves only when told to.
#[derive(Debug, Default)]
pub struct ManualClock {
    monotonic_nanos: AtomicU64,
    utc_nanos: AtomicU64,
}

impl ManualClock {
    /// A clock that stands at `utc`, with its monotonic part at zero.
    pub fn at(utc: UtcTime) -> Self {
        Self { monotonic_nanos: AtomicU64::new(0), utc_nanos: AtomicU64::new(utc.0) }
    }

    /// Lets time pass on both clocks.
    pub fn advance(&self, span: Duration) {
        self.monotonic_nanos.fetch_add(nanos(span), Ordering::SeqCst);
        self.utc_nanos.fetch_add(nanos(span), Ordering::SeqCst);
    }

    /// Sets the wall clock, as an administrator or NTP would; the monotonic clock does not move.
    pub fn set_utc(&self, utc: UtcTime) {
        self.utc_nanos.store(utc.0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Stamp {
        Stamp {
            monotonic: Duration::from_nanos(self.monotonic_nanos.load(Ordering::SeqCst)),
            utc: UtcTime(self.utc_nanos.load(Ordering::SeqCst)),
        }
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utc_time_is_rfc_3339_in_json() {
        let time = UtcTime::from_nanos(1_101_973_245_003_590_000);
        assert_eq!(serde_json::to_string(&time).unwrap(), r#""2004-12-02T07:40:45.00359Z""#);
        assert_eq!(serde_json::from_str::<UtcTime>(r#""2004-12-02T07:40:45.00359Z""#).unwrap(), time);
        assert!(serde_json::from_str::<UtcTime>(r#""1969-12-31T23:59:59Z""#).is_err());
    }

    #[test]
    fn a_moment_later_or_earlier_stays_representable() {
        let (time, span) = (UtcTime::from_nanos(5), Duration::from_nanos(3));
        assert_eq!((time.plus(span), time.minus(span)), (UtcTime::from_nanos(8), UtcTime::from_nanos(2)));
        assert_eq!(time.minus(Duration::MAX), UtcTime::from_nanos(0));
        assert_eq!(time.plus(Duration::MAX), UtcTime::from_nanos(u64::MAX));
    }

    #[test]
    fn a_wall_clock_set_back_does_not_move_the_monotonic_one() {
        let clock = ManualClock::at(UtcTime::from_nanos(1_000_000_000_000));
        let before = clock.now();
        clock.advance(Duration::from_secs(1));
        clock.set_utc(UtcTime::from_nanos(0));
        let after = clock.now();
        assert_eq!(after.since(before), Duration::from_secs(1));
        assert_eq!(after.utc.since(before.utc), Duration::ZERO);
    }
}
