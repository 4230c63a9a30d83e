//! Status codes (§G).

use std::fmt;

use rfid_core::{Error, ErrorKind};

/// What a module reports instead of success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Status(pub u16);

impl Status {
    /// No tag was found; while reading continuously, a sign of life.
    pub const NO_TAGS: Self = Self(0x0400);
    /// The module does not know the operation.
    pub const INVALID_OPCODE: Self = Self(0x0101);
    /// The module is too hot and reads less.
    pub const TOO_HOT: Self = Self(0x0504);
    /// The antenna sends the signal back.
    pub const RETURN_LOSS: Self = Self(0x0505);

    /// In a few words; `None` for a code that the document does not list.
    pub const fn meaning(self) -> Option<&'static str> {
        Some(match self.0 {
            0x0100 => "wrong data count",
            0x0101 => "unknown operation",
            0x0102 | 0x0109 => "not implemented",
            0x0103 => "power too high",
            0x0104 | 0x0500 => "bad frequency",
            0x0105 => "bad parameter",
            0x0106 => "power too low",
            0x010A => "bad baud rate",
            0x010B => "bad region",
            0x0200 => "firmware image is damaged",
            0x0300..=0x0306 => "flash failed",
            0x0400 => "no tags",
            0x0401 => "no protocol is set",
            0x0402 => "bad protocol",
            0x0403 => "written and not locked",
            0x0404 => "no data",
            0x0405 => "the radio is off",
            0x0406 => "write failed",
            0x0407 => "not for this protocol",
            0x0408 => "bad data",
            0x0409 => "bad address",
            0x040A => "the tag reports an error",
            0x040B => "too large",
            0x040C => "bad kill password",
            0x040E => "kill failed",
            0x040F => "bits cannot be decoded",
            0x0410 => "bad EPC",
            0x0411 => "bad count",
            0x0420 => "the tag reports another error",
            0x0423 => "memory overrun",
            0x0424 => "memory is locked",
            0x042B => "the tag has too little power",
            0x042F => "the tag reports no reason",
            0x0430 => "the tag reports an unknown error",
            0x0501 => "the channel is busy",
            0x0502 => "the transmitter is on already",
            0x0503 => "no antenna is connected",
            0x0504 => "the module is too hot",
            0x0505 => "high return loss",
            0x0506 => "synthesiser does not lock",
            0x0507 => "bad antenna configuration",
            0x0600 => "too few tags in the buffer",
            0x0601 => "the tag buffer is full",
            0x0602 => "repeated",
            0x0603 => "too many asked for",
            0x0604 => "the tag asks for authentication",
            0x7F00 | 0x7F01 => "the firmware failed",
            _ => return None,
        })
    }

    /// What kind of thing went wrong, and so whether trying again can help.
    pub const fn kind(self) -> ErrorKind {
        match self.0 {
            0x0101 | 0x0102 | 0x0109 | 0x0402 | 0x0407 => ErrorKind::Unsupported,
            0x0103 | 0x0104 | 0x0106 | 0x010B | 0x0500 => ErrorKind::Regulatory,
            0x0400..=0x04FF => ErrorKind::TagLost,
            0x0501 => ErrorKind::Busy,
            _ => ErrorKind::Protocol,
        }
    }

    /// The error of an operation that ended so.
    pub fn error(self, op: &'static str) -> Error {
        Error::new(self.kind(), op).with_detail(self.to_string()).with_vendor_code(i64::from(self.0))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the module answers {:04X}: {}", self.0, self.meaning().unwrap_or("a code nobody knows"))
    }
}
