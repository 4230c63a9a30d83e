//! The host's end of the line to an instance, on a thread of this process or in one of its own.

use std::fmt;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use rfid_abi as abi;
use rfid_core::ReadBuf;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::incoming::{Incoming, Took};
use crate::message::{Answer, Call, EncodedEvents, Fault, FromInstance, ReaderEvent, ToInstance};
use crate::process::Process;
use crate::raw::{Cancel, lie};
use crate::ring::Refused;

/// Words that may wait on their way to an instance: a call, and its successors after dropped futures.
pub(crate) const WAITING_TO: usize = 16;
/// Words that may wait on their way from it: answers, and how inventories ended.
pub(crate) const WAITING_FROM: usize = 64;

/// How much longer than it may an instance can take before it counts as stuck.
const GRACE: Duration = Duration::from_secs(10);

/// An instance, as the host speaks with it.
pub(crate) struct Line {
    pub(crate) to: To,
    from: mpsc::Receiver<FromInstance>,
    incoming: Incoming,
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
    pub(crate) fn new(to: To, from: mpsc::Receiver<FromInstance>, incoming: Incoming) -> Self {
        Self { to, from, incoming, owed: 0 }
    }

    /// Makes a call that may take this long by itself.
    ///
    /// *Cancel safety*: the answer to a dropped call is dropped when it comes.
    pub(crate) async fn call(&mut self, call: Call, limit: Duration) -> Result<Answer, NoAnswer> {
        self.ask(ToInstance::Call(call), limit).await
    }

    /// Offers events to a sink.
    pub(crate) async fn deliver(
        &mut self,
        events: EncodedEvents,
        limit: Duration,
    ) -> Result<Answer, NoAnswer> {
        self.ask(ToInstance::Deliver(events), limit).await
    }

    async fn ask(&mut self, asked: ToInstance, limit: Duration) -> Result<Answer, NoAnswer> {
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
                Some(FromInstance::Failed(fault, after)) => self.incoming.fail(fault, after),
            }
        }
    }

    /// Asks; never waits.
    fn send(&self, said: ToInstance) -> Result<(), NoAnswer> {
        let sent = match &self.to {
            To::Thread { inbox, .. } => {
                let sent = inbox.try_send(said).is_ok();
                self.incoming.wake_instance();
                sent
            }
            To::Process(process) => process.send(said),
        };
        if sent { Ok(()) } else { Err(self.gone()) }
    }

    /// Whether the answer to a call whose caller is gone is still to come.
    pub(crate) fn is_busy(&self) -> bool {
        self.owed > 0
    }

    /// Waits for reads and adds them to the buffer, and what was noticed before them to `noticed`.
    /// Returns without reads as well, now and then, as long as the instance lives; one that has given
    /// no sign of that for so long is stuck.
    ///
    /// *Cancel safety*: nothing is lost.
    pub(crate) async fn read(
        &mut self,
        buf: &mut ReadBuf,
        noticed: &mut Vec<ReaderEvent>,
        patience: Duration,
    ) -> Result<(), NoAnswer> {
        let mut until = None;
        // What it said before was a sign of life before.
        self.incoming.has_rung();
        while !self.take(buf, noticed)? && !self.incoming.has_rung() {
            self.incoming.ask();
            // What came before it was asked is there without its saying so.
            if self.take(buf, noticed)? {
                break;
            }
            let until = *until.get_or_insert_with(|| Instant::now() + patience);
            let is_there = timeout_at(until, self.wait()).await.map_err(|_| NoAnswer::Stuck(patience))?;
            if !is_there {
                // What it said last counts.
                return if self.take(buf, noticed)? { Ok(()) } else { Err(self.gone()) };
            }
        }
        Ok(())
    }

    /// Takes what is there, and whether anything was or nothing fits.
    fn take(&mut self, buf: &mut ReadBuf, noticed: &mut Vec<ReaderEvent>) -> Result<bool, NoAnswer> {
        match self.incoming.take(buf, noticed).map_err(|refused| self.refuse(refused))? {
            Took::Reads => Ok(true),
            Took::Failed(fault) => Err(NoAnswer::Fault(fault)),
            Took::Nothing => Ok(buf.is_full()),
        }
    }

    /// Waits until something may have come. False: nothing will.
    ///
    /// *Cancel safety*: nothing is lost.
    async fn wait(&mut self) -> bool {
        tokio::select! {
            said = self.from.recv() => match said {
                None => return false,
                Some(FromInstance::Answer(_)) => self.owed = self.owed.saturating_sub(1),
                Some(FromInstance::Failed(fault, after)) => self.incoming.fail(fault, after),
            },
            () = self.incoming.wait() => {}
        }
        true
    }

    /// Leaves out the reads that are there: an inventory is about to begin.
    pub(crate) fn discard_reads(&mut self) -> Result<(), NoAnswer> {
        self.incoming.discard_reads().map_err(|refused| self.refuse(refused))
    }

    /// An inventory has begun: how the last one ended is of no more interest.
    pub(crate) fn forget_end(&mut self) {
        self.incoming.forget_end();
    }

    /// A connection is about to be made: what was noticed on another one is of no more interest.
    pub(crate) fn forget_noticed(&mut self) {
        self.incoming.forget_noticed();
    }

    fn refuse(&self, refused: Refused) -> NoAnswer {
        match (refused, &self.to) {
            (Refused::NoRead(fault), _) => NoAnswer::Fault(lie(format!("a read is not one: {fault}"))),
            (Refused::Nonsense(what), To::Thread { .. }) => {
                NoAnswer::Gone(format!("it wrote nonsense over its reads ({what})"))
            }
            (Refused::Nonsense(what), To::Process(_)) => {
                NoAnswer::Gone(format!("its process said nonsense ({what}) and was ended"))
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
