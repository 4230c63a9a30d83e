//! The border between the card layer and what reaches cards: a PC/SC reader, a PN532.
//!
//! A coupler knows how to see what lies on its pad and how to carry single commands to it. What a
//! sector holds, which key opens it, what is tried again and what an event says of it is the card
//! layer's business.

use std::time::Duration;

use async_trait::async_trait;
use rfid_core::{Error, Result};

use crate::model::{Block, CardKind, Key, KeySlot, Uid};

/// What reaches the cards on one pad.
///
/// *Order of calls*: `(open (look | card commands)* close)*`; `close` is allowed in every state.
/// Card commands mean the card of the latest target that [`Coupler::look`] or
/// [`Coupler::select`] gave; after [`CardFault::KeyRefused`] the card is silent until it is
/// selected again.
///
/// *Cancel safety*: [`Coupler::look`] loses nothing. Every call may be dropped and leaves the
/// coupler usable; after a dropped card command the card has to be selected again, and what was
/// being written is to be looked at. *Secrets*: keys and what is written to a trailer stand in no
/// error, log line or `Debug`.
#[async_trait]
pub trait Coupler: Send {
    /// Reaches the reader and brings it into a known state.
    ///
    /// *Errors*: `Connect`, `Io`, `Protocol`, `Timeout`, `Busy`, `Denied`.
    async fn open(&mut self) -> Result<CouplerInfo>;

    /// Waits until something else lies on the pad than the caller knows of, at most for
    /// `patience`, and says what lies there now.
    ///
    /// *Behaviour*: looks at least once, and with nothing new returns after `patience` with what is
    /// known. A card that went and came, or was swapped, since the last call is another [`Pad::Card`] only if its
    /// UID differs. Waits without using the processor beyond what the transport needs to notice
    /// cards; sees a card that is laid on within 150 ms where the reader allows. *Errors*: of the
    /// link to the reader; what a card does is never one.
    async fn look(&mut self, known: &Pad, patience: Duration) -> Result<Pad>;

    /// Selects the card with this UID anew, which forgets every authentication.
    ///
    /// *Errors*: [`CardFault::Gone`] if none answers or another one does.
    async fn select(&mut self, uid: &Uid) -> Result<Target, CardFault>;

    /// Opens the sector of this block.
    ///
    /// *Errors*: [`CardFault::KeyRefused`]; whoever wants to know whether the card is gone instead
    /// selects it again.
    async fn authenticate(&mut self, block: u8, slot: KeySlot, key: &Key) -> Result<(), CardFault>;

    /// Reads a block of the sector that is open.
    async fn read_block(&mut self, block: u8) -> Result<Block, CardFault>;

    /// Writes a block of the sector that is open. A failed write is unknown, not undone.
    async fn write_block(&mut self, block: u8, content: &Block) -> Result<(), CardFault>;

    /// Adds to or takes from a value block and keeps the result in it.
    async fn change_value(&mut self, block: u8, change: ValueChange) -> Result<(), CardFault>;

    /// Copies a value block to another of the same sector, the address that it carries included.
    ///
    /// *Errors*: [`CardFault::Unsupported`] where the reader offers no such command.
    async fn copy_value(&mut self, from: u8, to: u8) -> Result<(), CardFault>;

    /// Lets go of the card, so that others may use it, and of its keys in the reader.
    async fn release(&mut self);

    /// Lets go of the reader.
    async fn close(&mut self);
}

/// What a coupler found out about its reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CouplerInfo {
    /// Maker and model, as far as they are known.
    pub model: String,
    /// Firmware, as the reader writes it.
    pub firmware: String,
    /// Serial number or another lasting identity, if the reader has one.
    pub serial: Option<String>,
}

/// What lies on a pad.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Pad {
    /// Nothing.
    #[default]
    Empty,
    /// One card that answers.
    Card(Target),
    /// Several cards: none of them is chosen.
    Several,
    /// Something that is there and does not answer as a card does.
    Unreadable,
}

/// A card that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its UID.
    pub uid: Uid,
    /// Its kind, from SAK or ATR, whichever the transport is told.
    pub kind: CardKind,
}

/// What is done to a value block. Amounts are unsigned; overflow is the caller's to rule out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueChange {
    /// Adds.
    Increment(u32),
    /// Takes away.
    Decrement(u32),
}

/// What a card did not do.
#[derive(Debug)]
pub enum CardFault {
    /// The key does not open the sector. The card is silent until it is selected again.
    KeyRefused,
    /// The sector is not open, or its access bits refuse.
    AccessRefused,
    /// The card does not answer any more.
    Gone,
    /// The answer was not one, as at the edge of the field: select, and try again.
    Garbled,
    /// The card or the reader has no such command.
    Unsupported,
    /// The reader answered with a status that the driver does not know.
    Unexpected(u16),
    /// The reader failed, not the card.
    Coupler(Error),
}
