//! Commands to the chip, and what it answers (§2.3 to §2.6).

use std::fmt;

use zeroize::Zeroizing;

use super::frame::{self, TO_CHIP};
use crate::coupler::Target;
use crate::model::{BLOCK, Block, CardKind, Key, KeySlot, Uid};

/// Wakes a chip that sleeps; the bytes go out with the first command (§2.3).
pub const WAKE_UP: [u8; 16] = [0x55, 0x55, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// The commands that are used here or by others. An answer has the next number.
#[allow(missing_docs)]
pub mod code {
    pub const DIAGNOSE: u8 = 0x00;
    pub const GET_FIRMWARE_VERSION: u8 = 0x02;
    pub const READ_REGISTER: u8 = 0x06;
    pub const WRITE_REGISTER: u8 = 0x08;
    pub const SET_PARAMETERS: u8 = 0x12;
    pub const SAM_CONFIGURATION: u8 = 0x14;
    pub const POWER_DOWN: u8 = 0x16;
    pub const RF_CONFIGURATION: u8 = 0x32;
    pub const IN_DATA_EXCHANGE: u8 = 0x40;
    pub const IN_COMMUNICATE_THRU: u8 = 0x42;
    pub const IN_DESELECT: u8 = 0x44;
    pub const IN_LIST_PASSIVE_TARGET: u8 = 0x4A;
    pub const IN_RELEASE: u8 = 0x52;
}

/// What a card is told through InDataExchange, besides authentication (§2.6).
#[allow(missing_docs)]
pub mod card {
    pub const READ: u8 = 0x30;
    pub const WRITE: u8 = 0xA0;
    pub const TRANSFER: u8 = 0xB0;
    pub const DECREMENT: u8 = 0xC0;
    pub const INCREMENT: u8 = 0xC1;
    pub const RESTORE: u8 = 0xC2;
}

/// Items of the radio's configuration (§2.4).
#[allow(missing_docs)]
pub mod rf {
    pub const FIELD: u8 = 0x01;
    pub const TIMINGS: u8 = 0x02;
    pub const MAX_RETRIES: u8 = 0x05;
}

/// The number by which the chip knows the first card that it found.
const FIRST_TARGET: u8 = 0x01;

/// A command. It may carry a key, so it is wiped from memory when dropped and not printed.
pub struct Command(Zeroizing<Vec<u8>>);

impl Command {
    fn new(code: u8, data: &[&[u8]]) -> Self {
        let data = Zeroizing::new(data.concat());
        Self(Zeroizing::new([&[TO_CHIP, code], data.as_slice()].concat()))
    }

    /// Its number.
    pub fn code(&self) -> u8 {
        self.0.get(1).copied().unwrap_or_default()
    }

    /// What goes over the line.
    pub fn frame(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(frame::encode(&self.0))
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({:02X}, …)", self.code())
    }
}

/// Leaves the state after power-up, in which there is no radio: the first command of all.
pub fn sam_configuration() -> Command {
    Command::new(code::SAM_CONFIGURATION, &[&[0x01]])
}

/// Asks what the chip is.
pub fn get_firmware_version() -> Command {
    Command::new(code::GET_FIRMWARE_VERSION, &[])
}

/// Cards with a processor are not activated as such, so that their Classic side stays in reach.
pub fn set_parameters() -> Command {
    Command::new(code::SET_PARAMETERS, &[&[0x04]])
}

/// How often a search tries again when no card answers.
pub fn search_retries(retries: u8) -> Command {
    Command::new(code::RF_CONFIGURATION, &[&[rf::MAX_RETRIES, 0xFF, 0x01, retries]])
}

/// How long cards may take: 51.2 ms for what is exchanged with them.
pub fn timings() -> Command {
    Command::new(code::RF_CONFIGURATION, &[&[rf::TIMINGS, 0x00, 0x0B, 0x0A]])
}

/// Switches the field.
pub fn field(is_on: bool) -> Command {
    Command::new(code::RF_CONFIGURATION, &[&[rf::FIELD, u8::from(is_on)]])
}

/// Sends the chip to sleep until something comes over a line.
pub fn power_down() -> Command {
    Command::new(code::POWER_DOWN, &[&[0xF0]])
}

/// Searches up to two cards of type A at 106 kbit/s. It selects the first and forgets what was
/// authenticated.
pub fn search() -> Command {
    Command::new(code::IN_LIST_PASSIVE_TARGET, &[&[0x02, 0x00]])
}

/// Selects the card with this UID.
pub fn select(uid: &Uid) -> Command {
    /// Says that more of the UID follows (§3.1).
    const CASCADE: u8 = 0x88;
    let bytes = match uid.bytes() {
        [a, b, c, rest @ ..] if rest.len() == 7 => [&[CASCADE, *a, *b, *c, CASCADE], rest].concat(),
        bytes if bytes.len() == 7 => [&[CASCADE], bytes].concat(),
        bytes => bytes.to_vec(),
    };
    Command::new(code::IN_LIST_PASSIVE_TARGET, &[&[0x01, 0x00], &bytes])
}

/// Lets go of all cards.
pub fn release() -> Command {
    Command::new(code::IN_RELEASE, &[&[0x00]])
}

/// Opens a sector. The key comes first, then the last four bytes of the UID.
pub fn authenticate(block: u8, slot: KeySlot, key: &Key, uid: &Uid) -> Command {
    exchange(slot.command(), block, &[key.reveal(), &uid.authentication_bytes()])
}

/// Reads a block.
pub fn read(block: u8) -> Command {
    exchange(card::READ, block, &[])
}

/// Writes a block.
pub fn write(block: u8, content: &Block) -> Command {
    exchange(card::WRITE, block, &[content])
}

/// Loads a value into the card's buffer: [`card::INCREMENT`], [`card::DECREMENT`].
pub fn change(operation: u8, block: u8, amount: u32) -> Command {
    exchange(operation, block, &[&amount.to_le_bytes()])
}

/// Loads a value into the card's buffer as it is.
pub fn restore(block: u8) -> Command {
    exchange(card::RESTORE, block, &[])
}

/// Puts the card's buffer into a block.
pub fn transfer(block: u8) -> Command {
    exchange(card::TRANSFER, block, &[])
}

fn exchange(operation: u8, block: u8, data: &[&[u8]]) -> Command {
    let data = Zeroizing::new(data.concat());
    Command::new(code::IN_DATA_EXCHANGE, &[&[FIRST_TARGET, operation, block], &data])
}

/// What a search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Cards.
    pub count: u8,
    /// The first of them; `None` if what is said of it is not what cards say.
    pub first: Option<Target>,
}

/// What an answer to [`search`] or [`select`] says; `None` if it says nothing.
pub fn found(answer: &[u8]) -> Option<Found> {
    let (&count, targets) = answer.split_first()?;
    let first = match targets {
        [_number, _atqa_high, _atqa_low, sak, len, rest @ ..] if count > 0 => {
            let uid = rest.get(..usize::from(*len)).and_then(|uid| Uid::try_from(uid).ok());
            uid.map(|uid| Target { uid, kind: CardKind::of_sak(*sak) })
        }
        _ => None,
    };
    Some(Found { count, first })
}

/// The block that stands behind the status in an answer to [`read`].
pub fn block(data: &[u8]) -> Option<Block> {
    data.get(..BLOCK)?.try_into().ok()
}

/// What a chip says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirmwareVersion {
    /// The chip: 32 for a PN532.
    pub chip: u8,
    /// Version.
    pub version: u8,
    /// Revision.
    pub revision: u8,
}

/// What an answer to [`get_firmware_version`] says.
pub fn firmware_version(answer: &[u8]) -> Option<FirmwareVersion> {
    match *answer {
        [chip, version, revision, _support, ..] => Some(FirmwareVersion { chip, version, revision }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
    }

    fn uid(text: &str) -> Uid {
        Uid::try_from(hex(text).as_slice()).unwrap()
    }

    #[test]
    fn the_documented_commands() {
        let four = uid("DE AD BE EF");
        let seven = uid("04 A1 B2 C3 D4 E5 F6");
        let counting: Block = std::array::from_fn(|at| at as u8);
        for (command, frame) in [
            (sam_configuration(), "00 00 FF 03 FD D4 14 01 17 00"),
            (select(&seven), "00 00 FF 0C F4 D4 4A 01 00 88 04 A1 B2 C3 D4 E5 F6 90 00"),
            (
                authenticate(4, KeySlot::A, &Key::transport(), &four),
                "00 00 FF 0F F1 D4 40 01 60 04 FF FF FF FF FF FF DE AD BE EF 55 00",
            ),
            (read(4), "00 00 FF 05 FB D4 40 01 30 04 B7 00"),
            (
                write(4, &counting),
                "00 00 FF 15 EB D4 40 01 A0 04 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F CF 00",
            ),
            (change(card::INCREMENT, 5, 1), "00 00 FF 09 F7 D4 40 01 C1 05 01 00 00 00 24 00"),
            (transfer(5), "00 00 FF 05 FB D4 40 01 B0 05 36 00"),
            (restore(5), "00 00 FF 05 FB D4 40 01 C2 05 24 00"),
            (release(), "00 00 FF 03 FD D4 52 00 DA 00"),
        ] {
            assert_eq!(*command.frame(), hex(frame), "{frame}");
        }
    }

    #[test]
    fn an_authentication_ends_with_four_bytes_of_a_longer_uid() {
        let seven = uid("04 A1 B2 C3 D4 E5 F6");
        let frame = authenticate(4, KeySlot::B, &Key::new([1, 2, 3, 4, 5, 6]), &seven).frame();
        assert_eq!(frame[5..19], hex("D4 40 01 61 04 01 02 03 04 05 06 C3 D4 E5")[..]);
        assert_eq!(frame.len(), 5 + 15 + 2);
    }

    #[test]
    fn ten_bytes_are_selected_in_three_steps() {
        let frame = select(&uid("01 02 03 04 05 06 07 08 09 0A")).frame();
        assert_eq!(frame[9..21], hex("88 01 02 03 88 04 05 06 07 08 09 0A")[..]);
    }

    #[test]
    fn the_documented_answers_to_a_search() {
        let one = found(&hex("01 01 00 04 08 04 DE AD BE EF")).unwrap();
        assert_eq!(one.first, Some(Target { uid: uid("DE AD BE EF"), kind: CardKind::Classic1K }));
        let long = found(&hex("01 01 00 44 08 07 04 A1 B2 C3 D4 E5 F6")).unwrap();
        assert_eq!(long.first.unwrap().uid, uid("04 A1 B2 C3 D4 E5 F6"));
        let two = found(&hex("02 01 00 04 08 04 DE AD BE EF 02 00 04 08 04 CA FE BA BE")).unwrap();
        assert_eq!((two.count, two.first.unwrap().uid), (2, uid("DE AD BE EF")));
        assert_eq!(found(&[0]), Some(Found { count: 0, first: None }));
        assert_eq!(found(&hex("01 01 00 04 08 05 DE AD BE EF 00")).unwrap().first, None);
        assert_eq!(found(&hex("01 01 00 04 08 04 DE AD")).unwrap().first, None);
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn a_command_does_not_show_its_key() {
        let command = authenticate(4, KeySlot::A, &Key::new([0xAB; 6]), &uid("01 02 03 04"));
        assert_eq!(format!("{command:?}"), "Command(40, …)");
    }
}
