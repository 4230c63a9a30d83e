//! What the chip reports of an exchange with a card (§2.6).

use std::fmt;

use rfid_core::{Error, ErrorKind};

use crate::coupler::CardFault;

/// The status byte, without the bits that stand beside the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Status(u8);

impl Status {
    /// It was done.
    pub const DONE: Self = Self(0x00);
    /// The card does not answer: gone, or silent since a wrong key.
    pub const NO_ANSWER: Self = Self(0x01);
    /// The card refuses.
    pub const REFUSED: Self = Self(0x13);
    /// The key is wrong.
    pub const AUTHENTICATION_FAILED: Self = Self(0x14);
    /// No card is selected.
    pub const NO_TARGET: Self = Self(0x27);

    /// From the byte that the chip sends.
    pub const fn of(byte: u8) -> Self {
        Self(byte & 0x3F)
    }

    /// The code.
    pub const fn code(self) -> u8 {
        self.0
    }

    /// In a few words; `None` for a code that the document does not list.
    pub const fn meaning(self) -> Option<&'static str> {
        Some(match self.0 {
            0x00 => "done",
            0x01 => "the card does not answer",
            0x02 => "wrong check code on the air",
            0x03 => "wrong parity on the air",
            0x04 => "wrong bit count while telling cards apart",
            0x05 => "wrong framing on the air",
            0x06 => "two cards answer at once",
            0x07 => "the buffer is too small",
            0x09 => "the radio's buffer overflows",
            0x0A => "the field was not on in time",
            0x0B => "the card breaks the protocol",
            0x0D => "overheated, the antenna is switched off",
            0x0E => "an internal buffer overflows",
            0x10 => "invalid parameter",
            0x12 => "unknown command",
            0x13 => "the card refuses",
            0x14 => "the key is wrong",
            0x23 => "wrong check byte of the UID",
            0x25 => "not in this state",
            0x26 => "not in this configuration",
            0x27 => "no card is selected",
            0x29 => "released",
            0x2A => "another card lies there",
            0x2B => "the card is gone",
            0x2C => "the identifiers differ",
            0x2D => "over-current, the antenna is switched off",
            0x2E => "an address is missing",
            _ => return None,
        })
    }

    /// What the card layer makes of it; `None` if it was done.
    pub fn fault(self, op: &'static str) -> Option<CardFault> {
        Some(match self.0 {
            0x00 => return None,
            0x14 => CardFault::KeyRefused,
            0x13 => CardFault::AccessRefused,
            0x01 | 0x29 | 0x2A | 0x2B => CardFault::Gone,
            // No card is selected: the chip was reset, or this side is mistaken.
            0x02..=0x06 | 0x0B | 0x23 | 0x27 => CardFault::Garbled,
            0x10 | 0x12 | 0x26 => CardFault::Unsupported,
            // Opening it again switches the field off and on.
            0x0A | 0x0D | 0x2D => CardFault::Coupler(self.error(ErrorKind::Io, op)),
            _ => CardFault::Coupler(self.error(ErrorKind::Protocol, op)),
        })
    }

    fn error(self, kind: ErrorKind, op: &'static str) -> Error {
        Error::new(kind, op).with_detail(self.to_string()).with_vendor_code(i64::from(self.0))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meaning = self.meaning().unwrap_or("a code nobody knows");
        write!(f, "the PN532 answers {:02X}: {meaning}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_code_counts_and_every_other_than_zero_is_a_fault() {
        assert_eq!(Status::of(0xC0), Status::DONE);
        assert_eq!(Status::of(0x54), Status::AUTHENTICATION_FAILED);
        for code in 0..=0x3F {
            assert_eq!(Status::of(code).fault("read").is_none(), code == 0, "{code:02X}");
        }
    }

    #[test]
    fn a_hot_chip_is_an_error_that_says_so() {
        let Some(CardFault::Coupler(error)) = Status::of(0x0D).fault("read") else { panic!("no error") };
        assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::Io, Some(0x0D)));
        assert!(error.to_string().contains("overheated"), "{error}");
    }
}
