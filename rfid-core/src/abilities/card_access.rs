//! Cards whose sectors are protected by keys: reading and writing them, and personalising.

use std::fmt;

use async_trait::async_trait;

use crate::error::Result;
use crate::settings::Secret;
use crate::tag_id::TagId;

/// A block of a card.
pub type CardBlock = [u8; 16];

/// Memory of cards at 13.56 MHz.
///
/// Every call but [`CardAccess::card`] names the card that it is meant for. *Errors* of all of
/// them: `TagLost` when no card lies there, several do, or it is another one; `Denied` when a key
/// does not open a sector or its conditions do not allow it; `Unsupported` for what the card, the
/// reader or the options cannot do. No error carries a key or what was to be written. *Cancel
/// safety*: none; after a dropped call look at the card before anything is tried again. A card
/// that is pulled away while data are written keeps what it had or has what was to be written.
#[async_trait]
pub trait CardAccess: Send {
    /// The card on the pad.
    async fn card(&mut self) -> Result<CardOnPad>;

    /// Reads all blocks of a sector, as far as the key may; keys come back as zeros.
    async fn read_sector(&mut self, card: &TagId, sector: u8, key: &SectorKey) -> Result<Vec<CardBlock>>;

    /// Writes one block of data and reads it back. Blocks count through all sectors, from 0.
    ///
    /// *Errors*: `Unsupported` for a block that holds keys and conditions, and for block 0.
    async fn write_block(&mut self, card: &TagId, block: u8, key: &SectorKey, data: &CardBlock)
    -> Result<()>;

    /// What [`CardAccess::write_number`] would do. Writes nothing.
    async fn plan_number(&mut self, card: &TagId, number: &str) -> Result<NumberPlan>;

    /// Writes a customer number and makes sure that it stands on the card, signed and under keys
    /// of the card's own; a new card gets these last. May be called again after an error, and
    /// goes on from there.
    async fn write_number(&mut self, card: &TagId, number: &str) -> Result<NumberPlan>;

    /// Makes the sector of the customer number what it was at the factory.
    async fn format(&mut self, card: &TagId) -> Result<()>;
}

/// A card and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardOnPad {
    /// Its UID.
    pub id: TagId,
    /// Its kind in words, as it claims.
    pub kind: &'static str,
    /// How many sectors it has; none that keys protect: 0.
    pub sectors: u8,
    /// Whether its UID is another one each time it is laid on, and so no identity.
    pub is_random: bool,
}

/// What opens a sector.
#[derive(Clone)]
pub enum SectorKey {
    /// Key A as cards leave the factory.
    Factory,
    /// Key A of this card, derived from the secret that the options name for reading.
    Reading,
    /// Key B of this card, derived from the secret that the options name for writing.
    Writing,
    /// Key A, in twelve hexadecimal digits.
    A(Secret),
    /// Key B, in twelve hexadecimal digits.
    B(Secret),
}

/// Names which key it is, without the key.
impl fmt::Debug for SectorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Factory => "Factory",
            Self::Reading => "Reading",
            Self::Writing => "Writing",
            Self::A(_) => "A(***)",
            Self::B(_) => "B(***)",
        })
    }
}

/// What writing a customer number to a card comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberPlan {
    /// Sector of the number.
    pub sector: u8,
    /// Block that is written.
    pub block: u8,
    /// The number that the card has so far.
    pub replaces: Option<String>,
    /// Whether the factory's keys give way to keys of the card's own.
    pub changes_keys: bool,
}
