//! Memory of cards and their personalisation, for hosts.

use async_trait::async_trait;
use rfid_core::abilities::{CardAccess, CardBlock, CardOnPad, NumberPlan, SectorKey};
use rfid_core::{Error, ErrorKind, Result, Secret, TagId, TagIdKind};
use zeroize::Zeroizing;

use crate::card::{Card, error};
use crate::config::Checked;
use crate::desk::{Desk, Plan};
use crate::model::{CustomerNumber, Key, KeySlot, Sector};
use crate::session::{MifareSession, named_card, only_card};

#[async_trait]
impl CardAccess for MifareSession {
    async fn card(&mut self) -> Result<CardOnPad> {
        let target = only_card("card", &mut *self.coupler).await?;
        let id = TagId::new(TagIdKind::Iso14443Uid, target.uid.bytes())
            .map_err(|fault| Error::new(ErrorKind::Internal, "card").with_source(fault))?;
        let (kind, sectors) = (target.kind.name(), target.kind.sectors());
        Ok(CardOnPad { id, kind, sectors, is_random: target.uid.is_random() })
    }

    async fn read_sector(&mut self, card: &TagId, sector: u8, key: &SectorKey) -> Result<Vec<CardBlock>> {
        const OP: &str = "read sector";
        let failed = |fault| error(OP, fault);
        let mut card = named_card(OP, &mut *self.coupler, card).await?;
        let sector = sector_numbered(OP, sector)?;
        open(OP, &self.config, &mut card, sector, key).await?;
        let mut blocks = Vec::with_capacity(usize::from(sector.blocks()));
        for block in sector.first_block()..=sector.trailer() {
            blocks.push(card.read(block).await.map_err(failed)?);
        }
        Ok(blocks)
    }

    async fn write_block(
        &mut self,
        card: &TagId,
        block: u8,
        key: &SectorKey,
        data: &CardBlock,
    ) -> Result<()> {
        const OP: &str = "write block";
        let mut card = named_card(OP, &mut *self.coupler, card).await?;
        open(OP, &self.config, &mut card, Sector::of_block(block), key).await?;
        card.write(block, data).await.map_err(|fault| error(OP, fault))
    }

    async fn plan_number(&mut self, card: &TagId, number: &str) -> Result<NumberPlan> {
        let number = customer_number(number)?;
        let desk = desk(&self.config)?;
        let mut card = named_card("personalise", &mut *self.coupler, card).await?;
        desk.plan(&mut card, number).await.map(|plan| told(&desk, &plan))
    }

    async fn write_number(&mut self, card: &TagId, number: &str) -> Result<NumberPlan> {
        let number = customer_number(number)?;
        let desk = desk(&self.config)?;
        let mut card = named_card("personalise", &mut *self.coupler, card).await?;
        desk.write_number(&mut card, number).await.map(|plan| told(&desk, &plan))
    }

    async fn format(&mut self, card: &TagId) -> Result<()> {
        let desk = desk(&self.config)?;
        let mut card = named_card("format", &mut *self.coupler, card).await?;
        desk.format(&mut card).await
    }
}

fn told(desk: &Desk<'_>, plan: &Plan) -> NumberPlan {
    let sector = desk.reading.sector;
    NumberPlan {
        sector: sector.number(),
        block: plan.slot.block(sector),
        replaces: plan.replaces.map(|number| number.to_string()),
        changes_keys: plan.is_new,
    }
}

fn desk(config: &Checked) -> Result<Desk<'_>> {
    match (&config.reading, &config.writing) {
        (Some(reading), Some(writing)) => Ok(Desk { reading, writing }),
        _ => Err(Error::new(ErrorKind::Config, "personalise")
            .with_detail("read_secret, record_secret and write_secret are needed to write cards")),
    }
}

fn customer_number(text: &str) -> Result<CustomerNumber> {
    text.parse().map_err(|fault| Error::new(ErrorKind::Config, "personalise").with_source(fault))
}

fn sector_numbered(op: &'static str, number: u8) -> Result<Sector> {
    Sector::new(number).ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, op).with_detail(format!("no card has a sector {number}"))
    })
}

async fn open(
    op: &'static str,
    config: &Checked,
    card: &mut Card<'_>,
    sector: Sector,
    key: &SectorKey,
) -> Result<()> {
    let missing = |option: &str| {
        Error::new(ErrorKind::Config, op).with_detail(format!("{option} is needed for this key"))
    };
    let (slot, key) = match key {
        SectorKey::Factory => (KeySlot::A, Key::transport()),
        SectorKey::Reading => {
            let keys = config.reading.as_ref().ok_or_else(|| missing("read_secret"))?;
            (KeySlot::A, keys.reading.card_key(card.uid(), sector, KeySlot::A))
        }
        SectorKey::Writing => {
            let keys = config.writing.as_ref().ok_or_else(|| missing("write_secret"))?;
            (KeySlot::B, keys.writing.card_key(card.uid(), sector, KeySlot::B))
        }
        SectorKey::A(digits) => (KeySlot::A, given(op, digits)?),
        SectorKey::B(digits) => (KeySlot::B, given(op, digits)?),
    };
    card.open(sector, slot, &key).await.map_err(|fault| error(op, fault))
}

fn given(op: &'static str, digits: &Secret) -> Result<Key> {
    let wrong = || Error::new(ErrorKind::Config, op).with_detail("a key has 12 hexadecimal digits");
    let bytes = TagId::from_hex(TagIdKind::Iso14443Uid, digits.reveal()).map_err(|_| wrong())?;
    let key = Zeroizing::new(<[u8; Key::LEN]>::try_from(bytes.bytes()).map_err(|_| wrong())?);
    Ok(Key::new(*key))
}
