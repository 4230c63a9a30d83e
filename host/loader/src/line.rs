//! The host's end of the line to an instance, on a thread of this process or in one of its own.

use std::collections::VecDeque;
use std::fmt;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use rfid_abi as abi;
use rfid_core::ReadBuf;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use crate::incoming::{Incoming, Took};
use crate::message::{Answer, Call, EncodedEvents, Fault, FromInstance, ReaderEvent, ToInstance};
use crate::process::Process;
use crate::raw::{Cancel, lie};
use crate::ring::Refused;
use crate::teller::Teller;
use crate::thread::READ_LIMIT;

/// Words that may wait on their way to an instance: a call, and its successors after dropped futures.
pub(crate) const WAITING_TO: usize = 16;
/// Words that may wait on their way from it: answers, and how inventories ended.
pub(crate) const WAITING_FROM: usize = 64;

/// How much longer than it may an instance can take before it counts as stuck.
const GRACE: Duration = Duration::from_secs(10);
/// How much longer than it may an instance takes before somebody is told.
const OVERDUE: Duration = Duration::from_secs(1);

/// An instance, as the host speaks with it.
pub(crate) struct Line {
    pub(crate) to: To,
    from: mpsc::Receiver<FromInstance>,
    incoming: Incoming,
    /// Calls whose answers are still to come; the callers of all but the last are gone.
    owed: VecDeque<&'static str>,
    /// Somebody was told that a read does not return, and it has not returned since.
    is_late_read_told: bool,
    teller: Teller,
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
    pub(crate) fn new(
        to: To,
        from: mpsc::Receiver<FromInstance>,
        incoming: Incoming,
        teller: Teller,
    ) -> Self {
        Self { to, from, incoming, owed: VecDeque::new(), is_late_read_told: false, teller }
    }

    /// Makes a call that may take this long by itself.
    ///
    /// *Cancel safety*: the answer to a dropped call is dropped when it comes.
    pub(crate) async fn call(&mut self, call: Call, limit: Duration) -> Result<Answer, NoAnswer> {
        let (name, is_close) = (call.name(), matches!(call, Call::Close { .. }));
        self.set_closed(false);
        let answer = self.ask(name, ToInstance::Call(call), limit).await;
        self.set_closed(is_close && answer.is_ok());
        answer
    }

    /// Offers events to a sink.
    pub(crate) async fn deliver(
        &mut self,
        events: EncodedEvents,
        limit: Duration,
    ) -> Result<Answer, NoAnswer> {
        self.set_closed(false);
        self.ask("write", ToInstance::Deliver(events), limit).await
    }

    /// Whether the instance does nothing any more and can end in order.
    fn set_closed(&mut self, is_closed: bool) {
        if let To::Process(process) = &mut self.to {
            process.is_closed = is_closed;
        }
    }

    async fn ask(
        &mut self,
        name: &'static str,
        asked: ToInstance,
        limit: Duration,
    ) -> Result<Answer, NoAnswer> {
        self.send(asked)?;
        self.owed.push_back(name);
        loop {
            match self.said(limit).await? {
                None => return Err(self.gone()),
                Some(FromInstance::Answer(answer)) => {
                    self.owed.pop_front();
                    if self.owed.is_empty() {
                        return answer.map_err(NoAnswer::Fault);
                    }
                }
                Some(FromInstance::Failed(fault, after)) => self.incoming.fail(fault, after),
            }
        }
    }

    /// What the instance says next, in a call that may take this long by itself.
    async fn said(&mut self, limit: Duration) -> Result<Option<FromInstance>, NoAnswer> {
        if let Ok(said) = timeout(limit + OVERDUE, self.from.recv()).await {
            return Ok(said);
        }
        if let Some(call) = self.current_call() {
            self.teller.say_overdue(call, limit, limit + GRACE);
        }
        let said = timeout(GRACE - OVERDUE, self.from.recv()).await;
        said.map_err(|_| NoAnswer::Stuck(limit + GRACE))
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
        !self.owed.is_empty()
    }

    /// The call that the instance is in, as far as it was asked for one.
    pub(crate) fn current_call(&self) -> Option<&'static str> {
        self.owed.front().copied()
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
        let mut since = None;
        // What it said before was a sign of life before.
        self.incoming.has_rung();
        while !self.take(buf, noticed)? && !self.incoming.has_rung() {
            // What the reader notices is no sign of life of its instance.
            let waited = since.map(|since: Instant| since.elapsed()).unwrap_or_default();
            if waited >= patience {
                return Err(NoAnswer::Stuck(patience));
            }
            if waited >= READ_LIMIT + OVERDUE && !self.is_late_read_told {
                self.is_late_read_told = true;
                let call = self.current_call().unwrap_or("read");
                self.teller.say_overdue(call, READ_LIMIT, patience);
            }
            self.incoming.ask();
            // What came before it was asked is there without its saying so.
            if self.take(buf, noticed)? {
                break;
            }
            let since = *since.get_or_insert_with(Instant::now);
            let next_look =
                if self.is_late_read_told { patience } else { patience.min(READ_LIMIT + OVERDUE) };
            if let Ok(false) = timeout_at(since + next_look, self.wait()).await {
                // What it said last counts.
                return if self.take(buf, noticed)? { Ok(()) } else { Err(self.gone()) };
            }
            // A reader that notices something without end holds nobody else up.
            tokio::task::coop::consume_budget().await;
        }
        self.is_late_read_told = false;
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
                Some(FromInstance::Answer(_)) => drop(self.owed.pop_front()),
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
            Self::Fault(fault) => fault.of_plugin(plugin),
            Self::Gone(why) => gone(format!("plugin {plugin}: {why}")),
            Self::Stuck(patience) if in_process => {
                stuck_here(plugin, &format!("has not returned for {} s", patience.as_secs()))
            }
            Self::Stuck(patience) => gone(format!(
                "plugin {plugin} has not returned for {} s; its process was ended",
                patience.as_secs()
            )),
        }
    }
}

/// The fault of a plugin that is stuck on a thread of this process.
pub(crate) fn stuck_here(plugin: &str, how: &str) -> Fault {
    Fault {
        flags: abi::ERROR_FATAL,
        ..Fault::new(
            abi::Status::INTERNAL,
            format!(
                "plugin {plugin} {how} and cannot be ended in this process; restart the host, and write isolation = \"process\""
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, sync_channel};

    use super::*;
    use crate::incoming::Unasked;
    use crate::logged::Logged;
    use crate::message::Kind;
    use crate::ring::{Filler, Memory, Taker, fill};

    /// A line to an instance that is played by the test.
    struct Far {
        filler: Filler,
        unasked: Arc<Unasked>,
        from: mpsc::Sender<FromInstance>,
        _inbox: Receiver<ToInstance>,
    }

    fn line() -> (Line, Far) {
        let (_, memory) = Memory::new().unwrap();
        let (memory, unasked) = (Arc::new(memory), Arc::new(Unasked::default()));
        let incoming = Incoming::new(Taker::new(Arc::clone(&memory)), Arc::clone(&unasked));
        let (inbox, _inbox) = sync_channel(2);
        let (from, said) = mpsc::channel(1);
        let to = To::Thread { inbox, cancel: Cancel::default() };
        let line = Line::new(to, said, incoming, Teller::new("acme", Kind::Driver, "door"));
        (line, Far { filler: Filler::new(memory), unasked, from, _inbox })
    }

    const LONG: Duration = Duration::from_secs(600);

    async fn read(line: &mut Line, patience: Duration) -> (usize, Result<(), NoAnswer>) {
        let mut buf = ReadBuf::with_capacity(8);
        let outcome = line.read(&mut buf, &mut Vec::new(), patience).await;
        (buf.len(), outcome)
    }

    #[tokio::test]
    async fn the_last_reads_of_an_instance_come_before_its_end() {
        let (mut line, mut far) = line();
        fill(&mut far.filler, 0, 3, 0).unwrap();
        drop(far);
        assert!(matches!(read(&mut line, LONG).await, (3, Ok(()))));
        assert!(matches!(read(&mut line, LONG).await, (0, Err(NoAnswer::Gone(_)))));
    }

    #[tokio::test]
    async fn a_fault_comes_after_the_reads_before_it() {
        let (mut line, mut far) = line();
        fill(&mut far.filler, 0, 3, 0).unwrap();
        let failed = FromInstance::Failed(Fault::new(abi::Status::IO, "cut"), far.filler.published());
        far.from.try_send(failed).unwrap();
        assert!(matches!(read(&mut line, LONG).await, (3, Ok(()))));
        assert!(matches!(read(&mut line, LONG).await, (0, Err(NoAnswer::Fault(_)))));
    }

    #[tokio::test]
    async fn an_instance_that_has_no_reads_and_rings_lives() {
        let (mut line, far) = line();
        let rings = async {
            while !far.filler.is_host_to_be_told() {
                tokio::task::yield_now().await;
            }
            assert!(far.unasked.ring());
        };
        let (got, ()) = tokio::join!(read(&mut line, LONG), rings);
        assert!(matches!(got, (0, Ok(()))));
    }

    #[tokio::test]
    async fn one_that_says_nothing_is_stuck_whatever_its_reader_notices() {
        let (mut line, far) = line();
        let event = ReaderEvent::Lost { reads: 1 };
        let notices = async {
            loop {
                far.unasked.notice(crate::message::Noticed { event, after: 0 });
                tokio::task::yield_now().await;
            }
        };
        let reading = read(&mut line, Duration::from_millis(1));
        let got = tokio::select! { got = reading => got, () = notices => return };
        assert!(matches!(got, (0, Err(NoAnswer::Stuck(_)))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_that_does_not_return_is_told_once_before_the_instance_is_given_up() {
        let (logged, _guard) = Logged::begin();
        let (mut line, _far) = line();
        let patience = Duration::from_secs(10);
        let early = timeout(Duration::from_millis(1_200), read(&mut line, patience)).await;
        assert!(early.is_err() && logged.text().is_empty(), "{}", logged.text());
        let begun = Instant::now();
        assert!(matches!(read(&mut line, patience).await, (0, Err(NoAnswer::Stuck(_)))));
        assert_eq!(begun.elapsed().as_secs(), 10);
        let said = logged.text();
        assert_eq!(said.lines().count(), 1, "{said}");
        for part in ["plugin=acme reader=door call=\"read\"", "within 250ms", "given up after 10s"] {
            assert!(said.contains(part), "{said}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_does_not_return_is_told_a_second_late() {
        let (logged, _guard) = Logged::begin();
        let (mut line, _far) = line();
        let limit = Duration::from_secs(5);
        let call = line.call(Call::Open { limit_ms: 5_000 }, limit);
        let early = timeout(Duration::from_millis(5_900), call).await;
        assert!(early.is_err() && logged.text().is_empty(), "{}", logged.text());
        // Whoever asks next waits for the call that does not return.
        assert!(matches!(line.call(Call::Start, limit).await, Err(NoAnswer::Stuck(_))));
        let said = logged.text();
        assert!(said.contains("call=\"open\"") && said.lines().count() == 1, "{said}");
    }

    #[tokio::test]
    async fn a_buffer_without_room_is_handed_back_at_once() {
        let (mut line, mut far) = line();
        fill(&mut far.filler, 0, 9, 0).unwrap();
        let mut buf = ReadBuf::with_capacity(8);
        assert!(line.read(&mut buf, &mut Vec::new(), LONG).await.is_ok());
        assert!(line.read(&mut buf, &mut Vec::new(), LONG).await.is_ok());
        assert_eq!(buf.len(), 8);
        assert!(matches!(read(&mut line, LONG).await, (1, Ok(()))));
    }
}
