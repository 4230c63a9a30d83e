//! The presence of this project.

use rfid_core::presence::{Outcome, Presence, PresenceSettings, ReaderIndex, ReaderPlace, ZoneMap};
use rfid_core::{EventKind, Listening, Name, ReadBuf, Stamp};

use super::{Rule, Statement, What};
use crate::door::{DOOR_PORT, HALL_PORT};

const READER: ReaderIndex = ReaderIndex(0);

/// Tags looked at in one go, as a pipeline does it.
const ADVANCE_BUDGET: usize = 1024;

/// [`Presence`] itself, driven as a pipeline drives it: time passes up to the receive time of a
/// batch, then the batch is observed. The rules stand on the front page of
/// [`rfid_core::presence`].
#[derive(Debug)]
pub struct Ours {
    presence: Presence,
    outcome: Outcome,
}

impl Ours {
    /// With these settings. The door has a zone `door` and a zone `hall`.
    pub fn new(settings: PresenceSettings) -> Self {
        let zones = ZoneMap::ByPort(vec![(DOOR_PORT, Name::from("door")), (HALL_PORT, Name::from("hall"))]);
        let place = ReaderPlace { reader: Name::from("door"), branch: None, zones };
        Self {
            presence: Presence::new(Name::from("simulation"), settings, &[place]),
            outcome: Outcome::default(),
        }
    }

    fn say(&mut self, now: Stamp, said: &mut Vec<Statement>) {
        self.outcome.forgotten.clear();
        said.extend(self.outcome.events.drain(..).filter_map(|event| {
            let what = match event.kind {
                EventKind::Arrived => What::Arrived { revisit: event.revisit },
                EventKind::Moved => What::Moved,
                EventKind::Departed => What::Departed,
                _ => return None,
            };
            Some(Statement { tag: event.tag, what, at: now.monotonic })
        }));
    }
}

impl Rule for Ours {
    fn hear(&mut self, batch: &ReadBuf, said: &mut Vec<Statement>) {
        self.presence.observe(READER, batch, &mut self.outcome);
        self.say(batch.received(), said);
    }

    fn pass(&mut self, now: Stamp, said: &mut Vec<Statement>) {
        self.presence.advance(now, ADVANCE_BUDGET, &mut self.outcome);
        self.say(now, said);
    }

    fn listening(&mut self, listening: &Listening, at: Stamp) {
        self.presence.set_listening(READER, listening, at);
    }
}
