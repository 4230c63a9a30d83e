//! An emulated PN532 on a pseudo-terminal, with cards that come and go.
//!
//! It knows the commands that the driver uses, sleeps after power-up as the chip does, has no radio
//! until it was told its mode, and lets an answer be aborted and asked for again. Where the protocol
//! document leaves something open, the choice stands beside the code that makes it.

mod chip;
mod pad;
mod plug;
mod scenario;
mod talk;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rfid_core::DurationText;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::model::Uid;
use crate::sim::SimulatedCard;
use chip::Chip;
use pad::Pad;
use plug::{Plug, Socket};
pub use scenario::{Scenario, ScenarioFault};

/// What goes wrong between chip and host on purpose, in the scenario's table `[faults]` or at run
/// time. What goes wrong with a card stands with the card.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// What the chip says goes out in pieces of this many bytes.
    pub split_every: Option<usize>,
    /// Noise of this many bytes stands in front of everything that the chip says.
    pub noise: usize,
    /// Every so-manieth acknowledgement is lost.
    pub lose_ack_every: Option<u32>,
    /// Every so-manieth answer is lost.
    pub lose_answer_every: Option<u32>,
    /// Every so-manieth answer has a bit turned over.
    pub damage_answer_every: Option<u32>,
    /// Every so-manieth command is not understood.
    pub misunderstand_every: Option<u32>,
    /// Before every so-manieth command the chip loses its power for a moment.
    pub reset_every: Option<u32>,
    /// Each answer comes later by this time.
    pub answer_delay: Option<DurationText>,
    /// Answers have the form for long payloads.
    pub extended: bool,
    /// The chip says nothing.
    pub mute: bool,
}

/// The board: what stays when the cable is pulled.
#[derive(Debug)]
struct Board {
    pad: Mutex<Pad>,
    faults: Mutex<Faults>,
    start: Instant,
}

impl Board {
    fn new(scenario: Scenario) -> Self {
        let (faults, pad) = (scenario.faults.clone(), Pad::new(scenario));
        Self { pad: Mutex::new(pad), faults: Mutex::new(faults), start: Instant::now() }
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    fn pad(&self) -> MutexGuard<'_, Pad> {
        lock(&self.pad)
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A running emulated chip.
#[derive(Debug)]
pub struct Emulator {
    board: Arc<Board>,
    link: PathBuf,
    wanted: watch::Sender<Plug>,
    done: watch::Receiver<Plug>,
    task: JoinHandle<()>,
}

impl Emulator {
    /// Starts a chip on a new pseudo-terminal. `link` becomes a symbolic link to it for as long as
    /// the cable is plugged in; one that is there already is replaced.
    ///
    /// # Errors
    /// There is no pseudo-terminal, or something else than a link has that name.
    pub async fn start(link: impl Into<PathBuf>, scenario: Scenario) -> io::Result<Self> {
        let link = link.into();
        let outages = scenario.outages();
        let board = Arc::new(Board::new(scenario));
        let socket = Socket::new(link.clone())?;
        let (wanted, told) = watch::channel(Plug::default());
        let (says, done) = watch::channel(Plug::default());
        let task = tokio::spawn(plug::run(socket, Arc::clone(&board), outages, told, says));
        Ok(Self { board, link, wanted, done, task })
    }

    /// Where the chip is.
    pub fn link(&self) -> &Path {
        &self.link
    }

    /// Lays a card on the pad, beside what lies there.
    pub fn lay(&self, card: SimulatedCard) {
        self.board.pad().lay(card, self.board.elapsed());
    }

    /// Takes everything off the pad, what the scenario laid there included.
    pub fn clear(&self) {
        self.board.pad().clear();
    }

    /// Does something with a card, on the pad or not; `None` if there is none with this UID.
    pub fn with_card<T>(&self, uid: &Uid, act: impl FnOnce(&mut SimulatedCard) -> T) -> Option<T> {
        self.board.pad().card(uid).map(act)
    }

    /// Puts other cards on the pad, and lets other things go wrong. Times of the scenario count from
    /// the start of the emulator; its outages do not count any more.
    pub fn set_scenario(&self, scenario: Scenario) {
        *self.board.faults() = scenario.faults.clone();
        *self.board.pad() = Pad::new(scenario);
    }

    /// Lets other things go wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        *self.board.faults() = faults;
    }

    /// Pulls the cable: the port is gone until [`Emulator::plug_in`].
    pub async fn pull(&mut self) {
        self.set_plug(|plug| plug.is_pulled = true).await;
    }

    /// Puts the cable back.
    pub async fn plug_in(&mut self) {
        self.set_plug(|plug| plug.is_pulled = false).await;
    }

    /// Pulls the cable and puts it back at once.
    pub async fn replug(&mut self) {
        self.set_plug(|plug| plug.times += 1).await;
    }

    async fn set_plug(&mut self, change: impl FnOnce(&mut Plug)) {
        self.wanted.send_modify(change);
        let wanted = *self.wanted.borrow();
        // An error means that the emulator has ended, and the port is gone with it.
        let _ = self.done.wait_for(|done| *done == wanted).await;
    }

    /// Ends the emulator; the port is gone.
    pub async fn shutdown(self) {
        drop(self.wanted);
        // A panic of the task would be a fault of this module; there is nothing to mend here.
        let _ = self.task.await;
    }
}

/// Serves one client over any stream until it goes: for tests in simulated time.
///
/// # Errors
/// Those of the stream; that the client is gone is one.
pub async fn serve_stream(stream: impl AsyncRead + AsyncWrite + Unpin, scenario: Scenario) -> io::Result<()> {
    talk::serve(stream, &mut Chip::default(), &Board::new(scenario)).await
}

/// No method leaves the state half changed, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
