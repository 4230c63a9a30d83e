//! A pad without a reader: a coupler straight to a simulated card.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rfid_core::Result;
use tokio::sync::Notify;

use super::{Answer, Operand, SimulatedCard};
use crate::coupler::{CardFault, Coupler, CouplerInfo, Pad, Target, ValueChange};
use crate::model::{Block, Key, KeySlot, Uid};

/// A pad on which one simulated card may lie. Clones are handles to the same pad.
#[derive(Clone, Debug, Default)]
pub struct SimulatedPad {
    card: Arc<Mutex<Option<SimulatedCard>>>,
    changed: Arc<Notify>,
}

impl SimulatedPad {
    /// Lays a card on, in place of the one that lies there.
    pub fn lay(&self, card: SimulatedCard) {
        *self.card() = Some(card);
        self.changed.notify_one();
    }

    /// Lifts the card.
    pub fn lift(&self) -> Option<SimulatedCard> {
        let card = self.card().take();
        self.changed.notify_one();
        card
    }

    /// The card that lies there.
    pub fn card(&self) -> MutexGuard<'_, Option<SimulatedCard>> {
        self.card.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn see(&self) -> Pad {
        match self.card().as_mut() {
            None => Pad::Empty,
            Some(card) if card.is_gone() => Pad::Empty,
            Some(card) => card.select().map_or(Pad::Unreadable, Pad::Card),
        }
    }

    fn command(&self, command: impl FnOnce(&mut SimulatedCard) -> Answer) -> Result<Answer, CardFault> {
        let mut card = self.card();
        let card = card.as_mut().ok_or(CardFault::Gone)?;
        let answer = command(card);
        if card.is_gone() { Err(CardFault::Gone) } else { Ok(answer) }
    }
}

#[async_trait]
impl Coupler for SimulatedPad {
    async fn open(&mut self) -> Result<CouplerInfo> {
        Ok(CouplerInfo { model: "simulated pad".into(), firmware: "1".into(), serial: None })
    }

    async fn look(&mut self, known: &Pad, patience: Duration) -> Result<Pad> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let seen = self.see();
            if seen != *known {
                return Ok(seen);
            }
            if tokio::time::timeout_at(deadline, self.changed.notified()).await.is_err() {
                return Ok(self.see());
            }
        }
    }

    async fn select(&mut self, uid: &Uid) -> Result<Target, CardFault> {
        match self.see() {
            Pad::Card(target) if target.uid == *uid => Ok(target),
            _ => Err(CardFault::Gone),
        }
    }

    async fn authenticate(&mut self, block: u8, slot: KeySlot, key: &Key) -> Result<(), CardFault> {
        match self.command(|card| card.authenticate(block, slot, key))? {
            Answer::Done => Ok(()),
            _ => Err(CardFault::KeyRefused),
        }
    }

    async fn read_block(&mut self, block: u8) -> Result<Block, CardFault> {
        match self.command(|card| card.read(block))? {
            Answer::Data(content) => Ok(content),
            Answer::Refused => Err(CardFault::AccessRefused),
            Answer::Done | Answer::Silence => Err(CardFault::Garbled),
        }
    }

    async fn write_block(&mut self, block: u8, content: &Block) -> Result<(), CardFault> {
        done(self.command(|card| card.write(block, content))?)
    }

    async fn change_value(&mut self, block: u8, change: ValueChange) -> Result<(), CardFault> {
        let operand = match change {
            ValueChange::Increment(amount) => Operand::Increment(amount),
            ValueChange::Decrement(amount) => Operand::Decrement(amount),
        };
        done(self.command(|card| card.load(block, operand))?)?;
        done(self.command(|card| card.transfer(block))?)
    }

    async fn copy_value(&mut self, from: u8, to: u8) -> Result<(), CardFault> {
        done(self.command(|card| card.load(from, Operand::Restore))?)?;
        done(self.command(|card| card.transfer(to))?)
    }

    async fn release(&mut self) {}

    async fn close(&mut self) {}
}

fn done(answer: Answer) -> Result<(), CardFault> {
    match answer {
        Answer::Done => Ok(()),
        Answer::Refused => Err(CardFault::AccessRefused),
        Answer::Data(_) | Answer::Silence => Err(CardFault::Garbled),
    }
}
