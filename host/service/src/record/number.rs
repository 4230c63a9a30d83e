//! Numbers that the bank gives to people: customer numbers, staff numbers.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of the bank's: 1 to 32 letters, digits, `-` or `.`, which begins with a letter or a
/// digit. Upper and lower case are different.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(Arc<str>);

/// Why some text is not a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberFault {
    /// Nothing, or more than 32 characters.
    Length,
    /// A character that is not allowed, at this position from 1.
    Character(usize),
}

impl fmt::Display for NumberFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => f.write_str("a number has 1 to 32 characters"),
            Self::Character(at) => write!(
                f,
                "character {at} is not allowed: a number is letters, digits, '-' and '.', and begins \
                 with a letter or a digit"
            ),
        }
    }
}

impl std::error::Error for NumberFault {}

impl Number {
    /// The number as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Number {
    type Err = NumberFault;

    fn from_str(text: &str) -> Result<Self, NumberFault> {
        if text.is_empty() || text.len() > 32 {
            return Err(NumberFault::Length);
        }
        let is_allowed =
            |(at, c): (usize, char)| c.is_ascii_alphanumeric() || (at > 0 && matches!(c, '-' | '.'));
        match text.chars().enumerate().position(|place| !is_allowed(place)) {
            Some(at) => Err(NumberFault::Character(at + 1)),
            None => Ok(Self(text.into())),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A customer number leads to a person, so it stays out of logs.
impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_number() {
        for text in ["1", "6222-0001.A", &"9".repeat(32)] {
            assert_eq!(text.parse::<Number>().unwrap().as_str(), text);
        }
        for (text, fault) in [
            ("", NumberFault::Length),
            (&"9".repeat(33), NumberFault::Length),
            ("-1", NumberFault::Character(1)),
            ("12 3", NumberFault::Character(3)),
            ("１", NumberFault::Character(1)),
        ] {
            assert_eq!(text.parse::<Number>(), Err(fault), "{text:?}");
        }
    }
}
