//! The schemes and the layout of each (EPC Tag Data Standard 1.13 §14, 2.3 §14.6).

use super::text::{is_graphic, is_six_bit};

/// How an EPC is written on a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Scheme {
    /// Trade item with a numeric serial.
    Sgtin96,
    /// Trade item with an alphanumeric serial.
    Sgtin198,
    /// Logistic unit.
    Sscc96,
    /// Location with a numeric extension.
    Sgln96,
    /// Location with an alphanumeric extension.
    Sgln195,
    /// Returnable asset with a numeric serial.
    Grai96,
    /// Returnable asset with an alphanumeric serial.
    Grai170,
    /// Individual asset with a numeric reference.
    Giai96,
    /// Individual asset with an alphanumeric reference.
    Giai202,
    /// Recipient of a service; the scheme of the bank's cards.
    Gsrn96,
    /// Provider of a service.
    Gsrnp96,
    /// Document with a numeric serial.
    Gdti96,
    /// Document with an alphanumeric serial.
    Gdti174,
    /// Component or part, with numbers only.
    Cpi96,
    /// Component or part.
    CpiVar,
    /// Coupon.
    Sgcn96,
    /// General identifier, outside of the keys of GS1.
    Gid96,
    /// United States Department of Defense.
    Usdod96,
    /// Aerospace and defence.
    AdiVar,
    /// Piece of a trade item, with a numeric serial.
    Itip110,
    /// Piece of a trade item, with an alphanumeric serial.
    Itip212,
    /// Trade item.
    SgtinPlus,
    /// Trade item with a date in front.
    DsgtinPlus,
    /// Logistic unit.
    SsccPlus,
    /// Location.
    SglnPlus,
    /// Returnable asset.
    GraiPlus,
    /// Individual asset.
    GiaiPlus,
    /// Recipient of a service.
    GsrnPlus,
    /// Provider of a service.
    GsrnpPlus,
    /// Document.
    GdtiPlus,
    /// Component or part.
    CpiPlus,
    /// Coupon.
    SgcnPlus,
    /// Piece of a trade item.
    ItipPlus,
    /// Trade item, with a host name.
    SgtinPlusPlus,
    /// Trade item with a date in front, with a host name.
    DsgtinPlusPlus,
    /// Logistic unit, with a host name.
    SsccPlusPlus,
    /// Location, with a host name.
    SglnPlusPlus,
    /// Returnable asset, with a host name.
    GraiPlusPlus,
    /// Individual asset, with a host name.
    GiaiPlusPlus,
    /// Recipient of a service, with a host name.
    GsrnPlusPlus,
    /// Provider of a service, with a host name.
    GsrnpPlusPlus,
    /// Document, with a host name.
    GdtiPlusPlus,
    /// Component or part, with a host name.
    CpiPlusPlus,
    /// Coupon, with a host name.
    SgcnPlusPlus,
    /// Piece of a trade item, with a host name.
    ItipPlusPlus,
}

/// What a scheme writes, in this order.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) scheme: Scheme,
    pub(super) header: u8,
    pub(super) name: &'static str,
    /// Name in pure identity URIs; empty for the schemes that have none.
    pub(super) identity: &'static str,
    /// Bits of the filter value; 0 for none.
    pub(super) filter_bits: usize,
    pub(super) fields: &'static [Field],
}

/// One field; all but the zeros are parts of the identity.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    /// Partition, company prefix and what the company numbers. Two parts.
    Partitioned(Reference),
    /// A number without zeros in front.
    Number { part: &'static str, bits: usize, most: u64 },
    /// A number of so many digits.
    Padded { part: &'static str, bits: usize, digits: usize },
    /// Decimal digits, written as a number with a 1 in front.
    Digits { part: &'static str, bits: usize, most: usize },
    /// Text in codes of seven bits.
    Text { part: &'static str, bits: usize, most: usize },
    /// Text in codes of six bits that is ended by a code zero.
    SixBit { part: &'static str, least: usize, most: usize },
    /// Six characters of eight bits; five stand behind a blank.
    Cage8,
    /// Six characters of six bits; five stand behind a blank, which has the code 100000.
    Cage6,
    /// Bits that are zero.
    Zeros(usize),
    /// Decimal digits of four bits each, of which the last may be a check digit and the first
    /// ones may be given.
    Nibbles { part: &'static str, digits: usize, check: Check },
    /// Text of one of six kinds, with its length in front.
    AnyText { part: &'static str, most: usize },
    /// Decimal digits, with their count in front.
    AnyDigits { part: &'static str, most: usize },
    /// Decimal digits and text behind them.
    Mixed { part: &'static str, most: usize, alphabet: fn(char) -> bool },
    /// A kind of date and the day. Two parts.
    Date,
    /// The host name of a "++" scheme.
    Host,
}

/// Where the digits of a key have their check digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// The last of all.
    Last,
    /// The last, and the first is a zero that only fills up.
    LastBehindZero,
    /// The fourteenth; piece and total follow.
    Fourteenth,
}

/// What a company numbers, in the bits that its prefix leaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reference {
    pub(super) part: &'static str,
    pub(super) kind: ReferenceKind,
    /// Bits by partition value.
    pub(super) bits: [usize; 7],
    /// Digits or characters with partition value 0; one more with each further value.
    pub(super) first_len: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReferenceKind {
    /// So many digits.
    Padded,
    /// A number without zeros in front, of at most so many digits.
    Number,
    /// At most so many characters of seven bits.
    Text,
    /// At most so many characters of six bits, with an end.
    SixBit,
}

/// Bits of a company prefix by partition value; its digits are 12 less that value.
pub(super) const PREFIX_BITS: [usize; 7] = [40, 37, 34, 30, 27, 24, 20];

const fn reference(part: &'static str, kind: ReferenceKind, bits: [usize; 7], first_len: usize) -> Field {
    Field::Partitioned(Reference { part, kind, bits, first_len })
}

const ITEM: Field = reference("item reference", ReferenceKind::Padded, [4, 7, 10, 14, 17, 20, 24], 1);
const SERIAL_REFERENCE: Field =
    reference("serial reference", ReferenceKind::Padded, [18, 21, 24, 28, 31, 34, 38], 5);
const LOCATION: Field = reference("location", ReferenceKind::Padded, [1, 4, 7, 11, 14, 17, 21], 0);
const DOCUMENT_TYPE: Field = reference("document type", ReferenceKind::Padded, [1, 4, 7, 11, 14, 17, 21], 0);
const COUPON: Field = reference("coupon", ReferenceKind::Padded, [1, 4, 7, 11, 14, 17, 21], 0);
const ASSET_TYPE: Field = reference("asset type", ReferenceKind::Padded, [4, 7, 10, 14, 17, 20, 24], 0);
const ASSET_NUMBER: Field = reference("asset", ReferenceKind::Number, [42, 45, 48, 52, 55, 58, 62], 13);
const ASSET_TEXT: Field = reference("asset", ReferenceKind::Text, [148, 151, 154, 158, 161, 164, 168], 18);
const PART_NUMBER: Field = reference("part", ReferenceKind::Number, [11, 14, 17, 21, 24, 27, 31], 3);
const PART_TEXT: Field = reference("part", ReferenceKind::SixBit, [0; 7], 18);

const fn serial(bits: usize) -> Field {
    Field::Number { part: "serial", bits, most: u64::MAX }
}

const fn serial_text(chars: usize) -> Field {
    Field::Text { part: "serial", bits: chars * 7, most: chars }
}

const fn any_serial(most: usize) -> Field {
    Field::AnyText { part: "serial", most }
}

const PIECE: Field = Field::Padded { part: "piece", bits: 7, digits: 2 };
const TOTAL: Field = Field::Padded { part: "total", bits: 7, digits: 2 };

const GTIN: Field = Field::Nibbles { part: "GTIN", digits: 14, check: Check::Last };

const fn key(part: &'static str, digits: usize) -> Field {
    Field::Nibbles { part, digits, check: Check::Last }
}

const fn layout(
    scheme: Scheme,
    header: u8,
    name: &'static str,
    identity: &'static str,
    filter_bits: usize,
    fields: &'static [Field],
) -> Layout {
    Layout { scheme, header, name, identity, filter_bits, fields }
}

/// All schemes, those with fewer bits before those with more of the same identity.
pub(super) const LAYOUTS: [Layout; 45] = [
    layout(Scheme::Sgtin96, 0x30, "sgtin-96", "sgtin", 3, &[ITEM, serial(38)]),
    layout(Scheme::Sgtin198, 0x36, "sgtin-198", "sgtin", 3, &[ITEM, serial_text(20)]),
    layout(Scheme::Sscc96, 0x31, "sscc-96", "sscc", 3, &[SERIAL_REFERENCE, Field::Zeros(24)]),
    layout(
        Scheme::Sgln96,
        0x32,
        "sgln-96",
        "sgln",
        3,
        &[LOCATION, Field::Number { part: "extension", bits: 41, most: u64::MAX }],
    ),
    layout(
        Scheme::Sgln195,
        0x39,
        "sgln-195",
        "sgln",
        3,
        &[LOCATION, Field::Text { part: "extension", bits: 140, most: 20 }],
    ),
    layout(Scheme::Grai96, 0x33, "grai-96", "grai", 3, &[ASSET_TYPE, serial(38)]),
    layout(Scheme::Grai170, 0x37, "grai-170", "grai", 3, &[ASSET_TYPE, serial_text(16)]),
    layout(Scheme::Giai96, 0x34, "giai-96", "giai", 3, &[ASSET_NUMBER]),
    layout(Scheme::Giai202, 0x38, "giai-202", "giai", 3, &[ASSET_TEXT]),
    layout(Scheme::Gsrn96, 0x2D, "gsrn-96", "gsrn", 3, &[SERIAL_REFERENCE, Field::Zeros(24)]),
    layout(Scheme::Gsrnp96, 0x2E, "gsrnp-96", "gsrnp", 3, &[SERIAL_REFERENCE, Field::Zeros(24)]),
    layout(Scheme::Gdti96, 0x2C, "gdti-96", "gdti", 3, &[DOCUMENT_TYPE, serial(41)]),
    layout(Scheme::Gdti174, 0x3E, "gdti-174", "gdti", 3, &[DOCUMENT_TYPE, serial_text(17)]),
    layout(Scheme::Cpi96, 0x3C, "cpi-96", "cpi", 3, &[PART_NUMBER, serial(31)]),
    layout(
        Scheme::CpiVar,
        0x3D,
        "cpi-var",
        "cpi",
        3,
        &[PART_TEXT, Field::Number { part: "serial", bits: 40, most: 999_999_999_999 }],
    ),
    layout(
        Scheme::Sgcn96,
        0x3F,
        "sgcn-96",
        "sgcn",
        3,
        &[COUPON, Field::Digits { part: "serial", bits: 41, most: 12 }],
    ),
    layout(
        Scheme::Gid96,
        0x35,
        "gid-96",
        "gid",
        0,
        &[
            Field::Number { part: "manager", bits: 28, most: u64::MAX },
            Field::Number { part: "class", bits: 24, most: u64::MAX },
            serial(36),
        ],
    ),
    layout(Scheme::Usdod96, 0x2F, "usdod-96", "usdod", 4, &[Field::Cage8, serial(36)]),
    layout(
        Scheme::AdiVar,
        0x3B,
        "adi-var",
        "adi",
        6,
        &[
            Field::Cage6,
            Field::SixBit { part: "part", least: 0, most: 32 },
            Field::SixBit { part: "serial", least: 1, most: 30 },
        ],
    ),
    layout(Scheme::Itip110, 0x40, "itip-110", "itip", 3, &[ITEM, PIECE, TOTAL, serial(38)]),
    layout(Scheme::Itip212, 0x41, "itip-212", "itip", 3, &[ITEM, PIECE, TOTAL, serial_text(20)]),
    layout(Scheme::SgtinPlus, 0xF7, "sgtin+", "", 3, &[GTIN, any_serial(20)]),
    layout(Scheme::DsgtinPlus, 0xFB, "dsgtin+", "", 3, &[Field::Date, GTIN, any_serial(20)]),
    layout(Scheme::SsccPlus, 0xF9, "sscc+", "", 3, &[key("SSCC", 18)]),
    layout(
        Scheme::SglnPlus,
        0xF2,
        "sgln+",
        "",
        3,
        &[key("GLN", 13), Field::AnyText { part: "extension", most: 20 }],
    ),
    layout(
        Scheme::GraiPlus,
        0xF1,
        "grai+",
        "",
        3,
        &[Field::Nibbles { part: "asset type", digits: 14, check: Check::LastBehindZero }, any_serial(16)],
    ),
    layout(
        Scheme::GiaiPlus,
        0xFA,
        "giai+",
        "",
        3,
        &[Field::Mixed { part: "GIAI", most: 30, alphabet: is_graphic }],
    ),
    layout(Scheme::GsrnPlus, 0xF4, "gsrn+", "", 3, &[key("GSRN", 18)]),
    layout(Scheme::GsrnpPlus, 0xF5, "gsrnp+", "", 3, &[key("GSRN", 18)]),
    layout(Scheme::GdtiPlus, 0xF6, "gdti+", "", 3, &[key("document type", 13), any_serial(17)]),
    layout(
        Scheme::CpiPlus,
        0xF0,
        "cpi+",
        "",
        3,
        &[
            Field::Mixed { part: "CPI", most: 30, alphabet: is_six_bit },
            Field::AnyDigits { part: "serial", most: 12 },
        ],
    ),
    layout(
        Scheme::SgcnPlus,
        0xF8,
        "sgcn+",
        "",
        3,
        &[key("coupon", 13), Field::AnyDigits { part: "serial", most: 12 }],
    ),
    layout(
        Scheme::ItipPlus,
        0xF3,
        "itip+",
        "",
        3,
        &[
            Field::Nibbles { part: "GTIN, piece and total", digits: 18, check: Check::Fourteenth },
            any_serial(20),
        ],
    ),
    layout(Scheme::SgtinPlusPlus, 0xFD, "sgtin++", "", 3, &[GTIN, any_serial(20), Field::Host]),
    layout(
        Scheme::DsgtinPlusPlus,
        0xFC,
        "dsgtin++",
        "",
        3,
        &[Field::Date, GTIN, any_serial(20), Field::Host],
    ),
    layout(Scheme::SsccPlusPlus, 0xEF, "sscc++", "", 3, &[key("SSCC", 18), Field::Host]),
    layout(
        Scheme::SglnPlusPlus,
        0xE9,
        "sgln++",
        "",
        3,
        &[key("GLN", 13), Field::AnyText { part: "extension", most: 20 }, Field::Host],
    ),
    layout(
        Scheme::GraiPlusPlus,
        0xEB,
        "grai++",
        "",
        3,
        &[
            Field::Nibbles { part: "asset type", digits: 14, check: Check::LastBehindZero },
            any_serial(16),
            Field::Host,
        ],
    ),
    layout(
        Scheme::GiaiPlusPlus,
        0xEE,
        "giai++",
        "",
        3,
        &[Field::Mixed { part: "GIAI", most: 30, alphabet: is_graphic }, Field::Host],
    ),
    layout(Scheme::GsrnPlusPlus, 0xE7, "gsrn++", "", 3, &[key("GSRN", 18), Field::Host]),
    layout(Scheme::GsrnpPlusPlus, 0xE8, "gsrnp++", "", 3, &[key("GSRN", 18), Field::Host]),
    layout(
        Scheme::GdtiPlusPlus,
        0xEA,
        "gdti++",
        "",
        3,
        &[key("document type", 13), any_serial(17), Field::Host],
    ),
    layout(
        Scheme::CpiPlusPlus,
        0xE6,
        "cpi++",
        "",
        3,
        &[
            Field::Mixed { part: "CPI", most: 30, alphabet: is_six_bit },
            Field::AnyDigits { part: "serial", most: 12 },
            Field::Host,
        ],
    ),
    layout(
        Scheme::SgcnPlusPlus,
        0xEC,
        "sgcn++",
        "",
        3,
        &[key("coupon", 13), Field::AnyDigits { part: "serial", most: 12 }, Field::Host],
    ),
    layout(
        Scheme::ItipPlusPlus,
        0xED,
        "itip++",
        "",
        3,
        &[
            Field::Nibbles { part: "GTIN, piece and total", digits: 18, check: Check::Fourteenth },
            any_serial(20),
            Field::Host,
        ],
    ),
];

impl Scheme {
    pub(super) fn layout(self) -> &'static Layout {
        // The array is in the order of the enum, as a test tells.
        LAYOUTS.get(self as usize).unwrap_or(&LAYOUTS[0])
    }

    /// Name in tag URIs, `sgtin-96`; the plus schemes, which have none, are called `sgtin+`, and with
    /// a host name `sgtin++`.
    pub fn name(self) -> &'static str {
        self.layout().name
    }

    /// First eight bits.
    pub fn header(self) -> u8 {
        self.layout().header
    }

    /// Whether some scheme's EPCs begin with this byte.
    pub fn has_header(byte: u8) -> bool {
        LAYOUTS.iter().any(|layout| layout.header == byte)
    }

    /// The scheme of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        LAYOUTS.iter().find(|layout| layout.name == name).map(|layout| layout.scheme)
    }

    /// Whether it is one of the plus schemes of EPC Tag Data Standard 2.0 and 2.3, with a host name
    /// or without, which have no URI.
    pub fn is_plus(self) -> bool {
        self.layout().identity.is_empty()
    }

    /// The scheme with the same key and without a host name; itself for all but the "++" schemes.
    pub fn without_host(self) -> Self {
        match self {
            Self::SgtinPlusPlus => Self::SgtinPlus,
            Self::DsgtinPlusPlus => Self::DsgtinPlus,
            Self::SsccPlusPlus => Self::SsccPlus,
            Self::SglnPlusPlus => Self::SglnPlus,
            Self::GraiPlusPlus => Self::GraiPlus,
            Self::GiaiPlusPlus => Self::GiaiPlus,
            Self::GsrnPlusPlus => Self::GsrnPlus,
            Self::GsrnpPlusPlus => Self::GsrnpPlus,
            Self::GdtiPlusPlus => Self::GdtiPlus,
            Self::CpiPlusPlus => Self::CpiPlus,
            Self::SgcnPlusPlus => Self::SgcnPlus,
            Self::ItipPlusPlus => Self::ItipPlus,
            other => other,
        }
    }

    /// The "++" scheme of the same key; `None` for all but the plus schemes.
    pub(super) fn with_host(self) -> Option<Self> {
        LAYOUTS
            .iter()
            .map(|layout| layout.scheme)
            .find(|scheme| *scheme != self && scheme.without_host() == self)
    }

    /// Highest filter value; `None` if the scheme has no filter.
    pub fn highest_filter(self) -> Option<u8> {
        match self.layout().filter_bits {
            0 => None,
            bits => Some((1 << bits) - 1),
        }
    }

    /// Bits of an EPC of this scheme; `None` if they depend on what it says.
    pub fn bits(self) -> Option<usize> {
        let layout = self.layout();
        let fields = layout.fields.iter().map(|field| match *field {
            Field::Partitioned(reference) if reference.kind == ReferenceKind::SixBit => None,
            Field::Partitioned(reference) => Some(3 + PREFIX_BITS[0] + reference.bits[0]),
            Field::Number { bits, .. }
            | Field::Padded { bits, .. }
            | Field::Digits { bits, .. }
            | Field::Text { bits, .. } => Some(bits),
            Field::Cage8 => Some(48),
            Field::Cage6 => Some(36),
            Field::Zeros(bits) => Some(bits),
            Field::Nibbles { digits, .. } => Some(digits * 4),
            Field::SixBit { .. }
            | Field::AnyText { .. }
            | Field::AnyDigits { .. }
            | Field::Mixed { .. }
            | Field::Host => None,
            Field::Date => Some(20),
        });
        let aidc_bit = usize::from(self.is_plus());
        fields.sum::<Option<usize>>().map(|sum| 8 + aidc_bit + layout.filter_bits + sum)
    }

    /// What a filter value says in this scheme, where the standard gives it a meaning.
    pub fn filter_meaning(self, filter: u8) -> Option<&'static str> {
        let (sgtin, sscc) = (
            [
                "all others",
                "point of sale",
                "full case",
                "",
                "inner pack",
                "",
                "unit load",
                "component inside",
            ],
            ["all others", "", "full case", "", "", "", "unit load", ""],
        );
        let meaning = match (self.without_host(), usize::from(filter)) {
            (Self::Usdod96 | Self::Gid96, _) => None,
            (Self::Sgtin96 | Self::Sgtin198 | Self::SgtinPlus | Self::DsgtinPlus, filter) => {
                sgtin.get(filter).copied()
            }
            (Self::Sscc96 | Self::SsccPlus, filter) => sscc.get(filter).copied(),
            (Self::Giai96 | Self::Giai202 | Self::GiaiPlus, 1) => Some("rail vehicle"),
            (Self::Gdti96 | Self::Gdti174 | Self::GdtiPlus, 1) => Some("travel document"),
            (Self::AdiVar, 1) => Some("item"),
            (Self::AdiVar, 2) => Some("carton"),
            (Self::AdiVar, 6) => Some("pallet"),
            (Self::AdiVar, 8..=25) => Some("aircraft equipment"),
            (Self::AdiVar, 56) => Some("location"),
            (Self::AdiVar, 57) => Some("documents"),
            (Self::AdiVar, 58) => Some("tools"),
            (Self::AdiVar, 59) => Some("ground equipment"),
            (_, 0) => Some("all others"),
            _ => None,
        };
        meaning.filter(|meaning| !meaning.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scheme_finds_its_layout_and_sizes_are_those_of_the_standard() {
        for (index, layout) in LAYOUTS.iter().enumerate() {
            assert_eq!(layout.scheme as usize, index, "{}", layout.name);
            assert_eq!(Scheme::from_name(layout.name), Some(layout.scheme));
            if let Some((_, bits)) = layout.name.split_once('-')
                && let Ok(bits) = bits.parse::<usize>()
            {
                assert_eq!(layout.scheme.bits(), Some(bits), "{}", layout.name);
            }
        }
        assert_eq!(Scheme::GsrnPlus.bits(), Some(84));
    }

    #[test]
    fn a_prefix_and_its_reference_fill_the_same_bits_with_every_partition() {
        for field in LAYOUTS.iter().flat_map(|layout| layout.fields) {
            if let Field::Partitioned(reference) = field
                && reference.kind != ReferenceKind::SixBit
            {
                let sums = PREFIX_BITS.iter().zip(reference.bits).map(|(prefix, rest)| prefix + rest);
                assert!(sums.clone().all(|sum| sum == PREFIX_BITS[0] + reference.bits[0]), "{reference:?}");
            }
        }
    }
}
