//! Reading, writing, locking and killing tags.

use std::fmt;

use async_trait::async_trait;

use crate::air_protocol::AirProtocol;
use crate::error::Result;
use crate::tag_id::TagId;

/// Memory of tags.
///
/// Every call names the tag that it is meant for. *Errors* of all of them: `TagLost` when the tag
/// did not answer or refused (a wrong password looks the same from outside), `Unsupported` for
/// what the tag or the reader cannot do, `Protocol` when the reader speaks of another tag.
/// *Cancel safety*: none; after a dropped call, close the session, and look at the tag before
/// anything is tried again. *Retry*: nothing here is tried twice by the driver; what is
/// irrevocable is never to be tried again blindly.
#[async_trait]
pub trait TagAccess: Send {
    /// Reads `count` units from `address` on. Units are words of 16 bits for Gen2 and bytes for
    /// ISO 18000-6B, which has no banks.
    async fn read_memory(&mut self, tag: &TagTarget, bank: Bank, address: u32, count: u16)
    -> Result<Vec<u8>>;

    /// Writes whole units from `address` on. Gen2 passwords are written so: to the words 0 and 1
    /// (kill) and 2 and 3 (access) of [`Bank::Reserved`]; the one of an EPC Class 1 tag, one byte, to
    /// address 0 of it.
    async fn write_memory(&mut self, tag: &TagTarget, bank: Bank, address: u32, data: &[u8]) -> Result<()>;

    /// Gives the tag another id and makes sure that it took it.
    async fn write_id(&mut self, tag: &TagTarget, id: &[u8]) -> Result<()>;

    /// Locks or unlocks. Some locks can never be undone.
    async fn lock(&mut self, tag: &TagTarget, lock: LockTarget) -> Result<()>;

    /// Silences the tag for ever and makes sure that it does not answer any more.
    ///
    /// A tag whose kill password is zero cannot be killed.
    async fn kill(&mut self, tag: &TagTarget, password: u32) -> Result<()>;
}

/// The tag that an operation is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagTarget {
    /// The antenna before which it lies.
    pub antenna_port: u16,
    /// Its air protocol.
    pub protocol: AirProtocol,
    /// Its id as it is now.
    pub id: TagId,
    /// Password that opens what is locked: 32 bits for Gen2, 8 for EPC Class 1.
    pub password: Option<u32>,
}

/// Memory bank of a Gen2 tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Bank {
    /// Passwords.
    Reserved = 0,
    /// Check code, PC word, EPC.
    Epc = 1,
    /// Maker, model and serial number.
    Tid = 2,
    /// Whatever the user keeps there.
    User = 3,
}

/// What is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockTarget {
    /// Fields of a Gen2 tag.
    Gen2(Gen2Lock),
    /// An EPC Class 1 tag as a whole. Cannot be undone.
    Whole,
    /// One byte of an ISO 18000-6B tag. Cannot be undone.
    Byte(u32),
}

/// The payload of a Gen2 lock: ten bits that say what changes and ten that say to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Gen2Lock {
    mask: u16,
    action: u16,
}

/// A part of a Gen2 tag that is locked by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockField {
    /// Kill password.
    KillPassword,
    /// Access password.
    AccessPassword,
    /// EPC bank.
    Epc,
    /// TID bank.
    Tid,
    /// User bank.
    User,
}

/// How a field of a Gen2 tag is locked. Passwords are also hidden where they cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockState {
    /// Anybody may write.
    Open,
    /// Anybody may write, and nobody can ever change that.
    OpenForever,
    /// The access password is needed.
    Password,
    /// Nobody can ever write again.
    Never,
}

impl LockField {
    /// All of them, in the order of the payload.
    pub const ALL: [Self; 5] = [Self::KillPassword, Self::AccessPassword, Self::Epc, Self::Tid, Self::User];

    /// Name on command lines and screens.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KillPassword => "kill-password",
            Self::AccessPassword => "access-password",
            Self::Epc => "epc",
            Self::Tid => "tid",
            Self::User => "user",
        }
    }

    /// Place of its pair of bits in mask and action.
    pub const fn shift(self) -> u32 {
        match self {
            Self::KillPassword => 8,
            Self::AccessPassword => 6,
            Self::Epc => 4,
            Self::Tid => 2,
            Self::User => 0,
        }
    }
}

impl LockState {
    /// All of them, by their pair of bits.
    pub const ALL: [Self; 4] = [Self::Open, Self::OpenForever, Self::Password, Self::Never];

    /// Name on command lines and screens.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::OpenForever => "open-forever",
            Self::Password => "password",
            Self::Never => "never",
        }
    }

    /// Whether nothing can undo it.
    pub const fn is_permanent(self) -> bool {
        matches!(self, Self::OpenForever | Self::Never)
    }
}

impl Gen2Lock {
    /// A lock that changes this field too.
    #[must_use]
    pub const fn with(self, field: LockField, state: LockState) -> Self {
        let pair = 0b11 << field.shift();
        let bits = (state as u16) << field.shift();
        Self { mask: self.mask | pair, action: self.action & !pair | bits }
    }

    /// A lock from the two halves of its payload, right-aligned; higher bits are ignored.
    pub const fn from_bits(mask: u16, action: u16) -> Self {
        Self { mask: mask & 0x3FF, action: action & 0x3FF }
    }

    /// The ten mask bits, right-aligned.
    pub const fn mask(self) -> u16 {
        self.mask
    }

    /// The ten action bits, right-aligned.
    pub const fn action(self) -> u16 {
        self.action
    }

    /// Whether it sets a bit that nothing can clear.
    pub fn is_permanent(self) -> bool {
        LockField::ALL.iter().any(|field| self.mask & self.action & 1 << field.shift() != 0)
    }
}

impl fmt::Display for Gen2Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "";
        for field in LockField::ALL {
            if self.mask >> field.shift() & 0b11 != 0 {
                let state = LockState::ALL.get(usize::from(self.action >> field.shift() & 0b11));
                write!(f, "{before}{}={}", field.name(), state.map_or("", |state| state.name()))?;
                before = " ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_of_the_banks_card_at_issue() {
        // EPC, access and kill password behind the password, not for ever.
        let lock = [LockField::Epc, LockField::AccessPassword, LockField::KillPassword]
            .into_iter()
            .fold(Gen2Lock::default(), |lock, field| lock.with(field, LockState::Password));
        assert_eq!((lock.mask(), lock.action()), (0x3F0, 0x2A0));
        assert!(!lock.is_permanent());
        assert_eq!(lock.to_string(), "kill-password=password access-password=password epc=password");
        let never = lock.with(LockField::User, LockState::Never);
        assert!(never.is_permanent());
        assert_eq!(never.with(LockField::User, LockState::Open).action(), 0x2A0);
    }
}
