//! Times as the read path carries and keeps them.

use std::time::Duration;

use crate::clock::{Stamp, UtcTime};

/// Nanoseconds on the monotonic clock, or a span of it. Signed, since a visit that is restored
/// from a checkpoint began before this run's clock did.
pub(super) type Nanos = i64;

/// A moment on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct At {
    pub(super) mono: Nanos,
    /// Nanoseconds UTC.
    pub(super) utc: u64,
}

impl At {
    /// The moment this much earlier; the same for a span below zero.
    pub(super) fn earlier(self, span: Nanos) -> Self {
        let span = span.max(0);
        Self { mono: self.mono - span, utc: self.utc.saturating_sub(span.unsigned_abs()) }
    }

    pub(super) fn utc(self) -> UtcTime {
        UtcTime::from_nanos(self.utc)
    }
}

impl From<Stamp> for At {
    #[inline]
    fn from(stamp: Stamp) -> Self {
        Self { mono: nanos(stamp.monotonic), utc: stamp.utc.as_nanos() }
    }
}

/// A span in nanoseconds, the longest that there is for one beyond 292 years.
#[inline]
pub(super) fn nanos(span: Duration) -> Nanos {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}

/// A span as the standard library's, zero for one below zero.
pub(super) fn span(nanos: Nanos) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

/// Whole milliseconds of a span, zero for one below zero.
pub(super) fn millis(nanos: Nanos) -> u64 {
    u64::try_from(nanos / 1_000_000).unwrap_or(0)
}

/// Eight bytes that are aligned to four, so that what is kept of a tag has no holes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Packed {
    low: u32,
    high: u32,
}

impl Packed {
    #[inline]
    pub(super) const fn of(value: i64) -> Self {
        Self { low: value as u32, high: (value >> 32) as u32 }
    }

    #[inline]
    pub(super) const fn get(self) -> i64 {
        ((self.high as i64) << 32) | self.low as i64
    }
}

/// An [`At`] without holes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PackedAt {
    mono: Packed,
    utc: Packed,
}

impl From<At> for PackedAt {
    #[inline]
    fn from(at: At) -> Self {
        Self { mono: Packed::of(at.mono), utc: Packed::of(at.utc.cast_signed()) }
    }
}

impl PackedAt {
    #[inline]
    pub(super) const fn mono(self) -> Nanos {
        self.mono.get()
    }

    pub(super) fn get(self) -> At {
        At { mono: self.mono.get(), utc: self.utc.get().cast_unsigned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_keeps_every_value() {
        for value in [0, 1, -1, i64::MIN, i64::MAX, 0x1234_5678_9ABC_DEF0, -0x1234_5678_9ABC_DEF0] {
            assert_eq!(Packed::of(value).get(), value);
        }
        let at = At { mono: -5, utc: u64::MAX };
        assert_eq!(PackedAt::from(at).get(), at);
    }
}
