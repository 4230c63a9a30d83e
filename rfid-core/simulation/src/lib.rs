//! A simulated door, and how well rules of presence do at it.
//!
//! A day at the door is made from a seed: visitors whose cards are shadowed in bursts, ghosts,
//! passers-by, people who sit where they are hardly heard, outages of the reader, and clocks that
//! are wrong. Each rule gets the same day, and what it says is held against what truly happened.
//! The same seed gives the same day and the same scores, on every machine.
//!
//! What a figure of your own does to your door, before you put it into a configuration:
//!
//! ```
//! use std::time::Duration;
//!
//! use rfid_core::DurationText;
//! use rfid_core::presence::PresenceSettings;
//! use rfid_simulation::{Door, Score, rules::Ours};
//!
//! let door = Door::new(7);
//! let patient = PresenceSettings {
//!     lost_after: DurationText(Duration::from_secs(60)),
//!     ..PresenceSettings::default()
//! };
//! let said = door.play(&mut Ours::new(patient));
//! let score = Score::new("patient", &door, &said);
//! println!("{} of {} missed, departed after {:?} ms", score.missed, score.visits, score.exit_ms_median);
//! assert_eq!(score.exits_by_outage, 0);
//! ```
//!
//! | you want to | start at |
//! |---|---|
//! | know what happens at the door | [`door`] |
//! | try a rule of your own | [`rules::Rule`] |
//! | know what is counted | [`Score`] |
#![forbid(unsafe_code)]

pub mod door;
mod random;
pub mod rules;
mod score;

pub use door::Door;
pub use rules::Rule;
pub use score::Score;

/// The scores of these rules on the day of this seed, in the order of the names. Names that no
/// rule has are left out; [`rules::NAMES`] are those there are.
pub fn compare<'a>(seed: u64, names: impl IntoIterator<Item = &'a str>) -> Vec<Score> {
    let door = Door::new(seed);
    let score = |name| Some(Score::new(name, &door, &door.play(&mut *rules::by_name(name)?)));
    names.into_iter().filter_map(score).collect()
}
