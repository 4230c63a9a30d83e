//! One field of a scheme: from bits to parts of an identity, and back.

use super::bits::{BitReader, Bits};
use super::fault::Wrong;
use super::host;
use super::key;
use super::plus;
use super::scheme::{Field, PREFIX_BITS, Reference, ReferenceKind};
use super::text;

/// What is wrong, and with which part.
pub(super) type PartFault = (&'static str, Wrong);

impl Field {
    /// Reads the field and adds its parts.
    pub(super) fn take(&self, reader: &mut BitReader<'_>, parts: &mut Vec<String>) -> Result<(), PartFault> {
        match *self {
            Self::Partitioned(reference) => return reference.take(reader, parts),
            Self::Date => return plus::take_date(reader, parts).map_err(|wrong| ("date", wrong)),
            Self::Zeros(bits) => take_zeros(reader, bits).map_err(|wrong| ("fill", wrong))?,
            _ => {
                let part = self.take_part(reader).map_err(|wrong| (self.name(), wrong))?;
                parts.push(part);
            }
        }
        Ok(())
    }

    fn take_part(&self, reader: &mut BitReader<'_>) -> Result<String, Wrong> {
        match *self {
            Self::Number { bits, most, .. } => {
                let value = reader.take(bits).ok_or(Wrong::TooShort)?;
                if value > u128::from(most) { Err(Wrong::TooLarge) } else { Ok(value.to_string()) }
            }
            Self::Padded { bits, digits, .. } => take_padded(reader, bits, digits),
            Self::Digits { bits, most, .. } => {
                let text = reader.take(bits).ok_or(Wrong::TooShort)?.to_string();
                let digits = text.strip_prefix('1').ok_or(Wrong::NoLeadingOne)?;
                text::in_alphabet(digits, 1, most, |character| character.is_ascii_digit())?;
                Ok(digits.to_owned())
            }
            Self::Text { bits, most, .. } => text::take_seven_bit(reader, bits, most),
            Self::SixBit { least, most, .. } => {
                let text = text::take_six_bit(reader, most)?;
                check_six_bit(&text, least)?;
                Ok(text)
            }
            Self::Cage8 => take_cage(reader, 8),
            Self::Cage6 => take_cage(reader, 6),
            Self::Nibbles { digits, check, .. } => {
                let text = plus::take_nibbles(reader, digits)?;
                key::verify(&text, check)?;
                Ok(text)
            }
            Self::AnyText { most, .. } => plus::take_any_text(reader, most, text::is_graphic),
            Self::AnyDigits { most, .. } => plus::take_any_digits(reader, most),
            Self::Mixed { most, alphabet, .. } => plus::take_mixed(reader, most, alphabet),
            Self::Host => host::take(reader),
            // Not one part; read by `take`.
            Self::Partitioned(_) | Self::Date | Self::Zeros(_) => Err(Wrong::Missing),
        }
    }

    /// Takes the field's parts and writes them.
    pub(super) fn put<'a>(
        &self,
        bits: &mut Bits,
        parts: &mut impl Iterator<Item = &'a str>,
    ) -> Result<(), PartFault> {
        match *self {
            Self::Partitioned(reference) => reference.put(bits, parts),
            Self::Zeros(count) => {
                bits.put(0, count);
                Ok(())
            }
            Self::Date => plus::put_date(bits, parts).map_err(|wrong| ("date", wrong)),
            _ => {
                let put = parts.next().ok_or(Wrong::Missing).and_then(|part| self.put_part(bits, part));
                put.map_err(|wrong| (self.name(), wrong))
            }
        }
    }

    fn put_part(&self, bits: &mut Bits, part: &str) -> Result<(), Wrong> {
        match *self {
            Self::Number { bits: width, most, .. } => {
                let value = number(part)?;
                if value > u128::from(most) { Err(Wrong::TooLarge) } else { put_number(bits, value, width) }
            }
            Self::Padded { bits: width, digits, .. } => put_padded(bits, part, width, digits),
            Self::Digits { bits: width, most, .. } => {
                text::in_alphabet(part, 1, most, |character| character.is_ascii_digit())?;
                put_number(bits, number(&format!("1{part}"))?, width)
            }
            Self::Text { bits: room, most, .. } => text::put_seven_bit(bits, part, room, most),
            Self::SixBit { least, most, .. } => {
                check_six_bit(part, least)?;
                text::put_six_bit(bits, part, least, most)
            }
            Self::Cage8 => put_cage(bits, part, 8),
            Self::Cage6 => put_cage(bits, part, 6),
            Self::Nibbles { digits, check, .. } => {
                text::all_digits(part, digits)?;
                key::verify(part, check)?;
                plus::put_nibbles(bits, part)
            }
            Self::AnyText { most, .. } => plus::put_any_text(bits, part, most, text::is_graphic),
            Self::AnyDigits { most, .. } => plus::put_any_digits(bits, part, most),
            Self::Mixed { most, alphabet, .. } => plus::put_mixed(bits, part, most, alphabet),
            Self::Host => host::put(bits, part),
            Self::Partitioned(_) | Self::Date | Self::Zeros(_) => Err(Wrong::Missing),
        }
    }

    /// What people call the part.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Partitioned(reference) => reference.part,
            Self::Number { part, .. }
            | Self::Padded { part, .. }
            | Self::Digits { part, .. }
            | Self::Text { part, .. }
            | Self::SixBit { part, .. }
            | Self::Nibbles { part, .. }
            | Self::AnyText { part, .. }
            | Self::AnyDigits { part, .. }
            | Self::Mixed { part, .. } => part,
            Self::Cage8 | Self::Cage6 => "CAGE code",
            Self::Zeros(_) => "fill",
            Self::Date => "date",
            Self::Host => "host name",
        }
    }

    /// Names of the parts that the field gives.
    pub(super) fn part_names(&self) -> Vec<&'static str> {
        match self {
            Self::Zeros(_) => vec![],
            Self::Partitioned(reference) => vec!["company prefix", reference.part],
            Self::Date => vec!["kind of date", "date"],
            other => vec![other.name()],
        }
    }
}

impl Reference {
    fn take(&self, reader: &mut BitReader<'_>, parts: &mut Vec<String>) -> Result<(), PartFault> {
        let prefix_fault = |wrong| ("company prefix", wrong);
        let partition = reader.take(3).ok_or(prefix_fault(Wrong::TooShort))? as usize;
        let prefix_bits = *PREFIX_BITS.get(partition).ok_or(("partition", Wrong::Partition))?;
        parts.push(take_padded(reader, prefix_bits, 12 - partition).map_err(prefix_fault)?);
        let (width, len) = self.size(partition);
        let part = match self.kind {
            ReferenceKind::Padded => take_padded(reader, width, len),
            ReferenceKind::Number => {
                reader.take(width).ok_or(Wrong::TooShort).map(|value| value.to_string()).and_then(|text| {
                    if text.len() > len { Err(Wrong::TooManyDigits { most: len }) } else { Ok(text) }
                })
            }
            ReferenceKind::Text => text::take_seven_bit(reader, width, len),
            ReferenceKind::SixBit => text::take_six_bit(reader, len)
                .and_then(|text| if text.is_empty() { Err(Wrong::Empty) } else { Ok(text) }),
        };
        parts.push(part.map_err(|wrong| (self.part, wrong))?);
        Ok(())
    }

    fn put<'a>(&self, bits: &mut Bits, parts: &mut impl Iterator<Item = &'a str>) -> Result<(), PartFault> {
        let prefix = parts.next().ok_or(("company prefix", Wrong::Missing))?;
        let partition = 12usize.checked_sub(prefix.len()).filter(|partition| *partition <= 6);
        let partition = partition.ok_or(("company prefix", Wrong::PrefixLength))?;
        let (width, len) = self.size(partition);
        bits.put(partition as u128, 3);
        let prefix_bits = PREFIX_BITS.get(partition).copied().unwrap_or_default();
        put_padded(bits, prefix, prefix_bits, prefix.len()).map_err(|wrong| ("company prefix", wrong))?;
        let part = parts.next().ok_or((self.part, Wrong::Missing))?;
        let put = match self.kind {
            ReferenceKind::Padded => put_padded(bits, part, width, len),
            ReferenceKind::Number if part.len() > len => Err(Wrong::TooManyDigits { most: len }),
            ReferenceKind::Number => number(part).and_then(|value| put_number(bits, value, width)),
            ReferenceKind::Text => text::put_seven_bit(bits, part, width, len),
            ReferenceKind::SixBit => text::put_six_bit(bits, part, 1, len),
        };
        put.map_err(|wrong| (self.part, wrong))
    }

    /// Bits, and digits or characters, with a partition value of 0 to 6.
    fn size(&self, partition: usize) -> (usize, usize) {
        (self.bits.get(partition).copied().unwrap_or_default(), self.first_len + partition)
    }
}

/// Reads a number of so many digits. No digits are written as zero bits.
fn take_padded(reader: &mut BitReader<'_>, bits: usize, digits: usize) -> Result<String, Wrong> {
    let value = reader.take(bits).ok_or(Wrong::TooShort)?;
    match (digits, value) {
        (0, 0) => Ok(String::new()),
        (0, _) => Err(Wrong::NotZero),
        (digits, value) => {
            let text = format!("{value:0digits$}");
            if text.len() > digits { Err(Wrong::TooManyDigits { most: digits }) } else { Ok(text) }
        }
    }
}

fn put_padded(bits: &mut Bits, part: &str, width: usize, digits: usize) -> Result<(), Wrong> {
    text::all_digits(part, digits)?;
    let value = if digits == 0 { 0 } else { part.parse().map_err(|_| Wrong::NotANumber)? };
    put_number(bits, value, width)
}

/// A number as URIs write it: no zeros in front.
fn number(part: &str) -> Result<u128, Wrong> {
    match part.as_bytes() {
        [] => Err(Wrong::Empty),
        [b'0', _, ..] => Err(Wrong::LeadingZero),
        _ if !part.bytes().all(|byte| byte.is_ascii_digit()) => Err(Wrong::NotANumber),
        // Only size is left to be wrong.
        _ => part.parse().map_err(|_| Wrong::TooLarge),
    }
}

fn put_number(bits: &mut Bits, value: u128, width: usize) -> Result<(), Wrong> {
    if value >> width != 0 {
        return Err(Wrong::TooLarge);
    }
    bits.put(value, width);
    Ok(())
}

fn take_zeros(reader: &mut BitReader<'_>, bits: usize) -> Result<(), Wrong> {
    match reader.take(bits) {
        Some(0) => Ok(()),
        Some(_) => Err(Wrong::NotZero),
        None => Err(Wrong::TooShort),
    }
}

/// `#` may begin a serial and stand nowhere else.
fn check_six_bit(text: &str, least: usize) -> Result<(), Wrong> {
    if text.len() < least {
        return Err(Wrong::Empty);
    }
    let body = if least == 0 { text } else { text.strip_prefix('#').unwrap_or(text) };
    match body {
        "" if least > 0 => Err(Wrong::Empty),
        body if body.contains('#') => Err(Wrong::Character('#')),
        _ => Ok(()),
    }
}

/// Five or six characters of digits and letters without I and O.
fn take_cage(reader: &mut BitReader<'_>, bits: usize) -> Result<String, Wrong> {
    let mut code = String::new();
    for _ in 0..6 {
        let byte = reader.take_u8(bits).ok_or(Wrong::TooShort)?;
        let byte = if bits == 6 && byte < 0b10_0000 { byte | 0x40 } else { byte };
        code.push(char::from(byte));
    }
    let code = code.strip_prefix(' ').map(str::to_owned).unwrap_or(code);
    text::in_alphabet(&code, 5, 6, is_cage)?;
    Ok(code)
}

fn put_cage(bits: &mut Bits, part: &str, width: usize) -> Result<(), Wrong> {
    text::in_alphabet(part, 5, 6, is_cage)?;
    let padded = if part.len() == 5 { format!(" {part}") } else { part.to_owned() };
    for byte in padded.bytes() {
        bits.put(u128::from(byte) & ((1 << width) - 1), width);
    }
    Ok(())
}

fn is_cage(character: char) -> bool {
    (character.is_ascii_digit() || character.is_ascii_uppercase()) && !"IO".contains(character)
}
