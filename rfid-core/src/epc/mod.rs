//! What the bits of an EPC say, and which bits say it.
//!
//! Facts come from the GS1 EPC Tag Data Standard (TDS), versions 1.13 and 2.3.
//!
//! ```
//! use rfid_core::epc::{Epc, uri_of};
//!
//! let card = Epc::from_tag_uri("urn:epc:tag:gsrn-96:0.9521141.1234567890")?;
//! assert_eq!(format!("{:X}", card.bits()), "2D16451FD4499602D2000000");
//! assert_eq!(card.identity_uri().as_deref(), Some("urn:epc:id:gsrn:9521141.1234567890"));
//! assert_eq!(card.element_string().as_deref(), Some("(8018)952114112345678906"));
//!
//! // Bits that no scheme accounts for have a URI too.
//! assert_eq!(uri_of(&[0xE2, 0x80, 0x11, 0x60]), "urn:epc:raw:32.xE2801160");
//! # Ok::<(), rfid_core::epc::EpcFault>(())
//! ```
//!
//! Decoding is strict: what is decoded encodes to the same bits again, and everything else is
//! refused with the reason, so that a wrong number never looks like somebody's right one. The
//! deprecated GDTI-113 is refused and stays raw.

mod bits;
mod fault;
mod field;
mod host;
mod key;
mod memory;
mod plus;
mod scheme;
mod text;
mod uri;

pub use bits::Bits;
pub use fault::{EpcFault, Wrong};
pub use key::check_digit;
pub use memory::{Control, Numbering, ProtocolControl};
pub use scheme::Scheme;
pub use uri::{RawEpc, uri_of};

use bits::BitReader;
use field::PartFault;
use scheme::LAYOUTS;

type Result<T> = std::result::Result<T, EpcFault>;

/// A decoded EPC.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Epc {
    scheme: Scheme,
    filter: u8,
    parts: Vec<String>,
    bits: Bits,
    has_more_data: bool,
}

impl Epc {
    /// Decodes the EPC at the front of these bytes; what follows it is not looked at.
    ///
    /// # Errors
    /// Why no scheme accounts for the bits. [`uri_of`] gives a URI all the same.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = BitReader::new(bytes);
        let header = reader.take_u8(8).ok_or(EpcFault::NoBits)?;
        let layout = LAYOUTS.iter().find(|layout| layout.header == header).ok_or(EpcFault::Header(header))?;
        let fault = |(part, wrong): PartFault| EpcFault::Part { scheme: layout.name, part, wrong };
        let short = || fault(("filter", Wrong::TooShort));
        let has_more_data = layout.scheme.is_plus() && reader.take_u8(1).ok_or_else(short)? == 1;
        let filter = reader.take_u8(layout.filter_bits).ok_or_else(short)?;
        let mut parts = Vec::new();
        for field in layout.fields {
            field.take(&mut reader, &mut parts).map_err(fault)?;
        }
        Ok(Self { scheme: layout.scheme, filter, parts, bits: reader.taken(), has_more_data })
    }

    /// An EPC of these parts, in the order of tag URIs and without their escapes.
    ///
    /// # Errors
    /// Which part is wrong, and why.
    pub fn new(scheme: Scheme, filter: u8, parts: Vec<String>) -> Result<Self> {
        let layout = scheme.layout();
        let fault = |(part, wrong)| EpcFault::Part { scheme: layout.name, part, wrong };
        if filter > scheme.highest_filter().unwrap_or(0) {
            return Err(fault(("filter", Wrong::TooLarge)));
        }
        let mut bits = Bits::default();
        bits.put(u128::from(layout.header), 8);
        bits.put(0, usize::from(scheme.is_plus()));
        bits.put(u128::from(filter), layout.filter_bits);
        let mut left = parts.iter().map(String::as_str);
        for field in layout.fields {
            field.put(&mut bits, &mut left).map_err(fault)?;
        }
        match left.next() {
            Some(_) => Err(EpcFault::Syntax("as many parts as the scheme has")),
            None => Ok(Self { scheme, filter, parts, bits, has_more_data: false }),
        }
    }

    /// How the EPC is written.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The filter value, which is not part of the identity; 0 where the scheme has none.
    pub fn filter(&self) -> u8 {
        self.filter
    }

    /// The parts of the identity, without escapes.
    pub fn parts(&self) -> &[String] {
        &self.parts
    }

    /// The parts with what people call them.
    pub fn named_parts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let names = self.scheme.layout().fields.iter().flat_map(scheme::Field::part_names);
        names.zip(self.parts.iter().map(String::as_str))
    }

    /// The bits, as the tag holds them.
    pub fn bits(&self) -> &Bits {
        &self.bits
    }

    /// Whether the tag says that further data follow the EPC (plus schemes).
    pub fn has_more_data(&self) -> bool {
        self.has_more_data
    }
}

#[cfg(test)]
mod tests;
