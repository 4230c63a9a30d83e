//! Why bits or text are not an EPC.

use std::fmt;

/// Why bits, a URI or a key are not an EPC.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EpcFault {
    /// There are no bits.
    NoBits,
    /// The header begins no scheme.
    Header(u8),
    /// No scheme has this name.
    UnknownScheme(String),
    /// A URI or key is not written as one.
    Syntax(&'static str),
    /// One part of the EPC is wrong.
    Part {
        /// Name of the scheme, `sgtin-96`.
        scheme: &'static str,
        /// Which part.
        part: &'static str,
        /// What is wrong with it.
        wrong: Wrong,
    },
}

/// What is wrong with one part of an EPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wrong {
    /// The tag has too few bits.
    TooShort,
    /// The partition value is 7.
    Partition,
    /// The number has more digits than the part may have.
    TooManyDigits {
        /// Digits that it may have.
        most: usize,
    },
    /// The part has another number of digits than it must have.
    DigitCount {
        /// Digits that it must have.
        needed: usize,
    },
    /// A company prefix has six to twelve digits.
    PrefixLength,
    /// Something that is not a decimal digit.
    NotANumber,
    /// A number is written with a zero in front.
    LeadingZero,
    /// The number is larger than the part's bits or its rule allow.
    TooLarge,
    /// Bits that must be zero are not.
    NotZero,
    /// The digit 1 in front of a digit string is missing.
    NoLeadingOne,
    /// There is nothing where something must be.
    Empty,
    /// The text is too long.
    TooLong {
        /// Characters that it may have.
        most: usize,
    },
    /// A character that may not stand here.
    Character(char),
    /// Something follows the end of the text.
    BehindText,
    /// The text has no end within the tag.
    NoEnd,
    /// A character must be escaped in a URI.
    NotEscaped(char),
    /// An escape that is not one of the standard's.
    Escape,
    /// The check digit does not fit.
    CheckDigit,
    /// There is no such kind of text or date.
    Kind,
    /// There is no such day.
    Date,
    /// The part is missing.
    Missing,
}

impl fmt::Display for EpcFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBits => f.write_str("there are no bits"),
            Self::Header(0x00) => f.write_str("the tag is not programmed (header 00)"),
            Self::Header(0xE2) => {
                f.write_str("header E2 is that of a tag's own serial number (TID), not of an EPC")
            }
            Self::Header(header) => write!(f, "header {header:02X} begins no scheme that is in use"),
            Self::UnknownScheme(name) => write!(f, "there is no scheme \"{name}\""),
            Self::Syntax(expected) => write!(f, "this is not {expected}"),
            Self::Part { scheme, part, wrong } => write!(f, "{scheme}: {part}: {wrong}"),
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => f.write_str("the tag has too few bits"),
            Self::Partition => f.write_str("7 is not a partition value"),
            Self::TooManyDigits { most } => write!(f, "more than {most} digits"),
            Self::DigitCount { needed } => write!(f, "{needed} digits are needed"),
            Self::PrefixLength => f.write_str("a company prefix has 6 to 12 digits"),
            Self::NotANumber => f.write_str("not a decimal number"),
            Self::LeadingZero => f.write_str("a number is written without zeros in front"),
            Self::TooLarge => f.write_str("the number is too large"),
            Self::NotZero => f.write_str("bits that must be zero are not"),
            Self::NoLeadingOne => f.write_str("the digit 1 in front of the digits is missing"),
            Self::Empty => f.write_str("there is nothing"),
            Self::TooLong { most } => write!(f, "more than {most} characters"),
            Self::Character(character) => write!(f, "{character:?} may not stand here"),
            Self::BehindText => f.write_str("bits behind the end of the text are not zero"),
            Self::NoEnd => f.write_str("the text has no end within the tag"),
            Self::NotEscaped(character) => {
                write!(f, "{character:?} is written as %{:02X}", u32::from(*character))
            }
            Self::Escape => f.write_str("not an escape of EPC URIs"),
            Self::CheckDigit => f.write_str("the check digit does not fit"),
            Self::Kind => f.write_str("no such kind"),
            Self::Date => f.write_str("no such day"),
            Self::Missing => f.write_str("missing"),
        }
    }
}

impl std::error::Error for EpcFault {}
impl std::error::Error for Wrong {}
