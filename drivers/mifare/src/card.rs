//! One card on the pad: sectors opened, blocks read and written, and tried again where that can
//! help.

use rfid_core::{Error, ErrorKind, Retry};

use crate::coupler::{CardFault, Coupler};
use crate::model::{Block, Key, KeySlot, Sector, Trailer, Uid, is_trailer};

/// How often a command is sent at the edge of the field before the card counts as unreadable (§6).
const ATTEMPTS: u32 = 3;

/// A card that is worked on. Every command names it by its UID, so that a card which is laid in
/// its place is noticed.
pub(crate) struct Card<'a> {
    coupler: &'a mut dyn Coupler,
    uid: Uid,
    open: Option<(Sector, KeySlot, Key)>,
}

impl<'a> Card<'a> {
    /// The card with this UID, selected anew.
    pub(crate) async fn select(coupler: &'a mut dyn Coupler, uid: Uid) -> Result<Self, CardFault> {
        coupler.select(&uid).await?;
        Ok(Self::selected(coupler, uid))
    }

    /// The card with this UID, which the caller has selected.
    pub(crate) fn selected(coupler: &'a mut dyn Coupler, uid: Uid) -> Self {
        Self { coupler, uid, open: None }
    }

    pub(crate) fn uid(&self) -> &Uid {
        &self.uid
    }

    /// Opens a sector. After a refused key the card is ready for another one.
    ///
    /// # Errors
    /// `KeyRefused` only if the card is still there.
    pub(crate) async fn open(&mut self, sector: Sector, slot: KeySlot, key: &Key) -> Result<(), CardFault> {
        self.open = None;
        for attempt in 1.. {
            let outcome = self.coupler.authenticate(sector.first_block(), slot, key).await;
            match outcome {
                Ok(()) => break,
                Err(fault @ (CardFault::KeyRefused | CardFault::AccessRefused | CardFault::Garbled)) => {
                    self.coupler.select(&self.uid).await?;
                    if matches!(fault, CardFault::KeyRefused) || attempt == ATTEMPTS {
                        return Err(fault);
                    }
                }
                Err(fault) => return Err(fault),
            }
        }
        self.open = Some((sector, slot, key.clone()));
        Ok(())
    }

    /// Reads a block of the open sector.
    pub(crate) async fn read(&mut self, block: u8) -> Result<Block, CardFault> {
        for attempt in 1.. {
            match self.coupler.read_block(block).await {
                Ok(content) => return Ok(content),
                Err(fault) => self.recover(fault, attempt).await?,
            }
        }
        Err(CardFault::Garbled)
    }

    /// Writes a block of data of the open sector and reads it back.
    pub(crate) async fn write(&mut self, block: u8, content: &Block) -> Result<(), CardFault> {
        if is_trailer(block) || block == 0 {
            return Err(CardFault::Unsupported);
        }
        for attempt in 1.. {
            match self.coupler.write_block(block, content).await {
                Ok(()) => break,
                Err(fault) => self.recover(fault, attempt).await?,
            }
        }
        if self.read(block).await? == *content { Ok(()) } else { Err(CardFault::Garbled) }
    }

    /// Writes the trailer of the open sector, once: after a write whose outcome is not known, it
    /// is not known either which keys the card has. The sector is closed then.
    pub(crate) async fn write_trailer(&mut self, sector: Sector, trailer: &Trailer) -> Result<(), CardFault> {
        self.open = None;
        self.coupler.write_block(sector.trailer(), &trailer.encode()).await?;
        self.coupler.select(&self.uid).await.map(drop)
    }

    /// Makes the card ready for another attempt, unless that cannot help.
    async fn recover(&mut self, fault: CardFault, attempt: u32) -> Result<(), CardFault> {
        let limit = match fault {
            // Either the access bits, or the session was lost on the way (§1.5).
            CardFault::AccessRefused => 2,
            CardFault::Garbled => ATTEMPTS,
            CardFault::KeyRefused
            | CardFault::Gone
            | CardFault::Unsupported
            | CardFault::Unexpected(_)
            | CardFault::Coupler(_) => 0,
        };
        let Some((sector, slot, key)) = self.open.clone().filter(|_| attempt < limit) else {
            return Err(fault);
        };
        self.coupler.select(&self.uid).await?;
        self.coupler.authenticate(sector.first_block(), slot, &key).await?;
        Ok(())
    }
}

/// What a card did not do, in words for the operator.
pub(crate) fn error(op: &'static str, fault: CardFault) -> Error {
    let (kind, detail) = match fault {
        CardFault::KeyRefused => (ErrorKind::Denied, "the key does not open this sector"),
        CardFault::AccessRefused => (ErrorKind::Denied, "the access bits of this sector do not allow it"),
        CardFault::Gone => (ErrorKind::TagLost, "the card is gone, or another one lies in its place"),
        CardFault::Garbled => {
            (ErrorKind::TagLost, "the card answers only in part; lay it flat on the pad and leave it there")
        }
        CardFault::Unsupported => (ErrorKind::Unsupported, "the card or the reader cannot do this"),
        CardFault::Unexpected(status) => {
            return Error::new(ErrorKind::Protocol, op)
                .with_detail(format!("the reader answers {status:04X}, which this driver does not know"))
                .with_vendor_code(i64::from(status))
                .with_retry(Retry::Never);
        }
        CardFault::Coupler(error) => return error,
    };
    Error::new(kind, op).with_detail(detail)
}
