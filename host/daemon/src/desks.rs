//! Desks where cards are encoded: a UHF reader and a pad, opened for as long as it takes.

use std::collections::BTreeMap;

use async_trait::async_trait;
use hmac::{Hmac, KeyInit, Mac};
use rfid_core::abilities::{
    Bank, CardAccess, Gen2Lock, LockField, LockState, LockTarget, TagAccess, TagTarget,
};
use rfid_core::{DynSession, Error, ErrorKind, Result, Secret, TagId};
use rfid_service::service::{CardDesk, EncodePlan, OnDesk};
use sha2::Sha256;
use tokio::sync::Mutex;

use crate::config::{Desk, ReaderConfig};
use crate::glimpse;

/// Where the access password of a Gen2 tag stands in its reserved bank, in words.
const ACCESS_PASSWORD: u32 = 2;

/// The desks of a host.
pub(crate) struct Desks {
    desks: BTreeMap<String, Mutex<Desk>>,
}

impl Desks {
    pub(crate) fn new(desks: &[Desk]) -> Self {
        let named = |desk: &Desk| (desk.name.to_string(), Mutex::new(desk.clone()));
        Self { desks: desks.iter().map(named).collect() }
    }

    /// The desk of this name, for one at a time.
    async fn desk(&self, name: &str) -> Result<tokio::sync::MutexGuard<'_, Desk>> {
        match self.desks.get(name) {
            Some(desk) => Ok(desk.lock().await),
            None => {
                let known: Vec<&str> = self.desks.keys().map(String::as_str).collect();
                let detail = format!("there is no desk \"{name}\"; there are: {}", known.join(", "));
                Err(Error::new(ErrorKind::Config, "desk").with_detail(detail))
            }
        }
    }
}

#[async_trait]
impl CardDesk for Desks {
    async fn look(&self, name: &str) -> Result<OnDesk> {
        let desk = self.desk(name).await?;
        let (uid, number) = on_pad(&desk.pad, None).await?;
        Ok(OnDesk { epc: tag_before(&desk.uhf).await?.id, uid, number })
    }

    async fn encode(&self, name: &str, plan: &EncodePlan) -> Result<OnDesk> {
        let desk = self.desk(name).await?;
        // The chip first: it says by its UID that it is the card that is meant.
        let (uid, number) = on_pad(&desk.pad, Some(plan)).await?;
        write_tag(&desk, plan).await?;
        Ok(OnDesk { epc: tag_before(&desk.uhf).await?.id, uid, number })
    }
}

/// Does something in a session with a reader, which is left as it was found whatever comes of it.
macro_rules! in_session {
    ($reader:expr, $session:ident => $work:expr) => {{
        let mut opened = $reader.driver.session(&$reader.settings, &$reader.setup)?;
        let $session: &mut dyn DynSession = &mut *opened;
        let outcome = match $session.open().await {
            Ok(_) => $work.await,
            Err(error) => Err(error),
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
        more => Err(lost(format!("{} UHF tags are heard: take all other cards away", more.len()))),
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
        return Err(Error::new(ErrorKind::Unsupported, "look").with_detail(detail));
    }
    if let Some(plan) = plan {
        if card.id != plan.uid {
            let detail = "another card lies on the pad than a moment ago: begin again";
            return Err(Error::new(ErrorKind::TagLost, "encode").with_detail(detail));
        }
        access.write_number(&card.id, &plan.number).await?;
    }
    Ok((card.id, number_in(access, &card.id).await))
}

/// The number that stands in a chip; none where it is not ours to read.
async fn number_in(access: &mut dyn CardAccess, card: &TagId) -> Option<String> {
    access.plan_number(card, "0").await.ok()?.replaces
}

async fn write_tag(desk: &Desk, plan: &EncodePlan) -> Result<()> {
    in_session!(desk.uhf, session => encode_tag(session, plan, desk.lock_key.as_ref()))
}

/// Writes the EPC of a plan and locks the tag. What was done already by a try that failed is done again,
/// under the password that it may have left.
async fn encode_tag(session: &mut dyn DynSession, plan: &EncodePlan, key: Option<&Secret>) -> Result<()> {
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
