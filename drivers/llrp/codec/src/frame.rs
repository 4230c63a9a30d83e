//! Messages out of a stream of bytes.

use std::fmt;

use crate::{Fault, FaultKind};

/// Octets of a header.
pub const HEADER_OCTETS: usize = 10;

/// Longest message that is taken where nothing else is said. Real ones stay far below 1 MiB.
pub const LONGEST_MESSAGE: u32 = 4 << 20;

/// A version of the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// LLRP 1.0.1.
    #[default]
    V1_0_1,
    /// LLRP 1.1.
    V1_1,
}

impl Version {
    /// The version with this number on the wire.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::V1_0_1),
            2 => Some(Self::V1_1),
            _ => None,
        }
    }

    /// Its number on the wire.
    pub fn number(self) -> u8 {
        match self {
            Self::V1_0_1 => 1,
            Self::V1_1 => 2,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_0_1 => "LLRP 1.0.1",
            Self::V1_1 => "LLRP 1.1",
        })
    }
}

/// What every message begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Version in which the message is written.
    pub version: Version,
    /// Number of the message's type.
    pub number: u16,
    /// Octets of the whole message, this header included.
    pub length: u32,
    /// An answer bears the id of what it answers.
    pub id: u32,
}

impl Header {
    /// Reads a header and makes sure that the message is one that can be taken.
    ///
    /// # Errors
    /// A length below that of a header or above `longest`, an unknown version. The stream is lost
    /// then: nobody knows where the next message begins.
    #[inline]
    pub fn parse(octets: &[u8; HEADER_OCTETS], longest: u32) -> Result<Self, Fault> {
        let [high, low, l0, l1, l2, l3, i0, i1, i2, i3] = *octets;
        let fault = |offset, kind| Fault { offset, inside: "the header", kind };
        let word = u16::from_be_bytes([high, low]);
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        let number = (word >> 10 & 0b111) as u8;
        let Some(version) = Version::from_number(number) else {
            return Err(fault(0, FaultKind::UnknownVersion(number)));
        };
        if (length as usize) < HEADER_OCTETS {
            return Err(fault(2, FaultKind::BadLength(length)));
        }
        if length > longest {
            return Err(fault(2, FaultKind::TooLong { length, limit: longest }));
        }
        Ok(Self { version, number: word & 0x3FF, length, id: u32::from_be_bytes([i0, i1, i2, i3]) })
    }

    /// As it stands on the wire.
    pub fn to_bytes(self) -> [u8; HEADER_OCTETS] {
        let word = u16::from(self.version.number()) << 10 | self.number & 0x3FF;
        let mut bytes = [0; HEADER_OCTETS];
        let (first, rest) = bytes.split_at_mut(2);
        let (length, id) = rest.split_at_mut(4);
        first.copy_from_slice(&word.to_be_bytes());
        length.copy_from_slice(&self.length.to_be_bytes());
        id.copy_from_slice(&self.id.to_be_bytes());
        bytes
    }
}

/// One whole message as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its header.
    pub header: Header,
    /// All of it, the header included.
    pub bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// What stands behind the header.
    #[inline]
    pub fn body(&self) -> &'a [u8] {
        self.bytes.get(HEADER_OCTETS..).unwrap_or_default()
    }
}

/// The message at the front of these bytes; `None` until all of it has come.
///
/// For whoever keeps the bytes himself; [`Frames`] keeps them, too.
///
/// # Errors
/// As of [`Header::parse`], as soon as the header has come.
#[inline]
pub fn first_frame(bytes: &[u8], longest: u32) -> Result<Option<Frame<'_>>, Fault> {
    let Some(octets) = bytes.first_chunk::<HEADER_OCTETS>() else { return Ok(None) };
    let header = Header::parse(octets, longest)?;
    Ok(bytes.get(..header.length as usize).map(|bytes| Frame { header, bytes }))
}

/// Bytes received and not yet taken, cut into messages, in whatever pieces they come.
#[derive(Debug)]
pub struct Frames {
    bytes: Vec<u8>,
    /// Octets at the front that were handed out.
    taken: usize,
    longest: u32,
}

impl Default for Frames {
    fn default() -> Self {
        Self::up_to(LONGEST_MESSAGE)
    }
}

impl Frames {
    /// Takes messages of up to `longest` octets.
    pub fn up_to(longest: u32) -> Self {
        Self { bytes: Vec::new(), taken: 0, longest }
    }

    /// Adds received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message; `None` until more bytes come.
    ///
    /// # Errors
    /// As of [`Header::parse`], again and again: the stream is lost.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, Fault> {
        let bytes = self.bytes.get(self.taken..).unwrap_or_default();
        let frame = first_frame(bytes, self.longest)?;
        self.taken += frame.map_or(0, |frame| frame.bytes.len());
        Ok(frame)
    }
}
