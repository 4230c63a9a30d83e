//! Rules that turn reads into who is here, ours and others, behind one trait.
//!
//! Each is as its document describes it, with the figures that the document recommends. Where it
//! leaves something open, the rule takes what serves it best, and says so.

mod ale;
mod edgex;
mod one_read;
mod ours;
mod smurf;

use std::time::Duration;

use rfid_core::presence::PresenceSettings;
use rfid_core::{Listening, ReadBuf, Stamp, TagId};

pub use ale::Ale;
pub use edgex::EdgeX;
pub use one_read::OneRead;
pub use ours::Ours;
pub use smurf::Smurf;

/// A rule that says who comes and goes.
pub trait Rule {
    /// Takes in a batch of reads. Time was passed up to its receive time before.
    fn hear(&mut self, batch: &ReadBuf, said: &mut Vec<Statement>);

    /// Lets time pass up to `now`.
    fn pass(&mut self, now: Stamp, said: &mut Vec<Statement>);

    /// Takes in which antennas are listening since `at`, which may lie in the past. Most rules
    /// take no notice.
    fn listening(&mut self, listening: &Listening, at: Stamp) {
        let _ = (listening, at);
    }
}

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Of which tag.
    pub tag: TagId,
    /// What.
    pub what: What,
    /// When it was said, on the monotonic clock.
    pub at: Duration,
}

/// What happened, as a rule has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A tag is here now.
    Arrived {
        /// Whether this continues a visit that was said to be over, so that nobody is told again.
        revisit: bool,
    },
    /// A tag that is here is now in another zone.
    Moved,
    /// A tag is gone.
    Departed,
}

/// Names of all rules, ours first.
pub const NAMES: [&str; 5] = ["ours", "one-read", "ale", "edgex", "smurf"];

/// The rule of this name, with its recommended figures.
pub fn by_name(name: &str) -> Option<Box<dyn Rule>> {
    Some(match name {
        "ours" => Box::new(Ours::new(PresenceSettings::default())),
        "one-read" => Box::new(OneRead::default()),
        "ale" => Box::new(Ale::default()),
        "edgex" => Box::new(EdgeX::default()),
        "smurf" => Box::new(Smurf::default()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
