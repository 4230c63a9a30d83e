//! Cases for drivers whose readers reach the memory of tags.

use rfid_core::abilities::{Bank, Gen2Lock, LockField, LockState, LockTarget, TagAccess, TagTarget};
use rfid_core::{AirProtocol, DynSession, TagId, TagIdKind};

use crate::report::Verdict;
use crate::rig::{Rig, session};

const SKIP: &str = "this reader does not reach the memory of tags";

/// A session that is open, and a tag before antenna 1.
struct Bench {
    session: Box<dyn DynSession>,
    tag: TagTarget,
}

impl Bench {
    async fn new(rig: &mut dyn Rig) -> Result<Self, String> {
        let [id] = rig.lay_tags(1).await[..] else { return Err("the rig laid no tag".into()) };
        let mut session = session(rig, &rig.settings())?;
        session.open().await.map_err(|error| format!("open: {error:#}"))?;
        let tag = TagTarget { antenna_port: 1, protocol: AirProtocol::Gen2, id, password: None };
        Ok(Self { session, tag })
    }

    fn access(&mut self) -> Option<&mut dyn TagAccess> {
        self.session.tag_access()
    }

    async fn end(mut self) -> Verdict {
        self.session.close().await.map_err(|error| format!("close: {error:#}"))?;
        Ok(None)
    }
}

/// An id that no rig lays.
fn other_id() -> Result<TagId, String> {
    TagId::new(TagIdKind::Epc, &[0xEE; 12]).map_err(|fault| fault.to_string())
}

pub(crate) async fn writing(rig: &mut dyn Rig) -> Verdict {
    let mut bench = Bench::new(rig).await?;
    let tag = bench.tag;
    let stranger = TagTarget { id: other_id()?, ..tag };
    let Some(access) = bench.access() else { return Ok(Some(SKIP)) };
    // More than a reader may take in one statement.
    let data: Vec<u8> = (1..=20).collect();
    access.write_memory(&tag, Bank::User, 1, &data).await.map_err(|error| format!("write: {error:#}"))?;
    let read =
        access.read_memory(&tag, Bank::User, 1, 10).await.map_err(|error| format!("read: {error:#}"))?;
    if read != data {
        return Err(format!("{data:?} was written and {read:?} is read"));
    }
    if access.write_memory(&stranger, Bank::User, 1, &[0, 0]).await.is_ok() {
        return Err("a tag that is not there was written".into());
    }
    if access.read_memory(&tag, Bank::User, 60_000, 1).await.is_ok() {
        return Err("memory that no tag has was read".into());
    }
    if access.write_memory(&tag, Bank::User, 1, &[1]).await.is_ok() {
        return Err("half a word was written".into());
    }
    access.write_id(&tag, stranger.id.bytes()).await.map_err(|error| format!("write id: {error:#}"))?;
    let read = access.read_memory(&stranger, Bank::User, 1, 1).await;
    if read.map_err(|error| format!("read under the new id: {error:#}"))? != [1, 2] {
        return Err("the tag has another memory under its new id".into());
    }
    bench.end().await
}

pub(crate) async fn locking(rig: &mut dyn Rig) -> Verdict {
    const PASSWORD: u32 = 0x1234_5678;
    let mut bench = Bench::new(rig).await?;
    let tag = bench.tag;
    let opened = TagTarget { password: Some(PASSWORD), ..tag };
    let Some(access) = bench.access() else { return Ok(Some(SKIP)) };
    if access.kill(&tag, 0).await.is_ok() {
        return Err("a password of zero killed a tag".into());
    }
    let mut passwords = PASSWORD.to_be_bytes().to_vec();
    passwords.extend(PASSWORD.to_be_bytes());
    let written = access.write_memory(&tag, Bank::Reserved, 0, &passwords).await;
    written.map_err(|error| format!("write passwords: {error:#}"))?;
    let lock = LockTarget::Gen2(Gen2Lock::default().with(LockField::User, LockState::Password));
    access.lock(&opened, lock).await.map_err(|error| format!("lock: {error:#}"))?;
    if access.write_memory(&tag, Bank::User, 0, &[1, 2]).await.is_ok() {
        return Err("a locked bank was written without its password".into());
    }
    access
        .write_memory(&opened, Bank::User, 0, &[1, 2])
        .await
        .map_err(|error| format!("write with the password: {error:#}"))?;
    if access.kill(&tag, PASSWORD + 1).await.is_ok() {
        return Err("a wrong password killed a tag".into());
    }
    access.kill(&tag, PASSWORD).await.map_err(|error| format!("kill: {error:#}"))?;
    if access.read_memory(&tag, Bank::Tid, 0, 1).await.is_ok() {
        return Err("a killed tag was read".into());
    }
    bench.end().await
}
