//! A desk where cards are encoded: what the service asks of it, and what it tells while it works.

use std::fmt;

use async_trait::async_trait;
use rfid_core::{Error, ErrorKind, Name, TagId};
use tokio::sync::mpsc;

/// Steps that wait to be taken in; whoever is slower misses some, and is told of the next.
const WAITING: usize = 16;

/// A desk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desk {
    /// Its name in the configuration.
    pub name: String,
    /// The branch in which it stands, if that is said.
    pub branch: Option<Name>,
}

/// What lies on a desk: one card, heard by its UHF reader and by its pad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnDesk {
    /// EPC that the tag answers with.
    pub epc: TagId,
    /// UID of the chip.
    pub uid: TagId,
    /// Number that stands in the chip, where it can be read.
    pub number: Option<String>,
}

/// What is to stand on a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodePlan {
    /// UID of the chip that it is for.
    pub uid: TagId,
    /// EPC that the tag shall answer with.
    pub epc: TagId,
    /// Number that shall stand in the chip.
    pub number: String,
}

/// What a desk is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeskStep {
    /// It looks for a chip on the pad.
    Pad,
    /// It listens for a tag before the antenna.
    Antenna,
    /// It writes the chip.
    Chip,
    /// It writes the tag.
    Tag,
    /// It locks the tag.
    Lock,
    /// It reads back what was written.
    ReadBack,
}

impl DeskStep {
    /// All of them, in their order.
    pub const ALL: [Self; 6] = [Self::Pad, Self::Antenna, Self::Chip, Self::Tag, Self::Lock, Self::ReadBack];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pad => "pad",
            Self::Antenna => "antenna",
            Self::Chip => "chip",
            Self::Tag => "tag",
            Self::Lock => "lock",
            Self::ReadBack => "read_back",
        }
    }
}

/// What is in the way at a desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeskTrouble {
    /// No card lies on the pad, or it does not answer.
    NoCard,
    /// Several cards lie on the pad.
    SeveralCards,
    /// No tag is heard before the antenna.
    NoTag,
    /// Several tags are heard.
    SeveralTags,
    /// Another card lies there than a moment ago.
    Swapped,
    /// The card was taken away while it was written.
    TornAway,
    /// The card makes up a UID each time.
    RandomUid,
    /// The card does not let itself be written.
    Locked,
    /// What was read back is not what was written.
    NotAsWritten,
    /// The pad cannot be reached.
    PadLost,
    /// The UHF reader cannot be reached.
    AntennaLost,
    /// The desk is not set up so that it can do this.
    NotSetUp,
}

impl DeskTrouble {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoCard => "no_card",
            Self::SeveralCards => "several_cards",
            Self::NoTag => "no_tag",
            Self::SeveralTags => "several_tags",
            Self::Swapped => "swapped",
            Self::TornAway => "torn_away",
            Self::RandomUid => "random_uid",
            Self::Locked => "locked",
            Self::NotAsWritten => "not_as_written",
            Self::PadLost => "pad_lost",
            Self::AntennaLost => "antenna_lost",
            Self::NotSetUp => "not_set_up",
        }
    }

    /// Whether whoever stands at the desk mends it by laying the card right, or it may mend itself: then the desk
    /// is asked again.
    pub const fn passes(self) -> bool {
        !matches!(self, Self::RandomUid | Self::Locked | Self::NotSetUp)
    }
}

/// Why a desk did not do what it was asked.
#[derive(Debug)]
pub struct DeskFault {
    /// What is in the way.
    pub trouble: DeskTrouble,
    /// What happened and what to do, for whoever stands at the desk and for the log.
    pub error: Error,
}

impl DeskFault {
    /// This is in the way.
    pub fn new(trouble: DeskTrouble, error: Error) -> Self {
        Self { trouble, error }
    }

    /// What an error at a step means, where nothing more is known of it.
    pub fn at(step: DeskStep, error: Error) -> Self {
        let is_on_pad = matches!(step, DeskStep::Pad | DeskStep::Chip);
        let is_written = matches!(step, DeskStep::Chip | DeskStep::Tag | DeskStep::Lock);
        let trouble = match error.kind() {
            ErrorKind::Config | ErrorKind::Unsupported | ErrorKind::Regulatory => DeskTrouble::NotSetUp,
            ErrorKind::Denied => DeskTrouble::Locked,
            ErrorKind::TagLost if is_written => DeskTrouble::TornAway,
            ErrorKind::TagLost if is_on_pad => DeskTrouble::NoCard,
            ErrorKind::TagLost => DeskTrouble::NoTag,
            _ if is_on_pad => DeskTrouble::PadLost,
            _ => DeskTrouble::AntennaLost,
        };
        Self { trouble, error }
    }
}

impl fmt::Display for DeskFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for DeskFault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Where a desk tells what it is at. Telling never waits.
#[derive(Clone, Debug, Default)]
pub struct Steps(Option<mpsc::Sender<DeskStep>>);

impl Steps {
    /// Nobody is told.
    pub fn unheard() -> Self {
        Self(None)
    }

    /// Steps, and who is told of them.
    pub fn channel() -> (Self, mpsc::Receiver<DeskStep>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(Some(sender)), receiver)
    }

    /// The desk is at this step now.
    pub fn tell(&self, step: DeskStep) {
        if let Some(sender) = &self.0 {
            // Who is too slow is told of a later one.
            let _ = sender.try_send(step);
        }
    }
}

/// Desks where cards are encoded: each a UHF reader and a pad.
#[async_trait]
pub trait CardDesk: Send + Sync {
    /// All desks, by name.
    fn desks(&self) -> Vec<Desk>;

    /// What lies on the desk of this name. Tells the steps [`DeskStep::Pad`] and [`DeskStep::Antenna`].
    async fn look(&self, desk: &str, steps: &Steps) -> Result<OnDesk, DeskFault>;

    /// Writes a card that lies there, locks it, and reads it back. Allowed again after a failure.
    async fn encode(&self, desk: &str, plan: &EncodePlan, steps: &Steps) -> Result<OnDesk, DeskFault>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_means_something_else_at_each_step() {
        for (step, kind, trouble) in [
            (DeskStep::Pad, ErrorKind::TagLost, DeskTrouble::NoCard),
            (DeskStep::Antenna, ErrorKind::TagLost, DeskTrouble::NoTag),
            (DeskStep::ReadBack, ErrorKind::TagLost, DeskTrouble::NoTag),
            (DeskStep::Chip, ErrorKind::TagLost, DeskTrouble::TornAway),
            (DeskStep::Tag, ErrorKind::TagLost, DeskTrouble::TornAway),
            (DeskStep::Chip, ErrorKind::Denied, DeskTrouble::Locked),
            (DeskStep::Pad, ErrorKind::Io, DeskTrouble::PadLost),
            (DeskStep::Tag, ErrorKind::Timeout, DeskTrouble::AntennaLost),
            (DeskStep::Pad, ErrorKind::Config, DeskTrouble::NotSetUp),
        ] {
            assert_eq!(DeskFault::at(step, Error::new(kind, "look")).trouble, trouble, "{step:?} {kind:?}");
        }
    }

    #[test]
    fn telling_never_waits_and_never_fails() {
        let (steps, mut told) = Steps::channel();
        for _ in 0..2 * WAITING {
            steps.tell(DeskStep::Pad);
        }
        assert_eq!(told.len(), WAITING);
        assert_eq!(told.try_recv(), Ok(DeskStep::Pad));
        drop(told);
        steps.tell(DeskStep::Tag);
        Steps::unheard().tell(DeskStep::Tag);
    }
}
