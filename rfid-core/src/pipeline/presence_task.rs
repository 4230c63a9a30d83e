//! One task for each pipeline's presence: what waited is judged, time passes, events go on.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep};

use super::Glimpses;
use super::checkpoint::CheckpointChange;
use super::intake::Intake;
use crate::clock::Clock;
use crate::replay_clock::Attendance;

/// How often all visits are written to the checkpoint anew, so that a departure after a crash
/// tells nearly the right time.
const ROUND_EVERY: Duration = Duration::from_secs(60);

/// Places of tags that one step of a round looks at, and the time between two such steps: a round
/// over a million tags takes some minutes and holds up nobody.
const ROUND_PORTION: u32 = 1024;
const ROUND_STEP_EVERY: Duration = Duration::from_millis(200);

pub(super) struct PresenceTask {
    pub(super) intake: Arc<Intake>,
    pub(super) steps: mpsc::Sender<CheckpointChange>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) round: Round,
    pub(super) attendance: Option<Attendance>,
}

/// How far all visits have been given anew.
#[derive(Debug, Default)]
pub(super) struct Round {
    due: Duration,
    /// Place of the tag to go on from.
    place: u32,
}

/// Kept from one wait to the next: what is due next is mostly what was due next before.
struct Timer {
    sleep: Pin<Box<Sleep>>,
    /// What it is set for.
    due: Duration,
}

impl Timer {
    async fn until(&mut self, due: Duration, now: Duration) {
        if self.due != due || self.sleep.is_elapsed() {
            self.sleep.as_mut().reset(Instant::now() + due.saturating_sub(now));
            self.due = due;
        }
        self.sleep.as_mut().await;
    }
}

impl PresenceTask {
    /// Runs until the intake is closed and everything is judged; then hands on the state of all visits
    /// and gives back what was not confirmed.
    pub(super) async fn run(mut self) -> Glimpses {
        let mut attendance = self.attendance.take();
        let mut timer = Timer { sleep: Box::pin(sleep(Duration::ZERO)), due: Duration::ZERO };
        self.hand_on().await;
        self.round.due = self.clock.now().monotonic + ROUND_EVERY;
        while !self.intake.is_finished() {
            let now = self.clock.now();
            let due = self.intake.go_on(now, self.round.due);
            self.hand_on().await;
            if now.monotonic >= self.round.due {
                self.go_on_with_round(now.monotonic).await;
            } else if let Some(due) = due {
                self.wait(now.monotonic, due, &mut timer, attendance.as_mut()).await;
            }
        }
        self.round.place = 0;
        while self.go_on_with_round(Duration::ZERO).await {}
        Glimpses(self.intake.end().map(|presence| presence.glimpses()).unwrap_or_default())
    }

    /// Waits for news or until the next moment at which there is something to do; everything up to
    /// `now` is done.
    async fn wait(
        &self,
        now: Duration,
        due: Duration,
        timer: &mut Timer,
        attendance: Option<&mut Attendance>,
    ) {
        let later = async {
            match attendance {
                Some(attendance) => attendance.done_until(now).await,
                None => timer.until(due, now).await,
            }
        };
        tokio::select! {
            biased;
            () = self.intake.news() => {}
            () = later => {}
        }
    }

    /// Gives events and the visits they changed to the chain of sinks. Waits while the chain is
    /// full; events and then reads gather meanwhile.
    async fn hand_on(&mut self) {
        if !self.intake.has_outcome() {
            return;
        }
        let place = self.steps.reserve().await;
        let change = self.intake.take_outcome();
        // The chain ends only after this task has dropped its sender.
        if let Ok(place) = place {
            place.send(change);
        }
    }

    /// Hands on the state of some more visits; returns whether the round has more of them.
    async fn go_on_with_round(&mut self, now: Duration) -> bool {
        let place = self.round.place;
        let (visits, next) = self
            .intake
            .with_presence(|presence| presence.checkpoints_from(place, ROUND_PORTION))
            .unwrap_or_default();
        let change = CheckpointChange {
            visits: visits.into_iter().map(|visit| (visit.tag, Some(visit))).collect(),
            begins_round: place == 0,
            ends_round: next.is_none(),
            ..CheckpointChange::default()
        };
        let _ = self.steps.send(change).await;
        self.round.place = next.unwrap_or(0);
        self.round.due = now + if next.is_some() { ROUND_STEP_EVERY } else { ROUND_EVERY };
        next.is_some()
    }
}
