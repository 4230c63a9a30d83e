//! Desks where cards are encoded: a UHF reader and a pad, opened for as long as it takes.

use std::collections::BTreeMap;

use async_trait::async_trait;
use hmac::{Hmac, KeyInit, Mac};
use rfid_core::abilities::{
    Bank, CardAccess, Gen2Lock, LockField, LockState, LockTarget, TagAccess, TagTarget,
};
use rfid_core::{DynSession, Error, ErrorKind, Result, Secret, TagId};
use rfid_driver_mifare::SeveralCards;
use rfid_service::service::{
    CardDesk, Desk as KnownDesk, DeskFault, DeskStep, DeskTrouble, EncodePlan, OnDesk, Steps,
};
use sha2::Sha256;
use tokio::sync::Mutex;

use crate::config::{Desk, ReaderConfig};
use crate::glimpse;

/// Where the access password of a Gen2 tag stands in its reserved bank, in words.
const ACCESS_PASSWORD: u32 = 2;

/// The desks of a host.
pub(crate) struct Desks {
    desks: BTreeMap<String, Mutex<Desk>>,
    known: Vec<KnownDesk>,
}

impl Desks {
    pub(crate) fn new(desks: &[Desk]) -> Self {
        let named = |desk: &Desk| (desk.name.to_string(), Mutex::new(desk.clone()));
        let known =
            |desk: &Desk| KnownDesk { name: desk.name.to_string(), branch: desk.pad.place.branch.clone() };
        Self { desks: desks.iter().map(named).collect(), known: desks.iter().map(known).collect() }
    }

    /// The desk of this name, for one at a time.
    async fn desk(&self, name: &str) -> Result<tokio::sync::MutexGuard<'_, Desk>, DeskFault> {
        match self.desks.get(name) {
            Some(desk) => Ok(desk.lock().await),
            None => {
                let known: Vec<&str> = self.desks.keys().map(String::as_str).collect();
                let detail = format!("there is no desk \"{name}\"; there are: {}", known.join(", "));
                let error = Error::new(ErrorKind::Config, "desk").with_detail(detail);
                Err(DeskFault::new(DeskTrouble::NotSetUp, error))
            }
        }
    }
}

#[async_trait]
impl CardDesk for Desks {
    fn desks(&self) -> Vec<KnownDesk> {
        self.known.clone()
    }

    async fn look(&self, name: &str, steps: &Steps) -> Result<OnDesk, DeskFault> {
        let desk = self.desk(name).await?;
        steps.tell(DeskStep::Pad);
        let (uid, number) = on_pad(&desk.pad, None).await.map_err(|error| fault(DeskStep::Pad, error))?;
        steps.tell(DeskStep::Antenna);
        let tag = tag_before(&desk.uhf).await.map_err(|error| fault(DeskStep::Antenna, error))?;
        Ok(OnDesk { epc: tag.id, uid, number })
    }

    async fn encode(&self, name: &str, plan: &EncodePlan, steps: &Steps) -> Result<OnDesk, DeskFault> {
        let desk = self.desk(name).await?;
        steps.tell(DeskStep::Chip);
        // The chip first: it says by its UID that it is the card that is meant.
        let (uid, number) =
            on_pad(&desk.pad, Some(plan)).await.map_err(|error| fault(DeskStep::Chip, error))?;
        steps.tell(DeskStep::Tag);
        write_tag(&desk, plan, steps).await.map_err(|error| fault(DeskStep::Tag, error))?;
        steps.tell(DeskStep::ReadBack);
        let tag = tag_before(&desk.uhf).await.map_err(|error| fault(DeskStep::ReadBack, error))?;
        Ok(OnDesk { epc: tag.id, uid, number })
    }
}

/// More tags before the antenna than one.
#[derive(Debug)]
struct SeveralTags(usize);

impl std::fmt::Display for SeveralTags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} tags answer", self.0)
    }
}

impl std::error::Error for SeveralTags {}

/// Another card on the pad than the one that is written.
#[derive(Debug)]
struct AnotherCard;

impl std::fmt::Display for AnotherCard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it has another UID")
    }
}

impl std::error::Error for AnotherCard {}

/// A card that makes up its UID.
#[derive(Debug)]
struct RandomUid;

impl std::fmt::Display for RandomUid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("its UID is random")
    }
}

impl std::error::Error for RandomUid {}

/// What an error at a step means for whoever stands at the desk.
fn fault(step: DeskStep, error: Error) -> DeskFault {
    let of_source = std::error::Error::source(&error).and_then(|source| {
        if source.is::<SeveralCards>() {
            Some(DeskTrouble::SeveralCards)
        } else if source.is::<SeveralTags>() {
            Some(DeskTrouble::SeveralTags)
        } else if source.is::<AnotherCard>() {
            Some(DeskTrouble::Swapped)
        } else if source.is::<RandomUid>() {
            Some(DeskTrouble::RandomUid)
        } else {
            None
        }
    });
    match of_source {
        Some(trouble) => DeskFault::new(trouble, error),
        None => DeskFault::at(step, error),
    }
}

/// Why a reader was not opened. No card was asked yet, so what was denied is the reader: a serial port, say, that
/// the host may not open.
fn not_opened(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Denied => Error::new(ErrorKind::Config, "open").with_source(error),
        _ => error,
    }
}

/// Does something in a session with a reader, which is left as it was found whatever comes of it.
macro_rules! in_session {
    ($reader:expr, $session:ident => $work:expr) => {{
        let mut opened = $reader.driver.session(&$reader.settings, &$reader.setup)?;
        let $session: &mut dyn DynSession = &mut *opened;
        let outcome = match $session.open().await {
            Ok(_) => $work.await,
            Err(error) => Err(not_opened(error)),
        };
        let closed = opened.close().await;
        outcome.and_then(|done| closed.map(|()| done))
    }};
}

/// The one tag before the antenna.
async fn tag_before(reader: &ReaderConfig) -> Result<TagTarget> {
    in_session!(reader, session => only_tag(session))
}

async fn only_tag(session: &mut dyn DynSession) -> Result<TagTarget> {
    let heard = glimpse::of(session).await?;
    let lost = |detail: String| Error::new(ErrorKind::TagLost, "look").with_detail(detail);
    let mut ids: Vec<&TagTarget> = heard.values().collect();
    ids.dedup_by_key(|tag| tag.id);
    match ids.as_slice() {
        [] => Err(lost("no UHF tag is heard: hold the card before the antenna".to_owned())),
        [tag] => Ok(**tag),
        more => {
            let detail = format!("{} UHF tags are heard: take all other cards away", more.len());
            Err(lost(detail).with_source(SeveralTags(more.len())))
        }
    }
}

/// The chip on the pad and the number in it, after it was written if there is a plan.
async fn on_pad(reader: &ReaderConfig, plan: Option<&EncodePlan>) -> Result<(TagId, Option<String>)> {
    in_session!(reader, session => chip(session, plan))
}

async fn chip(session: &mut dyn DynSession, plan: Option<&EncodePlan>) -> Result<(TagId, Option<String>)> {
    let access = session.card_access().ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, "desk").with_detail("the desk's pad cannot write cards")
    })?;
    let card = access.card().await?;
    if card.is_random {
        let detail = "this card makes up a UID each time it is laid on, so nothing can be bound to it";
        return Err(Error::new(ErrorKind::Unsupported, "look").with_detail(detail).with_source(RandomUid));
    }
    if let Some(plan) = plan {
        if card.id != plan.uid {
            let detail = "another card lies on the pad than a moment ago: begin again";
            return Err(Error::new(ErrorKind::TagLost, "encode")
                .with_detail(detail)
                .with_source(AnotherCard));
        }
        access.write_number(&card.id, &plan.number).await?;
    }
    Ok((card.id, number_in(access, &card.id).await))
}

/// The number that stands in a chip; none where it is not ours to read.
async fn number_in(access: &mut dyn CardAccess, card: &TagId) -> Option<String> {
    access.plan_number(card, "0").await.ok()?.replaces
}

async fn write_tag(desk: &Desk, plan: &EncodePlan, steps: &Steps) -> Result<()> {
    in_session!(desk.uhf, session => encode_tag(session, plan, desk.lock_key.as_ref(), steps))
}

/// Writes the EPC of a plan and locks the tag. What was done already by a try that failed is done again,
/// under the password that it may have left.
async fn encode_tag(
    session: &mut dyn DynSession,
    plan: &EncodePlan,
    key: Option<&Secret>,
    steps: &Steps,
) -> Result<()> {
    let mut tag = only_tag(session).await?;
    let password = key.map(|key| password_of(key, &plan.epc)).transpose()?;
    let access = session.tag_access().ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, "desk").with_detail("the desk's UHF reader cannot write tags")
    })?;
    if tag.id != plan.epc {
        access.write_id(&tag, plan.epc.bytes()).await?;
        tag.id = plan.epc;
    }
    let Some(password) = password else {
        tracing::warn!("the tag of a card is not locked: desks.NAME.lock_key is not set");
        return Ok(());
    };
    steps.tell(DeskStep::Lock);
    lock(access, &mut tag, password).await
}

async fn lock(access: &mut dyn TagAccess, tag: &mut TagTarget, password: u32) -> Result<()> {
    let bytes = password.to_be_bytes();
    match access.write_memory(tag, Bank::Reserved, ACCESS_PASSWORD, &bytes).await {
        Ok(()) => tag.password = Some(password),
        // It is locked already, under this password or under one that is not ours.
        Err(_) => {
            tag.password = Some(password);
            access.write_memory(tag, Bank::Reserved, ACCESS_PASSWORD, &bytes).await?;
        }
    }
    // Whoever may set a kill password kills the tag with it.
    let locked = [LockField::Epc, LockField::AccessPassword, LockField::KillPassword]
        .into_iter()
        .fold(Gen2Lock::default(), |lock, field| lock.with(field, LockState::Password));
    access.lock(tag, LockTarget::Gen2(locked)).await
}

/// The access password of a tag, which nobody can guess who has not the key.
fn password_of(key: &Secret, epc: &TagId) -> Result<u32> {
    let wrong = || Error::new(ErrorKind::Config, "desk").with_detail("desks.NAME.lock_key cannot be used");
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.reveal().as_bytes()).map_err(|_| wrong())?;
    mac.update(b"access password of ");
    mac.update(epc.bytes());
    let digest = mac.finalize().into_bytes();
    let four: [u8; 4] = digest.get(..4).and_then(|four| four.try_into().ok()).ok_or_else(wrong)?;
    // Zero means that there is none.
    Ok(u32::from_be_bytes(four).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_way_is_told_apart() {
        let lost = || Error::new(ErrorKind::TagLost, "look");
        for (step, error, trouble) in [
            (DeskStep::Pad, lost(), DeskTrouble::NoCard),
            (DeskStep::Pad, lost().with_source(SeveralCards), DeskTrouble::SeveralCards),
            (DeskStep::Antenna, lost(), DeskTrouble::NoTag),
            (DeskStep::Antenna, lost().with_source(SeveralTags(2)), DeskTrouble::SeveralTags),
            (DeskStep::Chip, lost(), DeskTrouble::TornAway),
            (DeskStep::Chip, lost().with_source(AnotherCard), DeskTrouble::Swapped),
            (
                DeskStep::Pad,
                Error::new(ErrorKind::Unsupported, "look").with_source(RandomUid),
                DeskTrouble::RandomUid,
            ),
            (DeskStep::Tag, Error::new(ErrorKind::Connect, "open"), DeskTrouble::AntennaLost),
            (DeskStep::Chip, Error::new(ErrorKind::Denied, "write"), DeskTrouble::Locked),
            (DeskStep::Pad, not_opened(Error::new(ErrorKind::Denied, "open")), DeskTrouble::NotSetUp),
            (DeskStep::Pad, not_opened(Error::new(ErrorKind::Connect, "open")), DeskTrouble::PadLost),
        ] {
            assert_eq!(fault(step, error).trouble, trouble, "{step:?}");
        }
    }
}
