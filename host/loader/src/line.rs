//! The host's end of the line to an instance, on a thread of this process or in one of its own.

use std::fmt;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use rfid_abi as abi;
use tokio::sync::mpsc;

use crate::message::{Answer, Call, EncodedEvents, Fault, FromInstance, ReaderEvent, ToInstance};
use crate::process::Process;
use crate::raw::Cancel;

/// Words that may wait on their way to an instance: a call, its successor after a dropped future,
/// and what was lent.
pub(crate) const WAITING_TO: usize = 16;
/// Words that may wait on their way from it. Reads wait for room before; events beyond it are lost.
pub(crate) const WAITING_FROM: usize = 64;

/// How much longer than it may an instance can take before it counts as stuck.
const GRACE: Duration = Duration::from_secs(10);

/// An instance, as the host speaks with it.
pub(crate) struct Line {
    pub(crate) to: To,
    pub(crate) from: mpsc::Receiver<FromInstance>,
    /// Answers that are still to come to calls whose callers are gone.
    owed: usize,
}

/// Where the instance is.
pub(crate) enum To {
    Thread { inbox: SyncSender<ToInstance>, cancel: Cancel },
    Process(Process),
}

/// Why there is no answer.
pub(crate) enum NoAnswer {
    /// The instance says why.
    Fault(Fault),
    /// It does not return from the call.
    Stuck(Duration),
    /// It is gone, for this reason.
    Gone(String),
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.to {
            To::Thread { .. } => "instance on a thread",
            To::Process(_) => "instance in a process",
        })
    }
}

impl Line {
    pub(crate) fn new(to: To, from: mpsc::Receiver<FromInstance>) -> Self {
        Self { to, from, owed: 0 }
    }

    /// Makes a call that may take this long by itself. What is read or noticed meanwhile goes to
    /// `meanwhile`.
    ///
    /// *Cancel safety*: the answer to a dropped call is dropped when it comes.
    pub(crate) async fn call(
        &mut self,
        call: Call,
        limit: Duration,
        meanwhile: impl FnMut(FromInstance),
    ) -> Result<Answer, NoAnswer> {
        self.ask(ToInstance::Call(call), limit, meanwhile).await
    }

    /// Offers events to a sink.
    pub(crate) async fn deliver(
        &mut self,
        events: EncodedEvents,
        limit: Duration,
    ) -> Result<Answer, NoAnswer> {
        self.ask(ToInstance::Deliver(events), limit, |_| ()).await
    }

    async fn ask(
        &mut self,
        asked: ToInstance,
        limit: Duration,
        mut meanwhile: impl FnMut(FromInstance),
    ) -> Result<Answer, NoAnswer> {
        self.send(asked)?;
        self.owed += 1;
        let patience = limit + GRACE;
        loop {
            let said = tokio::time::timeout(patience, self.from.recv()).await;
            match said.map_err(|_| NoAnswer::Stuck(patience))? {
                None => return Err(self.gone()),
                Some(FromInstance::Answer(answer)) => {
                    self.owed -= 1;
                    if self.owed == 0 {
                        return answer.map_err(NoAnswer::Fault);
                    }
                }
                Some(other) => meanwhile(other),
            }
        }
    }

    /// Lends room or asks; never waits.
    pub(crate) fn send(&self, said: ToInstance) -> Result<(), NoAnswer> {
        let sent = match &self.to {
            To::Thread { inbox, .. } => inbox.try_send(said).is_ok(),
            To::Process(process) => process.send(said),
        };
        if sent { Ok(()) } else { Err(self.gone()) }
    }

    /// Whether the answer to a call whose caller is gone is still to come.
    pub(crate) fn is_busy(&self) -> bool {
        self.owed > 0
    }

    /// What comes next without being asked for: reads and what the reader noticed. Answers to calls
    /// whose callers are gone are dropped.
    ///
    /// *Cancel safety*: nothing is lost.
    pub(crate) async fn next(&mut self) -> Result<Unasked, NoAnswer> {
        loop {
            match self.from.recv().await {
                None => return Err(self.gone()),
                Some(FromInstance::Answer(_)) => self.owed = self.owed.saturating_sub(1),
                Some(FromInstance::Read(buf, outcome)) => return Ok(Unasked::Read(buf, outcome)),
                Some(FromInstance::Event(event)) => return Ok(Unasked::Event(event)),
            }
        }
    }

    /// Makes the running call return.
    pub(crate) fn cancel(&self) {
        match &self.to {
            To::Thread { cancel, .. } => cancel.cancel(),
            To::Process(process) => process.cancel(),
        }
    }

    pub(crate) fn is_thread(&self) -> bool {
        matches!(self.to, To::Thread { .. })
    }

    fn gone(&self) -> NoAnswer {
        NoAnswer::Gone(match &self.to {
            To::Thread { .. } => "its thread has ended".to_owned(),
            To::Process(process) => process.end(),
        })
    }
}

/// What an instance says without being asked.
pub(crate) enum Unasked {
    Read(rfid_core::ReadBuf, Result<(), Fault>),
    Event(ReaderEvent),
}

impl NoAnswer {
    /// As a fault of a plugin at this place.
    pub(crate) fn into_fault(self, plugin: &str, in_process: bool) -> Fault {
        let gone = |message: String| Fault {
            flags: abi::ERROR_RECONNECT,
            ..Fault::new(abi::Status::INTERNAL, message)
        };
        match self {
            Self::Fault(fault) => fault,
            Self::Gone(why) => gone(format!("plugin {plugin}: {why}")),
            Self::Stuck(patience) if in_process => Fault {
                flags: abi::ERROR_FATAL,
                ..Fault::new(
                    abi::Status::INTERNAL,
                    format!(
                        "plugin {plugin} has not returned for {} s and cannot be ended in this process; restart the host, and write isolation = \"process\"",
                        patience.as_secs()
                    ),
                )
            },
            Self::Stuck(patience) => gone(format!(
                "plugin {plugin} has not returned for {} s; its process was ended",
                patience.as_secs()
            )),
        }
    }
}
