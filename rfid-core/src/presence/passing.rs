//! What time does.

use super::facts::Fact;
use super::moment::{At, Nanos, span};
use super::places::Zone;
use super::tracked::{Phase, Tracked};
use super::{Outcome, Presence};
use crate::event::EventKind;

/// What time alone has done to a tag.
pub(super) enum Due {
    Departure(At),
    SetAside(At),
    /// It was set aside and is gone.
    Freed(At),
    Forgotten,
}

impl Presence {
    /// Takes a tag as far as the time has come, and gives it its next deadline.
    #[cold]
    pub(super) fn catch_up(&mut self, number: u32, now: At, outcome: &mut Outcome) {
        while let Some(due) = self.due(number, now) {
            match due {
                Due::Departure(at) => {
                    self.give(number, Fact::of(EventKind::Departed, at), outcome);
                    self.set_phase(number, Phase::Away(at.into()));
                    self.counts.present = self.counts.present.saturating_sub(1);
                }
                Due::SetAside(at) => {
                    let fact = Fact { set_aside: true, ..Fact::of(EventKind::Departed, at) };
                    self.give(number, fact, outcome);
                    self.set_phase(number, Phase::Aside);
                    self.counts.present = self.counts.present.saturating_sub(1);
                    self.counts.set_aside += 1;
                }
                Due::Freed(at) => {
                    self.set_phase(number, Phase::Away(at.into()));
                    self.counts.set_aside = self.counts.set_aside.saturating_sub(1);
                }
                Due::Forgotten => {
                    outcome.forgotten.extend(self.tags.id(number));
                    self.wheel.cancel(number, &mut self.tags);
                    self.tags.remove(number);
                }
            }
        }
        self.schedule(number, now);
    }

    fn set_phase(&mut self, number: u32, phase: Phase) {
        if let Some(tag) = self.tags.get_mut(number) {
            tag.phase = phase;
        }
        self.passages.forget(number);
    }

    /// What is due for a tag, the earliest first.
    #[inline]
    pub(super) fn due(&self, number: u32, now: At) -> Option<Due> {
        let tag = self.tags.get(number)?;
        let zone = self.places.zone(tag.zone)?;
        match tag.phase {
            Phase::Present(_) => {
                let lost = lost_at(tag, zone, now);
                let aside = tag.set_aside_at(&zone.limits).filter(|aside| *aside <= now.mono);
                match (lost, aside) {
                    (Some(lost), aside) if aside.is_none_or(|aside| lost.mono <= aside) => {
                        Some(Due::Departure(lost))
                    }
                    (_, aside) => {
                        aside.map(|aside| Due::SetAside(tag.on_its_clock(now.earlier(now.mono - aside))))
                    }
                }
            }
            Phase::Aside => lost_at(tag, zone, now).map(Due::Freed),
            Phase::Away(departed) => {
                let is_over = now.mono - departed.mono() >= zone.limits.revisit_within;
                // Who was heard again in time may still be confirmed.
                (is_over && !self.is_glimpsed(number, now)).then_some(Due::Forgotten)
            }
        }
    }

    #[cold]
    fn is_glimpsed(&self, number: u32, now: At) -> bool {
        self.tags.id(number).is_some_and(|id| self.glimpses.has(id.as_ref(), now.mono))
    }

    /// Sets the tag's next deadline from its phase.
    pub(super) fn schedule(&mut self, number: u32, now: At) {
        let Some(tag) = self.tags.get(number) else { return };
        let Some(zone) = self.places.zone(tag.zone) else { return };
        let limits = &zone.limits;
        let silence = zone.coverage.covered(now.mono) - tag.covered.get();
        let to_loss = tag.lost_after(limits) - silence;
        let wait = match tag.phase {
            Phase::Present(_) => {
                // A silence that adapts may become shorter in the meantime.
                let to_loss = if limits.is_adaptive() { to_loss.min(limits.lost_at_least) } else { to_loss };
                let to_setting_aside = tag.set_aside_at(limits).map(|aside| aside - now.mono);
                to_loss.min(to_setting_aside.unwrap_or(Nanos::MAX))
            }
            Phase::Aside => to_loss,
            Phase::Away(departed) => limits.revisit_within - (now.mono - departed.mono()),
        };
        // At least one nanosecond ahead: a deadline of now would be looked at again at once.
        self.wheel.schedule(number, span(now.mono) + span(wait.max(1)), &mut self.tags);
    }
}

/// When a tag that is here had been silent for as long as a departure takes, if it has been.
#[inline]
fn lost_at(tag: &Tracked, zone: &Zone, now: At) -> Option<At> {
    let covered = tag.covered.get() + tag.lost_after(&zone.limits);
    (zone.coverage.covered(now.mono) >= covered).then(|| tag.on_its_clock(zone.coverage.when(covered, now)))
}
