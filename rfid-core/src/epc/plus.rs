//! Values of the plus schemes (EPC Tag Data Standard 2.3 §14.5).

use super::bits::{BitReader, Bits};
use super::fault::Wrong;
use super::text::{all_digits, in_alphabet};

/// Application identifiers by kind of date.
const DATES: [&str; 7] = ["11", "13", "15", "16", "17", "7006", "7007"];

/// Index 0 fills up.
const URN_CODE_40: &[u8] = b"\0ABCDEFGHIJKLMNOPQRSTUVWXYZ-.:0123456789";
const BASE_64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const SMALL_HEX: &[u8] = b"0123456789abcdef";
const CAPITAL_HEX: &[u8] = b"0123456789ABCDEF";

/// Bits that a number of so many digits takes: those of the largest one.
fn digit_bits(digits: usize) -> usize {
    let largest = 10u128.pow(u32::try_from(digits.min(38)).unwrap_or(38)) - 1;
    (u128::BITS - largest.leading_zeros()) as usize
}

fn take_digits(reader: &mut BitReader<'_>, digits: usize) -> Result<String, Wrong> {
    let value = reader.take(digit_bits(digits)).ok_or(Wrong::TooShort)?;
    let text = format!("{value:0digits$}");
    if text.len() > digits { Err(Wrong::TooManyDigits { most: digits }) } else { Ok(text) }
}

fn put_digits(bits: &mut Bits, digits: &str) -> Result<(), Wrong> {
    bits.put(digits.parse().map_err(|_| Wrong::NotANumber)?, digit_bits(digits.len()));
    Ok(())
}

pub(super) fn take_nibbles(reader: &mut BitReader<'_>, digits: usize) -> Result<String, Wrong> {
    (0..digits).map(|_| digit(reader.take_u8(4).ok_or(Wrong::TooShort)?)).collect()
}

pub(super) fn put_nibbles(bits: &mut Bits, digits: &str) -> Result<(), Wrong> {
    for character in digits.chars() {
        bits.put(u128::from(character.to_digit(10).ok_or(Wrong::NotANumber)?), 4);
    }
    Ok(())
}

fn digit(nibble: u8) -> Result<char, Wrong> {
    char::from_digit(u32::from(nibble), 10).ok_or(Wrong::NotANumber)
}

/// Digits with their count in four bits in front.
pub(super) fn take_any_digits(reader: &mut BitReader<'_>, most: usize) -> Result<String, Wrong> {
    let count = usize::from(reader.take_u8(4).ok_or(Wrong::TooShort)?);
    match count {
        0 => Err(Wrong::Empty),
        count if count > most => Err(Wrong::TooManyDigits { most }),
        count => take_digits(reader, count),
    }
}

pub(super) fn put_any_digits(bits: &mut Bits, part: &str, most: usize) -> Result<(), Wrong> {
    in_alphabet(part, 1, most, |character| character.is_ascii_digit())?;
    bits.put(part.len() as u128, 4);
    put_digits(bits, part)
}

/// The six ways to write a text, by their number.
#[derive(Clone, Copy, Debug)]
enum TextKind {
    Digits,
    CapitalHex,
    SmallHex,
    Base64,
    Ascii,
    UrnCode40,
}

impl TextKind {
    const ALL: [Self; 6] =
        [Self::Digits, Self::CapitalHex, Self::SmallHex, Self::Base64, Self::Ascii, Self::UrnCode40];

    /// Bits for this text; `None` if it has a character that this way cannot write.
    fn bits(self, text: &str) -> Option<usize> {
        let in_set = |set: &[u8]| text.bytes().all(|byte| byte != 0 && set.contains(&byte));
        let (can, bits) = match self {
            Self::Digits => (in_set(b"0123456789"), digit_bits(text.len())),
            Self::CapitalHex => (in_set(CAPITAL_HEX), text.len() * 4),
            Self::SmallHex => (in_set(SMALL_HEX), text.len() * 4),
            Self::Base64 => (in_set(BASE_64), text.len() * 6),
            Self::Ascii => (text.is_ascii(), text.len() * 7),
            Self::UrnCode40 => (in_set(URN_CODE_40), text.len().div_ceil(3) * 16),
        };
        can.then_some(bits)
    }
}

/// Text with its kind in three bits and its length in five in front.
pub(super) fn take_any_text(
    reader: &mut BitReader<'_>,
    most: usize,
    alphabet: impl Fn(char) -> bool,
) -> Result<String, Wrong> {
    let kind = usize::from(reader.take_u8(3).ok_or(Wrong::TooShort)?);
    let kind = TextKind::ALL.get(kind).ok_or(Wrong::Kind)?;
    let len = usize::from(reader.take_u8(5).ok_or(Wrong::TooShort)?);
    if len > most {
        return Err(Wrong::TooLong { most });
    }
    let mut from_set = |set: &[u8], width: usize| -> Result<String, Wrong> {
        let codes = (0..len).map(|_| reader.take_u8(width).ok_or(Wrong::TooShort));
        codes.map(|code| Ok(char::from(*set.get(usize::from(code?)).ok_or(Wrong::Kind)?))).collect()
    };
    let text = match kind {
        _ if len == 0 => return Err(Wrong::Empty),
        TextKind::Digits => take_digits(reader, len)?,
        TextKind::CapitalHex => from_set(CAPITAL_HEX, 4)?,
        TextKind::SmallHex => from_set(SMALL_HEX, 4)?,
        TextKind::Base64 => from_set(BASE_64, 6)?,
        TextKind::Ascii => (0..len)
            .map(|_| reader.take_u8(7).map(char::from).ok_or(Wrong::TooShort))
            .collect::<Result<_, _>>()?,
        TextKind::UrnCode40 => take_urn_code_40(reader, len)?,
    };
    in_alphabet(&text, 1, most, alphabet)?;
    Ok(text)
}

/// Writes text in the shortest way that can hold it.
pub(super) fn put_any_text(
    bits: &mut Bits,
    part: &str,
    most: usize,
    alphabet: impl Fn(char) -> bool,
) -> Result<(), Wrong> {
    in_alphabet(part, 1, most, alphabet)?;
    let ways = TextKind::ALL.into_iter().filter_map(|kind| Some((kind.bits(part)?, kind)));
    let (_, kind) = ways.min_by_key(|(bits, _)| *bits).ok_or(Wrong::Kind)?;
    bits.put(kind as u128, 3);
    bits.put(part.len() as u128, 5);
    let mut put_set = |set: &[u8], width: usize| {
        for byte in part.bytes() {
            bits.put(set.iter().position(|code| *code == byte).unwrap_or_default() as u128, width);
        }
    };
    match kind {
        TextKind::Digits => return put_digits(bits, part),
        TextKind::CapitalHex => put_set(CAPITAL_HEX, 4),
        TextKind::SmallHex => put_set(SMALL_HEX, 4),
        TextKind::Base64 => put_set(BASE_64, 6),
        TextKind::Ascii => part.bytes().for_each(|byte| bits.put(u128::from(byte), 7)),
        TextKind::UrnCode40 => put_urn_code_40(bits, part),
    }
    Ok(())
}

/// Three characters in sixteen bits: 1600 a + 40 b + c + 1.
pub(super) fn take_urn_code_40(reader: &mut BitReader<'_>, len: usize) -> Result<String, Wrong> {
    let mut text = String::new();
    while text.len() < len {
        let value = reader.take(16).ok_or(Wrong::TooShort)?.checked_sub(1).ok_or(Wrong::Kind)?;
        for place in [1600, 40, 1] {
            let index = usize::try_from(value / place).unwrap_or(usize::MAX);
            let index = if place == 1600 { index } else { index % 40 };
            let code = *URN_CODE_40.get(index).ok_or(Wrong::Kind)?;
            match (code, text.len() < len) {
                (0, true) => return Err(Wrong::Empty),
                (0, false) => {}
                (_, false) => return Err(Wrong::BehindText),
                (code, true) => text.push(char::from(code)),
            }
        }
    }
    Ok(text)
}

fn put_urn_code_40(bits: &mut Bits, text: &str) {
    for three in text.as_bytes().chunks(3) {
        let index = |at: usize| {
            let byte = three.get(at).copied().unwrap_or(0);
            URN_CODE_40.iter().position(|code| *code == byte).unwrap_or_default() as u128
        };
        bits.put(1600 * index(0) + 40 * index(1) + index(2) + 1, 16);
    }
}

/// Digits of four bits each; F ends them, E ends them and text follows.
pub(super) fn take_mixed(
    reader: &mut BitReader<'_>,
    most: usize,
    alphabet: impl Fn(char) -> bool,
) -> Result<String, Wrong> {
    let mut part = String::new();
    loop {
        match reader.take_u8(4).ok_or(Wrong::TooShort)? {
            0xF => break,
            0xE => {
                part.push_str(&take_any_text(reader, most.saturating_sub(part.len()), alphabet)?);
                break;
            }
            _ if part.len() == most => return Err(Wrong::TooLong { most }),
            nibble => part.push(digit(nibble)?),
        }
    }
    if part.is_empty() { Err(Wrong::Empty) } else { Ok(part) }
}

pub(super) fn put_mixed(
    bits: &mut Bits,
    part: &str,
    most: usize,
    alphabet: impl Fn(char) -> bool,
) -> Result<(), Wrong> {
    in_alphabet(part, 1, most, &alphabet)?;
    let digits = part.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, text) = part.split_at(digits);
    put_nibbles(bits, digits)?;
    if text.is_empty() {
        bits.put(0xF, 4);
        return Ok(());
    }
    bits.put(0xE, 4);
    put_any_text(bits, text, most, alphabet)
}

/// The application identifier of a date, and the date as YYMMDD; day 00 is the month's last.
pub(super) fn take_date(reader: &mut BitReader<'_>, parts: &mut Vec<String>) -> Result<(), Wrong> {
    let mut take = |bits| reader.take_u8(bits).ok_or(Wrong::TooShort);
    let kind = usize::from(take(4)?);
    let (year, month, day) = (take(7)?, take(4)?, take(5)?);
    check_date(year, month, day)?;
    parts.push((*DATES.get(kind).ok_or(Wrong::Kind)?).to_owned());
    parts.push(format!("{year:02}{month:02}{day:02}"));
    Ok(())
}

pub(super) fn put_date<'a>(bits: &mut Bits, parts: &mut impl Iterator<Item = &'a str>) -> Result<(), Wrong> {
    let (Some(identifier), Some(date)) = (parts.next(), parts.next()) else { return Err(Wrong::Missing) };
    let kind = DATES.iter().position(|known| *known == identifier).ok_or(Wrong::Kind)?;
    all_digits(date, 6)?;
    let two =
        |from: usize| date.get(from..from + 2).and_then(|digits| digits.parse().ok()).ok_or(Wrong::Date);
    let (year, month, day): (u8, u8, u8) = (two(0)?, two(2)?, two(4)?);
    check_date(year, month, day)?;
    for (value, width) in [(kind as u128, 4), (year.into(), 7), (month.into(), 4), (day.into(), 5)] {
        bits.put(value, width);
    }
    Ok(())
}

fn check_date(year: u8, month: u8, day: u8) -> Result<(), Wrong> {
    let days = match month {
        2 if year.is_multiple_of(4) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return Err(Wrong::Date),
    };
    if year > 99 || day > days { Err(Wrong::Date) } else { Ok(()) }
}
