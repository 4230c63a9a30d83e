//! An instance wherever it lives, made anew after it was lost.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rfid_abi as abi;
use rfid_core::{Error, ErrorKind, Result, Retry};

use crate::in_process;
use crate::line::{Line, NoAnswer, stuck_here};
use crate::message::{Abilities, Answer, Call, Fault, Setup};
use crate::plugins::Loaded;
use crate::process::{Newborn, Stillborn, host_fault};
use crate::teller::Teller;

/// Losses of so long decide how soon an instance is made anew.
const LATE: Duration = Duration::from_secs(600);
/// An instance that is lost more often within that time is tried seldom.
const MANY: usize = 5;
/// Losses are remembered for this long.
const MEMORY: Duration = Duration::from_secs(3_600);
/// An instance that is lost so often within that time does not get well by itself.
const TOO_MANY: usize = 10;
/// Losses that are counted; whoever is tried every half minute has no more in an hour.
const MOST: usize = 128;
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// An instance of a plugin, there or to be made.
pub(crate) struct PluginInstance {
    plugin: Arc<Loaded>,
    setup: Setup,
    state: State,
    pub(crate) abilities: Abilities,
}

enum State {
    /// Made, and not yet spoken with.
    Fresh(Started),
    There(Line),
    /// To be made.
    Lost,
    /// Stuck on a thread of this process, which nothing can end.
    Stuck,
}

/// An instance that was just made.
pub(crate) enum Started {
    Thread(Line),
    Process(Newborn),
}

impl PluginInstance {
    /// Makes an instance.
    ///
    /// *Behaviour*: waits for the plugin, a few milliseconds as a rule and some seconds at most.
    pub(crate) fn create(plugin: Arc<Loaded>, setup: Setup) -> Result<Self, Fault> {
        let (started, abilities) = while_others_go_on(|| start(&plugin, &setup))?;
        Ok(Self { plugin, setup, state: State::Fresh(started), abilities })
    }

    /// The line to the instance, which is made if there is none.
    pub(crate) async fn line(&mut self, op: &'static str) -> Result<&mut Line> {
        if let State::Lost = self.state {
            let (plugin, setup) = (Arc::clone(&self.plugin), self.setup.clone());
            let made = tokio::task::spawn_blocking(move || start(&plugin, &setup)).await;
            let made =
                made.unwrap_or_else(|_| Err(Fault::new(abi::Status::INTERNAL, "the host is stopping")));
            match made {
                Ok((started, abilities)) => {
                    self.abilities = abilities;
                    self.state = State::Fresh(started);
                }
                Err(fault) => return Err(self.lost(fault, op)),
            }
        }
        if let State::Fresh(_) = self.state {
            let State::Fresh(started) = std::mem::replace(&mut self.state, State::Lost) else {
                return Err(stuck(&self.plugin, op));
            };
            self.state = match started {
                Started::Thread(line) => State::There(line),
                Started::Process(newborn) => {
                    let teller = self.teller();
                    match newborn.into_line(teller, self.plugin.most_memory) {
                        Ok(line) => State::There(line),
                        Err(error) => {
                            return Err(self.lost(host_fault("no line to its process", &error), op));
                        }
                    }
                }
            };
        }
        match &mut self.state {
            State::There(line) => Ok(line),
            _ => Err(stuck(&self.plugin, op)),
        }
    }

    /// The line, if the instance is there.
    pub(crate) fn present(&mut self) -> Option<&mut Line> {
        match &mut self.state {
            State::There(line) => Some(line),
            _ => None,
        }
    }

    /// Makes a call that the instance itself may take this long for.
    ///
    /// *Cancel safety*: the answer to a dropped call is dropped when it comes.
    pub(crate) async fn call(&mut self, op: &'static str, call: Call, limit: Duration) -> Result<Answer> {
        let answer = self.line(op).await?.call(call, limit).await;
        answer.map_err(|no_answer| self.fail(no_answer, op))
    }

    /// Draws the conclusions from an answer that did not come.
    pub(crate) fn fail(&mut self, no_answer: NoAnswer, op: &'static str) -> Error {
        let in_process = self.present().is_some_and(|line| line.is_thread());
        let is_answer = matches!(no_answer, NoAnswer::Fault(_));
        let is_stuck = matches!(no_answer, NoAnswer::Stuck(_));
        let fault = no_answer.into_fault(self.plugin.name(), in_process);
        if is_answer && fault.status != abi::Status::PANIC.0 {
            return fault.into_error(op);
        }
        if is_stuck && in_process {
            self.state = State::Stuck;
            return fault.into_error(op);
        }
        self.lost(fault, op)
    }

    /// The instance is gone. It is made anew with the next call, which is to wait.
    fn lost(&mut self, fault: Fault, op: &'static str) -> Error {
        self.state = State::Lost;
        let Loss { wait, times, is_to_be_told } = self.plugin.note_loss(&self.setup.name);
        if is_to_be_told {
            self.teller().say_ailing(times, wait);
        }
        let error = fault.clone().into_error(op);
        // What the operator wrote does not get better by being tried at once.
        if error.kind() == ErrorKind::Config {
            return error;
        }
        // What is the same each time is told once.
        let again = match times {
            ..=1 => String::new(),
            2..TOO_MANY => format!("; {times} times within the hour"),
            TOO_MANY.. => format!("; {TOO_MANY} times within the hour, or more"),
        };
        Error::new(error.kind(), op)
            .with_detail(format!("{}{again}", fault.message))
            .with_retry(Retry::After(wait))
    }

    /// Ends the instance, whatever it is doing; it is made anew when it is needed.
    pub(crate) fn give_up(&mut self) {
        if let State::There(line) = &self.state
            && let Some(call) = line.current_call()
        {
            self.teller().say_given_up(call, line.is_thread());
        }
        self.state = match &self.state {
            State::There(line) if line.is_thread() && line.is_busy() => State::Stuck,
            State::Stuck => State::Stuck,
            _ => State::Lost,
        };
    }

    fn teller(&self) -> Teller {
        teller(&self.plugin, &self.setup)
    }
}

/// Waits without holding up the other tasks of the runtime, if there is one that has other threads.
fn while_others_go_on<T>(wait: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(wait),
        _ => wait(),
    }
}

/// An instance that never returned is not called again.
fn stuck(plugin: &Loaded, op: &'static str) -> Error {
    stuck_here(plugin.name(), "does not return from an earlier call").into_error(op)
}

fn teller(plugin: &Loaded, setup: &Setup) -> Teller {
    Teller::new(plugin.name(), setup.kind, &setup.name)
}

fn start(plugin: &Arc<Loaded>, setup: &Setup) -> Result<(Started, Abilities), Fault> {
    let teller = teller(plugin, setup);
    if let Some(module) = plugin.module() {
        let (line, abilities) = in_process::start(Arc::clone(module), setup.clone(), teller)?;
        return Ok((Started::Thread(line), abilities));
    }
    let gone = |why: String| Fault::new(abi::Status::INTERNAL, format!("plugin {}: {why}", plugin.name()));
    let limit = in_process::CREATE_LIMIT;
    let (mut newborn, _) =
        Newborn::start(&plugin.runner, plugin.sealed(), plugin.most_memory, limit).map_err(gone)?;
    match newborn.create(setup, &teller, limit) {
        Ok(abilities) => Ok((Started::Process(newborn), abilities)),
        Err(Stillborn::Fault(fault)) => Err(fault),
        Err(Stillborn::Ended(how)) => Err(gone(how)),
    }
}

/// When instances were lost.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// Within the hour.
    late: VecDeque<Duration>,
    /// When it was said that there are too many.
    told: Option<Duration>,
    /// Ever.
    pub(crate) all: u64,
}

/// What follows from a loss.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    /// Before the next instance is made.
    pub(crate) wait: Duration,
    /// How many there were within the hour.
    pub(crate) times: usize,
    /// There are too many, and that was not said within the hour.
    pub(crate) is_to_be_told: bool,
}

impl Losses {
    /// One more, now.
    pub(crate) fn note(&mut self, now: Duration) -> Loss {
        self.forget(now);
        if self.late.len() == MOST {
            self.late.pop_front();
        }
        self.late.push_back(now);
        self.all += 1;
        let times = self.late.len();
        let wait = match self.late.iter().rev().take_while(|at| now.saturating_sub(**at) <= LATE).count() {
            of_late @ ..=MANY => FIRST_WAIT * 2u32.pow((of_late as u32).saturating_sub(1)),
            _ => LONGEST_WAIT,
        };
        let is_to_be_told = times >= TOO_MANY && self.told.is_none();
        if is_to_be_told {
            self.told = Some(now);
        }
        Loss { wait, times, is_to_be_told }
    }

    /// How many there were within the hour, if those are too many.
    pub(crate) fn too_many(&mut self, now: Duration) -> Option<usize> {
        self.forget(now);
        Some(self.late.len()).filter(|times| *times >= TOO_MANY)
    }

    fn forget(&mut self, now: Duration) {
        let is_past = |at: &Duration| now.saturating_sub(*at) > MEMORY;
        while self.late.pop_front_if(|at| is_past(at)).is_some() {}
        self.told.take_if(|at| is_past(at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn waits_grow_and_one_that_is_lost_again_and_again_is_tried_seldom() {
        let mut losses = Losses::default();
        let waits: Vec<u128> = (0..7).map(|turn| losses.note(at(turn)).wait.as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_600, 30_000, 30_000]);
        let later = losses.note(at(7) + LATE);
        assert_eq!((later.wait, later.times), (FIRST_WAIT, 8), "it is tried soon, and counted all the same");
        assert_eq!(losses.note(at(8) + LATE + MEMORY).times, 1, "what is long ago is forgotten");
    }

    #[test]
    fn one_that_does_not_get_well_is_told_once_an_hour() {
        let mut losses = Losses::default();
        let told: Vec<u64> = (0..300).filter(|turn| losses.note(at(turn * 30)).is_to_be_told).collect();
        assert_eq!(told, [9, 130, 251]);
        assert_eq!(losses.too_many(at(300 * 30)), Some(120));
        assert_eq!(losses.too_many(at(300 * 30) + MEMORY), None);
    }

    #[test]
    fn one_that_is_lost_now_and_then_is_nothing_to_be_told() {
        let mut losses = Losses::default();
        assert!((0..100).all(|turn| !losses.note(at(turn * 420)).is_to_be_told));
    }
}
