//! How long a card takes from one branch to another.

use std::time::Duration;

use crate::record::Position;

/// Nobody is quicker from branch to branch.
const FASTEST_KM_PER_HOUR: f64 = 150.0;
/// What leaving, the way, and entering take at least.
pub(super) const LEAST: Duration = Duration::from_secs(600);

/// The time that the way between two branches takes at least.
pub(super) fn takes(from: Option<Position>, to: Option<Position>) -> Duration {
    let (Some(from), Some(to)) = (from, to) else { return LEAST };
    let hours = from.distance_km(to) / FASTEST_KM_PER_HOUR;
    // What is no place on the earth gives no number.
    Duration::try_from_secs_f64(hours * 3_600.0).unwrap_or(LEAST).max(LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_takes_ten_minutes_at_least() {
        let at = |longitude| Some(Position { latitude: 0.0, longitude });
        assert_eq!(takes(None, at(1.0)), LEAST);
        assert_eq!(takes(at(1.0), at(1.01)), LEAST);
        let degree = takes(at(1.0), at(2.0)).as_secs_f64() / 60.0;
        assert!((degree - 44.5).abs() < 0.1, "{degree}");
        assert_eq!(takes(at(f64::NAN), at(2.0)), LEAST);
    }
}
