//! SMURF, the adaptive window.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rfid_core::{ReadBuf, Stamp, TagId};

use super::{Rule, Statement, What};
use crate::door::ROUND;

/// Per-tag cleaning of S. R. Jeffery, M. Garofalakis, M. J. Franklin: *Adaptive Cleaning for RFID
/// Data Streams*, VLDB 2006 (and UCB/EECS-2006-29).
///
/// Time is cut into epochs of several read cycles. In each, the part of the cycles that heard a
/// tag samples its read rate *p*. A tag is present while its window has a read in it. The window
/// is wide enough to have one with confidence 1 − δ, *w* ≥ ln(1/δ) / *p*, with the mean rate of
/// the epochs that heard the tag; it grows by two epochs at a time, and is halved when the number
/// of epochs with a read is further from the expected *w p* than two standard deviations of a
/// binomial draw.
///
/// δ is 0.05 and an epoch 250 ms, five rounds of this reader. Where there is a choice, it is made
/// in favour of the rule: what the paper gives for the middle of the window is said at its end,
/// half a window earlier; epochs before a tag's first read are not held against it; and only a
/// shortfall of reads halves the window, since several rounds hear a tag more often than one does.
/// Epochs go on while the reader is away: the window is one of time, and nothing in it knows of
/// outages.
#[derive(Debug)]
pub struct Smurf {
    epoch: Duration,
    rounds_in_epoch: u32,
    /// ln(1/δ).
    confidence: f64,
    epoch_ends: Duration,
    tags: BTreeMap<TagId, Window>,
}

#[derive(Debug, Default)]
struct Window {
    /// How many rounds of the present epoch heard the tag.
    heard: u32,
    /// The same of earlier epochs, the latest last, at most as many as the window is wide.
    epochs: VecDeque<u32>,
    width: usize,
    is_present: bool,
}

impl Default for Smurf {
    fn default() -> Self {
        let rounds_in_epoch = 5;
        let epoch = ROUND * rounds_in_epoch;
        // ln(1/0.05), written out: see `crate::random` for why no logarithm is taken.
        let confidence = 2.995_732_273_553_991;
        Self { epoch, rounds_in_epoch, confidence, epoch_ends: epoch, tags: BTreeMap::new() }
    }
}

impl Window {
    /// Ends an epoch; tells whether the tag is present in it.
    fn slide(&mut self, rounds_in_epoch: u32, confidence: f64) -> bool {
        self.width = self.width.max(1);
        self.epochs.push_back(std::mem::take(&mut self.heard));
        while self.epochs.len() > self.width {
            self.epochs.pop_front();
        }
        let read_in = self.epochs.iter().filter(|heard| **heard > 0).count();
        if read_in == 0 {
            self.width = 1;
            return false;
        }
        let reads: u32 = self.epochs.iter().sum();
        let rate = (f64::from(reads) / f64::from(rounds_in_epoch) / read_in as f64).min(1.0);
        let required = (confidence / rate).ceil() as usize;
        let epochs = self.epochs.len() as f64;
        let deviation = (epochs * rate * (1.0 - rate)).sqrt();
        if required > self.width {
            self.width = (self.width + 2).min(required);
        } else if epochs * rate - read_in as f64 > 2.0 * deviation {
            self.width = (self.width / 2).min(required).max(1);
        }
        true
    }
}

impl Rule for Smurf {
    fn hear(&mut self, batch: &ReadBuf, _said: &mut Vec<Statement>) {
        for sighting in batch.iter() {
            self.tags.entry(sighting.id.to_owned()).or_default().heard += u32::from(sighting.read.count());
        }
    }

    fn pass(&mut self, now: Stamp, said: &mut Vec<Statement>) {
        while self.epoch_ends <= now.monotonic {
            self.epoch_ends += self.epoch;
            self.tags.retain(|tag, window| {
                let is_present = window.slide(self.rounds_in_epoch, self.confidence);
                if is_present != window.is_present {
                    window.is_present = is_present;
                    let what = if is_present { What::Arrived { revisit: false } } else { What::Departed };
                    said.push(Statement { tag: *tag, what, at: now.monotonic });
                }
                is_present
            });
        }
    }
}
