//! What the emulated tags hold and how they guard it.
//!
//! Gen2 tags behave as the air protocol says: an access password of zero lets anybody write and
//! lock, a kill password of zero cannot kill, permanent locks stay. Of the others only what the
//! protocol document says is there; sizes of memory are choices.

use std::collections::HashMap;

use rfid_core::abilities::{LockField, LockState};
use rfid_core::epc::ProtocolControl;
use rfid_core::{AirProtocol, TagId, TagIdKind};

use crate::scenario::{Scenario, Tag};

/// Bytes of an ISO 18000-6B tag: the usual 2048 bits.
const BYTES_6B: usize = 256;

/// The tag did not do what it was asked to: wrong password, locked, no such memory. From outside
/// all of it looks the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotDone;

type Outcome<T = ()> = Result<T, NotDone>;

/// Tags that somebody has done something to, by the id that they have in the scenario.
#[derive(Debug, Default)]
pub struct Memories(HashMap<TagId, TagMemory>);

impl Memories {
    /// The id that the tag answers with now; `None` once it is killed.
    pub fn id_now(&self, id: &TagId) -> Option<TagId> {
        self.0.get(id).map_or(Some(*id), |memory| (!memory.is_killed).then_some(memory.id))
    }

    /// The memory of a tag of the scenario.
    pub fn of<F>(&mut self, scenario: &Scenario<F>, id: &TagId) -> Option<&mut TagMemory> {
        if !self.0.contains_key(id) {
            let tag = scenario.tags.iter().find(|tag| tag.id == *id)?;
            self.0.insert(*id, TagMemory::new(tag));
        }
        self.0.get_mut(id)
    }

    /// Fresh tags.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// One tag.
#[derive(Clone, Debug)]
pub struct TagMemory {
    protocol: AirProtocol,
    id: TagId,
    is_killed: bool,
    /// Gen2: the pairs of lock bits, as in the action of a lock.
    locks: u16,
    /// Gen2: kill and access password. EPC Class 1: the lowest byte of the first is its one.
    kill_password: u32,
    access_password: u32,
    tid: Vec<u8>,
    user: Vec<u8>,
    /// EPC Class 1: the whole tag is locked.
    is_locked: bool,
    /// ISO 18000-6B.
    bytes: Vec<u8>,
    locked_bytes: Vec<bool>,
}

impl TagMemory {
    fn new(tag: &Tag) -> Self {
        let mut bytes = tag.id.bytes().to_vec();
        bytes.resize(BYTES_6B, 0);
        // The id of an ISO 18000-6B tag is written and locked by its maker.
        let locked_bytes = (0..BYTES_6B).map(|at| at < tag.id.bytes().len()).collect();
        Self {
            protocol: tag.protocol,
            id: tag.id,
            is_killed: false,
            locks: 0,
            kill_password: tag.kill_password,
            access_password: tag.access_password,
            tid: tag.tid.clone(),
            user: tag.user.clone(),
            is_locked: false,
            bytes,
            locked_bytes,
        }
    }

    /// The id with which the tag answers.
    pub fn id(&self) -> TagId {
        self.id
    }

    /// A whole bank of a Gen2 tag, whatever guards it: what the tag itself compares with a mask.
    pub fn bank(&self, bank: u8) -> Vec<u8> {
        match (self.protocol, bank) {
            (AirProtocol::Gen2, 0) => self.reserved_bank(),
            (AirProtocol::Gen2, 1) => self.epc_bank(),
            (AirProtocol::Gen2, 2) => self.tid.clone(),
            (AirProtocol::Gen2, 3) => self.user.clone(),
            _ => Vec::new(),
        }
    }

    /// Whether a Gen2 tag goes on with a dialogue that begins with this access password.
    pub fn accepts(&self, password: Option<u32>) -> bool {
        self.access_password == 0 || password.is_none_or(|password| password == self.access_password)
    }

    /// Whether a kill with any password can succeed.
    pub fn has_kill_password(&self) -> bool {
        self.kill_password != 0
    }

    /// Whether the given password opens what only the access password opens.
    fn is_secured(&self, password: Option<u32>) -> bool {
        self.access_password == 0 || password == Some(self.access_password)
    }

    fn state_of(&self, field: LockField) -> LockState {
        let pair = usize::from(self.locks >> field.shift() & 0b11);
        LockState::ALL.get(pair).copied().unwrap_or(LockState::Never)
    }

    /// A wrong password ends the dialogue with a Gen2 tag, whatever was meant to follow.
    fn may_write(&self, field: LockField, password: Option<u32>) -> Outcome {
        let may = match self.state_of(field) {
            _ if !self.accepts(password) => false,
            LockState::Open | LockState::OpenForever => true,
            LockState::Password => self.is_secured(password),
            LockState::Never => false,
        };
        if may { Ok(()) } else { Err(NotDone) }
    }

    /// Writes another id.
    pub fn write_id(&mut self, id: &[u8], password: Option<u32>) -> Outcome {
        match self.protocol {
            AirProtocol::Gen2 if id.len().is_multiple_of(2) => self.may_write(LockField::Epc, password)?,
            AirProtocol::Epc1 if matches!(id.len(), 8 | 12) && !self.is_locked => {}
            _ => return Err(NotDone),
        }
        self.id = TagId::new(TagIdKind::Epc, id).map_err(|_| NotDone)?;
        Ok(())
    }

    /// Reads memory: words of a Gen2 bank, or bytes.
    pub fn read(&self, bank: u64, address: u64, count: u64, password: Option<u32>) -> Outcome<Vec<u8>> {
        let unit = if self.protocol == AirProtocol::Iso18000_6b { 1 } else { 2 };
        let place = range(address, count, unit)?;
        // Only what is read must be readable.
        if self.protocol == AirProtocol::Gen2 && bank == 0 {
            if place.start < 4 {
                self.may_write(LockField::KillPassword, password)?;
            }
            if place.end > 4 {
                self.may_write(LockField::AccessPassword, password)?;
            }
        }
        let data = match self.protocol {
            AirProtocol::Iso18000_6b => self.bytes.clone(),
            _ => self.bank(u8::try_from(bank).map_err(|_| NotDone)?),
        };
        data.get(place).map(<[u8]>::to_vec).filter(|data| !data.is_empty()).ok_or(NotDone)
    }

    /// Kill and access password.
    fn reserved_bank(&self) -> Vec<u8> {
        [self.kill_password.to_be_bytes(), self.access_password.to_be_bytes()].concat()
    }

    /// Check code, PC word and EPC.
    fn epc_bank(&self) -> Vec<u8> {
        let id = self.id.bytes();
        let pc = ProtocolControl::for_epc_bits(id.len() * 8).unwrap_or(ProtocolControl(0));
        [&pc.stored_crc(id).to_be_bytes(), &pc.0.to_be_bytes(), id].concat()
    }

    /// Writes memory.
    pub fn write(&mut self, bank: u64, address: u64, data: &[u8], password: Option<u32>) -> Outcome {
        let unit = if self.protocol == AirProtocol::Iso18000_6b { 1 } else { 2 };
        let place = range(address, (data.len() / unit) as u64, unit)?;
        if data.is_empty() || place.len() != data.len() {
            return Err(NotDone);
        }
        match (self.protocol, bank) {
            (AirProtocol::Iso18000_6b, _) => {
                let locked = self.locked_bytes.get(place.clone()).ok_or(NotDone)?;
                if locked.contains(&true) {
                    return Err(NotDone);
                }
                put(&mut self.bytes, place, data)
            }
            (AirProtocol::Gen2, 0) => {
                let mut words = self.reserved_bank();
                put(&mut words, place.clone(), data)?;
                if place.start < 4 {
                    self.may_write(LockField::KillPassword, password)?;
                }
                if place.end > 4 {
                    self.may_write(LockField::AccessPassword, password)?;
                }
                (self.kill_password, self.access_password) = (number(&words, 0), number(&words, 4));
                Ok(())
            }
            (AirProtocol::Gen2, 1) => {
                self.may_write(LockField::Epc, password)?;
                let mut words = self.epc_bank();
                // The check code is the tag's own business.
                if place.start < 2 || place.end > 4 + TagId::MAX_LEN {
                    return Err(NotDone);
                }
                words.resize(words.len().max(place.end), 0);
                put(&mut words, place, data)?;
                // The PC word says how much of the bank is the EPC.
                let len = usize::from(words.get(2).copied().unwrap_or(0) >> 3) * 2;
                let epc = words.get(4..4 + len).ok_or(NotDone)?;
                self.id = TagId::new(TagIdKind::Epc, epc).map_err(|_| NotDone)?;
                Ok(())
            }
            (AirProtocol::Gen2, 3) => {
                self.may_write(LockField::User, password)?;
                put(&mut self.user, place, data)
            }
            // The bank of the maker's number is written by the maker.
            _ => Err(NotDone),
        }
    }

    /// Locks fields of a Gen2 tag.
    pub fn lock(&mut self, mask: u16, action: u16, password: Option<u32>) -> Outcome {
        if self.protocol != AirProtocol::Gen2 || !self.is_secured(password) {
            return Err(NotDone);
        }
        let locks = self.locks & !mask | action & mask;
        for field in LockField::ALL {
            let is_changed = (locks ^ self.locks) >> field.shift() & 0b11 != 0;
            if is_changed && self.state_of(field).is_permanent() {
                return Err(NotDone);
            }
        }
        self.locks = locks;
        Ok(())
    }

    /// Locks an EPC Class 1 tag for ever.
    pub fn lock_whole(&mut self) -> Outcome {
        if self.protocol != AirProtocol::Epc1 {
            return Err(NotDone);
        }
        self.is_locked = true;
        Ok(())
    }

    /// Locks one byte of an ISO 18000-6B tag for ever.
    pub fn lock_byte(&mut self, address: u64) -> Outcome {
        let is_6b = self.protocol == AirProtocol::Iso18000_6b;
        let byte = usize::try_from(address).ok().and_then(|at| self.locked_bytes.get_mut(at));
        *byte.filter(|_| is_6b).ok_or(NotDone)? = true;
        Ok(())
    }

    /// Sets the password of an EPC Class 1 tag.
    pub fn set_password(&mut self, password: u32) -> Outcome {
        if self.protocol != AirProtocol::Epc1 || self.is_locked || password > 0xFF {
            return Err(NotDone);
        }
        self.kill_password = password;
        Ok(())
    }

    /// Silences the tag for ever.
    pub fn kill(&mut self, password: u32) -> Outcome {
        let can = matches!(self.protocol, AirProtocol::Gen2 | AirProtocol::Epc1);
        if !can || self.kill_password == 0 || password != self.kill_password {
            return Err(NotDone);
        }
        self.is_killed = true;
        Ok(())
    }
}

fn range(address: u64, count: u64, unit: usize) -> Outcome<std::ops::Range<usize>> {
    let byte = |units: u64| usize::try_from(units).ok().and_then(|units| units.checked_mul(unit));
    let start = byte(address).ok_or(NotDone)?;
    let end = address.checked_add(count).and_then(byte).ok_or(NotDone)?;
    Ok(start..end)
}

fn put(memory: &mut [u8], place: std::ops::Range<usize>, data: &[u8]) -> Outcome {
    memory.get_mut(place).filter(|place| place.len() == data.len()).ok_or(NotDone)?.copy_from_slice(data);
    Ok(())
}

fn number(words: &[u8], from: usize) -> u32 {
    words.iter().skip(from).take(4).fold(0, |number, byte| number << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gen2() -> TagMemory {
        let text = "[[tag]]\nepc = \"300000000000000000000001\"\nkill_password = \"0x22222222\"\n";
        let scenario = Scenario::<crate::NoFaults>::from_toml(text).unwrap();
        TagMemory::new(&scenario.tags[0])
    }

    #[test]
    fn an_epc_bank_shows_code_pc_and_epc_and_can_be_rewritten() {
        let mut tag = gen2();
        assert_eq!(tag.read(1, 0, 3, None), Ok(vec![0x44, 0x7C, 0x30, 0x00, 0x30, 0x00]));
        assert_eq!(tag.write(1, 2, &[0x12, 0x34], None), Ok(()));
        assert_eq!(tag.id().hex(), "123400000000000000000001");
        // A PC word for two words makes the EPC shorter.
        assert_eq!(tag.write(1, 1, &[0x10, 0x00], None), Ok(()));
        assert_eq!(tag.id().hex(), "12340000");
        assert_eq!(tag.write(1, 0, &[0, 0], None), Err(NotDone));
    }

    #[test]
    fn what_is_locked_opens_with_the_password_only() {
        let mut tag = gen2();
        assert_eq!(tag.write(0, 2, &[0, 0, 0x12, 0x34], None), Ok(()));
        // With an access password, locking needs it too.
        assert_eq!(tag.lock(0x3F0, 0x2A0, None), Err(NotDone));
        assert_eq!(tag.lock(0x3F0, 0x2A0, Some(0x1234)), Ok(()));
        assert_eq!(tag.write_id(&[0; 12], None), Err(NotDone));
        assert_eq!(tag.write_id(&[0; 12], Some(1)), Err(NotDone));
        assert_eq!(tag.write_id(&[0; 12], Some(0x1234)), Ok(()));
        assert_eq!(tag.read(0, 0, 2, None), Err(NotDone));
        assert_eq!(tag.read(0, 0, 2, Some(0x1234)), Ok(vec![0x22; 4]));
        // User memory was never locked.
        assert_eq!(tag.write(3, 0, &[1, 2], None), Ok(()));
        assert_eq!(tag.read(3, 0, 1, None), Ok(vec![1, 2]));
    }

    #[test]
    fn what_is_for_ever_stays() {
        let mut tag = gen2();
        assert_eq!(tag.lock(0x030, 0x030, None), Ok(()));
        assert_eq!(tag.write_id(&[0; 12], None), Err(NotDone));
        assert_eq!(tag.lock(0x030, 0x000, None), Err(NotDone));
        assert_eq!(tag.lock(0x030, 0x030, None), Ok(()), "nothing changes");
    }

    #[test]
    fn a_kill_needs_a_password_that_is_not_zero() {
        let mut tag = gen2();
        assert_eq!(tag.kill(1), Err(NotDone));
        assert_eq!(tag.kill(0x2222_2222), Ok(()));
        let mut tag = gen2();
        assert_eq!(tag.write(0, 0, &[0; 4], None), Ok(()));
        assert_eq!(tag.kill(0), Err(NotDone));
    }

    #[test]
    fn no_address_reaches_beyond_the_memory() {
        let mut tag = gen2();
        for bank in 0..5 {
            for (address, count) in [(0, 0), (0, 1000), (u64::MAX, 1), (u64::MAX / 2, u64::MAX / 2), (31, 2)]
            {
                assert_eq!(tag.read(bank, address, count, None), Err(NotDone), "{bank} {address} {count}");
            }
            assert_eq!(tag.write(bank, 5000, &[0, 0], None), Err(NotDone));
            assert_eq!(tag.write(bank, 0, &[0], None), Err(NotDone));
        }
    }
}
