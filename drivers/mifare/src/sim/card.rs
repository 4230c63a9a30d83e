//! The card itself: what it answers on the air.

use super::CardFaults;
use crate::coupler::Target;
use crate::model::{
    AccessBits, BLOCK, Block, CardKind, DataOperation, Key, KeySlot, Sector, TrailerAccess, TrailerOperation,
    Uid, ValueBlock, is_trailer,
};

/// What the card answers to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was done.
    Done,
    /// The block that was asked for.
    Data(Block),
    /// Not allowed, or not understood. The sector is closed again.
    Refused,
    /// Nothing: after a wrong key, when halted, mute or gone.
    Silence,
}

/// What loads the card's buffer for values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// Adds.
    Increment(u32),
    /// Takes away.
    Decrement(u32),
    /// Only loads.
    Restore,
}

/// Where the card stands in its conversation with the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not selected, or halted.
    Waiting,
    Selected,
    Open(Sector, KeySlot),
}

/// A Mifare Classic as it comes from the factory, until somebody writes to it.
#[derive(Clone, Debug)]
pub struct SimulatedCard {
    target: Target,
    memory: Vec<Block>,
    state: State,
    buffer: Option<ValueBlock>,
    /// How it misbehaves from now on.
    pub faults: CardFaults,
    is_gone: bool,
}

impl SimulatedCard {
    /// A new card of a kind that has sectors; another kind answers with its UID and to nothing
    /// else.
    pub fn new(uid: Uid, kind: CardKind) -> Self {
        let blocks =
            (0..kind.sectors()).filter_map(Sector::new).map(|sector| usize::from(sector.blocks())).sum();
        let mut memory = vec![[0; BLOCK]; blocks];
        let [low, middle, high] = AccessBits::TRANSPORT.encode();
        let f = 0xFF;
        for (number, block) in (0u8..=u8::MAX).zip(&mut memory) {
            if is_trailer(number) {
                *block = [f, f, f, f, f, f, low, middle, high, 0x69, f, f, f, f, f, f];
            }
        }
        let mut card = Self {
            target: Target { uid, kind },
            memory,
            state: State::Waiting,
            buffer: None,
            faults: CardFaults::default(),
            is_gone: false,
        };
        let manufacturer = card.manufacturer_block();
        if let Some(block) = card.memory.first_mut() {
            *block = manufacturer;
        }
        card
    }

    /// A new Mifare Classic 1K.
    pub fn classic_1k(uid: Uid) -> Self {
        Self::new(uid, CardKind::Classic1K)
    }

    /// UID, check byte, SAK and ATQA, low byte first (§3.2).
    fn manufacturer_block(&self) -> Block {
        let mut content = self.target.uid.bytes().to_vec();
        if let [a, b, c, d] = *self.target.uid.bytes() {
            content.push(a ^ b ^ c ^ d);
        }
        let [high, low] = self.atqa();
        content.extend([self.sak(), low, high]);
        let mut block = [0; BLOCK];
        block.iter_mut().zip(content).for_each(|(to, from)| *to = from);
        block
    }

    /// UID and kind.
    pub fn target(&self) -> Target {
        self.target
    }

    /// What it answers to being selected (§3.1).
    pub fn sak(&self) -> u8 {
        match self.target.kind {
            CardKind::Mini => 0x09,
            CardKind::Classic1K => 0x08,
            CardKind::Classic4K => 0x18,
            CardKind::Part4 => 0x20,
            CardKind::Ultralight | CardKind::Other => 0x00,
        }
    }

    /// What it answers to being called, high byte first (§3.1).
    pub fn atqa(&self) -> [u8; 2] {
        let size = match self.target.uid.bytes().len() {
            4 => 0x00,
            7 => 0x40,
            _ => 0x80,
        };
        match self.target.kind {
            CardKind::Classic4K => [0x00, size | 0x02],
            CardKind::Part4 => [0x03, size | 0x04],
            _ => [0x00, size | 0x04],
        }
    }

    /// A block as it stands in the memory, keys included; `None` beyond its end.
    pub fn block(&self, number: u8) -> Option<&Block> {
        self.memory.get(usize::from(number))
    }

    /// Puts something into the memory, past keys and access bits.
    pub fn set_block(&mut self, number: u8, content: Block) {
        if let Some(block) = self.memory.get_mut(usize::from(number)) {
            *block = content;
        }
    }

    /// Whether it was taken away by a fault.
    pub fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// The field is off, or the card is lifted: every authentication is forgotten.
    pub fn power_off(&mut self) {
        self.state = State::Waiting;
        self.buffer = None;
    }

    /// Lays the card on again after a fault took it away.
    pub fn lay_on(&mut self) {
        self.power_off();
        self.is_gone = false;
    }

    /// Selects the card, as every search does; `None` if it does not answer.
    pub fn select(&mut self) -> Option<Target> {
        self.power_off();
        if self.faults.mute || self.is_gone {
            return None;
        }
        self.state = State::Selected;
        Some(self.target)
    }

    /// Authenticates a sector. After a wrong key the card is silent until it is selected again.
    pub fn authenticate(&mut self, block: u8, slot: KeySlot, key: &Key) -> Answer {
        self.answer(|card| {
            card.buffer = None;
            let sector = Sector::of_block(block);
            let right = card.block(sector.trailer()).is_some_and(|trailer| match slot {
                KeySlot::A => trailer.starts_with(key.reveal()),
                KeySlot::B => trailer.ends_with(key.reveal()),
            });
            if !right || card.state == State::Waiting {
                card.state = State::Waiting;
                return Answer::Silence;
            }
            card.state = State::Open(sector, slot);
            Answer::Done
        })
    }

    /// Reads a block of the open sector.
    pub fn read(&mut self, block: u8) -> Answer {
        let answer = self.answer(|card| {
            let Some((access, slot)) = card.rights(block) else { return card.refuse() };
            let Some(content) = card.block(block).copied() else { return card.refuse() };
            if !is_trailer(block) {
                let allowed = access_of(&access, block, DataOperation::Read, slot);
                return if allowed { Answer::Data(content) } else { card.refuse() };
            }
            let may = |operation| access.trailer.allows(operation, slot);
            let mut shown = content;
            let hide = |part: &mut [u8]| part.fill(0);
            hide(shown.get_mut(..6).unwrap_or_default());
            if !may(TrailerOperation::ReadAccess) {
                hide(shown.get_mut(6..10).unwrap_or_default());
            }
            if !may(TrailerOperation::ReadKeyB) {
                hide(shown.get_mut(10..).unwrap_or_default());
            }
            Answer::Data(shown)
        });
        match answer {
            Answer::Data(mut block) if self.faults.garbage => {
                block.iter_mut().take(1).for_each(|byte| *byte ^= 0x40);
                Answer::Data(block)
            }
            answer => answer,
        }
    }

    /// Writes a block of the open sector. Of a trailer only those parts change that the key may
    /// write; if it may write none, it is refused.
    pub fn write(&mut self, block: u8, content: &Block) -> Answer {
        self.answer(|card| {
            let Some((access, slot)) = card.rights(block) else { return card.refuse() };
            let Some(old) = card.block(block).copied() else { return card.refuse() };
            let mut new = old;
            if is_trailer(block) {
                let parts = [
                    (TrailerOperation::WriteKeyA, 0..6),
                    (TrailerOperation::WriteAccess, 6..10),
                    (TrailerOperation::WriteKeyB, 10..BLOCK),
                ];
                for (operation, part) in parts {
                    let (Some(to), Some(from)) = (new.get_mut(part.clone()), content.get(part)) else {
                        continue;
                    };
                    if access.trailer.allows(operation, slot) {
                        to.copy_from_slice(from);
                    }
                }
                if !parts_allowed(access.trailer, slot) {
                    return card.refuse();
                }
            } else {
                let is_locked = block == 0 && !card.faults.block_0_writable;
                if is_locked || !access_of(&access, block, DataOperation::Write, slot) {
                    return card.refuse();
                }
                new = *content;
            }
            card.store(block, &old, new)
        })
    }

    /// Loads the buffer from a value block.
    pub fn load(&mut self, block: u8, operand: Operand) -> Answer {
        self.answer(|card| {
            let Some((access, slot)) = card.rights(block) else { return card.refuse() };
            let operation = match operand {
                Operand::Increment(_) => DataOperation::Increment,
                Operand::Decrement(_) | Operand::Restore => DataOperation::Decrement,
            };
            let value = card.block(block).and_then(ValueBlock::decode);
            let Some(value) = value.filter(|_| access_of(&access, block, operation, slot)) else {
                return card.refuse();
            };
            card.buffer = Some(ValueBlock {
                value: match operand {
                    Operand::Increment(amount) => value.value.wrapping_add_unsigned(amount),
                    Operand::Decrement(amount) => value.value.wrapping_sub_unsigned(amount),
                    Operand::Restore => value.value,
                },
                ..value
            });
            Answer::Done
        })
    }

    /// Puts the buffer into a value block of the open sector.
    pub fn transfer(&mut self, block: u8) -> Answer {
        self.answer(|card| {
            let Some((access, slot)) = card.rights(block) else { return card.refuse() };
            let Some(value) = card.buffer else { return card.refuse() };
            let Some(old) = card.block(block).copied() else { return card.refuse() };
            if !access_of(&access, block, DataOperation::Decrement, slot) {
                return card.refuse();
            }
            card.store(block, &old, value.encode())
        })
    }

    /// Carries out a command of a selected card, unless a fault keeps it from that.
    fn answer(&mut self, command: impl FnOnce(&mut Self) -> Answer) -> Answer {
        match &mut self.faults.gone_after {
            Some(0) => {
                self.faults.gone_after = None;
                self.is_gone = true;
            }
            Some(left) => *left -= 1,
            None => {}
        }
        if self.is_gone || self.faults.mute || self.state == State::Waiting {
            return Answer::Silence;
        }
        command(self)
    }

    fn store(&mut self, number: u8, old: &Block, mut new: Block) -> Answer {
        match &mut self.faults.torn_write {
            Some(torn) if torn.after == 0 => {
                let kept = torn.bytes;
                self.faults.torn_write = None;
                self.is_gone = true;
                new.iter_mut().zip(old).skip(kept).for_each(|(to, from)| *to = *from);
                self.set_block(number, new);
                Answer::Silence
            }
            torn => {
                if let Some(torn) = torn {
                    torn.after -= 1;
                }
                self.set_block(number, new);
                Answer::Done
            }
        }
    }

    fn refuse(&mut self) -> Answer {
        self.state = State::Selected;
        self.buffer = None;
        Answer::Refused
    }

    /// The conditions of a block's sector and the key that opened it; `None` if it is not open,
    /// blocked, or opened with a key that is data.
    fn rights(&self, block: u8) -> Option<(AccessBits, KeySlot)> {
        let State::Open(sector, slot) = self.state else { return None };
        if Sector::of_block(block) != sector {
            return None;
        }
        let trailer = self.block(sector.trailer())?;
        let access = AccessBits::decode(trailer.get(6..9)?.try_into().ok()?).ok()?;
        (slot == KeySlot::A || !access.trailer.key_b_is_data()).then_some((access, slot))
    }
}

fn access_of(access: &AccessBits, block: u8, operation: DataOperation, slot: KeySlot) -> bool {
    access.data.get(Sector::group_of(block)).is_some_and(|data| data.allows(operation, slot))
}

fn parts_allowed(access: TrailerAccess, slot: KeySlot) -> bool {
    [TrailerOperation::WriteKeyA, TrailerOperation::WriteAccess, TrailerOperation::WriteKeyB]
        .into_iter()
        .any(|operation| access.allows(operation, slot))
}
