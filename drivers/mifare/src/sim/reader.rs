//! A PC/SC reader as the service sees it: commands of class FF in, answers out, in the dialect of
//! one family (§1.4 to §1.6).

use std::time::Duration;

use super::{Answer, Operand, SimulatedCard};
use crate::model::{Block, CardKind, Key, KeySlot};

/// A family of readers, as far as they differ in what they take and answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// ACR122U, ACR1252U: key places 0 and 1, one status for everything that fails.
    Acs,
    /// ACR128: the volatile key place is number 20.
    Acr128,
    /// Identiv and SCM: the kind of key in place of a number, one status for each fault, and a card
    /// that refused a key stays silent until it is reset.
    Scm,
    /// Omnikey 5x21: keys in lasting memory only.
    Omnikey5321,
}

/// As many places for keys as any family has.
const PLACES: usize = 0x40;

/// A reader with a card in its field.
#[derive(Debug)]
pub(super) struct EmulatedReader {
    family: Family,
    keys: Vec<Option<Key>>,
    /// What each command takes.
    pub(super) delay: Duration,
    /// Answers to commands of the card are bytes that mean nothing.
    pub(super) babbles: bool,
}

const DONE: u16 = 0x9000;
const NO_FUNCTION: u16 = 0x6A81;
const NO_INSTRUCTION: u16 = 0x6D00;
const WRONG_LENGTH: u16 = 0x6700;

impl EmulatedReader {
    pub(super) fn new(family: Family) -> Self {
        Self { family, keys: vec![None; PLACES], delay: Duration::ZERO, babbles: false }
    }

    /// What the reader makes of the card (§1.3).
    pub(super) fn atr(card: &SimulatedCard) -> Vec<u8> {
        let name = match card.target().kind {
            CardKind::Classic1K => [0x00, 0x01],
            CardKind::Classic4K => [0x00, 0x02],
            CardKind::Ultralight => [0x00, 0x03],
            CardKind::Mini => [0x00, 0x26],
            CardKind::Other => [0x00, 0x00],
            CardKind::Part4 => return vec![0x3B, 0x81, 0x80, 0x01, 0x80, 0x80],
        };
        let mut atr = vec![0x3B, 0x8F, 0x80, 0x01, 0x80, 0x4F, 0x0C, 0xA0, 0x00, 0x00, 0x03, 0x06, 0x03];
        atr.extend(name);
        atr.extend([0; 4]);
        atr.push(atr.iter().skip(1).fold(0, |sum, byte| sum ^ byte));
        atr
    }

    /// Carries out a command; `None` if the card left during it.
    pub(super) fn transmit(&mut self, card: &mut SimulatedCard, command: &[u8]) -> Option<Vec<u8>> {
        std::thread::sleep(self.delay);
        let answer = match command {
            [0xFF, 0xCA, 0x00, 0x00, ..] => with(card.target().uid.bytes(), DONE),
            [0xFF, 0x82, structure, number, 0x06, key @ ..] => {
                let key = key.try_into().map(Key::new);
                status(key.map_or(WRONG_LENGTH, |key| self.load(*structure, *number, key)))
            }
            [0xFF, 0x86, 0x00, 0x00, 0x05, 0x01, 0x00, block, kind, number] => {
                status(self.authenticate(card, *block, *kind, *number))
            }
            _ if self.babbles => vec![0xDE, 0xAD, 0xBE, 0xEF],
            [0xFF, 0xB0, 0x00, block, 0x10] => match card.read(*block) {
                Answer::Data(content) => with(&content, DONE),
                other => status(self.outcome(other)),
            },
            [0xFF, 0xD6, 0x00, block, 0x10, content @ ..] => match <&Block>::try_from(content) {
                Ok(content) => status(self.outcome(card.write(*block, content))),
                Err(_) => status(WRONG_LENGTH),
            },
            [0xFF, 0xD7, 0x00, block, 0x05, operation, a, b, c, d] if self.is_acs() => {
                let amount = u32::from_be_bytes([*a, *b, *c, *d]);
                let operand = match operation {
                    0x01 => Operand::Increment(amount),
                    _ => Operand::Decrement(amount),
                };
                status(self.change(card, *block, operand, *block))
            }
            [0xFF, 0xD7, 0x00, from, 0x02, 0x03, to] if self.is_acs() => {
                status(self.change(card, *from, Operand::Restore, *to))
            }
            [
                0xFF,
                0xC2,
                0x00,
                0x03,
                0x0B,
                operation,
                0x09,
                0x80,
                0x01,
                block,
                0x81,
                0x04,
                a,
                b,
                c,
                d,
                ..,
            ] if self.family == Family::Scm => {
                let amount = u32::from_le_bytes([*a, *b, *c, *d]);
                let operand = match operation {
                    0xA0 => Operand::Increment(amount),
                    _ => Operand::Decrement(amount),
                };
                let [high, low] = self.change(card, *block, operand, *block).to_be_bytes();
                with(&[0xC0, 0x03, 0x00, high, low], DONE)
            }
            [0xFF, ..] => status(if self.is_acs() { NO_FUNCTION } else { NO_INSTRUCTION }),
            _ => status(0x6E00),
        };
        (!card.is_gone()).then_some(answer)
    }

    fn is_acs(&self) -> bool {
        matches!(self.family, Family::Acs | Family::Acr128)
    }

    /// The place of a key, by its number in commands that load it and that use it.
    fn place(&self, number: u8) -> Option<usize> {
        let exists = match self.family {
            Family::Acs => number <= 0x01,
            Family::Acr128 => number <= 0x20,
            Family::Scm => matches!(number, 0x60 | 0x61),
            Family::Omnikey5321 => number <= 0x1F,
        };
        exists.then_some(usize::from(number & 0x3F))
    }

    fn load(&mut self, structure: u8, number: u8, key: Key) -> u16 {
        let takes = match self.family {
            Family::Acs | Family::Scm => structure == 0x00,
            // Numbers below 20 are lasting memory.
            Family::Acr128 => structure == 0x20 || number == 0x20,
            Family::Omnikey5321 if structure != 0x20 => return 0x6986,
            Family::Omnikey5321 => true,
        };
        let refusal = if self.is_acs() { 0x6300 } else { 0x6988 };
        let Some(place) = self.place(number).filter(|_| takes) else { return refusal };
        match self.keys.get_mut(place) {
            Some(kept) => {
                *kept = Some(key);
                DONE
            }
            None => refusal,
        }
    }

    fn authenticate(&mut self, card: &mut SimulatedCard, block: u8, kind: u8, number: u8) -> u16 {
        let slot = if kind == KeySlot::A.command() { KeySlot::A } else { KeySlot::B };
        let place = match self.family {
            Family::Scm if number == 0x01 => self.place(kind),
            Family::Scm => None,
            _ => self.place(number),
        };
        let key = place.and_then(|place| self.keys.get(place)?.clone());
        let Some(key) = key else { return if self.is_acs() { 0x6300 } else { 0x6988 } };
        if self.is_acs() {
            // These select a card that has fallen silent by themselves.
            card.select();
        }
        match card.authenticate(block, slot, &key) {
            Answer::Done => DONE,
            _ => 0x6300,
        }
    }

    fn change(&self, card: &mut SimulatedCard, from: u8, operand: Operand, to: u8) -> u16 {
        match card.load(from, operand) {
            Answer::Done => self.outcome(card.transfer(to)),
            refused => self.outcome(refused),
        }
    }

    fn outcome(&self, answer: Answer) -> u16 {
        match answer {
            Answer::Done | Answer::Data(_) => DONE,
            _ if self.is_acs() => 0x6300,
            Answer::Refused => 0x6982,
            Answer::Silence => 0x6400,
        }
    }
}

fn status(status: u16) -> Vec<u8> {
    status.to_be_bytes().to_vec()
}

fn with(data: &[u8], status: u16) -> Vec<u8> {
    [data, &status.to_be_bytes()].concat()
}
