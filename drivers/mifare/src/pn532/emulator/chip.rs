//! What the chip does with a command, without I/O.

use std::collections::BTreeMap;
use std::time::Duration;

use super::pad::Pad;
use crate::model::{Key, KeySlot, Uid};
use crate::pn532::command::{card, code, rf};
use crate::pn532::status::Status;
use crate::sim::{Answer, Operand, SimulatedCard};

/// Zeros, or more than so many, that wake the chip up (§2.3).
const WAKING_ZEROS: usize = 10;

/// IC, version, revision, support of types A and B and ISO 18092 (§2.4).
const FIRMWARE: [u8; 4] = [0x32, 0x01, 0x06, 0x07];

/// The test of the line, whose data come back (§2.4).
const LINE_TEST: u8 = 0x00;

/// The number of retries that stands for never giving up.
const FOR_EVER: u8 = 0xFF;

/// What a command comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The data of the answer.
    Answer(Vec<u8>),
    /// The command or the number of its parameters is unknown.
    NotUnderstood,
    /// No card is found yet, and the chip searches on.
    SearchesOn,
}

/// The state of a chip; as after power-up by default.
#[derive(Debug)]
pub(super) struct Chip {
    is_asleep: bool,
    /// Whether it was told its mode since; without, it has no radio.
    has_radio: bool,
    search_retries: u8,
    /// The cards that the last search found.
    targets: Vec<Uid>,
    /// What somebody wrote into registers; the radio here goes by none of them.
    registers: BTreeMap<[u8; 2], u8>,
    zeros: usize,
}

impl Default for Chip {
    fn default() -> Self {
        Self {
            is_asleep: true,
            has_radio: false,
            search_retries: FOR_EVER,
            targets: Vec::new(),
            registers: BTreeMap::new(),
            zeros: 0,
        }
    }
}

impl Chip {
    /// What the chip hears of these bytes: while it sleeps, only what stands behind a wake-up.
    pub(super) fn hears<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let mut bytes = bytes;
        while self.is_asleep {
            let Some((first, rest)) = bytes.split_first() else { break };
            self.zeros = if *first == 0 { self.zeros + 1 } else { 0 };
            self.is_asleep = self.zeros < WAKING_ZEROS;
            bytes = rest;
        }
        bytes
    }

    /// Carries out a command: its number and its parameters.
    pub(super) fn carry_out(&mut self, command: &[u8], pad: &mut Pad, now: Duration) -> Outcome {
        let answer = |data: &[u8]| Outcome::Answer(data.to_vec());
        match *command {
            [code::DIAGNOSE, ref test @ ..] if test.first() == Some(&LINE_TEST) => answer(test),
            [code::GET_FIRMWARE_VERSION] => answer(&FIRMWARE),
            [code::READ_REGISTER, ref registers @ ..] => match registers.as_chunks() {
                (registers @ [_, ..], []) => Outcome::Answer(self.read_registers(registers)),
                _ => Outcome::NotUnderstood,
            },
            [code::WRITE_REGISTER, ref writes @ ..] => match writes.as_chunks() {
                (writes @ [_, ..], []) => {
                    self.registers.extend(writes.iter().map(|[high, low, value]| ([*high, *low], *value)));
                    answer(&[])
                }
                _ => Outcome::NotUnderstood,
            },
            [code::SET_PARAMETERS, _] => answer(&[]),
            [code::SAM_CONFIGURATION, 0x01..=0x04]
            | [code::SAM_CONFIGURATION, 0x01..=0x04, _]
            | [code::SAM_CONFIGURATION, 0x01..=0x04, _, _] => {
                self.has_radio = true;
                answer(&[])
            }
            [code::POWER_DOWN, _] | [code::POWER_DOWN, _, _] => {
                pad.power_off();
                *self = Self::default();
                answer(&[Status::DONE.code()])
            }
            [code::RF_CONFIGURATION, rf::FIELD, field] => {
                if field & 1 == 0 {
                    self.targets.clear();
                    pad.power_off();
                }
                answer(&[])
            }
            [code::RF_CONFIGURATION, rf::TIMINGS, _, _, _] => answer(&[]),
            [code::RF_CONFIGURATION, rf::MAX_RETRIES, _, _, retries] => {
                self.search_retries = retries;
                answer(&[])
            }
            [code::IN_LIST_PASSIVE_TARGET, most @ (1 | 2), 0x00, ref uid @ ..] => {
                self.search(usize::from(most), uid, pad, now)
            }
            // Cards of other kinds are asked for by others; none is ever here.
            [code::IN_LIST_PASSIVE_TARGET, 1 | 2, 0x01..=0x04, ..] => {
                self.targets.clear();
                pad.power_off();
                self.found(vec![0])
            }
            // Bare frames come from those who look for other kinds of cards, or for copies.
            [code::IN_COMMUNICATE_THRU, ..] => answer(&[Status::NO_ANSWER.code()]),
            [code::IN_DESELECT, _] => {
                pad.power_off();
                answer(&[Status::DONE.code()])
            }
            [code::IN_RELEASE, _] => {
                self.targets.clear();
                pad.power_off();
                answer(&[Status::DONE.code()])
            }
            [code::IN_DATA_EXCHANGE, target, operation, block, ref data @ ..] => {
                let known = usize::from(target).checked_sub(1).and_then(|index| self.targets.get(index));
                let Some(uid) = known else { return answer(&[Status::NO_TARGET.code()]) };
                let Some(card) = pad.cards_at(now).find(|card| card.target().uid == *uid) else {
                    return answer(&[Status::NO_ANSWER.code()]);
                };
                match exchange(card, operation, block, data) {
                    Some((status, data)) => Outcome::Answer([&[status.code()], data.as_slice()].concat()),
                    None => Outcome::NotUnderstood,
                }
            }
            _ => Outcome::NotUnderstood,
        }
    }

    /// Every search ends the session of every card.
    fn search(&mut self, most: usize, uid: &[u8], pad: &mut Pad, now: Duration) -> Outcome {
        self.targets.clear();
        pad.power_off();
        let wanted = without_cascade_tags(uid);
        let mut answer = vec![0];
        let found = pad
            .cards_at(now)
            .filter(|card| wanted.is_empty() || card.target().uid.bytes() == wanted)
            .filter(|_| self.has_radio)
            .filter(|card| !card.faults.mute && !card.is_gone())
            .take(most);
        for (number, card) in (1u8..).zip(found) {
            let Some(target) = card.select() else { continue };
            let uid = target.uid.bytes();
            answer.push(number);
            answer.extend(card.atqa());
            answer.extend([card.sak(), uid.len() as u8]);
            answer.extend_from_slice(uid);
            self.targets.push(target.uid);
        }
        if let Some(count) = answer.first_mut() {
            *count = self.targets.len() as u8;
        }
        self.found(answer)
    }

    /// What a search comes to: a chip without radio finds nobody, however long it searches.
    fn found(&self, answer: Vec<u8>) -> Outcome {
        if self.targets.is_empty() && self.search_retries == FOR_EVER {
            return Outcome::SearchesOn;
        }
        Outcome::Answer(answer)
    }

    fn read_registers(&self, registers: &[[u8; 2]]) -> Vec<u8> {
        registers.iter().map(|register| self.registers.get(register).copied().unwrap_or_default()).collect()
    }
}

/// The UID in a search for one card (§2.5).
fn without_cascade_tags(uid: &[u8]) -> Vec<u8> {
    match uid {
        [0x88, a, b, c, 0x88, rest @ ..] if uid.len() == 12 => [&[*a, *b, *c], rest].concat(),
        [0x88, rest @ ..] if uid.len() == 8 => rest.to_vec(),
        uid => uid.to_vec(),
    }
}

/// What a card answers to a command of Mifare, or `None` if the chip does not know it.
///
/// How a real chip reports a card that vanished while it was authenticated is not documented; here
/// it does so as after a wrong key, which is the harder case for a driver.
fn exchange(card: &mut SimulatedCard, operation: u8, block: u8, data: &[u8]) -> Option<(Status, Vec<u8>)> {
    let number = |data: &[u8]| Some(u32::from_le_bytes(data.try_into().ok()?));
    let answer = match operation {
        0x60 | 0x61 => {
            let (key, uid) = data.split_first_chunk::<{ Key::LEN }>()?;
            let uid: [u8; 4] = uid.try_into().ok()?;
            let slot = if operation == KeySlot::A.command() { KeySlot::A } else { KeySlot::B };
            // The wrong UID spoils the key stream as the wrong key does.
            let is_right = uid == card.target().uid.authentication_bytes();
            let key = if is_right { Key::new(*key) } else { Key::new(key.map(|byte| !byte)) };
            return Some(match card.authenticate(block, slot, &key) {
                Answer::Done => (Status::DONE, Vec::new()),
                _ => (Status::AUTHENTICATION_FAILED, Vec::new()),
            });
        }
        card::READ if data.is_empty() => card.read(block),
        card::WRITE => card.write(block, data.try_into().ok()?),
        card::INCREMENT => card.load(block, Operand::Increment(number(data)?)),
        card::DECREMENT => card.load(block, Operand::Decrement(number(data)?)),
        card::RESTORE if matches!(data.len(), 0 | 4) => card.load(block, Operand::Restore),
        card::TRANSFER if data.is_empty() => card.transfer(block),
        _ => return None,
    };
    Some(match answer {
        Answer::Done => (Status::DONE, Vec::new()),
        Answer::Data(content) => (Status::DONE, content.to_vec()),
        Answer::Refused => (Status::REFUSED, Vec::new()),
        Answer::Silence => (Status::NO_ANSWER, Vec::new()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pn532::command::WAKE_UP;
    use crate::pn532::emulator::Scenario;

    #[test]
    fn a_sleeping_chip_hears_what_stands_behind_a_wake_up() {
        let mut chip = Chip::default();
        assert_eq!(chip.hears(&[0, 0, 0xFF, 2, 0xFE, 0xD4, 2, 0x2A, 0]), [0u8; 0]);
        let woken = [&WAKE_UP[..], &[1, 2, 3]].concat();
        assert!(chip.hears(&woken).ends_with(&[1, 2, 3]));
        assert_eq!(chip.hears(&[4]), [4]);
    }

    #[test]
    fn the_line_is_tested_and_registers_keep_what_is_written() {
        let (mut chip, mut pad) = (Chip::default(), Pad::new(Scenario::default()));
        let mut told = |command: &[u8]| chip.carry_out(command, &mut pad, Duration::ZERO);
        let answer = |data: &[u8]| Outcome::Answer(data.to_vec());
        assert_eq!(told(&[0x00, 0x00, b'a', b'b']), answer(&[0x00, b'a', b'b']));
        assert_eq!(told(&[0x00, 0x07]), Outcome::NotUnderstood);
        assert_eq!(told(&[0x08, 0x63, 0x02, 0x80, 0x63, 0x3D, 0x07]), answer(&[]));
        assert_eq!(told(&[0x06, 0x63, 0x3D, 0x63, 0x05, 0x63, 0x02]), answer(&[0x07, 0x00, 0x80]));
        for cut in [&[0x06][..], &[0x06, 0x63], &[0x08], &[0x08, 0x63, 0x02]] {
            assert_eq!(told(cut), Outcome::NotUnderstood, "{cut:?}");
        }
        // Cards of kind B, searched for three times.
        told(&[0x32, 0x05, 0x00, 0x00, 0x02]);
        assert_eq!(told(&[0x4A, 0x01, 0x03, 0x00]), answer(&[0x00]));
    }
}
