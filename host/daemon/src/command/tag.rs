//! `rfid-host tag`: one tag before one reader, by hand.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};

use anyhow::{Context, bail};
use rfid_core::abilities::{Bank, Gen2Lock, LockField, LockState, LockTarget, TagAccess, TagTarget};
use rfid_core::{AirProtocol, DynSession, Secret, TagId, TagIdKind, epc};

use crate::cli::{BankName, Consent, TagAct, TagPlace};
use crate::glimpse;

/// What is to be done, read from the command line and checked as far as that goes without a tag.
enum Plan {
    Read { bank: Bank, address: u32, count: u16 },
    Write { bank: Bank, address: u32, data: Vec<u8> },
    WriteId(Vec<u8>),
    Lock(Vec<String>),
    Kill(u32),
}

pub(crate) async fn run(act: TagAct) -> anyhow::Result<()> {
    let (place, plan, consent) = match act {
        TagAct::Read { place, bank, from, count } => (
            place,
            Plan::Read { bank: bank.into(), address: from, count },
            Consent { dry_run: false, yes: true },
        ),
        TagAct::Write { place, bank, from, data, consent } => {
            (place, Plan::Write { bank: bank.into(), address: from, data: bytes(&data)? }, consent)
        }
        TagAct::WriteEpc { place, epc, consent } => (place, Plan::WriteId(super::epc::bytes(&epc)?), consent),
        TagAct::Lock { place, locks, consent } => (place, Plan::Lock(locks), consent),
        TagAct::Kill { place, kill_password, consent } => {
            (place, Plan::Kill(password(&kill_password)?), consent)
        }
    };
    let password = place.password.as_deref().map(password).transpose()?;
    let mut session = super::read::session(&place.reader)?;
    let outcome = act_on(&mut *session, &place, password, plan, consent).await;
    // The reader is left as it was found, whatever came of it.
    let closed = session.close().await;
    outcome?;
    Ok(closed?)
}

async fn act_on(
    session: &mut dyn DynSession,
    place: &TagPlace,
    password: Option<u32>,
    plan: Plan,
    consent: Consent,
) -> anyhow::Result<()> {
    let info = session.open().await?;
    let mut tag = find(session, place).await?;
    tag.password = password;
    let locks = match &plan {
        Plan::Lock(locks) => parse_locks(tag.protocol, locks)?,
        _ => Vec::new(),
    };
    let (what, asks) = describe(&plan, &locks);
    let access =
        session.tag_access().with_context(|| format!("{} cannot reach the memory of tags", info.model))?;
    println!("tag    {} ({}, antenna {})", tag.id.hex(), tag.protocol, tag.antenna_port);
    if tag.protocol == AirProtocol::Gen2 {
        println!("       {}", epc::uri_of(tag.id.bytes()));
    }
    if consent.dry_run {
        println!("would  {what}");
        return Ok(());
    }
    if let Some(why) = asks.filter(|_| !consent.yes) {
        confirm(why, &what, &tag.id)?;
    }
    carry_out(access, &tag, plan, locks).await?;
    Ok(())
}

async fn carry_out(
    access: &mut dyn TagAccess,
    tag: &TagTarget,
    plan: Plan,
    locks: Vec<LockTarget>,
) -> rfid_core::Result<()> {
    match plan {
        Plan::Read { bank, address, count } => {
            println!("data   {}", hex(&access.read_memory(tag, bank, address, count).await?));
        }
        Plan::Write { bank, address, data } => {
            access.write_memory(tag, bank, address, &data).await?;
            println!("done   {} bytes are written", data.len());
        }
        Plan::WriteId(id) => {
            access.write_id(tag, &id).await?;
            println!("done   the tag answers as {}", hex(&id));
        }
        Plan::Lock(_) => {
            for lock in locks {
                access.lock(tag, lock).await?;
            }
            println!("done   locked as asked");
        }
        Plan::Kill(password) => {
            access.kill(tag, password).await?;
            println!("done   the tag is silent");
        }
    }
    Ok(())
}

/// Finds the tag that is meant: the one that is named, or the only one there.
async fn find(session: &mut dyn DynSession, place: &TagPlace) -> anyhow::Result<TagTarget> {
    let heard = glimpse::of(session).await?;
    let wanted = place.tag.as_deref().map(|text| text.trim_start_matches("0x").to_uppercase());
    let found = heard.values().filter(|tag| wanted.as_ref().is_none_or(|id| tag.id.hex() == *id));
    let found: Vec<&TagTarget> = found.collect();
    // A tag is there as often as antennas hear it.
    let ids: HashSet<TagId> = found.iter().map(|tag| tag.id).collect();
    match (found.as_slice(), ids.len(), wanted) {
        ([tag], ..) => Ok(**tag),
        ([], _, None) => bail!("no tag is heard; lay one before the antenna"),
        ([], _, Some(id)) => bail!(
            "{id} is not heard; heard are: {}",
            match heard.len() {
                0 => "none".to_owned(),
                _ => heard.values().map(|tag| tag.id.hex()).collect::<Vec<_>>().join(", "),
            }
        ),
        ([tag, ..], 1, _) => {
            bail!("{} is heard by several antennas; name one with --antennas", tag.id.hex())
        }
        (_, tags, _) => bail!("{tags} tags are heard; take all but one away, or name it with --tag"),
    }
}

/// What a plan does, for people, and why it asks before.
fn describe(plan: &Plan, locks: &[LockTarget]) -> (String, Option<&'static str>) {
    const FOR_EVER: &str = "this cannot be undone";
    const GUARDED: &str = "this changes who may write the tag";
    match plan {
        Plan::Read { bank, address, count } => (format!("read {count} from {address} of {bank:?}"), None),
        Plan::Write { bank, address, data } => {
            // What goes to the passwords is not shown to whoever looks over a shoulder.
            let shown = if *bank == Bank::Reserved { "…".to_owned() } else { hex(data) };
            (format!("write {shown} to {address} of {bank:?}"), None)
        }
        Plan::WriteId(id) => {
            let uri = epc::uri_of(id);
            (format!("write the EPC {} ({uri})", hex(id)), None)
        }
        Plan::Lock(_) => {
            let mut text = "lock".to_owned();
            for lock in locks {
                // Writing to a string does not fail.
                let _ = match lock {
                    LockTarget::Gen2(lock) => write!(text, " {lock}"),
                    LockTarget::Whole => write!(text, " the whole tag for ever"),
                    LockTarget::Byte(address) => write!(text, " byte {address} for ever"),
                };
            }
            let is_final = |lock: &LockTarget| match lock {
                LockTarget::Gen2(lock) => lock.is_permanent(),
                LockTarget::Whole | LockTarget::Byte(_) => true,
            };
            (text, Some(if locks.iter().any(is_final) { FOR_EVER } else { GUARDED }))
        }
        Plan::Kill(_) => ("kill the tag".to_owned(), Some(FOR_EVER)),
    }
}

/// Asks for the end of the tag's id, which nobody types by accident.
pub(super) fn confirm(why: &str, what: &str, tag: &TagId) -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() {
        bail!("{why}: {what}; say --yes if it is meant");
    }
    let id = tag.hex();
    let (_, end) = id.split_at_checked(id.len().saturating_sub(4)).unwrap_or(("", &id));
    print!("Mind that {why}: {what}.\nType the last {} digits of the tag to go on: ", end.len());
    std::io::stdout().flush()?;
    let mut typed = String::new();
    std::io::stdin().read_line(&mut typed)?;
    anyhow::ensure!(typed.trim().eq_ignore_ascii_case(end), "nothing was done");
    Ok(())
}

/// Locks of one tag; all fields of a Gen2 tag go into one.
fn parse_locks(protocol: AirProtocol, locks: &[String]) -> anyhow::Result<Vec<LockTarget>> {
    let mut gen2 = Gen2Lock::default();
    let mut others = Vec::new();
    for text in locks {
        let (field, state) =
            text.split_once('=').with_context(|| format!("\"{text}\" is not FIELD=STATE"))?;
        let states = || LockState::ALL.map(LockState::name).join(", ");
        let known = LockState::ALL.into_iter().find(|known| known.name() == state);
        let state = known.with_context(|| format!("\"{state}\" is not a state; there are: {}", states()))?;
        match (protocol, field) {
            (AirProtocol::Gen2, field) => {
                let fields = || LockField::ALL.map(LockField::name).join(", ");
                let known = LockField::ALL.into_iter().find(|known| known.name() == field);
                let field =
                    known.with_context(|| format!("\"{field}\" is not a field; there are: {}", fields()))?;
                gen2 = gen2.with(field, state);
            }
            (AirProtocol::Epc1, "all") if state == LockState::Never => others.push(LockTarget::Whole),
            (AirProtocol::Iso18000_6b, byte) if state == LockState::Never => {
                let byte = byte.parse().with_context(|| format!("\"{byte}\" is not the number of a byte"))?;
                others.push(LockTarget::Byte(byte));
            }
            (other, _) => bail!("a tag of {other} cannot be locked as \"{text}\""),
        }
    }
    if gen2 != Gen2Lock::default() {
        others.push(LockTarget::Gen2(gen2));
    }
    Ok(others)
}

impl From<BankName> for Bank {
    fn from(name: BankName) -> Self {
        match name {
            BankName::Reserved => Self::Reserved,
            BankName::Epc => Self::Epc,
            BankName::Tid => Self::Tid,
            BankName::User => Self::User,
        }
    }
}

/// A password: from the environment, from a file, or as it stands, which others may see in the
/// list of processes.
fn password(text: &str) -> anyhow::Result<u32> {
    let secret = Secret::read(text).map_err(anyhow::Error::msg)?;
    // The value itself is not repeated: it may be somebody's password.
    u32::from_str_radix(secret.reveal().trim().trim_start_matches("0x"), 16)
        .ok()
        .context("a password has one to eight hexadecimal digits")
}

fn bytes(digits: &str) -> anyhow::Result<Vec<u8>> {
    Ok(TagId::from_hex(TagIdKind::Tid, digits.trim_start_matches("0x"))?.bytes().to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02X}"))
}
