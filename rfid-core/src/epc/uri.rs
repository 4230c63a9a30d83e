//! EPC URIs: tag, pure identity and raw (TDS 1.13 §6, §12, §14.1).

use std::fmt;

use super::bits::Bits;
use super::fault::EpcFault;
use super::memory::{Control, Numbering, ProtocolControl};
use super::scheme::{LAYOUTS, Layout, Scheme};
use super::text::{escape, unescape};
use super::{Epc, Result};

const TAG: &str = "urn:epc:tag:";
const IDENTITY: &str = "urn:epc:id:";
const RAW: &str = "urn:epc:raw:";

/// The best URI of the bits of an EPC bank: the pure identity, for a plus scheme the Digital
/// Link, and the raw URI where no scheme accounts for the bits.
pub fn uri_of(bytes: &[u8]) -> String {
    let decoded = Epc::decode(bytes).ok();
    let uri = decoded.and_then(|epc| epc.identity_uri().or_else(|| epc.digital_link()));
    uri.unwrap_or_else(|| RawEpc::of(bytes).to_string())
}

impl Epc {
    /// The tag URI, `urn:epc:tag:gsrn-96:0.9521141.1234567890`: all that it takes to write the
    /// tag. `None` for plus schemes.
    pub fn tag_uri(&self) -> Option<String> {
        let layout = self.identified_layout()?;
        let filter = if layout.filter_bits == 0 { String::new() } else { format!("{}.", self.filter()) };
        Some(format!("{TAG}{}:{filter}{}", layout.name, self.escaped_parts()))
    }

    /// The pure identity URI, `urn:epc:id:gsrn:9521141.1234567890`. `None` for plus schemes.
    pub fn identity_uri(&self) -> Option<String> {
        Some(format!("{IDENTITY}{}:{}", self.identified_layout()?.identity, self.escaped_parts()))
    }

    fn identified_layout(&self) -> Option<&'static Layout> {
        Some(self.scheme().layout()).filter(|layout| !layout.identity.is_empty())
    }

    fn escaped_parts(&self) -> String {
        self.parts().iter().map(|part| escape(part)).collect::<Vec<_>>().join(".")
    }

    /// An EPC from its tag URI, without control fields.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_tag_uri(uri: &str) -> Result<Self> {
        const SYNTAX: EpcFault =
            EpcFault::Syntax("a tag URI, as in urn:epc:tag:gsrn-96:0.9521141.1234567890");
        let (name, body) = uri.strip_prefix(TAG).and_then(|rest| rest.split_once(':')).ok_or(SYNTAX)?;
        let scheme = Scheme::from_name(name)
            .filter(|scheme| !scheme.is_plus())
            .ok_or_else(|| EpcFault::UnknownScheme(name.to_owned()))?;
        let (filter, parts) = match scheme.highest_filter() {
            None => (0, body),
            Some(_) => {
                let (filter, parts) = body.split_once('.').ok_or(SYNTAX)?;
                let is_plain = filter == "0" || !filter.starts_with(['0', '+']);
                (filter.parse().ok().filter(|_| is_plain).ok_or(SYNTAX)?, parts)
            }
        };
        Self::new(scheme, filter, split_parts(scheme, parts)?)
    }

    /// An EPC from its pure identity URI, in the shortest scheme that can hold it.
    ///
    /// # Errors
    /// What is wrong with it; where several schemes were tried, what the last and largest says.
    pub fn from_identity_uri(uri: &str, filter: u8) -> Result<Self> {
        const SYNTAX: EpcFault =
            EpcFault::Syntax("a pure identity URI, as in urn:epc:id:gsrn:9521141.1234567890");
        let (identity, body) =
            uri.strip_prefix(IDENTITY).and_then(|rest| rest.split_once(':')).ok_or(SYNTAX)?;
        let mut outcome = Err(EpcFault::UnknownScheme(identity.to_owned()));
        for layout in LAYOUTS.iter().filter(|layout| !identity.is_empty() && layout.identity == identity) {
            let filter = if layout.filter_bits == 0 { 0 } else { filter };
            outcome =
                split_parts(layout.scheme, body).and_then(|parts| Self::new(layout.scheme, filter, parts));
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }
}

/// Splits from the left and only so often as there are parts: the last one may hold dots.
fn split_parts(scheme: Scheme, body: &str) -> Result<Vec<String>> {
    let layout = scheme.layout();
    let names: Vec<&'static str> = layout.fields.iter().flat_map(super::scheme::Field::part_names).collect();
    let parts = body.splitn(names.len(), '.').zip(&names);
    parts
        .map(|(text, part)| {
            unescape(text).map_err(|wrong| EpcFault::Part { scheme: layout.name, part, wrong })
        })
        .collect()
}

/// The bits of an EPC bank as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawEpc {
    /// What the PC word says besides the length.
    pub control: Control,
    /// Application family identifier, if the tag is numbered by ISO and not by GS1.
    pub family: Option<u8>,
    /// The bits. Without a PC word their number is a multiple of eight.
    bytes: Vec<u8>,
}

impl RawEpc {
    /// These bytes, without what a PC word would add.
    pub fn of(bytes: &[u8]) -> Self {
        Self { control: Control::default(), family: None, bytes: bytes.to_vec() }
    }

    /// These bytes, of which the PC word says how many there are and what they are.
    pub fn with_pc(pc: ProtocolControl, xpc: Option<u16>, bytes: &[u8]) -> Self {
        let bytes = bytes.get(..pc.epc_words() * 2).unwrap_or(bytes).to_vec();
        let family = match pc.numbering() {
            Numbering::Epc => None,
            Numbering::Iso { family } => Some(family),
        };
        Self { control: Control::of(pc, xpc), family, bytes }
    }

    /// The bits.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// From `urn:epc:raw:96.x2D76451FD4499602D2000000`, with control fields or without.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(uri: &str) -> Result<Self> {
        const SYNTAX: EpcFault =
            EpcFault::Syntax("a raw URI, as in urn:epc:raw:96.x2D76451FD4499602D2000000");
        let body = uri.strip_prefix(RAW).ok_or(SYNTAX)?;
        let (control, body) = Control::parse(body).ok_or(SYNTAX)?;
        let (count, value) = body.split_once('.').ok_or(SYNTAX)?;
        let count: usize = count.parse().map_err(|_| SYNTAX)?;
        if count == 0 || !count.is_multiple_of(8) || count > 31 * 16 {
            return Err(EpcFault::Syntax("a raw URI of 8 to 496 bits in whole bytes"));
        }
        let (family, value) = match value.rsplit_once('.') {
            None => (None, value),
            Some((family, value)) => {
                let digits = family.strip_prefix('x').filter(|digits| digits.len() == 2).ok_or(SYNTAX)?;
                (Some(u8::from_str_radix(digits, 16).map_err(|_| SYNTAX)?), value)
            }
        };
        let mut bits = Bits::default();
        match value.strip_prefix('x') {
            Some(digits) if digits.len() == count / 4 => {
                for digit in digits.chars() {
                    bits.put(u128::from(digit.to_digit(16).ok_or(SYNTAX)?), 4);
                }
            }
            Some(_) => {
                return Err(EpcFault::Syntax("as many hexadecimal digits as the bits before them say"));
            }
            // The decimal form serves short numbers; 128 bits are what it holds here.
            None => {
                let number: u128 = value.parse().map_err(|_| SYNTAX)?;
                if count < 128 && number >> count != 0 {
                    return Err(EpcFault::Syntax("a number of as many bits as stand before it"));
                }
                bits.put(0, count.saturating_sub(128));
                bits.put(number, count.min(128));
            }
        }
        Ok(Self { control, family, bytes: bits.bytes().get(..count / 8).unwrap_or_default().to_vec() })
    }
}

impl fmt::Display for RawEpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{RAW}{}{}.", self.control, self.bytes.len() * 8)?;
        if let Some(family) = self.family {
            write!(f, "x{family:02X}.")?;
        }
        f.write_str("x")?;
        self.bytes.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}
