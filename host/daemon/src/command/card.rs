//! `rfid-host card`: one card on one pad, by hand.

use std::fmt::Write as _;

use anyhow::{Context, bail};
use rfid_core::abilities::{CardAccess, CardBlock, CardOnPad, NumberPlan, SectorKey};
use rfid_core::{DynSession, ErrorKind, Secret, Settings};
use serde_json::json;

use super::read::say;
use crate::cli::{CardAct, CardTarget};

/// The driver of cards with sectors.
const DRIVER: &str = "mifare";

/// First sector with 16 blocks instead of 4.
const FIRST_BIG: u8 = 32;

pub(crate) async fn run(act: CardAct) -> anyhow::Result<()> {
    let (CardAct::Dump { pad, .. } | CardAct::WriteNumber { pad, .. } | CardAct::Format { pad, .. }) = &act;
    let settings = Settings::new(pad.options()?.into());
    let mut session = super::read::session_with(DRIVER, pad.name(), &[], &settings)?;
    let outcome = act_on(&mut *session, &act).await;
    // The reader is left as it was found, whatever came of it.
    let closed = session.close().await;
    outcome?;
    Ok(closed?)
}

async fn act_on(session: &mut dyn DynSession, act: &CardAct) -> anyhow::Result<()> {
    let info = session.open().await?;
    let access = session
        .card_access()
        .with_context(|| format!("{} cannot reach the memory of cards with sectors", info.model))?;
    let card = access.card().await?;
    if !matches!(act, CardAct::Dump { json: true, .. }) {
        println!("card   {} ({})", card.id.hex(), card.kind);
    }
    match act {
        CardAct::Dump { key_a, key_b, json, .. } => {
            dump(access, &card, &keys(key_a.as_deref(), key_b.as_deref())?, *json).await
        }
        CardAct::WriteNumber { number, target, .. } => write_number(access, &card, number, target).await,
        CardAct::Format { target, .. } => format(access, &card, target).await,
    }
}

/// A key that is tried.
struct Tried {
    /// What it is called in JSON.
    name: &'static str,
    /// What it is called to people.
    shown: &'static str,
    key: SectorKey,
}

/// The keys that are tried, in this order.
fn keys(a: Option<&str>, b: Option<&str>) -> anyhow::Result<Vec<Tried>> {
    let read = |text: &str| Secret::read(text).map_err(anyhow::Error::msg);
    let mut keys = Vec::new();
    if let Some(text) = b {
        keys.push(Tried { name: "given_b", shown: "the given key B", key: SectorKey::B(read(text)?) });
    }
    if let Some(text) = a {
        keys.push(Tried { name: "given_a", shown: "the given key A", key: SectorKey::A(read(text)?) });
    }
    keys.push(Tried { name: "own_a", shown: "the card's own key A", key: SectorKey::Reading });
    keys.push(Tried { name: "factory_a", shown: "the factory's key A", key: SectorKey::Factory });
    Ok(keys)
}

async fn dump(
    access: &mut dyn CardAccess,
    card: &CardOnPad,
    keys: &[Tried],
    as_json: bool,
) -> anyhow::Result<()> {
    if card.sectors == 0 {
        bail!("a {} has no sectors that keys open", card.kind);
    }
    let mut first = 0u16;
    let mut sectors = Vec::new();
    for sector in 0..card.sectors {
        let blocks = if sector < FIRST_BIG { 4 } else { 16 };
        let opened = open_with(access, card, sector, keys).await?;
        match &opened {
            _ if as_json => {
                let hex =
                    |block: &CardBlock| block.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
                let key = opened.as_ref().map(|(key, _)| key.name);
                let read = opened.as_ref().map(|(_, blocks)| blocks.iter().map(hex).collect::<Vec<_>>());
                sectors.push(
                    json!({ "sector": sector, "first_block": first, "opened_by": key, "blocks": read }),
                );
            }
            Some((key, blocks)) => {
                say(&format!("\nsector {sector}, opened by {}\n{}", key.shown, shown(first, blocks)));
            }
            None => say(&format!("\nsector {sector}: no key opens it\n")),
        }
        first += blocks;
    }
    if as_json {
        let card = json!({ "uid_hex": card.id.hex(), "kind": card.kind, "sectors": sectors });
        say(&format!("{card}\n"));
    }
    Ok(())
}

/// What the first key that opens the sector shows of it.
async fn open_with<'a>(
    access: &mut dyn CardAccess,
    card: &CardOnPad,
    sector: u8,
    keys: &'a [Tried],
) -> anyhow::Result<Option<(&'a Tried, Vec<CardBlock>)>> {
    for tried in keys {
        let key = &tried.key;
        match access.read_sector(&card.id, sector, key).await {
            Ok(blocks) => return Ok(Some((tried, blocks))),
            Err(error) if error.kind() == ErrorKind::Denied => {}
            // Without the secrets there is no key of the card's own.
            Err(error) if error.kind() == ErrorKind::Config && matches!(key, SectorKey::Reading) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// A line for each block: its number, its digits, and what of it can be printed.
fn shown(first: u16, blocks: &[CardBlock]) -> String {
    let mut text = String::new();
    for (number, block) in (first..).zip(blocks) {
        let digits = block.iter().fold(String::new(), |digits, byte| format!("{digits} {byte:02X}"));
        let letters: String =
            block.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' }).collect();
        // Writing to a string does not fail.
        let _ = writeln!(text, "{number:5} {digits}  {letters}");
    }
    text
}

async fn write_number(
    access: &mut dyn CardAccess,
    card: &CardOnPad,
    number: &str,
    target: &CardTarget,
) -> anyhow::Result<()> {
    check(card, target)?;
    if card.is_random {
        bail!("this card makes up a UID each time it is laid on, so nothing can be bound to it");
    }
    let plan = access.plan_number(&card.id, number).await?;
    let what = described(&plan, number);
    if target.consent.dry_run {
        println!("would  {what}");
        return Ok(());
    }
    if plan.changes_keys && !target.consent.yes {
        super::tag::confirm("this changes who may read and write the card", &what, &card.id)?;
    }
    access.write_number(&card.id, number).await?;
    println!("done   the number is {number}, and it was read back");
    Ok(())
}

fn described(plan: &NumberPlan, number: &str) -> String {
    let NumberPlan { sector, block, replaces, changes_keys } = plan;
    let mut text = format!("write the number {number} to block {block} (sector {sector})");
    if let Some(before) = replaces {
        // Writing to a string does not fail.
        let _ = write!(text, " in place of {before}");
    }
    if *changes_keys {
        text.push_str(", with keys of the card's own in place of the factory's");
    }
    text
}

async fn format(access: &mut dyn CardAccess, card: &CardOnPad, target: &CardTarget) -> anyhow::Result<()> {
    check(card, target)?;
    let what = "make the sector of the customer number what it was at the factory";
    if target.consent.dry_run {
        println!("would  {what}");
        return Ok(());
    }
    if !target.consent.yes {
        super::tag::confirm("what stands in the sector is lost", what, &card.id)?;
    }
    access.format(&card.id).await?;
    println!("done   the sector is as it was at the factory");
    Ok(())
}

/// Refuses another card than the one that is named.
fn check(card: &CardOnPad, target: &CardTarget) -> anyhow::Result<()> {
    match &target.card {
        Some(wanted) if !wanted.eq_ignore_ascii_case(&card.id.hex()) => {
            bail!("{} lies on the pad, not {wanted}; nothing was done", card.id.hex())
        }
        _ => Ok(()),
    }
}
