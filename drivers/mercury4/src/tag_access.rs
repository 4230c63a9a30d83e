//! Memory of tags, by statements that name the tag where RQL lets them (§2.1).

use std::time::Duration;

use async_trait::async_trait;
use rfid_core::abilities::{Bank, LockTarget, TagAccess, TagTarget};
use rfid_core::{AirProtocol, Error, ErrorKind, ReadBuf, Result, Retry, TagId};
use rfid_driver_link::Stream;

use crate::abilities::Reader;
use crate::proto::identity::Model;
use crate::proto::{Column, RowDecoder, RqlError, RqlProtocol, check_code, tag_update};

/// First word of the EPC in its bank, behind check code and PC word.
const EPC_WORD: u32 = 2;

/// Highest password of an EPC Class 1 tag (§2.1).
const HIGHEST_CLASS_1_PASSWORD: u32 = 0xFF;

#[async_trait]
impl<S: Stream> TagAccess for Reader<S> {
    async fn read_memory(
        &mut self,
        tag: &TagTarget,
        bank: Bank,
        address: u32,
        count: u16,
    ) -> Result<Vec<u8>> {
        const OP: &str = "read memory";
        let protocol = with_memory(OP, tag)?;
        let unit = bytes_of_unit(tag.protocol);
        let mut data = Vec::new();
        let mut done = 0;
        while done < count {
            let part = (count - done).min(tag_update::MOST_UNITS);
            let question = tag_update::read_data(protocol, tag, bank, address + u32::from(done), part);
            let answer = self.wire.ask(OP, &question).await?.map_err(|error| failed(OP, error))?;
            let bytes = answer.as_deref().and_then(hex_field).unwrap_or_default();
            if bytes.len() != usize::from(part) * unit {
                return Err(Error::new(ErrorKind::Protocol, OP).with_detail(format!(
                    "asked for {part} units, the reader answers {} bytes",
                    bytes.len()
                )));
            }
            data.extend(bytes);
            done += part;
        }
        Ok(data)
    }

    async fn write_memory(&mut self, tag: &TagTarget, bank: Bank, address: u32, data: &[u8]) -> Result<()> {
        const OP: &str = "write memory";
        // All that an EPC Class 1 tag keeps besides its id is a password of one byte.
        if let (AirProtocol::Epc1, Bank::Reserved, 0, [password]) = (tag.protocol, bank, address, data) {
            let protocol = known(OP, tag)?;
            self.make_sure_it_is_alone(OP, protocol, tag).await?;
            let statement = tag_update::set_class_1_password(protocol, tag, *password);
            let row = self.update(OP, &statement).await?;
            return trust(OP, tag, row.as_deref(), tag.id.bytes());
        }
        let protocol = with_memory(OP, tag)?;
        let unit = bytes_of_unit(tag.protocol);
        if data.is_empty() || !data.len().is_multiple_of(unit) {
            return Err(refused(OP, format!("data comes in units of {unit} bytes, at least one")));
        }
        let part_len = unit * usize::from(tag_update::MOST_UNITS);
        // The first part of a new EPC would change the name that the second part needs.
        if tag.protocol == AirProtocol::Gen2 && bank == Bank::Epc && data.len() > part_len {
            return Err(refused(OP, format!("at most {part_len} bytes of the EPC bank are written at once")));
        }
        let mut address = address;
        for part in data.chunks(part_len) {
            self.update(OP, &tag_update::write_data(protocol, tag, bank, address, part)).await?;
            address += (part.len() / unit) as u32;
        }
        Ok(())
    }

    async fn write_id(&mut self, tag: &TagTarget, id: &[u8]) -> Result<()> {
        const OP: &str = "write id";
        let protocol = known(OP, tag)?;
        let (fits, allowed) = match tag.protocol {
            AirProtocol::Gen2 => {
                ((2..=TagId::MAX_LEN).contains(&id.len()) && id.len().is_multiple_of(2), "whole words")
            }
            AirProtocol::Epc1 => (matches!(id.len(), 8 | 12), "8 or 12 bytes"),
            other => return Err(refused(OP, format!("no way to write the id of a tag of {other} is known"))),
        };
        if !fits {
            return Err(refused(OP, format!("an id of {} has {allowed}", tag.protocol)));
        }
        // Firmware of 2009 could not tell tags apart in this statement; memory can be written (§7).
        if self.model == Model::Astra {
            let statement = tag_update::write_data(protocol, tag, Bank::Epc, EPC_WORD, id);
            self.update(OP, &statement).await?;
        } else {
            if tag.protocol == AirProtocol::Epc1 {
                self.make_sure_it_is_alone(OP, protocol, tag).await?;
            }
            let row = self.update(OP, &tag_update::write_id(protocol, tag, id)).await?;
            trust(OP, tag, row.as_deref(), id)?;
        }
        let heard = self.look(OP, protocol, tag).await?;
        match (heard.iter().any(|heard| heard.bytes() == id), heard.contains(&tag.id) && tag.id.bytes() != id)
        {
            (true, false) => Ok(()),
            (true, true) => Err(lost(OP, "both ids are heard; there may be two tags")),
            (false, true) => Err(lost(OP, "the tag still has its old id")),
            (false, false) => Err(lost(OP, "no tag is heard any more; look at it before trying again")),
        }
    }

    async fn lock(&mut self, tag: &TagTarget, lock: LockTarget) -> Result<()> {
        const OP: &str = "lock";
        let protocol = known(OP, tag)?;
        match (tag.protocol, lock) {
            (AirProtocol::Gen2, LockTarget::Gen2(lock)) => {
                for statement in tag_update::lock_gen2(protocol, tag, lock) {
                    let row = self.update(OP, &statement).await?;
                    trust(OP, tag, row.as_deref(), tag.id.bytes())?;
                }
                Ok(())
            }
            (AirProtocol::Epc1, LockTarget::Whole) => {
                self.make_sure_it_is_alone(OP, protocol, tag).await?;
                let row = self.update(OP, &tag_update::lock_class_1(protocol, tag)).await?;
                trust(OP, tag, row.as_deref(), tag.id.bytes())
            }
            (AirProtocol::Iso18000_6b, LockTarget::Byte(address)) => {
                self.update(OP, &tag_update::lock_byte(protocol, tag, address)).await.map(drop)
            }
            (other, lock) => Err(refused(OP, format!("a tag of {other} has no such lock: {lock:?}"))),
        }
    }

    async fn kill(&mut self, tag: &TagTarget, password: u32) -> Result<()> {
        const OP: &str = "kill";
        let protocol = known(OP, tag)?;
        match tag.protocol {
            _ if password == 0 => {
                return Err(refused(OP, "a kill password of zero cannot kill".to_owned()));
            }
            AirProtocol::Gen2 => {}
            AirProtocol::Epc1 if password <= HIGHEST_CLASS_1_PASSWORD => {
                self.make_sure_it_is_alone(OP, protocol, tag).await?;
            }
            AirProtocol::Epc1 => {
                return Err(refused(OP, "the password of an EPC Class 1 tag has 8 bits".to_owned()));
            }
            other => return Err(refused(OP, format!("no way to kill a tag of {other} is known"))),
        }
        self.update(OP, &tag_update::kill(protocol, tag, password)).await?;
        // The manual asks to verify by a read, since the reply alone does not prove it (§2.1).
        if self.look(OP, protocol, tag).await?.contains(&tag.id) {
            return Err(lost(OP, "the tag still answers"));
        }
        Ok(())
    }
}

impl<S: Stream> Reader<S> {
    /// Sends one statement, once, and returns the row of its reply.
    async fn update(&mut self, op: &'static str, statement: &str) -> Result<Option<String>> {
        self.wire.ask(op, statement).await?.map_err(|error| failed(op, error))
    }

    /// The tags of this protocol before the antenna.
    async fn look(&mut self, op: &'static str, protocol: RqlProtocol, tag: &TagTarget) -> Result<Vec<TagId>> {
        let question = tag_update::look(protocol, tag);
        let span = Duration::from_millis(u64::from(tag_update::LOOK_MS));
        let rows = self.wire.ask_rows(op, &question, span).await?.map_err(|error| failed(op, error))?;
        let mut decoder = RowDecoder::new(Column::NEEDED.to_vec());
        let mut buf = ReadBuf::with_capacity(rows.len());
        for row in &rows {
            decoder
                .decode(row, &mut buf)
                .map_err(|fault| Error::new(ErrorKind::Protocol, op).with_source(fault))?;
        }
        Ok(buf.iter().map(|sighting| sighting.id.to_owned()).collect())
    }

    /// Makes sure that a statement which cannot name the tag can mean no other one.
    async fn make_sure_it_is_alone(
        &mut self,
        op: &'static str,
        protocol: RqlProtocol,
        tag: &TagTarget,
    ) -> Result<()> {
        match self.look(op, protocol, tag).await?.as_slice() {
            [only] if *only == tag.id => Ok(()),
            [] => Err(lost(op, "no tag is heard")),
            [other] => Err(lost(op, &format!("another tag lies there: {}", other.hex()))),
            several => Err(lost(
                op,
                &format!("{} tags lie there, and this statement cannot name one of them", several.len()),
            )),
        }
    }
}

/// Makes sure that an id in the reply to an update is the one that it must be.
fn trust(op: &'static str, tag: &TagTarget, row: Option<&str>, expected: &[u8]) -> Result<()> {
    let Some(said) = row.and_then(hex_field) else { return Ok(()) };
    let without_code = if check_code::stands_first(tag.protocol) {
        said.get(2..)
    } else {
        said.len().checked_sub(2).and_then(|len| said.get(..len))
    };
    if said == expected || without_code == Some(expected) {
        return Ok(());
    }
    let other: String = said.iter().map(|byte| format!("{byte:02X}")).collect();
    Err(Error::new(ErrorKind::Protocol, op)
        .with_detail(format!("the reader speaks of another tag: {other}; do not trust the outcome"))
        .with_retry(Retry::Never))
}

/// The bytes of the one field of a row that is not empty.
fn hex_field(row: &str) -> Option<Vec<u8>> {
    let digits = row.split('|').find(|field| !field.is_empty())?.strip_prefix("0x")?;
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn known(op: &'static str, tag: &TagTarget) -> Result<RqlProtocol> {
    RqlProtocol::of(tag.protocol)
        .ok_or_else(|| refused(op, format!("this reader does not speak {}", tag.protocol)))
}

/// The protocol of a tag that has memory besides its id (§3.2).
fn with_memory(op: &'static str, tag: &TagTarget) -> Result<RqlProtocol> {
    match tag.protocol {
        AirProtocol::Gen2 | AirProtocol::Iso18000_6b => known(op, tag),
        other => Err(refused(op, format!("a tag of {other} has no memory besides its id"))),
    }
}

fn bytes_of_unit(protocol: AirProtocol) -> usize {
    if protocol == AirProtocol::Iso18000_6b { 1 } else { 2 }
}

fn refused(op: &'static str, detail: String) -> Error {
    Error::new(ErrorKind::Unsupported, op).with_detail(detail)
}

fn lost(op: &'static str, detail: &str) -> Error {
    Error::new(ErrorKind::TagLost, op).with_detail(detail)
}

/// What the reader's error means: 0102 is that of the air (§1.1).
fn failed(op: &'static str, error: RqlError) -> Error {
    let (kind, detail) = match error.code {
        102 => (ErrorKind::TagLost, "the tag did not answer or refused"),
        _ => (ErrorKind::Unsupported, "the reader refused"),
    };
    Error::new(kind, op).with_detail(detail).with_vendor_code(i64::from(error.code)).with_source(error)
}
