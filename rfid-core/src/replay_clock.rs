//! The time of what is played back: it passes as fast as everybody is done with it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::clock::{Clock, Stamp};

/// A clock that those who play recordings move, and that waits for those who live by it.
///
/// A pipeline attends ([`Clock::attend`]) and says up to when it has done everything. Whoever
/// plays a moment moves the clock there first ([`ReplayClock::move_to`]), which returns when every
/// pipeline has taken what was handed over before and let the time pass. So a replay never
/// overruns a pipeline, whatever its speed, and what is due before a moment is said before it.
/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct ReplayClock(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    now: watch::Sender<Stamp>,
    attending: Mutex<Vec<Place>>,
    /// Somebody has done everything, or has left.
    done: Notify,
}

#[derive(Debug)]
struct Place {
    number: u64,
    /// Everything up to this moment is done.
    until: Duration,
}

impl Default for ReplayClock {
    fn default() -> Self {
        let (now, attending, done) = (watch::Sender::new(Stamp::default()), Mutex::default(), Notify::new());
        Self(Arc::new(Shared { now, attending, done }))
    }
}

impl ReplayClock {
    /// Sets the clock, before anything is played.
    pub fn set(&self, moment: Stamp) {
        self.0.now.send_replace(moment);
    }

    /// Moves the clock and returns when everybody who attends has done everything up to there. It
    /// always moves, by a nanosecond at least. For one caller at a time. *Cancel safety*: the
    /// clock has moved; call again.
    pub async fn move_to(&self, moment: Stamp) {
        self.0.now.send_modify(|now| {
            let least = now.monotonic.saturating_add(Duration::from_nanos(1));
            *now = Stamp { monotonic: moment.monotonic.max(least), utc: moment.utc };
        });
        let now = self.0.now.borrow().monotonic;
        loop {
            let done = self.0.done.notified();
            if self.0.attending().iter().all(|place| place.until >= now) {
                return;
            }
            done.await;
        }
    }
}

impl Clock for ReplayClock {
    fn now(&self) -> Stamp {
        *self.0.now.borrow()
    }

    fn attend(&self) -> Option<Attendance> {
        let now = self.0.now.subscribe();
        let mut attending = self.0.attending();
        let number = attending.last().map_or(0, |place| place.number + 1);
        attending.push(Place { number, until: Duration::ZERO });
        drop(attending);
        Some(Attendance { number, now, shared: Arc::clone(&self.0) })
    }
}

impl Shared {
    /// The state is whole after every statement, so a panic elsewhere does not spoil it.
    fn attending(&self) -> MutexGuard<'_, Vec<Place>> {
        self.attending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among those whom a clock waits for, until it is dropped.
#[derive(Debug)]
pub struct Attendance {
    number: u64,
    now: watch::Receiver<Stamp>,
    shared: Arc<Shared>,
}

impl Attendance {
    /// Says that everything up to this moment is done, and returns when the clock has moved on.
    /// Cancel-safe.
    pub async fn done_until(&mut self, moment: Duration) {
        if let Some(place) = self.shared.attending().iter_mut().find(|place| place.number == self.number) {
            place.until = moment;
        }
        self.shared.done.notify_waiters();
        // The sender is in what this holds on to.
        let _ = self.now.wait_for(|now| now.monotonic > moment).await;
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        self.shared.attending().retain(|place| place.number != self.number);
        self.shared.done.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Stamp {
        Stamp { monotonic: Duration::from_secs(seconds), ..Stamp::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_waits_for_those_who_attend() {
        let clock = ReplayClock::default();
        clock.move_to(at(1)).await;
        let mut attendance = clock.attend().unwrap();
        let mover = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.move_to(at(2)).await;
                clock.move_to(at(3)).await;
            }
        });
        attendance.done_until(Duration::from_secs(1)).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!((clock.now(), mover.is_finished()), (at(2), false), "what is due at 2 is not done");
        attendance.done_until(Duration::from_secs(2)).await;
        assert_eq!(clock.now(), at(3));
        drop(attendance);
        mover.await.unwrap();
    }

    #[tokio::test]
    async fn time_does_not_go_back() {
        let clock = ReplayClock::default();
        clock.move_to(at(2)).await;
        clock.move_to(at(1)).await;
        assert!(clock.now().monotonic > Duration::from_secs(2));
    }
}
