//! ID numbers of people (身份证号码), with their check digit.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// A citizen's ID number of 18 characters: six digits of a region, the day of birth, three digits
/// of order, and a check digit that may be `X` (GB 11643-1999, check digit by ISO 7064 MOD 11-2).
///
/// It is wiped from memory and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct IdNumber(Zeroizing<String>);

/// Why some text is not an ID number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdNumberFault {
    /// Not 18 characters.
    Length,
    /// Something else than digits and a last `X`.
    Character,
    /// The day of birth is no day.
    DayOfBirth,
    /// The check digit is another one: a character is wrong or two are swapped.
    CheckDigit,
}

impl fmt::Display for IdNumberFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "an ID number has 18 characters",
            Self::Character => "an ID number is 17 digits and a digit or X",
            Self::DayOfBirth => "characters 7 to 14 of an ID number are the day of birth",
            Self::CheckDigit => {
                "the check digit of the ID number does not fit: a character is wrong or two are swapped"
            }
        })
    }
}

impl std::error::Error for IdNumberFault {}

impl IdNumber {
    /// The 18 characters, the last one possibly an upper-case `X`.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// The check character of 17 digits: weights are the powers of 2 modulo 11 from the right.
fn check_character(digits: &[u8]) -> u8 {
    let sum = digits.iter().fold(0u32, |sum, digit| (sum + u32::from(digit - b'0')) * 2 % 11);
    b"10X98765432".get(sum as usize).copied().unwrap_or(b'?')
}

impl FromStr for IdNumber {
    type Err = IdNumberFault;

    fn from_str(text: &str) -> Result<Self, IdNumberFault> {
        let text = Zeroizing::new(text.trim().to_ascii_uppercase());
        let bytes: &[u8; 18] = text.as_bytes().try_into().map_err(|_| IdNumberFault::Length)?;
        let (digits, check) = (&bytes[..17], bytes[17]);
        if !digits.iter().all(u8::is_ascii_digit) || !(check.is_ascii_digit() || check == b'X') {
            return Err(IdNumberFault::Character);
        }
        let number = |from: usize, to: usize| text.get(from..to).and_then(|part| part.parse::<i16>().ok());
        let month_or_day = |from, to| number(from, to).and_then(|number| i8::try_from(number).ok());
        let born = (number(6, 10), month_or_day(10, 12), month_or_day(12, 14));
        match born {
            (Some(year), Some(month), Some(day)) if Date::new(year, month, day).is_ok() => {}
            _ => return Err(IdNumberFault::DayOfBirth),
        }
        if check_character(digits) != check {
            return Err(IdNumberFault::CheckDigit);
        }
        Ok(Self(text))
    }
}

impl fmt::Debug for IdNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for IdNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for IdNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Zeroizing::new(String::deserialize(deserializer)?).parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The example that the standard's own text is known by, and one whose check character is X.
    const GOOD: [&str; 2] = ["11010519491231002X", "440524188001010014"];

    #[test]
    fn published_examples_pass() {
        for text in GOOD {
            assert_eq!(text.parse::<IdNumber>().unwrap().reveal(), text);
        }
        assert_eq!("11010519491231002x".parse::<IdNumber>().unwrap().reveal(), GOOD[0]);
    }

    #[test]
    fn each_fault_has_its_name() {
        for (text, fault) in [
            ("", IdNumberFault::Length),
            ("11010519491231002", IdNumberFault::Length),
            ("1101051949123100２", IdNumberFault::Length),
            ("1101051949123100XX", IdNumberFault::Character),
            ("110105194913310021", IdNumberFault::DayOfBirth),
            ("110105190002290024", IdNumberFault::DayOfBirth),
            ("110105194912310021", IdNumberFault::CheckDigit),
        ] {
            assert_eq!(text.parse::<IdNumber>(), Err(fault), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn one_wrong_or_two_swapped_digits_are_noticed(at in 0usize..17, other in 0u8..10) {
            let mut digits = GOOD[0].as_bytes().to_vec();
            let before = digits.clone();
            digits[at] = b'0' + other;
            if digits != before {
                prop_assert!(String::from_utf8(digits).unwrap().parse::<IdNumber>().is_err());
            }
            let mut swapped = before.clone();
            swapped.swap(at, (at + 1).min(16));
            if swapped != before {
                prop_assert!(String::from_utf8(swapped).unwrap().parse::<IdNumber>().is_err());
            }
        }
    }
}
