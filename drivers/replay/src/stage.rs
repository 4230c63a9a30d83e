//! Recordings that are played together: one clock, and turns in the order of their moments.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rfid_core::{Error, ErrorKind, Name, ReplayClock, Result, Retry, Stamp, UtcTime};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};

/// How long a recording waits for the others to be opened, before it says whom it waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// The seats of recordings that are played together.
#[derive(Debug)]
pub(crate) struct Stage {
    clock: ReplayClock,
    seats: Mutex<Seats>,
    /// A seat has changed.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Seats {
    by_reader: BTreeMap<Name, State>,
    /// Set when all have come.
    begun: Option<Begun>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// Its recording is not open.
    Absent,
    /// Is doing something. The clock stands.
    Busy(Opening),
    /// Has something to hand over at this moment.
    Waits(Opening, Duration),
    /// Has nothing more.
    Gone,
}

/// What a recording says when it is opened.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Opening {
    first: Stamp,
    /// When its clock stood at zero.
    clock_began: UtcTime,
    speed: f64,
}

/// From when on, and how fast, time passes.
#[derive(Clone, Copy, Debug)]
struct Begun {
    /// When the first of the clocks stood at zero; all are told by it.
    clock_began: UtcTime,
    first: Duration,
    at: Instant,
    speed: f64,
}

impl Stage {
    /// Seats for recordings as these readers.
    pub(crate) fn new(readers: impl IntoIterator<Item = Name>) -> Arc<Self> {
        let by_reader = readers.into_iter().map(|reader| (reader, State::Absent)).collect();
        let seats = Mutex::new(Seats { by_reader, begun: None });
        Arc::new(Self { clock: ReplayClock::default(), seats, changed: Notify::new() })
    }

    /// The clock that all of them move.
    pub(crate) fn clock(&self) -> &ReplayClock {
        &self.clock
    }

    /// Whether this reader has a seat here.
    pub(crate) fn has(&self, reader: &Name) -> bool {
        self.seats().by_reader.contains_key(reader)
    }

    /// Takes a seat and returns when all others are taken.
    ///
    /// *Errors*: `Connect` when another one is not taken for long, `Busy` when the recording has
    /// been played.
    pub(crate) async fn join(
        self: &Arc<Self>,
        reader: &Name,
        first: Stamp,
        clock_began: UtcTime,
        speed: f64,
    ) -> Result<Seat> {
        let opening = Opening { first, clock_began, speed };
        {
            let mut seats = self.seats();
            match seats.by_reader.get_mut(reader) {
                Some(state @ State::Absent) => *state = State::Busy(opening),
                _ => {
                    return Err(Error::new(ErrorKind::Busy, "open")
                        .with_detail("the recording has been played; start the host anew to play it again")
                        .with_retry(Retry::Never));
                }
            }
        }
        let mut seat =
            Seat { stage: Arc::clone(self), reader: reader.clone(), opening, shift: Duration::ZERO };
        self.changed.notify_waiters();
        let begun = timeout(PATIENCE, self.all_there()).await.map_err(|_| {
            let absent = self.absent();
            Error::new(ErrorKind::Connect, "open").with_detail(format!(
                "recordings are played together, and this one waits for that of {}",
                absent.join(", ")
            ))
        })?;
        seat.shift = clock_began.since(begun.clock_began);
        Ok(seat)
    }

    async fn all_there(&self) -> Begun {
        loop {
            let changed = self.changed.notified();
            if let Some(begun) = self.seats().begin(&self.clock) {
                self.changed.notify_waiters();
                return begun;
            }
            changed.await;
        }
    }

    fn absent(&self) -> Vec<String> {
        let seats = self.seats();
        let absent = seats.by_reader.iter().filter(|(_, state)| **state == State::Absent);
        absent.map(|(reader, _)| reader.to_string()).collect()
    }

    fn set(&self, reader: &Name, state: State) {
        if let Some(seat) = self.seats().by_reader.get_mut(reader) {
            *seat = state;
        }
        self.changed.notify_waiters();
    }

    /// The state is whole after every statement, so a panic elsewhere does not spoil it.
    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seats {
    /// Begins once all are there.
    fn begin(&mut self, clock: &ReplayClock) -> Option<Begun> {
        if self.begun.is_some() {
            return self.begun;
        }
        let openings: Option<Vec<Opening>> = self.by_reader.values().map(|state| state.opening()).collect();
        let openings = openings?;
        let clock_began = openings.iter().map(|opening| opening.clock_began).min()?;
        let first_of = |opening: &Opening| {
            let monotonic = opening.first.monotonic + opening.clock_began.since(clock_began);
            Stamp { monotonic, ..opening.first }
        };
        let first = openings.iter().map(first_of).min_by_key(|first| first.monotonic)?;
        let speed = openings.iter().map(|opening| opening.speed).fold(f64::INFINITY, f64::min);
        clock.set(first);
        self.begun = Some(Begun { clock_began, first: first.monotonic, at: Instant::now(), speed });
        self.begun
    }

    /// Whether it is this reader's turn, which waits for this moment.
    fn is_turn_of(&self, reader: &Name, moment: Duration) -> bool {
        self.by_reader.iter().all(|(other, state)| match state {
            State::Absent | State::Busy(_) => other == reader,
            State::Waits(_, theirs) => (*theirs, other) >= (moment, reader),
            State::Gone => true,
        })
    }
}

impl State {
    fn opening(&self) -> Option<Opening> {
        match self {
            Self::Busy(opening) | Self::Waits(opening, _) => Some(*opening),
            Self::Absent | Self::Gone => None,
        }
    }
}

/// The seat of one recording, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    stage: Arc<Stage>,
    reader: Name,
    opening: Opening,
    /// How much later than the stage's the recording's clock stood at zero.
    shift: Duration,
}

impl Seat {
    /// The moment on the stage's clock.
    pub(crate) fn on_stage(&self, moment: Stamp) -> Stamp {
        Stamp { monotonic: moment.monotonic.saturating_add(self.shift), ..moment }
    }

    /// Returns when it is this moment, nobody has anything to hand over before it, and everybody
    /// who lives by the clock has done what was due before. The clock then stands until the next
    /// turn of this seat is waited for, or the seat is left. *Cancel safety*: call again.
    pub(crate) async fn turn(&mut self, moment: Stamp) {
        let moment = self.on_stage(moment);
        self.stage.set(&self.reader, State::Waits(self.opening, moment.monotonic));
        loop {
            let changed = self.stage.changed.notified();
            if self.stage.seats().is_turn_of(&self.reader, moment.monotonic) {
                break;
            }
            changed.await;
        }
        let begun = self.stage.seats().begun;
        if let Some(due) = begun.and_then(|begun| begun.due(moment.monotonic)) {
            sleep_until(due).await;
        }
        self.stage.set(&self.reader, State::Busy(self.opening));
        self.stage.clock.move_to(moment).await;
    }

    /// Lets the others go on without this one.
    pub(crate) fn leave(&mut self) {
        // Whoever gives up before all are there may come again.
        let has_begun = self.stage.seats().begun.is_some();
        self.stage.set(&self.reader, if has_begun { State::Gone } else { State::Absent });
    }
}

impl Begun {
    /// When this moment is due; nothing for one that is never.
    fn due(&self, moment: Duration) -> Option<Instant> {
        let span = moment.saturating_sub(self.first).as_secs_f64() / self.speed;
        self.at.checked_add(Duration::try_from_secs_f64(span).unwrap_or(Duration::MAX))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}
