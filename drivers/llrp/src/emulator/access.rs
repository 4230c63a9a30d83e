//! What is done to tags: AccessSpecs, and what tags answer.

use rfid_core::abilities::{LockField, LockState};
use rfid_emulated_field::{NotDone, TagMemory};
use rfid_llrp::enumeration::*;
use rfid_llrp::parameter::*;
use rfid_llrp::{Bits, Password, Version};

use super::faults::FaultState;

/// An AccessSpec that was added.
#[derive(Clone, Debug)]
pub(super) struct Installed {
    pub(super) spec: AccessSpec,
    pub(super) executions: u16,
}

impl Installed {
    /// Whether it acts on this tag.
    pub(super) fn means(&self, ro_spec_id: u32, antenna: u16, tag: &TagMemory) -> bool {
        let spec = &self.spec;
        spec.current_state
            && (spec.ro_spec_id == 0 || spec.ro_spec_id == ro_spec_id)
            && (spec.antenna_id == 0 || spec.antenna_id == antenna)
            && spec.access_command.tag_spec.target_tags.iter().all(|target| is_target(target, tag))
    }

    /// Does everything that it asks of a tag, up to the first failure.
    pub(super) fn execute(
        &mut self,
        tag: &mut TagMemory,
        version: Version,
        faults: &FaultState,
    ) -> Vec<OpSpecResult> {
        self.executions = self.executions.saturating_add(1);
        let mut results = Vec::new();
        for operation in &self.spec.access_command.op_specs {
            let fails = faults.counts.operations.comes(faults.faults().fail_operation_every);
            let Some((result, has_succeeded)) = operate(operation, tag, version, fails) else {
                continue;
            };
            results.push(result);
            if !has_succeeded {
                break;
            }
        }
        results
    }

    /// Whether it has been carried out as often as was asked.
    pub(super) fn is_over(&self) -> bool {
        let stop = &self.spec.access_spec_stop_trigger;
        stop.access_spec_stop_trigger_type == AccessSpecStopTriggerType::OPERATION_COUNT
            && stop.operation_count_value != 0
            && self.executions >= stop.operation_count_value
    }
}

/// An empty mask means any tag, whatever else the target says: a vendor's library relies on it.
fn is_target(target: &C1G2TargetTag, tag: &TagMemory) -> bool {
    if target.tag_mask.count() == 0 {
        return true;
    }
    let bank = tag.bank(target.mb.0);
    is_like(&bank, target.pointer, &target.tag_data, Some(&target.tag_mask)) == target.matches
}

/// Whether the bits of a bank from `pointer` on are these, where the mask is set.
pub(super) fn is_like(bank: &[u8], pointer: u16, data: &Bits, mask: Option<&Bits>) -> bool {
    let bit = |octets: &[u8], at: usize| octets.get(at / 8).map(|octet| octet >> (7 - at % 8) & 1);
    (0..usize::from(data.count())).all(|at| {
        let is_compared = mask.is_none_or(|mask| bit(mask.octets(), at) == Some(1));
        !is_compared || bit(bank, usize::from(pointer) + at) == bit(data.octets(), at)
    })
}

fn password(given: Password) -> Option<u32> {
    (given.0 != 0).then_some(given.0)
}

/// Why a tag does not do something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    BadPassword,
    Overrun,
    Locked,
    InTheAir,
}

/// What stands against a place in a bank, once the tag has refused.
fn why(tag: &TagMemory, bank: MemoryBank, end: usize, given: Option<u32>) -> Why {
    let room = if bank == MemoryBank::EPC { 4 + rfid_core::TagId::MAX_LEN } else { tag.bank(bank.0).len() };
    if !tag.accepts(given) {
        Why::BadPassword
    } else if end > room {
        Why::Overrun
    } else {
        Why::Locked
    }
}

/// What came of an operation, and whether it succeeded.
fn operate(
    operation: &AccessOperation,
    tag: &mut TagMemory,
    version: Version,
    fails: bool,
) -> Option<(OpSpecResult, bool)> {
    use AccessOperation as Op;
    Some(match operation {
        Op::C1G2Read(read) => {
            let (op_spec_id, given) = (read.op_spec_id, password(read.access_password));
            let start = usize::from(read.word_pointer);
            let words = match read.word_count {
                0 => (tag.bank(read.mb.0).len() / 2).saturating_sub(start),
                words => words.into(),
            };
            let outcome = if fails {
                Err(Why::InTheAir)
            } else if !tag.accepts(given) {
                Err(Why::BadPassword)
            } else {
                let bytes = tag.read(read.mb.0.into(), start as u64, words as u64, given);
                bytes.map_err(|NotDone| {
                    let end = (start + words) * 2;
                    // What can be read of a bank ends where it does now.
                    let is_beyond = end > tag.bank(read.mb.0).len() || words == 0;
                    if is_beyond { Why::Overrun } else { why(tag, read.mb, end, given) }
                })
            };
            let result = match outcome {
                Ok(_) => ReadResult::SUCCESS,
                Err(Why::InTheAir) => ReadResult::NO_RESPONSE,
                Err(Why::Overrun) => finer(version, ReadResult::OVERRUN, ReadResult::TAG_ERROR),
                Err(Why::Locked) => finer(version, ReadResult::LOCKED, ReadResult::TAG_ERROR),
                Err(Why::BadPassword) => finer(version, ReadResult::BAD_PASSWORD, ReadResult::TAG_ERROR),
            };
            let bytes = outcome.unwrap_or_default();
            let read_data = bytes.as_chunks::<2>().0.iter().map(|word| u16::from_be_bytes(*word)).collect();
            (C1G2ReadOpSpecResult { result, op_spec_id, read_data }.into(), result == ReadResult::SUCCESS)
        }
        Op::C1G2Write(write) => {
            let (op_spec_id, given) = (write.op_spec_id, password(write.access_password));
            let place = (write.mb, write.word_pointer);
            let (result, num_words_written) = put(tag, place, &write.write_data, given, version, fails);
            (
                C1G2WriteOpSpecResult { result, op_spec_id, num_words_written }.into(),
                result == WriteResult::SUCCESS,
            )
        }
        Op::C1G2BlockWrite(write) => {
            let (op_spec_id, given) = (write.op_spec_id, password(write.access_password));
            let place = (write.mb, write.word_pointer);
            let (result, num_words_written) = put(tag, place, &write.write_data, given, version, fails);
            (
                C1G2BlockWriteOpSpecResult { result, op_spec_id, num_words_written }.into(),
                result == WriteResult::SUCCESS,
            )
        }
        Op::C1G2Kill(kill) => {
            let result = if fails {
                KillResult::NO_RESPONSE
            } else if !tag.has_kill_password() {
                KillResult::ZERO_PASSWORD
            } else if tag.kill(kill.kill_password.0).is_ok() {
                KillResult::SUCCESS
            } else {
                finer(version, KillResult::BAD_PASSWORD, KillResult::TAG_ERROR)
            };
            let op_spec_id = kill.op_spec_id;
            (C1G2KillOpSpecResult { result, op_spec_id }.into(), result == KillResult::SUCCESS)
        }
        Op::C1G2Lock(lock) => {
            let given = password(lock.access_password);
            let (mask, action) = lock_bits(&lock.payloads);
            let result = if fails {
                LockResult::NO_RESPONSE
            } else if tag.lock(mask, action, given).is_ok() {
                LockResult::SUCCESS
            } else if !tag.accepts(given) {
                finer(version, LockResult::BAD_PASSWORD, LockResult::TAG_ERROR)
            } else {
                finer(version, LockResult::LOCKED, LockResult::TAG_ERROR)
            };
            let op_spec_id = lock.op_spec_id;
            (C1G2LockOpSpecResult { result, op_spec_id }.into(), result == LockResult::SUCCESS)
        }
        // None of the others is let in (`validity`).
        _ => return None,
    })
}

/// Writes words, all of them or none. Returns what came of it, and how many were written.
fn put(
    tag: &mut TagMemory,
    (bank, pointer): (MemoryBank, u16),
    words: &[u16],
    given: Option<u32>,
    version: Version,
    fails: bool,
) -> (WriteResult, u16) {
    if fails {
        return (WriteResult::NO_RESPONSE, 0);
    }
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    if tag.write(bank.0.into(), pointer.into(), &bytes, given).is_ok() {
        return (WriteResult::SUCCESS, words.len() as u16);
    }
    let result = match why(tag, bank, usize::from(pointer) * 2 + bytes.len(), given) {
        Why::Overrun => WriteResult::OVERRUN,
        Why::BadPassword => finer(version, WriteResult::BAD_PASSWORD, WriteResult::TAG_ERROR),
        Why::Locked | Why::InTheAir => WriteResult::LOCKED,
    };
    (result, 0)
}

/// LLRP 1.0.1 has the coarse codes alone.
fn finer<T>(version: Version, fine: T, coarse: T) -> T {
    if version == Version::V1_1 { fine } else { coarse }
}

/// Mask and action of the Gen2 command.
fn lock_bits(payloads: &[C1G2LockPayload]) -> (u16, u16) {
    let (mut mask, mut action) = (0, 0);
    for payload in payloads {
        let field = LockField::ALL.get(usize::from(payload.data_field.0));
        let state = match payload.privilege {
            LockPrivilege::READ_WRITE => LockState::Password,
            LockPrivilege::PERMALOCK => LockState::Never,
            LockPrivilege::PERMAUNLOCK => LockState::OpenForever,
            _ => LockState::Open,
        };
        let pair = LockState::ALL.iter().position(|known| *known == state).unwrap_or_default() as u16;
        if let Some(field) = field {
            mask |= 0b11 << field.shift();
            action = action & !(0b11 << field.shift()) | pair << field.shift();
        }
    }
    (mask, action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_compared_where_the_mask_is_set_and_never_beyond_the_bank() {
        let bank = [0xAB, 0xCD];
        assert!(is_like(&bank, 4, &Bits::new(&[0xBC], 8), None));
        assert!(!is_like(&bank, 4, &Bits::new(&[0xBD], 8), None));
        assert!(is_like(&bank, 4, &Bits::new(&[0xBD], 8), Some(&Bits::new(&[0xFE], 8))));
        assert!(!is_like(&bank, 12, &Bits::new(&[0xD0], 8), None));
        assert!(is_like(&bank, u16::MAX, &Bits::default(), None));
    }

    #[test]
    fn a_later_payload_for_the_same_field_counts() {
        let payload = |privilege, data_field| C1G2LockPayload { privilege, data_field };
        let bits = lock_bits(&[
            payload(LockPrivilege::PERMALOCK, LockDataField::USER),
            payload(LockPrivilege::READ_WRITE, LockDataField::USER),
            payload(LockPrivilege::PERMAUNLOCK, LockDataField::KILL_PASSWORD),
        ]);
        assert_eq!(bits, (0b11_0000_0011, 0b01_0000_0010));
    }
}
