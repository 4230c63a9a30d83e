//! Octets and bits: reading, with the place of every fault known, and writing.

use std::fmt;

use crate::{EncodeFault, EncodeFaultKind, Fault, FaultKind, Version};

/// How deep parameters may be nested. An ADD_ROSPEC goes seven deep, the chain of errors of a
/// reader that explains itself a few more.
const DEEPEST: u8 = 16;

/// What to do about bytes that are not as the standard says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Whatever can be understood is kept; the rest is stepped over and counted. For clients.
    Lenient,
    /// The first fault ends it. For readers, and for tests of what readers send.
    Strict,
}

/// How bytes are to be taken, and what was stepped over.
#[derive(Clone, Debug)]
pub struct Decoding {
    mode: Mode,
    pub(crate) version: Version,
    skipped: u32,
    first: Option<Fault>,
    depth: u8,
}

impl Decoding {
    /// See [`Mode::Lenient`].
    pub fn lenient() -> Self {
        Self::new(Mode::Lenient)
    }

    /// See [`Mode::Strict`].
    pub fn strict() -> Self {
        Self::new(Mode::Strict)
    }

    fn new(mode: Mode) -> Self {
        Self { mode, version: Version::V1_1, skipped: 0, first: None, depth: 0 }
    }

    /// The same, for a parameter that came in a message of this version. A message says itself
    /// which one it has.
    pub fn of_version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// How many things were stepped over so far.
    pub fn skipped(&self) -> u32 {
        self.skipped
    }

    /// What was wrong with the first of them.
    pub fn first_skipped(&self) -> Option<Fault> {
        self.first
    }

    pub(crate) fn is_strict(&self) -> bool {
        self.mode == Mode::Strict
    }

    /// In lenient mode counts the fault and goes on.
    pub(crate) fn tolerate(&mut self, fault: Fault) -> Result<(), Fault> {
        if self.is_strict() {
            return Err(fault);
        }
        self.skipped = self.skipped.saturating_add(1);
        self.first.get_or_insert(fault);
        Ok(())
    }

    /// Refuses in strict mode what the version of the message does not have.
    pub(crate) fn since(&self, since: Version, offset: usize, inside: &'static str) -> Result<(), Fault> {
        if self.is_strict() && since > self.version {
            return Err(Fault { offset, inside, kind: FaultKind::NewerThan(self.version) });
        }
        Ok(())
    }

    /// Refuses in strict mode what stands behind its place.
    pub(crate) fn in_order(&self, last: &mut usize, place: usize, fault: Fault) -> Result<(), Fault> {
        if self.is_strict() && place < *last {
            return Err(fault);
        }
        *last = place;
        Ok(())
    }

    pub(crate) fn enter(&mut self, offset: usize, inside: &'static str) -> Result<(), Fault> {
        if self.depth >= DEEPEST {
            return Err(Fault { offset, inside, kind: FaultKind::TooDeep });
        }
        self.depth += 1;
        Ok(())
    }

    pub(crate) fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }
}

/// What is left of the body of a message or parameter.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    /// Octets of the message before `bytes`.
    offset: usize,
    /// Bits of the first octet that are taken already.
    bits: u8,
    inside: &'static str,
}

/// A parameter whose header was read.
#[derive(Debug)]
pub struct Head<'a> {
    /// Its number.
    pub(crate) number: u16,
    /// Where its header begins.
    pub(crate) offset: usize,
    pub(crate) body: Reader<'a>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], offset: usize, inside: &'static str) -> Self {
        Self { bytes, offset, bits: 0, inside }
    }

    pub(crate) fn inside(&mut self, name: &'static str) {
        self.inside = name;
    }

    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    pub(crate) fn fault(&self, kind: FaultKind) -> Fault {
        Fault { offset: self.offset, inside: self.inside, kind }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let Some((taken, rest)) = self.bytes.split_at_checked(count) else {
            return Err(self.fault(FaultKind::TooShort { needed: count, left: self.bytes.len() }));
        };
        self.bytes = rest;
        self.offset += count;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// Bits of the octet that is being taken, the most significant first.
    pub(crate) fn bits(&mut self, count: u8) -> Result<u8, Fault> {
        let Some(&octet) = self.bytes.first() else {
            return Err(self.fault(FaultKind::TooShort { needed: 1, left: 0 }));
        };
        let value = (u16::from(octet) << self.bits >> (8 - count)) as u8 & (0xFF_u16 >> (8 - count)) as u8;
        self.bits += count;
        if self.bits >= 8 {
            self.bits = 0;
            self.take(1)?;
        }
        Ok(value)
    }

    pub(crate) fn reserved(&mut self, mut count: u8, decoding: &mut Decoding) -> Result<(), Fault> {
        while count > 0 {
            let here = count.min(8 - self.bits);
            let fault = self.fault(FaultKind::ReservedBits);
            // Whoever reads leniently ignores them, as the standard asks of clients.
            if self.bits(here)? != 0 && decoding.is_strict() {
                return Err(fault);
            }
            count -= here;
        }
        Ok(())
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Fault> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Fault> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Fault> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Fault> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// Octets behind their count.
    pub(crate) fn octets(&mut self) -> Result<&'a [u8], Fault> {
        let count = self.u16()?;
        self.take(count.into())
    }

    pub(crate) fn words(&mut self) -> Result<Vec<u16>, Fault> {
        let count = usize::from(self.u16()?);
        let (words, _) = self.take(count * 2)?.as_chunks::<2>();
        Ok(words.iter().map(|word| u16::from_be_bytes(*word)).collect())
    }

    pub(crate) fn double_words(&mut self) -> Result<Vec<u32>, Fault> {
        let count = usize::from(self.u16()?);
        let (words, _) = self.take(count * 4)?.as_chunks::<4>();
        Ok(words.iter().map(|word| u32::from_be_bytes(*word)).collect())
    }

    pub(crate) fn text(&mut self, decoding: &mut Decoding) -> Result<String, Fault> {
        let fault = self.fault(FaultKind::NotUtf8);
        let octets = self.octets()?;
        match std::str::from_utf8(octets) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => decoding.tolerate(fault).map(|()| String::from_utf8_lossy(octets).into_owned()),
        }
    }

    pub(crate) fn bit_string(&mut self) -> Result<Bits, Fault> {
        let count = self.u16()?;
        let octets = self.take(usize::from(count).div_ceil(8))?;
        Ok(Bits::new(octets, count))
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        self.offset += self.bytes.len();
        std::mem::take(&mut self.bytes)
    }

    /// Makes sure that nothing is left.
    pub(crate) fn end(&mut self, decoding: &mut Decoding) -> Result<(), Fault> {
        match self.bytes.len() {
            0 => Ok(()),
            left => decoding.tolerate(self.fault(FaultKind::Trailing(left))),
        }
    }

    /// The next parameter. Where it cannot be told where that ends, nothing more can be read.
    pub(crate) fn parameter(&mut self, decoding: &mut Decoding) -> Result<Option<Head<'a>>, Fault> {
        let offset = self.offset;
        match self.next_head() {
            Ok(Some((number, body))) => Ok(Some(Head { number, offset, body })),
            Ok(None) => Ok(None),
            Err(fault) => {
                decoding.tolerate(fault)?;
                self.rest();
                Ok(None)
            }
        }
    }

    fn next_head(&mut self) -> Result<Option<(u16, Reader<'a>)>, Fault> {
        let Some(&first) = self.bytes.first() else { return Ok(None) };
        if first & 0x80 != 0 {
            let number = first & 0x7F;
            let Some(length) = crate::parameter::tv_octets(number) else {
                return Err(self.fault(FaultKind::UnknownTv(number)));
            };
            let body = self.take(length)?.get(1..).unwrap_or_default();
            let offset = self.offset - body.len();
            return Ok(Some((number.into(), Self::new(body, offset, self.inside))));
        }
        let start = self.clone();
        let (word, length) = (self.u16()?, self.u16()?);
        let body = usize::from(length).checked_sub(4).and_then(|body| self.bytes.split_at_checked(body));
        let Some((body, rest)) = body else {
            return Err(start.fault(FaultKind::BadLength(length.into())));
        };
        let head = Self::new(body, self.offset, self.inside);
        self.offset += body.len();
        self.bytes = rest;
        // Numbers of one octet of type mean something else here; none of them is a TLV's.
        let number = if word & 0x3FF < 128 { 0x8000 | word } else { word & 0x3FF };
        Ok(Some((number, head)))
    }
}

impl Head<'_> {
    pub(crate) fn fault(&self, kind: FaultKind) -> Fault {
        Fault { offset: self.offset, inside: self.body.inside, kind }
    }
}

/// Bytes that a message becomes.
#[derive(Debug)]
pub struct Encoder {
    pub(crate) bytes: Vec<u8>,
    pub(crate) version: Version,
    partial: u8,
    filled: u8,
    pub(crate) inside: &'static str,
}

impl Encoder {
    pub(crate) fn new(bytes: Vec<u8>, version: Version, inside: &'static str) -> Self {
        Self { bytes, version, partial: 0, filled: 0, inside }
    }

    pub(crate) fn fault(&self, kind: EncodeFaultKind) -> EncodeFault {
        EncodeFault { inside: self.inside, kind }
    }

    pub(crate) fn since(&self, since: Version) -> Result<(), EncodeFault> {
        if since > self.version {
            return Err(self.fault(EncodeFaultKind::NewerThan(self.version)));
        }
        Ok(())
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn bits(&mut self, value: u8, count: u8) -> Result<(), EncodeFault> {
        if count < 8 && value >> count != 0 {
            return Err(self.fault(EncodeFaultKind::TooBig));
        }
        self.partial |= (u16::from(value) << (8 - count) >> self.filled) as u8;
        self.filled += count;
        if self.filled >= 8 {
            self.bytes.push(self.partial);
            (self.partial, self.filled) = (0, 0);
        }
        Ok(())
    }

    pub(crate) fn reserved(&mut self, mut count: u8) -> Result<(), EncodeFault> {
        while count > 0 {
            let here = count.min(8 - self.filled);
            self.bits(0, here)?;
            count -= here;
        }
        Ok(())
    }

    pub(crate) fn count(&mut self, count: usize) -> Result<(), EncodeFault> {
        let count = u16::try_from(count).map_err(|_| self.fault(EncodeFaultKind::TooLong))?;
        self.put(&count.to_be_bytes());
        Ok(())
    }

    pub(crate) fn octets(&mut self, octets: &[u8]) -> Result<(), EncodeFault> {
        self.count(octets.len())?;
        self.put(octets);
        Ok(())
    }

    pub(crate) fn words(&mut self, words: &[u16]) -> Result<(), EncodeFault> {
        self.count(words.len())?;
        words.iter().for_each(|word| self.put(&word.to_be_bytes()));
        Ok(())
    }

    pub(crate) fn double_words(&mut self, words: &[u32]) -> Result<(), EncodeFault> {
        self.count(words.len())?;
        words.iter().for_each(|word| self.put(&word.to_be_bytes()));
        Ok(())
    }

    /// The header of a parameter, which [`Encoder::close`] gives its length.
    pub(crate) fn open(&mut self, number: u16, name: &'static str) -> Opened {
        let opened = Opened { at: self.bytes.len(), outside: self.inside };
        self.inside = name;
        self.put(&number.to_be_bytes());
        self.put(&[0; 2]);
        opened
    }

    pub(crate) fn close(&mut self, opened: Opened) -> Result<(), EncodeFault> {
        let length = self.bytes.len() - opened.at;
        let length = u16::try_from(length).map_err(|_| self.fault(EncodeFaultKind::TooLong))?;
        if let Some(place) = self.bytes.get_mut(opened.at + 2..opened.at + 4) {
            place.copy_from_slice(&length.to_be_bytes());
        }
        self.inside = opened.outside;
        Ok(())
    }
}

/// A parameter whose length is not known yet.
pub(crate) struct Opened {
    at: usize,
    outside: &'static str,
}

/// A string of bits: an EPC of any length, a mask.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Bits {
    octets: Vec<u8>,
    count: u16,
}

impl Bits {
    /// The first `count` bits of these octets, the most significant first; what is missing is 0.
    pub fn new(octets: &[u8], count: u16) -> Self {
        let mut octets = octets.to_vec();
        octets.resize(usize::from(count).div_ceil(8), 0);
        let padding = octets.len() * 8 - usize::from(count);
        if let Some(last) = octets.last_mut() {
            *last = *last >> padding << padding;
        }
        Self { octets, count }
    }

    /// All bits of these octets, of which 8,191 fit.
    pub fn whole(octets: &[u8]) -> Self {
        let octets = octets.get(..usize::from(u16::MAX / 8)).unwrap_or(octets);
        Self { octets: octets.to_vec(), count: (octets.len() * 8) as u16 }
    }

    /// This many ones.
    pub fn ones(count: u16) -> Self {
        Self::new(&vec![0xFF; usize::from(count).div_ceil(8)], count)
    }

    /// The octets, the last one filled up with zeros.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// How many bits there are.
    pub fn count(&self) -> u16 {
        self.count
    }
}

impl fmt::Debug for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bits ", self.count)?;
        self.octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// A password of a tag. It does not show itself where messages are printed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Password(pub u32);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 == 0 { "none" } else { "***" })
    }
}
