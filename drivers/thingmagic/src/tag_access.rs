//! Memory of tags. No statement here names its tag (see the crate's front page), so each is sent
//! only while the tag lies alone before its antenna.

use std::time::Duration;

use async_trait::async_trait;
use rfid_core::abilities::{Bank, LockTarget, TagAccess, TagTarget};
use rfid_core::{AirProtocol, Error, ErrorKind, ReadBuf, Result, TagId};
use rfid_driver_link::Stream;

use crate::abilities::Module;
use crate::polling::found;
use crate::proto::command::{self, opcode};
use crate::proto::{Metadata, Status, record};

/// How long a tag operation searches for its tag.
const SEARCH_MS: u16 = 500;
const SEARCH: Duration = Duration::from_millis(SEARCH_MS as u64);

/// How long is looked which tags lie there.
const LOOK_MS: u16 = 300;

/// Words of one read or write.
const MOST_WORDS: u8 = 32;

#[async_trait]
impl<S: Stream> TagAccess for Module<S> {
    async fn read_memory(
        &mut self,
        tag: &TagTarget,
        bank: Bank,
        address: u32,
        count: u16,
    ) -> Result<Vec<u8>> {
        const OP: &str = "read memory";
        self.prepare(OP, tag).await?;
        let mut data = Vec::new();
        let mut done = 0;
        while done < count {
            let part = (count - done).min(u16::from(MOST_WORDS)) as u8;
            let question = command::read_data(SEARCH_MS, tag.password, bank, address + u32::from(done), part);
            let answer = self.operate(OP, &question).await?;
            // The option comes back in front.
            let words = answer.get(1..).unwrap_or_default();
            if words.len() != usize::from(part) * 2 {
                return Err(Error::new(ErrorKind::Protocol, OP).with_detail(format!(
                    "asked for {part} words, the module answers {} bytes",
                    words.len()
                )));
            }
            data.extend_from_slice(words);
            done += u16::from(part);
        }
        Ok(data)
    }

    async fn write_memory(&mut self, tag: &TagTarget, bank: Bank, address: u32, data: &[u8]) -> Result<()> {
        const OP: &str = "write memory";
        if data.is_empty() || !data.len().is_multiple_of(2) {
            return Err(refused(OP, "data comes in words of two bytes, at least one".to_owned()));
        }
        self.prepare(OP, tag).await?;
        let mut address = address;
        for part in data.chunks(usize::from(MOST_WORDS) * 2) {
            let write = command::write_data(SEARCH_MS, tag.password, bank, address, part);
            self.operate(OP, &write).await?;
            address += (part.len() / 2) as u32;
        }
        Ok(())
    }

    async fn write_id(&mut self, tag: &TagTarget, id: &[u8]) -> Result<()> {
        const OP: &str = "write id";
        if !(2..=TagId::MAX_LEN).contains(&id.len()) || !id.len().is_multiple_of(2) {
            return Err(refused(OP, "an id has whole words".to_owned()));
        }
        self.prepare(OP, tag).await?;
        self.operate(OP, &command::write_id(SEARCH_MS, tag.password, id)).await?;
        match self.look(OP).await?.as_slice() {
            [only] if only.bytes() == id => Ok(()),
            [other] => Err(lost(OP, &format!("the tag answers as {}", other.hex()))),
            [] => Err(lost(OP, "no tag is heard any more; look at it before trying again")),
            _ => Err(lost(OP, "several tags are heard now")),
        }
    }

    async fn lock(&mut self, tag: &TagTarget, lock: LockTarget) -> Result<()> {
        const OP: &str = "lock";
        let LockTarget::Gen2(lock) = lock else {
            return Err(refused(OP, format!("a Gen2 tag has no such lock: {lock:?}")));
        };
        self.prepare(OP, tag).await?;
        let lock = command::lock(SEARCH_MS, tag.password.unwrap_or(0), lock);
        self.operate(OP, &lock).await.map(drop)
    }

    async fn kill(&mut self, tag: &TagTarget, password: u32) -> Result<()> {
        const OP: &str = "kill";
        if password == 0 {
            return Err(refused(OP, "a kill password of zero cannot kill".to_owned()));
        }
        self.prepare(OP, tag).await?;
        self.operate(OP, &command::kill(SEARCH_MS, password)).await?;
        if self.look(OP).await?.contains(&tag.id) {
            return Err(lost(OP, "the tag still answers"));
        }
        Ok(())
    }
}

impl<S: Stream> Module<S> {
    /// Turns to the tag's antenna and makes sure that no other tag can be meant.
    async fn prepare(&mut self, op: &'static str, tag: &TagTarget) -> Result<()> {
        if tag.protocol != AirProtocol::Gen2 {
            return Err(refused(op, format!("the document does not say how for a tag of {}", tag.protocol)));
        }
        let port = u8::try_from(tag.antenna_port)
            .map_err(|_| refused(op, format!("there is no antenna {}", tag.antenna_port)))?;
        self.wire.must(op, &command::one_antenna(port)).await?;
        let code = record::protocol_code(tag.protocol).unwrap_or_default();
        self.wire.must(op, &command::set_protocol(code)).await?;
        match self.look(op).await?.as_slice() {
            [only] if *only == tag.id => Ok(()),
            [] => Err(lost(op, "no tag is heard")),
            [other] => Err(lost(op, &format!("another tag lies there: {}", other.hex()))),
            several => Err(lost(
                op,
                &format!("{} tags lie there, and this command cannot name one of them", several.len()),
            )),
        }
    }

    /// Sends a tag operation, once.
    async fn operate(&mut self, op: &'static str, operation: &[u8]) -> Result<Vec<u8>> {
        self.wire.ask(op, operation, SEARCH).await?.map_err(|status| status.error(op))
    }

    /// The tags before the antenna that is chosen, by one search.
    async fn look(&mut self, op: &'static str) -> Result<Vec<TagId>> {
        self.wire.must(op, &command::plain(opcode::CLEAR_TAGS)).await?;
        let span = Duration::from_millis(u64::from(LOOK_MS));
        let mut left = match self.wire.ask(op, &command::search(LOOK_MS), span).await? {
            Ok(data) => found(&data),
            Err(Status::NO_TAGS) => 0,
            Err(status) => return Err(status.error(op)),
        };
        let mut tags = Vec::new();
        let mut buf = ReadBuf::with_capacity(1);
        while left > 0 {
            let data = self.wire.must(op, &command::fetch_tags()).await?;
            let [high, low, _, count, records @ ..] = data.as_slice() else { break };
            let metadata = Metadata(u16::from_be_bytes([*high, *low]));
            let mut records = records;
            for _ in 0..*count {
                buf.clear();
                records = record::decode(metadata, records, &mut buf)
                    .map_err(|fault| Error::new(ErrorKind::Protocol, op).with_source(fault))?;
                tags.extend(buf.iter().map(|sighting| sighting.id.to_owned()));
            }
            left = left.saturating_sub(u32::from(*count).max(1));
        }
        tags.sort_by_key(TagId::hex);
        tags.dedup();
        Ok(tags)
    }
}

fn refused(op: &'static str, detail: String) -> Error {
    Error::new(ErrorKind::Unsupported, op).with_detail(detail)
}

fn lost(op: &'static str, detail: &str) -> Error {
    Error::new(ErrorKind::TagLost, op).with_detail(detail)
}
