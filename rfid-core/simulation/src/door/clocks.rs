//! The clocks of the host and of the reader, none of which is right all day.

use std::time::Duration;

use rfid_core::{Stamp, UtcTime};

use super::figures::{CLOCK_SET, MINUTE, MORNING_NS, READER_STARTS_AT_NS, ROUND};

/// This many rounds as time.
pub(super) fn time(rounds: u32) -> Duration {
    ROUND * rounds
}

/// What the host's two clocks show in this round.
pub(super) fn host(round: u32) -> Stamp {
    let wrong_by = CLOCK_SET.iter().rev().find(|(minute, _)| minute * MINUTE <= round);
    let wrong_by_ns = wrong_by.map_or(0, |(_, minutes)| minutes * 60_000_000_000);
    let right = MORNING_NS + nanos(round);
    Stamp { monotonic: time(round), utc: UtcTime::from_nanos(right.saturating_add_signed(wrong_by_ns)) }
}

/// What the reader's clock shows in this round if it started in that one.
pub(super) fn reader(round: u32, started: u32) -> UtcTime {
    UtcTime::from_nanos(READER_STARTS_AT_NS + nanos(round.saturating_sub(started)))
}

fn nanos(rounds: u32) -> u64 {
    u64::from(rounds) * ROUND.as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_jumps_and_the_monotonic_one_does_not() {
        let (before, after) = (host(60 * MINUTE - 1), host(60 * MINUTE));
        assert_eq!(after.since(before), ROUND);
        assert!(after.utc < before.utc, "set back by hours");
        assert_eq!(host(135 * MINUTE).utc.to_string(), "2026-03-29T08:15:00Z");
        assert!(host(225 * MINUTE).utc.since(host(225 * MINUTE - 1).utc) > Duration::from_secs(17_000));
    }
}
