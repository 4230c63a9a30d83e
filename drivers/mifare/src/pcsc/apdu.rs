//! The commands of class FF that a PC/SC reader turns into commands of the card, and what its
//! answers mean (§1.4 to §1.6). No I/O.

use zeroize::Zeroizing;

use crate::coupler::{CardFault, ValueChange};
use crate::model::{BLOCK, Block, Key, KeySlot};

/// The two bytes at the end of every answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(
    /// Both, the first one high.
    pub u16,
);

impl Status {
    /// It was done.
    pub const DONE: Self = Self(0x9000);

    /// What a refused command means where a sector was opened before (§1.5).
    pub fn fault(self) -> CardFault {
        match self.0 {
            // Not opened, or not allowed; ACS says 6300 to everything.
            0x6300 | 0x6982 | 0x6985 | 0x6986 | 0x6F0A | 0x6F09 => CardFault::AccessRefused,
            // No answer from the card, damaged data, trouble on the air.
            0x6400 | 0x6281 | 0x6581 | 0x6F01 | 0x6F02 | 0x6F05 | 0x6F0F | 0x6F12 | 0x6F1B => {
                CardFault::Garbled
            }
            0x6981 | 0x6A81 | 0x6A82 | 0x6D00 | 0x6E00 => CardFault::Unsupported,
            other => CardFault::Unexpected(other),
        }
    }

    /// Whether the reader does not know the command at all.
    pub fn is_unknown_command(self) -> bool {
        matches!(self.0, 0x6A81 | 0x6D00 | 0x6E00 | 0x6B00)
    }
}

/// Splits an answer into data and status; `None` if it is too short to have one, which is how a
/// card that left in the middle looks (§1.10).
pub fn answer(bytes: &[u8]) -> Option<(&[u8], Status)> {
    let (data, status) = bytes.split_last_chunk::<2>()?;
    Some((data, Status(u16::from_be_bytes(*status))))
}

/// How a reader wants a key loaded and named (§1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// ACS and most others: place 0 of the volatile memory.
    First,
    /// Identiv and SCM: the kind of key in place of a number.
    ByKind,
    /// ACR128: the volatile place is number 20.
    Volatile20,
}

impl KeyPlace {
    /// In the order in which an unknown reader is asked. Places in lasting memory are not among
    /// them: they wear out and keep the customer's keys.
    pub const PROBES: [Self; 3] = [Self::First, Self::ByKind, Self::Volatile20];

    const fn load_number(self, slot: KeySlot) -> u8 {
        match self {
            Self::First => 0x00,
            Self::ByKind => slot.command(),
            Self::Volatile20 => 0x20,
        }
    }

    const fn use_number(self) -> u8 {
        match self {
            Self::First => 0x00,
            Self::ByKind => 0x01,
            Self::Volatile20 => 0x20,
        }
    }
}

/// Asks for the UID.
pub const GET_UID: [u8; 5] = [0xFF, 0xCA, 0x00, 0x00, 0x00];

/// Puts a key into the reader. The command is wiped when dropped.
pub fn load_key(place: KeyPlace, slot: KeySlot, key: &Key) -> Zeroizing<[u8; 11]> {
    let [a, b, c, d, e, f] = *key.reveal();
    Zeroizing::new([0xFF, 0x82, 0x00, place.load_number(slot), 0x06, a, b, c, d, e, f])
}

/// Opens the sector of a block with the key that was loaded.
pub const fn authenticate(place: KeyPlace, block: u8, slot: KeySlot) -> [u8; 10] {
    [0xFF, 0x86, 0x00, 0x00, 0x05, 0x01, 0x00, block, slot.command(), place.use_number()]
}

/// Reads a block.
pub const fn read(block: u8) -> [u8; 5] {
    [0xFF, 0xB0, 0x00, block, BLOCK as u8]
}

/// Writes a block. The command is wiped when dropped, since a trailer holds keys.
pub fn write(block: u8, content: &Block) -> Zeroizing<[u8; 21]> {
    let mut command = Zeroizing::new([0; 21]);
    let head = [0xFF, 0xD6, 0x00, block, BLOCK as u8];
    command.iter_mut().zip(head.iter().chain(content)).for_each(|(to, from)| *to = *from);
    command
}

/// Changes a value as ACS readers do it.
pub fn change_value_acs(block: u8, change: ValueChange) -> [u8; 10] {
    let (operation, amount) = match change {
        ValueChange::Increment(amount) => (0x01, amount),
        ValueChange::Decrement(amount) => (0x02, amount),
    };
    let [a, b, c, d] = amount.to_be_bytes();
    [0xFF, 0xD7, 0x00, block, 0x05, operation, a, b, c, d]
}

/// Changes a value as the amendment to PC/SC part 3 has it (Omnikey, Identiv).
pub fn change_value_amended(block: u8, change: ValueChange) -> [u8; 17] {
    let (operation, amount) = match change {
        ValueChange::Increment(amount) => (0xA0, amount),
        ValueChange::Decrement(amount) => (0xA1, amount),
    };
    let [a, b, c, d] = amount.to_le_bytes();
    [0xFF, 0xC2, 0x00, 0x03, 0x0B, operation, 0x09, 0x80, 0x01, block, 0x81, 0x04, a, b, c, d, 0x00]
}

/// The status inside the answer to [`change_value_amended`]: `C0 03 ERROR SW1 SW2`. With an error
/// nothing was done, whatever the status says.
pub fn amended_status(data: &[u8]) -> Option<Status> {
    match data {
        [0xC0, 0x03, error, high, low] => {
            let status = Status(u16::from_be_bytes([*high, *low]));
            (*error == 0 || status != Status::DONE).then_some(status)
        }
        _ => None,
    }
}

/// Copies a value block as ACS readers do it.
pub const fn copy_value_acs(from: u8, to: u8) -> [u8; 7] {
    [0xFF, 0xD7, 0x00, from, 0x02, 0x03, to]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_those_of_the_documents_session() {
        let key = Key::transport();
        assert_eq!(load_key(KeyPlace::First, KeySlot::A, &key)[..5], [0xFF, 0x82, 0, 0, 6]);
        assert_eq!(load_key(KeyPlace::ByKind, KeySlot::B, &key)[3], 0x61);
        assert_eq!(authenticate(KeyPlace::First, 4, KeySlot::A), [0xFF, 0x86, 0, 0, 5, 1, 0, 4, 0x60, 0]);
        assert_eq!(authenticate(KeyPlace::ByKind, 4, KeySlot::B), [0xFF, 0x86, 0, 0, 5, 1, 0, 4, 0x61, 1]);
        assert_eq!(read(4), [0xFF, 0xB0, 0, 4, 0x10]);
        assert_eq!(write(4, &[7; 16])[..6], [0xFF, 0xD6, 0, 4, 0x10, 7]);
        assert_eq!(change_value_acs(5, ValueChange::Decrement(1)), [0xFF, 0xD7, 0, 5, 5, 2, 0, 0, 0, 1]);
        assert_eq!(change_value_amended(5, ValueChange::Increment(1))[12..], [1, 0, 0, 0, 0]);
    }

    #[test]
    fn an_answer_without_status_is_none() {
        assert_eq!(answer(&[]), None);
        assert_eq!(answer(&[0x90]), None);
        assert_eq!(answer(&[1, 0x90, 0x00]), Some(([1].as_slice(), Status::DONE)));
    }

    #[test]
    fn a_status_means_what_the_document_says() {
        assert!(matches!(Status(0x6300).fault(), CardFault::AccessRefused));
        assert!(matches!(Status(0x6982).fault(), CardFault::AccessRefused));
        assert!(matches!(Status(0x6400).fault(), CardFault::Garbled));
        assert!(matches!(Status(0x6A81).fault(), CardFault::Unsupported));
        assert!(matches!(Status(0xBEEF).fault(), CardFault::Unexpected(0xBEEF)));
    }
}
