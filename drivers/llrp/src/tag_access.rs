//! Memory of tags, by AccessSpecs in an inventory of their own (§7.8).

use std::time::Duration;

use async_trait::async_trait;
use rfid_core::abilities::{Bank, Gen2Lock, LockField, LockTarget, TagAccess, TagTarget};
use rfid_core::{AirProtocol, Error, ErrorKind, Result, TagId, TagIdKind};
use rfid_driver_link::Stream;
use rfid_llrp::enumeration::{
    AccessReportTrigger, AccessSpecStopTriggerType, KillResult, LockDataField, LockPrivilege, LockResult,
    MemoryBank, ProtocolID, ReadResult, WriteResult,
};
use rfid_llrp::message::{
    AddAccessSpec, DeleteAccessSpec, DeleteROSpec, EnableAccessSpec, EnableEventsAndReports, EnableROSpec,
    Keepalive, ROAccessReport, StartROSpec,
};
use rfid_llrp::parameter::{
    AccessCommand, AccessOperation, AccessReportSpec, AccessSpec, AccessSpecStopTrigger, C1G2BlockWrite,
    C1G2Kill, C1G2Lock, C1G2LockPayload, C1G2Read, C1G2TagSpec, C1G2TargetTag, C1G2Write,
};
use rfid_llrp::{Bits, OpResult, Password, TagReports};
use tokio::time::Instant;

use crate::abilities::Reader;
use crate::ro_spec::{self, Plan};
use crate::wire::{LONG_PATIENCE, PATIENCE};

/// Our AccessSpec. The number is one that nobody else is likely to use.
pub(crate) const ACCESS_SPEC: u32 = 7_342;

/// How long a tag may take to be found and operated on (§10).
const DEADLINE: Duration = Duration::from_secs(5);

/// How long tags are looked at to tell which are there.
const LOOK: Duration = Duration::from_millis(500);

/// How long an operation with all that belongs to it may take.
const WHOLE: Duration = Duration::from_secs(40);

/// Words that are read or written by one operation.
const MOST_WORDS: u16 = 64;

/// First word of the EPC in its bank, behind check code and PC word.
const EPC_WORD: u16 = 2;

/// The word in front of it, whose top five bits are the length of the EPC in words.
const PC_WORD: u16 = 1;

/// Bit of the EPC bank at which the PC word begins.
const PC_BIT: u16 = 16;

/// What came of an operation.
#[derive(Debug)]
struct Outcome {
    number: u16,
    result: u8,
    meaning: &'static str,
    words_written: Option<u16>,
    data: Vec<u8>,
}

impl Outcome {
    fn of(result: &OpResult<'_>) -> Self {
        Self {
            number: result.number,
            result: result.result,
            meaning: result.meaning().unwrap_or("for a reason that nobody knows"),
            words_written: result.words_written(),
            data: result.read_data().unwrap_or_default().to_vec(),
        }
    }

    /// What a failure means to the caller: the tag's doing, or the reader's.
    fn error(&self, op: &'static str) -> Error {
        const READ: u16 = 349;
        const KILL: u16 = 351;
        const LOCK: u16 = 352;
        let is_readers = match self.number {
            READ => [ReadResult::READER_ERROR.0, ReadResult::OVERRUN.0].contains(&self.result),
            KILL => [KillResult::READER_ERROR.0, KillResult::ZERO_PASSWORD.0].contains(&self.result),
            LOCK => [LockResult::READER_ERROR.0, LockResult::OVERRUN.0].contains(&self.result),
            _ => [WriteResult::READER_ERROR.0, WriteResult::OVERRUN.0].contains(&self.result),
        };
        let kind = if is_readers { ErrorKind::Unsupported } else { ErrorKind::TagLost };
        Error::new(kind, op).with_detail(self.meaning).with_vendor_code(i64::from(self.result))
    }
}

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
        is_gen2(OP, tag)?;
        let mut data = Vec::new();
        let mut done = 0;
        while done < count {
            let word_count = (count - done).min(MOST_WORDS);
            let op_spec_id = self.next_op_spec();
            let read = C1G2Read {
                op_spec_id,
                access_password: password_of(tag),
                mb: memory_bank(bank),
                word_pointer: word(OP, address, done)?,
                word_count,
            };
            let outcome = self.operate(OP, tag, op_spec_id, read.into()).await?;
            if outcome.data.len() != usize::from(word_count) * 2 {
                return Err(Error::new(ErrorKind::Protocol, OP).with_detail(format!(
                    "asked for {word_count} words, the reader answers {} bytes",
                    outcome.data.len()
                )));
            }
            data.extend(outcome.data);
            done += word_count;
        }
        Ok(data)
    }

    async fn write_memory(&mut self, tag: &TagTarget, bank: Bank, address: u32, data: &[u8]) -> Result<()> {
        const OP: &str = "write memory";
        is_gen2(OP, tag)?;
        let words = words_of(data)
            .filter(|words| !words.is_empty())
            .ok_or_else(|| refused(OP, "data comes in words of 2 bytes, at least one".to_owned()))?;
        // The first part of a new EPC would change the name that the second part needs.
        if bank == Bank::Epc && words.len() > usize::from(MOST_WORDS) {
            return Err(refused(
                OP,
                format!("at most {MOST_WORDS} words of the EPC bank are written at once"),
            ));
        }
        let mut done = 0;
        for part in words.chunks(usize::from(MOST_WORDS)) {
            self.write(OP, tag, bank, word(OP, address, done)?, part).await?;
            done = done.saturating_add(part.len() as u16);
        }
        Ok(())
    }

    async fn write_id(&mut self, tag: &TagTarget, id: &[u8]) -> Result<()> {
        const OP: &str = "write id";
        is_gen2(OP, tag)?;
        let words = words_of(id)
            .filter(|words| !words.is_empty() && id.len() <= TagId::MAX_LEN)
            .ok_or_else(|| refused(OP, "an id of gen2 has 1 to 31 whole words".to_owned()))?;
        if id.len() == tag.id.bytes().len() {
            self.write(OP, tag, Bank::Epc, EPC_WORD, &words).await?;
        } else {
            // The tag says by its PC word how long its EPC is; the rest of that word stays.
            let pc = self.read_memory(tag, Bank::Epc, PC_WORD.into(), 1).await?;
            let pc = words_of(&pc).and_then(|words| words.first().copied()).unwrap_or_default();
            let mut with_pc = vec![pc & 0x07FF | (words.len() as u16) << 11];
            with_pc.extend(words);
            self.write(OP, tag, Bank::Epc, PC_WORD, &with_pc).await?;
        }
        let heard = self.look(OP, tag.antenna_port).await?;
        let is_new = heard.iter().any(|heard| heard.bytes() == id);
        match (is_new, heard.contains(&tag.id) && tag.id.bytes() != id) {
            (true, false) => Ok(()),
            (true, true) => Err(lost(OP, "both ids are heard; there may be two tags")),
            (false, true) => Err(lost(OP, "the tag still has its old id")),
            (false, false) => Err(lost(OP, "no tag is heard any more; look at it before trying again")),
        }
    }

    async fn lock(&mut self, tag: &TagTarget, lock: LockTarget) -> Result<()> {
        const OP: &str = "lock";
        is_gen2(OP, tag)?;
        let LockTarget::Gen2(lock) = lock else {
            return Err(refused(OP, format!("a tag of gen2 has no such lock: {lock:?}")));
        };
        let op_spec_id = self.next_op_spec();
        let payloads = payloads(lock)?;
        let lock = C1G2Lock { op_spec_id, access_password: password_of(tag), payloads };
        self.operate(OP, tag, op_spec_id, lock.into()).await.map(drop)
    }

    async fn kill(&mut self, tag: &TagTarget, password: u32) -> Result<()> {
        const OP: &str = "kill";
        is_gen2(OP, tag)?;
        if password == 0 {
            return Err(refused(OP, "a kill password of zero cannot kill".to_owned()));
        }
        let op_spec_id = self.next_op_spec();
        let kill = C1G2Kill { op_spec_id, kill_password: Password(password) };
        self.operate(OP, tag, op_spec_id, kill.into()).await?;
        if self.look(OP, tag.antenna_port).await?.contains(&tag.id) {
            return Err(lost(OP, "the tag still answers"));
        }
        Ok(())
    }
}

impl<S: Stream> Reader<S> {
    /// A number that no result of an earlier operation has, which may still be on its way.
    fn next_op_spec(&mut self) -> u16 {
        self.last_op_spec = self.last_op_spec.checked_add(1).unwrap_or(1);
        self.last_op_spec
    }

    async fn write(
        &mut self,
        op: &'static str,
        tag: &TagTarget,
        bank: Bank,
        word_pointer: u16,
        words: &[u16],
    ) -> Result<()> {
        let op_spec_id = self.next_op_spec();
        let (access_password, mb) = (password_of(tag), memory_bank(bank));
        let operation = if self.writes_blocks {
            let write_data = words.to_vec();
            C1G2BlockWrite { op_spec_id, access_password, mb, word_pointer, write_data }.into()
        } else {
            let write_data = words.to_vec();
            C1G2Write { op_spec_id, access_password, mb, word_pointer, write_data }.into()
        };
        let outcome = self.operate(op, tag, op_spec_id, operation).await?;
        match outcome.words_written {
            Some(written) if usize::from(written) != words.len() => Err(lost(
                op,
                &format!(
                    "{written} of {} words were written; look at the tag before trying again",
                    words.len()
                ),
            )),
            _ => Ok(()),
        }
    }

    /// One operation on one tag, once.
    async fn operate(
        &mut self,
        op: &'static str,
        tag: &TagTarget,
        op_spec_id: u16,
        operation: AccessOperation,
    ) -> Result<Outcome> {
        self.wire.set_limit(WHOLE);
        let access_spec = access_spec(tag, operation);
        let access_spec_id = ACCESS_SPEC;
        let outcome: Result<Option<Outcome>> = async {
            self.wire.must(op, AddAccessSpec { access_spec }, LONG_PATIENCE).await?;
            self.wire.must(op, EnableAccessSpec { access_spec_id }, PATIENCE).await?;
            self.begin_access(op, tag.antenna_port).await?;
            let mut outcome = None;
            self.hear(op, DEADLINE, |report| {
                for tag in report.filter_map(|tag| tag.ok()) {
                    // 0 is none; a reader that does not say whose result it is has only ours.
                    if tag.access_spec_id().is_some_and(|id| id != ACCESS_SPEC && id != 0) {
                        continue;
                    }
                    let result = tag.results().find(|result| result.op_spec_id == op_spec_id);
                    outcome = outcome.take().or(result.map(|result| Outcome::of(&result)));
                }
                outcome.is_some()
            })
            .await?;
            Ok(outcome)
        }
        .await;
        let ended = self.end_access(op).await;
        let outcome = outcome?;
        ended?;
        match outcome {
            Some(outcome) if outcome.result == 0 => Ok(outcome),
            Some(outcome) => Err(outcome.error(op)),
            // A tag that never answers gives no result at all (§7.8).
            None => Err(lost(op, &format!("the tag was not found within {DEADLINE:?}"))),
        }
    }

    /// The tags before an antenna.
    async fn look(&mut self, op: &'static str, antenna: u16) -> Result<Vec<TagId>> {
        self.wire.set_limit(WHOLE);
        let mut heard = Vec::new();
        let looked = async {
            self.begin_access(op, antenna).await?;
            self.hear(op, LOOK, |report| {
                for tag in report.filter_map(|tag| tag.ok()) {
                    if let Ok(id) = TagId::new(TagIdKind::Epc, tag.epc())
                        && !heard.contains(&id)
                    {
                        heard.push(id);
                    }
                }
                false
            })
            .await
        }
        .await;
        let ended = self.end_access(op).await;
        looked?;
        ended.map(|()| heard)
    }

    /// Starts to read tags with one antenna, in a session in which none stays silent.
    async fn begin_access(&mut self, op: &'static str, antenna: u16) -> Result<()> {
        let plan = Plan {
            ro_spec_id: ro_spec::ACCESS,
            antennas: vec![antenna],
            session: None,
            population: None,
            epc_prefixes: Vec::new(),
            mode: None,
            search_mode: None,
            transmitters: self.transmitters.clone(),
            report_every: 1,
            is_impinj: false,
            phase: false,
            names_ro_spec: false,
        };
        let ro_spec_id = plan.ro_spec_id;
        plan.add(op, &mut self.wire).await?;
        self.wire.must(op, EnableROSpec { ro_spec_id }, PATIENCE).await?;
        self.wire.hold();
        self.wire.must(op, StartROSpec { ro_spec_id }, PATIENCE).await?;
        self.wire.queue(op, &EnableEventsAndReports {}.into())?;
        self.wire.send(op).await?;
        self.wire.release();
        Ok(())
    }

    /// Hands over each report until that is enough, or the time is over.
    async fn hear(
        &mut self,
        op: &'static str,
        time: Duration,
        mut is_enough: impl FnMut(&mut TagReports<'_>) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + time;
        loop {
            let Some(frame) = self.wire.front(op)? else {
                match self.wire.receive(op, deadline).await {
                    Ok(()) => continue,
                    Err(error) if error.kind() == ErrorKind::Timeout => return Ok(()),
                    Err(error) => return Err(error),
                }
            };
            let header = frame.header;
            if header.number == ROAccessReport::NUMBER
                && let Some(mut report) = TagReports::of_frame(&frame)
                && is_enough(&mut report)
            {
                self.wire.pass(header);
                return Ok(());
            }
            self.wire.pass(header);
            if header.number == Keepalive::NUMBER {
                self.wire.acknowledge(op, header)?;
                self.wire.send(op).await?;
            }
            if Instant::now() >= deadline {
                return Ok(());
            }
        }
    }

    /// Leaves nothing of it on the reader. What is gone already, as an AccessSpec is that has run,
    /// cannot be deleted, and that is as good.
    async fn end_access(&mut self, op: &'static str) -> Result<()> {
        self.wire.release();
        self.wire.ask(op, DeleteROSpec { ro_spec_id: ro_spec::ACCESS }, LONG_PATIENCE).await?;
        self.wire.ask(op, DeleteAccessSpec { access_spec_id: ACCESS_SPEC }, LONG_PATIENCE).await.map(drop)
    }
}

/// What is to be done, to that tag and once.
fn access_spec(tag: &TagTarget, operation: AccessOperation) -> AccessSpec {
    AccessSpec {
        access_spec_id: ACCESS_SPEC,
        antenna_id: tag.antenna_port,
        protocol_id: ProtocolID::C1G2,
        current_state: false,
        ro_spec_id: ro_spec::ACCESS,
        access_spec_stop_trigger: AccessSpecStopTrigger {
            access_spec_stop_trigger_type: AccessSpecStopTriggerType::OPERATION_COUNT,
            operation_count_value: 1,
        },
        access_command: AccessCommand {
            tag_spec: C1G2TagSpec { target_tags: vec![target(tag.id.bytes())] },
            op_specs: vec![operation],
        },
        access_report_spec: Some(AccessReportSpec { access_report_trigger: AccessReportTrigger::AT_END }),
        customs: Vec::new(),
    }
}

/// That EPC and no longer one that begins with it: the length in the PC word is looked at, too, and
/// the other bits of that word are not (our reading of §7.8, which names both ways to match).
fn target(epc: &[u8]) -> C1G2TargetTag {
    const LENGTH: u16 = 0b1_1111 << 11;
    let words = (epc.len() / 2) as u16;
    let mask = [&LENGTH.to_be_bytes()[..], &vec![0xFF; epc.len()]].concat();
    let data = [&(words << 11).to_be_bytes()[..], epc].concat();
    C1G2TargetTag {
        mb: MemoryBank::EPC,
        matches: true,
        pointer: PC_BIT,
        tag_mask: Bits::whole(&mask),
        tag_data: Bits::whole(&data),
    }
}

/// A lock field by field, which is how LLRP has it.
fn payloads(lock: Gen2Lock) -> Result<Vec<C1G2LockPayload>> {
    const OP: &str = "lock";
    let mut payloads = Vec::new();
    for field in LockField::ALL {
        let pair = |bits: u16| bits >> field.shift() & 0b11;
        match pair(lock.mask()) {
            0b00 => continue,
            0b11 => {}
            _ => {
                return Err(refused(
                    OP,
                    format!("of {} one bit alone cannot be changed by LLRP", field.name()),
                ));
            }
        }
        let privilege = match pair(lock.action()) {
            0b00 => LockPrivilege::UNLOCK,
            0b01 => LockPrivilege::PERMAUNLOCK,
            0b10 => LockPrivilege::READ_WRITE,
            _ => LockPrivilege::PERMALOCK,
        };
        let data_field = match field {
            LockField::KillPassword => LockDataField::KILL_PASSWORD,
            LockField::AccessPassword => LockDataField::ACCESS_PASSWORD,
            LockField::Epc => LockDataField::EPC,
            LockField::Tid => LockDataField::TID,
            LockField::User => LockDataField::USER,
        };
        payloads.push(C1G2LockPayload { privilege, data_field });
    }
    match payloads.is_empty() {
        true => Err(refused(OP, "this lock changes nothing".to_owned())),
        false => Ok(payloads),
    }
}

fn memory_bank(bank: Bank) -> MemoryBank {
    match bank {
        Bank::Reserved => MemoryBank::RESERVED,
        Bank::Epc => MemoryBank::EPC,
        Bank::Tid => MemoryBank::TID,
        Bank::User => MemoryBank::USER,
    }
}

fn password_of(tag: &TagTarget) -> Password {
    Password(tag.password.unwrap_or_default())
}

/// The word `done` behind an address.
fn word(op: &'static str, address: u32, done: u16) -> Result<u16> {
    let word = address.checked_add(done.into()).and_then(|word| u16::try_from(word).ok());
    word.ok_or_else(|| refused(op, format!("word {address} and those behind it are beyond any memory")))
}

fn words_of(data: &[u8]) -> Option<Vec<u16>> {
    let (words, rest) = data.as_chunks::<2>();
    rest.is_empty().then(|| words.iter().map(|word| u16::from_be_bytes(*word)).collect())
}

fn is_gen2(op: &'static str, tag: &TagTarget) -> Result<()> {
    match tag.protocol {
        AirProtocol::Gen2 => Ok(()),
        other => Err(refused(op, format!("LLRP has no way to operate on tags of {other}"))),
    }
}

fn refused(op: &'static str, detail: String) -> Error {
    Error::new(ErrorKind::Unsupported, op).with_detail(detail)
}

fn lost(op: &'static str, detail: &str) -> Error {
    Error::new(ErrorKind::TagLost, op).with_detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rfid_core::abilities::LockState;

    #[test]
    fn an_epc_is_meant_with_its_length() {
        let target = target(&[0x30, 0x08, 0x33, 0xB2]);
        assert_eq!(target.pointer, 16);
        assert_eq!(target.tag_mask.octets(), [0xF8, 0x00, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert_eq!(target.tag_data.octets(), [0x10, 0x00, 0x30, 0x08, 0x33, 0xB2]);
        assert_eq!((target.tag_mask.count(), target.tag_data.count()), (48, 48));
    }

    #[test]
    fn locks_go_field_by_field() {
        let lock = Gen2Lock::default()
            .with(LockField::Epc, LockState::Password)
            .with(LockField::User, LockState::Never)
            .with(LockField::KillPassword, LockState::Open)
            .with(LockField::Tid, LockState::OpenForever);
        let said: Vec<_> =
            payloads(lock).unwrap().iter().map(|one| (one.data_field.0, one.privilege.0)).collect();
        assert_eq!(said, [(0, 3), (2, 0), (3, 2), (4, 1)]);
        assert!(payloads(Gen2Lock::default()).is_err());
        assert!(payloads(Gen2Lock::from_bits(0b01, 0b01)).is_err());
    }

    #[test]
    fn failures_are_the_tags_or_the_readers() {
        let kind = |number, result| {
            let result = OpResult { number, result, op_spec_id: 1, data: &[] };
            Outcome::of(&result).error("test").kind()
        };
        assert_eq!(kind(349, ReadResult::NO_RESPONSE.0), ErrorKind::TagLost);
        assert_eq!(kind(349, ReadResult::OVERRUN.0), ErrorKind::Unsupported);
        assert_eq!(kind(350, WriteResult::LOCKED.0), ErrorKind::TagLost);
        assert_eq!(kind(350, WriteResult::OVERRUN.0), ErrorKind::Unsupported);
        assert_eq!(kind(351, KillResult::BAD_PASSWORD.0), ErrorKind::TagLost);
        assert_eq!(kind(352, LockResult::READER_ERROR.0), ErrorKind::Unsupported);
    }

    #[test]
    fn addresses_end_where_llrp_cannot_name_them() {
        assert_eq!(word("test", 65_535, 0).unwrap(), 65_535);
        assert!(word("test", 65_535, 1).is_err());
        assert!(word("test", u32::MAX, 1).is_err());
    }
}
