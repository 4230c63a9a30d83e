//! Cursors that run by themselves: again and again, or at a time that was set (§5.3).

use std::time::Duration;

use tokio::time::Instant;

use super::reader::Cursor;

/// Times set at most; further ones take the place of the earliest.
const MOST_TIMES: usize = 32;

/// Autonomous mode of one connection.
#[derive(Clone, Debug)]
pub(super) struct Autonomous {
    pub(super) cursors: Vec<Cursor>,
    pub(super) period: Duration,
    pub(super) next: Instant,
}

/// What is due.
#[derive(Clone, Debug)]
pub(super) enum Due {
    /// Run these once.
    Run(Vec<Cursor>),
    /// Begin autonomous mode.
    Begin(Autonomous),
    /// End it.
    End,
}

/// What a connection has scheduled.
#[derive(Debug, Default)]
pub(super) struct Schedule(Vec<(Instant, Due)>);

impl Schedule {
    pub(super) fn trigger(&mut self, at: Instant, cursors: Vec<Cursor>) {
        self.add(at, Due::Run(cursors));
    }

    pub(super) fn auto(&mut self, start: Instant, stop: Option<Instant>, mode: Autonomous) {
        self.add(start, Due::Begin(mode));
        if let Some(stop) = stop {
            self.add(stop, Due::End);
        }
    }

    fn add(&mut self, at: Instant, due: Due) {
        if self.0.len() >= MOST_TIMES {
            self.0.remove(0);
        }
        self.0.push((at, due));
        self.0.sort_by_key(|(at, _)| *at);
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Everything that is due, in its order.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Due> {
        let behind = self.0.iter().take_while(|(at, _)| *at <= now).count();
        self.0.drain(..behind).map(|(_, due)| due).collect()
    }
}
