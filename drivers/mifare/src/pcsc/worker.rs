//! The thread that talks to the card. Every call of PC/SC blocks, so none is made on the runtime.
//!
//! Between selecting a card and letting go of it the reader is ours alone (§1.9): nobody else may
//! load a key between our load and our authentication.

use std::ffi::CString;
use std::thread::JoinHandle;

use pcsc::{Context, Disposition, Protocols, Scope, ShareMode, Transaction};
use rfid_core::{Error, ErrorKind, Result};
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use super::apdu::KeyPlace;
use super::exchange::{Channel, Exchange};
use super::failure::failed;
use crate::coupler::{CardFault, ValueChange};
use crate::model::{Block, Key, KeySlot, Uid};

type Reply<T> = oneshot::Sender<Result<T, CardFault>>;

/// What the thread is asked to do.
pub(super) enum Task {
    /// Connect to the card and tell who it is.
    Select(Reply<Selected>),
    Authenticate(u8, KeySlot, Key, Reply<()>),
    Read(u8, Reply<Block>),
    /// Wiped when done: it may be a trailer.
    Write(u8, Zeroizing<Block>, Reply<()>),
    ChangeValue(u8, ValueChange, Reply<()>),
    CopyValue(u8, u8, Reply<()>),
    Release(oneshot::Sender<()>),
}

/// A card that was connected to.
pub(super) struct Selected {
    pub(super) uid: Uid,
    /// The ATR that it has now: it may have been swapped since the service told of one.
    pub(super) atr: Vec<u8>,
}

/// The thread and the way to it.
pub(super) struct Worker {
    pub(super) tasks: mpsc::Sender<Task>,
    thread: JoinHandle<()>,
}

/// Tasks that may wait: a caller waits for each, so more than a dropped one's never do.
const TASKS: usize = 4;

impl Worker {
    /// Starts the thread.
    ///
    /// # Errors
    /// `Connect` if the service does not run.
    pub(super) fn start(reader: CString) -> Result<Self> {
        let context = Context::establish(Scope::User).map_err(|error| failed("open", error))?;
        let (tasks, queue) = mpsc::channel(TASKS);
        let thread = std::thread::Builder::new()
            .name("pcsc-card".to_owned())
            .spawn(move || Desk { context, reader, place: None, queue, next: None, is_stubborn: false }.run())
            .map_err(|error| Error::new(ErrorKind::Io, "open").with_source(error))?;
        Ok(Self { tasks, thread })
    }

    /// Ends the thread. Blocks until the exchange that runs is over.
    pub(super) fn end(self) {
        drop(self.tasks);
        let _ = self.thread.join();
    }
}

/// What the thread knows.
struct Desk {
    context: Context,
    reader: CString,
    /// How this reader wants keys, once that is known.
    place: Option<KeyPlace>,
    queue: mpsc::Receiver<Task>,
    /// A task that ended the work with the last card.
    next: Option<Task>,
    /// The card refused something: only a reset makes some readers talk to it again (§1.10).
    is_stubborn: bool,
}

impl Desk {
    fn run(mut self) {
        while let Some(task) = self.next.take().or_else(|| self.queue.blocking_recv()) {
            match task {
                Task::Select(reply) => self.work_with_card(reply),
                Task::Release(done) => {
                    let _ = done.send(());
                }
                // Whoever asks for these was too late: the card was let go.
                Task::Authenticate(.., reply) | Task::ChangeValue(.., reply) => refuse(reply),
                Task::Write(.., reply) | Task::CopyValue(.., reply) => refuse(reply),
                Task::Read(_, reply) => refuse(reply),
            }
        }
    }

    /// Connects, and carries out what is asked until somebody lets go of the card or selects anew.
    fn work_with_card(&mut self, reply: Reply<Selected>) {
        let connected = self.context.connect(&self.reader, ShareMode::Shared, Protocols::ANY);
        let mut card = match connected {
            Ok(card) => card,
            Err(error) => return drop(reply.send(Err(fault(error)))),
        };
        if std::mem::take(&mut self.is_stubborn)
            && let Err(error) = card.reconnect(ShareMode::Shared, Protocols::ANY, Disposition::ResetCard)
        {
            return drop(reply.send(Err(fault(error))));
        }
        let transaction = match card.transaction() {
            Ok(transaction) => transaction,
            Err(error) => return drop(reply.send(Err(fault(error)))),
        };
        let mut exchange = Exchange::new(&transaction, self.place);
        let selected = who_is(&exchange, &transaction);
        let mut is_there = selected.is_ok();
        let _ = reply.send(selected);
        while let Some(task) = is_there.then(|| self.queue.blocking_recv()).flatten() {
            let refused = match task {
                // The same card once more: whoever asks authenticates anew, and a card that is well
                // needs no new connection for that.
                Task::Select(reply) if !self.is_stubborn => {
                    let selected = who_is(&exchange, &transaction);
                    is_there = selected.is_ok();
                    answer(reply, selected)
                }
                task @ (Task::Select(_) | Task::Release(_)) => {
                    self.next = Some(task);
                    break;
                }
                Task::Authenticate(block, slot, key, reply) => {
                    answer(reply, exchange.authenticate(block, slot, &key))
                }
                Task::Read(block, reply) => answer(reply, exchange.read(block)),
                Task::Write(block, content, reply) => answer(reply, exchange.write(block, &content)),
                Task::ChangeValue(block, change, reply) => {
                    answer(reply, exchange.change_value(block, change))
                }
                Task::CopyValue(from, to, reply) => answer(reply, exchange.copy_value(from, to)),
            };
            self.is_stubborn |= refused;
        }
        exchange.forget_key();
        self.place = exchange.place();
        let _ = transaction.end(Disposition::LeaveCard);
        let _ = card.disconnect(Disposition::LeaveCard);
    }
}

/// Who the card is that was connected to.
fn who_is(
    exchange: &Exchange<'_, Transaction<'_>>,
    transaction: &Transaction<'_>,
) -> Result<Selected, CardFault> {
    let uid = exchange.uid()?;
    let atr = transaction.status2_owned().map_err(fault)?.atr().to_vec();
    Ok(Selected { uid, atr })
}

/// Sends an answer; whether it was a refusal.
fn answer<T>(reply: Reply<T>, outcome: Result<T, CardFault>) -> bool {
    let is_refusal = matches!(outcome, Err(CardFault::KeyRefused | CardFault::AccessRefused));
    // Nobody waits for it if the caller was dropped.
    let _ = reply.send(outcome);
    is_refusal
}

fn refuse<T>(reply: Reply<T>) {
    let _ = reply.send(Err(CardFault::AccessRefused));
}

impl Channel for Transaction<'_> {
    fn transmit<'s>(&self, command: &[u8], space: &'s mut [u8]) -> Result<&'s [u8], CardFault> {
        pcsc::Card::transmit(self, command, space).map_err(fault)
    }
}

/// What an error of PC/SC means for the card (§1.10).
fn fault(error: pcsc::Error) -> CardFault {
    use pcsc::Error::{
        CommDataLost, NoSmartcard, NotTransacted, RemovedCard, ResetCard, UnpoweredCard, UnresponsiveCard,
    };
    match error {
        RemovedCard | NoSmartcard | NotTransacted | CommDataLost | UnpoweredCard | UnresponsiveCard => {
            CardFault::Gone
        }
        // Somebody else reset it: what was open is closed.
        ResetCard => CardFault::AccessRefused,
        error => CardFault::Coupler(failed("card command", error)),
    }
}
