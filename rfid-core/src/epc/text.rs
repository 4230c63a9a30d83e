//! The alphabets of EPCs and their escapes in URIs (EPC Tag Data Standard 1.13, tables A-1 and G-1).

use super::bits::{BitReader, Bits};
use super::fault::Wrong;

/// Whether a character may stand in an alphanumeric serial (table A-1).
pub(super) fn is_graphic(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!\"%&'()*+,-./:;<=>?_".contains(character)
}

/// Whether a character has a six-bit code (table G-1).
pub(super) fn is_six_bit(character: char) -> bool {
    character.is_ascii_uppercase() || character.is_ascii_digit() || "#-/".contains(character)
}

/// Characters that URIs escape.
const ESCAPED: &str = "\"#%&/<>?";

/// A part of an EPC as it stands in a URI.
pub(super) fn escape(part: &str) -> String {
    part.chars().fold(String::new(), |mut text, character| {
        if ESCAPED.contains(character) {
            text.push_str(&format!("%{:02X}", u32::from(character)));
        } else {
            text.push(character);
        }
        text
    })
}

/// A part of an EPC out of a URI.
pub(super) fn unescape(text: &str) -> Result<String, Wrong> {
    let mut part = String::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '%' => {
                let digits: String = rest.by_ref().take(2).collect();
                let escaped =
                    u8::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 2).map(char::from);
                part.push(escaped.filter(|escaped| ESCAPED.contains(*escaped)).ok_or(Wrong::Escape)?);
            }
            other if ESCAPED.contains(other) => return Err(Wrong::NotEscaped(other)),
            other => part.push(other),
        }
    }
    Ok(part)
}

/// Reads text in codes of seven bits that fills `bits` with zeros behind it.
pub(super) fn take_seven_bit(reader: &mut BitReader<'_>, bits: usize, most: usize) -> Result<String, Wrong> {
    let mut text = String::new();
    let mut left = bits;
    while left >= 7 {
        left -= 7;
        match reader.take_u8(7).ok_or(Wrong::TooShort)? {
            0 => break,
            code if text.len() < most && is_graphic(char::from(code)) => text.push(char::from(code)),
            code => return Err(Wrong::Character(char::from(code))),
        }
    }
    while left > 0 {
        let count = left.min(128);
        if reader.take(count).ok_or(Wrong::TooShort)? != 0 {
            return Err(Wrong::BehindText);
        }
        left -= count;
    }
    if text.is_empty() { Err(Wrong::Empty) } else { Ok(text) }
}

/// Writes text in codes of seven bits and fills up with zeros.
pub(super) fn put_seven_bit(bits: &mut Bits, text: &str, room: usize, most: usize) -> Result<(), Wrong> {
    in_alphabet(text, 1, most, is_graphic)?;
    for character in text.bytes() {
        bits.put(u128::from(character), 7);
    }
    for _ in text.len() * 7..room {
        bits.put(0, 1);
    }
    Ok(())
}

/// Reads text in codes of six bits up to the code zero.
pub(super) fn take_six_bit(reader: &mut BitReader<'_>, most: usize) -> Result<String, Wrong> {
    let mut text = String::new();
    loop {
        let code = reader.take_u8(6).ok_or(Wrong::NoEnd)?;
        if code == 0 {
            return Ok(text);
        }
        // The low six bits of ASCII: those of letters lost their highest one.
        let character = char::from(if code < 0b10_0000 { code | 0x40 } else { code });
        if !is_six_bit(character) {
            return Err(Wrong::Character(character));
        }
        if text.len() == most {
            return Err(Wrong::TooLong { most });
        }
        text.push(character);
    }
}

/// Writes text in codes of six bits and the code zero behind it.
pub(super) fn put_six_bit(bits: &mut Bits, text: &str, least: usize, most: usize) -> Result<(), Wrong> {
    in_alphabet(text, least, most, is_six_bit)?;
    for character in text.bytes() {
        bits.put(u128::from(character & 0b11_1111), 6);
    }
    bits.put(0, 6);
    Ok(())
}

/// Whether text has from `least` to `most` characters, all of them in an alphabet of ASCII.
pub(super) fn in_alphabet(
    text: &str,
    least: usize,
    most: usize,
    has: impl Fn(char) -> bool,
) -> Result<(), Wrong> {
    if let Some(character) = text.chars().find(|character| !has(*character)) {
        return Err(Wrong::Character(character));
    }
    match text.len() {
        len if len < least => Err(Wrong::Empty),
        len if len > most => Err(Wrong::TooLong { most }),
        _ => Ok(()),
    }
}

/// Whether text is so many decimal digits.
pub(super) fn all_digits(part: &str, digits: usize) -> Result<(), Wrong> {
    if !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Wrong::NotANumber);
    }
    if part.len() == digits { Ok(()) } else { Err(Wrong::DigitCount { needed: digits }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_of_serials_has_82_characters() {
        assert_eq!((0u8..=255).map(char::from).filter(|character| is_graphic(*character)).count(), 82);
    }

    #[test]
    fn escapes_are_those_of_the_standard_and_no_others() {
        assert_eq!(escape("32a/b%\"&<>?(')"), "32a%2Fb%25%22%26%3C%3E%3F(')");
        assert_eq!(unescape("32a%2Fb%2fc"), Ok("32a/b/c".to_owned()));
        for wrong in ["%", "%2", "%41", "%zz", "%+1"] {
            assert_eq!(unescape(wrong), Err(Wrong::Escape), "{wrong}");
        }
        assert_eq!(unescape("a/b"), Err(Wrong::NotEscaped('/')));
    }
}
