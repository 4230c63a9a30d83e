//! What can be wrong with bytes, and with what is to become bytes.

use std::fmt;

use crate::Version;

/// Why bytes are not what they should be, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Octets before it in the message, the header counted.
    pub offset: usize,
    /// Message or parameter in which it is.
    pub inside: &'static str,
    /// What is wrong.
    pub kind: FaultKind,
}

/// What is wrong with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// This many octets are needed, and only so many are left.
    TooShort {
        /// Octets of the field.
        needed: usize,
        /// Octets that are there.
        left: usize,
    },
    /// A length says less than what it is the length of has in any case, or more than there is.
    BadLength(u32),
    /// A message is longer than is allowed.
    TooLong {
        /// What its header says.
        length: u32,
        /// The limit.
        limit: u32,
    },
    /// The version of a message is neither 1 (LLRP 1.0.1) nor 2 (LLRP 1.1).
    UnknownVersion(u8),
    /// No message has this number.
    UnknownMessage(u16),
    /// No parameter has this number, or it does not belong here.
    UnexpectedParameter(u16),
    /// A parameter of one octet of type has this number, which nobody knows, and with it nobody
    /// knows its length.
    UnknownTv(u8),
    /// This parameter must be there.
    Missing(&'static str),
    /// This parameter is there more often than it may.
    Repeated(&'static str),
    /// This parameter stands behind one that must follow it.
    OutOfOrder(&'static str),
    /// There is no such thing before this version.
    NewerThan(Version),
    /// Reserved bits are not zero.
    ReservedBits,
    /// A text is not UTF-8.
    NotUtf8,
    /// So many octets stand behind the last field.
    Trailing(usize),
    /// Parameters are nested deeper than any that the protocol knows.
    TooDeep,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "octet {} in {}: ", self.offset, self.inside)?;
        match self.kind {
            FaultKind::TooShort { needed, left } => write!(f, "{needed} octets are needed, {left} are left"),
            FaultKind::BadLength(length) => write!(f, "a length of {length} cannot be"),
            FaultKind::TooLong { length, limit } => {
                write!(f, "the message announces {length} octets; up to {limit} are taken")
            }
            FaultKind::UnknownVersion(version) => {
                write!(f, "version {version} is not known; 1 (LLRP 1.0.1) and 2 (LLRP 1.1) are")
            }
            FaultKind::UnknownMessage(number) => write!(f, "message {number} is not known"),
            FaultKind::UnexpectedParameter(number) => write!(f, "parameter {number} does not belong here"),
            FaultKind::UnknownTv(number) => {
                write!(f, "parameter {number} is not known, nor how long it is; the rest is lost")
            }
            FaultKind::Missing(name) => write!(f, "{name} is missing"),
            FaultKind::Repeated(name) => write!(f, "{name} is there too often"),
            FaultKind::OutOfOrder(name) => write!(f, "{name} stands behind what must follow it"),
            FaultKind::NewerThan(version) => write!(f, "{} does not have this", version),
            FaultKind::ReservedBits => f.write_str("reserved bits are set"),
            FaultKind::NotUtf8 => f.write_str("a text is not UTF-8"),
            FaultKind::Trailing(octets) => write!(f, "{octets} octets stand behind the end"),
            FaultKind::TooDeep => f.write_str("parameters are nested too deeply"),
        }
    }
}

impl std::error::Error for Fault {}

/// Why something cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodeFault {
    /// Message or parameter in which it is.
    pub inside: &'static str,
    /// What is wrong.
    pub kind: EncodeFaultKind,
}

/// What stands against sending something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeFaultKind {
    /// It does not fit the 16 or 32 bits of its length.
    TooLong,
    /// A number does not fit its bits.
    TooBig,
    /// There is no such thing in this version.
    NewerThan(Version),
    /// There are too few or too many of this parameter.
    Count(&'static str),
}

impl fmt::Display for EncodeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.inside)?;
        match self.kind {
            EncodeFaultKind::TooLong => f.write_str("is longer than its length can say"),
            EncodeFaultKind::TooBig => f.write_str("has a number that does not fit its bits"),
            EncodeFaultKind::NewerThan(version) => write!(f, "has something that {version} does not have"),
            EncodeFaultKind::Count(name) => write!(f, "has too few or too many of {name}"),
        }
    }
}

impl std::error::Error for EncodeFault {}
