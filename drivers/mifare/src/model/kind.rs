//! What kind of card answers, by what it says of itself.

/// Kind of a card, as far as this driver treats kinds differently.
///
/// It is what the card claims: clones, and cards whose owner may choose, claim what they like
/// (§3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CardKind {
    /// Mifare Mini: 5 sectors.
    Mini,
    /// Mifare Classic 1K, or a Plus in security level 1 with as much memory in view: 16 sectors.
    Classic1K,
    /// Mifare Classic 4K: 40 sectors.
    Classic4K,
    /// Ultralight or NTAG: read by its UID.
    Ultralight,
    /// A card with a processor (ISO 14443-4): DESFire, Plus in security level 3, a phone.
    Part4,
    /// Anything else.
    Other,
}

impl CardKind {
    /// The kind that a SAK tells (§3.1).
    pub const fn of_sak(sak: u8) -> Self {
        match sak {
            // The two faces of SmartMX and JCOP: their Classic side is served.
            _ if sak & 0x08 != 0 && sak & 0x11 == 0x01 => Self::Mini,
            _ if sak & 0x08 != 0 && sak & 0x10 != 0 => Self::Classic4K,
            _ if sak & 0x08 != 0 => Self::Classic1K,
            _ if sak & 0x20 != 0 => Self::Part4,
            0x00 => Self::Ultralight,
            _ => Self::Other,
        }
    }

    /// Sectors that keys protect; none if the card has no such.
    pub const fn sectors(self) -> u8 {
        match self {
            Self::Mini => 5,
            Self::Classic1K => 16,
            Self::Classic4K => 40,
            Self::Ultralight | Self::Part4 | Self::Other => 0,
        }
    }

    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mini => "Mifare Mini",
            Self::Classic1K => "Mifare Classic 1K",
            Self::Classic4K => "Mifare Classic 4K",
            Self::Ultralight => "Mifare Ultralight or NTAG",
            Self::Part4 => "ISO 14443-4 card",
            Self::Other => "unknown card",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_documented_sak_has_its_kind() {
        for (sak, kind) in [
            (0x09, CardKind::Mini),
            (0x08, CardKind::Classic1K),
            (0x88, CardKind::Classic1K),
            (0x28, CardKind::Classic1K),
            (0x18, CardKind::Classic4K),
            (0x38, CardKind::Classic4K),
            (0x00, CardKind::Ultralight),
            (0x20, CardKind::Part4),
            (0x60, CardKind::Part4),
            (0x10, CardKind::Other),
            (0x11, CardKind::Other),
        ] {
            assert_eq!(CardKind::of_sak(sak), kind, "{sak:02X}");
        }
    }
}
