//! Branches (网点).

use rfid_core::Name;
use serde::{Deserialize, Serialize};

/// A branch of the bank.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Branch {
    /// Its code, as in `[branches.CODE]` of the configuration.
    pub code: Name,
    /// Its name, as people say it.
    pub name: String,
    /// Where it lies, if that is known: for how long a card takes from one branch to another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// Whether it is no longer served; its records stay.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closed: bool,
}

/// A place on the earth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Degrees north, -90 to 90.
    pub latitude: f64,
    /// Degrees east, -180 to 180.
    pub longitude: f64,
}

impl Position {
    /// Mean radius of the earth in kilometres (IUGG).
    const EARTH_KM: f64 = 6371.0;

    /// As the crow flies, in kilometres (haversine).
    pub fn distance_km(self, other: Self) -> f64 {
        let (a, b) = (self.latitude.to_radians(), other.latitude.to_radians());
        let (across, along) = ((b - a) / 2.0, (other.longitude - self.longitude).to_radians() / 2.0);
        let half_chord = across.sin().powi(2) + a.cos() * b.cos() * along.sin().powi(2);
        2.0 * Self::EARTH_KM * half_chord.sqrt().clamp(0.0, 1.0).asin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_degree_along_the_equator_is_111_km() {
        let at = |longitude| Position { latitude: 0.0, longitude };
        assert!((at(0.0).distance_km(at(1.0)) - 111.2).abs() < 0.1);
        assert!((at(-179.5).distance_km(at(179.5)) - 111.2).abs() < 0.1);
        assert_eq!(at(7.0).distance_km(at(7.0)), 0.0);
    }
}
