//! Commands to a card that is connected, and what counts as their answer. No I/O.
//!
//! An answer is taken only if it is all that was asked for and nothing else: a reader that babbles
//! opens no sector and shows no card.

use rfid_core::{Error, ErrorKind};
use zeroize::Zeroizing;

use super::apdu::{self, KeyPlace, Status};
use crate::coupler::{CardFault, ValueChange};
use crate::model::{Block, Key, KeySlot, Uid};

/// Longest answer that is taken (§1.10).
const ANSWER: usize = 264;

/// What carries commands to a card that is connected.
pub trait Channel {
    /// Sends a command; the answer, its status included, lies in `space` then.
    ///
    /// # Errors
    /// What became of the card or the reader.
    fn transmit<'s>(&self, command: &[u8], space: &'s mut [u8]) -> Result<&'s [u8], CardFault>;
}

/// Commands to one card, from connecting to it until it is let go.
#[derive(Debug)]
pub struct Exchange<'a, C> {
    card: &'a C,
    place: Option<KeyPlace>,
    /// The key of ours that lies in the reader.
    loaded: Option<Loaded>,
}

/// A key in the reader.
#[derive(Debug)]
struct Loaded {
    place: KeyPlace,
    slot: KeySlot,
    key: Key,
    /// It opened what it was for, so the reader kept it.
    is_kept: bool,
}

impl Loaded {
    fn is(&self, slot: KeySlot, key: &Key) -> bool {
        self.is_kept && self.slot == slot && self.key.equals(key)
    }
}

impl<'a, C: Channel> Exchange<'a, C> {
    /// With the card behind this channel; `place` is where the reader wants keys, once that is known.
    pub fn new(card: &'a C, place: Option<KeyPlace>) -> Self {
        Self { card, place, loaded: None }
    }

    /// Where the reader wants keys, as far as it was found out.
    pub fn place(&self) -> Option<KeyPlace> {
        self.place
    }

    /// The card's UID.
    ///
    /// # Errors
    /// `Garbled` for an answer that is none.
    pub fn uid(&self) -> Result<Uid, CardFault> {
        let data = self.command(&apdu::GET_UID)?;
        Uid::try_from(data.as_slice()).map_err(|_| CardFault::Garbled)
    }

    /// Opens the sector of this block.
    ///
    /// # Errors
    /// `KeyRefused` for every answer but the one that says it is open (§1.5).
    pub fn authenticate(&mut self, block: u8, slot: KeySlot, key: &Key) -> Result<(), CardFault> {
        // Nobody else could load one since: the card is ours alone.
        let place = match &self.loaded {
            Some(loaded) if loaded.is(slot, key) => loaded.place,
            _ => self.load(slot, key)?,
        };
        let (data, status) = self.transmit(&apdu::authenticate(place, block, slot))?;
        let is_open = data.is_empty() && status == Status::DONE;
        if let Some(loaded) = &mut self.loaded {
            loaded.is_kept = is_open;
        }
        if is_open { Ok(()) } else { Err(CardFault::KeyRefused) }
    }

    fn load(&mut self, slot: KeySlot, key: &Key) -> Result<KeyPlace, CardFault> {
        let mut last = Status::DONE;
        for place in self.place.map_or(KeyPlace::PROBES.to_vec(), |place| vec![place]) {
            let (data, status) = self.transmit(&*apdu::load_key(place, slot, key))?;
            if data.is_empty() && status == Status::DONE {
                self.place = Some(place);
                self.loaded = Some(Loaded { place, slot, key: key.clone(), is_kept: false });
                return Ok(place);
            }
            last = status;
        }
        let error = Error::new(ErrorKind::Unsupported, "load key")
            .with_detail("the reader takes no key into volatile memory; use another model")
            .with_vendor_code(i64::from(last.0));
        Err(CardFault::Coupler(error))
    }

    /// Reads a block of the open sector.
    ///
    /// # Errors
    /// `Garbled` unless a whole block comes.
    pub fn read(&self, block: u8) -> Result<Block, CardFault> {
        let data = Zeroizing::new(self.command(&apdu::read(block))?);
        data.as_slice().try_into().map_err(|_| CardFault::Garbled)
    }

    /// Writes a block of the open sector.
    ///
    /// # Errors
    /// As the status says; the write is unknown then, not undone.
    pub fn write(&self, block: u8, content: &Block) -> Result<(), CardFault> {
        self.order(&*apdu::write(block, content))
    }

    /// Changes a value in the reader's dialect (§1.4).
    ///
    /// # Errors
    /// `Unsupported` where the reader has none that is known.
    pub fn change_value(&self, block: u8, change: ValueChange) -> Result<(), CardFault> {
        match self.transmit(&apdu::change_value_acs(block, change))? {
            (data, Status::DONE) if data.is_empty() => return Ok(()),
            (_, status) if !status.is_unknown_command() => return Err(status.fault()),
            _ => {}
        }
        let data = self.command(&apdu::change_value_amended(block, change))?;
        match apdu::amended_status(&data) {
            Some(Status::DONE) => Ok(()),
            Some(status) => Err(status.fault()),
            None => Err(CardFault::Garbled),
        }
    }

    /// Copies a value block, where the reader can.
    ///
    /// # Errors
    /// `Unsupported` where it cannot.
    pub fn copy_value(&self, from: u8, to: u8) -> Result<(), CardFault> {
        self.order(&apdu::copy_value_acs(from, to))
    }

    /// Puts the transport key where ours was.
    pub fn forget_key(&mut self) {
        if let Some(Loaded { place, slot, .. }) = self.loaded.take() {
            // The card or the reader may be gone, and the key with it.
            let _ = self.transmit(&*apdu::load_key(place, slot, &Key::transport()));
        }
    }

    /// Sends a command that answers with a status only.
    fn order(&self, command: &[u8]) -> Result<(), CardFault> {
        if self.command(command)?.is_empty() { Ok(()) } else { Err(CardFault::Garbled) }
    }

    /// Sends a command that must succeed.
    fn command(&self, command: &[u8]) -> Result<Vec<u8>, CardFault> {
        match self.transmit(command)? {
            (data, Status::DONE) => Ok(data),
            (_, status) => Err(status.fault()),
        }
    }

    fn transmit(&self, command: &[u8]) -> Result<(Vec<u8>, Status), CardFault> {
        let (data, status) = self.transmit_once(command)?;
        // T=0 readers keep the answer until it is fetched (§1.6).
        match status.0.to_be_bytes() {
            [0x61, length] => self.transmit_once(&[0xFF, 0xC0, 0x00, 0x00, length]),
            _ => Ok((data, status)),
        }
    }

    fn transmit_once(&self, command: &[u8]) -> Result<(Vec<u8>, Status), CardFault> {
        let mut space = Zeroizing::new([0; ANSWER]);
        let bytes = self.card.transmit(command, &mut *space)?;
        let (data, status) = apdu::answer(bytes).ok_or(CardFault::Gone)?;
        Ok((data.to_vec(), status))
    }
}
