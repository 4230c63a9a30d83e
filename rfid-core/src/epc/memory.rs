//! The words around an EPC in its bank: protocol control (TDS 1.13 §9.1, Gen2 bank 01).

use std::fmt;

/// The PC word: bits 10 to 1F of the EPC bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProtocolControl(pub u16);

/// Whose numbering the tag uses, by the toggle bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Numbering {
    /// An EPC.
    Epc,
    /// A number by ISO/IEC 15961.
    Iso {
        /// Application family identifier.
        family: u8,
    },
}

impl ProtocolControl {
    /// The PC word of an EPC of so many bits, without attributes: `3000` for 96 bits.
    pub fn for_epc_bits(bits: usize) -> Option<Self> {
        let words = u16::try_from(bits.div_ceil(16)).ok().filter(|words| *words <= 31)?;
        Some(Self(words << 11))
    }

    /// The check code that a Gen2 tag keeps in front of this word and this EPC: CRC-16 with
    /// polynomial 1021, inverted (Gen2 air protocol, StoredCRC).
    pub fn stored_crc(self, epc: &[u8]) -> u16 {
        let word = self.0.to_be_bytes();
        let step = |crc: u16, byte: &u8| {
            (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
                let shifted = crc << 1;
                if crc & 0x8000 == 0 { shifted } else { shifted ^ 0x1021 }
            })
        };
        !word.iter().chain(epc).fold(0xFFFF, step)
    }

    /// Length of the EPC in words of 16 bits, 0 to 31.
    pub fn epc_words(self) -> usize {
        usize::from(self.0 >> 11)
    }

    /// Whether user memory holds data.
    pub fn user_memory(self) -> bool {
        self.0 & 0x0400 != 0
    }

    /// Whether an XPC word follows.
    pub fn has_xpc(self) -> bool {
        self.0 & 0x0200 != 0
    }

    /// What the toggle bit says.
    pub fn numbering(self) -> Numbering {
        let [_, low] = self.0.to_be_bytes();
        if self.0 & 0x0100 != 0 { Numbering::Iso { family: low } } else { Numbering::Epc }
    }

    /// The attribute bits of an EPC; the lowest one says hazardous goods. 0 under ISO.
    pub fn attributes(self) -> u8 {
        let [_, low] = self.0.to_be_bytes();
        match self.numbering() {
            Numbering::Epc => low,
            Numbering::Iso { .. } => 0,
        }
    }
}

/// The control fields of tag and raw URIs; those that are zero are not written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Control {
    /// Attribute bits, `[att=x01]`.
    pub attributes: u8,
    /// Whether user memory holds data, `[umi=1]`.
    pub user_memory: bool,
    /// The XPC word, `[xpc=x0001]`.
    pub xpc: u16,
}

impl Control {
    /// What a PC word and the XPC word that may follow it say.
    pub fn of(pc: ProtocolControl, xpc: Option<u16>) -> Self {
        Self { attributes: pc.attributes(), user_memory: pc.user_memory(), xpc: xpc.unwrap_or(0) }
    }

    /// Takes control fields, which stand in the order of their names, off the front of a body.
    pub(super) fn parse(body: &str) -> Option<(Self, &str)> {
        let mut control = Self::default();
        let mut rest = body;
        let mut before = "";
        while let Some(field) = rest.strip_prefix('[') {
            let (field, behind) = field.split_once(']')?;
            let (name, value) = field.split_once('=')?;
            if name <= before {
                return None;
            }
            match (name, value) {
                ("att", value) => control.attributes = hex(value, 2)?.try_into().ok()?,
                ("umi", "0" | "1") => control.user_memory = value == "1",
                ("xpc", value) => control.xpc = hex(value, 4)?,
                _ => return None,
            }
            (before, rest) = (name, behind);
        }
        Some((control, rest))
    }
}

fn hex(value: &str, digits: usize) -> Option<u16> {
    let value = value.strip_prefix('x').filter(|value| value.len() == digits)?;
    u16::from_str_radix(value, 16).ok().filter(|_| !value.starts_with('+'))
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.attributes != 0 {
            write!(f, "[att=x{:02X}]", self.attributes)?;
        }
        if self.user_memory {
            f.write_str("[umi=1]")?;
        }
        if self.xpc != 0 {
            write!(f, "[xpc=x{:04X}]", self.xpc)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_pc_words_say_what_they_are_known_for() {
        assert_eq!(ProtocolControl::for_epc_bits(96), Some(ProtocolControl(0x3000)));
        assert_eq!(ProtocolControl::for_epc_bits(198), Some(ProtocolControl(0x6800)));
        assert_eq!(ProtocolControl::for_epc_bits(170), Some(ProtocolControl(0x5800)));
        assert_eq!(ProtocolControl::for_epc_bits(497), None);
        let epc = [0x30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        assert_eq!(ProtocolControl(0x3000).stored_crc(&epc), 0x447C);
        let pc = ProtocolControl(0x3400);
        assert!(pc.user_memory() && !pc.has_xpc());
        assert_eq!((pc.epc_words(), pc.numbering()), (6, Numbering::Epc));
        assert_eq!(ProtocolControl(0x31A2).numbering(), Numbering::Iso { family: 0xA2 });
    }

    #[test]
    fn control_fields_are_written_in_order_and_only_where_they_say_something() {
        let all = Control { attributes: 1, user_memory: true, xpc: 0x0810 };
        assert_eq!(all.to_string(), "[att=x01][umi=1][xpc=x0810]");
        assert_eq!(Control::parse("[att=x01][umi=1][xpc=x0810]96.x"), Some((all, "96.x")));
        assert_eq!(Control::default().to_string(), "");
        assert_eq!(Control::parse("[umi=1][att=x01]96"), None);
        assert_eq!(Control::parse("[att=1]96"), None);
    }
}
