//! Personalising a card: the customer card number in a sector, written so that a card which is
//! pulled away in the middle is not lost (§5).

use rfid_core::{Error, ErrorKind, Result};

use crate::card::{Card, error};
use crate::coupler::CardFault;
use crate::model::{
    AccessBits, BLOCK, Binding, Content, CustomerNumber, DataAccess, Key, KeyPair, KeySlot, Record,
    SecretKey, Sector, Slot, Trailer, Uid,
};

/// Reading with key A, writing with key B (§5.1).
const CONDITIONS: [DataAccess; 3] = [DataAccess::ReadWriteB; 3];

/// What reads records: kept wherever cards are checked.
#[derive(Clone, Debug)]
pub(crate) struct ReadingKeys {
    /// Key A of each card is derived from it.
    pub(crate) reading: SecretKey,
    /// Signs records.
    pub(crate) signing: SecretKey,
    pub(crate) sector: Sector,
}

/// What writes them: kept at the issuing desk only.
#[derive(Clone, Debug)]
pub(crate) struct WritingKeys {
    /// Key B of each card is derived from it.
    pub(crate) writing: SecretKey,
    /// Stands in each record.
    pub(crate) version: u8,
}

/// What was found in the sector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The transport key still opens it.
    Factory(Content),
    /// Our key opens it.
    Ours(Content),
    /// Neither does.
    Locked,
}

/// What writing a number comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) record: Record,
    pub(crate) slot: Slot,
    /// The number that counted until now.
    pub(crate) replaces: Option<CustomerNumber>,
    /// The transport keys give way to ours.
    pub(crate) is_new: bool,
}

impl ReadingKeys {
    pub(crate) fn key_a(&self, uid: &Uid) -> Key {
        self.reading.card_key(uid, self.sector, KeySlot::A)
    }

    fn binding<'a>(&'a self, uid: &'a Uid) -> Binding<'a> {
        Binding { key: &self.signing, uid, sector: self.sector }
    }

    /// Whether a card carries a record that was signed for it.
    ///
    /// # Errors
    /// The card could not be read: nothing is known of it then.
    pub(crate) async fn is_authentic(&self, card: &mut Card<'_>) -> Result<bool, CardFault> {
        let key = self.key_a(card.uid());
        match card.open(self.sector, KeySlot::A, &key).await {
            Ok(()) => {}
            // A card without sectors has no such command.
            Err(CardFault::KeyRefused | CardFault::Unsupported) => return Ok(false),
            Err(fault) => return Err(fault),
        }
        match self.content(card).await {
            Ok(content) => Ok(matches!(content, Content::Current(..))),
            Err(CardFault::AccessRefused) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// What both slots of the open sector say.
    async fn content(&self, card: &mut Card<'_>) -> Result<Content, CardFault> {
        let first = card.read(Slot::First.block(self.sector)).await?;
        let second = card.read(Slot::Second.block(self.sector)).await?;
        Ok(Content::read(&first, &second, self.binding(card.uid())))
    }

    /// Finds out in which state the sector is. It is open for reading then, unless it is locked.
    pub(crate) async fn find(&self, card: &mut Card<'_>) -> Result<Found, CardFault> {
        let ours = self.key_a(card.uid());
        match card.open(self.sector, KeySlot::A, &ours).await {
            Ok(()) => return self.content(card).await.map(Found::Ours),
            Err(CardFault::KeyRefused) => {}
            Err(fault) => return Err(fault),
        }
        match card.open(self.sector, KeySlot::A, &Key::transport()).await {
            Ok(()) => self.content(card).await.map(Found::Factory),
            Err(CardFault::KeyRefused) => Ok(Found::Locked),
            Err(fault) => Err(fault),
        }
    }
}

/// Both sets of keys, at the issuing desk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Desk<'a> {
    pub(crate) reading: &'a ReadingKeys,
    pub(crate) writing: &'a WritingKeys,
}

impl Desk<'_> {
    fn sector(&self) -> Sector {
        self.reading.sector
    }

    fn keys(&self, uid: &Uid) -> Result<KeyPair> {
        let b = self.writing.writing.card_key(uid, self.sector(), KeySlot::B);
        KeyPair::new(self.reading.key_a(uid), b)
            .map_err(|weak| Error::new(ErrorKind::Config, "personalise").with_source(weak))
    }

    /// What writing this number would do to this card.
    ///
    /// # Errors
    /// `Denied` for a sector that somebody else uses or locked, and for a card without an identity.
    pub(crate) async fn plan(&self, card: &mut Card<'_>, number: CustomerNumber) -> Result<Plan> {
        let op = "personalise";
        let refused = |detail: String| Err(Error::new(ErrorKind::Denied, op).with_detail(detail));
        let sector = self.sector().number();
        if card.uid().is_random() {
            return refused(
                "this card makes up a UID each time it is laid on, so no number can be bound to it"
                    .to_owned(),
            );
        }
        let (content, is_new) = match self.reading.find(card).await.map_err(|fault| error(op, fault))? {
            Found::Locked => {
                return refused(format!(
                    "sector {sector} opens neither with the transport key nor with ours: the card is somebody \
                     else's, or its keys were being changed when it was pulled away"
                ));
            }
            Found::Factory(Content::Foreign) => {
                return refused(format!(
                    "sector {sector} is not blank and not ours; format the card if what stands there may go"
                ));
            }
            Found::Factory(content) => (content, true),
            Found::Ours(content) => (content, false),
        };
        let (slot, sequence) = content.next();
        let replaces = match content {
            Content::Current(_, record) => Some(record.number),
            Content::Blank | Content::Foreign => None,
        };
        let record = Record { key_version: self.writing.version, sequence, number };
        Ok(Plan { record, slot, replaces, is_new })
    }

    /// Writes a number and makes sure that it stands on the card, under our keys.
    ///
    /// The record that counts is never written over; the trailer comes last, and is proved by
    /// opening the sector with both new keys. After an error the card holds the old number or the
    /// new one, and calling this again goes on from there; only a card that is pulled away while
    /// its trailer is being written may be left with keys that nobody knows.
    pub(crate) async fn write_number(&self, card: &mut Card<'_>, number: CustomerNumber) -> Result<Plan> {
        let op = "personalise";
        let keys = self.keys(card.uid())?;
        let plan = self.plan(card, number).await?;
        let failed = |fault| error(op, fault);
        if !plan.is_new {
            card.open(self.sector(), KeySlot::B, keys.b()).await.map_err(failed)?;
        }
        let block = plan.record.encode(self.reading.binding(card.uid()));
        card.write(plan.slot.block(self.sector()), &block).await.map_err(failed)?;
        if plan.is_new {
            let trailer = Trailer::keyed(keys.clone(), CONDITIONS);
            card.write_trailer(self.sector(), &trailer).await.map_err(failed)?;
            self.prove(card, &keys, trailer.access()).await?;
        }
        match self.reading.find(card).await.map_err(failed)? {
            Found::Ours(Content::Current(_, record)) if record == plan.record => Ok(plan),
            found => Err(Error::new(ErrorKind::Damaged, op)
                .with_detail(format!("the number was written and does not stand on the card: {found:?}"))),
        }
    }

    /// Makes sure that both keys open the sector and that its conditions are those.
    async fn prove(&self, card: &mut Card<'_>, keys: &KeyPair, access: AccessBits) -> Result<()> {
        let failed = |fault| {
            Error::new(ErrorKind::Damaged, "personalise")
                .with_detail(
                    "the card did not take its new keys as it should; put it aside and do not hand it out",
                )
                .with_source(error("verify", fault))
        };
        card.open(self.sector(), KeySlot::B, keys.b()).await.map_err(failed)?;
        card.open(self.sector(), KeySlot::A, keys.a()).await.map_err(failed)?;
        let trailer = card.read(self.sector().trailer()).await.map_err(failed)?;
        let shown = trailer.get(6..9).and_then(|bytes| bytes.try_into().ok());
        match shown.map(AccessBits::decode) {
            Some(Ok(shown)) if shown == access => Ok(()),
            _ => Err(failed(CardFault::AccessRefused)),
        }
    }

    /// Makes the sector what it was at the factory: data blocks zero, then the transport keys.
    ///
    /// # Errors
    /// `Denied` for a sector that neither of our keys nor the transport key opens.
    pub(crate) async fn format(&self, card: &mut Card<'_>) -> Result<()> {
        let op = "format";
        let failed = |fault| error(op, fault);
        let keys = self.keys(card.uid())?;
        let is_ours = match self.reading.find(card).await.map_err(failed)? {
            Found::Locked => {
                return Err(Error::new(ErrorKind::Denied, op).with_detail(format!(
                    "sector {} opens neither with the transport key nor with ours, so nothing can be changed",
                    self.sector().number()
                )));
            }
            Found::Factory(_) => false,
            Found::Ours(_) => true,
        };
        if is_ours {
            card.open(self.sector(), KeySlot::B, keys.b()).await.map_err(failed)?;
        }
        for block in self.sector().data_blocks() {
            card.write(block, &[0; BLOCK]).await.map_err(failed)?;
        }
        if is_ours {
            card.write_trailer(self.sector(), &Trailer::factory()).await.map_err(failed)?;
            card.open(self.sector(), KeySlot::A, &Key::transport()).await.map_err(failed)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "desk_tests.rs"]
mod tests;
